use super::*;
use crate::store::{backup::restore, salvage::salvage};

const TASKS: usize = 24;
const PAGE: usize = 4096;

fn id(n: usize) -> TaskId {
    TaskId::try_new(format!("t{n}")).unwrap()
}

fn said(n: usize) -> String {
    format!("{n} ").repeat(600)
}

/// A store with long tasks, all of it in the file and nothing in the log.
async fn filled() -> TempDir {
    let (folder, store) = store().await;
    for n in 0..TASKS {
        let mut long = task(id(n).as_str());
        long.messages[0].content = said(n);
        let accepting = Accepting {
            max_open: 1_000,
            ..accepting(long)
        };
        store.accept(accepting).await.unwrap();
        store.record(&id(n), &note("one")).await.unwrap();
    }
    let c = Connection::open(store.path()).unwrap();
    let busy = "PRAGMA wal_checkpoint(TRUNCATE)";
    let busy: u8 = c.query_row(busy, [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
    folder
}

/// The same with one page overwritten.
fn broken(folder: &TempDir, page: usize) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in [KEY_FILE, kept::FILE] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let mut bytes = std::fs::read(folder.path().join(FILE)).unwrap();
    bytes[page * PAGE..(page + 1) * PAGE].fill(0xa5);
    std::fs::write(copy.path().join(FILE), bytes).unwrap();
    copy
}

/// How many tasks are read right; none may be read wrong.
async fn readable(store: &Store) -> usize {
    let mut right = 0;
    for n in 0..TASKS {
        match store.task(&id(n)).await {
            Ok(Some(record)) => {
                assert_eq!(record.task.messages[0].content, said(n));
                right += 1;
            }
            Ok(None) => {}
            Err(error) => assert!(
                matches!(error, StoreError::Damaged(_) | StoreError::Io(_)),
                "{error}"
            ),
        }
    }
    right
}

#[tokio::test]
async fn a_bad_page_is_never_read_wrong_takes_no_new_tasks_and_costs_few_rows() {
    let folder = filled().await;
    let pages = std::fs::metadata(folder.path().join(FILE)).unwrap().len() as usize / PAGE;
    let (mut damaged, mut saved) = (0, 0);
    for page in (1..pages).step_by(3) {
        let copy = broken(&folder, page);
        match Store::open(copy.path()).await {
            Ok(store) => {
                let right = readable(&store).await;
                let found = store.verify().await;
                if right < TASKS {
                    damaged += 1;
                    assert!(found.is_err(), "page {page}");
                }
                if store.sound().is_err() {
                    let refused = store.accept(accepting(task("next"))).await.unwrap_err();
                    let told = refused.to_string();
                    assert!(told.contains("shoal restore"), "{told}");
                    assert!(store.check().await.is_err());
                    // What was readable is readable still.
                    assert_eq!(readable(&store).await, right, "page {page}");
                }
            }
            Err(error) => assert!(error.to_string().contains("shoal"), "page {page}: {error}"),
        }
        let file = copy.path().join("saved");
        let Ok(tables) = salvage(copy.path(), &file, &KeySource::default()) else {
            // The page with the tables' places; nothing is found without it.
            continue;
        };
        let tasks = tables.iter().find(|table| table.name == "task").unwrap();
        assert!(
            tasks.rows as usize >= TASKS / 2 || tasks.gaps > 0,
            "{tables:?}"
        );
        restore(copy.path(), &file, &KeySource::default()).unwrap();
        let store = Store::open(copy.path()).await.unwrap();
        store.verify().await.unwrap();
        assert_eq!(readable(&store).await as u64, tasks.rows, "page {page}");
        store.accept(accepting_more(task("next"))).await.unwrap();
        saved += 1;
    }
    assert!(damaged > 0, "some page held tasks");
    assert!(saved > pages / 6, "{saved} of {pages} pages");
}

fn accepting_more(task: Task) -> Accepting {
    Accepting {
        max_open: 1_000,
        ..accepting(task)
    }
}

#[tokio::test]
async fn an_undamaged_store_is_salvaged_whole_and_its_chain_holds() {
    let folder = filled().await;
    let file = folder.path().join("saved");
    let tables = salvage(folder.path(), &file, &KeySource::default()).unwrap();
    let lost = tables.iter().map(|table| table.gaps + table.orphans);
    assert_eq!(lost.sum::<u64>(), 0, "{tables:?}");
    restore(folder.path(), &file, &KeySource::default()).unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(readable(&store).await, TASKS);
    assert_eq!(store.audit(None).await.unwrap().faults, []);
}
