//! How strongly each column of a weight matrix is used, gathered out of batches while they are computed.

use std::{collections::BTreeMap, ffi::CStr};

use llama_cpp_sys_2 as sys;

/// For each weight matrix by name: the sums, over all tokens, of the squares of the numbers that its columns were
/// multiplied with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    columns: BTreeMap<Vec<u8>, Vec<f32>>,
    numbers: Vec<f32>,
}

impl Sums {
    /// Names, without a NUL, and sums.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[f32])> {
        self.columns
            .iter()
            .map(|(name, sums)| (name.as_slice(), sums.as_slice()))
    }

    /// Whether a node multiplies a layer's plain weights with numbers that can be read afterwards.
    pub(super) fn wants(node: &sys::ggml_tensor) -> bool {
        parts(node).is_some()
    }

    /// Adds what went into a node that is wanted.
    pub(super) fn add(&mut self, node: &sys::ggml_tensor) {
        let Some((weights, input, width)) = parts(node) else {
            return;
        };
        let rows = usize::try_from(input.ne[1]).unwrap_or(0);
        self.numbers.clear();
        self.numbers.resize(width * rows, 0.0);
        // SAFETY: `parts` has seen that the tensor is dense with as many f32 as the vector.
        #[expect(unsafe_code, reason = "the values may lie on a device")]
        unsafe {
            let bytes = width * rows * size_of::<f32>();
            sys::ggml_backend_tensor_get(input, self.numbers.as_mut_ptr().cast(), 0, bytes);
        }
        // SAFETY: ggml keeps names within the array and ends them with NUL.
        #[expect(unsafe_code, reason = "a name in C's manner")]
        let name = unsafe { CStr::from_ptr(weights.name.as_ptr()) };
        let sums = self.columns.entry(name.to_bytes().to_vec()).or_default();
        sums.resize(width, 0.0);
        for row in self.numbers.chunks_exact(width) {
            for (sum, number) in sums.iter_mut().zip(row) {
                *sum += number * number;
            }
        }
    }
}

/// The weights of a product, what they are multiplied with, and its width.
fn parts(node: &sys::ggml_tensor) -> Option<(&sys::ggml_tensor, &sys::ggml_tensor, usize)> {
    if node.op != sys::GGML_OP_MUL_MAT {
        return None;
    }
    // SAFETY: the sources of a node in a graph live as long as the graph, and a product has two.
    #[expect(unsafe_code, reason = "sources are pointers")]
    let (weights, input) = unsafe { (node.src[0].as_ref()?, node.src[1].as_ref()?) };
    // SAFETY: as in `add`.
    #[expect(unsafe_code, reason = "a name in C's manner")]
    let name = unsafe { CStr::from_ptr(weights.name.as_ptr()) };
    let width = usize::try_from(input.ne[0]).ok().filter(|w| *w > 0)?;
    let is_layer = name.to_bytes().starts_with(b"blk.");
    let is_dense = input.type_ == sys::GGML_TYPE_F32
        && input.nb[0] == size_of::<f32>()
        && input.nb[1] == width * size_of::<f32>()
        && input.ne[2] == 1
        && input.ne[3] == 1;
    (is_layer && is_dense).then_some((weights, input, width))
}
