//! Reading a message as a task.

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shoal_conductor::{
    id::{TaskId, WorkerId},
    label::{Label, UnknownLabel},
    prompt::{Format, Message, Sampling, Speaker},
    task::{Effort, Target, Task},
};

use super::broker::Delivery;

/// The longest message that is taken as a task, in bytes.
pub(super) const MAX_PAYLOAD: usize = 1024 * 1024;
/// The most messages of one conversation.
const MAX_MESSAGES: usize = 256;
/// The most tokens that may be asked for.
const MAX_TOKENS: u32 = 65_536;
/// The longest stop texts, and the most of them.
const MAX_STOPS: usize = 8;

/// Why a message is no task.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum BadRequest {
    #[error("a task has at most {MAX_PAYLOAD} bytes, this one has {0}")]
    TooLarge(usize),
    #[error("a task is UTF-8: plain text, or a JSON object")]
    NotText,
    #[error("the JSON object is no task: {what} at line {line}, column {column}")]
    NotJson {
        what: String,
        line: usize,
        column: usize,
    },
    #[error("a task has either \"prompt\" or \"messages\", and it must not be empty")]
    NothingAsked,
    #[error("\"{field}\": {reason}")]
    Field { field: &'static str, reason: String },
}

impl BadRequest {
    /// What is wrong and where, with nothing that the sender wrote: for the log.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::TooLarge(_) => "too large".to_owned(),
            Self::NotText => "not UTF-8".to_owned(),
            Self::NotJson { line, column, .. } => {
                format!("no task at line {line}, column {column}")
            }
            Self::NothingAsked => "nothing asked".to_owned(),
            Self::Field { field, .. } => format!("bad \"{field}\""),
        }
    }

    fn not_json(error: &serde_json::Error) -> Self {
        Self::NotJson {
            what: without_value(error),
            line: error.line(),
            column: error.column(),
        }
    }
}

/// What serde says, less the value that it found: a sender's text may be in it, and others read the answer too.
fn without_value(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(&*text, |(said, _)| said);
    if !error.is_data() {
        return text.to_owned();
    }
    if text.starts_with("missing field") || text.starts_with("duplicate field") {
        return text.to_owned();
    }
    let kinds = [
        "unknown field",
        "unknown variant",
        "invalid type",
        "invalid value",
        "invalid length",
    ];
    let kind = kinds.into_iter().find(|kind| text.starts_with(kind));
    let mut said = kind.unwrap_or("a wrong value").to_owned();
    if let Some(name) = misspelt(text) {
        said.push_str(&format!(" `{name}`"));
    }
    if let Some((_, expected)) = text.rsplit_once(", expected ") {
        said.push_str(&format!(", expected {expected}"));
    }
    said
}

/// The name of an unknown field, where it looks like a name.
fn misspelt(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix("unknown field `")?.split_once('`')?;
    let named = name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    (named && name.len() <= 32).then_some(name)
}

/// The JSON form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    id: Option<String>,
    model: Option<String>,
    prompt: Option<String>,
    messages: Option<Vec<Message>>,
    label: Option<String>,
    reasoning_effort: Option<Effort>,
    max_tokens: Option<u32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    seed: Option<u32>,
    stop: Option<Vec<String>>,
    json_schema: Option<Value>,
    workers: Option<Vec<WorkerId>>,
}

/// What the message gives to every task from this link.
pub(super) struct Frame<'a> {
    /// The label that policy gives to MQTT.
    pub(super) floor: Label,
    /// The topic that it came by.
    pub(super) topic: &'a str,
    /// The id that a message without one gets.
    pub(super) fallback: TaskId,
}

/// The id that a message names, even where the rest is wrong.
pub(super) fn id_of(payload: &[u8]) -> Option<TaskId> {
    #[derive(Deserialize)]
    struct Head {
        id: Option<String>,
    }
    if payload.len() > MAX_PAYLOAD {
        return None;
    }
    let head: Head = serde_json::from_slice(payload).ok()?;
    TaskId::try_new(head.id?).ok()
}

/// SHA-256 of all by which a redelivery is the same as the first delivery.
pub(super) fn fingerprint(delivery: &Delivery) -> Vec<u8> {
    let mut hash = Sha256::new();
    let parts = [
        &delivery.packet.to_be_bytes()[..],
        delivery.response_topic.as_deref().unwrap_or("").as_bytes(),
        delivery.correlation.as_deref().unwrap_or(&[]),
        &delivery.payload,
    ];
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

/// Reads a message.
pub(super) fn read(payload: &[u8], frame: Frame<'_>) -> Result<Task, BadRequest> {
    if payload.len() > MAX_PAYLOAD {
        return Err(BadRequest::TooLarge(payload.len()));
    }
    let text = std::str::from_utf8(payload).map_err(|_| BadRequest::NotText)?;
    let request = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|e| BadRequest::not_json(&e))?
    } else {
        Request::plain(text)
    };
    request.task(frame)
}

fn field<E: ToString>(field: &'static str) -> impl FnOnce(E) -> BadRequest {
    move |error| BadRequest::Field {
        field,
        reason: error.to_string(),
    }
}

impl Request {
    fn plain(text: &str) -> Self {
        Self {
            id: None,
            model: None,
            prompt: Some(text.to_owned()),
            messages: None,
            label: None,
            reasoning_effort: None,
            max_tokens: None,
            temperature: None,
            top_p: None,
            seed: None,
            stop: None,
            json_schema: None,
            workers: None,
        }
    }

    fn task(mut self, frame: Frame<'_>) -> Result<Task, BadRequest> {
        let id = match self.id.take() {
            Some(id) => TaskId::try_new(id).map_err(field("id"))?,
            None => frame.fallback,
        };
        let target = match self.model.as_deref() {
            Some(name) => name.parse().map_err(field("model"))?,
            None => Target::Mini,
        };
        let label: Label = match self.label.as_deref() {
            Some(word) => word.parse().map_err(|_: UnknownLabel| {
                field("label")("use public, internal, confidential or restricted")
            })?,
            None => Label::default(),
        };
        Ok(Task {
            id,
            target,
            messages: messages(self.prompt.take(), self.messages.take())?,
            sampling: self.sampling()?,
            format: self
                .json_schema
                .take()
                .map_or(Format::Text, Format::JsonSchema),
            effort: self.reasoning_effort.unwrap_or_default(),
            label: label.join(frame.floor),
            from: format!("mqtt:{}", frame.topic),
            workers: self.workers.take(),
        })
    }

    fn sampling(&mut self) -> Result<Sampling, BadRequest> {
        let default = Sampling::default();
        let sampling = Sampling {
            max_tokens: self.max_tokens.unwrap_or(default.max_tokens),
            temperature: self.temperature.unwrap_or(default.temperature),
            top_p: self.top_p.unwrap_or(default.top_p),
            seed: self.seed,
            stop: self.stop.take().unwrap_or_default(),
        };
        if !(1..=MAX_TOKENS).contains(&sampling.max_tokens) {
            return Err(field("max_tokens")(format!(
                "is not from 1 to {MAX_TOKENS}"
            )));
        }
        if !(0.0..=2.0).contains(&sampling.temperature) {
            return Err(field("temperature")("is not from 0 to 2"));
        }
        if !(sampling.top_p > 0.0 && sampling.top_p <= 1.0) {
            return Err(field("top_p")("is not above 0 and at most 1"));
        }
        if sampling.stop.len() > MAX_STOPS || sampling.stop.iter().any(String::is_empty) {
            return Err(field("stop")(format!(
                "takes at most {MAX_STOPS} texts, none empty"
            )));
        }
        Ok(sampling)
    }
}

fn messages(
    prompt: Option<String>,
    messages: Option<Vec<Message>>,
) -> Result<Vec<Message>, BadRequest> {
    let all = match (prompt, messages) {
        (Some(prompt), None) => vec![Message::new(Speaker::User, prompt)],
        (None, Some(messages)) => messages,
        _ => return Err(BadRequest::NothingAsked),
    };
    if all.len() > MAX_MESSAGES {
        return Err(field("messages")(format!("are more than {MAX_MESSAGES}")));
    }
    if all.last().is_none_or(|last| last.content.trim().is_empty()) {
        return Err(BadRequest::NothingAsked);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame<'static> {
        Frame {
            floor: Label::Internal,
            topic: "shoal/v1/a/b/tasks",
            fallback: TaskId::try_new("fresh").unwrap(),
        }
    }

    fn read_text(text: &str) -> Result<Task, BadRequest> {
        read(text.as_bytes(), frame())
    }

    #[test]
    fn plain_text_and_json_are_tasks_with_the_label_of_the_way_in() {
        let plain = read_text("why does press 3 stop?").unwrap();
        assert_eq!(plain.messages[0].content, "why does press 3 stop?");
        assert_eq!((plain.id.as_str(), plain.label), ("fresh", Label::Internal));
        let json = read_text(r#"{"id":"t1","prompt":"x","label":"public","model":"shoal-ultra"}"#);
        let json = json.unwrap();
        assert_eq!((json.id.as_str(), json.label), ("t1", Label::Internal));
        assert_eq!(json.target, Target::Ultra);
        let high = read_text(r#"{"prompt":"x","label":"restricted"}"#).unwrap();
        assert_eq!(high.label, Label::Restricted);
    }

    #[test]
    fn each_fault_is_named() {
        for (text, part) in [
            ("{\"prompt\":", "no task"),
            (
                "{\"prompt\":\"x\",\"promt\":\"y\"}",
                "unknown field `promt`",
            ),
            (
                "{\"prompt\":\"x\",\"label\":\"secret\"}",
                "\"label\": use public",
            ),
            ("{\"prompt\":\"x\",\"id\":\"a/b\"}", "\"id\""),
            ("{\"prompt\":\"x\",\"max_tokens\":0}", "\"max_tokens\""),
            ("{\"prompt\":\"x\",\"temperature\":9}", "\"temperature\""),
            ("{\"prompt\":\"x\",\"messages\":[]}", "either"),
            ("{}", "either"),
            (" \n", "either"),
        ] {
            let error = read_text(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(read(&[0xff, 0xfe], frame()), Err(BadRequest::NotText));
        let large = "x".repeat(MAX_PAYLOAD + 1);
        assert_eq!(
            read_text(&large),
            Err(BadRequest::TooLarge(MAX_PAYLOAD + 1))
        );
    }

    #[test]
    fn no_value_of_the_sender_is_in_an_error() {
        for text in [
            r#"{"messages":"my password is hunter22"}"#,
            r#"{"messages":"hunter22, expected x at line 9 column 9"}"#,
            r#"{"prompt":"x","reasoning_effort":"hunter22"}"#,
            r#"{"prompt":"x","my password is hunter22":1}"#,
            r#"{"prompt":"x","max_tokens":"hunter22"}"#,
            r#"{"prompt":"x","label":"hunter22"}"#,
            r#"{"prompt":"x","model":"hunter22/"}"#,
            r#"{"prompt":"x","messages":"#,
        ] {
            let error = read_text(text).unwrap_err();
            for said in [error.to_string(), error.kind()] {
                assert!(!said.contains("hunter22"), "{text}: {said}");
            }
        }
        let error = read_text(r#"{"messages":"my password is hunter22"}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the JSON object is no task: invalid type, expected a sequence at line 1, column 37"
        );
        assert_eq!(error.kind(), "no task at line 1, column 37");
    }

    #[test]
    fn what_a_small_device_sends_is_a_task() {
        let sent = shoal_wire::TaskRequest {
            id: Some(shoal_wire::Name::try_new("t9").unwrap()),
            model: None,
            prompt: "vibration 7.1 mm/s: stop?",
            label: Some("internal"),
            max_tokens: Some(32),
        };
        let task = read_text(&serde_json::to_string(&sent).unwrap()).unwrap();
        assert_eq!((task.id.as_str(), task.sampling.max_tokens), ("t9", 32));
    }
}
