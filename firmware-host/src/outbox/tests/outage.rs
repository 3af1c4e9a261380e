//! A day without a broker, by a clock that the test drives.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::*;
use crate::store::{
    Accepting, Clock, KeySource, Limits, Moment, ReplyTo,
    outbox::{self, Fill},
    tests::task,
};

const MINUTE: u64 = 60_000;
/// Messages that the outbox holds; a day has more.
const MOST: u32 = 240;
const PER_SECOND: u32 = 50;

struct Day {
    _folder: tempfile::TempDir,
    store: Store,
    now: Arc<AtomicU64>,
}

impl Day {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicU64::new(1_800_000_000_000));
        let clock = now.clone();
        let clock = Clock::new(move || Moment(clock.load(Ordering::SeqCst)));
        let limits = Limits {
            outbox: outbox::Limits {
                messages: MOST,
                ..outbox::Limits::default()
            },
            ..Limits::default()
        };
        let store = Store::open_at(folder.path(), limits, KeySource::default(), clock);
        let store = store.await.unwrap();
        let root = shoal_wire::Root::try_new("plant", "press").unwrap();
        store.report_under(Some(root)).await.unwrap();
        Self {
            _folder: folder,
            store,
            now,
        }
    }

    fn pass(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    async fn post(&self, class: Class, topic: &str) -> bool {
        let message = Message::new(class, topic, "x");
        self.store.post(message).await.unwrap()
    }

    /// A task by MQTT from its acceptance to its end.
    async fn task(&self, n: u64) {
        let accepting = Accepting {
            task: task(&format!("t{n}")),
            reply: Some(ReplyTo::default()),
            max_open: 10,
        };
        let id = accepting.task.id.clone();
        self.store.accept(accepting).await.unwrap();
        let failure = shoal_conductor::task::Failure::TimedOut { seconds: 1 };
        self.store.finish(&id, Err(failure)).await.unwrap();
    }

    async fn waiting(&self) -> Vec<Queued> {
        self.store.undelivered(10_000, usize::MAX).await.unwrap()
    }

    async fn fill(&self) -> Fill {
        self.store.outbox().await.unwrap()
    }
}

fn count(waiting: &[Queued], class: Class) -> usize {
    let of = waiting
        .iter()
        .filter(|queued| queued.message.class == class);
    of.count()
}

#[tokio::test]
async fn a_day_without_a_broker_keeps_the_bounds_and_drops_by_class_and_age() {
    let day = Day::begin().await;
    let mut before = Fill::default();
    for step in 0..24 * 6 {
        day.pass(10 * MINUTE);
        day.post(Class::Telemetry, "telemetry").await;
        day.post(Class::Event, "errors").await;
        day.task(step).await;
        let (waiting, fill) = (day.waiting().await, day.fill().await);
        assert!(fill.messages <= u64::from(MOST), "{fill:?}");
        assert_eq!(fill.messages, waiting.len() as u64);
        // Measurements of the last hour at most, and every result.
        assert!(count(&waiting, Class::Telemetry) <= 7, "step {step}");
        assert_eq!(count(&waiting, Class::Result) as u64, step + 1);
        assert_eq!(fill.dropped_by.result, Default::default());
        if fill.dropped_by.event.full > before.dropped_by.event.full {
            assert_eq!(
                count(&waiting, Class::Telemetry),
                0,
                "step {step}: {fill:?}"
            );
        }
        before = fill;
    }
    assert!(before.dropped_by.telemetry.age > 0, "{before:?}");
    assert!(before.dropped_by.telemetry.full > 0, "{before:?}");
    assert!(before.dropped_by.event.full > 0, "{before:?}");
    assert_eq!(before.dropped_by.event.age, 0, "{before:?}");
    assert_eq!(
        before.oldest_ms,
        (24 * 6 - 1) * 10 * MINUTE,
        "the first result"
    );
    // A day later events go by their age, and results after a month.
    day.pass(25 * 60 * MINUTE);
    day.store.drop_aged().await.unwrap();
    let waiting = day.waiting().await;
    assert_eq!(count(&waiting, Class::Event), 0);
    assert_eq!(count(&waiting, Class::Result), 24 * 6);
    day.pass(31 * 24 * 60 * MINUTE);
    assert_eq!(day.store.drop_aged().await.unwrap(), 24 * 6);
    assert_eq!(day.fill().await.dropped_by.result.age, 24 * 6);
}

#[tokio::test]
async fn after_an_outage_the_newest_states_go_first_and_nobody_is_flooded() {
    let day = Day::begin().await;
    for step in 0..60 {
        day.pass(MINUTE);
        day.task(step).await;
        day.post(Class::Event, "errors").await;
    }
    let backlog = day.waiting().await.len();
    let mut delivery = Delivery::new(day.store.clone(), PER_SECOND);
    delivery.begin().await.unwrap();
    let (mut sent, mut fresh, mut late) = (Vec::new(), 0, 0);
    let mut by_second = std::collections::BTreeMap::new();
    let begun = day.now.load(Ordering::SeqCst);
    while sent.len() < backlog {
        let ms = day.now.load(Ordering::SeqCst) - begun;
        // What happens now does not wait behind what has waited already.
        if ms % 500 == 0 {
            assert!(day.post(Class::Event, "live").await);
            fresh += 1;
        }
        let batch = delivery.batch().await.unwrap();
        for queued in batch {
            delivery.settled(queued.number);
            if queued.message.topic == "live" {
                late += 1;
                continue;
            }
            *by_second.entry(ms / 1_000).or_insert(0u32) += 1;
            sent.push(queued);
        }
        assert_eq!(late, fresh, "at {ms} ms");
        day.pass(20);
    }
    let most = by_second.values().copied().max().unwrap();
    assert!(most <= PER_SECOND + PER_SECOND / 4, "{by_second:?}");
    let seconds = u32::try_from(by_second.len()).unwrap();
    let needed = u32::try_from(backlog).unwrap().div_ceil(PER_SECOND);
    assert!(seconds.abs_diff(needed) <= 1, "{by_second:?}");
    let (states, rest) = sent.split_at(60);
    assert!(states.iter().all(|queued| queued.message.retain));
    assert!(
        states.is_sorted_by(|a, b| a.number > b.number),
        "newest first"
    );
    assert!(rest.iter().all(|queued| !queued.message.retain));
    assert!(
        rest.is_sorted_by(|a, b| a.number < b.number),
        "in their order"
    );
    assert!(delivery.batch().await.unwrap().is_empty());
    assert!(!delivery.replays());
    assert_eq!(day.fill().await.messages, 0);
}
