//! The threads that compute, kept between batches.
//!
//! Without a pool of its own, ggml starts and ends its threads for every batch.

use std::{ffi::CStr, ptr::NonNull};

use llama_cpp_sys_2 as sys;

type New = unsafe extern "C" fn(*mut sys::ggml_threadpool_params) -> sys::ggml_threadpool_t;
type Free = unsafe extern "C" fn(sys::ggml_threadpool_t);

/// ggml's pool of threads.
pub(super) struct Threads {
    pool: NonNull<sys::ggml_threadpool>,
    free: Free,
}

// SAFETY: the pool is a heap object with its own locks that is not bound to the thread that made it; it is used by
// the thread that owns this value alone.
#[expect(unsafe_code, reason = "a pool made by one thread is used by another")]
unsafe impl Send for Threads {}

impl Threads {
    /// A pool of `count` threads, the caller's included; nothing if the CPU's plugin has none.
    pub(super) fn try_new(count: i32) -> Option<Self> {
        // The functions are in the CPU's plugin, which this program is not linked with.
        let new = function(c"ggml_threadpool_new")?;
        let free = function(c"ggml_threadpool_free")?;
        // SAFETY: ggml's plugins export these names with the signatures in ggml-cpu.h, which the types repeat.
        #[expect(unsafe_code, reason = "functions that are found by name")]
        let (new, free) = unsafe {
            (
                std::mem::transmute::<NonNull<std::ffi::c_void>, New>(new),
                std::mem::transmute::<NonNull<std::ffi::c_void>, Free>(free),
            )
        };
        // SAFETY: the parameters are made by ggml for this count and live through the call.
        #[expect(unsafe_code, reason = "the binding has no thread pools")]
        let pool = unsafe {
            let mut params = sys::ggml_threadpool_params_default(count.max(1));
            new(&raw mut params)
        };
        NonNull::new(pool).map(|pool| Self { pool, free })
    }

    /// For llama.cpp.
    pub(super) fn as_ptr(&self) -> sys::ggml_threadpool_t {
        self.pool.as_ptr()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // SAFETY: the pool came from the same plugin and is freed once; every context that it was attached to is
        // freed before it, since `Context` drops its fields after `llama_free`.
        #[expect(unsafe_code, reason = "the binding has no thread pools")]
        unsafe {
            (self.free)(self.pool.as_ptr());
        }
    }
}

/// A function of the CPU's plugin.
fn function(name: &CStr) -> Option<NonNull<std::ffi::c_void>> {
    // SAFETY: the device and its registry are looked up in ggml's list, which lives as long as the program; both are
    // checked for null before they are used.
    #[expect(unsafe_code, reason = "functions that are found by name")]
    let found = unsafe {
        let device = sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU);
        if device.is_null() {
            return None;
        }
        let registry = sys::ggml_backend_dev_backend_reg(device);
        if registry.is_null() {
            return None;
        }
        sys::ggml_backend_reg_get_proc_address(registry, name.as_ptr())
    };
    NonNull::new(found)
}
