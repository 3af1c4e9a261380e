//! Which token comes next.

use llama_cpp_2::{
    context::LlamaContext,
    sampling::LlamaSampler,
    token::{LlamaToken, data::LlamaTokenData, data_array::LlamaTokenDataArray},
};
use llguidance::Matcher;
use shoal_conductor::prompt::Sampling;

use super::job::JobError;

/// Chooses tokens for one answer.
pub(super) struct Sampler {
    chain: LlamaSampler,
    matcher: Option<Matcher>,
}

impl Sampler {
    pub(super) fn new(sampling: &Sampling, matcher: Option<Matcher>) -> Self {
        Self {
            chain: chain(sampling),
            matcher,
        }
    }

    /// The token after the last one that was decoded.
    pub(super) fn next(&mut self, context: &LlamaContext<'_>) -> Result<LlamaToken, JobError> {
        let Some(matcher) = &mut self.matcher else {
            return Ok(self.chain.sample(context, -1));
        };
        let internal = |e| JobError::Internal(format!("the grammar failed: {e:#}"));
        let mask = matcher.compute_mask_or_eos().map_err(internal)?;
        let allowed = (0_u32..)
            .zip(context.get_logits_ith(-1))
            .filter(|(token, _)| mask.is_allowed(*token))
            .map(|(token, &logit)| {
                LlamaTokenData::new(LlamaToken(token.cast_signed()), logit, 0.0)
            });
        let mut candidates = LlamaTokenDataArray::from_iter(allowed, false);
        if candidates.data.is_empty() {
            return Err(JobError::Format(
                "no token of this model fits the grammar".into(),
            ));
        }
        candidates.apply_sampler(&mut self.chain);
        let token = candidates
            .selected_token()
            .ok_or_else(|| JobError::Internal("no token was chosen".into()))?;
        matcher
            .consume_token(token.0.cast_unsigned())
            .map_err(internal)?;
        Ok(token)
    }

    /// Whether the answer has the asked form and can have no more.
    pub(super) fn is_done(&self) -> bool {
        self.matcher.as_ref().is_some_and(Matcher::is_stopped)
    }
}

fn chain(sampling: &Sampling) -> LlamaSampler {
    let warm = sampling.temperature.is_finite() && sampling.temperature > 0.0;
    if !warm {
        return LlamaSampler::chain([LlamaSampler::greedy()], true);
    }
    let mut samplers = Vec::with_capacity(3);
    if sampling.top_p < 1.0 {
        samplers.push(LlamaSampler::top_p(sampling.top_p.max(0.0), 1));
    }
    samplers.push(LlamaSampler::temp(sampling.temperature));
    samplers.push(LlamaSampler::dist(
        sampling.seed.unwrap_or_else(random_seed),
    ));
    LlamaSampler::chain(samplers, true)
}

fn random_seed() -> u32 {
    // Without a source of chance every answer is the same, which is worse than bad chance but no fault.
    getrandom::u32().unwrap_or(0)
}
