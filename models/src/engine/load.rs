//! From a file to a model, with everything checked that llama.cpp would not survive.

use std::{
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use llama_cpp_2::{llama_backend::LlamaBackend, model::params::LlamaModelParams};

use super::{EngineOptions, log, mapping::Weights};
use crate::{
    gguf::{GgufError, Header},
    plugin::{self, Search},
};

/// Why a model did not load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No such file.
    #[error("there is no model file {}", .0.display())]
    Missing(PathBuf),
    /// The file is no whole GGUF file.
    #[error("the model file {} is not usable: {source}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: GgufError,
    },
    /// llama.cpp does not know or take the model.
    #[error("the model in {} was rejected: {reason}", path.display())]
    Rejected {
        /// The file.
        path: PathBuf,
        /// llama.cpp's words.
        reason: String,
    },
    /// The model does not fit.
    #[error(
        "the model needs about {needed} bytes of memory and {available} are free; take a smaller one or less context"
    )]
    OutOfMemory {
        /// Bytes for weights and caches.
        needed: u64,
        /// Bytes that may be used.
        available: u64,
    },
    /// llama.cpp could not be started.
    #[error("llama.cpp did not start: {0}")]
    Backend(String),
    /// The thread did not start.
    #[error("the engine's thread did not start: {0}")]
    Thread(io::Error),
    /// The thread ended while it loaded.
    #[error("the engine's thread died while it loaded the model; see the log")]
    Died,
}

/// llama.cpp itself, started once in the life of the program.
pub(crate) fn backend() -> Result<&'static LlamaBackend, LoadError> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    log::install();
    BACKEND
        .get_or_init(|| {
            plugin::load_cpu(&Search::default()).map_err(|e| e.to_string())?;
            LlamaBackend::init().map_err(|e| e.to_string())
        })
        .as_ref()
        .map_err(|e| LoadError::Backend(e.clone()))
}

/// Reads and checks the header.
pub(crate) fn header(path: &Path) -> Result<Header, LoadError> {
    let header = Header::read(path).map_err(|source| match source {
        GgufError::Io(e) if e.kind() == io::ErrorKind::NotFound => {
            LoadError::Missing(path.to_owned())
        }
        source => LoadError::BadFile {
            path: path.to_owned(),
            source,
        },
    })?;
    if !header.has_tokenizer() {
        return Err(rejected(
            path,
            "it has no tokenizer, so it is no language model",
        ));
    }
    Ok(header)
}

/// What a model may take beside its weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Tokens that the cache holds.
    pub(super) cells: u32,
    /// Bytes for what is put beside the cache.
    pub(super) shelf: u64,
}

/// Bytes that a model takes beside its weights and what it holds: llama.cpp's working memory, which grows with the batch.
const BESIDE: u64 = 64 << 20;

/// As many cells as are wished and half their bytes beside them if the memory allows, else those of one request. Says
/// no to a model that does not fit with those.
pub(super) fn room(header: &Header, options: &EngineOptions) -> Result<Room, LoadError> {
    let cache = |cells: u32| header.cache_bytes(cells.into());
    let needed = |cells: u32| needed(header, cells);
    // With layers on an accelerator its memory counts too, which only the given bound knows.
    let free = || (options.gpu_layers == 0).then(available_memory).flatten();
    let available = options.memory.or_else(free).unwrap_or(u64::MAX);
    let wished = options.wished();
    let shelf = cache(wished) / 2;
    if needed(wished).saturating_add(shelf) <= available {
        let cells = wished;
        return Ok(Room { cells, shelf });
    }
    let cells = options.context;
    let needed = needed(cells);
    let Some(left) = available.checked_sub(needed) else {
        return Err(LoadError::OutOfMemory { needed, available });
    };
    let shelf = left.min(cache(cells) / 2);
    Ok(Room { cells, shelf })
}

/// Bytes that a model takes with so many cells.
fn needed(header: &Header, cells: u32) -> u64 {
    let held = header
        .bytes
        .saturating_add(header.cache_bytes(cells.into()));
    held.saturating_add(BESIDE)
}

impl EngineOptions {
    /// Cells that there are to be if the memory allows.
    fn wished(&self) -> u32 {
        self.kv_tokens.max(self.context)
    }

    /// Bytes of the model's file, and those that it takes in memory with all that these options wish for it.
    pub(crate) fn needs(&self) -> Result<(u64, u64), LoadError> {
        let header = header(&self.path)?;
        let shelf = header.cache_bytes(self.wished().into()) / 2;
        let needed = needed(&header, self.wished()).saturating_add(shelf);
        Ok((header.bytes, needed))
    }
}

/// Loads the weights.
pub(super) fn model(options: &EngineOptions) -> Result<Weights, LoadError> {
    // The file is mapped and read in at once; what is locked stays as well.
    let params = LlamaModelParams::default()
        .with_n_gpu_layers(options.gpu_layers)
        .with_use_mlock(options.lock);
    Weights::load(&options.path, &params)
}

pub(super) fn rejected(path: &Path, reason: &str) -> LoadError {
    LoadError::Rejected {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Bytes that Linux says a new program may use.
pub(crate) fn available_memory() -> Option<u64> {
    let table = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = table.lines().find(|l| l.starts_with("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kibibytes.checked_mul(1024)
}
