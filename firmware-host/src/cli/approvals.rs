//! `shoal approvals`.

use std::{fmt::Write as _, io::Write};

use clap::{Args, Subcommand};
use serde_json::json;
use shoal_conductor::{id::ApprovalId, trace::Decision};

use super::{store, text};
use crate::{
    config::Places,
    exit::{Exit, Fault},
    store::{ApprovalRecord, DecideOutcome, Moment},
};

/// Lists open questions unless told otherwise.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    action: Option<Action>,
    /// Show the answered ones too
    #[arg(long)]
    all: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Let the text go
    Approve {
        /// The question's id
        id: String,
    },
    /// Keep the text on the board
    Deny {
        /// The question's id
        id: String,
    },
}

/// Does it on the store, which a running server watches.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let store = store(&places.data).await?;
    let (id, yes) = match options.action {
        None => {
            let approvals = store.approvals(!options.all).await?;
            if options.json {
                super::json(out, &json!({"approvals": approvals}))?;
            } else {
                write!(out, "{}", listed(&approvals, Moment::now()))?;
            }
            return Ok(Exit::Done);
        }
        Some(Action::Approve { id }) => (id, true),
        Some(Action::Deny { id }) => (id, false),
    };
    let unknown = || Fault::failed(format!("there is no approval \"{id}\""));
    let approval = ApprovalId::try_new(id.as_str()).map_err(|_| unknown())?;
    match store.decide(&approval, yes, &by()).await? {
        DecideOutcome::Decided => {
            let word = if yes { "approved" } else { "denied" };
            writeln!(out, "{word} {approval}")?;
            Ok(Exit::Done)
        }
        DecideOutcome::AlreadyDecided { decision } => Err(Fault::failed(format!(
            "{approval} has its answer already: {}",
            answer(&decision)
        ))),
        DecideOutcome::Expired => Err(Fault::failed(format!(
            "the time to answer {approval} is up"
        ))),
        DecideOutcome::Unknown => Err(unknown()),
    }
}

/// Who answers, as the trace will have it.
fn by() -> String {
    match std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")) {
        Ok(user) if !user.is_empty() => format!("cli:{user}"),
        _ => "cli".to_owned(),
    }
}

fn answer(decision: &Decision) -> String {
    match decision {
        Decision::Approved { by } => format!("approved by {by}"),
        Decision::Denied { by } => format!("denied by {by}"),
        Decision::Expired => "nobody answered in time".to_owned(),
    }
}

fn listed(approvals: &[ApprovalRecord], now: Moment) -> String {
    if approvals.is_empty() {
        return "nothing waits for an answer\n".to_owned();
    }
    let shown: Vec<String> = approvals.iter().map(|record| one(record, now)).collect();
    shown.join("\n")
}

fn one(record: &ApprovalRecord, now: Moment) -> String {
    let question = &record.question;
    let state = match &record.decision {
        Some(decision) => answer(decision),
        None => match record.expires_at.since(now).as_secs() {
            0 => "nobody answered in time".to_owned(),
            left => format!("open, {left} s left"),
        },
    };
    let mut shown = format!(
        "{}  {state}\n  task      {}, step {}\n  worker    {}, would read {} text\n  rule      {}\n  the text that would leave the board:\n",
        question.id, question.task, question.step, question.worker, question.label, question.rule
    );
    for message in &question.shown {
        let said = format!("{}: {}", message.role.as_str(), message.content);
        shown.push_str(&text::indent(&said, "  | "));
    }
    if record.decision.is_none() && record.expires_at > now {
        // Writing to a string does not fail.
        let _ = writeln!(
            shown,
            "  answer: shoal approvals approve {0}   or   shoal approvals deny {0}",
            question.id
        );
    }
    shown
}

#[cfg(test)]
mod tests {
    use shoal_conductor::{
        desk::Question,
        id::{TaskId, WorkerId},
        label::Label,
        prompt::{Message, Speaker},
    };

    use super::*;

    #[test]
    fn an_approval_shows_exactly_what_would_leave() {
        let record = ApprovalRecord {
            question: Question {
                id: ApprovalId::try_new("a1").unwrap(),
                task: TaskId::try_new("t1").unwrap(),
                step: 2,
                worker: WorkerId::try_new("cloud").unwrap(),
                label: Label::Confidential,
                rule: "escalation.confidential = \"approve\"".into(),
                shown: vec![
                    Message::new(Speaker::System, "Answer the task."),
                    Message::new(Speaker::User, "Why does [PERSON_1] see E42?\nLine 3."),
                ],
                digest: "00".into(),
                expires_after: 60,
            },
            asked_at: Moment(0),
            expires_at: Moment(60_000),
            decision: None,
            decided_at: None,
        };
        let denied = ApprovalRecord {
            decision: Some(Decision::Denied {
                by: "cli:ada".into(),
            }),
            decided_at: Some(Moment(5)),
            ..record.clone()
        };
        insta::assert_snapshot!(listed(&[record, denied], Moment(18_000)));
        assert_eq!(listed(&[], Moment(0)), "nothing waits for an answer\n");
    }
}
