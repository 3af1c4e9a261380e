//! A page that was half written when the power went.

use proptest::{prelude::*, sample::Index};

use super::*;

const LOG: &str = "shoal.db-wal";

/// A run: the files before it, the log after it, and what a reader saw after each acknowledged change with the length
/// that the log had then.
struct Run {
    folder: TempDir,
    file: Vec<u8>,
    log: Vec<u8>,
    seen: Vec<(usize, String)>,
}

async fn picture(store: &Store) -> String {
    let heads = store.tasks(TaskFilter::default()).await.unwrap();
    let heads: Vec<_> = heads
        .iter()
        .map(|head| format!("{}:{}", head.id, head.state))
        .collect();
    format!(
        "{heads:?} {:?}",
        sent(store)
            .await
            .into_iter()
            .map(|(topic, _)| topic)
            .collect::<Vec<_>>()
    )
}

async fn run() -> Run {
    let (folder, store) = store().await;
    let log = folder.path().join(LOG);
    let length = || *wal::commits(&std::fs::read(&log).unwrap()).last().unwrap();
    store.report_under(Some(root())).await.unwrap();
    let mut seen = vec![(length(), picture(&store).await)];
    for n in 0..4 {
        let id = format!("t{n}");
        store.accept(by_mqtt(task(&id), None)).await.unwrap();
        seen.push((length(), picture(&store).await));
        store.finish(&task(&id).id, Ok(answer("a"))).await.unwrap();
        seen.push((length(), picture(&store).await));
    }
    let file = std::fs::read(folder.path().join(FILE)).unwrap();
    let log = std::fs::read(&log).unwrap();
    Run {
        folder,
        file,
        log,
        seen,
    }
}

async fn reopened(run: &Run, file: &[u8], log: &[u8]) -> String {
    let after = tempfile::tempdir().unwrap();
    std::fs::write(after.path().join(FILE), file).unwrap();
    std::fs::write(after.path().join(LOG), log).unwrap();
    std::fs::copy(
        run.folder.path().join(KEY_FILE),
        after.path().join(KEY_FILE),
    )
    .unwrap();
    let store = Store::open(after.path()).await.unwrap();
    store.verify().await.unwrap();
    picture(&store).await
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// What was written last is cut off anywhere, and what the disk has in its place is anything.
    #[test]
    fn a_torn_end_of_the_log_loses_nothing_that_was_acknowledged(
        cuts in prop::collection::vec((any::<Index>(), prop::collection::vec(any::<u8>(), 0..6_000)), 24)
    ) {
        runtime().block_on(async {
            let run = run().await;
            for (cut, garbage) in cuts {
                // From where the store was made.
                let made = run.seen[0].0;
                let cut = made + cut.index(run.log.len() - made + 1);
                let torn = [&run.log[..cut], &garbage].concat();
                let found = reopened(&run, &run.file, &torn).await;
                let acknowledged = run.seen.iter().rposition(|(length, _)| *length <= cut).unwrap();
                assert_eq!(found, run.seen[acknowledged].1, "cut at {cut}");
            }
        });
    }

    /// The power goes while the log is written into the file: any pages are new, old or half of each.
    #[test]
    fn torn_pages_of_the_file_are_made_whole_from_the_log(
        mixes in prop::collection::vec(prop::collection::vec(0..4u8, 8..64), 12)
    ) {
        runtime().block_on(async {
            let run = run().await;
            let page = wal::page(&run.log);
            let whole = run.folder.path().join("whole.db");
            std::fs::write(&whole, &run.file).unwrap();
            std::fs::write(run.folder.path().join("whole.db-wal"), &run.log).unwrap();
            let c = Connection::open(&whole).unwrap();
            c.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
            drop(c);
            let written = std::fs::read(&whole).unwrap();
            for mix in mixes {
                let mut file = written.clone();
                for (at, how) in (0..file.len() / page).zip(mix.iter().cycle()) {
                    let old = run.file.get(at * page..(at + 1) * page);
                    let old = old.map_or_else(|| vec![0; page], <[u8]>::to_vec);
                    let from = match how {
                        0 => continue,
                        1 => 0,
                        2 => page / 2,
                        _ => page - 512,
                    };
                    file[at * page + from..(at + 1) * page].copy_from_slice(&old[from..]);
                }
                let found = reopened(&run, &file, &run.log).await;
                assert_eq!(found, run.seen.last().unwrap().1);
            }
        });
    }
}
