//! Which token comes next.

use llama_cpp_2::{
    sampling::LlamaSampler,
    token::{LlamaToken, data::LlamaTokenData, data_array::LlamaTokenDataArray},
};
use llguidance::Matcher;
use shoal_conductor::prompt::Sampling;

use super::job::JobError;

/// Chooses tokens for one answer.
pub(super) struct Sampler {
    /// None is greedy.
    chain: Option<LlamaSampler>,
    matcher: Option<Matcher>,
}

impl Sampler {
    pub(super) fn new(sampling: &Sampling, matcher: Option<Matcher>) -> Self {
        Self {
            chain: chain(sampling),
            matcher,
        }
    }

    /// The token that follows, by the logits of each word of the vocabulary.
    pub(super) fn next(&mut self, logits: &[f32]) -> Result<LlamaToken, JobError> {
        let Some(matcher) = &mut self.matcher else {
            return match &mut self.chain {
                None => Ok(token(greatest(logits))),
                Some(chain) => choose(chain, every(logits)),
            };
        };
        let mask = matcher.compute_mask_or_eos().map_err(failed)?;
        let chosen = match &mut self.chain {
            None => greatest_allowed(mask.as_slice(), logits)
                .map(token)
                .ok_or_else(nothing_fits)?,
            Some(chain) => {
                let allowed =
                    every(logits).filter(|data| mask.is_allowed(data.id().0.cast_unsigned()));
                choose(chain, allowed)?
            }
        };
        matcher
            .consume_token(chosen.0.cast_unsigned())
            .map_err(failed)?;
        Ok(chosen)
    }

    /// The tokens that must follow, whatever the model would say. They count as written.
    pub(super) fn forced(&mut self) -> Vec<LlamaToken> {
        let forced = self.matcher.as_mut().map(Matcher::consume_ff_tokens);
        let forced = forced.unwrap_or_default().into_iter();
        forced.map(|id| LlamaToken(id.cast_signed())).collect()
    }

    /// Whether the answer has the asked form and can have no more.
    pub(super) fn is_done(&self) -> bool {
        self.matcher.as_ref().is_some_and(Matcher::is_stopped)
    }
}

fn failed(error: impl std::fmt::Display) -> JobError {
    JobError::Internal(format!("the grammar failed: {error:#}"))
}

fn nothing_fits() -> JobError {
    JobError::Format("no token of this model fits the grammar".into())
}

fn token(at: usize) -> LlamaToken {
    LlamaToken(i32::try_from(at).unwrap_or(i32::MAX))
}

/// Where the greatest is; the first of several.
fn greatest(logits: &[f32]) -> usize {
    // In two passes, each of which the compiler turns into SIMD.
    let mut lanes = [f32::NEG_INFINITY; 16];
    for values in logits.chunks(16) {
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    let best = lanes.into_iter().fold(f32::NEG_INFINITY, f32::max);
    logits.iter().position(|value| *value == best).unwrap_or(0)
}

/// Where the greatest of those is whose bit is set. By whole words of the mask: most of a strict one is empty.
fn greatest_allowed(mask: &[u32], logits: &[f32]) -> Option<usize> {
    let words = || mask.iter().zip(logits.chunks(32));
    let best = words().fold(None, |best, (bits, values)| best_of(best, *bits, values))?;
    let in_word = |(bits, values): (&u32, &[f32])| {
        let is_best = |(bit, value): &(usize, &f32)| bits >> bit & 1 == 1 && **value == best;
        values.iter().enumerate().find(is_best).map(|(bit, _)| bit)
    };
    let mut each = words().enumerate();
    each.find_map(|(word, entry)| in_word(entry).map(|bit| 32 * word + bit))
}

/// The greatest of those values whose bit is set and of what was seen before.
fn best_of(before: Option<f32>, bits: u32, values: &[f32]) -> Option<f32> {
    if bits == 0 {
        return before;
    }
    let set = values
        .iter()
        .enumerate()
        .filter(|(bit, _)| bits >> bit & 1 == 1);
    let best = set.fold(f32::NEG_INFINITY, |best, (_, value)| value.max(best));
    Some(before.map_or(best, |before| before.max(best)))
}

fn every(logits: &[f32]) -> impl Iterator<Item = LlamaTokenData> {
    let each = logits.iter().enumerate();
    each.map(|(at, &logit)| LlamaTokenData::new(token(at), logit, 0.0))
}

fn choose(
    chain: &mut LlamaSampler,
    candidates: impl Iterator<Item = LlamaTokenData>,
) -> Result<LlamaToken, JobError> {
    let mut candidates = LlamaTokenDataArray::from_iter(candidates, false);
    if candidates.data.is_empty() {
        return Err(nothing_fits());
    }
    candidates.apply_sampler(chain);
    candidates
        .selected_token()
        .ok_or_else(|| JobError::Internal("no token was chosen".into()))
}

fn chain(sampling: &Sampling) -> Option<LlamaSampler> {
    let warm = sampling.temperature.is_finite() && sampling.temperature > 0.0;
    if !warm {
        return None;
    }
    let mut samplers = Vec::with_capacity(3);
    if sampling.top_p < 1.0 {
        samplers.push(LlamaSampler::top_p(sampling.top_p.max(0.0), 1));
    }
    samplers.push(LlamaSampler::temp(sampling.temperature));
    samplers.push(LlamaSampler::dist(
        sampling.seed.unwrap_or_else(random_seed),
    ));
    Some(LlamaSampler::chain(samplers, true))
}

fn random_seed() -> u32 {
    // Without a source of chance every answer is the same, which is worse than bad chance but no fault.
    getrandom::u32().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_is_found_wherever_it_is() {
        for length in [1, 15, 16, 17, 100] {
            for at in 0..length {
                let mut logits: Vec<f32> = (0..length).map(|i| -1.0 - i as f32).collect();
                logits[at] = 7.0;
                assert_eq!(greatest(&logits), at);
            }
        }
        assert_eq!(greatest(&[1.0, 5.0, 5.0]), 1);
        let mut logits = vec![0.0; 70];
        (logits[3], logits[66]) = (9.0, 5.0);
        assert_eq!(greatest_allowed(&[1, 0, 0b101], &logits), Some(66));
        assert_eq!(greatest_allowed(&[0, 0, 0], &logits), None);
        assert_eq!(best_of(None, 0b101, &[1.0, 9.0, 3.0]), Some(3.0));
        assert_eq!(best_of(Some(4.0), 0b101, &[1.0, 9.0, 3.0]), Some(4.0));
        assert_eq!(best_of(None, 0, &[1.0]), None);
    }
}
