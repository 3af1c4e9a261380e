use std::sync::Arc;

use crate::{
    fake::{FakeWorker, LOG, POLICY, Stage, id, task},
    label::Label,
    prompt::Format,
    prover::Prover,
    route::{Route, Situation, Turn},
    task::{Effort, Task},
    trace::Event,
    worker::Place,
    workflow::Role,
};

fn roles(stage: &Stage) -> Vec<(Role, String)> {
    let events = stage.events();
    let turns = events.iter().filter_map(|event| match event {
        Event::Turn { step, .. } => Some((step.role, step.worker.to_string())),
        _ => None,
    });
    turns.collect()
}
#[tokio::test]
async fn mini_redacts_for_the_strong_worker_verifies_and_restores_the_answer() {
    let local = FakeWorker::saying("local", Place::Board, &[]);
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["Write to [EMAIL_1]: relay K3."]);
    let other = FakeWorker::saying("other", Place::Remote, &["ACCEPT"]);
    let stage = Stage::new(POLICY, &[&local, &cloud, &other], None);
    let answer = stage.run(&task("shoal-mini", LOG)).await.unwrap();
    assert_eq!(answer.text, "Write to ana@plant.example: relay K3.");
    assert_eq!(answer.label, Label::Confidential);
    assert_eq!(answer.cost.0, 140);
    let expected = [
        (Role::Worker, "cloud".to_owned()),
        (Role::Verifier, "other".to_owned()),
    ];
    assert_eq!(roles(&stage), expected);
    let outside = cloud.read() + &other.read();
    for secret in ["Ana", "Ruiz", "plant.example", "1234567"] {
        assert!(!outside.contains(secret), "{secret} left:\n{outside}");
    }
    assert!(outside.contains("[PERSON_1] ([EMAIL_1], [PHONE_1]) saw E42"));
    assert!(local.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_simple_task_stays_on_the_board() {
    let local = FakeWorker::saying("local", Place::Board, &["Good morning."]);
    let cloud = FakeWorker::saying("cloud", Place::Remote, &[]);
    let stage = Stage::new(POLICY, &[&local, &cloud], None);
    let answer = stage.run(&task("shoal-mini", "Good morning!")).await;
    assert_eq!(answer.unwrap().text, "Good morning.");
    assert_eq!(roles(&stage), [(Role::Worker, "local".to_owned())]);
}

#[tokio::test]
async fn a_simple_task_leaves_a_board_that_can_do_nothing() {
    let local = FakeWorker::saying("local", Place::Board, &[]);
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["Good morning."]);
    let policy = POLICY.replace("strength = 20", "strength = 3");
    let stage = Stage::new(&policy, &[&local, &cloud], None);
    let answer = stage.run(&task("shoal-mini", "Good morning!")).await;
    assert_eq!(answer.unwrap().text, "Good morning.");
    assert_eq!(roles(&stage), [(Role::Worker, "cloud".to_owned())]);
}

#[tokio::test]
async fn a_revision_is_asked_for_and_after_five_turns_the_latest_answer_stands() {
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["one", "two", "three"]);
    let other = FakeWorker::saying("other", Place::Remote, &["REVISE: no", "REVISE: still no"]);
    let stage = Stage::new(POLICY, &[&cloud, &other], None);
    let answer = stage
        .run(&task("shoal-mini", "Explain the fault."))
        .await
        .unwrap();
    assert_eq!(answer.text, "three");
    assert_eq!(roles(&stage).len(), 5);
    assert!(cloud.read().contains("REVISE: still no"));
}

/// Always wants the same worker as a verifier.
struct Verify;

#[async_trait::async_trait]
impl Route for Verify {
    async fn decide(&self, _situation: &Situation<'_>) -> Turn {
        Turn::Go {
            role: Role::Verifier,
            worker: id("cloud"),
            reason: "always".into(),
            candidates: Vec::new(),
            last: false,
        }
    }
}

#[tokio::test]
async fn a_verifier_chosen_before_there_is_an_answer_becomes_a_worker() {
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["K3", "ACCEPT"]);
    let mut stage = Stage::new(POLICY, &[&cloud], None);
    stage.conductor.parts.route = Arc::new(Verify);
    assert_eq!(
        stage.run(&task("shoal-mini", LOG)).await.unwrap().text,
        "K3"
    );
    let roles: Vec<Role> = roles(&stage).into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, [Role::Worker, Role::Verifier]);
}

#[tokio::test]
async fn at_high_effort_a_thinker_comes_first() {
    let cloud = FakeWorker::saying(
        "cloud",
        Place::Remote,
        &["look at K3", "K3 it is", "ACCEPT"],
    );
    let stage = Stage::new(POLICY, &[&cloud], None);
    let task = Task {
        effort: Effort::High,
        ..task("shoal-mini", "Explain the fault.")
    };
    assert_eq!(stage.run(&task).await.unwrap().text, "K3 it is");
    let roles: Vec<Role> = roles(&stage).into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, [Role::Thinker, Role::Worker, Role::Verifier]);
}

#[tokio::test]
async fn a_wrong_sum_is_seen_without_a_verifier_and_mended() {
    let cloud = FakeWorker::saying(
        "cloud",
        Place::Remote,
        &["12 * 7 = 85 parts", "12 * 7 = 84 parts"],
    );
    let stage = Stage::new(POLICY, &[&cloud], None);
    let task = task("shoal-mini", "Calculate the parts of the shift.");
    // Who listened has gone, so nothing was read of the first answer.
    let (sender, listener) = tokio::sync::mpsc::channel(64);
    drop(listener);
    let cancel = tokio_util::sync::CancellationToken::new();
    let answer = stage.conductor.run(&task, &[], Some(sender), cancel).await;
    assert_eq!(answer.unwrap().text, "12 * 7 = 84 parts");
    let expected = [
        (Role::Worker, "cloud".to_owned()),
        (Role::Verifier, "shoal-check".to_owned()),
        (Role::Worker, "cloud".to_owned()),
    ];
    assert_eq!(roles(&stage), expected);
    assert!(
        cloud
            .read()
            .contains("REVISE: this is wrong: 12 * 7 = 85 (it is 84)")
    );
}

/// A worker that asks for a sum with a placeholder in it learns nothing of what is behind it.
#[tokio::test]
async fn a_check_computes_nothing_of_what_was_redacted() {
    let lines = ["[BANK_ACCOUNT_1] * 2 = 1, and 1 + 1 = 3", "1 + 1 = 2"];
    let cloud = FakeWorker::saying(
        "cloud",
        Place::Remote,
        &[&lines[..], &["ACCEPT"; 3]].concat(),
    );
    let stage = Stage::new(POLICY, &[&cloud], None);
    let task = task(
        "shoal-mini",
        "Calculate the fee for our bank account number 123456789.",
    );
    stage.run(&task).await.unwrap();
    let left = cloud.read();
    assert!(
        left.contains("bank account number [BANK_ACCOUNT_1]"),
        "{left}"
    );
    assert!(left.contains("this is wrong: 1 + 1 = 3"), "{left}");
    for secret in ["123456789", "246913578"] {
        assert!(!left.contains(secret), "{secret} left:\n{left}");
    }
}

#[tokio::test]
async fn low_effort_checks_nothing() {
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["12 * 7 = 85 parts"]);
    let stage = Stage::new(POLICY, &[&cloud], None);
    let task = Task {
        effort: Effort::Low,
        ..task("shoal-mini", "Calculate the parts of the shift.")
    };
    assert_eq!(stage.run(&task).await.unwrap().text, "12 * 7 = 85 parts");
    assert_eq!(roles(&stage).len(), 1);
}

#[tokio::test]
async fn json_that_breaks_its_schema_is_mended_before_anybody_reads_it() {
    let cloud = FakeWorker::saying(
        "cloud",
        Place::Remote,
        &[
            "Here: {\"press\": \"seven\"}",
            "{\"press\": \"7\"}",
            "{\"press\": 7}",
        ],
    );
    let stage = Stage::new(POLICY, &[&cloud], None);
    let schema = serde_json::json!({"properties": {"press": {"type": "integer"}}});
    let task = Task {
        format: Format::JsonSchema(schema),
        ..task("shoal-mini", "Which press is it? Calculate it.")
    };
    let (sender, mut pieces) = tokio::sync::mpsc::channel(64);
    let cancel = tokio_util::sync::CancellationToken::new();
    let answer = stage.conductor.run(&task, &[], Some(sender), cancel).await;
    assert_eq!(answer.unwrap().text, "{\"press\": 7}");
    let mut read = String::new();
    while let Some(piece) = pieces.recv().await {
        read.push_str(&piece);
    }
    assert_eq!(read, "{\"press\": 7}");
    assert_eq!(roles(&stage).len(), 5);
}

/// What a check saw is labelled like the answer that it saw it in.
#[tokio::test]
async fn a_check_says_no_more_than_a_worker_may_read() {
    let local = FakeWorker::saying(
        "local",
        Place::Board,
        &["4 * 250,000 = 1,100,000", "4 * 250,000 = 1,000,000"],
    );
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["ACCEPT", "ACCEPT"]);
    let stage = Stage::new(POLICY, &[&local, &cloud], None);
    let task = Task {
        label: Label::Restricted,
        ..task("shoal-mini", "Calculate what we earn and write a script.")
    };
    let answer = stage.run(&task).await.unwrap();
    assert_eq!(answer.text, "4 * 250,000 = 1,000,000");
    assert!(cloud.seen.lock().unwrap().is_empty());
    let said = stage.events().into_iter().find_map(|event| match event {
        Event::Answered { worker, label, .. } if worker.as_str() == "shoal-check" => Some(label),
        _ => None,
    });
    assert_eq!(said, Some(Label::Restricted));
}

#[tokio::test]
async fn a_check_that_a_restart_cut_off_is_made_again() {
    let lines = ["12 * 7 = 85 parts", "12 * 7 = 84 parts"];
    let cloud = FakeWorker::saying("cloud", Place::Remote, &lines);
    let stage = Stage::new(POLICY, &[&cloud], None);
    let task = task("shoal-mini", "Calculate the parts of the shift.");
    stage.run(&task).await.unwrap();
    let whole = stage.events();
    for cut in 1..=whole.len() {
        let cloud = FakeWorker::saying("cloud", Place::Remote, &lines);
        let stage = Stage::new(POLICY, &[&cloud], None);
        let done = whole[..cut].iter().filter(
            |event| matches!(event, Event::Answered { worker, .. } if worker.as_str() == "cloud"),
        );
        // What was done before is not said again.
        for _ in 0..done.count() {
            cloud.skip();
        }
        stage
            .host
            .events
            .lock()
            .unwrap()
            .extend_from_slice(&whole[..cut]);
        assert_eq!(stage.run(&task).await.unwrap().text, "12 * 7 = 84 parts");
        let checks = roles(&stage)
            .into_iter()
            .filter(|(_, who)| who == "shoal-check");
        assert_eq!(checks.count(), 1, "cut after {cut}");
    }
}

/// Takes every program that says "right".
struct Prove;

#[async_trait::async_trait]
impl Prover for Prove {
    async fn prove(&self, program: &str) -> Result<(), String> {
        if program.contains("right") {
            return Ok(());
        }
        Err("AssertionError at: assert f(1)".to_owned())
    }
}

#[tokio::test]
async fn code_that_fails_the_tests_of_the_task_is_mended_where_it_may_be_run() {
    let lines = ["```python\nf = wrong\n```", "```python\nf = right\n```"];
    let asked = task("shoal-mini", "Write a function.\nassert f(1)");
    let cloud = FakeWorker::saying("cloud", Place::Remote, &lines);
    let mut stage = Stage::new(POLICY, &[&cloud], None);
    stage.conductor.parts.prover = Some(Arc::new(Prove));
    assert_eq!(stage.run(&asked).await.unwrap().text, lines[1]);
    assert_eq!(roles(&stage).len(), 3);
    assert!(
        cloud
            .read()
            .contains("REVISE: the code was run and ended with AssertionError at: assert f(1)")
    );
    let cloud = FakeWorker::saying("cloud", Place::Remote, &lines);
    let stage = Stage::new(POLICY, &[&cloud], None);
    assert_eq!(stage.run(&asked).await.unwrap().text, lines[0]);
}
