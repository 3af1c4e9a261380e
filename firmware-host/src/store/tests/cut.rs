use super::*;

/// All that a reader sees of one task and its reports.
async fn picture(store: &Store) -> String {
    let id = task("t1").id;
    let record = store.task(&id).await.unwrap();
    let lines = store.trace(&id).await.unwrap().len();
    let ended = record
        .as_ref()
        .map(|record| (record.state, record.outcome.is_some()));
    let open = store.approvals(true).await.unwrap().len();
    let spent = store.spent_today().await.unwrap().requests;
    let sent: Vec<_> = sent(store)
        .await
        .into_iter()
        .map(|(topic, _)| topic)
        .collect();
    format!("{ended:?} {lines} {open} {spent} {sent:?}")
}

#[tokio::test]
async fn a_power_cut_anywhere_in_the_log_leaves_one_of_the_committed_states() {
    let (folder, store) = store().await;
    store.report_under(Some(root())).await.unwrap();
    let id = task("t1").id;
    let mut pictures = vec![picture(&store).await];
    store.accept(by_mqtt(task("t1"), None)).await.unwrap();
    pictures.push(picture(&store).await);
    store.record(&id, &labelled()).await.unwrap();
    pictures.push(picture(&store).await);
    store.put(&question("t1", "d1", 600)).await.unwrap();
    pictures.push(picture(&store).await);
    let estimate = Estimate {
        task: id.clone(),
        worker: WorkerId::try_new("cloud").unwrap(),
        tokens: Tokens(10),
        cost: MicroDollars(90),
    };
    store.reserve(&estimate, &[]).await.unwrap();
    pictures.push(picture(&store).await);
    store.finish(&id, Ok(answer("a"))).await.unwrap();
    pictures.push(picture(&store).await);

    let file = std::fs::read(folder.path().join(FILE)).unwrap();
    let log = std::fs::read(folder.path().join("shoal.db-wal")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    // Before the last migration is whole there are no tables; a fresh start makes them again.
    for cut in (0..=log.len()).rev().step_by(1_500).chain([log.len() - 1]) {
        let after = tempfile::tempdir().unwrap();
        std::fs::write(after.path().join(FILE), &file).unwrap();
        std::fs::write(after.path().join("shoal.db-wal"), &log[..cut]).unwrap();
        std::fs::copy(folder.path().join(KEY_FILE), after.path().join(KEY_FILE)).unwrap();
        let store = Store::open(after.path()).await.unwrap();
        store.verify().await.unwrap();
        let found = picture(&store).await;
        let at = pictures.iter().position(|picture| *picture == found);
        seen.insert(at.unwrap_or_else(|| panic!("cut at {cut}: {found}")));
    }
    assert_eq!(seen.len(), pictures.len(), "each state was met: {seen:?}");
}
