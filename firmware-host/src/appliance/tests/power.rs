//! The power goes after each thing that is ever made durable.

use shoal_conductor::trace::Event;

use super::*;
use crate::store::{FILE, KEY_FILE, ReplyTo, TaskFilter, tests::wal};

const LOG: &str = "shoal.db-wal";
const HEAD: &str = "shoal.head";

/// The files as they were when this much of the log was on disk.
fn cut(folder: &TempDir, file: &[u8], log: &[u8], head: &[u8]) -> TempDir {
    let after = tempfile::tempdir().unwrap();
    std::fs::write(after.path().join(HEAD), head).unwrap();
    std::fs::write(after.path().join(FILE), file).unwrap();
    std::fs::write(after.path().join(LOG), log).unwrap();
    std::fs::copy(folder.path().join(KEY_FILE), after.path().join(KEY_FILE)).unwrap();
    after
}

fn calls(trace: &[Event]) -> usize {
    let called = trace
        .iter()
        .filter(|event| matches!(event, Event::Called { .. }));
    called.count()
}

async fn events(store: &Store, id: &shoal_conductor::id::TaskId) -> Vec<Event> {
    let trace = store.trace(id).await.unwrap();
    trace.into_iter().map(|entry| entry.event).collect()
}

#[tokio::test]
async fn killed_after_each_durable_step_a_task_ends_once_and_no_remote_call_is_made_again_unsaid() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    // The first one is on disk before all else; those after it may be lost.
    let head = std::fs::read(folder.path().join(HEAD)).unwrap();
    let root = shoal_wire::Root::try_new("plant", "press").unwrap();
    store.report_under(Some(root.clone())).await.unwrap();
    let fake = Fake::remote();
    let appliance = fake.appliance(&store, LIMITS, 1);
    let id = task("t1").id;
    let accepted = appliance.accept_message(saying("t1", "hello"), ReplyTo::default());
    accepted.await.unwrap();
    within(appliance.outcome(&id)).await.unwrap().unwrap();
    assert_eq!((fake.calls(), calls(&events(&store, &id).await)), (1, 1));
    let file = std::fs::read(folder.path().join(FILE)).unwrap();
    let log = std::fs::read(folder.path().join(LOG)).unwrap();
    let steps = wal::commits(&log);
    let (mut met, mut made_again) = (std::collections::BTreeSet::new(), 0);
    for step in steps {
        let after = cut(&folder, &file, &log[..step], &head);
        let store = Store::open(after.path()).await.unwrap();
        store.report_under(Some(root.clone())).await.unwrap();
        let Some(state) = store.standing(&id).await.unwrap() else {
            // Nobody was told that it was accepted.
            assert!(met.is_empty());
            continue;
        };
        let before = events(&store, &id).await;
        met.insert((before.len(), state.as_str()));
        let fake = Fake::remote();
        let appliance = fake.appliance(&store, LIMITS, 1);
        let resumed = appliance.resume().await.unwrap();
        assert_eq!(resumed, usize::from(!state.is_final()));
        let answer = within(appliance.outcome(&id)).await.unwrap().unwrap();
        assert!(answer.text.contains("hello"));
        let trace = events(&store, &id).await;
        assert_eq!(trace[..before.len()], before);
        // Each call has its line, and the line was there before the call.
        assert_eq!(calls(&trace), calls(&before) + fake.calls());
        if calls(&trace) > 1 {
            let said =
                |event: &Event| matches!(event, Event::Note { text } if text.contains("again"));
            assert!(trace.iter().any(said), "{trace:?}");
            made_again += 1;
        }
        let results = store.undelivered(100, usize::MAX).await.unwrap();
        let results = results
            .iter()
            .filter(|queued| queued.message.topic.ends_with("/result"));
        assert_eq!(
            results.count(),
            1,
            "from {state} with {} lines",
            before.len()
        );
        assert_eq!(store.tasks(TaskFilter::default()).await.unwrap().len(), 1);
        assert_eq!(store.audit(None).await.unwrap().faults, []);
    }
    let lines = events(&store, &id).await.len();
    assert!(met.len() > lines, "each line and the end: {met:?}");
    assert!(made_again > 0, "one was between a call and its answer");
}
