//! What may leave the board, who may read it, and what it may cost. The file's form is in [`file`].

pub mod bounds;
pub mod file;
pub mod pattern;
pub mod rule;
pub mod source;
mod warn;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    detect::Kind,
    document::DocumentError,
    id::WorkerId,
    label::Label,
    unit::{MicroDollars, Millis, Price, Tokens},
};

/// What may happen to text of one label at a remote worker.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Escalation {
    /// It may leave as it is.
    Free,
    /// It may leave once everything that was found in it is replaced by placeholders.
    Redact,
    /// A person decides, seeing exactly what would leave.
    Approve,
    /// It stays.
    Never,
}

impl Escalation {
    /// The name used in the policy file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Redact => "redact",
            Self::Approve => "approve",
            Self::Never => "never",
        }
    }
}

/// What policy says of one worker.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerPolicy {
    /// The highest label it may read.
    pub clearance: Label,
    /// What it asks for its tokens.
    pub price: Price,
    /// How able it is, from 0 to 100, in the owner's judgement.
    pub strength: u8,
    /// What it is good at.
    pub skills: Vec<String>,
    /// Watts that the board takes for its work beyond what it takes idle.
    pub watts: f64,
}

impl Default for WorkerPolicy {
    /// A worker on the board that policy does not mention.
    fn default() -> Self {
        Self {
            clearance: Label::Restricted,
            price: Price::default(),
            strength: 20,
            skills: Vec::new(),
            watts: 0.0,
        }
    }
}

/// What `shoal-mini` weighs against quality, in points, each a hundredth of a sure success, at medium effort.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// For a second until the answer is there.
    pub second: f64,
    /// For a cent.
    pub cent: f64,
    /// For a watt-hour.
    pub watt_hour: f64,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            second: 1.0,
            cent: 10.0,
            watt_hour: 0.0,
        }
    }
}

/// What all remote calls of a day may take; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Money.
    pub money_per_day: Option<MicroDollars>,
    /// Tokens read and written.
    pub tokens_per_day: Option<Tokens>,
    /// Calls.
    pub requests_per_day: Option<u64>,
}

/// Words of a site that are sensitive: people, customers, projects, recipes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dictionary {
    /// The type they have; its label is in [`Policy::types`].
    pub kind: Kind,
    /// The words, any case.
    pub words: Vec<String>,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One call of a worker.
    pub step: Millis,
    /// A task, without the time that people are asked.
    pub task: Millis,
    /// A question to a person.
    pub approval: Millis,
}

/// The labels that everything from one way in has at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The HTTP API.
    pub api: Label,
    /// MQTT.
    pub mqtt: Label,
}

/// An Ed25519 public key (RFC 8032).
pub type Approver = [u8; 32];

/// A checked policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// By worker.
    pub workers: BTreeMap<WorkerId, WorkerPolicy>,
    /// By label, in the order of [`Label::ALL`].
    pub escalation: [Escalation; 4],
    /// The label of each type of sensitive text.
    pub types: BTreeMap<Kind, Label>,
    /// By way in.
    pub sources: Sources,
    /// By key, topic and field.
    pub by_source: Vec<source::Source>,
    /// What makes tasks of ordinary messages.
    pub rules: Vec<rule::TopicRule>,
    /// The site's own words.
    pub dictionaries: Vec<Dictionary>,
    /// The site's own patterns.
    pub patterns: Vec<pattern::Pattern>,
    /// What remote calls may take.
    pub budget: Budget,
    /// What a better answer may cost.
    pub choice: Choice,
    /// How long things may take.
    pub limits: Limits,
    /// How many different people must approve of a text of a label, in the order of [`Label::ALL`].
    pub people: [u8; 4],
    /// Who may approve by a signed message, and by which key.
    pub approvers: BTreeMap<String, Approver>,
    /// Days that finished tasks of a label are kept with their traces, in the order of [`Label::ALL`]; none is as long as
    /// there is room.
    pub retention: [Option<u16>; 4],
    /// The word lists that it was read from.
    pub files: Vec<PathBuf>,
}

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or not of our form.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A value that makes no sense.
    #[error("{key}: {reason}")]
    Value {
        /// Where.
        key: String,
        /// Why.
        reason: String,
    },
}

impl Policy {
    /// Reads and checks a policy file and the word lists it names, relative to its folder.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let text = std::fs::read_to_string(path).map_err(|source| PolicyError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path.parent().unwrap_or(Path::new(".")))
    }

    /// Checks the text of a policy file; word lists are relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, PolicyError> {
        crate::document::read::<file::File>(text)?.resolve(folder)
    }

    /// What may happen to text of this label at a remote worker.
    #[must_use]
    pub const fn escalation(&self, label: Label) -> Escalation {
        self.escalation[label as usize]
    }

    /// The label of a type of sensitive text. One that policy does not know is as high as can be.
    #[must_use]
    pub fn label_of(&self, kind: &Kind) -> Label {
        self.types.get(kind).copied().unwrap_or(Label::Restricted)
    }

    /// The fields that have a label of their own.
    pub(crate) fn fields(&self) -> impl Iterator<Item = source::Field> + '_ {
        self.by_source
            .iter()
            .filter_map(|source| source.field.clone())
    }
}

#[cfg(test)]
mod tests;
