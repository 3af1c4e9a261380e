//! The note beside a prepared file: what it was made from, how, and why so.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    choose::{Pace, Row},
    isa,
    place::Place,
};
use crate::{
    catalogue::{self, Expected, VerifyError},
    disk,
    engine::context,
};

/// The longest note that is read, in bytes.
const MAX_NOTE: u64 = 64 << 10;
const HEAD: &str = "# Why this model is stored as it is. `shoal models prepare` writes this file; \
                    removing it and the file\n# that it names makes the appliance use the download.\n\n";

/// What decides whether measurements made here still hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Which llama.cpp. Another one may have other kernels.
    pub llama: String,
    /// The CPU's architecture and those of its extensions that llama.cpp has kernels for.
    pub isa: String,
    /// Whether an accelerator computes layers.
    pub accelerated: bool,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here(accelerated: bool) -> Self {
        Self {
            llama: context::version(),
            isa: isa::features(),
            accelerated,
        }
    }
}

/// Which bytes a file must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bytes {
    /// How many.
    pub bytes: u64,
    /// Their SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
}

impl From<&Bytes> for Expected {
    fn from(bytes: &Bytes) -> Self {
        Self {
            bytes: Some(bytes.bytes),
            sha256: bytes.sha256.clone(),
        }
    }
}

/// The note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The recipe that was taken, or [`AS_DOWNLOADED`](super::AS_DOWNLOADED).
    pub recipe: String,
    /// Threads that computed while it was measured.
    pub threads: u32,
    /// The most that the perplexity was allowed to be, divided by the download's.
    pub most_perplexity: f64,
    /// How fast the download was.
    pub pace: Pace,
    /// Where it was measured.
    pub machine: Machine,
    /// The download.
    pub source: Bytes,
    /// The prepared file, unless the download was best.
    pub prepared: Option<Bytes>,
    /// What was measured.
    pub measured: Vec<Row>,
}

/// Why a prepared file is not used.
#[derive(Debug, thiserror::Error)]
pub enum Misfit {
    /// A file without a note; the preparation may have been cut off.
    #[error("there is no note beside it")]
    NoNote,
    /// The note cannot be read.
    #[error("its note cannot be read: {0}")]
    Unreadable(String),
    /// Another CPU, accelerator or llama.cpp.
    #[error("it was prepared for {then} and this is {now}")]
    OtherMachine {
        /// What the note says.
        then: String,
        /// What is.
        now: String,
    },
    /// The config allows another loss than it did.
    #[error("it may lose {then} in perplexity and the config says {now}")]
    OtherLoss {
        /// What the note says.
        then: String,
        /// What the config says.
        now: String,
    },
    /// The download is another one, or damaged.
    #[error("the download is not what it was prepared from: {0}")]
    Source(VerifyError),
    /// The prepared file is another one, or damaged.
    #[error("it is damaged: {0}")]
    Damaged(VerifyError),
}

impl Note {
    /// Reads the note; `None` if there is neither note nor prepared file.
    pub(super) fn read(place: &Place) -> Result<Option<Self>, Misfit> {
        let unreadable = |reason: String| Misfit::Unreadable(reason);
        match fs::metadata(&place.note) {
            Ok(data) if data.len() > MAX_NOTE => return Err(unreadable("it is too long".into())),
            _ => {}
        }
        match fs::read_to_string(&place.note) {
            Ok(text) => toml::from_str(&text)
                .map(Some)
                .map_err(|e| unreadable(e.message().to_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound && place.prepared.exists() => {
                Err(Misfit::NoNote)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(unreadable(e.to_string())),
        }
    }

    /// Writes it, whole.
    pub(super) fn write(&self, place: &Place) -> io::Result<()> {
        let text = toml::to_string_pretty(self).map_err(io::Error::other)?;
        disk::write(&place.part, &place.note, &format!("{HEAD}{text}"))
    }

    /// Compares it with what is. Files are read only where they changed since they were last compared.
    pub(super) fn check(&self, place: &Place, now: &Machine, most: f64) -> Result<(), Misfit> {
        self.check_machine(now)?;
        let loss = |most: f64| format!("{:.1} %", (most - 1.0) * 100.0);
        if (self.most_perplexity - most).abs() > 1e-6 {
            return Err(Misfit::OtherLoss {
                then: loss(self.most_perplexity),
                now: loss(most),
            });
        }
        verify(&place.source, &self.source).map_err(Misfit::Source)?;
        match &self.prepared {
            Some(prepared) => verify(&place.prepared, prepared).map_err(Misfit::Damaged),
            None => Ok(()),
        }
    }

    fn check_machine(&self, now: &Machine) -> Result<(), Misfit> {
        let then = &self.machine;
        let differ = |then: &str, now: &str| {
            Err(Misfit::OtherMachine {
                then: then.to_owned(),
                now: now.to_owned(),
            })
        };
        let computed_by = |accelerated| match accelerated {
            true => "an accelerator",
            false => "the CPU alone",
        };
        if then.llama != now.llama {
            return differ(&then.llama, &now.llama);
        }
        if then.isa != now.isa {
            return differ(&then.isa, &now.isa);
        }
        if then.accelerated != now.accelerated {
            return differ(computed_by(then.accelerated), computed_by(now.accelerated));
        }
        Ok(())
    }
}

fn verify(path: &Path, bytes: &Bytes) -> Result<(), VerifyError> {
    catalogue::verify(path, &bytes.into()).map(drop)
}

#[cfg(test)]
mod tests;
