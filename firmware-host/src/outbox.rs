//! The delivering side of the outbox: which messages are on their way, and which the broker has.
//!
//! What waits when a connection is made is a backlog. It is sent at a bounded rate ([`pace`]): first what is retained,
//! newest first, so that whoever looks sees soon how things stand, then the rest in the order of writing. What comes in
//! meanwhile is not held up by it.
//!
//! One batch is on its way at a time; its rows go in one transaction when all of it is
//! acknowledged. A row that the broker has but that could not be deleted is not sent again by this process. One that
//! breaks connections keeps the rows behind it waiting only for a while.

mod pace;
mod suspect;

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use self::{pace::Pace, suspect::Suspects};
use crate::store::{
    Class, Message, Store, StoreError,
    outbox::{Queued, Wish},
};

/// The most messages of one batch.
const MESSAGES: u32 = 32;
/// The most bytes of one batch, unless its first message is larger.
const BYTES: usize = 1024 * 1024;
/// How long the broker has to acknowledge something of a batch.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a packet has beside topic, payload and correlation data, at most.
const OVERHEAD: usize = 64;

/// What is on its way.
pub(crate) struct Delivery {
    store: Store,
    waiting: HashSet<i64>,
    done: HashSet<i64>,
    suspects: Suspects,
    heard: Instant,
    pace: Pace,
    /// The last number of the backlog; 0 once that is gone.
    backlog: i64,
}

impl Delivery {
    /// Sends `per_second` messages of a backlog.
    pub(crate) fn new(store: Store, per_second: u32) -> Self {
        Self {
            pace: Pace::new(per_second, store.now()),
            backlog: 0,
            store,
            waiting: HashSet::new(),
            done: HashSet::new(),
            suspects: Suspects::default(),
            heard: Instant::now(),
        }
    }

    /// A connection is made: what waits now is a backlog, less what has waited too long.
    pub(crate) async fn begin(&mut self) -> Result<(), StoreError> {
        self.backlog = self.store.begin_backlog().await?;
        Ok(())
    }

    /// Whether a backlog is being sent, so that there may be something to send though nothing happens.
    pub(crate) const fn replays(&self) -> bool {
        self.backlog > 0
    }

    /// The next messages to send; none while a batch is on its way.
    pub(crate) async fn batch(&mut self) -> Result<Vec<Queued>, StoreError> {
        if !self.waiting.is_empty() {
            return Ok(Vec::new());
        }
        self.forget().await?;
        let aside = self.suspects.aside();
        let messages = if self.suspects.one_by_one() {
            1
        } else {
            MESSAGES
        };
        let credit = match self.replays() {
            true => self.pace.credit(self.store.now()),
            false => 0,
        };
        let wish = Wish {
            aside,
            mark: self.backlog,
            live: messages,
            backlog: credit.min(messages),
            bytes: BYTES,
        };
        let mut batch = self.store.wanted(wish).await?;
        let innocent = |queued: &&Queued| !self.suspects.contains(queued.number);
        batch.truncate(batch.iter().take_while(innocent).count().max(1));
        batch.truncate(messages.try_into().unwrap_or(usize::MAX));
        let old = batch.iter().filter(|queued| queued.number <= self.backlog);
        self.pace.spend(old.count());
        if batch.is_empty() && credit > 0 {
            self.backlog = 0;
        }
        self.waiting = batch.iter().map(|queued| queued.number).collect();
        self.heard = Instant::now();
        Ok(batch)
    }

    /// The broker has a message, or will never take it; whether that was the last of its batch.
    pub(crate) fn settled(&mut self, number: i64) -> bool {
        if self.waiting.remove(&number) {
            self.done.insert(number);
            self.suspects.cleared(number);
            self.heard = Instant::now();
        }
        self.waiting.is_empty()
    }

    /// Whether the broker has been silent for too long.
    pub(crate) fn stuck(&self) -> bool {
        !self.waiting.is_empty() && self.heard.elapsed() > PATIENCE
    }

    /// The connection is gone: what was not acknowledged is to be sent again. `broker` says that it ended there and not
    /// here.
    pub(crate) async fn broken_off(&mut self, broker: bool) -> Result<(), StoreError> {
        if broker && !self.waiting.is_empty() {
            self.suspects.broke(self.waiting.iter().copied());
        }
        self.waiting.clear();
        self.store.end_backlog().await?;
        self.forget().await
    }

    async fn forget(&mut self) -> Result<(), StoreError> {
        if self.done.is_empty() {
            return Ok(());
        }
        self.store
            .delivered(self.done.iter().copied().collect())
            .await?;
        self.done.clear();
        Ok(())
    }
}

/// The payload, or where the broker takes no message of that size, one that says so in its stead.
pub(crate) fn fitting(message: &Message, max_packet: Option<u32>) -> Vec<u8> {
    let size = message.bytes() + OVERHEAD;
    let Some(limit) = max_packet.and_then(|limit| usize::try_from(limit).ok()) else {
        return message.payload.clone();
    };
    if size <= limit {
        return message.payload.clone();
    }
    let reason = format!(
        "the report has {} bytes, more than the broker takes; it is in the appliance's trace",
        message.payload.len()
    );
    let whole: Option<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_slice(&message.payload).ok();
    let mut short = whole.unwrap_or_default();
    short.retain(|key, _| matches!(key.as_str(), "id" | "state" | "task" | "label" | "trace"));
    if message.class == Class::Result {
        short.insert("error".to_owned(), reason.into());
    }
    serde_json::Value::Object(short).to_string().into_bytes()
}

#[cfg(test)]
mod tests;
