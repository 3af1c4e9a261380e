//! What the loaded plugins can compute on.

use std::{
    ffi::{CStr, c_char},
    fmt,
};

use serde::{Deserialize, Serialize};

/// What kind of device it is, as llama.cpp sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The CPU with the machine's memory.
    Cpu,
    /// A GPU with its own memory.
    Gpu,
    /// A GPU that shares the machine's memory.
    Igpu,
    /// Something that helps the CPU.
    Accel,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPU",
            Self::Gpu => "GPU",
            Self::Igpu => "GPU with the board's memory",
            Self::Accel => "accelerator",
        })
    }
}

/// One device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The plugin's name for it, such as `Vulkan0`.
    pub name: String,
    /// The driver's name for it.
    pub description: String,
    /// What kind it is.
    pub kind: DeviceKind,
    /// Bytes of its memory; 0 where the driver does not say.
    pub memory: u64,
}

/// The devices of every plugin that is loaded, the CPU's first.
#[must_use]
pub fn devices() -> Vec<Device> {
    // SAFETY: plugins are loaded and never unloaded, so an index below the count stays valid, and so do the strings.
    #[expect(unsafe_code, reason = "reading llama.cpp's list of devices")]
    unsafe {
        let count = llama_cpp_sys_2::ggml_backend_dev_count();
        let mut found: Vec<Device> = (0..count)
            .map(|index| describe(llama_cpp_sys_2::ggml_backend_dev_get(index)))
            .collect();
        found.sort_by_key(|device| device.kind != DeviceKind::Cpu);
        found
    }
}

/// # Safety
/// The device must be one of llama.cpp's list.
#[expect(unsafe_code, reason = "reading llama.cpp's list of devices")]
unsafe fn describe(device: llama_cpp_sys_2::ggml_backend_dev_t) -> Device {
    let (mut free, mut total) = (0, 0);
    // SAFETY: the device is valid by this function's contract, and the two numbers are ours.
    unsafe {
        llama_cpp_sys_2::ggml_backend_dev_memory(device, &raw mut free, &raw mut total);
        Device {
            name: text(llama_cpp_sys_2::ggml_backend_dev_name(device)),
            description: text(llama_cpp_sys_2::ggml_backend_dev_description(device)),
            kind: match llama_cpp_sys_2::ggml_backend_dev_type(device) {
                llama_cpp_sys_2::GGML_BACKEND_DEVICE_TYPE_CPU => DeviceKind::Cpu,
                llama_cpp_sys_2::GGML_BACKEND_DEVICE_TYPE_GPU => DeviceKind::Gpu,
                llama_cpp_sys_2::GGML_BACKEND_DEVICE_TYPE_IGPU => DeviceKind::Igpu,
                _ => DeviceKind::Accel,
            },
            memory: u64::try_from(total).unwrap_or_default(),
        }
    }
}

/// The extensions that the CPU's plugin uses, in its order.
pub(super) fn cpu_features() -> Vec<String> {
    // SAFETY: the registry and its strings live as long as the program. The function that the plugin gives under this
    // name has the type that ggml-backend.h states for it, and its list ends with an entry without a name.
    #[expect(unsafe_code, reason = "asking a plugin what it uses")]
    unsafe {
        let registry = llama_cpp_sys_2::ggml_backend_reg_by_name(c"CPU".as_ptr());
        if registry.is_null() {
            return Vec::new();
        }
        let found = llama_cpp_sys_2::ggml_backend_reg_get_proc_address(
            registry,
            c"ggml_backend_get_features".as_ptr(),
        );
        if found.is_null() {
            return Vec::new();
        }
        let list = std::mem::transmute::<
            *mut std::ffi::c_void,
            llama_cpp_sys_2::ggml_backend_get_features_t,
        >(found);
        let Some(list) = list else { return Vec::new() };
        let mut feature = list(registry);
        let mut names = Vec::new();
        while !feature.is_null() && !(*feature).name.is_null() {
            if text((*feature).value) == "1" {
                names.push(text((*feature).name));
            }
            feature = feature.add(1);
        }
        names
    }
}

/// # Safety
/// The pointer must be null or a C string that is valid during the call.
#[expect(unsafe_code, reason = "a C string")]
pub(super) unsafe fn text(from: *const c_char) -> String {
    if from.is_null() {
        return String::new();
    }
    // SAFETY: not null, and a C string by this function's contract.
    unsafe { CStr::from_ptr(from) }
        .to_string_lossy()
        .into_owned()
}
