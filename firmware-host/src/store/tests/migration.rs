use super::{sealed::holding, *};

/// A data folder as version 2 of the schema left it: its SQL, and rows as it wrote them.
fn version_2() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let c = Connection::open(folder.path().join(FILE)).unwrap();
    c.pragma_update(None, "journal_mode", "WAL").unwrap();
    c.execute_batch(include_str!("../schema/1.sql")).unwrap();
    c.execute_batch(include_str!("../schema/2.sql")).unwrap();
    c.pragma_update(None, "user_version", 2).unwrap();
    let id = "t1";
    let mut secret = task(id);
    secret.messages[0].content = "the recipe is Zugvogel-4711".into();
    let insert = "INSERT INTO task (id, content, client, state, outcome, accepted_at, finished_at, fingerprint, head)
                  VALUES (?1, ?2, 'api:line-3', ?3, ?4, 5, ?5, x'07', ?6)";
    let head = r#"{"target":"mini","label":"internal","effort":"low"}"#;
    let ended: shoal_conductor::task::Outcome = Ok(answer("use Zugvogel-4711"));
    c.execute(
        insert,
        (id, json(&secret), "done", Some(json(&ended)), Some(9), head),
    )
    .unwrap();
    c.execute(
        insert,
        (
            "t2",
            json(&task("t2")),
            "accepted",
            None::<String>,
            None::<i64>,
            head,
        ),
    )
    .unwrap();
    let labelled = Event::Labelled {
        label: Label::Confidential,
        declared: Label::Internal,
        found: Vec::new(),
    };
    for (seq, event) in [(1, labelled), (2, note("Zugvogel-4711"))] {
        c.execute(
            "INSERT INTO trace VALUES (1, ?1, 6, ?2)",
            (seq, json(&event)),
        )
        .unwrap();
    }
    let asked = question(id, "d1", 600);
    c.execute(
        "INSERT INTO approval (id, task, step, digest, question, asked_at, expires_at, decision, decided_by, decided_at)
         VALUES (?1, 1, 1, 'd1', ?2, 7, 8, 'approved', 'ada', 8)",
        (asked.id.as_str(), json(&asked)),
    )
    .unwrap();
    c.execute(
        "INSERT INTO outbox (class, topic, payload, retain, created_at, bytes)
         VALUES (0, 'plc/7', CAST('Zugvogel-4711' AS BLOB), 0, 9, 18)",
        [],
    )
    .unwrap();
    // A task that was deleted is in free pages still.
    c.execute(
        insert,
        (
            "t0",
            "Zugvogel-4711 ".repeat(3_000),
            "done",
            None::<String>,
            None::<i64>,
            head,
        ),
    )
    .unwrap();
    c.execute("DELETE FROM task WHERE id = 't0'", []).unwrap();
    folder
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

#[tokio::test]
async fn a_store_of_version_2_is_sealed_and_chained_and_says_the_same_as_before() {
    let folder = version_2();
    assert_ne!(holding(folder.path(), "Zugvogel"), Vec::<String>::new());
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(holding(folder.path(), "Zugvogel"), Vec::<String>::new());
    let audit = store.audit(None).await.unwrap();
    assert_eq!((audit.links, audit.faults), (7, Vec::new()));

    let record = store.task(&task("t1").id).await.unwrap().unwrap();
    assert_eq!(
        record.task.messages[0].content,
        "the recipe is Zugvogel-4711"
    );
    assert_eq!(record.outcome.unwrap().unwrap().text, "use Zugvogel-4711");
    let trace = store.trace(&task("t1").id).await.unwrap();
    assert_eq!(trace[1].event, note("Zugvogel-4711"));
    let approvals = store.approvals(false).await.unwrap();
    assert_eq!(
        approvals[0].decision,
        Some(Decision::Approved { by: "ada".into() })
    );
    let asked = store.find(&task("t1").id, 1, "d1").await.unwrap();
    assert_eq!(asked, Some(approvals[0].question.id.clone()));
    let queued = store.undelivered(10, usize::MAX).await.unwrap();
    assert_eq!(queued[0].message.payload, b"Zugvogel-4711");
    assert_eq!(
        store.task_of_message(vec![7]).await.unwrap(),
        Some(task("t2").id)
    );
    // It goes on from there, and is kept by the highest label in it.
    store.record(&task("t2").id, &note("on")).await.unwrap();
    let later = Moment::now();
    assert_eq!(
        store.purge(Label::Internal, later, "test").await.unwrap(),
        0
    );
    assert_eq!(
        store
            .purge(Label::Confidential, later, "test")
            .await
            .unwrap(),
        1
    );
    assert_eq!(store.audit(None).await.unwrap().faults, []);
}

#[tokio::test]
async fn a_newer_store_is_refused_and_not_touched() {
    let folder = version_2();
    let c = Connection::open(folder.path().join(FILE)).unwrap();
    c.pragma_update(None, "user_version", 99).unwrap();
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 99, .. }),
        "{error}"
    );
}
