//! Messages on which connections broke.
//!
//! A broker may close the connection over one message, such as one with a topic that it does not like, and say nothing.
//! So after a break each message of the broken batch goes alone. One on which [`BREAKS`] connections broke while it was
//! alone on its way is set aside for [`ASIDE`], and those behind it go. It stays in the outbox.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Connections that may break on a message before it is set aside.
const BREAKS: u32 = 5;
/// How long it is set aside; then it is tried once more.
const ASIDE: Duration = Duration::from_secs(600);
/// The most messages that are remembered; beyond it the oldest is forgotten, and tried as if it were new.
const MOST: usize = 256;

#[derive(Default)]
pub(super) struct Suspects {
    /// Messages of broken batches that still go alone.
    alone: usize,
    known: BTreeMap<i64, Suspect>,
}

#[derive(Default)]
struct Suspect {
    breaks: u32,
    /// Since when it is set aside.
    aside: Option<Instant>,
}

impl Suspects {
    /// Whether the next message goes alone.
    pub(super) const fn one_by_one(&self) -> bool {
        self.alone > 0
    }

    /// Whether a connection broke on it alone.
    pub(super) fn contains(&self, number: i64) -> bool {
        self.known.contains_key(&number)
    }

    /// Those that are not to be sent now.
    pub(super) fn aside(&self) -> Vec<i64> {
        let now = Instant::now();
        let waits = |suspect: &Suspect| {
            let since = suspect.aside;
            since.is_some_and(|since| now.duration_since(since) < ASIDE)
        };
        let aside = self.known.iter().filter(|(_, suspect)| waits(suspect));
        aside.map(|(number, _)| *number).collect()
    }

    /// The broker has it.
    pub(super) fn cleared(&mut self, number: i64) {
        self.known.remove(&number);
        self.alone = self.alone.saturating_sub(1);
    }

    /// A connection broke while these were on their way.
    pub(super) fn broke(&mut self, waiting: impl ExactSizeIterator<Item = i64>) {
        self.alone = self.alone.max(waiting.len());
        let mut waiting = waiting;
        let (Some(number), 0) = (waiting.next(), waiting.len()) else {
            return;
        };
        let suspect = self.known.entry(number).or_default();
        suspect.breaks += 1;
        if suspect.breaks >= BREAKS {
            suspect.aside = Some(Instant::now());
            self.alone = self.alone.saturating_sub(1);
            tracing::error!(
                number,
                breaks = suspect.breaks,
                "connections to the MQTT broker break on a report, which is set aside; those behind it go first"
            );
        }
        if self.known.len() > MOST {
            self.known.pop_first();
        }
    }
}
