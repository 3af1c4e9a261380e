use super::*;

/// Something that must not be in any file.
const CANARY: &str = "Zugvogel-4711";

fn told(id: &str) -> Task {
    let mut task = task(id);
    task.messages[0].content = format!("the recipe is {CANARY}");
    task.label = Label::Confidential;
    task
}

/// The files of a data folder that have this text in them, as it is or in base64.
pub(super) fn holding(folder: &std::path::Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let hit = bytes.windows(text.len()).any(|w| w == text.as_bytes());
        if hit {
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    found
}

#[tokio::test]
async fn no_file_holds_a_text_of_a_task_at_any_point_of_its_way() {
    let (folder, store) = store().await;
    store.report_under(Some(root())).await.unwrap();
    let id = told("t1").id;
    let mut sent_by = by_mqtt(told("t1"), None);
    sent_by.reply.as_mut().unwrap().correlation = Some(CANARY.into());
    store.accept(sent_by).await.unwrap();
    store.record(&id, &labelled()).await.unwrap();
    store.record(&id, &note(CANARY)).await.unwrap();
    let mut asked = question("t1", "d1", 600);
    asked.shown[0].content = CANARY.into();
    store.put(&asked).await.unwrap();
    assert_eq!(holding(folder.path(), CANARY), Vec::<String>::new());
    store.decide(&asked.id, true, "ada").await.unwrap();
    store.finish(&id, Ok(answer(CANARY))).await.unwrap();
    let said = sent(&store).await;
    assert!(said.iter().any(|(_, payload)| payload.contains(CANARY)));
    assert_eq!(holding(folder.path(), CANARY), Vec::<String>::new());
    // Read again it is all there; and the files do hold what is not sealed, so the search finds what is to be found.
    let record = store.task(&id).await.unwrap().unwrap();
    assert_eq!(record.outcome.unwrap().unwrap().text, CANARY);
    assert_eq!(store.approvals(false).await.unwrap()[0].question, asked);
    assert_ne!(holding(folder.path(), "api:line-3"), Vec::<String>::new());
}

#[tokio::test]
async fn without_its_key_or_with_another_a_store_does_not_open_and_no_new_key_is_made() {
    let (folder, store) = store().await;
    store.accept(accepting(told("t1"))).await.unwrap();
    drop(store);
    let key = folder.path().join(KEY_FILE);
    let right = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let missing = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(missing, StoreError::Key(_)), "{missing}");
    assert!(!key.exists());
    std::fs::write(&key, "ab".repeat(32)).unwrap();
    let other = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(other, StoreError::WrongKey { .. }), "{other}");
    std::fs::write(&key, right).unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(
        store.task(&told("t1").id).await.unwrap().unwrap().task,
        told("t1")
    );
}

#[tokio::test]
async fn a_text_moved_to_another_task_does_not_open() {
    let (folder, store) = store().await;
    store.accept(accepting(told("t1"))).await.unwrap();
    store.accept(accepting(task("t2"))).await.unwrap();
    let raw = Connection::open(folder.path().join(FILE)).unwrap();
    let swap =
        "UPDATE task SET content = (SELECT content FROM task WHERE id = 't1') WHERE id = 't2'";
    raw.execute_batch(swap).unwrap();
    let error = store.task(&task("t2").id).await.unwrap_err();
    assert!(error.to_string().contains("does not open"), "{error}");
}
