use std::time::Duration;

use super::*;
use crate::{
    fake::{FakeWorker, Line, Stage, id, task},
    route::{Situation, Turn},
    task::Effort,
    trace::Decision,
    verdict::Verdict,
    workflow::Role,
};

/// A weak worker on the board and two strong ones outside, who must not see what is confidential.
const POLICY: &str = r#"
[escalation]
confidential = "redact"
[workers.local]
clearance = "restricted"
strength = 20
[workers.cloud]
clearance = "internal"
strength = 80
skills = ["code", "reasoning"]
price_in = 1.0
price_out = 4.0
[workers.other]
clearance = "internal"
strength = 80
[[dictionaries]]
type = "person"
words = ["Ana Ruiz"]
"#;

const LOG: &str = "Ana Ruiz (ana@plant.example, +49 171 1234567) saw E42 on press 7. Diagnose the fault and write a script.";

fn roles(stage: &Stage) -> Vec<(Role, String)> {
    let events = stage.events();
    let turns = events.iter().filter_map(|event| match event {
        Event::Turn { step, .. } => Some((step.role, step.worker.to_string())),
        _ => None,
    });
    turns.collect()
}

fn notes(stage: &Stage) -> String {
    let events = stage.events();
    let notes = events.iter().filter_map(|event| match event {
        Event::Note { text } => Some(text.clone()),
        _ => None,
    });
    notes.collect::<Vec<_>>().join("\n")
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
async fn what_the_board_wrote_from_sensitive_text_does_not_leave_in_other_words() {
    let plan = r#"{"steps":[
        {"role":"worker","worker":"local","instruction":"summarise for [EMAIL_1]","access":[0]},
        {"role":"worker","worker":"cloud","instruction":"write the script","access":[1]}]}"#;
    let backbone = FakeWorker::saying("backbone", Place::Board, &[plan]);
    let local = FakeWorker::saying(
        "local",
        Place::Board,
        &["Somebody called A. saw E42.", "done here"],
    );
    let cloud = FakeWorker::saying("cloud", Place::Remote, &[]);
    let stage = Stage::new(POLICY, &[&local, &cloud], Some(&backbone));
    let answer = stage.run(&task("shoal-ultra", LOG)).await.unwrap();
    assert_eq!(answer.text, "done here");
    assert!(cloud.seen.lock().unwrap().is_empty());
    assert!(local.read().contains("summarise for ana@plant.example"));
    assert!(!backbone.read().contains("ana@plant.example"));
    let refused = stage.events().into_iter().any(|event| {
        matches!(
            event,
            Event::Judged {
                step: 2,
                verdict: Verdict::Refuse,
                ..
            }
        )
    });
    assert!(refused);
}

#[tokio::test]
async fn what_is_restored_in_an_instruction_keeps_its_label_without_the_words_that_gave_it_away() {
    let plan = r#"{"steps":[{"role":"worker","worker":"cloud","instruction":"greet with [API_KEY_1]","access":[]}]}"#;
    let backbone = FakeWorker::saying("backbone", Place::Board, &[plan]);
    let cloud = FakeWorker::saying("cloud", Place::Remote, &[]);
    let local = FakeWorker::saying("local", Place::Board, &["done here: [API_KEY_1]"]);
    let stage = Stage::new(POLICY, &[&local, &cloud], Some(&backbone));
    let task = task("shoal-ultra", "The password: Winter2026! Write a greeting.");
    let answer = stage.run(&task).await.unwrap();
    assert_eq!(answer.text, "done here: Winter2026!");
    assert_eq!(answer.label, Label::Restricted);
    let ruling = stage.events().into_iter().find_map(|event| match event {
        Event::Judged {
            label,
            verdict,
            worker,
            ..
        } if worker == id("cloud") => Some((label, verdict)),
        _ => None,
    });
    assert_eq!(ruling, Some((Label::Restricted, Verdict::Refuse)));
}

#[tokio::test]
async fn a_remote_answer_in_which_something_is_restored_has_its_label_again() {
    let policy = POLICY.replace("[escalation]", "[escalation]\nrestricted = \"redact\"");
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["Greetings, [API_KEY_1]."]);
    let stage = Stage::new(&policy, &[&cloud], None);
    let task = task("cloud", "The password: Winter2026! Write a greeting.");
    let answer = stage.run(&task).await.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.label),
        ("Greetings, Winter2026!.", Label::Restricted)
    );
}

#[tokio::test]
async fn when_one_of_several_steps_fails_the_others_end_on_the_record() {
    let plan = r#"{"steps":[
        {"role":"worker","worker":"cloud","instruction":"a","access":[0]},
        {"role":"worker","worker":"other","instruction":"b","access":[0]}]}"#;
    let backbone = FakeWorker::saying("backbone", Place::Board, &[plan]);
    let cloud = FakeWorker::new(
        "cloud",
        Place::Remote,
        vec![Line::BreaksOff, Line::BreaksOff],
    );
    let other = FakeWorker::new("other", Place::Remote, vec![Line::Hangs, Line::BreaksOff]);
    let stage = Stage::new(POLICY, &[&cloud, &other], Some(&backbone));
    assert!(stage.run(&task("shoal-ultra", LOG)).await.is_err());
    let count =
        |wanted: fn(&Event) -> bool| stage.events().iter().filter(|event| wanted(event)).count();
    let called = count(|event| matches!(event, Event::Called { .. }));
    let failed = count(|event| matches!(event, Event::Failed { .. }));
    assert_eq!(called, failed);
}

#[tokio::test]
async fn ultra_runs_its_plan_and_passes_on_what_each_step_may_read() {
    let plan = r#"{"steps":[
        {"role":"thinker","worker":"cloud","instruction":"think","access":[0]},
        {"role":"worker","worker":"other","instruction":"list the relays of a press","access":[]},
        {"role":"worker","worker":"cloud","instruction":"answer","access":[1,2]}]}"#;
    let backbone = FakeWorker::saying("backbone", Place::Board, &[plan]);
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["think K3", "K3"]);
    let other = FakeWorker::saying("other", Place::Remote, &["K1 K2 K3"]);
    let stage = Stage::new(POLICY, &[&cloud, &other], Some(&backbone));
    assert_eq!(
        stage.run(&task("shoal-ultra", LOG)).await.unwrap().text,
        "K3"
    );
    assert!(!other.read().contains("E42"), "{}", other.read());
    let last = cloud.seen.lock().unwrap()[1].messages.clone();
    let last: String = last.into_iter().map(|message| message.content).collect();
    assert!(
        last.contains("think K3") && last.contains("K1 K2 K3") && !last.contains("E42"),
        "{last}"
    );
}

#[tokio::test]
async fn an_invalid_plan_is_written_again_and_then_given_up_for_one_step() {
    let forward =
        r#"{"steps":[{"role":"worker","worker":"local","instruction":"x","access":[1]}]}"#;
    let backbone = FakeWorker::saying("backbone", Place::Board, &[forward, "not json"]);
    let local = FakeWorker::saying("local", Place::Board, &["hello"]);
    let stage = Stage::new(POLICY, &[&local], Some(&backbone));
    assert_eq!(
        stage.run(&task("shoal-ultra", "hi")).await.unwrap().text,
        "hello"
    );
    assert!(
        backbone.read().contains("step 1 reads step 1"),
        "{}",
        backbone.read()
    );
    let fallback = stage.events().into_iter().find_map(|event| match event {
        Event::Planned { fallback, .. } => fallback,
        _ => None,
    });
    assert!(fallback.unwrap().contains("after one retry"));
}

#[tokio::test]
async fn at_high_effort_the_backbone_may_revise_its_workflow_once() {
    let first =
        r#"{"steps":[{"role":"worker","worker":"cloud","instruction":"try","access":[0]}]}"#;
    let second = r#"{"enough":false,"steps":[{"role":"worker","worker":"cloud","instruction":"better","access":[0]}]}"#;
    let backbone = FakeWorker::saying("backbone", Place::Board, &[first, second]);
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["first try", "second try"]);
    let stage = Stage::new(POLICY, &[&cloud], Some(&backbone));
    let task = Task {
        effort: Effort::High,
        ..task("shoal-ultra", LOG)
    };
    assert_eq!(stage.run(&task).await.unwrap().text, "second try");
    assert!(cloud.read().contains("first try"));
    assert!(backbone.read().contains("The answer so far:\nfirst try"));
}

#[tokio::test]
async fn a_step_whose_worker_fails_goes_to_the_next_that_may() {
    let cloud = FakeWorker::new("cloud", Place::Remote, vec![Line::BreaksOff]);
    let local = FakeWorker::saying("local", Place::Board, &["done here"]);
    let stage = Stage::new(POLICY, &[&local, &cloud], None);
    let answer = stage.run(&task("shoal-mini", LOG)).await.unwrap();
    assert_eq!(answer.text, "done here");
    let failed = stage.events().into_iter().any(|event| {
        matches!(event, Event::Failed { may_have_run: true, ref worker, .. } if *worker == id("cloud"))
    });
    assert!(failed);
    // What may have been billed stays in the books.
    assert!(stage.host.spent.lock().unwrap()[&0].1.0 > 0);
}

#[tokio::test]
async fn when_everybody_fails_the_task_fails_with_each_reason() {
    let cloud = FakeWorker::new("cloud", Place::Remote, vec![Line::BreaksOff]);
    let other = FakeWorker::new("other", Place::Remote, vec![Line::BreaksOff]);
    let stage = Stage::new(POLICY, &[&cloud, &other], None);
    let failure = stage.run(&task("shoal-mini", LOG)).await.unwrap_err();
    let Failure::EveryoneFailed { reason } = failure else {
        panic!("{failure:?}")
    };
    assert!(
        reason.contains("cloud broke off") && reason.contains("other broke off"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_task_for_one_worker_by_name_is_for_nobody_else() {
    let cloud = FakeWorker::new("cloud", Place::Remote, vec![Line::BreaksOff]);
    let local = FakeWorker::saying("local", Place::Board, &[]);
    let stage = Stage::new(POLICY, &[&local, &cloud], None);
    assert!(stage.run(&task("cloud", LOG)).await.is_err());
    let stage = Stage::new(POLICY, &[&local, &cloud], None);
    let failure = stage.run(&task("gpt", LOG)).await.unwrap_err();
    assert!(
        matches!(failure, Failure::UnknownWorker { .. }),
        "{failure:?}"
    );
}

fn asking() -> String {
    POLICY.replace("confidential = \"redact\"", "confidential = \"approve\"")
}

#[tokio::test]
async fn an_approved_step_leaves_and_a_denied_or_expired_one_is_done_on_the_board() {
    for (decision, expected) in [
        (Decision::Approved { by: "ana".into() }, "from the cloud"),
        (Decision::Denied { by: "ana".into() }, "from the board"),
        (Decision::Expired, "from the board"),
    ] {
        let cloud = FakeWorker::saying("cloud", Place::Remote, &["from the cloud"]);
        let local = FakeWorker::saying("local", Place::Board, &["from the board"]);
        let stage = Stage::new(&asking(), &[&local, &cloud], None);
        *stage.host.decision.lock().unwrap() = Some(decision);
        assert_eq!(
            stage.run(&task("shoal-mini", LOG)).await.unwrap().text,
            expected
        );
        let questions = stage.host.questions.lock().unwrap();
        assert_eq!(questions.len(), 1);
        assert!(questions[0].shown[0].content.contains("[EMAIL_1]"));
    }
}

#[tokio::test]
async fn where_nobody_can_be_asked_the_step_stays_on_the_board() {
    let cloud = FakeWorker::saying("cloud", Place::Remote, &[]);
    let local = FakeWorker::saying("local", Place::Board, &["from the board"]);
    let stage = Stage::new(&asking(), &[&local, &cloud], None);
    assert_eq!(
        stage.run(&task("shoal-mini", LOG)).await.unwrap().text,
        "from the board"
    );
}

#[tokio::test]
async fn a_budget_keeps_the_step_on_the_board() {
    let policy = format!("{POLICY}\n[budget]\nmoney_per_day = 0.0001");
    let cloud = FakeWorker::saying("cloud", Place::Remote, &[]);
    let local = FakeWorker::saying("local", Place::Board, &["from the board"]);
    let stage = Stage::new(&policy, &[&local, &cloud], None);
    assert_eq!(
        stage.run(&task("shoal-mini", LOG)).await.unwrap().text,
        "from the board"
    );
    assert!(notes(&stage).contains("budget.money_per_day"));
}

#[tokio::test]
async fn without_a_trace_nothing_is_done() {
    let cloud = FakeWorker::saying("cloud", Place::Remote, &[]);
    for most in 0..3 {
        let stage = Stage::new(POLICY, &[&cloud], None);
        *stage.host.full_after.lock().unwrap() = Some(most);
        let failure = stage.run(&task("shoal-mini", LOG)).await.unwrap_err();
        assert!(matches!(failure, Failure::Store { .. }), "{failure:?}");
    }
    assert!(cloud.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn after_a_restart_at_any_point_the_task_goes_on_and_no_remote_call_is_silently_made_twice() {
    let lines = ["look at K3", "write to [EMAIL_1]", "ACCEPT"];
    let make = || FakeWorker::saying("cloud", Place::Remote, &lines);
    let task = Task {
        effort: Effort::High,
        ..task("shoal-mini", LOG)
    };
    let whole = Stage::new(POLICY, &[&make()], None);
    let expected = whole.run(&task).await.unwrap().text;
    let history = whole.events();
    for cut in 0..=history.len() {
        let answered = history[..cut]
            .iter()
            .filter(|event| matches!(event, Event::Answered { .. }))
            .count();
        let in_flight = matches!(history[..cut].last(), Some(Event::Called { .. }));
        let cloud = FakeWorker::saying("cloud", Place::Remote, &lines[answered..]);
        let stage = Stage::new(POLICY, &[&cloud], None);
        *stage.host.events.lock().unwrap() = history[..cut].to_vec();
        assert_eq!(
            stage.run(&task).await.unwrap().text,
            expected,
            "cut at {cut}"
        );
        assert_eq!(
            cloud.seen.lock().unwrap().len(),
            lines.len() - answered,
            "cut at {cut}"
        );
        assert_eq!(
            notes(&stage).contains("made again"),
            in_flight,
            "cut at {cut}"
        );
    }
}

#[tokio::test]
async fn a_caller_reads_along_with_placeholders_restored_across_pieces() {
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["Dear [PERSON_1], see [EMAIL_1]!"]);
    let stage = Stage::new(POLICY, &[&cloud], None);
    let (sender, mut pieces) = mpsc::channel(64);
    let task = task("cloud", LOG);
    let run = stage
        .conductor
        .run(&task, &[], Some(sender), CancellationToken::new());
    let answer = run.await.unwrap();
    let mut read = String::new();
    let mut count = 0;
    while let Ok(piece) = pieces.try_recv() {
        read.push_str(&piece);
        count += 1;
    }
    assert_eq!(read, "Dear Ana Ruiz, see ana@plant.example!");
    assert_eq!(read, answer.text);
    assert!(count > 3);
}

#[tokio::test]
async fn a_cancelled_task_ends_and_its_call_is_on_record_as_possibly_made() {
    let cloud = FakeWorker::new("cloud", Place::Remote, vec![Line::Hangs]);
    let stage = Stage::new(POLICY, &[&cloud], None);
    let cancel = CancellationToken::new();
    let task = task("cloud", LOG);
    let run = stage.conductor.run(&task, &[], None, cancel.clone());
    let called = async {
        while cloud.seen.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(run, called);
    assert_eq!(outcome, Err(Failure::Cancelled));
    assert!(matches!(
        stage.events().last(),
        Some(Event::Failed {
            may_have_run: true,
            ..
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_hangs_is_given_up_after_the_step_limit() {
    let cloud = FakeWorker::new("cloud", Place::Remote, vec![Line::Hangs]);
    let local = FakeWorker::saying("local", Place::Board, &["from the board"]);
    let stage = Stage::new(POLICY, &[&local, &cloud], None);
    let task = task("shoal-mini", LOG);
    let limited = tokio::time::timeout(Duration::from_secs(121), stage.run(&task));
    assert_eq!(limited.await.unwrap().unwrap().text, "from the board");
}

#[tokio::test]
async fn a_plan_calls_nobody_and_shows_each_verdict() {
    let cloud = FakeWorker::saying("cloud", Place::Remote, &[]);
    let local = FakeWorker::saying("local", Place::Board, &[]);
    let stage = Stage::new(POLICY, &[&local, &cloud], None);
    let mut plan = stage
        .conductor
        .plan(&task("shoal-mini", LOG))
        .await
        .unwrap();
    plan.took = Millis(0);
    insta::assert_snapshot!(plan, @r#"
    conductor shoal-mini
    label     confidential (declared public)
    found     1 x person (confidential), 1 x email (confidential), 1 x phone (confidential)

    step 1    worker by cloud, reads the task
      why     there is no answer yet; the task seems to need code, reasoning, writing; cloud has the best score of those that may
      gate    cloud: redact, label confidential, public reaches it, by escalation.confidential = "redact"

    planned in 0 ms; nothing left the board
    "#);
    assert!(stage.events().is_empty());
}

#[tokio::test]
async fn an_explanation_names_what_was_found_and_the_rule_for_each_worker() {
    let cloud = FakeWorker::saying("cloud", Place::Remote, &[]);
    let local = FakeWorker::saying("local", Place::Board, &[]);
    let stage = Stage::new(POLICY, &[&local, &cloud], None);
    insta::assert_snapshot!(stage.conductor.explain(LOG, Label::Internal), @r#"
    label     confidential (declared internal)
    found     person       confidential  0..8       Ana Ruiz
              email        confidential  10..27     ana@plant.example
              phone        confidential  29..44     +49 171 1234567
    workers   local        run           workers.local.clearance = "restricted"
              cloud        redact        escalation.confidential = "redact"
    "#);
}
