//! One event of a trace as text.

use shoal_conductor::{
    prompt::Message,
    trace::{Decision, Event, PlannedStep, Scored},
    worker::{Finish, Place},
};

use super::tokens;
use crate::cli::text;

/// The margin of an event's further lines.
const MARGIN: &str = "                      ";

/// The event, `after` so many milliseconds: a line, and further ones below it.
pub fn render(after: u64, event: &Event) -> String {
    let (name, said) = said(event);
    let mut lines = said.lines();
    let first = lines.next().unwrap_or_default();
    let rest: Vec<&str> = lines.collect();
    let head = format!("{after:>7} ms  {name:<10}  ");
    let mut shown = String::new();
    for (index, line) in text::wrap(first, text::WIDTH - MARGIN.len() - 2)
        .iter()
        .enumerate()
    {
        let margin = if index == 0 { head.as_str() } else { MARGIN };
        shown.push_str(&format!("{margin}{line}"));
        shown.push('\n');
    }
    for line in rest {
        shown.push_str(&text::indent(line, MARGIN));
    }
    shown.push_str(&quoted(event));
    shown
}

fn said(event: &Event) -> (&'static str, String) {
    match event {
        Event::Labelled {
            label,
            declared,
            found,
        } => {
            let found: Vec<String> = found
                .iter()
                .map(|found| format!("{} x {} ({})", found.count, found.kind, found.label))
                .collect();
            let found = if found.is_empty() {
                "nothing sensitive".to_owned()
            } else {
                found.join(", ")
            };
            (
                "labelled",
                format!("{label}; declared {declared}; found {found}"),
            )
        }
        Event::Planned {
            by,
            round,
            steps,
            reason,
            fallback,
            usage,
            took,
        } => {
            let mut said = format!(
                "round {round} by {by}, {} steps, {} tokens, {took}\nwhy: {reason}",
                steps.len(),
                tokens(*usage)
            );
            if let Some(fallback) = fallback {
                said.push_str(&format!("\nnot its own plan: {fallback}"));
            }
            for planned in steps {
                said.push_str(&format!("\n{}", step(planned)));
            }
            ("planned", said)
        }
        Event::Turn {
            turn,
            step: planned,
            reason,
            candidates,
        } => {
            let mut said = format!("{turn}: {}\nwhy: {reason}", step(planned));
            for candidate in candidates {
                said.push_str(&format!("\n- {}", scored(candidate)));
            }
            ("turn", said)
        }
        Event::Settled { step, reason } => (
            "settled",
            format!("the answer is that of step {step}: {reason}"),
        ),
        Event::Judged {
            step,
            worker,
            label,
            reaches,
            verdict,
            rule,
        } => (
            "judged",
            format!(
                "step {step} for {worker}: {verdict}; label {label}, {reaches} reaches it\nrule: {rule}"
            ),
        ),
        Event::Asked {
            step,
            approval,
            worker,
        } => (
            "asked",
            format!("a person, whether step {step} may go to {worker}: approval {approval}"),
        ),
        Event::Decided {
            step,
            approval,
            decision,
        } => (
            "decided",
            format!("step {step}, approval {approval}: {}", decided(decision)),
        ),
        Event::Called {
            step,
            worker,
            place,
            attempt,
            ..
        } => {
            let place = match place {
                Place::Board => "on the board",
                Place::Remote => "remote",
            };
            let again = if *attempt > 1 {
                format!(", attempt {attempt}")
            } else {
                String::new()
            };
            ("called", format!("step {step}: {worker}, {place}{again}"))
        }
        Event::Answered {
            step,
            worker,
            label,
            finish,
            usage,
            cost,
            took,
            ..
        } => {
            let finish = match finish {
                Finish::Stop => "",
                Finish::Length => ", cut off at its length",
            };
            (
                "answered",
                format!(
                    "step {step}: {worker}, {} tokens, {took}, {cost}; label {label}{finish}",
                    tokens(*usage)
                ),
            )
        }
        Event::Failed {
            step,
            worker,
            error,
            may_have_run,
        } => {
            let billed = if *may_have_run {
                "\nthe work may have been done, and billed, all the same"
            } else {
                ""
            };
            ("failed", format!("step {step}: {worker}: {error}{billed}"))
        }
        Event::Rated { by, score } => ("rated", format!("{score} of 1 by {by}")),
        Event::Note { text } => ("note", text.clone()),
    }
}

/// The exact text that left, and what came back.
fn quoted(event: &Event) -> String {
    match event {
        Event::Called {
            left: Some(messages),
            ..
        } => left(messages),
        Event::Answered { text, .. } => {
            text::indent("it said:", MARGIN) + &text::indent(text, &format!("{MARGIN}  "))
        }
        _ => String::new(),
    }
}

fn left(messages: &[Message]) -> String {
    let mut shown = text::indent("this text left the board:", MARGIN);
    for message in messages {
        let said = format!("{}: {}", message.role.as_str(), message.content);
        shown.push_str(&text::indent(&said, &format!("{MARGIN}| ")));
    }
    shown
}

fn step(step: &PlannedStep) -> String {
    let reads: Vec<String> = step
        .access
        .iter()
        .map(|source| match source {
            0 => "the task".to_owned(),
            number => format!("step {number}"),
        })
        .collect();
    let reads = if reads.is_empty() {
        "nothing".to_owned()
    } else {
        reads.join(" and ")
    };
    let told = if step.instruction.is_empty() {
        String::new()
    } else {
        format!("\ntold: {}", step.instruction)
    };
    format!(
        "step {}, {} by {}, reads {reads}{told}",
        step.step, step.role, step.worker
    )
}

fn scored(candidate: &Scored) -> String {
    format!(
        "{} {:.2}: {}, by {}; {}",
        candidate.worker, candidate.score, candidate.verdict, candidate.rule, candidate.why
    )
}

fn decided(decision: &Decision) -> String {
    match decision {
        Decision::Approved { by } => format!("approved by {by}"),
        Decision::Denied { by } => format!("denied by {by}"),
        Decision::Expired => "nobody answered in time".to_owned(),
    }
}
