//! What is refused, why, and how often.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Which kind of message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// More bytes than are read.
    TooLarge,
    /// No task, no decision, or a response topic that cannot be.
    Malformed,
    /// Its time was over when it came.
    Expired,
    /// Whoever sent it may not do this.
    Unauthorised,
    /// Its sender sends too much.
    TooMany,
    /// Not now: too much is open or waits, or memory is short.
    Busy,
    /// Another task has its id.
    Conflict,
}

/// Why one message is refused.
#[derive(Debug)]
pub(super) struct Reason {
    pub(super) kind: Kind,
    /// For the log: nothing that the sender wrote.
    pub(super) logged: String,
    /// For the sender.
    pub(super) words: String,
}

impl Reason {
    /// With words that repeat nothing of the message.
    pub(super) fn new(kind: Kind, words: impl Into<String>) -> Self {
        let words = words.into();
        Self {
            kind,
            logged: words.clone(),
            words,
        }
    }
}

/// How many messages were refused since the start, by kind.
#[derive(Debug, Default)]
pub struct Refusals {
    too_large: AtomicU64,
    malformed: AtomicU64,
    expired: AtomicU64,
    unauthorised: AtomicU64,
    too_many: AtomicU64,
    busy: AtomicU64,
    conflict: AtomicU64,
}

/// [`Refusals`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// More bytes than are read.
    pub too_large: u64,
    /// No task, no decision, or a response topic that cannot be.
    pub malformed: u64,
    /// Their time was over when they came.
    pub expired: u64,
    /// Whoever sent them may not do this.
    pub unauthorised: u64,
    /// Their sender sent too much.
    pub too_many: u64,
    /// Too much was open or waited, or memory was short.
    pub busy: u64,
    /// Another task had their id.
    pub conflict: u64,
}

impl Refused {
    /// Each kind by its name in metrics.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 7] {
        [
            ("too_large", self.too_large),
            ("malformed", self.malformed),
            ("expired", self.expired),
            ("unauthorised", self.unauthorised),
            ("too_many", self.too_many),
            ("busy", self.busy),
            ("conflict", self.conflict),
        ]
    }
}

impl Refusals {
    pub(super) fn count(&self, kind: Kind) {
        let counter = match kind {
            Kind::TooLarge => &self.too_large,
            Kind::Malformed => &self.malformed,
            Kind::Expired => &self.expired,
            Kind::Unauthorised => &self.unauthorised,
            Kind::TooMany => &self.too_many,
            Kind::Busy => &self.busy,
            Kind::Conflict => &self.conflict,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn so_far(&self) -> Refused {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Refused {
            too_large: read(&self.too_large),
            malformed: read(&self.malformed),
            expired: read(&self.expired),
            unauthorised: read(&self.unauthorised),
            too_many: read(&self.too_many),
            busy: read(&self.busy),
            conflict: read(&self.conflict),
        }
    }
}
