//! The delivering side of the outbox: which messages are on their way, and which the broker has.
//!
//! One batch is on its way at a time, in the order of the outbox; its rows go in one transaction when all of it is
//! acknowledged. A row that the broker has but that could not be deleted is not sent again by this process. One that
//! breaks connections keeps the rows behind it waiting only for a while.

mod suspect;

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use self::suspect::Suspects;
use crate::store::{Class, Message, Store, StoreError, outbox::Queued};

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
}

impl Delivery {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            waiting: HashSet::new(),
            done: HashSet::new(),
            suspects: Suspects::default(),
            heard: Instant::now(),
        }
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
        let mut batch = self.store.undelivered_but(&aside, messages, BYTES).await?;
        let innocent = |queued: &&Queued| !self.suspects.contains(queued.number);
        batch.truncate(batch.iter().take_while(innocent).count().max(1));
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
mod tests {
    use super::*;

    #[test]
    fn a_report_that_the_broker_does_not_take_is_replaced_by_its_head() {
        let whole = format!(
            r#"{{"id":"t1","state":"done","answer":"{}"}}"#,
            "x".repeat(500)
        );
        let message = Message::new(Class::Result, "t", whole.clone());
        assert_eq!(fitting(&message, None), whole.as_bytes());
        assert_eq!(fitting(&message, Some(10_000)), whole.as_bytes());
        let short: serde_json::Value =
            serde_json::from_slice(&fitting(&message, Some(300))).unwrap();
        assert_eq!(
            (&short["id"], &short["state"]),
            (&"t1".into(), &"done".into())
        );
        assert!(short["error"].as_str().unwrap().contains("bytes"));
        assert!(short.get("answer").is_none());
    }

    #[tokio::test]
    async fn a_batch_is_deleted_when_all_of_it_is_acknowledged_and_sent_again_if_it_broke_off() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        for n in 0..3 {
            let message = Message::new(Class::Event, format!("e{n}"), "x");
            store.post(message).await.unwrap();
        }
        let mut delivery = Delivery::new(store.clone());
        let first = delivery.batch().await.unwrap();
        assert_eq!(first.len(), 3);
        assert!(delivery.batch().await.unwrap().is_empty());
        assert!(!delivery.settled(first[0].number));
        delivery.broken_off(false).await.unwrap();
        let again = delivery.batch().await.unwrap();
        assert_eq!(again, first[1..]);
        assert!(!delivery.settled(again[1].number));
        assert!(delivery.settled(again[0].number));
        assert!(delivery.batch().await.unwrap().is_empty());
        assert_eq!(store.outbox().await.unwrap().messages, 0);
    }

    #[tokio::test]
    async fn a_report_that_breaks_connections_is_set_aside_and_those_behind_it_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        for n in 0..4 {
            let message = Message::new(Class::Result, format!("r{n}"), "x");
            store.post(message).await.unwrap();
        }
        let mut delivery = Delivery::new(store.clone());
        let (mut delivered, mut broken) = (Vec::new(), 0);
        // The broker takes what comes in order and hangs up on "r1", as often as it comes.
        while broken < 20 {
            let batch = delivery.batch().await.unwrap();
            if batch.is_empty() {
                break;
            }
            let taken = batch.iter().take_while(|q| q.message.topic != "r1").count();
            for queued in &batch[..taken] {
                delivery.settled(queued.number);
                delivered.push(queued.message.topic.clone());
            }
            if taken < batch.len() {
                broken += 1;
                delivery.broken_off(true).await.unwrap();
            }
        }
        assert_eq!(delivered, ["r0", "r2", "r3"]);
        assert_eq!(broken, 6, "once in company, five times alone");
        assert_eq!(store.outbox().await.unwrap().messages, 1);
        // A new one is not held up either.
        store
            .post(Message::new(Class::Result, "r4", "x"))
            .await
            .unwrap();
        let batch = delivery.batch().await.unwrap();
        assert_eq!(batch[0].message.topic, "r4");
    }
}
