//! What a request allows its own task, at every step.

use super::*;
use crate::{
    fake::{FakeWorker, LOG, Line, POLICY, Stage, id, task},
    limits::TaskLimits,
    task::Effort,
    unit::{MicroDollars, Tokens},
    verdict::Verdict,
};

fn calls(most: u64) -> TaskLimits {
    TaskLimits {
        max_remote_calls: Some(most),
        ..TaskLimits::default()
    }
}

fn limited(model: &str, limits: TaskLimits) -> Task {
    Task {
        limits,
        effort: Effort::High,
        ..task(model, LOG)
    }
}

fn notes(stage: &Stage) -> Vec<String> {
    let events = stage.events().into_iter();
    let notes = events.filter_map(|event| match event {
        Event::Note { text } => Some(text),
        _ => None,
    });
    notes.collect()
}

/// Every rule by which somebody was refused.
fn refusals(stage: &Stage) -> Vec<String> {
    let events = stage.events().into_iter();
    let rules = events.filter_map(|event| match event {
        Event::Judged {
            verdict: Verdict::Refuse,
            rule,
            ..
        } => Some(rule),
        _ => None,
    });
    rules.collect()
}

#[tokio::test]
async fn the_calls_of_all_turns_count_together() {
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["look at K3"]);
    let local = FakeWorker::saying("local", Place::Board, &["done here", "ACCEPT"]);
    let stage = Stage::new(POLICY, &[&local, &cloud], None);
    let answer = stage.run(&limited("shoal-mini", calls(1))).await.unwrap();
    assert_eq!(answer.text, "done here");
    assert_eq!(cloud.seen.lock().unwrap().len(), 1);
    let notes = notes(&stage);
    assert!(
        notes.iter().any(|note| note == "cloud is not called: the request's max_remote_calls would be passed: 1 of 1 is spent and this call may take 1"),
        "{notes:?}"
    );
}

#[tokio::test]
async fn the_steps_of_a_plan_count_together() {
    let step = r#"{"role":"worker","worker":"cloud","instruction":"list relays","access":[]}"#;
    let plan = format!(r#"{{"steps":[{step},{step},{step}]}}"#);
    let backbone = FakeWorker::saying("backbone", Place::Board, &[&plan]);
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["K1", "K2", "K3"]);
    let local = FakeWorker::saying("local", Place::Board, &["here", "here", "here"]);
    let stage = Stage::new(POLICY, &[&local, &cloud], Some(&backbone));
    let task = Task {
        effort: Effort::Medium,
        ..limited("shoal-ultra", calls(2))
    };
    stage.run(&task).await.unwrap();
    assert_eq!(cloud.seen.lock().unwrap().len(), 2);
    assert_eq!(local.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_call_that_failed_counts_in_full() {
    let cloud = FakeWorker::new("cloud", Place::Remote, vec![Line::BreaksOff]);
    let other = FakeWorker::saying("other", Place::Remote, &[]);
    let stage = Stage::new(POLICY, &[&cloud, &other], None);
    let failure = stage.run(&limited("shoal-mini", calls(1))).await;
    let failure = failure.unwrap_err().to_string();
    assert!(
        failure.contains("cloud broke off")
            && failure.contains("other: the request's max_remote_calls would be passed"),
        "{failure}"
    );
    assert!(other.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn money_and_tokens_are_bounded_before_a_call_is_made() {
    for limits in [
        TaskLimits {
            max_cost: Some(MicroDollars(1)),
            ..TaskLimits::default()
        },
        TaskLimits {
            max_remote_tokens: Some(Tokens(10)),
            ..TaskLimits::default()
        },
    ] {
        let cloud = FakeWorker::saying("cloud", Place::Remote, &[]);
        let stage = Stage::new(POLICY, &[&cloud], None);
        let failure = stage.run(&limited("cloud", limits)).await.unwrap_err();
        let name = limits.to_string();
        let name = name.split(' ').next().unwrap();
        assert!(failure.to_string().contains(name), "{failure}");
        assert!(cloud.seen.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn with_no_call_allowed_no_remote_worker_is_chosen() {
    let cloud = FakeWorker::saying("cloud", Place::Remote, &[]);
    let local = FakeWorker::saying("local", Place::Board, &["a", "b", "ACCEPT"]);
    let stage = Stage::new(POLICY, &[&local, &cloud], None);
    stage.run(&limited("shoal-mini", calls(0))).await.unwrap();
    assert!(
        stage.events().iter().all(|event| {
            !matches!(event, Event::Judged { worker, .. } if *worker == id("cloud"))
        })
    );
    let stage = Stage::new(POLICY, &[&cloud], None);
    stage.run(&limited("cloud", calls(0))).await.unwrap_err();
    assert_eq!(refusals(&stage), ["the request's max_remote_calls = 0"]);
}

#[tokio::test]
async fn a_task_above_its_highest_label_is_refused_by_the_lowest_rule() {
    let local = FakeWorker::saying("local", Place::Board, &[]);
    let source = "\n[[source]]\nkey = \"*\"\nmax_label = \"internal\"";
    for (policy, max, rule) in [
        (
            "",
            Label::Internal,
            "the request's max_label = \"internal\"",
        ),
        (
            source,
            Label::Restricted,
            "source[0] (key = \"*\").max_label = \"internal\"",
        ),
        (
            source,
            Label::Public,
            "the request's max_label = \"public\"",
        ),
    ] {
        let stage = Stage::new(&format!("{POLICY}{policy}"), &[&local], None);
        let limits = TaskLimits {
            max_label: Some(max),
            ..TaskLimits::default()
        };
        let task = Task {
            from: "api:line-3".into(),
            ..limited("shoal-mini", limits)
        };
        let failure = stage.run(&task).await.unwrap_err().to_string();
        assert!(failure.ends_with(rule), "{failure}");
    }
    assert!(local.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn named_workers_narrow_those_of_the_source_and_widen_nothing() {
    let cloud = FakeWorker::saying("cloud", Place::Remote, &[]);
    let local = FakeWorker::saying("local", Place::Board, &[]);
    let source = "\n[[source]]\nkey = \"*\"\nworkers = [\"local\"]";
    let stage = Stage::new(&format!("{POLICY}{source}"), &[&local, &cloud], None);
    let task = Task {
        from: "api:line-3".into(),
        workers: Some(vec![id("cloud")]),
        ..task("shoal-mini", LOG)
    };
    stage.run(&task).await.unwrap_err();
    assert!(cloud.seen.lock().unwrap().is_empty() && local.seen.lock().unwrap().is_empty());
}
