//! The model's last layer, read at the last but one token.

use llama_cpp_2::model::LlamaModel;

use super::{EngineOptions, LoadError, Pulse, job::JobError, ruler::Ruler, sequence::Sequence};

/// Reads hidden states. Its cache is emptied for each text, so that a text gives the same numbers whatever came
/// before it.
pub(super) struct HiddenStates<'m> {
    model: &'m LlamaModel,
    ruler: Ruler,
    sequence: Sequence<'m>,
}

impl<'m> HiddenStates<'m> {
    pub(super) fn try_new(
        model: &'m LlamaModel,
        options: &EngineOptions,
        tokens: u32,
        ruler: Ruler,
    ) -> Result<Self, LoadError> {
        let tokens = tokens.min(model.n_ctx_train());
        Ok(Self {
            model,
            ruler,
            sequence: Sequence::try_new(model, options, tokens, true)?,
        })
    }

    /// The state after the final norm, as long as the model is wide.
    pub(super) fn state(
        &mut self,
        text: &str,
        pulse: &Pulse,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Vec<f32>, JobError> {
        let limit = self.sequence.limit();
        self.ruler.check([text], limit)?;
        let tokens = self.model.vocab().tokenize(text.as_bytes(), true, false);
        if tokens.len() > limit {
            let tokens = tokens.len();
            return Err(JobError::TooLong { tokens, limit });
        }
        // Attention looks back alone, so the last token changes nothing and is not read.
        let Some((_, read)) = tokens.split_last().filter(|(_, read)| !read.is_empty()) else {
            return Err(JobError::Refused(format!(
                "a hidden state needs a text of at least 2 tokens, this one has {}",
                tokens.len()
            )));
        };
        self.sequence.clear();
        self.sequence.read(read, pulse, go_on)?;
        let state = self.sequence.context().embeddings_ith(-1);
        let state = state.map_err(|e| JobError::Internal(e.to_string()))?;
        Ok(state.to_vec())
    }

    pub(super) fn clear(&mut self) {
        self.sequence.clear();
    }
}
