use super::*;
use crate::store::backup::{backup, restore};

/// A folder with the same key and nothing else.
fn elsewhere(folder: &TempDir) -> TempDir {
    let other = tempfile::tempdir().unwrap();
    std::fs::copy(folder.path().join(KEY_FILE), other.path().join(KEY_FILE)).unwrap();
    other
}

#[tokio::test]
async fn a_backup_made_while_others_write_is_one_state_with_all_that_was_acknowledged() {
    let (folder, store) = store().await;
    let files = tempfile::tempdir().unwrap();
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..24 {
                let id = format!("t{n}");
                let accepting = Accepting {
                    max_open: 100,
                    ..accepting(task(&id))
                };
                store.accept(accepting).await.unwrap();
                store.finish(&task(&id).id, Ok(answer("a"))).await.unwrap();
            }
        })
    };
    let mut found = Vec::new();
    for n in 0..4 {
        let before = store.tasks(TaskFilter::default()).await.unwrap().len();
        let file = files.path().join(format!("{n}.backup"));
        let data = folder.path().to_owned();
        let copied = tokio::task::spawn_blocking(move || backup(&data, &file)).await;
        let copied = copied.unwrap().unwrap();
        assert!(copied.tasks >= before as u64, "{before}: {copied:?}");
        found.push(copied);
    }
    writing.await.unwrap();
    for copied in found {
        let other = elsewhere(&folder);
        let key = KeySource::default();
        let restored = restore(other.path(), &copied.file, &key).unwrap();
        assert_eq!((restored.tasks, restored.former), (copied.tasks, None));
        let store = Store::open(other.path()).await.unwrap();
        store.verify().await.unwrap();
        let heads = store.tasks(TaskFilter::default()).await.unwrap();
        assert_eq!(heads.len() as u64, copied.tasks);
        let faults = store.audit(None).await.unwrap().faults;
        // Only the head that is kept apart is missing there.
        assert!(
            faults.iter().all(|fault| fault.wrong == Wrong::Head),
            "{faults:?}"
        );
        store.accept(accepting(task("next"))).await.unwrap();
    }
}

#[tokio::test]
async fn a_restored_store_is_the_backup_and_the_record_says_that_it_was_set_back() {
    let (folder, store) = store().await;
    store.accept(accepting(task("t1"))).await.unwrap();
    let file = folder.path().join("one.backup");
    backup(folder.path(), &file).unwrap();
    let again = backup(folder.path(), &file).unwrap_err();
    assert!(again.to_string().contains("choose another"), "{again}");
    store.accept(accepting(task("t2"))).await.unwrap();
    drop(store);
    let restored = restore(folder.path(), &file, &KeySource::default()).unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    assert!(store.task(&task("t1").id).await.unwrap().is_some());
    assert!(store.task(&task("t2").id).await.unwrap().is_none());
    let faults = store.audit(None).await.unwrap().faults;
    assert!(
        faults.iter().any(|fault| fault.wrong == Wrong::SetBack),
        "{faults:?}"
    );
    // The former one is whole, with its log.
    let former = restored.former.unwrap();
    let c = Connection::open(former).unwrap();
    let tasks: u32 = c
        .query_row("SELECT count(*) FROM task", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tasks, 2);
}

#[tokio::test]
async fn what_is_no_backup_of_this_store_does_not_take_its_place() {
    let (folder, store) = store().await;
    store.accept(accepting(task("t1"))).await.unwrap();
    let (other, stranger) = self::store().await;
    let file = other.path().join("b");
    backup(other.path(), &file).unwrap();
    drop((store, stranger));
    let key = KeySource::default();
    let refused = restore(folder.path(), &file, &key).unwrap_err();
    assert!(matches!(refused, StoreError::WrongKey { .. }), "{refused}");
    let whole = std::fs::read(&file).unwrap();
    let half = other.path().join("half");
    std::fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    let text = other.path().join("text");
    std::fs::write(&text, "not a database at all".repeat(100)).unwrap();
    for bad in [half, text] {
        let refused = restore(folder.path(), &bad, &key).unwrap_err();
        assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
    }
    let store = Store::open(folder.path()).await.unwrap();
    assert!(store.task(&task("t1").id).await.unwrap().is_some());
}
