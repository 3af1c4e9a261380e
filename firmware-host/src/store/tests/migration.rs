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

/// The store in this folder, migrated to an older version than ours.
fn brought_to(version: usize, folder: &tempfile::TempDir) -> Connection {
    let path = folder.path().join(FILE);
    let master = KeySource::default().master(folder.path(), true).unwrap();
    let sealer = std::sync::Arc::new(seal::Sealer::new(&master).unwrap());
    let mut c = Connection::open(&path).unwrap();
    schema::configure(&c, &path).unwrap();
    seal::install(&c, &sealer).unwrap();
    schema::migrate_to(version, &mut c, &path, &master.check()).unwrap();
    c
}

/// Opens a store of old messages: the clock stands where they were written.
async fn opened_then(folder: &tempfile::TempDir) -> Store {
    let clock = Clock::new(|| Moment(10));
    let limits = StoreLimits::default();
    Store::open_at(folder.path(), limits, KeySource::default(), clock)
        .await
        .unwrap()
}

/// A store as version 3 wrote it: sealed and chained, with what that version could hold.
fn version_3() -> tempfile::TempDir {
    let folder = version_2();
    let c = brought_to(3, &folder);
    c.execute("UPDATE outbox_size SET dropped = 5", []).unwrap();
    c.execute(
        "INSERT INTO outbox (class, topic, payload, retain, created_at, bytes)
         VALUES (2, 'telemetry', seal('outbox:telemetry', CAST('42' AS BLOB)), 0, 9, 11)",
        [],
    )
    .unwrap();
    folder
}

#[tokio::test]
async fn a_store_of_version_3_keeps_its_record_and_its_reports_get_names() {
    let folder = version_3();
    let store = opened_then(&folder).await;
    let audit = store.audit(None).await.unwrap();
    assert_eq!((audit.links, audit.faults), (7, Vec::new()));
    let queued = store.undelivered(10, usize::MAX).await.unwrap();
    assert_eq!(queued[0].message.payload, b"Zugvogel-4711");
    assert_eq!(queued[1].message.payload, b"42");
    assert_ne!(queued[0].id, queued[1].id);
    for queued in &queued {
        assert_eq!(queued.id.len(), 16);
        assert_eq!(
            (queued.message.keep, queued.message.properties.len()),
            (None, 0)
        );
    }
    let fill = store.outbox().await.unwrap();
    assert_eq!((fill.messages, fill.dropped, fill.oldest_ms), (2, 5, 1));
    assert_eq!(fill.dropped_by, super::super::outbox::Dropped::default());
    let record = store.task(&task("t1").id).await.unwrap().unwrap();
    assert_eq!(record.outcome.unwrap().unwrap().text, "use Zugvogel-4711");
    assert!(!store.expired(&task("t2").id).await.unwrap());
    store.record(&task("t2").id, &note("on")).await.unwrap();
    assert_eq!(store.audit(None).await.unwrap().faults, []);
}

/// A store as version 4 wrote it: a call of the task that is open was paid.
fn version_4() -> tempfile::TempDir {
    let folder = version_3();
    let c = brought_to(4, &folder);
    let now = Moment::now();
    c.execute(
        "INSERT INTO charge (day, at, task, worker, tokens, cost, settled, source)
         VALUES (?1, ?2, 't2', 'cloud', 10, 90, 1, 'api:line-3')",
        (i64::try_from(now.day()).unwrap(), now),
    )
    .unwrap();
    folder
}

#[tokio::test]
async fn a_store_of_version_4_keeps_its_books_and_its_tasks_have_no_limits() {
    let folder = version_4();
    let store = Store::open(folder.path()).await.unwrap();
    let before = store.spent_today().await.unwrap();
    assert_eq!((before.requests, before.cost), (1, MicroDollars(90)));
    for id in ["t1", "t2"] {
        let record = store.task(&task(id).id).await.unwrap().unwrap();
        assert!(record.task.limits.is_none());
    }
    let heads = store.tasks(TaskFilter::default()).await.unwrap();
    assert_eq!(heads.len(), 2);
    for head in heads {
        assert!(head.limits.is_none() && head.workers.is_none());
    }
    let mut limited = task("t3");
    limited.limits.max_remote_calls = Some(1);
    store.accept(accepting(limited.clone())).await.unwrap();
    let heads = store.tasks(TaskFilter::default()).await.unwrap();
    let kept = heads.iter().find(|head| head.id == limited.id).unwrap();
    assert_eq!(kept.limits, limited.limits);
    let within: Vec<_> = Allowance::of_task(&limited.limits).into_iter().collect();
    let estimate = Estimate {
        task: limited.id,
        worker: WorkerId::try_new("cloud").unwrap(),
        tokens: Tokens(10),
        cost: MicroDollars(90),
    };
    store.reserve(&estimate, &within).await.unwrap();
    assert!(store.reserve(&estimate, &within).await.is_err());
    assert_eq!(store.spent_today().await.unwrap().requests, 2);
    assert_eq!(store.audit(None).await.unwrap().faults, []);
}

/// A store as version 5 wrote it: a person signed, a rule's link was cut off, and a caller waits by MQTT.
fn version_5() -> tempfile::TempDir {
    let folder = version_4();
    let c = brought_to(5, &folder);
    c.execute_batch(
        "UPDATE task SET by_mqtt = 1, correlation = CAST('press-3' AS BLOB) WHERE id = 't2';
         UPDATE outbox SET correlation = CAST('press-4' AS BLOB) WHERE class = 2;
         INSERT INTO vote (approval, person, voter, reach, at, proof)
             SELECT number, 'ada', 'mqtt:ada', 'once', 9, 'approve d1' FROM approval;
         INSERT INTO standing (approval, source, worker, rank, people, made_by, made_at)
             VALUES ('a9', 'cli', 'cloud', 1, 1, 'ada', 9);",
    )
    .unwrap();
    let (task, vote) = c
        .query_row(
            "SELECT task, vote.number FROM vote JOIN approval ON approval.number = approval",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let lies = "SELECT person, voter, reach, at, proof FROM vote";
    let digest = c.query_row(lies, [], chain::digest).unwrap();
    chain::append(&c, chain::Kind::Voted, task, vote, None, digest).unwrap();
    folder
}

#[tokio::test]
async fn a_store_of_version_5_has_what_callers_gave_along_sealed_and_its_chain_whole() {
    let folder = version_5();
    let store = opened_then(&folder).await;
    assert_eq!(store.audit(None).await.unwrap().faults, []);
    let lines = store.export(None, 0).await.unwrap();
    let vote = lines.iter().find(|line| line.kind == "voted").unwrap();
    assert_eq!(vote.record.as_ref().unwrap()["signed"], "approve d1");
    assert_eq!(lines.last().unwrap().kind, "ruled");
    let queued = store.undelivered(10, usize::MAX).await.unwrap();
    let given = queued
        .iter()
        .map(|queued| queued.message.correlation.as_deref());
    assert!(given.into_iter().any(|given| given == Some(b"press-4")));
    store.finish(&task("t2").id, Ok(answer("a"))).await.unwrap();
    drop(store);
    for given in ["press-3", "press-4"] {
        assert_eq!(sealed::holding(folder.path(), given), Vec::<String>::new());
    }
}

/// A task of version 1, which knew no heads.
fn version_1() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let c = Connection::open(folder.path().join(FILE)).unwrap();
    c.execute_batch(include_str!("../schema/1.sql")).unwrap();
    c.pragma_update(None, "user_version", 1).unwrap();
    c.execute(
        "INSERT INTO task (id, content, client, state, accepted_at)
         VALUES ('t1', ?1, 'api:line-3', 'accepted', 7)",
        [json(&task("t1"))],
    )
    .unwrap();
    folder
}

#[tokio::test]
async fn every_version_that_was_ever_written_becomes_this_one_and_goes_on() {
    for (version, folder) in [
        (1, version_1()),
        (2, version_2()),
        (3, version_3()),
        (4, version_4()),
        (5, version_5()),
    ] {
        let store = Store::open(folder.path()).await.unwrap();
        let found: i64 = store
            .read(|c| Ok(c.pragma_query_value(None, "user_version", |row| row.get(0))?))
            .await
            .unwrap();
        assert_eq!(
            usize::try_from(found).unwrap(),
            schema::VERSION,
            "from {version}"
        );
        let open = store.open_tasks().await.unwrap();
        assert_eq!(open.len(), 1, "from {version}");
        let id = open[0].task.id.clone();
        store.record(&id, &labelled()).await.unwrap();
        assert!(store.finish(&id, Ok(answer("a"))).await.unwrap());
        store.accept(accepting(task("t9"))).await.unwrap();
        assert_eq!(
            store.audit(None).await.unwrap().faults,
            [],
            "from {version}"
        );
        store.verify().await.unwrap();
    }
}
