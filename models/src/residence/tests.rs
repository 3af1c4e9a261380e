use futures::future::join_all;
use shoal_conductor::prompt::Prompt;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::{ask_briefly, cleared, model_path, worker};

fn small(id: &str) -> EngineOptions {
    EngineOptions {
        context: 192,
        kv_tokens: 512,
        queue: 60,
        hidden_context: 0,
        threads: 1,
        ..EngineOptions::new(worker(id), model_path())
    }
}

/// Two models, and memory for one of them.
fn two() -> (Residence, [ResidentWorker; 2]) {
    let (_, needed) = small("one").needs().unwrap();
    let residence = Residence::new(needed + needed / 2);
    let workers = ["one", "other"].map(|id| residence.join(small(id)).unwrap());
    (residence, workers)
}

async fn say(resident: &ResidentWorker, prompt: Prompt, call: Call) -> Result<Reply, WorkerError> {
    resident.run(cleared(prompt, resident.id()), call).await
}

fn in_memory(workers: &[ResidentWorker]) -> usize {
    workers.iter().filter(|w| w.wait().is_zero()).count()
}

#[tokio::test]
async fn a_model_is_loaded_when_it_is_asked_and_the_other_makes_room() {
    let (residence, [one, other]) = two();
    assert!(!one.wait().is_zero() && !other.wait().is_zero());
    let japan = || ask_briefly("What is the capital of Japan?", 24);
    let first = say(&one, japan(), Call::default()).await.unwrap();
    assert!(first.text.contains("Tokyo"), "{}", first.text);
    assert!(one.wait().is_zero());
    // What the first took is the best guess for the second, which is as large.
    assert!(!other.wait().is_zero());
    let ticks = residence.ticks();
    let second = say(&other, japan(), Call::default()).await.unwrap();
    assert_eq!(second.text, first.text);
    assert!(other.wait().is_zero() && !one.wait().is_zero());
    assert!(residence.ticks() > ticks);
    residence.relieve(Relief::Caches);
    assert_eq!(in_memory(&[one, other]), 0);
}

#[tokio::test]
async fn calls_for_two_models_all_end_in_memory_for_one() {
    let (_residence, workers) = two();
    let calls = (0..40_usize).map(|n| {
        let workers = &workers;
        async move {
            let resident = &workers[n % 7 % 2];
            let cancel = CancellationToken::new();
            let call = Call {
                cancel: cancel.clone(),
                ..Call::default()
            };
            let answer = say(resident, ask_briefly(&format!("Say {n}."), 3), call);
            if n % 4 != 1 {
                return answer.await.map(|_| ());
            }
            let cancelling = async {
                for _ in 0..n * 10 {
                    tokio::task::yield_now().await;
                }
                cancel.cancel();
            };
            tokio::join!(answer, cancelling).0.map(|_| ())
        }
    });
    let (mut answered, mut cancelled) = (0, 0);
    for outcome in join_all(calls).await {
        match outcome {
            Ok(()) => answered += 1,
            Err(WorkerError::Cancelled) => cancelled += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(answered + cancelled, 40);
    assert!(answered >= 30, "{answered}");
    assert!(in_memory(&workers) <= 1);
}

#[tokio::test]
async fn a_model_that_is_gone_is_an_error_for_those_who_ask_for_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone.gguf");
    std::fs::copy(model_path(), &path).unwrap();
    let (residence, [one, _]) = two();
    let options = EngineOptions {
        path: path.clone(),
        ..small("gone")
    };
    let gone = residence.join(options).unwrap();
    std::fs::remove_file(&path).unwrap();
    let prompt = || ask_briefly("Hi", 2);
    let calls = [
        say(&gone, prompt(), Call::default()),
        say(&gone, prompt(), Call::default()),
    ];
    for error in join_all(calls).await {
        let error = error.unwrap_err();
        assert!(matches!(error, WorkerError::Unreachable { .. }), "{error}");
    }
    assert!(say(&one, prompt(), Call::default()).await.is_ok());
    let missing = residence.join(EngineOptions {
        path,
        ..small("missing")
    });
    assert!(matches!(missing.map(|_| ()), Err(LoadError::Missing(_))));
}

#[test]
fn a_model_that_never_fits_is_not_taken_in() {
    let residence = Residence::new(1 << 20);
    let refused = residence.join(small("large")).map(|_| ());
    assert!(matches!(refused, Err(LoadError::OutOfMemory { .. })));
}
