//! Store and outbox against a model, with power cuts at random points.

use std::time::Duration;

use proptest::{prelude::*, sample::Index};

use super::*;

const LOG: &str = "shoal.db-wal";
const LIMITS: Limits = Limits {
    messages: 6,
    bytes: u64::MAX,
    ages: super::super::outbox::Ages {
        result: Duration::from_secs(400),
        event: Duration::from_secs(200),
        telemetry: Duration::from_secs(50),
    },
};
const OPEN: u32 = 3;
const BEGUN: u64 = 1_800_000_000_000;

#[derive(Clone, Debug)]
enum Change {
    Accept(u8, bool),
    Record(u8),
    Finish(u8, bool),
    Post(u8),
    Deliver(u8),
    Age,
}

#[derive(Clone, Debug)]
enum Step {
    /// Made and acknowledged.
    Done(Change),
    /// Time goes on by so many seconds.
    Wait(u8),
    /// The power goes somewhere in the middle of it, and what was being written is torn.
    Cut(Change, Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (0..6u8, any::<bool>()).prop_map(|(id, mqtt)| Change::Accept(id, mqtt)),
        2 => (0..6u8).prop_map(Change::Record),
        3 => (0..6u8, any::<bool>()).prop_map(|(id, well)| Change::Finish(id, well)),
        3 => (1..3u8).prop_map(Change::Post),
        2 => (1..4u8).prop_map(Change::Deliver),
        1 => Just(Change::Age),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => change().prop_map(Step::Done),
        1 => (1..90u8).prop_map(Step::Wait),
        1 => (change(), any::<Index>(), prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(change, at, torn)| Step::Cut(change, at, torn)),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    topic: String,
    class: u8,
    retain: bool,
    at: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    mqtt: bool,
    lines: usize,
    state: &'static str,
}

/// What the module's text says, on plain maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    tasks: BTreeMap<u8, Known>,
    rows: Vec<Row>,
    dropped: u64,
    serial: u32,
}

impl Model {
    fn age(&mut self, now: u64) {
        let ages = [400, 200, 50].map(|seconds| seconds * 1_000);
        let before = self.rows.len();
        let fresh = |row: &Row| row.at >= now.saturating_sub(ages[usize::from(row.class)]);
        self.rows.retain(fresh);
        self.dropped += (before - self.rows.len()) as u64;
    }

    fn push(&mut self, topic: String, class: u8, retain: bool, now: u64) {
        self.age(now);
        if retain {
            self.rows.retain(|row| !(row.retain && row.topic == topic));
        }
        while self.rows.len() >= LIMITS.messages as usize {
            let worth = (class.max(1)..3).rev();
            let victim = worth
                .into_iter()
                .find_map(|worth| self.rows.iter().position(|row| row.class == worth));
            match victim {
                Some(at) => drop(self.rows.remove(at)),
                None if class == 0 => break,
                None => {
                    self.dropped += 1;
                    return;
                }
            }
            self.dropped += 1;
        }
        self.rows.push(Row {
            topic,
            class,
            retain,
            at: now,
        });
    }

    fn result(&mut self, id: u8, now: u64) {
        let class = u8::from(!self.tasks[&id].mqtt);
        self.push(format!("tasks/t{id}/result"), class, false, now);
    }

    fn stand(&mut self, id: u8, state: &'static str, now: u64) {
        self.tasks.get_mut(&id).unwrap().state = state;
        self.push(format!("tasks/t{id}/state"), 1, true, now);
    }

    fn ended(&self, id: u8) -> bool {
        let known = self.tasks.get(&id);
        known.is_some_and(|known| matches!(known.state, "done" | "failed"))
    }

    fn apply(&mut self, change: &Change, now: u64) {
        match *change {
            Change::Accept(id, mqtt) => self.accept(id, mqtt, now),
            Change::Record(id) => {
                if self.tasks.contains_key(&id) && !self.ended(id) {
                    let known = self.tasks.get_mut(&id).unwrap();
                    known.lines += 1;
                    if known.state != "planning" {
                        self.stand(id, "planning", now);
                    }
                }
            }
            Change::Finish(id, well) => {
                if self.tasks.contains_key(&id) && !self.ended(id) {
                    self.stand(id, if well { "done" } else { "failed" }, now);
                    self.result(id, now);
                }
            }
            Change::Post(class) => {
                self.serial += 1;
                let topic = format!("post/{:04}", self.serial);
                self.push(topic, class, false, now);
            }
            Change::Deliver(count) => {
                self.rows.drain(..usize::from(count).min(self.rows.len()));
            }
            Change::Age => self.age(now),
        }
    }

    fn accept(&mut self, id: u8, mqtt: bool, now: u64) {
        if let Some(known) = self.tasks.get_mut(&id) {
            if mqtt {
                known.mqtt = true;
                if self.ended(id) {
                    self.result(id, now);
                }
            }
            return;
        }
        let open = (0..6u8)
            .filter(|id| self.tasks.contains_key(id) && !self.ended(*id))
            .count();
        let results = self.rows.iter().filter(|row| row.class == 0).count();
        let promised = if mqtt { open } else { 0 };
        if open >= OPEN as usize || results + promised >= LIMITS.messages as usize {
            return;
        }
        let known = Known {
            mqtt,
            lines: 0,
            state: "accepted",
        };
        self.tasks.insert(id, known);
        self.stand(id, "accepted", now);
    }
}

struct House {
    folder: TempDir,
    store: Store,
    now: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl House {
    async fn open(folder: TempDir, now: u64) -> Self {
        let now = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(now));
        let clock = now.clone();
        let clock = Clock::new(move || Moment(clock.load(std::sync::atomic::Ordering::SeqCst)));
        let store = Store::open_at(folder.path(), outbox(LIMITS), KeySource::default(), clock);
        let store = store.await.unwrap();
        Self { folder, store, now }
    }

    fn time(&self) -> u64 {
        self.now.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn log(&self) -> Vec<u8> {
        let log = std::fs::read(self.folder.path().join(LOG)).unwrap();
        // A log that was begun anew is shorter than its file.
        let end = wal::commits(&log).last().copied().unwrap_or(0);
        log[..end].to_vec()
    }

    async fn make(&self, change: &Change, serial: u32) {
        let id = |id: u8| task(&format!("t{id}")).id;
        let store = &self.store;
        match *change {
            Change::Accept(n, mqtt) => {
                let task = task(id(n).as_str());
                let accepting = match mqtt {
                    true => by_mqtt(task, None),
                    false => accepting(task),
                };
                let accepting = Accepting {
                    max_open: OPEN,
                    ..accepting
                };
                store.accept(accepting).await.unwrap();
            }
            // Refused for one that is not there or has ended, which the model knows.
            Change::Record(n) => drop(store.record(&id(n), &labelled()).await),
            Change::Finish(n, well) => {
                let outcome = match well {
                    true => Ok(answer("a")),
                    false => Err(Failure::TimedOut { seconds: 1 }),
                };
                drop(store.finish(&id(n), outcome).await);
            }
            Change::Post(class) => {
                let class = [Class::Result, Class::Event, Class::Telemetry][usize::from(class)];
                let message = Message::new(class, format!("post/{:04}", serial + 1), "x");
                store.post(message).await.unwrap();
            }
            Change::Deliver(count) => {
                let some = store.undelivered(count.into(), usize::MAX).await.unwrap();
                let numbers = some.iter().map(|queued| queued.number).collect();
                store.delivered(numbers).await.unwrap();
            }
            Change::Age => drop(store.drop_aged().await.unwrap()),
        }
    }

    /// As the store has it.
    async fn model(&self, serial: u32) -> Model {
        let mut tasks = BTreeMap::new();
        for n in 0..6u8 {
            let id = task(&format!("t{n}")).id;
            let Some(record) = self.store.task(&id).await.unwrap() else {
                continue;
            };
            let lines = self.store.trace(&id).await.unwrap().len();
            let number = id.to_string();
            let mqtt = self.store.read(move |c| {
                Ok(
                    c.query_row("SELECT by_mqtt FROM task WHERE id = ?1", [number], |row| {
                        row.get(0)
                    })?,
                )
            });
            let mqtt = mqtt.await.unwrap();
            let state = record.state.as_str();
            tasks.insert(n, Known { mqtt, lines, state });
        }
        let rows = self.store.undelivered(100, usize::MAX).await.unwrap();
        let rows = rows.into_iter().map(|queued| Row {
            topic: queued.message.topic.replace("shoal/v1/plant/press/", ""),
            class: queued.message.class as u8,
            retain: queued.message.retain,
            at: queued.created_at.0,
        });
        Model {
            tasks,
            rows: rows.collect(),
            dropped: self.store.outbox().await.unwrap().dropped,
            serial,
        }
    }
}

/// The files as a power cut leaves them: all that was acknowledged, some of what was being written, and garbage.
async fn cut(house: House, acknowledged: &[u8], at: Index, torn: &[u8]) -> House {
    let written = house.log();
    let file = std::fs::read(house.folder.path().join(FILE)).unwrap();
    let end = acknowledged.len() + at.index(written.len() - acknowledged.len() + 1);
    let after = tempfile::tempdir().unwrap();
    std::fs::write(after.path().join(FILE), file).unwrap();
    std::fs::write(after.path().join(LOG), [&written[..end], torn].concat()).unwrap();
    for name in [KEY_FILE, kept::FILE] {
        // Before the first link there is no head to keep apart.
        std::fs::copy(house.folder.path().join(name), after.path().join(name)).ok();
    }
    let now = house.time();
    drop(house);
    House::open(after, now).await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn store_and_outbox_do_what_their_text_says_through_power_cuts(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(async {
            let mut house = House::open(tempfile::tempdir().unwrap(), BEGUN).await;
            house.store.report_under(Some(root())).await.unwrap();
            let mut model = Model::default();
            for step in steps {
                match step {
                    Step::Wait(seconds) => {
                        house.now.fetch_add(u64::from(seconds) * 1_000, std::sync::atomic::Ordering::SeqCst);
                    }
                    Step::Done(change) => {
                        house.make(&change, model.serial).await;
                        model.apply(&change, house.time());
                    }
                    Step::Cut(change, at, torn) => {
                        let acknowledged = house.log();
                        house.make(&change, model.serial).await;
                        let mut made = model.clone();
                        made.apply(&change, house.time());
                        house = cut(house, &acknowledged, at, &torn).await;
                        let found = house.model(model.serial).await;
                        // Nobody was told that it was made, so both are right; half of it is not.
                        let serial = made.serial;
                        made.serial = model.serial;
                        if found == made {
                            made.serial = serial;
                            model = made;
                        }
                    }
                }
                assert_eq!(house.model(model.serial).await, model);
            }
            house.store.verify().await.unwrap();
            // Links of what was torn off may be in the head's copy, which is told as set back and nothing else.
            let faults = house.store.audit(None).await.unwrap().faults;
            assert!(faults.iter().all(|fault| fault.wrong == Wrong::SetBack), "{faults:?}");
        });
    }
}
