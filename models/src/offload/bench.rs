//! One trial: how fast a model reads and writes, with so many layers on an accelerator.

use std::{
    num::NonZeroU32,
    path::PathBuf,
    time::{Duration, Instant},
};

use llama_cpp_2::{
    context::{LlamaContext, params::LlamaContextParams},
    llama_backend::LlamaBackend,
    llama_batch::LlamaBatch,
    model::{LlamaModel, params::LlamaModelParams},
    token::LlamaToken,
};

use super::{READ, Speed, WRITTEN};
use crate::{
    gguf::{GgufError, Header},
    plugin::{self, PluginError, Search},
};

/// Tokens that are read before it is known how long more of them would take.
const FEW: u32 = 32;
/// What took longer is known well enough, and not tried with more tokens.
const LONG: Duration = Duration::from_secs(4);

/// What is tried.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The GGUF file.
    pub model: PathBuf,
    /// CPU threads.
    pub threads: u32,
    /// Layers on the accelerator; 0 loads no plugin but the CPU's.
    pub gpu_layers: u32,
    /// Where plugins are.
    pub search: Search,
}

/// Why it could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The CPU has no plugin.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The model's file is of no use.
    #[error("the model cannot be used: {0}")]
    Model(#[from] GgufError),
    /// No plugin brought a device.
    #[error("no accelerator is there")]
    NoDevice,
    /// llama.cpp said no.
    #[error("llama.cpp failed to {doing}: {reason}")]
    Llama {
        /// What was being done.
        doing: &'static str,
        /// Its words.
        reason: String,
    },
}

fn failed<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> BenchError {
    move |error| BenchError::Llama {
        doing,
        reason: error.to_string(),
    }
}

/// Loads the model and measures. For a process of its own: it loads plugins that stay, and may crash with a driver.
///
/// # Errors
/// If the model or an accelerator cannot be used.
pub fn bench(options: &BenchOptions) -> Result<Speed, BenchError> {
    Header::read(&options.model)?;
    plugin::load_cpu(&options.search)?;
    if options.gpu_layers > 0 && plugin::load_accelerators(&options.search).is_empty() {
        return Err(BenchError::NoDevice);
    }
    let backend = LlamaBackend::init().map_err(failed("start"))?;
    let params = LlamaModelParams::default().with_n_gpu_layers(options.gpu_layers);
    let model = LlamaModel::load_from_file(&backend, &options.model, &params)
        .map_err(failed("load the model"))?;
    let threads = i32::try_from(options.threads).unwrap_or(1).max(1);
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(2 * READ))
        .with_n_batch(READ)
        .with_n_ubatch(READ)
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    let context = model.new_context(&backend, params);
    let context = context.map_err(failed("make a context"))?;
    let run = Run {
        context,
        vocabulary: model.n_vocab(),
    };
    run.speed()
}

struct Run<'m> {
    context: LlamaContext<'m>,
    vocabulary: i32,
}

impl Run<'_> {
    fn speed(mut self) -> Result<Speed, BenchError> {
        // The first time, drivers compile what they run and pages of the model come from the disk.
        self.read(FEW)?;
        let few = self.read(FEW)?;
        let (read, reading) = match few > LONG {
            true => (FEW, few),
            false => (READ, self.read(READ)?),
        };
        // What would be written is one token after the other; which one does not change the work.
        self.decode(read, 1)?;
        let began = Instant::now();
        let mut written = 0;
        while written < WRITTEN && (written == 0 || began.elapsed() < LONG) {
            written += 1;
            self.decode(read + written, 1)?;
        }
        let writing = began.elapsed();
        Ok(Speed {
            prefill: f64::from(read) / reading.as_secs_f64(),
            decode: f64::from(written) / writing.as_secs_f64(),
        })
    }

    /// Reads a prompt of this many tokens from the beginning.
    fn read(&mut self, tokens: u32) -> Result<Duration, BenchError> {
        self.context.clear_kv_cache();
        let began = Instant::now();
        self.decode(0, tokens)?;
        Ok(began.elapsed())
    }

    fn decode(&mut self, from: u32, count: u32) -> Result<(), BenchError> {
        let mut batch = LlamaBatch::new(READ as usize, 1);
        for position in from..from + count {
            let position = i32::try_from(position).unwrap_or(i32::MAX);
            let token = LlamaToken(position.wrapping_mul(7919) % self.vocabulary.max(1));
            let last = position + 1 == i32::try_from(from + count).unwrap_or(i32::MAX);
            batch
                .add(token, position, &[0], last)
                .map_err(failed("fill a batch"))?;
        }
        self.context.decode(&mut batch).map_err(failed("compute"))?;
        // An accelerator may still be at work when the call comes back.
        self.context.synchronize();
        Ok(())
    }
}
