//! What the loaded plugins offer to compute layers on.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text;

/// A GPU, or an NPU that takes layers as one does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The plugin's name for it, such as `Vulkan0`.
    pub name: String,
    /// The driver's name for it.
    pub description: String,
    /// Bytes of memory that it can use; 0 where the driver does not say.
    pub memory: u64,
}

/// `Vulkan0 (Mali-G610)`
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.description)
    }
}

/// The devices of every plugin that is loaded.
pub(super) fn devices() -> Vec<Device> {
    // SAFETY: plugins are loaded and never unloaded, so an index below the count stays valid, and so do the strings.
    #[expect(unsafe_code, reason = "reading llama.cpp's list of devices")]
    unsafe {
        let count = llama_cpp_sys_2::ggml_backend_dev_count();
        (0..count)
            .filter_map(|index| describe(llama_cpp_sys_2::ggml_backend_dev_get(index)))
            .collect()
    }
}

/// # Safety
/// The device must be one of llama.cpp's list.
#[expect(unsafe_code, reason = "reading llama.cpp's list of devices")]
unsafe fn describe(device: llama_cpp_sys_2::ggml_backend_dev_t) -> Option<Device> {
    let (mut free, mut total) = (0, 0);
    // SAFETY: the device is valid by this function's contract, and the two numbers are ours.
    unsafe {
        let kind = llama_cpp_sys_2::ggml_backend_dev_type(device);
        let takes_layers = kind == llama_cpp_sys_2::GGML_BACKEND_DEVICE_TYPE_GPU
            || kind == llama_cpp_sys_2::GGML_BACKEND_DEVICE_TYPE_IGPU;
        if !takes_layers {
            return None;
        }
        llama_cpp_sys_2::ggml_backend_dev_memory(device, &raw mut free, &raw mut total);
        Some(Device {
            name: text(llama_cpp_sys_2::ggml_backend_dev_name(device)),
            description: text(llama_cpp_sys_2::ggml_backend_dev_description(device)),
            memory: u64::try_from(total).unwrap_or_default(),
        })
    }
}
