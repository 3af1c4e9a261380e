use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Post(u8, usize),
    Deliver(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3u8, 0..40usize).prop_map(|(class, size)| Step::Post(class, size)),
        2 => (1..4usize).prop_map(Step::Deliver),
        1 => Just(Step::Reopen),
    ]
}

/// The rule of the outbox on plain vectors: (serial, class, bytes).
#[derive(Default)]
struct Model {
    rows: Vec<(u32, u8, usize)>,
    dropped: u64,
}

impl Model {
    fn post(&mut self, limits: Limits, serial: u32, class: u8, bytes: usize) {
        let full = |rows: &[(u32, u8, usize)]| {
            let total: usize = rows.iter().map(|row| row.2).sum();
            rows.len() >= limits.messages as usize || (total + bytes) as u64 > limits.bytes
        };
        while full(&self.rows) {
            let victim = (class.max(1)..3)
                .rev()
                .find_map(|worth| self.rows.iter().position(|row| row.1 == worth));
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
        self.rows.push((serial, class, bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_outbox_does_what_the_rule_says(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let limits = Limits { messages: 5, bytes: 120, ..Limits::default() };
            let mut store = Store::open_with(folder.path(), outbox(limits), KeySource::default()).await.unwrap();
            let mut model = Model::default();
            for (serial, step) in (0u32..).zip(steps) {
                match step {
                    Step::Post(class, size) => {
                        let worth = [Class::Result, Class::Event, Class::Telemetry][usize::from(class)];
                        let message = Message::new(worth, format!("{serial:04}"), vec![b'x'; size]);
                        model.post(limits, serial, class, message.bytes());
                        store.post(message).await.unwrap();
                    }
                    Step::Deliver(count) => {
                        let some = store.undelivered(count as u32, usize::MAX).await.unwrap();
                        store.delivered(some.iter().map(|q| q.number).collect()).await.unwrap();
                        model.rows.drain(..count.min(model.rows.len()));
                    }
                    Step::Reopen => {
                        drop(store);
                        store = Store::open_with(folder.path(), outbox(limits), KeySource::default()).await.unwrap();
                    }
                }
                let fill = store.outbox().await.unwrap();
                let total: usize = model.rows.iter().map(|row| row.2).sum();
                assert_eq!((fill.messages, fill.bytes, fill.dropped),
                    (model.rows.len() as u64, total as u64, model.dropped));
                let topics: Vec<_> = store.undelivered(100, usize::MAX).await.unwrap()
                    .into_iter().map(|q| q.message.topic).collect();
                let expected: Vec<_> = model.rows.iter().map(|row| format!("{:04}", row.0)).collect();
                assert_eq!(topics, expected);
            }
        });
    }
}
