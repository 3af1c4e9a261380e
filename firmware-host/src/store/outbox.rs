//! Reports that are still to be delivered over MQTT.
//!
//! A message is put in by the transaction that it reports, and stays until the broker acknowledged it: delivery is at
//! least once, in the order of writing. When the outbox is full, telemetry goes first and then events, oldest first; a
//! result or question goes never, so while those fill it new tasks are refused instead. What was dropped is counted.

use rusqlite::{Connection, Row, params};

use super::{Moment, Store, StoreError};

/// How much the outbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages.
    pub messages: u32,
    /// Bytes of topics, payloads and correlation data.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// What a message is worth when the outbox is full; lower goes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The answer to a task that came by MQTT, and questions to people. Never dropped.
    Result,
    /// Something happened.
    Event,
    /// A measurement; the next one replaces it.
    Telemetry,
}

/// A message for the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is worth.
    pub class: Class,
    /// Where it goes.
    pub topic: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it for those who come later.
    pub retain: bool,
    /// Given back to who asked.
    pub correlation: Option<Vec<u8>>,
}

impl Message {
    /// A message that is neither retained nor an answer.
    pub fn new(class: Class, topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            class,
            topic: topic.into(),
            payload: payload.into(),
            retain: false,
            correlation: None,
        }
    }

    /// What counts against [`Limits::bytes`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.topic.len() + self.payload.len() + self.correlation.as_ref().map_or(0, Vec::len)
    }
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its place; grows.
    pub number: i64,
    /// The message.
    pub message: Message,
    /// When it was put in.
    pub created_at: Moment,
}

/// How full the outbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Fill {
    /// Messages in it.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages dropped since the store was made.
    pub dropped: u64,
}

impl Store {
    /// Puts a message in; `false` if it was dropped.
    pub async fn post(&self, message: Message) -> Result<bool, StoreError> {
        let limits = self.inner.outbox;
        let kept = self
            .write(move |c| push(c, &limits, &message, Moment::now()))
            .await?;
        self.messages_changed();
        Ok(kept)
    }

    /// The oldest messages, at most `messages` and, but for the first, together at most `bytes`.
    pub async fn undelivered(
        &self,
        messages: u32,
        bytes: usize,
    ) -> Result<Vec<Queued>, StoreError> {
        self.undelivered_but(&[], messages, bytes).await
    }

    /// The same, without those of these numbers.
    pub(crate) async fn undelivered_but(
        &self,
        aside: &[i64],
        messages: u32,
        bytes: usize,
    ) -> Result<Vec<Queued>, StoreError> {
        let aside = super::task::write("numbers", &aside)?;
        self.read(move |c| oldest(c, &aside, messages, bytes)).await
    }

    /// Forgets messages that the broker has.
    pub async fn delivered(&self, numbers: Vec<i64>) -> Result<(), StoreError> {
        if numbers.is_empty() {
            return Ok(());
        }
        self.write(move |c| {
            let mut delete = c.prepare_cached("DELETE FROM outbox WHERE number = ?1")?;
            for number in numbers {
                delete.execute([number])?;
            }
            Ok(())
        })
        .await
    }

    /// How full it is.
    pub async fn outbox(&self) -> Result<Fill, StoreError> {
        self.read(fill).await
    }
}

fn fill(c: &Connection) -> Result<Fill, StoreError> {
    let sums: (i64, i64, i64) = c
        .prepare_cached("SELECT messages, bytes, dropped FROM outbox_size")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Fill {
        messages: sums.0.unsigned_abs(),
        bytes: sums.1.unsigned_abs(),
        dropped: sums.2.unsigned_abs(),
    })
}

/// How much of it can never be dropped.
pub(super) fn results(c: &Connection) -> Result<Fill, StoreError> {
    let (messages, bytes): (i64, i64) = c
        .prepare_cached("SELECT count(*), coalesce(sum(bytes), 0) FROM outbox WHERE class = 0")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Fill {
        messages: messages.unsigned_abs(),
        bytes: bytes.unsigned_abs(),
        dropped: 0,
    })
}

/// Takes back what cannot be dropped and goes to `topic`.
pub(super) fn withdraw(c: &Connection, topic: &str) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM outbox WHERE class = 0 AND topic = ?1")?
        .execute([topic])?;
    Ok(())
}

/// Puts a message in, making room by the rule above; `false` if there is no room for it.
pub(super) fn push(
    c: &Connection,
    limits: &Limits,
    message: &Message,
    now: Moment,
) -> Result<bool, StoreError> {
    let bytes = message.bytes();
    while !fits(&fill(c)?, limits, bytes) {
        if !drop_one(c, message.class)? {
            if message.class == Class::Result {
                break;
            }
            count_dropped(c)?;
            return Ok(false);
        }
        count_dropped(c)?;
    }
    c.prepare_cached(
        "INSERT INTO outbox (class, topic, payload, retain, correlation, created_at, bytes)
         VALUES (?1, ?2, seal('outbox:' || ?2, ?3), ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        message.class as u8,
        message.topic,
        message.payload,
        message.retain,
        message.correlation,
        now,
        i64::try_from(bytes).unwrap_or(i64::MAX),
    ])?;
    Ok(true)
}

fn fits(fill: &Fill, limits: &Limits, bytes: usize) -> bool {
    fill.messages < u64::from(limits.messages)
        && fill.bytes.saturating_add(bytes as u64) <= limits.bytes
}

/// Drops the oldest message of the least worth that may make way for one of `class`.
fn drop_one(c: &Connection, class: Class) -> Result<bool, StoreError> {
    let least = class.max(Class::Event) as u8;
    let dropped = c
        .prepare_cached(
            "DELETE FROM outbox WHERE number =
             (SELECT number FROM outbox WHERE class >= ?1 ORDER BY class DESC, number LIMIT 1)",
        )?
        .execute([least])?;
    Ok(dropped == 1)
}

fn count_dropped(c: &Connection) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE outbox_size SET dropped = dropped + 1")?
        .execute([])?;
    Ok(())
}

/// `aside` is a JSON array of numbers.
fn oldest(
    c: &Connection,
    aside: &str,
    messages: u32,
    bytes: usize,
) -> Result<Vec<Queued>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT number, class, topic, unseal('outbox:' || topic, payload), retain, correlation, created_at FROM outbox
         WHERE number NOT IN (SELECT value FROM json_each(?2)) ORDER BY number LIMIT ?1",
    )?;
    let mut rows = select.query(params![messages, aside])?;
    let (mut all, mut total) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let queued = queued(row)?;
        total += queued.message.bytes();
        if total > bytes && !all.is_empty() {
            break;
        }
        all.push(queued);
    }
    Ok(all)
}

fn queued(row: &Row<'_>) -> rusqlite::Result<Queued> {
    let class = match row.get(1)? {
        0u8 => Class::Result,
        1 => Class::Event,
        _ => Class::Telemetry,
    };
    Ok(Queued {
        number: row.get(0)?,
        message: Message {
            class,
            topic: row.get(2)?,
            payload: row.get(3)?,
            retain: row.get(4)?,
            correlation: row.get(5)?,
        },
        created_at: row.get(6)?,
    })
}
