//! `shoal policy try-rules`: what rules would make of messages that were recorded.

use std::{
    fs::File,
    io::{Read as _, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shoal_conductor::{label::Label, policy::Policy, task::Target};

use crate::{
    exit::{Exit, Fault},
    rule::{Outcome, Rules},
    store::Moment,
};

/// The longest file, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// A line of the file; `mosquitto_sub -F %j` writes such.
#[derive(Deserialize)]
struct Line {
    topic: String,
    /// As it came; what is no text is taken as the JSON that it is.
    payload: Value,
    /// Milliseconds since 1970.
    at: Option<u64>,
    /// As `mosquitto_sub` writes it.
    tst: Option<String>,
}

/// What becomes of a message.
#[derive(Debug, Serialize)]
pub struct Tried {
    line: usize,
    topic: String,
    rules: Vec<Said>,
}

#[derive(Debug, Serialize)]
struct Said {
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<Made>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing: Option<String>,
}

#[derive(Debug, Serialize)]
struct Made {
    id: String,
    label: Label,
    model: Target,
    prompt: String,
}

/// Tries the rules of a policy on a file, as if its messages came one after the other at their times.
pub fn run(
    policy: &Policy,
    file: &Path,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Exit, Fault> {
    let tried = tried(policy, &read(file)?, file)?;
    if as_json {
        super::super::json(out, &tried)?;
    } else {
        show(&tried, out)?;
    }
    Ok(Exit::Done)
}

fn read(file: &Path) -> Result<String, Fault> {
    let fault = |reason: String| Fault::usage(format!("cannot read {}: {reason}", file.display()));
    let mut text = String::new();
    let opened = File::open(file).map_err(|error| fault(error.to_string()))?;
    let read = opened.take(MAX_FILE + 1).read_to_string(&mut text);
    read.map_err(|error| fault(error.to_string()))?;
    if text.len() as u64 > MAX_FILE {
        return Err(fault(format!("it has more than {MAX_FILE} bytes")));
    }
    Ok(text)
}

fn tried(policy: &Policy, text: &str, file: &Path) -> Result<Vec<Tried>, Fault> {
    let mut rules = Rules::default();
    let mut now = Moment::now();
    let mut all = Vec::new();
    for (number, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_str(text).map_err(|error| {
            Fault::usage(format!(
                "{}: line {number}: {error}; a line is an object with topic, payload and at, in milliseconds",
                file.display()
            ))
        })?;
        let said = line.tst.as_deref().and_then(moment);
        now = line.at.map(Moment).or(said).unwrap_or(now);
        let payload = match line.payload {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let outcomes = rules.judge(policy, &line.topic, payload.as_bytes(), now);
        let outcomes = outcomes.into_iter().map(|(rule, outcome)| {
            let (task, nothing) = match outcome {
                Outcome::Task(task) => {
                    rules.made(&task);
                    let prompt = task.messages.first().map(|message| message.content.clone());
                    let made = Made {
                        id: task.id.to_string(),
                        label: task.label,
                        model: task.target.clone(),
                        prompt: prompt.unwrap_or_default(),
                    };
                    (Some(made), None)
                }
                Outcome::Nothing(reason) => (None, Some(reason.to_string())),
            };
            Said {
                rule: rule.to_owned(),
                task,
                nothing,
            }
        });
        let said = outcomes.collect();
        all.push(Tried {
            line: number,
            topic: line.topic,
            rules: said,
        });
    }
    Ok(all)
}

fn show(all: &[Tried], out: &mut dyn Write) -> std::io::Result<()> {
    let mut tasks = 0;
    for tried in all {
        writeln!(out, "line {}: {}", tried.line, tried.topic)?;
        if tried.rules.is_empty() {
            writeln!(out, "  no rule is about this topic")?;
        }
        for said in &tried.rules {
            if let Some(reason) = &said.nothing {
                writeln!(out, "  {:<12} nothing: {reason}", said.rule)?;
            }
            if let Some(made) = &said.task {
                tasks += 1;
                writeln!(
                    out,
                    "  {:<12} a task for {}, {}: {}",
                    said.rule, made.model, made.label, made.id
                )?;
                for line in made.prompt.lines() {
                    writeln!(out, "               | {line}")?;
                }
            }
        }
    }
    writeln!(
        out,
        "{} messages would make {tasks} tasks; none was made",
        all.len()
    )
}

/// Reads `2026-11-25T19:03:51.123456Z` and the like, in UTC.
fn moment(text: &str) -> Option<Moment> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    let millis = number(20..23).unwrap_or(0);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let years: u64 = (1970..year).map(|year| 365 + u64::from(leap(year))).sum();
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
    ];
    let months: u64 = lengths.iter().take(usize::try_from(month - 1).ok()?).sum();
    Some(Moment(
        ((years + months + day - 1) * 86_400 + seconds) * 1000 + millis,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
[[rule]]
name = "alarm"
topic = "plant/+/alarm"
when = ["level >= 3"]
prompt = "Press {topic.2} reports {code}.\nWhat now?"
label = "internal"
every_minutes = 5

[[source]]
field = "operator"
label = "confidential"

[[rule]]
name = "who"
topic = "plant/press-8/#"
prompt = "{operator} asks about {topic.2}"
model = "local"
"#;

    const MESSAGES: &str = r#"{"topic":"plant/press-7/alarm","payload":"{\"level\":4,\"code\":\"E42\"}","at":1790000000000}
{"topic":"plant/press-7/alarm","payload":{"level":4,"code":"E43"},"at":1790000060000}
{"tst":"2026-09-21T14:18:20.500000Z+0000","topic":"plant/press-7/alarm","qos":1,"payload":"{\"level\":5,\"code\":\"E44\"}"}

{"topic":"plant/press-7/alarm","payload":"hot"}
{"topic":"plant/press-8/alarm","payload":{"level":1,"operator":"Ana"}}
{"topic":"office/door","payload":"open"}
"#;

    #[test]
    fn recorded_messages_show_what_would_be_made_and_why_not() {
        let policy = Policy::parse(POLICY, Path::new(".")).unwrap();
        let mut text = Vec::new();
        let file = Path::new("messages.jsonl");
        show(&tried(&policy, MESSAGES, file).unwrap(), &mut text).unwrap();
        insta::assert_snapshot!(String::from_utf8(text).unwrap());
        let fault = tried(&policy, "{}\n{\"topic\":1}", file).unwrap_err();
        insta::assert_snapshot!(fault.to_string(), @"messages.jsonl: line 1: missing field `topic` at line 1 column 2; a line is an object with topic, payload and at, in milliseconds");
    }

    #[test]
    fn times_of_mosquitto_sub_are_read() {
        assert_eq!(
            moment("1970-01-02T00:00:01.250000Z+0000"),
            Some(Moment(86_401_250))
        );
        assert_eq!(
            moment("2024-03-01T00:00:00Z"),
            Some(Moment(1_709_251_200_000))
        );
        assert_eq!(moment("yesterday"), None);
    }
}
