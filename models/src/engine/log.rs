//! llama.cpp's own log, as tracing events: its errors as warnings, the rest at debug and below.

use std::{
    cell::RefCell,
    ffi::{CStr, c_char, c_void},
    sync::Once,
};

/// The longest line that is kept, in bytes.
const MAX_LINE: usize = 400;

thread_local! {
    static FIRST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Sends llama.cpp's log to tracing from now on.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the callback is a plain function with the signature that llama.cpp declares, it lives as long as
        // the program, and it does not use the user data, which may therefore be null.
        #[expect(
            unsafe_code,
            reason = "the binding has no safe way to set a callback that keeps errors"
        )]
        unsafe {
            llama_cpp_sys_2::llama_log_set(Some(line), std::ptr::null_mut());
        }
    });
}

/// What llama.cpp says of a batch that ended because it was asked to.
const STOPPED: [&str; 3] = [
    "graph_compute: ggml_backend_sched_graph_compute_async failed with error 1",
    "process_ubatch: failed to compute graph, compute status: 1",
    "llama_decode: failed to decode, ret = 2",
];

/// Takes the first error that llama.cpp logged on this thread since the last taking: later ones only say that it failed.
pub(crate) fn take_error() -> Option<String> {
    let first = FIRST_ERROR.with_borrow_mut(std::mem::take);
    (!first.is_empty()).then_some(first)
}

/// Called by llama.cpp, on any of its threads.
#[expect(unsafe_code, reason = "a callback that C calls")]
unsafe extern "C" fn line(
    level: llama_cpp_sys_2::ggml_log_level,
    text: *const c_char,
    _user: *mut c_void,
) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a text that ends with NUL and stays valid and unchanged during this call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    match level {
        llama_cpp_sys_2::GGML_LOG_LEVEL_ERROR if STOPPED.contains(&text) => {
            tracing::trace!(target: "llama.cpp", "{text}");
        }
        llama_cpp_sys_2::GGML_LOG_LEVEL_ERROR => {
            let kept = &text[..text.floor_char_boundary(MAX_LINE)];
            FIRST_ERROR.with_borrow_mut(|first| {
                if first.is_empty() {
                    kept.clone_into(first);
                }
            });
            tracing::warn!(target: "llama.cpp", "{kept}");
        }
        // The config asked for it, so somebody wants to know.
        llama_cpp_sys_2::GGML_LOG_LEVEL_WARN if text.contains("failed to mlock") => {
            tracing::warn!(target: "llama.cpp", "{text}");
        }
        llama_cpp_sys_2::GGML_LOG_LEVEL_WARN | llama_cpp_sys_2::GGML_LOG_LEVEL_INFO => {
            tracing::debug!(target: "llama.cpp", "{text}");
        }
        _ => tracing::trace!(target: "llama.cpp", "{text}"),
    }
}
