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

/// A first reading that took longer is not repeated: what it took to get going no longer matters much.
const LONG: Duration = Duration::from_secs(5);

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
        let mut reading = self.read()?;
        if reading < LONG {
            // The first time, drivers compile what they run and pages of the model come from the disk.
            reading = reading.min(self.read()?);
        }
        self.write(0)?;
        let began = Instant::now();
        for nth in 0..WRITTEN {
            self.write(1 + nth)?;
        }
        let writing = began.elapsed();
        Ok(Speed {
            prefill: f64::from(READ) / reading.as_secs_f64(),
            decode: f64::from(WRITTEN) / writing.as_secs_f64(),
        })
    }

    /// Reads a whole prompt from the beginning.
    fn read(&mut self) -> Result<Duration, BenchError> {
        self.context.clear_kv_cache();
        let began = Instant::now();
        self.decode(0, READ)?;
        Ok(began.elapsed())
    }

    /// What would be written is one token after the other; which one does not change the work.
    fn write(&mut self, nth: u32) -> Result<(), BenchError> {
        self.decode(READ + nth, 1)
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
