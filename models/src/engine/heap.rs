//! Memory that was freed, given back to the system.

/// What loading a model took, or an unloaded one had, lies in heaps that the C library keeps for later: it is given back,
/// since others need the room.
#[cfg(target_env = "gnu")]
pub(crate) fn give_back() {
    #[expect(unsafe_code, reason = "the C library's heap")]
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    // SAFETY: glibc's function takes a number, and its own locks.
    #[expect(unsafe_code, reason = "the C library's heap")]
    let _ = unsafe { malloc_trim(0) };
}

/// Other C libraries do so by themselves or not at all.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back() {}
