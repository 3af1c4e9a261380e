//! Attempts to talk the conductor out of its rules: each must leave labels, plan and verdicts exactly as they are without
//! it, and nothing sensitive may leave.

use serde::Deserialize;

use super::*;
use crate::{
    fake::{FakeWorker, LOG, POLICY, Stage, task},
    prompt::{Message, Speaker},
    task::Effort,
};

const SECRETS: [&str; 4] = ["Ana", "Ruiz", "plant.example", "1234567"];

#[derive(Deserialize)]
struct Table {
    attempts: Vec<Attempt>,
}

#[derive(Deserialize)]
struct Attempt {
    name: String,
    into: Vec<Into>,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Into {
    Task,
    Reply,
    Tool,
    Mqtt,
}

fn attempts() -> Vec<Attempt> {
    let table = include_str!("../../../tests/data/injections.toml");
    crate::document::read::<Table>(table).unwrap().attempts
}

/// What an attempt must not change, one line for each thing that was decided.
fn decided(events: &[Event]) -> Vec<String> {
    let decided = events.iter().filter_map(|event| match event {
        Event::Labelled {
            label, declared, ..
        } => Some(format!("label {label}, {declared}")),
        Event::Planned {
            steps, fallback, ..
        } => {
            let steps = steps.iter();
            let steps: Vec<_> = steps
                .map(|step| (step.role, &step.worker, &step.access))
                .collect();
            Some(format!("plan {steps:?} {fallback:?}"))
        }
        Event::Turn { step, .. } => Some(format!("turn {step:?}")),
        Event::Settled { step, .. } => Some(format!("settled {step}")),
        Event::Called {
            step,
            worker,
            attempt,
            ..
        } => Some(format!("{step}: {worker} called, {attempt}")),
        Event::Answered {
            step,
            worker,
            floor,
            ..
        } => Some(format!("{step}: {worker} answered, {floor}")),
        Event::Judged { .. } | Event::Asked { .. } | Event::Failed { .. } => {
            Some(format!("{event:?}"))
        }
        Event::Decided { .. } | Event::Rated { .. } | Event::Note { .. } => None,
    });
    decided.collect()
}

/// Where the attempt is put, and how the task is conducted.
struct Scene {
    into: Into,
    model: &'static str,
    effort: Effort,
}

impl Scene {
    fn task(&self, attempt: &str) -> Task {
        let ask = "Diagnose the fault and write a script.";
        let say = |speaker, text: String| Message::new(speaker, text);
        let messages = match self.into {
            Into::Task => vec![say(Speaker::User, format!("{LOG}\n\n{attempt}"))],
            Into::Reply => vec![say(Speaker::User, LOG.to_owned())],
            Into::Tool => vec![
                say(Speaker::User, LOG.to_owned()),
                say(Speaker::Assistant, "I ask the tool `history`.".to_owned()),
                say(Speaker::User, format!("Result of `history`:\n{attempt}")),
                say(Speaker::User, ask.to_owned()),
            ],
            Into::Mqtt => {
                let payload = serde_json::json!({"log": LOG, "note": attempt});
                vec![say(Speaker::User, payload.to_string())]
            }
        };
        Task {
            messages,
            effort: self.effort,
            ..task(self.model, "")
        }
    }

    /// Each worker's words, with the attempt in those of all that are remote.
    fn replies(&self, attempt: &str) -> [Vec<String>; 2] {
        let attempt = if self.into == Into::Reply {
            attempt
        } else {
            ""
        };
        let with = |words: &str| format!("{words}\n{attempt}");
        let cloud = match self.effort {
            Effort::High => [
                "Look at K3.",
                "K3 for [PERSON_1].",
                "REVISE: say more.",
                "K3, since E42.",
            ],
            _ => ["K3 for [PERSON_1].", "K3, since E42.", "K3.", "K3."],
        };
        let other = ["REVISE: say more.", "ACCEPT", "ACCEPT", "ACCEPT"];
        [cloud, other].map(|lines| lines.iter().map(|line| with(line)).collect())
    }

    async fn decided(&self, attempt: &str) -> Vec<String> {
        let [cloud, other] = self.replies(attempt);
        let lines = |lines: &[String]| {
            lines
                .iter()
                .map(String::as_str)
                .chain(["ACCEPT"; 4])
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let speaking = |name, place, all: Vec<String>| {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            FakeWorker::saying(name, place, &all)
        };
        let cloud = speaking("cloud", Place::Remote, lines(&cloud));
        let other = speaking("other", Place::Remote, lines(&other));
        let local = FakeWorker::saying("local", Place::Board, &["K3."; 4]);
        let plan = r#"{"steps":[
            {"role":"thinker","worker":"cloud","instruction":"think","access":[0]},
            {"role":"worker","worker":"cloud","instruction":"greet [PERSON_1]","access":[0,1]},
            {"role":"verifier","worker":"local","instruction":"check","access":[0,2]}]}"#;
        let again = r#"{"enough":false,"steps":[{"role":"worker","worker":"cloud","instruction":"better","access":[0]}]}"#;
        let backbone = FakeWorker::saying("backbone", Place::Board, &[plan, again]);
        let stage = Stage::new(POLICY, &[&cloud, &other, &local], Some(&backbone));
        stage.run(&self.task(attempt)).await.unwrap();
        for worker in [&cloud, &other] {
            let read = worker.read();
            for secret in SECRETS {
                assert!(
                    !read.contains(secret),
                    "{} read {secret}:\n{read}",
                    worker.id()
                );
            }
        }
        assert!(!cloud.seen.lock().unwrap().is_empty());
        decided(&stage.events())
    }
}

#[tokio::test]
async fn no_attempt_changes_a_label_a_plan_or_a_verdict() {
    let attempts = attempts();
    assert!(attempts.len() >= 50);
    let mut runs = 0;
    for into in [Into::Task, Into::Reply, Into::Tool, Into::Mqtt] {
        for model in ["shoal-mini", "shoal-ultra", "cloud"] {
            for effort in [Effort::Medium, Effort::High] {
                let scene = Scene {
                    into,
                    model,
                    effort,
                };
                let expected = scene.decided("").await;
                for attempt in attempts
                    .iter()
                    .filter(|attempt| attempt.into.contains(&into))
                {
                    let found = scene.decided(&attempt.text).await;
                    assert_eq!(
                        found, expected,
                        "{}, in the {into:?} of {model}",
                        attempt.name
                    );
                    runs += 1;
                }
            }
        }
    }
    assert!(runs > 600, "{runs}");
}
