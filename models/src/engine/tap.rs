//! Reads hidden states out of a batch while it is computed.
//!
//! llama.cpp gives hidden states to contexts that are made for them alone, and then computes every token's
//! probabilities too. The tap takes the final norm's rows as they pass instead, so that one pass gives hidden states,
//! probabilities and the key-value cache.

use std::ffi::{CStr, c_void};

use llama_cpp_sys_2 as sys;

use super::sums::Sums;

/// What llama.cpp's graphs call the last layer's states after the final norm, one row for each output.
const FINAL: &CStr = c"result_norm";

/// Where the rows go. Its address must not change while a context has it.
#[derive(Debug, Default)]
pub(super) struct Tap {
    open: bool,
    width: usize,
    rows: Vec<f32>,
    sums: Option<Sums>,
}

impl Tap {
    /// Takes the rows of the next batch, or lets them pass.
    pub(super) fn set(&mut self, open: bool) {
        self.open = open;
        self.rows.clear();
        self.width = 0;
    }

    /// From now on adds to `sums`, and takes no rows meanwhile; gives what was added to so far.
    pub(super) fn gather(&mut self, sums: Option<Sums>) -> Option<Sums> {
        std::mem::replace(&mut self.sums, sums)
    }

    /// The state at an output's row of the last batch.
    pub(super) fn row(&self, row: usize) -> Option<&[f32]> {
        if self.width == 0 {
            return None;
        }
        self.rows.chunks_exact(self.width).nth(row)
    }
}

/// Called by llama.cpp on the thread that decodes: first to ask whether a node is wanted, then with its values.
#[expect(unsafe_code, reason = "a callback that C calls")]
pub(super) unsafe extern "C" fn pass(
    tensor: *mut sys::ggml_tensor,
    ask: bool,
    tap: *mut c_void,
) -> bool {
    // SAFETY: the context was made with the address of the boxed tap that it owns, and while it decodes nobody else
    // has a reference to it.
    let Some(tap) = (unsafe { tap.cast::<Tap>().as_mut() }) else {
        return !ask;
    };
    if !tap.open && tap.sums.is_none() {
        return !ask;
    }
    // SAFETY: llama.cpp passes a tensor of the graph that it computes, which lives through this call.
    let Some(node) = (unsafe { tensor.as_ref() }) else {
        return !ask;
    };
    if let Some(sums) = &mut tap.sums {
        if ask {
            return Sums::wants(node);
        }
        sums.add(node);
        return true;
    }
    // SAFETY: ggml keeps names within the array and ends them with NUL.
    let is_final = unsafe { CStr::from_ptr(node.name.as_ptr()) } == FINAL;
    if ask {
        return is_final;
    }
    if is_final && node.type_ == sys::GGML_TYPE_F32 {
        take(tap, node);
    }
    // To go on computing.
    true
}

fn take(tap: &mut Tap, node: &sys::ggml_tensor) {
    let width = usize::try_from(node.ne[0]).unwrap_or(0);
    let rows = usize::try_from(node.ne[1]).unwrap_or(0);
    let bytes = width * rows * size_of::<f32>();
    let is_dense = node.nb[1] == width * size_of::<f32>() && node.ne[2] == 1 && node.ne[3] == 1;
    if !is_dense {
        return;
    }
    tap.width = width;
    tap.rows.clear();
    tap.rows.resize(width * rows, 0.0);
    // SAFETY: the tensor is dense with `bytes` bytes of f32, and so is the vector.
    #[expect(unsafe_code, reason = "the values may lie on a device")]
    unsafe {
        sys::ggml_backend_tensor_get(node, tap.rows.as_mut_ptr().cast(), 0, bytes);
    }
}
