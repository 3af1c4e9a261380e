use shoal_conductor::{
    id::{ApprovalId, WorkerId},
    label::Label,
    limits::TaskLimits,
    prompt::{Message, Speaker},
    task::{Answer, Effort, State},
    trace::{Decision, Found, PlannedStep, Scored},
    unit::{MicroDollars, Millis, Tokens},
    verdict::Verdict,
    worker::{Finish, Place},
    workflow::Role,
};

use super::*;
use crate::api::view::{EntryView, Links};

fn worker(name: &str) -> WorkerId {
    WorkerId::try_new(name).unwrap()
}

fn usage(input: u64, output: u64) -> Usage {
    Usage {
        input: Tokens(input),
        cached: Tokens(0),
        output: Tokens(output),
    }
}

fn view(events: Vec<Event>) -> TraceView {
    let entries = (1..)
        .zip(events)
        .map(|(seq, event)| EntryView {
            seq,
            at: 1_700_000_000_000 + seq * 7,
            event,
        })
        .collect();
    TraceView {
        task: TaskView {
            id: TaskId::try_new("shift-7").unwrap(),
            state: State::Done,
            model: "shoal-mini".into(),
            label: Label::Public,
            effort: Effort::Medium,
            from: "api:line-3".into(),
            workers: None,
            limits: TaskLimits::default(),
            accepted_at: 1_700_000_000_000,
            finished_at: Some(1_700_000_002_345),
            answer: Some(Answer {
                text: "Replace the sensor that Ada Example reported.".into(),
                label: Label::Confidential,
                finish: Finish::Stop,
                usage: usage(120, 40),
                orchestration: usage(300, 20),
                cost: MicroDollars(4_500),
                took: Millis(2_345),
            }),
            error: None,
            links: Links {
                task: String::new(),
                events: String::new(),
                trace: String::new(),
            },
        },
        entries,
    }
}

fn a_whole_trace() -> Vec<Event> {
    let step = PlannedStep {
        step: 1,
        role: Role::Worker,
        worker: worker("cloud"),
        instruction: "Answer the task.".into(),
        access: vec![0],
    };
    vec![
        Event::Labelled {
            label: Label::Confidential,
            declared: Label::Public,
            found: vec![Found {
                kind: "person".into(),
                label: Label::Confidential,
                count: 1,
            }],
        },
        Event::Turn {
            turn: 1,
            step: step.clone(),
            reason: "the task asks for code, which cloud is good at, and it is stronger than the local model by far".into(),
            candidates: vec![Scored {
                worker: worker("cloud"),
                verdict: Verdict::Ask,
                rule: "escalation.confidential = \"approve\"".into(),
                score: 0.9,
                why: "strength 90".into(),
            }],
        },
        Event::Judged {
            step: 1,
            worker: worker("cloud"),
            label: Label::Confidential,
            reaches: Label::Public,
            verdict: Verdict::Ask,
            rule: "escalation.confidential = \"approve\"".into(),
        },
        Event::Asked {
            step: 1,
            approval: ApprovalId::try_new("a1").unwrap(),
            worker: worker("cloud"),
        },
        Event::Decided {
            step: 1,
            approval: ApprovalId::try_new("a1").unwrap(),
            decision: Decision::Approved { by: "cli:ada".into() },
        },
        Event::Called {
            step: 1,
            worker: worker("cloud"),
            place: Place::Remote,
            attempt: 1,
            left: Some(vec![
                Message::new(Speaker::System, "Answer the task."),
                Message::new(Speaker::User, "[PERSON_1] reports E42.\nWhat now?"),
            ]),
        },
        Event::Failed {
            step: 1,
            worker: worker("cloud"),
            error: "cloud broke off: connection reset".into(),
            may_have_run: true,
        },
        Event::Answered {
            step: 1,
            worker: worker("local"),
            text: "Replace the sensor that Ada Example reported.".into(),
            label: Label::Confidential,
            floor: Label::Public,
            put_back: vec![],
            finish: Finish::Length,
            usage: usage(120, 40),
            cost: MicroDollars(4_500),
            took: Millis(1_200),
        },
        Event::Planned {
            by: "shoal-ultra".parse().unwrap(),
            round: 2,
            steps: vec![step],
            reason: "a revision".into(),
            fallback: Some("the plan was invalid twice".into()),
            usage: usage(5, 6),
            took: Millis(7),
        },
        Event::Settled {
            step: 1,
            reason: "local accepts the answer".into(),
        },
        Event::Note {
            text: "resumed after a restart".into(),
        },
    ]
}

#[test]
fn a_trace_tells_everything_within_the_width() {
    let shown = render(&view(a_whole_trace()));
    for line in shown.lines() {
        assert!(line.chars().count() <= text::WIDTH, "{line}");
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_trace_in_which_nothing_left_says_so() {
    let shown = render(&view(Vec::new()));
    assert!(shown.contains("nothing left the board"), "{shown}");
}

#[test]
fn tasks_are_listed_in_columns() {
    insta::assert_snapshot!(listed(&[view(Vec::new()).task]));
    assert_eq!(listed(&[]), "there are no tasks yet\n");
}
