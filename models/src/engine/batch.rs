//! The tokens that are decoded together.

use llama_cpp_2::token::LlamaToken;
use llama_cpp_sys_2 as sys;

/// Tokens with their places. Each belongs to one sequence.
#[derive(Default)]
pub(crate) struct Batch {
    tokens: Vec<i32>,
    positions: Vec<i32>,
    sequences: Vec<i32>,
    outputs: Vec<i8>,
    /// What llama.cpp wants beside these: a count and a pointer for each token.
    counts: Vec<i32>,
    pointers: Vec<*mut i32>,
    outputs_so_far: usize,
}

// SAFETY: the pointers are made new by `raw`, point into `sequences` of the same value, and are read by nobody else.
#[expect(unsafe_code, reason = "a vector of pointers into the value itself")]
unsafe impl Send for Batch {}

impl Batch {
    /// Takes all tokens out.
    pub(crate) fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.sequences.clear();
        self.outputs.clear();
        self.outputs_so_far = 0;
    }

    /// Adds a token; if it gives an output, says the output's row.
    pub(crate) fn add(
        &mut self,
        token: LlamaToken,
        position: usize,
        sequence: i32,
        output: bool,
    ) -> Option<usize> {
        self.tokens.push(token.0);
        // A context is never as long as that.
        self.positions
            .push(i32::try_from(position).unwrap_or(i32::MAX));
        self.sequences.push(sequence);
        self.outputs.push(i8::from(output));
        output.then(|| {
            self.outputs_so_far += 1;
            self.outputs_so_far - 1
        })
    }

    /// How many tokens there are.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The token's index for each output's row.
    pub(super) fn index_of_row(&self, row: usize) -> Option<usize> {
        let is_output = |(_, output): &(usize, &i8)| **output != 0;
        self.outputs
            .iter()
            .enumerate()
            .filter(is_output)
            .nth(row)
            .map(|(index, _)| index)
    }

    /// As llama.cpp reads it; valid until the batch is changed or moved.
    pub(super) fn raw(&mut self) -> sys::llama_batch {
        self.counts.clear();
        self.counts.resize(self.tokens.len(), 1);
        self.pointers.clear();
        self.pointers
            .extend(self.sequences.iter_mut().map(std::ptr::from_mut));
        sys::llama_batch {
            n_tokens: i32::try_from(self.tokens.len()).unwrap_or(i32::MAX),
            token: self.tokens.as_mut_ptr(),
            embd: std::ptr::null_mut(),
            pos: self.positions.as_mut_ptr(),
            n_seq_id: self.counts.as_mut_ptr(),
            seq_id: self.pointers.as_mut_ptr(),
            logits: self.outputs.as_mut_ptr(),
        }
    }
}
