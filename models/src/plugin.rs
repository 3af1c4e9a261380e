//! llama.cpp's code for one CPU or one accelerator, as files that are found and loaded when the program runs.
//!
//! One build of the program so serves every level of an instruction set, and takes up a GPU or NPU where a plugin for
//! it lies beside it. A plugin is code, so it is never taken from the current folder, nor from one of strangers. The
//! CPU's is loaded first and always; an accelerator's only when asked for, since its driver is code too, and may crash
//! ([`crate::offload`] tries that in another process).

mod device;
mod find;
mod score;

use std::{
    ffi::{CStr, CString, c_char},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use serde::Serialize;

pub use self::{
    device::Device,
    find::{Found, Search, find},
};

/// The plugin for this CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CpuPlugin {
    /// The file.
    pub path: PathBuf,
    /// The level of the instruction set that it was built for, by the file's name; `native` where it was built on and
    /// for one machine.
    pub level: String,
    /// What it uses, as llama.cpp puts it: `SSE3 = 1 | AVX2 = 1`.
    pub features: String,
}

/// Why there is no plugin.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PluginError {
    /// No folder has one for the CPU.
    #[error(
        "llama.cpp's code for the CPU (libggml-cpu*.so) is in none of these folders: {}; put it beside the program or in \
         ../lib/shoal{}",
        listed(.searched), .refused.iter().map(|said| format!("; {said}")).collect::<String>()
    )]
    NoCpu {
        /// The folders that were looked into.
        searched: Vec<PathBuf>,
        /// What was there and not taken, and why.
        refused: Vec<String>,
    },
    /// None of them runs on this CPU.
    #[error("none of llama.cpp's plugins in {} runs on this CPU", folder.display())]
    NoLevel {
        /// The folder.
        folder: PathBuf,
    },
    /// It was there and could not be loaded.
    #[error("{} cannot be loaded: {reason}", path.display())]
    Rejected {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    names.join(", ")
}

/// Loads the plugin for this CPU, once in the life of the program; later calls give what the first one found.
///
/// # Errors
/// If no folder has one that runs here.
pub fn load_cpu(search: &Search) -> Result<&'static CpuPlugin, PluginError> {
    static CPU: OnceLock<Result<CpuPlugin, PluginError>> = OnceLock::new();
    CPU.get_or_init(|| try_cpu(search))
        .as_ref()
        .map_err(Clone::clone)
}

fn try_cpu(search: &Search) -> Result<CpuPlugin, PluginError> {
    let Found { cpu, refused, .. } = find(search);
    for said in &refused {
        tracing::warn!("{said}");
    }
    let Some(folder) = cpu.first().and_then(|path| path.parent()) else {
        return Err(PluginError::NoCpu {
            searched: search.folders.clone(),
            refused,
        });
    };
    let best = score::best(&cpu).ok_or_else(|| PluginError::NoLevel {
        folder: folder.to_owned(),
    })?;
    load(&best)?;
    // SAFETY: the text is a static of llama.cpp's, written again only by the next call, and this one runs once.
    #[expect(unsafe_code, reason = "a C string of llama.cpp")]
    let features = unsafe { text(llama_cpp_sys_2::llama_print_system_info()) };
    let plugin = CpuPlugin {
        level: find::level(&best),
        features: features.trim_matches([' ', '|']).to_owned(),
        path: best,
    };
    tracing::info!(level = %plugin.level, path = %plugin.path.display(), "llama.cpp's code for this CPU is loaded");
    Ok(plugin)
}

/// Loads every accelerator's plugin, each once, and gives the devices that take layers. What cannot be loaded, as where
/// a driver's library is missing, is left out.
pub fn load_accelerators(search: &Search) -> Vec<Device> {
    static LOADED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    for variants in find(search).accelerators {
        let Some(path) = score::best(&variants).filter(|path| !loaded.contains(path)) else {
            continue;
        };
        match load(&path) {
            Ok(()) => loaded.push(path),
            Err(error) => tracing::info!(%error, "an accelerator's plugin is left out"),
        }
    }
    device::devices()
}

fn load(path: &Path) -> Result<(), PluginError> {
    let rejected = |reason: String| PluginError::Rejected {
        path: path.to_owned(),
        reason,
    };
    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| rejected("its name holds a zero byte".to_owned()))?;
    crate::engine::log::install();
    // SAFETY: the name is a C string that outlives the call. The file is code from a folder of root's, of this user or
    // of whoever owns this program, and llama.cpp checks that its interface has our version.
    #[expect(unsafe_code, reason = "loading a plugin runs its code")]
    let registered = unsafe { llama_cpp_sys_2::ggml_backend_load(name.as_ptr()) };
    if registered.is_null() {
        return Err(rejected(score::complaint(path)));
    }
    Ok(())
}

/// The version of llama.cpp's library that plugins are loaded into.
#[must_use]
pub fn version() -> String {
    // SAFETY: the function gives a static C string.
    #[expect(unsafe_code, reason = "a C string of llama.cpp")]
    unsafe {
        text(llama_cpp_sys_2::ggml_version())
    }
}

/// # Safety
/// The pointer must be null or a C string that is valid during the call.
#[expect(unsafe_code, reason = "a C string")]
unsafe fn text(from: *const c_char) -> String {
    if from.is_null() {
        return String::new();
    }
    // SAFETY: not null, and a C string by this function's contract.
    unsafe { CStr::from_ptr(from) }
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests;
