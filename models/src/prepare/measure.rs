//! How fast a model file is on this machine, and how well it predicts a text.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use llama_cpp_2::{model::params::LlamaModelParams, token::LlamaToken};

use super::{Options, PrepareError};
use crate::engine::{
    batch::Batch,
    context::{Context, Shape, Want},
    load, log,
    mapping::Weights,
    sums::Sums,
};

/// What perplexity is measured on. Our own words, so that no model was trained on them.
const SAMPLE: &str = include_str!("sample.txt");
/// What is read to see which columns are used most. Another text than the sample, so that a recipe that follows it is
/// not measured on what it was fitted to.
const PRACTICE: &str = include_str!("practice.txt");
/// Tokens that are seen together.
const WINDOW: usize = 512;
/// Tokens at the beginning of a window that say more about the lack of context than about the model.
const UNSEEN: usize = 16;
/// Tokens computed at once while predicting; each needs a number for every word that the model knows.
const CHUNK: usize = 128;

/// How much is measured. Perplexity depends on it, so a model has the same on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effort {
    /// Tokens of each text that are read.
    pub(super) text: usize,
    /// Tokens that are read at once to see how fast that is.
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
                answer: 12,
                rounds: 5,
            }
        } else {
            Self {
                text: 1024,
                prompt: 128,
                answer: 4,
                rounds: 2,
            }
        }
    }
}

/// The shortest times seen for a token. What else runs on the machine only ever adds to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Speed {
    prefill: Duration,
    decode: Duration,
}

impl Speed {
    /// Before anything was seen.
    pub(super) const NONE: Self = Self {
        prefill: Duration::MAX,
        decode: Duration::MAX,
    };

    /// Tokens of a prompt that are read in a second.
    pub(super) fn prefill(self) -> f64 {
        1.0 / self.prefill.as_secs_f64()
    }

    /// Tokens that are written in a second.
    pub(super) fn decode(self) -> f64 {
        1.0 / self.decode.as_secs_f64()
    }
}

/// A loaded model and the texts in its tokens.
pub(super) struct Subject {
    path: PathBuf,
    model: Arc<Weights>,
    effort: Effort,
    threads: u32,
}

impl Subject {
    /// Loads the model; the caller has checked that there is memory.
    pub(super) fn load(
        path: &Path,
        options: &Options,
        effort: Effort,
    ) -> Result<Self, PrepareError> {
        load::header(path)?;
        let params = LlamaModelParams::default().with_n_gpu_layers(options.gpu_layers);
        let model = Weights::load(path, &params)?;
        Ok(Self {
            path: path.to_owned(),
            model: Arc::new(model),
            effort,
            threads: options.threads.max(1),
        })
    }

    /// The perplexity of the sample: e to the mean surprise, in nats, of a token. The same file gives the same number
    /// on the same machine.
    pub(super) fn perplexity(&self) -> Result<f64, PrepareError> {
        let (mut surprise, mut count) = (0.0, 0_u32);
        let mut context = self.context(WINDOW, CHUNK)?;
        self.read_text(&mut context, SAMPLE, |context, window, from, length| {
            for at in from..from + length {
                let Some(next) = window.get(at + 1).filter(|_| at >= UNSEEN) else {
                    continue;
                };
                let logits = context.logits(at - from).unwrap_or_default();
                surprise += nats(logits, *next);
                count += 1;
            }
        })?;
        if count == 0 {
            return Err(failed(&self.path, "its tokens do not cover the sample"));
        }
        Ok((surprise / f64::from(count)).exp())
    }

    /// How strongly each column of the layers' weights is used.
    pub(super) fn sums(&self) -> Result<Sums, PrepareError> {
        let mut context = self.context(WINDOW, CHUNK)?;
        context.gather(Some(Sums::default()));
        self.read_text(&mut context, PRACTICE, |_, _, _, _| ())?;
        Ok(context.gather(None).unwrap_or_default())
    }

    /// Reads a text by windows, and shows after each chunk: the window, where the chunk begins in it, and its length.
    fn read_text(
        &self,
        context: &mut Context,
        text: &str,
        mut seen: impl FnMut(&Context, &[LlamaToken], usize, usize),
    ) -> Result<(), PrepareError> {
        let tokens = self.tokens(text);
        let tokens = tokens.get(..self.effort.text).unwrap_or(&tokens);
        for window in tokens.chunks(WINDOW) {
            context.clear();
            for (index, part) in window.chunks(CHUNK).enumerate() {
                let from = index * CHUNK;
                self.read(context, part, from, true)?;
                seen(context, window, from, part.len());
            }
        }
        Ok(())
    }

    /// Ready to be timed.
    pub(super) fn runner(&self) -> Result<Runner<'_>, PrepareError> {
        let Effort { prompt, answer, .. } = self.effort;
        let tokens = self.tokens(SAMPLE);
        Ok(Runner {
            subject: self,
            context: self.context(prompt + answer, prompt)?,
            prompt: tokens.into_iter().take(prompt).collect(),
            speed: Speed::NONE,
        })
    }

    fn tokens(&self, text: &str) -> Vec<LlamaToken> {
        self.model.vocab().tokenize(text.as_bytes(), false, false)
    }

    fn context(&self, cells: usize, batch: usize) -> Result<Context, PrepareError> {
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let shape = Shape {
            cells: size(cells),
            sequences: 1,
            batch: size(batch),
            threads: self.threads,
        };
        log::take_error();
        Context::try_new(Arc::clone(&self.model), shape)
            .ok_or_else(|| failed(&self.path, "llama.cpp gave no reason"))
    }

    fn read(
        &self,
        context: &mut Context,
        tokens: &[LlamaToken],
        from: usize,
        all: bool,
    ) -> Result<(), PrepareError> {
        let mut batch = Batch::default();
        for (index, token) in tokens.iter().enumerate() {
            batch.add(*token, from + index, 0, all || index + 1 == tokens.len());
        }
        context
            .decode(&mut batch, Want::default())
            .map_err(|e| failed(&self.path, e))
    }
}

/// Times a model, run by run, so that two can take turns.
pub(super) struct Runner<'a> {
    subject: &'a Subject,
    context: Context,
    prompt: Vec<LlamaToken>,
    /// The best so far.
    pub(super) speed: Speed,
}

impl Runner<'_> {
    /// Reads a prompt and writes an answer, once.
    pub(super) fn run(&mut self) -> Result<(), PrepareError> {
        self.context.clear();
        let prompt = std::mem::take(&mut self.prompt);
        let took = self.timed(&prompt, 0)?;
        let share = u32::try_from(prompt.len()).unwrap_or(u32::MAX).max(1);
        self.speed.prefill = self.speed.prefill.min(took / share);
        // Any tokens do: it takes as long to write one as another.
        for (index, token) in prompt.iter().take(self.subject.effort.answer).enumerate() {
            let took = self.timed(&[*token], prompt.len() + index)?;
            self.speed.decode = self.speed.decode.min(took);
        }
        self.prompt = prompt;
        Ok(())
    }

    fn timed(&mut self, tokens: &[LlamaToken], from: usize) -> Result<Duration, PrepareError> {
        let began = Instant::now();
        self.subject.read(&mut self.context, tokens, from, false)?;
        // An accelerator is done when there is an answer.
        std::hint::black_box(self.context.logits(tokens.len().saturating_sub(1)));
        Ok(began.elapsed())
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
    fn the_default_model_predicts_the_sample_alike_each_time_and_uses_columns_unevenly() {
        let effort = Effort {
            text: 256,
            prompt: 16,
            answer: 2,
            rounds: 1,
        };
        let subject = Subject::load(&model_path(), &Options::new(1), effort).unwrap();
        let perplexity = subject.perplexity().unwrap();
        assert!((5.0..60.0).contains(&perplexity), "{perplexity}");
        assert_eq!(subject.perplexity().unwrap(), perplexity);
        let mut runner = subject.runner().unwrap();
        assert_eq!(runner.speed, Speed::NONE);
        runner.run().unwrap();
        assert!(runner.speed.prefill() > 0.0 && runner.speed.decode() > 0.0);

        let sums = subject.sums().unwrap();
        // 30 layers with 7 matrices each.
        assert_eq!(sums.iter().count(), 210);
        for (name, columns) in sums.iter() {
            let name = String::from_utf8_lossy(name);
            let width = if name.contains("ffn_down") { 1536 } else { 576 };
            assert_eq!(columns.len(), width, "{name}");
            let most = columns.iter().copied().fold(0.0, f32::max);
            let mean = columns.iter().sum::<f32>() / columns.len() as f32;
            assert!(
                columns.iter().all(|c| c.is_finite()) && most > 2.0 * mean,
                "{name}"
            );
        }
    }
}
