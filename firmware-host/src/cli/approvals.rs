//! `shoal approvals`.

use std::{fmt::Write as _, io::Write};

use clap::{Args, Subcommand};
use serde_json::json;
use shoal_conductor::{id::ApprovalId, prompt::Message, trace::Decision};

use super::{store, text};
use crate::{
    config::Places,
    exit::{Exit, Fault},
    store::{ApprovalRecord, Ballot, DecideOutcome, Moment, Reach, Store},
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
        /// For how long: once, task (whatever this task would have this worker read, up to this label) or rule (the
        /// same for all tasks of this origin)
        #[arg(long = "for", value_name = "REACH", default_value = "once", value_parser = reach)]
        reach: Reach,
    },
    /// Keep the text on the board
    Deny {
        /// The question's id
        id: String,
    },
    /// List the approvals that hold for more than one question
    Standing,
    /// End one of those
    Revoke {
        /// Its number in the list
        number: i64,
    },
}

fn reach(word: &str) -> Result<Reach, String> {
    Reach::of(word).ok_or_else(|| format!("\"{word}\" is not once, task or rule"))
}

/// Does it on the store, which a running server watches.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let store = store(places).await?;
    let (id, ballot) = match options.action {
        None => {
            let approvals = store.approvals(!options.all).await?;
            if options.json {
                super::json(out, &json!({"approvals": approvals}))?;
            } else {
                write!(out, "{}", listed(&approvals, Moment::now()))?;
            }
            return Ok(Exit::Done);
        }
        Some(Action::Standing) => return standing(&store, options.json, out).await,
        Some(Action::Revoke { number }) => {
            if !store.revoke_standing(number, &super::by()).await? {
                return Err(Fault::failed(format!(
                    "there is no standing approval {number} in force; `shoal approvals standing` lists them"
                )));
            }
            writeln!(out, "ended standing approval {number}")?;
            return Ok(Exit::Done);
        }
        Some(Action::Approve { id, reach }) => {
            let ballot = Ballot::new(true, super::by());
            (id, Ballot { reach, ..ballot })
        }
        Some(Action::Deny { id }) => (id, Ballot::new(false, super::by())),
    };
    let yes = ballot.yes;
    let unknown = || Fault::failed(format!("there is no approval \"{id}\""));
    let approval = ApprovalId::try_new(id.as_str()).map_err(|_| unknown())?;
    match store.vote(&approval, ballot).await? {
        DecideOutcome::Decided => {
            let word = if yes { "approved" } else { "denied" };
            writeln!(out, "{word} {approval}")?;
            Ok(Exit::Done)
        }
        DecideOutcome::Counted { have, need } => {
            writeln!(
                out,
                "counted for {approval}: {have} of {need} people have approved; the others must do so too, by key or signed message"
            )?;
            Ok(Exit::Done)
        }
        DecideOutcome::Again => Err(Fault::failed(format!(
            "the command line has approved {approval} already, and counts as one person; another must approve by key or signed message"
        ))),
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

async fn standing(store: &Store, as_json: bool, out: &mut dyn Write) -> Result<Exit, Fault> {
    let all = store.standing_approvals().await?;
    if as_json {
        super::json(out, &json!({"standing": all}))?;
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        writeln!(out, "no approval holds for more than one question")?;
        return Ok(Exit::Done);
    }
    let head = ["NUMBER", "FOR", "WORKER", "UP TO", "BY", "SINCE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|one| {
        vec![
            one.number.to_string(),
            match &one.task {
                Some(task) => format!("task {task}"),
                None => format!("tasks of {}", one.source),
            },
            one.worker.clone(),
            one.label.to_string(),
            one.by.clone(),
            text::moment(one.at.0),
        ]
    }));
    write!(out, "{}", text::table(&rows))?;
    Ok(Exit::Done)
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
        let said = format!("{}: {}", message.role.as_str(), visible(&message.content));
        shown.push_str(&text::indent(&said, "  | "));
    }
    let marks = placeholders(&question.shown);
    if !marks.is_empty() {
        let said = format!(
            "replaced  {}; what is behind that stays on the board",
            marks.join(" ")
        );
        shown.push_str(&text::indent(&said, "  "));
    }
    if question.people > 1 {
        // Writing to a string does not fail.
        let _ = writeln!(shown, "  people    {}", people(record));
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

/// How many must approve, who has, and how many are missing.
fn people(record: &ApprovalRecord) -> String {
    let mut said = format!("{} must approve", record.question.people);
    let votes = record.approved.iter();
    let votes: Vec<String> = votes
        .map(|vote| format!("{} at {}", vote.by, text::moment(vote.at.0)))
        .collect();
    if !votes.is_empty() {
        // Writing to a string does not fail.
        let _ = write!(said, "; yes by {}", votes.join(", "));
    }
    if record.missing > 0 {
        let _ = write!(said, "; {} missing", record.missing);
    }
    said
}

/// What a terminal would act on, or not show, is written out: nothing in a text hides another part of it.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = matches!(
            u32::from(c),
            0xad | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe0000..=0xe007f
        );
        if (c.is_control() && c != '\n' && c != '\t') || hidden {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The placeholders in what would leave, each once.
fn placeholders(shown: &[Message]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for message in shown {
        for part in message.content.split('[').skip(1) {
            let Some((inside, _)) = part.split_once(']') else {
                continue;
            };
            let numbered = inside.rsplit_once('_').is_some_and(|(kind, number)| {
                let kind_fits = kind
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
                kind_fits
                    && !kind.is_empty()
                    && !number.is_empty()
                    && number.bytes().all(|b| b.is_ascii_digit())
            });
            let mark = format!("[{inside}]");
            if numbered && !found.contains(&mark) {
                found.push(mark);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use shoal_conductor::{
        desk::Question,
        id::{TaskId, WorkerId},
        label::Label,
        prompt::Speaker,
    };

    use super::*;
    use crate::store::Vote;

    #[test]
    fn nothing_in_a_text_hides_another_part_of_it() {
        assert_eq!(
            visible("a\u{1b}[2Kb\u{202e}c\u{200b}\r\nd\té"),
            "a\\u{1b}[2Kb\\u{202e}c\\u{200b}\\u{d}\nd\té"
        );
    }

    #[test]
    fn an_approval_shows_exactly_what_would_leave() {
        let record = ApprovalRecord {
            question: Question {
                id: ApprovalId::try_new("a1").unwrap(),
                task: TaskId::try_new("t1").unwrap(),
                step: 2,
                worker: WorkerId::try_new("cloud").unwrap(),
                label: Label::Confidential,
                read: Label::Confidential,
                by_message: false,
                rule: "escalation.confidential = \"approve\"".into(),
                shown: vec![
                    Message::new(Speaker::System, "Answer the task."),
                    Message::new(Speaker::User, "Why does [PERSON_1] see E42?\nLine 3."),
                ],
                digest: "00".into(),
                expires_after: 60,
                people: 1,
            },
            asked_at: Moment(0),
            expires_at: Moment(60_000),
            approved: Vec::new(),
            missing: 1,
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
        insta::assert_snapshot!(listed(&[record.clone(), denied], Moment(18_000)));
        let half = ApprovalRecord {
            question: Question {
                people: 2,
                ..record.question
            },
            approved: vec![Vote {
                by: "api:ada".into(),
                at: Moment(17_000),
            }],
            ..record
        };
        insta::assert_snapshot!(people(&half), @"2 must approve; yes by api:ada at 1970-01-01 00:00:17 UTC; 1 missing");
        assert_eq!(listed(&[], Moment(0)), "nothing waits for an answer\n");
    }
}
