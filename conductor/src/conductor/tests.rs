use std::time::Duration;

use super::*;
use crate::{
    fake::{FakeWorker, LOG, Line, POLICY, Stage, id, task},
    head::sensitivity::believing,
    task::Effort,
    trace::Decision,
};

fn notes(stage: &Stage) -> String {
    let events = stage.events();
    let notes = events.iter().filter_map(|event| match event {
        Event::Note { text } => Some(text.clone()),
        _ => None,
    });
    notes.collect::<Vec<_>>().join("\n")
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
            notes(&stage).contains("the step is done again"),
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
async fn a_task_is_cancelled_while_it_is_read_for_what_is_sensitive() {
    let local = FakeWorker::new("local", Place::Board, vec![Line::Hangs]);
    let mut stage = Stage::new(POLICY, &[&local], Some(&local));
    let head = Some(Arc::new(believing(0)));
    stage.conductor.reader = Reader::new(head, Some(Arc::clone(&local) as _));
    let cancel = CancellationToken::new();
    let task = task("shoal-mini", LOG);
    let mut run = Box::pin(stage.conductor.run(&task, &[], None, cancel.clone()));
    let early = tokio::time::timeout(Duration::from_millis(20), &mut run).await;
    assert!(early.is_err(), "{early:?}");
    cancel.cancel();
    assert_eq!(run.await, Err(Failure::Cancelled));
    assert!(stage.events().is_empty());
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
      why     there is no answer yet; the task seems to need code, reasoning, writing; cloud has the best score of those that may, 85.0 above local
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
    insta::assert_snapshot!(stage.conductor.explain(LOG, Label::Internal, "cli").await, @r#"
    label     confidential (declared internal)
    found     person       confidential  0..8       Ana Ruiz
              email        confidential  10..27     ana@plant.example
              phone        confidential  29..44     +49 171 1234567
    workers   local        run           workers.local.clearance = "restricted"
              cloud        redact        escalation.confidential = "redact"
    "#);
}

#[tokio::test]
async fn a_placeholder_in_the_middle_of_a_word_gives_the_next_worker_nothing_away_also_after_a_restart()
 {
    let make = || FakeWorker::saying("cloud", Place::Remote, &["It is x[PERSON_1]x."]);
    let (cloud, other) = (
        make(),
        FakeWorker::saying("other", Place::Remote, &["ACCEPT"]),
    );
    let whole = Stage::new(POLICY, &[&cloud, &other], None);
    let answer = whole.run(&task("shoal-mini", LOG)).await.unwrap();
    assert_eq!(answer.text, "It is xAna Ruizx.");
    let history = whole.events();
    let answered = history
        .iter()
        .position(|event| matches!(event, Event::Answered { .. }));
    for cut in answered.unwrap() + 1..history.len() {
        let other = FakeWorker::saying("other", Place::Remote, &["ACCEPT"]);
        let stage = Stage::new(POLICY, &[&cloud, &other], None);
        *stage.host.events.lock().unwrap() = history[..cut].to_vec();
        assert_eq!(
            stage.run(&task("shoal-mini", LOG)).await.unwrap().text,
            answer.text
        );
        let read = other.read();
        assert!(!read.contains("Ana Ruiz"), "cut at {cut}: {read}");
    }
    assert!(other.read().contains("It is x[PERSON_1]x."));
}

#[tokio::test]
async fn a_remote_worker_restores_only_what_it_was_shown() {
    let plan =
        r#"{"steps":[{"role":"worker","worker":"cloud","instruction":"list relays","access":[]}]}"#;
    let backbone = FakeWorker::saying("backbone", Place::Board, &[plan]);
    let cloud = FakeWorker::saying("cloud", Place::Remote, &["K3, ask [PERSON_1]"]);
    let stage = Stage::new(POLICY, &[&cloud], Some(&backbone));
    let answer = stage.run(&task("shoal-ultra", LOG)).await.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.label),
        ("K3, ask [PERSON_1]", Label::Public)
    );
}

#[tokio::test]
async fn what_is_restored_in_an_answer_that_is_json_is_escaped() {
    let policy = POLICY.replace("\"Ana Ruiz\"", "\"Ana \\\"Ace\\\" Ruiz\"");
    let cloud = FakeWorker::saying("cloud", Place::Remote, &[r#"{"who":"[PERSON_1]"}"#]);
    let stage = Stage::new(&policy, &[&cloud], None);
    let task = Task {
        format: crate::prompt::Format::Json,
        ..task("cloud", "Ana \"Ace\" Ruiz saw E42. Who?")
    };
    let (sender, mut pieces) = mpsc::channel(64);
    let run = stage
        .conductor
        .run(&task, &[], Some(sender), CancellationToken::new());
    let answer = run.await.unwrap().text;
    let value: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(value["who"], "Ana \"Ace\" Ruiz");
    let mut read = String::new();
    while let Ok(piece) = pieces.try_recv() {
        read.push_str(&piece);
    }
    assert_eq!(read, answer);
}
