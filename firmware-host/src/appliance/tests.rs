mod power;

use std::{future::Future, sync::Arc, time::Duration};

use futures::StreamExt;
use shoal_conductor::task::{Failure, State, Task};
use tempfile::TempDir;

use super::{fake::Fake, *};
use crate::store::tests::task;

const LIMITS: ApplianceLimits = ApplianceLimits { max_open_tasks: 3 };
const DEADLINE: Duration = Duration::from_secs(30);

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work)
        .await
        .expect("not within the deadline")
}

fn saying(id: &str, words: &str) -> Task {
    let mut task = task(id);
    task.messages[0].content = words.into();
    task
}

async fn fixture() -> (TempDir, Store, Arc<Fake>, Appliance) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let fake = Fake::new();
    let appliance = fake.appliance(&store, LIMITS, 1);
    (folder, store, fake, appliance)
}

async fn called(fake: &Fake, times: usize) {
    within(async {
        while fake.calls() < times {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_task_is_answered_in_pieces_and_as_a_whole() {
    let (_folder, store, _fake, appliance) = fixture().await;
    let accepted = appliance.accept(saying("t1", "hello")).await.unwrap();
    assert!(accepted.fresh);
    let mut text = accepted.text.unwrap();
    let mut whole = String::new();
    while let Some(piece) = within(text.recv()).await {
        whole.push_str(&piece);
    }
    let answer = within(appliance.outcome(&accepted.id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer.text, whole);
    assert!(whole.contains("hello"), "{whole}");
    assert_eq!(
        store.task(&accepted.id).await.unwrap().unwrap().state,
        State::Done
    );
}

#[tokio::test]
async fn the_same_id_runs_once_and_both_get_the_outcome() {
    let (_folder, _store, fake, appliance) = fixture().await;
    let first = appliance.accept(saying("t1", "hold")).await.unwrap();
    drop(first.text);
    let again = appliance.accept(saying("t1", "hold")).await.unwrap();
    assert!(!again.fresh && again.text.is_none());
    let other = appliance.accept(saying("t1", "else")).await.unwrap_err();
    assert!(matches!(other, AcceptError::Conflict { .. }), "{other}");
    fake.gate.add_permits(9);
    let (a, b) = tokio::join!(appliance.outcome(&first.id), appliance.outcome(&again.id));
    assert_eq!(a.unwrap().unwrap().text, b.unwrap().unwrap().text);
    assert_eq!(fake.calls(), 1);
}

#[tokio::test]
async fn one_too_many_is_refused_and_the_rest_take_turns() {
    let (_folder, _store, fake, appliance) = fixture().await;
    for id in ["t1", "t2", "t3"] {
        appliance.accept(saying(id, "hold")).await.unwrap();
    }
    let refused = appliance.accept(saying("t4", "hold")).await.unwrap_err();
    assert_eq!(refused, AcceptError::Full { limit: 3 });
    called(&fake, 1).await;
    let health = appliance.health();
    assert_eq!((health.open, health.running, health.waiting), (3, 1, 2));
    fake.gate.add_permits(3);
    for id in ["t1", "t2", "t3"] {
        within(appliance.outcome(&task(id).id))
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(fake.calls(), 3);
}

#[tokio::test]
async fn a_panic_ends_its_task_with_the_reason_and_nothing_else() {
    let (_folder, _store, _fake, appliance) = fixture().await;
    let one = appliance.accept(saying("t1", "panic")).await.unwrap();
    let failure = within(appliance.outcome(&one.id))
        .await
        .unwrap()
        .unwrap_err();
    assert!(failure.to_string().contains("told to"), "{failure}");
    let two = appliance.accept(saying("t2", "hello")).await.unwrap();
    drop(two.text);
    within(appliance.outcome(&two.id)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_running_and_a_waiting_task_can_be_cancelled() {
    let (_folder, store, fake, appliance) = fixture().await;
    for id in ["t1", "t2"] {
        appliance.accept(saying(id, "hold")).await.unwrap();
    }
    called(&fake, 1).await;
    for id in ["t2", "t1"] {
        let id = task(id).id;
        let cancelled = appliance.cancel(&id).await.unwrap();
        assert_eq!(cancelled, CancelOutcome::Cancelling);
        let outcome = within(appliance.outcome(&id)).await.unwrap();
        assert_eq!(outcome, Err(Failure::Cancelled));
        assert_eq!(
            store.task(&id).await.unwrap().unwrap().state,
            State::Cancelled
        );
        let again = appliance.cancel(&id).await.unwrap();
        assert_eq!(again, CancelOutcome::Ended(State::Cancelled));
    }
    let nobody = appliance.cancel(&task("nobody").id).await.unwrap();
    assert_eq!(nobody, CancelOutcome::Unknown);
}

#[tokio::test]
async fn a_task_cancelled_between_its_acceptance_and_its_start_does_not_run() {
    let (_folder, store, fake, appliance) = fixture().await;
    let accepting = Accepting {
        task: saying("t1", "hold"),
        reply: None,
        max_open: 3,
    };
    store.accept(accepting).await.unwrap();
    let id = task("t1").id;
    let cancelled = appliance.cancel(&id).await.unwrap();
    assert_eq!(cancelled, CancelOutcome::Cancelling);
    appliance.launch(saying("t1", "hold"), Moment::now(), Vec::new(), None);
    let outcome = within(appliance.outcome(&id)).await.unwrap();
    assert_eq!(outcome, Err(Failure::Cancelled));
    assert_eq!(fake.calls(), 0);
}

#[tokio::test]
async fn what_a_drain_stops_goes_on_after_the_next_start() {
    let (folder, store, fake, appliance) = fixture().await;
    for id in ["t1", "t2", "t3"] {
        appliance.accept(saying(id, "hold")).await.unwrap();
    }
    called(&fake, 1).await;
    within(appliance.drain(Duration::ZERO)).await;
    let late = appliance.accept(saying("t9", "x")).await.unwrap_err();
    assert_eq!(late, AcceptError::Draining);
    assert_eq!(appliance.health().open, 0);
    // Cancelled while nothing runs: it must not come to life again.
    appliance.cancel(&task("t3").id).await.unwrap();
    drop((appliance, store));

    let store = Store::open(folder.path()).await.unwrap();
    let next = fake.appliance(&store, LIMITS, 1);
    assert_eq!(next.resume().await.unwrap(), 3);
    assert_eq!(next.resume().await.unwrap(), 0);
    fake.gate.add_permits(9);
    for id in ["t1", "t2"] {
        within(next.outcome(&task(id).id)).await.unwrap().unwrap();
    }
    let third = within(next.outcome(&task("t3").id)).await.unwrap();
    assert_eq!(third, Err(Failure::Cancelled));
}

#[tokio::test]
async fn a_drain_lets_a_running_task_end() {
    let (_folder, store, fake, appliance) = fixture().await;
    appliance.accept(saying("t1", "hold")).await.unwrap();
    called(&fake, 1).await;
    tokio::join!(appliance.drain(DEADLINE), async {
        fake.gate.add_permits(1);
    });
    let record = store.task(&task("t1").id).await.unwrap().unwrap();
    assert_eq!(record.state, State::Done);
}

#[tokio::test]
async fn a_follower_sees_every_line_once_and_then_the_end() {
    let (_folder, store, fake, appliance) = fixture().await;
    let id = task("t1").id;
    appliance.accept(saying("t1", "hold")).await.unwrap();
    let follow = tokio::spawn(appliance.events(id.clone()).collect::<Vec<_>>());
    called(&fake, 1).await;
    fake.gate.add_permits(1);
    let seen: Vec<_> = within(follow).await.unwrap();
    let seen: Vec<_> = seen.into_iter().map(Result::unwrap).collect();
    let lines: Vec<_> = seen
        .iter()
        .filter_map(|change| match change {
            TaskChange::Entry(entry) => Some(entry.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(lines, store.trace(&id).await.unwrap());
    assert!(!lines.is_empty());
    assert!(matches!(seen.last(), Some(TaskChange::Ended(record)) if record.state == State::Done));
    let nobody: Vec<_> = appliance.events(task("nobody").id).collect().await;
    assert!(matches!(nobody[..], [Err(StoreError::NoTask(_))]));
}
