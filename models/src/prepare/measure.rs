//! How fast a model file is on this machine, and how well it predicts a text.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Instant,
};

use llama_cpp_2::{
    context::{LlamaContext, params::LlamaContextParams},
    llama_batch::LlamaBatch,
    model::{LlamaModel, params::LlamaModelParams},
    token::LlamaToken,
};

use super::{Options, PrepareError};
use crate::engine::{load, log};

/// What perplexity is measured on. Our own words, so that no model was trained on them.
const SAMPLE: &str = include_str!("sample.txt");
/// Tokens that are seen together.
const WINDOW: usize = 512;
/// Tokens at the beginning of a window that say more about the lack of context than about the model.
const UNSEEN: usize = 16;
/// Tokens computed at once while predicting; each needs a number for every word that the model knows.
const CHUNK: usize = 128;

/// How much is measured. Perplexity depends on it, so a model has the same on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effort {
    /// Tokens of the sample that are predicted.
    pub(super) text: usize,
    /// Tokens that are read at once.
    pub(super) prompt: usize,
    /// Tokens that are written one by one.
    pub(super) answer: usize,
    /// How often.
    pub(super) rounds: usize,
}

impl Effort {
    /// What a model of so many weights is worth; a large one would keep a small board busy for an hour.
    pub(super) const fn of(parameters: u64) -> Self {
        if parameters <= 1_000_000_000 {
            Self {
                text: 4096,
                prompt: 256,
                answer: 32,
                rounds: 3,
            }
        } else {
            Self {
                text: 1024,
                prompt: 128,
                answer: 16,
                rounds: 2,
            }
        }
    }
}

/// Tokens a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Speed {
    /// Of a prompt that is read.
    pub(super) prefill: f64,
    /// Of an answer that is written.
    pub(super) decode: f64,
}

/// A loaded model and the sample in its tokens.
pub(super) struct Subject {
    path: PathBuf,
    model: LlamaModel,
    sample: Vec<LlamaToken>,
    threads: i32,
}

impl Subject {
    /// Loads the model; the caller has checked that there is memory.
    pub(super) fn load(path: &Path, options: &Options) -> Result<Self, PrepareError> {
        load::header(path)?;
        let params = LlamaModelParams::default().with_n_gpu_layers(options.gpu_layers);
        log::take_error();
        let model = LlamaModel::load_from_file(load::backend()?, path, &params)
            .map_err(|e| failed(path, e))?;
        let sample = model.vocab().tokenize(SAMPLE.as_bytes(), false, false);
        Ok(Self {
            path: path.to_owned(),
            model,
            sample,
            threads: i32::try_from(options.threads.max(1)).unwrap_or(1),
        })
    }

    /// The perplexity of the sample's first tokens: e to the mean surprise, in nats, of a token. The same file gives
    /// the same number on the same machine.
    pub(super) fn perplexity(&self, effort: Effort) -> Result<f64, PrepareError> {
        let mut context = self.context(WINDOW, CHUNK)?;
        let text = self.sample.get(..effort.text).unwrap_or(&self.sample);
        let (mut surprise, mut count) = (0.0, 0_u32);
        for window in text.chunks(WINDOW) {
            context.clear_kv_cache();
            for (index, part) in window.chunks(CHUNK).enumerate() {
                let from = index * CHUNK;
                self.read(&mut context, part, from, true)?;
                for at in 0..part.len() {
                    let Some(next) = window.get(from + at + 1).filter(|_| from + at >= UNSEEN)
                    else {
                        continue;
                    };
                    let row = i32::try_from(at).map_err(|e| failed(&self.path, e))?;
                    surprise += nats(context.get_logits_ith(row), *next);
                    count += 1;
                }
            }
        }
        if count == 0 {
            return Err(failed(&self.path, "its tokens do not cover the sample"));
        }
        Ok((surprise / f64::from(count)).exp())
    }

    /// Reads a prompt and writes an answer, once.
    pub(super) fn speed(&self, effort: Effort) -> Result<Speed, PrepareError> {
        let mut context = self.context(effort.prompt + effort.answer, effort.prompt)?;
        let prompt = self.sample.get(..effort.prompt).unwrap_or(&self.sample);
        // Any tokens do: it takes as long to write one as another.
        let answer = prompt.get(..effort.answer).unwrap_or(prompt);
        let began = Instant::now();
        self.read(&mut context, prompt, 0, false)?;
        context.synchronize();
        let read = began.elapsed();
        let began = Instant::now();
        for (index, token) in answer.iter().enumerate() {
            self.read(&mut context, &[*token], prompt.len() + index, false)?;
            context.synchronize();
        }
        let rate = |tokens: usize, seconds: f64| {
            f64::from(u32::try_from(tokens).unwrap_or(u32::MAX)) / seconds.max(1e-9)
        };
        Ok(Speed {
            prefill: rate(prompt.len(), read.as_secs_f64()),
            decode: rate(answer.len(), began.elapsed().as_secs_f64()),
        })
    }

    fn context(&self, tokens: usize, batch: usize) -> Result<LlamaContext<'_>, PrepareError> {
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(size(tokens)))
            .with_n_batch(size(batch))
            .with_n_ubatch(size(batch))
            .with_n_seq_max(1)
            .with_n_threads(self.threads)
            .with_n_threads_batch(self.threads);
        log::take_error();
        self.model
            .new_context(load::backend()?, params)
            .map_err(|e| failed(&self.path, e))
    }

    fn read(
        &self,
        context: &mut LlamaContext<'_>,
        tokens: &[LlamaToken],
        from: usize,
        all: bool,
    ) -> Result<(), PrepareError> {
        let mut batch = LlamaBatch::new(tokens.len(), 1);
        for (index, token) in tokens.iter().enumerate() {
            let position = i32::try_from(from + index).map_err(|e| failed(&self.path, e))?;
            batch
                .add(*token, position, &[0], all || index + 1 == tokens.len())
                .map_err(|e| failed(&self.path, e))?;
        }
        context
            .decode(&mut batch)
            .map_err(|e| failed(&self.path, e))
    }
}

fn failed(path: &Path, reason: impl ToString) -> PrepareError {
    PrepareError::Measure {
        path: path.to_owned(),
        reason: log::take_error().unwrap_or_else(|| reason.to_string()),
    }
}

/// How surprising `token` is to a model that gave every token a number.
fn nats(logits: &[f32], token: LlamaToken) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from((x - most).exp())).sum();
    let own = usize::try_from(token.0).ok().and_then(|at| logits.get(at));
    sum.ln() - f64::from(own.copied().unwrap_or(f32::NEG_INFINITY) - most)
}

/// The middle one; of an even number, the upper.
pub(super) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::model_path;

    #[test]
    fn surprise_is_the_logarithm_of_the_odds() {
        let even = [3.0_f32; 8];
        assert!((nats(&even, LlamaToken(5)) - 8.0_f64.ln()).abs() < 1e-6);
        assert!(nats(&[100.0, 0.0], LlamaToken(0)) < 1e-6);
        assert_eq!(nats(&even, LlamaToken(-1)), f64::INFINITY);
    }

    #[test]
    fn the_median_leaves_out_what_was_disturbed() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn the_default_model_predicts_the_sample_alike_each_time() {
        let subject = Subject::load(&model_path(), &Options::new(1)).unwrap();
        assert!((2000..4096).contains(&subject.sample.len()));
        let effort = Effort {
            text: 256,
            prompt: 16,
            answer: 2,
            rounds: 1,
        };
        let perplexity = subject.perplexity(effort).unwrap();
        assert!((5.0..60.0).contains(&perplexity), "{perplexity}");
        assert_eq!(subject.perplexity(effort).unwrap(), perplexity);
        let speed = subject.speed(effort).unwrap();
        assert!(speed.prefill > 0.0 && speed.decode > 0.0);
    }
}
