use super::*;

/// A store with a finished task of three lines and a decided question, and an open task.
pub(super) async fn record() -> (TempDir, Store) {
    let (folder, store) = store().await;
    store.report_under(Some(root())).await.unwrap();
    let id = task("t1").id;
    store.accept(by_mqtt(task("t1"), None)).await.unwrap();
    store.record(&id, &labelled()).await.unwrap();
    store.accept(accepting(task("t2"))).await.unwrap();
    store.record(&id, &note("two")).await.unwrap();
    let asked = question("t1", "d1", 600);
    store.put(&asked).await.unwrap();
    store.decide(&asked.id, true, "ada").await.unwrap();
    store.record(&id, &note("three")).await.unwrap();
    store.finish(&id, Ok(answer("a"))).await.unwrap();
    (folder, store)
}

pub(super) async fn faults(store: &Store) -> Vec<String> {
    let audit = store.audit(None).await.unwrap();
    let said = audit.faults.into_iter().map(|fault| fault.said);
    // A hash is another one each time.
    said.map(|said| match said.split_once(" with hash ") {
        Some((said, _)) => format!("{said} with hash …"),
        None => said,
    })
    .collect()
}

/// What is found after somebody with SQLite and without the key did this.
async fn after(sql: &str) -> Vec<String> {
    let (folder, store) = record().await;
    assert_eq!(faults(&store).await, Vec::<String>::new());
    let raw = Connection::open(folder.path().join(FILE)).unwrap();
    raw.pragma_update(None, "foreign_keys", true).unwrap();
    raw.execute_batch(sql).unwrap();
    faults(&store).await
}

#[tokio::test]
async fn a_changed_row_is_named() {
    insta::assert_debug_snapshot!(after("UPDATE trace SET at = at + 1 WHERE seq = 2").await, @r#"
[
    "link 4: line 2 of the trace of task t1 was changed",
]
"#);
    insta::assert_debug_snapshot!(after("UPDATE trace SET event = 'x' WHERE seq = 3").await, @r#"
[
    "link 8: line 3 of the trace of task t1 was changed",
]
"#);
    insta::assert_debug_snapshot!(after("UPDATE task SET outcome = 'x' WHERE id = 't1'").await, @r#"
[
    "link 9: the outcome of task t1 was changed",
]
"#);
    insta::assert_debug_snapshot!(after("UPDATE task SET client = 'api:eve' WHERE id = 't2'").await, @r#"
[
    "link 3: task t2 was changed",
]
"#);
    insta::assert_debug_snapshot!(after("UPDATE approval SET decided_by = 'eve'").await, @r#"
[
    "link 7: the decision of approval 1 of task t1 was changed",
]
"#);
}

#[tokio::test]
async fn a_missing_row_is_named() {
    insta::assert_debug_snapshot!(after("DELETE FROM trace WHERE seq = 2").await, @r#"
[
    "link 4: line 2 of the trace of task t1 is missing",
]
"#);
    insta::assert_debug_snapshot!(after("DELETE FROM trace WHERE seq = 3").await, @r#"
[
    "link 8: line 3 of the trace of task t1 is missing",
]
"#);
    insta::assert_debug_snapshot!(after("DELETE FROM task WHERE id = 't1'").await, @r#"
[
    "link 1: task t1 is missing",
]
"#);
    insta::assert_debug_snapshot!(after("DELETE FROM approval").await, @r#"
[
    "link 5: the question of approval 1 of task t1 is missing",
    "link 6: vote 1 in task t1 is missing",
    "link 7: the decision of approval 1 of task t1 is missing",
]
"#);
    insta::assert_debug_snapshot!(after("DELETE FROM link WHERE number = 4").await, @r#"
[
    "link 4: it is missing from the chain",
    "line 2 of the trace of task t1 is not in the chain: it was added",
]
"#);
    insta::assert_debug_snapshot!(after("UPDATE approval SET decision = NULL, decided_at = NULL").await, @r#"
[
    "link 7: the decision of approval 1 of task t1 is missing",
]
"#);
}

#[tokio::test]
async fn an_added_row_is_named() {
    let line = "INSERT INTO trace SELECT task, 9, at, event FROM trace WHERE seq = 1";
    insta::assert_debug_snapshot!(after(line).await, @r#"
[
    "line 9 of the trace of task t1 is not in the chain: it was added",
]
"#);
    let task = "INSERT INTO task (id, content, client, state, accepted_at) VALUES ('t3', 'x', 'cli', 'accepted', 1)";
    insta::assert_debug_snapshot!(after(task).await, @r#"
[
    "task t3 is not in the chain: it was added",
]
"#);
    let link = "INSERT INTO link SELECT number + 1, kind, task, 99, detail, digest, hash FROM link ORDER BY number DESC LIMIT 1";
    insta::assert_debug_snapshot!(after(link).await, @r#"
[
    "link 10: it was changed, or stands in another's place",
    "link 10: the outcome of task t1 is missing",
    "link 10: links follow after the chain's head",
]
"#);
}

#[tokio::test]
async fn reordered_rows_are_named() {
    let swap = "UPDATE trace SET seq = -seq WHERE seq IN (2, 3);
                UPDATE trace SET seq = 5 + seq WHERE seq < 0;";
    insta::assert_debug_snapshot!(after(swap).await, @r#"
[
    "link 4: line 2 of the trace of task t1 was put in the place of line 3",
    "link 8: line 3 of the trace of task t1 was put in the place of line 2",
]
"#);
    let links = "UPDATE link SET number = -number WHERE number IN (2, 3);
                 UPDATE link SET number = 5 + number WHERE number < 0;";
    insta::assert_debug_snapshot!(after(links).await, @r#"
[
    "link 2: it was changed, or stands in another's place",
    "link 3: it was changed, or stands in another's place",
    "link 4: it was changed, or stands in another's place",
]
"#);
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_found_though_the_rest_is_whole() {
    let cut = "DELETE FROM link WHERE kind = 'ended';
               UPDATE task SET state = 'running', outcome = NULL, finished_at = NULL;";
    insta::assert_debug_snapshot!(after(cut).await, @r#"
[
    "link 9: it is missing from the chain",
    "the store is not the one that was written last: shoal.head names link 9 with hash …",
]
"#);
    // Whoever sets the head back as well cannot prove it.
    let head = "UPDATE chain_head SET number = number - 1,
                    hash = (SELECT hash FROM link WHERE number = chain_head.number - 1);";
    insta::assert_debug_snapshot!(after(&format!("{head}{cut}")).await, @r#"
[
    "the head of the chain is not proven by the store's key: it was written by somebody else",
    "the store is not the one that was written last: shoal.head names link 9 with hash …",
]
"#);
}

#[tokio::test]
async fn a_whole_chain_written_anew_without_the_key_is_found() {
    let (folder, store) = record().await;
    let raw = Connection::open(folder.path().join(FILE)).unwrap();
    raw.execute_batch("UPDATE trace SET at = 1").unwrap();
    let mut links = raw
        .prepare("SELECT number, kind, task, item, detail FROM link ORDER BY number")
        .unwrap();
    let mut before = vec![0; 32];
    let mut rows = links.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let kind: String = row.get(1).unwrap();
        let (task, item) = (row.get(2).unwrap(), row.get(3).unwrap());
        let digest = chain::digest_of(&raw, chain::Kind::of(&kind).unwrap(), task, item);
        let link = chain::Link {
            number: row.get(0).unwrap(),
            kind,
            task,
            item,
            detail: row.get(4).unwrap(),
            digest: digest.unwrap().unwrap().to_vec(),
        };
        before = link.hash(&before).to_vec();
        let set = "UPDATE link SET digest = ?2, hash = ?3 WHERE number = ?1";
        raw.execute(set, (link.number, &link.digest, &before))
            .unwrap();
    }
    raw.execute("UPDATE chain_head SET hash = ?1", [&before])
        .unwrap();
    let said = faults(&store).await;
    assert!(
        said.iter()
            .any(|said| said.contains("not proven by the store's key")),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_store_that_was_set_back_is_found_and_says_so_from_then_on() {
    let (folder, store) = record().await;
    let older = tempfile::tempdir().unwrap();
    let old = older.path().join("old.db");
    Connection::open(folder.path().join(FILE))
        .unwrap()
        .execute("VACUUM INTO ?1", [old.to_str()])
        .unwrap();
    let noted = store.audit(None).await.unwrap().head;
    store.record(&task("t2").id, &note("later")).await.unwrap();
    let newer = store.audit(Some(noted.clone())).await.unwrap();
    assert_eq!(newer.faults, []);
    drop(store);
    // The last connection takes the log with it.
    while folder.path().join("shoal.db-wal").exists() {
        tokio::task::yield_now().await;
    }
    std::fs::copy(&old, folder.path().join(FILE)).unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let said = faults(&store).await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("not the one that was written last"),
        "{said:?}"
    );
    store.record(&task("t2").id, &note("on")).await.unwrap();
    let audit = store.audit(Some(newer.head)).await.unwrap();
    let wrong: Vec<_> = audit.faults.iter().map(|fault| fault.wrong).collect();
    assert_eq!(wrong, [Wrong::SetBack, Wrong::Head], "{audit:?}");
    assert_eq!(store.audit(Some(noted)).await.unwrap().faults.len(), 1);
    std::fs::write(folder.path().join(kept::FILE), "nonsense").unwrap();
    assert_eq!(store.audit(None).await.unwrap().faults.len(), 2);
}

#[tokio::test]
async fn what_is_purged_by_its_label_leaves_a_link_and_the_chain_stays_whole() {
    let (_folder, store) = record().await;
    let id = task("t3").id;
    store.accept(accepting(task("t3"))).await.unwrap();
    let secret = Event::Labelled {
        label: Label::Restricted,
        declared: Label::Internal,
        found: Vec::new(),
    };
    store.record(&id, &secret).await.unwrap();
    store.finish(&id, Ok(answer("b"))).await.unwrap();
    let later = Moment(Moment::now().0 + 1);
    assert_eq!(
        store
            .purge(Label::Confidential, later, "test")
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        store
            .purge(Label::Restricted, Moment(1), "test")
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        store.purge(Label::Restricted, later, "test").await.unwrap(),
        1
    );
    assert_eq!(store.task(&id).await.unwrap(), None);
    assert_eq!(faults(&store).await, Vec::<String>::new());
    assert_eq!(
        store.purge(Label::Internal, later, "test").await.unwrap(),
        1
    );
    assert_eq!(faults(&store).await, Vec::<String>::new());
    // The id is free again, and the new task is another one.
    store.accept(accepting(task("t3"))).await.unwrap();
    assert_eq!(faults(&store).await, Vec::<String>::new());
    let lines = store.export(None, 0).await.unwrap();
    let tombstones = lines.iter().filter(|line| line.kind == "purged");
    let details: Vec<_> = tombstones.filter_map(|line| line.detail.clone()).collect();
    assert_eq!(details.len(), 2);
    assert!(
        details[0].contains("\"id\":\"t3\",\"label\":\"restricted\",\"lines\":1"),
        "{details:?}"
    );
}

#[tokio::test]
async fn a_chain_that_is_too_long_loses_its_purged_beginning_and_stays_whole() {
    let (_folder, store) = record().await;
    let later = Moment(Moment::now().0 + 1);
    store.purge(Label::Internal, later, "test").await.unwrap();
    store.write(|c| chain::shorten(c, 3)).await.unwrap();
    let lines = store.export(None, 0).await.unwrap();
    // The open task was accepted third.
    assert_eq!(lines[0].link, 3);
    assert_eq!(faults(&store).await, Vec::<String>::new());
    store.record(&task("t2").id, &note("on")).await.unwrap();
    assert_eq!(faults(&store).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_a_person_signed_is_sealed_and_an_export_has_it() {
    let (folder, store) = record().await;
    let asked = question("t2", "d2", 600);
    store.put(&asked).await.unwrap();
    let ballot = Ballot {
        proof: Some("approve d2".into()),
        ..Ballot::new(true, "mqtt:ada")
    };
    store.vote(&asked.id, ballot).await.unwrap();
    let lines = store.export(Some(&task("t2").id), 0).await.unwrap();
    let vote = lines.iter().find(|line| line.kind == "voted").unwrap();
    assert_eq!(vote.record.as_ref().unwrap()["signed"], "approve d2");
    let raw = Connection::open(folder.path().join(FILE)).unwrap();
    let (signed, proof): (String, Option<String>) = raw
        .query_row(
            "SELECT signed, proof FROM vote WHERE signed IS NOT NULL",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    // Not a shorter part of it, which may stand in what is sealed by chance.
    assert!(!signed.contains("approve") && proof.is_none(), "{signed}");
    raw.execute_batch("UPDATE vote SET proof = signed, signed = NULL WHERE signed IS NOT NULL")
        .unwrap();
    raw.execute_batch("UPDATE vote SET proof = 'approve d3'")
        .unwrap();
    assert_eq!(
        faults(&store).await,
        [
            "link 6: vote 1 in task t1 was changed",
            "link 11: vote 2 in task t2 was changed"
        ]
    );
}

#[tokio::test]
async fn a_head_that_was_taken_away_is_told_in_the_chain() {
    let (folder, store) = record().await;
    drop(store);
    std::fs::remove_file(folder.path().join(kept::FILE)).unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    store.record(&task("t2").id, &note("on")).await.unwrap();
    let audit = store.audit(None).await.unwrap();
    let wrong: Vec<_> = audit.faults.iter().map(|fault| fault.wrong).collect();
    assert_eq!(wrong, [Wrong::SetBack], "{audit:?}");
}

#[tokio::test]
async fn an_export_has_every_link_with_what_it_stands_for() {
    let (_folder, store) = record().await;
    let all = store.export(None, 0).await.unwrap();
    let shown: Vec<String> = all
        .iter()
        .map(|line| {
            let record = line
                .record
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            let task = line.task.as_deref().unwrap_or_default();
            format!("{} {} {task} {}", line.link, line.kind, record.len() > 10)
        })
        .collect();
    insta::assert_debug_snapshot!(shown, @r#"
[
    "1 accepted t1 true",
    "2 event t1 true",
    "3 accepted t2 true",
    "4 event t1 true",
    "5 asked t1 true",
    "6 voted t1 true",
    "7 decided t1 true",
    "8 event t1 true",
    "9 ended t1 true",
]
"#);
    let one = store.export(Some(&task("t2").id), 0).await.unwrap();
    assert_eq!(one.len(), 1);
    assert_eq!(
        one[0].record.as_ref().unwrap()["messages"][0]["content"],
        "why does press 3 stop?"
    );
    assert_eq!(
        store.export(None, all.last().unwrap().link).await.unwrap(),
        []
    );
}
