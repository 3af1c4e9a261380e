//! A model stored as this machine computes it fastest.
//!
//! A download comes in one quantization for all machines. [`prepare`] stores it anew in a few ways, measures each
//! against the download, side by side, and keeps the fastest whose perplexity on a sample text is within the bound
//! and which fits the memory. Beside `NAME.gguf` it leaves `NAME.prepared.gguf` and the note `NAME.prepared.toml`,
//! which says why.
//!
//! [`prepared`] gives the file to load. Everything that does not fit (no note, another download, another CPU or
//! llama.cpp, a damaged file) leads back to the download: a prepared file only ever saves time. A preparation may be
//! killed at any moment: files get their names when they are whole and on the disk, the note last, and only one
//! preparation of a file runs at a time.

mod choose;
mod isa;
mod measure;
mod note;
mod place;
mod quantize;
mod recipe;
mod trial;

#[cfg(test)]
mod tests;

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

pub use self::{
    choose::{Bounds, Pace, Row, choose},
    note::{Bytes, Machine, Misfit, Note},
    place::{is_prepared, source_of},
    recipe::AS_DOWNLOADED,
};
use self::{place::Place, trial::Trial};
use crate::{
    catalogue::{self, VerifyError},
    disk::NoSpace,
    engine::LoadError,
};

/// How much higher the perplexity may be unless somebody says otherwise, as a factor.
pub const MOST_PERPLEXITY: f64 = 1.02;

/// How to prepare.
#[derive(Clone, Debug)]
pub struct Options {
    /// CPU threads that will compute when the model is used.
    pub threads: u32,
    /// Layers that an accelerator will compute; 0 is none.
    pub gpu_layers: u32,
    /// What may be taken.
    pub bounds: Bounds,
    /// Whether to measure even where a fitting preparation is there.
    pub again: bool,
}

impl Options {
    /// On so many CPU threads, with no accelerator and no bound on the memory.
    #[must_use]
    pub fn new(threads: u32) -> Self {
        Self {
            threads,
            gpu_layers: 0,
            bounds: Bounds {
                perplexity: MOST_PERPLEXITY,
                memory: None,
            },
            again: false,
        }
    }

    fn used(&self) -> Use {
        Use {
            accelerated: self.gpu_layers > 0,
            most_perplexity: self.bounds.perplexity,
        }
    }
}

/// How a prepared model is to be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Use {
    /// Whether an accelerator computes layers.
    pub accelerated: bool,
    /// The most that the perplexity may be, divided by the download's.
    pub most_perplexity: f64,
}

/// What happens while a model is prepared.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Something is measured: the download or a recipe.
    Begun(&'a str),
    /// It was measured, as far as it was worth it.
    Measured(&'a Row),
}

/// A finished preparation.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What was found.
    pub note: Note,
    /// The file to load: the prepared one, or the download where nothing was better.
    pub path: PathBuf,
    /// Whether it was measured now; if not, an earlier preparation still fits.
    pub now: bool,
}

/// Why a model could not be prepared. The download can still be used.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The file is none that can be prepared.
    #[error("{} is no download: name a .gguf file that was not prepared from another", .0.display())]
    NoSource(PathBuf),
    /// Someone else is at it.
    #[error("{} is being prepared by another program", .0.display())]
    Busy(PathBuf),
    /// The download cannot be read or loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The download cannot be read.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The disk is too full.
    #[error(transparent)]
    NoSpace(#[from] NoSpace),
    /// The memory is too small.
    #[error("measuring takes about {needed} bytes of memory and {available} are free")]
    NoMemory {
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that may be used.
        available: u64,
    },
    /// llama.cpp could not store the model in this way.
    #[error("the model cannot be stored as {recipe}: {reason}")]
    Quantize {
        /// The recipe's name.
        recipe: &'static str,
        /// llama.cpp's words.
        reason: String,
    },
    /// llama.cpp could not run the model.
    #[error("{} cannot be measured: {reason}", path.display())]
    Measure {
        /// The file.
        path: PathBuf,
        /// llama.cpp's words.
        reason: String,
    },
    /// A file cannot be written, renamed or removed.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl PrepareError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Measures the ways to store the model in `source` and leaves the best beside it. Blocks, for some tens of seconds
/// with a small model and for minutes with a large one.
pub fn prepare(
    source: &Path,
    options: &Options,
    tell: &mut dyn FnMut(Step<'_>),
) -> Result<Outcome, PrepareError> {
    let place = Place::try_new(source)?;
    let _alone = lock(source)?;
    if !options.again
        && let Ok(Some(note)) = fitting(&place, options.used())
    {
        return Ok(outcome(place, note, false));
    }
    let found = catalogue::digest(source)?;
    let source = Bytes {
        bytes: found.bytes,
        sha256: found.sha256,
    };
    let machine = Machine::here(options.gpu_layers > 0);
    let note = Trial::try_new(&place, options, tell)?.run(machine, source)?;
    Ok(outcome(place, note, true))
}

fn outcome(place: Place, note: Note, now: bool) -> Outcome {
    let path = match &note.prepared {
        Some(_) => place.prepared,
        None => place.source,
    };
    Outcome { note, path, now }
}

/// Holds the download until the file is closed, which also happens if the program is killed.
fn lock(source: &Path) -> Result<File, PrepareError> {
    let file = File::open(source).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::Missing(source.to_owned()).into(),
        _ => PrepareError::io(source, error),
    })?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(PrepareError::Busy(source.to_owned())),
        // A file system without locks is used without them.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

fn fitting(place: &Place, used: Use) -> Result<Option<Note>, Misfit> {
    let Some(note) = Note::read(place)? else {
        return Ok(None);
    };
    note.check(
        place,
        &Machine::here(used.accelerated),
        used.most_perplexity,
    )?;
    Ok(Some(note))
}

/// What is prepared for `source`: a note that fits, nothing, or something that does not fit.
///
/// Reads a file only where it changed since it was last compared.
pub fn look(source: &Path, used: Use) -> Result<Option<Note>, Misfit> {
    match Place::try_new(source) {
        Ok(place) => fitting(&place, used),
        Err(_) => Ok(None),
    }
}

/// Where the prepared form of `source` lies, whether it is there or not; `None` for what cannot be prepared.
#[must_use]
pub fn place_of(source: &Path) -> Option<PathBuf> {
    Place::try_new(source).ok().map(|place| place.prepared)
}

/// The prepared file to load in place of `source`, if there is one and it fits; one that does not is told in the log.
#[must_use]
pub fn prepared(source: &Path, used: Use) -> Option<PathBuf> {
    match look(source, used) {
        Ok(note) => {
            note?.prepared?;
            place_of(source)
        }
        Err(misfit) => {
            tracing::warn!(model = %source.display(), reason = %misfit, "the prepared model is not used");
            None
        }
    }
}
