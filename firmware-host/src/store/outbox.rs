//! Reports that are still to be delivered over MQTT.
//!
//! # Rules
//! - A message is put in by the transaction that it reports, and stays until the broker acknowledged it: delivery is at
//!   least once. Each has a name ([`Queued::id`]) that stays the same however often it is sent.
//! - A retained message says what holds now. So while nobody is connected to the broker it takes the place of one that
//!   waits for the same topic, and afterwards of one that waits in the backlog: a task has one state here and a question
//!   one line, however long the broker is away. While the broker is there, each state is sent.
//! - Everything else goes in the order of writing, and after an outage what is retained goes first, newest first.
//!
//! # Bounds
//! By number and bytes ([`Limits`]): when it is full, telemetry goes first and then events, oldest first; a result or
//! question goes never, so while those fill it new tasks are refused instead. By age, for each class: what has waited
//! longer goes, results too, but their time is counted in days and the result itself stays in the store. Everything
//! dropped is counted by class and reason.

mod queue;

use std::time::Duration;

use serde::Serialize;

pub(super) use self::queue::{push, results};
use super::{Moment, Store, StoreError};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// How much the outbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages.
    pub messages: u32,
    /// Bytes of topics, payloads, user properties and correlation data.
    pub bytes: u64,
    /// How long each class waits at most.
    pub ages: Ages,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 64 * 1024 * 1024,
            ages: Ages::default(),
        }
    }
}

/// How long a message waits for the broker before it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// Results and questions.
    pub result: Duration,
    /// States and other events.
    pub event: Duration,
    /// Measurements.
    pub telemetry: Duration,
}

impl Default for Ages {
    fn default() -> Self {
        Self {
            result: 30 * 24 * HOUR,
            event: 24 * HOUR,
            telemetry: HOUR,
        }
    }
}

impl Ages {
    const fn of(&self, class: Class) -> Duration {
        match class {
            Class::Result => self.result,
            Class::Event => self.event,
            Class::Telemetry => self.telemetry,
        }
    }
}

/// What a message is worth when the outbox is full; lower goes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The answer to a task that came by MQTT, and questions to people. Never dropped for another message.
    Result,
    /// Something happened.
    Event,
    /// A measurement; the next one replaces it.
    Telemetry,
}

impl Class {
    /// All, dearest first.
    pub const ALL: [Self; 3] = [Self::Result, Self::Event, Self::Telemetry];

    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Event => "event",
            Self::Telemetry => "telemetry",
        }
    }

    const fn of(number: u8) -> Self {
        match number {
            0 => Self::Result,
            1 => Self::Event,
            _ => Self::Telemetry,
        }
    }
}

/// A user property of MQTT 5: name and value.
pub type Property = (String, String);

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
    /// Given back too.
    pub properties: Vec<Property>,
    /// How long the broker keeps it, from when it is sent; without end where there is none.
    pub keep: Option<Duration>,
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
            properties: Vec::new(),
            keep: None,
        }
    }

    /// What counts against [`Limits::bytes`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        let properties = self.properties.iter();
        let properties: usize = properties
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let correlation = self.correlation.as_ref().map_or(0, Vec::len);
        self.topic.len() + self.payload.len() + correlation + properties
    }
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its place; grows.
    pub number: i64,
    /// Its name, the same each time that it is sent: 16 hexadecimal digits.
    pub id: String,
    /// The message.
    pub message: Message,
    /// When it was put in.
    pub created_at: Moment,
}

/// How full the outbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fill {
    /// Messages in it.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The age of the oldest, in milliseconds; 0 if it is empty.
    pub oldest_ms: u64,
    /// Messages dropped since the store was made.
    pub dropped: u64,
    /// Of those, by class.
    pub dropped_by: Dropped,
}

/// Messages dropped, by class and reason; counted since the store has schema 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Results and questions, which only age drops.
    pub result: Reasons,
    /// Events.
    pub event: Reasons,
    /// Measurements.
    pub telemetry: Reasons,
}

impl Dropped {
    /// Of one class.
    #[must_use]
    pub const fn of(&self, class: Class) -> Reasons {
        match class {
            Class::Result => self.result,
            Class::Event => self.event,
            Class::Telemetry => self.telemetry,
        }
    }

    const fn of_mut(&mut self, class: Class) -> &mut Reasons {
        match class {
            Class::Result => &mut self.result,
            Class::Event => &mut self.event,
            Class::Telemetry => &mut self.telemetry,
        }
    }
}

/// Why messages were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reasons {
    /// There was no room.
    pub full: u64,
    /// They waited too long.
    pub age: u64,
}

/// Which messages are to be read.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Not those of these numbers.
    pub(crate) aside: Vec<i64>,
    /// The last number of a backlog; 0 where there is none.
    pub(crate) mark: i64,
    /// At most so many after the mark, in their order.
    pub(crate) live: u32,
    /// At most so many up to the mark: what is retained, newest first, then the rest, oldest first.
    pub(crate) backlog: u32,
    /// Together at most so many bytes, but for the first.
    pub(crate) bytes: usize,
}

impl Store {
    /// Puts a message in; `false` if it was dropped.
    pub async fn post(&self, message: Message) -> Result<bool, StoreError> {
        let (limits, now) = (self.inner.outbox, self.now());
        let kept = self.write(move |c| push(c, &limits, &message, now)).await?;
        self.messages_changed();
        Ok(kept)
    }

    /// The oldest messages, at most `messages` and, but for the first, together at most `bytes`.
    pub async fn undelivered(
        &self,
        messages: u32,
        bytes: usize,
    ) -> Result<Vec<Queued>, StoreError> {
        let wish = Wish {
            aside: Vec::new(),
            mark: 0,
            live: messages,
            backlog: 0,
            bytes,
        };
        self.wanted(wish).await
    }

    /// Some messages.
    pub(crate) async fn wanted(&self, wish: Wish) -> Result<Vec<Queued>, StoreError> {
        self.read(move |c| queue::read(c, &wish)).await
    }

    /// The broker is there. What waits now is the backlog: what has waited too long goes, and so does all but the last
    /// retained message of each topic. The number of the last message; 0 if there is none.
    pub(crate) async fn begin_backlog(&self) -> Result<i64, StoreError> {
        let (limits, now) = (self.inner.outbox, self.now());
        self.write(move |c| queue::begin(c, &limits, now)).await
    }

    /// The broker is gone.
    pub(crate) async fn end_backlog(&self) -> Result<(), StoreError> {
        self.write(|c| queue::set_backlog(c, i64::MAX)).await
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

    /// Drops what has waited too long; how many that were.
    pub async fn drop_aged(&self) -> Result<u64, StoreError> {
        let (limits, now) = (self.inner.outbox, self.now());
        self.write(move |c| queue::age(c, &limits, now)).await
    }

    /// How full it is.
    pub async fn outbox(&self) -> Result<Fill, StoreError> {
        let now = self.now();
        self.read(move |c| queue::standing(c, now)).await
    }
}
