//! From a prompt to an answer.

use llama_cpp_2::{model::LlamaModel, token::LlamaToken};
use shoal_conductor::{
    prompt::Prompt,
    unit::Tokens,
    worker::{Finish, Reply, Usage},
};

use super::{
    EngineOptions, LoadError, Pulse, grammar::Grammars, job::JobError, ruler::Ruler,
    sampler::Sampler, sequence::Sequence, template::Template,
};
use crate::writing::Writing;

/// The chat's context and all that goes with it.
pub(super) struct Chat<'m> {
    model: &'m LlamaModel,
    template: Template,
    ruler: Ruler,
    grammars: Grammars,
    sequence: Sequence<'m>,
}

impl<'m> Chat<'m> {
    pub(super) fn try_new(
        model: &'m LlamaModel,
        options: &EngineOptions,
        ruler: Ruler,
    ) -> Result<Self, LoadError> {
        let trained = model.n_ctx_train();
        if options.context > trained {
            tracing::warn!(
                asked = options.context,
                trained,
                "the model was trained on less context; that is used"
            );
        }
        let tokens = options.context.clamp(2, trained.max(2));
        Ok(Self {
            model,
            template: Template::of(model),
            ruler,
            grammars: Grammars::default(),
            sequence: Sequence::try_new(model, options, tokens, false)?,
        })
    }

    /// How many tokens prompt and answer may have together.
    pub(super) fn limit(&self) -> usize {
        self.sequence.limit()
    }

    /// Whether the model's file brought its template.
    pub(super) fn own_template(&self) -> bool {
        self.template.is_own()
    }

    pub(super) fn clear(&mut self) {
        self.sequence.clear();
    }

    /// Writes an answer, showing each piece as it is certain.
    pub(super) fn answer(
        &mut self,
        prompt: &Prompt,
        pulse: &Pulse,
        go_on: &dyn Fn() -> bool,
        show: &dyn Fn(String),
    ) -> Result<Reply, JobError> {
        if !go_on() {
            return Err(JobError::Cancelled);
        }
        let matcher = self.grammars.matcher(self.model, &prompt.format)?;
        let mut sampler = Sampler::new(&prompt.sampling, matcher);
        // At least one token must be left to write.
        let limit = self.sequence.limit() - 1;
        let tokens = self
            .template
            .tokens(self.model, &self.ruler, &prompt.messages, limit)?;
        let cached = self.sequence.keep(&tokens);
        self.sequence
            .read(tokens.get(cached..).unwrap_or_default(), pulse, go_on)?;
        let room = self.sequence.limit() - tokens.len();
        let room = room.min(prompt.sampling.max_tokens as usize);
        let mut writing = Writing::new(&prompt.sampling.stop);
        let (finish, output) = self.write(&mut sampler, &mut writing, room, pulse, go_on, show)?;
        show(writing.finish());
        Ok(Reply {
            text: writing.into_text(),
            finish,
            usage: Usage {
                input: Tokens(tokens.len() as u64),
                cached: Tokens(cached as u64),
                output: Tokens(output as u64),
            },
        })
    }

    /// Writes at most `room` tokens; says why it ended and how many there are.
    fn write(
        &mut self,
        sampler: &mut Sampler,
        writing: &mut Writing,
        room: usize,
        pulse: &Pulse,
        go_on: &dyn Fn() -> bool,
        show: &dyn Fn(String),
    ) -> Result<(Finish, usize), JobError> {
        for written in 0..room {
            if !go_on() {
                return Err(JobError::Cancelled);
            }
            let token = sampler.next(self.sequence.context())?;
            if self.model.vocab().is_eog(token) {
                return Ok((Finish::Stop, written));
            }
            show(writing.push(&self.piece(token)));
            if writing.stopped() || sampler.is_done() {
                return Ok((Finish::Stop, written + 1));
            }
            if written + 1 < room {
                self.sequence.read(&[token], pulse, go_on)?;
            }
        }
        Ok((Finish::Length, room))
    }

    fn piece(&self, token: LlamaToken) -> Vec<u8> {
        self.model.vocab().token_to_piece(token, false, None)
    }
}
