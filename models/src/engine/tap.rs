//! Reads hidden states out of a batch while it is computed.
//!
//! llama.cpp gives hidden states to contexts that are made for them alone, and then computes every token's
//! probabilities too. The tap takes the final norm's rows as they pass instead, so that one pass gives hidden states,
//! probabilities and the key-value cache; and those of layers on the way, which llama.cpp gives nobody.

use std::ffi::{CStr, c_void};

use llama_cpp_sys_2 as sys;

use super::sums::Sums;

/// What llama.cpp's graphs call the last layer's states after the final norm, one row for each output.
const FINAL: &CStr = c"result_norm";

/// What they call a layer's output, before its number: one row for each token, save at the last layer.
const LAYER: &[u8] = b"l_out-";

/// Where the rows go. Its address must not change while a context has it.
#[derive(Debug, Default)]
pub(super) struct Tap {
    final_norm: Option<Rows>,
    layers: Vec<(u16, Rows)>,
    /// The tokens of the batch, and so the rows of a layer.
    tokens: usize,
    /// The layer after which nobody wants anything of the batch.
    last: Option<u16>,
    sums: Option<Sums>,
}

/// One node's rows.
#[derive(Debug, Default)]
struct Rows {
    width: usize,
    values: Vec<f32>,
}

impl Rows {
    fn get(&self, row: usize) -> Option<&[f32]> {
        let start = row.checked_mul(self.width)?;
        let values = self.values.get(start..start + self.width)?;
        (self.width > 0).then_some(values)
    }
}

impl Tap {
    /// Takes the final norm's rows of the next batch, of so many tokens, or lets them pass, and those of these layers.
    ///
    /// With `only`, nothing else is wanted of the batch, and it ends with the last of the layers.
    pub(super) fn set(&mut self, final_norm: bool, layers: &[u16], tokens: usize, only: bool) {
        self.tokens = tokens;
        self.last = layers.iter().max().copied().filter(|_| only);
        self.final_norm = final_norm.then(Rows::default);
        self.layers.clear();
        let fresh = layers.iter().map(|&layer| (layer, Rows::default()));
        self.layers.extend(fresh);
    }

    /// From now on adds to `sums`, and takes no rows meanwhile; gives what was added to so far.
    pub(super) fn gather(&mut self, sums: Option<Sums>) -> Option<Sums> {
        std::mem::replace(&mut self.sums, sums)
    }

    /// Whether nothing is wanted of the next batch.
    fn is_idle(&self) -> bool {
        self.final_norm.is_none() && self.layers.is_empty() && self.sums.is_none()
    }

    /// The final state at an output's row of the last batch.
    pub(super) fn row(&self, row: usize) -> Option<&[f32]> {
        self.final_norm.as_ref()?.get(row)
    }

    /// A layer's state at a token of the last batch.
    pub(super) fn at(&self, layer: u16, token: usize) -> Option<&[f32]> {
        let (_, rows) = self.layers.iter().find(|(number, _)| *number == layer)?;
        // The last layer's rows are those of outputs alone.
        let is_whole = rows.values.len() == rows.width * self.tokens;
        rows.get(token).filter(|_| is_whole)
    }

    /// The number of the layer whose output has this name, as long as any layer is wanted.
    fn number(&self, name: &CStr) -> Option<u16> {
        if self.layers.is_empty() {
            return None;
        }
        let number = name.to_bytes().strip_prefix(LAYER)?;
        std::str::from_utf8(number).ok()?.parse().ok()
    }

    /// Where the rows of the node of this name go.
    fn place(&mut self, name: &CStr) -> Option<&mut Rows> {
        if name == FINAL {
            return self.final_norm.as_mut();
        }
        let number = self.number(name)?;
        let mut each = self.layers.iter_mut();
        each.find(|(layer, _)| *layer == number)
            .map(|(_, rows)| rows)
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
    if tap.is_idle() {
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
    let name = unsafe { CStr::from_ptr(node.name.as_ptr()) };
    let place = tap.place(name);
    if ask {
        return place.is_some();
    }
    if let Some(rows) = place
        && node.type_ == sys::GGML_TYPE_F32
    {
        take(rows, node);
    }
    // Whether to go on computing.
    tap.last.is_none() || tap.number(name) != tap.last
}

fn take(into: &mut Rows, node: &sys::ggml_tensor) {
    let width = usize::try_from(node.ne[0]).unwrap_or(0);
    let rows = usize::try_from(node.ne[1]).unwrap_or(0);
    let bytes = width * rows * size_of::<f32>();
    let is_dense = node.nb[1] == width * size_of::<f32>() && node.ne[2] == 1 && node.ne[3] == 1;
    if !is_dense {
        return;
    }
    into.width = width;
    into.values.clear();
    into.values.resize(width * rows, 0.0);
    // SAFETY: the tensor is dense with `bytes` bytes of f32, and so is the vector.
    #[expect(unsafe_code, reason = "the values may lie on a device")]
    unsafe {
        sys::ggml_backend_tensor_get(node, into.values.as_mut_ptr().cast(), 0, bytes);
    }
}
