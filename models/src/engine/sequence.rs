//! One context and the one sequence of tokens in it.

use std::{num::NonZeroU32, sync::atomic::Ordering};

use llama_cpp_2::{
    context::{LlamaContext, params::LlamaContextParams},
    llama_batch::LlamaBatch,
    model::LlamaModel,
    token::LlamaToken,
};

use super::{EngineOptions, LoadError, Pulse, job::JobError, load, log};

/// The only sequence's number.
const SEQUENCE: i32 = 0;

/// A context whose cache holds the tokens `held`, in order from position 0.
pub(super) struct Sequence<'m> {
    context: LlamaContext<'m>,
    batch: LlamaBatch<'static>,
    held: Vec<LlamaToken>,
    chunk: usize,
    limit: usize,
}

impl<'m> Sequence<'m> {
    /// A context for `tokens` tokens; `embeddings` makes it give hidden states.
    pub(super) fn try_new(
        model: &'m LlamaModel,
        options: &EngineOptions,
        tokens: u32,
        embeddings: bool,
    ) -> Result<Self, LoadError> {
        let chunk = options.chunk.clamp(1, tokens.max(1));
        let threads = i32::try_from(options.threads.max(1)).unwrap_or(1);
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(tokens))
            .with_n_batch(chunk)
            .with_n_ubatch(chunk)
            .with_n_seq_max(1)
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_embeddings(embeddings);
        let params = if embeddings {
            params.with_pooling_type(llama_cpp_2::context::params::LlamaPoolingType::None)
        } else {
            params
        };
        log::take_error();
        let context = model.new_context(load::backend()?, params).map_err(|e| {
            let reason = log::take_error().unwrap_or_else(|| e.to_string());
            load::rejected(
                &options.path,
                &format!("no context of {tokens} tokens: {reason}"),
            )
        })?;
        let chunk = chunk as usize;
        Ok(Self {
            limit: tokens.min(context.n_ctx()) as usize,
            context,
            batch: LlamaBatch::new(chunk, 1),
            held: Vec::new(),
            chunk,
        })
    }

    /// How many tokens fit.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The context, to sample from or to read states from.
    pub(super) fn context(&self) -> &LlamaContext<'m> {
        &self.context
    }

    /// Keeps the beginning that the held tokens share with `wanted`, less the last of `wanted`, which must be decoded
    /// for there to be an output. Gives its length.
    pub(super) fn keep(&mut self, wanted: &[LlamaToken]) -> usize {
        let shared = self
            .held
            .iter()
            .zip(wanted)
            .take_while(|(a, b)| a == b)
            .count();
        let shared = shared.min(wanted.len().saturating_sub(1));
        let from = u32::try_from(shared).ok();
        // Recurrent models cannot forget a part.
        if shared == 0 || self.context.kv_cache_seq_rm(SEQUENCE, from, None).is_err() {
            self.clear();
            return 0;
        }
        self.held.truncate(shared);
        shared
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.context.clear_kv_cache();
        self.held.clear();
    }

    /// Reads `tokens` in chunks, asking `go_on` before each; the last one gives an output.
    pub(super) fn read(
        &mut self,
        tokens: &[LlamaToken],
        pulse: &Pulse,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), JobError> {
        for part in tokens.chunks(self.chunk) {
            if !go_on() {
                return Err(JobError::Cancelled);
            }
            self.decode(part)?;
            pulse.ticks.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Decodes at most a chunk; its last token gives an output.
    fn decode(&mut self, tokens: &[LlamaToken]) -> Result<(), JobError> {
        self.batch.clear();
        for (i, &token) in tokens.iter().enumerate() {
            let position = i32::try_from(self.held.len() + i)
                .map_err(|e| JobError::Internal(e.to_string()))?;
            let output = i + 1 == tokens.len();
            self.batch
                .add(token, position, &[SEQUENCE], output)
                .map_err(|e| JobError::Internal(e.to_string()))?;
        }
        match self.context.decode(&mut self.batch) {
            Ok(()) => {
                self.held.extend_from_slice(tokens);
                Ok(())
            }
            Err(e) => {
                self.clear();
                Err(JobError::Internal(format!("decoding failed: {e}")))
            }
        }
    }
}
