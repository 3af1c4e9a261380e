use std::collections::BTreeMap;

use futures::StreamExt as _;
use shoal_conductor::{
    desk::{Desk, Question},
    id::{ApprovalId, TaskId, WorkerId},
    label::Label,
    ledger::{Allowance, Estimate, Ledger, LedgerError, Resource, Whose},
    limits::TaskLimits,
    policy::Budget,
    prompt::{Format, Message as Said, Sampling, Speaker},
    task::{Answer, Effort, Failure, State, Target, Task},
    trace::{Decision, Event, Journal},
    unit::{MicroDollars, Millis, Tokens},
    worker::{Finish, Usage},
};
use shoal_wire::Root;
use tempfile::TempDir;

use super::{Limits as StoreLimits, outbox::Limits, *};

mod audit;
mod backup;
mod crash;
mod cut;
mod damage;
mod keeping;
mod migration;
mod model;
mod outgoing;
mod rules;
mod sealed;
mod torn;
pub(crate) mod wal;

pub(crate) fn task(id: &str) -> Task {
    Task {
        id: TaskId::try_new(id).unwrap(),
        target: Target::Mini,
        messages: vec![Said::new(Speaker::User, "why does press 3 stop?")],
        format: Format::Text,
        sampling: Sampling::default(),
        effort: Effort::Low,
        label: Label::Internal,
        from: "api:line-3".into(),
        workers: None,
        limits: TaskLimits::default(),
    }
}

fn answer(text: &str) -> Answer {
    Answer {
        text: text.into(),
        label: Label::Internal,
        finish: Finish::Stop,
        usage: Usage::default(),
        orchestration: Usage::default(),
        cost: MicroDollars(1_500),
        took: Millis(7),
    }
}

fn accepting(task: Task) -> Accepting {
    Accepting {
        task,
        reply: None,
        max_open: 8,
    }
}

fn by_mqtt(task: Task, topic: Option<&str>) -> Accepting {
    Accepting {
        reply: Some(ReplyTo {
            topic: topic.map(str::to_owned),
            correlation: Some(b"c1".to_vec()),
            fingerprint: Some(vec![7]),
            ..ReplyTo::default()
        }),
        ..accepting(task)
    }
}

fn note(text: &str) -> Event {
    Event::Note { text: text.into() }
}

fn labelled() -> Event {
    Event::Labelled {
        label: Label::Internal,
        declared: Label::Internal,
        found: Vec::new(),
    }
}

fn question(task: &str, digest: &str, expires_after: u64) -> Question {
    Question {
        id: ApprovalId::fresh(),
        task: TaskId::try_new(task).unwrap(),
        step: 1,
        worker: WorkerId::try_new("cloud").unwrap(),
        label: Label::Confidential,
        read: Label::Confidential,
        by_message: false,
        rule: "escalation.confidential = \"approve\"".into(),
        shown: vec![Said::new(Speaker::User, "[PERSON_1] asks")],
        digest: digest.into(),
        expires_after,
        people: 1,
    }
}

async fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    (folder, store)
}

fn outbox(outbox: Limits) -> StoreLimits {
    StoreLimits {
        outbox,
        ..StoreLimits::default()
    }
}

fn root() -> Root {
    Root::try_new("plant", "press").unwrap()
}

async fn sent(store: &Store) -> Vec<(String, String)> {
    let all = store.undelivered(1_000, usize::MAX).await.unwrap();
    all.into_iter()
        .map(|queued| {
            let topic = queued.message.topic.replace("shoal/v1/plant/press/", "");
            (topic, String::from_utf8(queued.message.payload).unwrap())
        })
        .collect()
}

#[tokio::test]
async fn what_was_accepted_and_recorded_is_there_after_reopening() {
    let (folder, store) = store().await;
    assert_eq!(
        store.accept(accepting(task("t1"))).await.unwrap(),
        Insertion::Fresh
    );
    let id = task("t1").id;
    store.record(&id, &labelled()).await.unwrap();
    store.record(&id, &note("two")).await.unwrap();
    drop(store);

    let store = Store::open(folder.path()).await.unwrap();
    let open = store.open_tasks().await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].task, task("t1"));
    assert_eq!(
        store.task(&id).await.unwrap().unwrap().state,
        State::Planning
    );
    let trace = store.trace(&id).await.unwrap();
    assert_eq!(
        trace.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(trace[1].event, note("two"));
}

#[tokio::test]
async fn an_id_is_one_task_and_another_content_is_a_conflict() {
    let (_folder, store) = store().await;
    let (first, again) = tokio::join!(
        store.accept(accepting(task("t1"))),
        store.accept(accepting(task("t1")))
    );
    let mut both = [first.unwrap(), again.unwrap()];
    both.sort_by_key(|insertion| *insertion != Insertion::Fresh);
    assert_eq!(both, [Insertion::Fresh, Insertion::Same(State::Accepted)]);
    let mut other = task("t1");
    other.label = Label::Restricted;
    assert_eq!(
        store.accept(accepting(other)).await.unwrap(),
        Insertion::Conflict
    );
}

#[tokio::test]
async fn a_task_ends_once_and_nothing_is_added_after_its_end() {
    let (_folder, store) = store().await;
    store.accept(accepting(task("t1"))).await.unwrap();
    let id = task("t1").id;
    assert!(store.finish(&id, Ok(answer("a"))).await.unwrap());
    assert!(!store.finish(&id, Err(Failure::Cancelled)).await.unwrap());
    let record = store.task(&id).await.unwrap().unwrap();
    assert_eq!(
        (record.state, record.outcome),
        (State::Done, Some(Ok(answer("a"))))
    );
    assert!(record.finished_at.is_some());
    assert!(store.record(&id, &note("late")).await.is_err());
    assert!(store.trace(&id).await.unwrap().is_empty());
    let nobody = TaskId::try_new("nobody").unwrap();
    assert_eq!(
        store.finish(&nobody, Ok(answer("a"))).await,
        Err(StoreError::NoTask("nobody".into()))
    );
}

#[tokio::test]
async fn open_tasks_are_bounded_but_a_known_id_is_still_answered() {
    let (_folder, store) = store().await;
    let limited = |id: &str| Accepting {
        max_open: 2,
        ..accepting(task(id))
    };
    store.accept(limited("t1")).await.unwrap();
    store.accept(limited("t2")).await.unwrap();
    assert_eq!(store.accept(limited("t3")).await.unwrap(), Insertion::Full);
    assert_eq!(
        store.accept(limited("t2")).await.unwrap(),
        Insertion::Same(State::Accepted)
    );
    store
        .finish(&task("t1").id, Err(Failure::Cancelled))
        .await
        .unwrap();
    assert_eq!(store.accept(limited("t3")).await.unwrap(), Insertion::Fresh);
}

#[tokio::test]
async fn tasks_are_listed_newest_first_by_client_and_state() {
    let (_folder, store) = store().await;
    for (id, from) in [("t1", "api:a"), ("t2", "api:b"), ("t3", "api:a")] {
        let mut task = task(id);
        task.from = from.into();
        store.accept(accepting(task)).await.unwrap();
    }
    store
        .finish(&task("t1").id, Err(Failure::Cancelled))
        .await
        .unwrap();
    let list = async |filter: TaskFilter| {
        let heads = store.tasks(filter).await.unwrap();
        let ids: Vec<_> = heads.iter().map(|head| head.id.to_string()).collect();
        ids.join(" ")
    };
    let all = TaskFilter::default;
    assert_eq!(list(all()).await, "t3 t2 t1");
    assert_eq!(list(TaskFilter { limit: 2, ..all() }).await, "t3 t2");
    let from = Some("api:a".to_owned());
    assert_eq!(list(TaskFilter { from, ..all() }).await, "t3 t1");
    let state = Some(State::Cancelled);
    assert_eq!(list(TaskFilter { state, ..all() }).await, "t1");
}

#[tokio::test]
async fn a_full_disk_refuses_to_accept_and_reading_goes_on() {
    let (_folder, store) = store().await;
    store.accept(accepting(task("t1"))).await.unwrap();
    // SQLite then fails as it does on a full disk.
    store
        .write(|c| {
            let pages: i64 = c.pragma_query_value(None, "page_count", |row| row.get(0))?;
            c.pragma_update(None, "max_page_count", pages)?;
            Ok(())
        })
        .await
        .unwrap();
    let mut big = task("t2");
    big.messages[0].content = "x".repeat(100_000);
    assert_eq!(
        store.accept(accepting(big.clone())).await,
        Err(StoreError::Full)
    );
    assert!(store.task(&big.id).await.unwrap().is_none());
    assert!(store.task(&task("t1").id).await.unwrap().is_some());

    store
        .write(|c| Ok(c.pragma_update(None, "max_page_count", 1_000_000)?))
        .await
        .unwrap();
    assert_eq!(store.accept(accepting(big)).await, Ok(Insertion::Fresh));
}

#[tokio::test]
async fn a_file_that_is_no_database_or_is_too_new_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join(FILE),
        "not a database at all".repeat(100),
    )
    .unwrap();
    let refused = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");

    let (folder, store) = self::store().await;
    store
        .write(|c| Ok(c.pragma_update(None, "user_version", 99)?))
        .await
        .unwrap();
    drop(store);
    let refused = Store::open(folder.path()).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Newer { found: 99, .. }),
        "{refused}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let store = Store::open(&folder).await.unwrap();
    store.accept(accepting(task("t1"))).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(store.path()), 0o600);
    assert_eq!(mode(&folder.join("shoal.db-wal")), 0o600);
}

#[tokio::test]
async fn a_list_and_a_look_do_without_the_conversation() {
    let (_folder, store) = store().await;
    for id in ["t1", "t2"] {
        store.accept(accepting(task(id))).await.unwrap();
    }
    let (one, two) = (task("t1").id, task("t2").id);
    store
        .finish(&one, Err(Failure::TimedOut { seconds: 1 }))
        .await
        .unwrap();
    // Whoever read the content would stumble.
    store
        .write(|c| Ok(c.execute("UPDATE task SET content = 'no JSON'", [])?))
        .await
        .unwrap();
    assert!(store.task(&one).await.is_err());
    let heads = store.tasks(TaskFilter::default()).await.unwrap();
    assert_eq!((&heads[0].id, &heads[1].id), (&two, &one));
    let head = &heads[1];
    assert_eq!((head.state, head.label), (State::Failed, Label::Internal));
    assert_eq!(head.failure, Some(Failure::TimedOut { seconds: 1 }));
    assert_eq!(
        (&head.target, head.effort, head.from.as_str()),
        (&Target::Mini, Effort::Low, "api:line-3")
    );
    assert_eq!(store.standing(&two).await.unwrap(), Some(State::Accepted));
    assert_eq!(store.ending(&two).await.unwrap(), None);
    assert!(store.ending(&one).await.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn an_older_file_gets_the_heads_of_its_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let old = Connection::open(folder.path().join(FILE)).unwrap();
    old.execute_batch(include_str!("schema/1.sql")).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.execute(
        "INSERT INTO task (id, content, client, state, accepted_at)
         VALUES ('t1', ?1, 'api:line-3', 'accepted', 7)",
        [serde_json::to_string(&task("t1")).unwrap()],
    )
    .unwrap();
    drop(old);
    let store = Store::open(folder.path()).await.unwrap();
    let heads = store.tasks(TaskFilter::default()).await.unwrap();
    assert_eq!(
        (&heads[0].target, heads[0].label, heads[0].effort),
        (&Target::Mini, Label::Internal, Effort::Low)
    );
}

#[tokio::test]
async fn many_acceptances_share_one_sync() {
    let (folder, store) = store().await;
    let log = folder.path().join("shoal.db-wal");
    let before = wal::commits(&std::fs::read(&log).unwrap()).len();
    // The writer is held up until all wait for it.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begins, begun) = std::sync::mpsc::channel();
    let mut blocked = Box::pin(store.write(move |_| {
        begins.send(()).unwrap();
        Ok(held.recv().ok())
    }));
    assert!(futures::poll!(&mut blocked).is_pending());
    begun.recv().unwrap();
    let ids: Vec<String> = (0..8).map(|n| format!("t{n}")).collect();
    let accepts = ids.iter().map(|id| store.accept(accepting(task(id))));
    let mut accepts: futures::stream::FuturesUnordered<_> = accepts.collect();
    assert!(futures::poll!(accepts.next()).is_pending());
    release.send(()).unwrap();
    blocked.await.unwrap();
    while let Some(accepted) = accepts.next().await {
        assert_eq!(accepted, Ok(Insertion::Fresh));
    }
    let after = wal::commits(&std::fs::read(&log).unwrap()).len();
    assert_eq!(after - before, 1);
}

#[tokio::test]
async fn a_check_finds_out_that_nothing_can_be_written() {
    let (_folder, store) = store().await;
    store
        .write(|c| Ok(c.pragma_update(None, "query_only", true)?))
        .await
        .unwrap();
    assert!(store.check().await.is_err());
    assert!(store.tasks(TaskFilter::default()).await.is_ok());
    let (_folder, store) = self::store().await;
    assert_eq!(store.check().await, Ok(()));
}

#[tokio::test]
async fn a_change_that_panics_is_undone_and_the_next_one_is_made() {
    let (_folder, store) = store().await;
    let fault = store
        .write(|c| -> Result<(), StoreError> {
            c.execute("INSERT INTO setting (name, value) VALUES ('x', 'y')", [])?;
            panic!("told to");
        })
        .await;
    assert_eq!(fault, Err(StoreError::Fault));
    let insertion = store.accept(accepting(task("t1"))).await.unwrap();
    assert_eq!(insertion, Insertion::Fresh);
    let left: u32 = store
        .read(|c| {
            let count = "SELECT count(*) FROM setting WHERE name = 'x'";
            Ok(c.query_row(count, [], |row| row.get(0))?)
        })
        .await
        .unwrap();
    assert_eq!(left, 0);
}
