//! Reading a message as a task.

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shoal_conductor::{
    id::{TaskId, WorkerId},
    label::{Label, UnknownLabel},
    limits::{self, TaskLimits},
    prompt::{Format, Message, Sampling, Speaker},
    task::{Effort, Target, Task},
    unit::{MicroDollars, Tokens},
};
use shoal_wire::{MAX_MESSAGES, MAX_STOPS, MAX_TASK, MAX_TOKENS, TaskRequest, codec};

use super::broker::Delivery;

/// Why a message is no task.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum BadRequest {
    #[error("a task has at most {MAX_TASK} bytes, this one has {0}")]
    TooLarge(usize),
    #[error("a task is UTF-8, plain text or a JSON object; or a CBOR map")]
    NotText,
    #[error(
        "the CBOR map is no task: it has texts and numbers by the names of the JSON form, without messages and json_schema"
    )]
    NotCbor,
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
            Self::NotCbor => "no task in CBOR".to_owned(),
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

/// A message as the appliance reads it.
type Request = TaskRequest<String, Vec<String>, Vec<Message>, Value>;
/// A message as a small device writes it. What may nest without end is not read from CBOR, whose reader keeps no count.
type Small = TaskRequest<String, Vec<String>>;

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
    if payload.len() > MAX_TASK {
        return None;
    }
    let id = match codec::is_cbor(payload) {
        true => codec::from_cbor::<Small>(payload).ok()?.id,
        false => serde_json::from_slice::<Head>(payload).ok()?.id,
    };
    TaskId::try_new(id?).ok()
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
    if payload.len() > MAX_TASK {
        return Err(BadRequest::TooLarge(payload.len()));
    }
    if codec::is_cbor(payload) {
        let small: Small = codec::from_cbor(payload).map_err(|_| BadRequest::NotCbor)?;
        return task(widened(small), frame);
    }
    let text = std::str::from_utf8(payload).map_err(|_| BadRequest::NotText)?;
    let request = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|e| BadRequest::not_json(&e))?
    } else {
        Request::new(text.to_owned())
    };
    task(request, frame)
}

fn widened(small: Small) -> Request {
    Request {
        id: small.id,
        model: small.model,
        prompt: small.prompt,
        messages: None,
        label: small.label,
        reasoning_effort: small.reasoning_effort,
        max_tokens: small.max_tokens,
        temperature: small.temperature,
        top_p: small.top_p,
        seed: small.seed,
        stop: small.stop,
        json_schema: None,
        workers: small.workers,
        max_label: small.max_label,
        max_cost_usd: small.max_cost_usd,
        max_remote_tokens: small.max_remote_tokens,
        max_remote_calls: small.max_remote_calls,
    }
}

fn field<E: ToString>(field: &'static str) -> impl FnOnce(E) -> BadRequest {
    move |error| BadRequest::Field {
        field,
        reason: error.to_string(),
    }
}

fn task(mut request: Request, frame: Frame<'_>) -> Result<Task, BadRequest> {
    let id = match request.id.take() {
        Some(id) => TaskId::try_new(id).map_err(field("id"))?,
        None => frame.fallback,
    };
    let target = match request.model.as_deref() {
        Some(name) => name.parse().map_err(field("model"))?,
        None => Target::Mini,
    };
    let label = labelled("label", request.label.as_deref())?;
    let label = label.unwrap_or_default().join(frame.floor);
    let limits = limits(&request)?;
    if let Some(max) = limits.max_label.filter(|max| label > *max) {
        return Err(field(limits::LABEL)(format!(
            "is {max}, below the task's own label {label}, so it would be refused"
        )));
    }
    let workers = request.workers.take().map(workers);
    Ok(Task {
        id,
        target,
        messages: messages(request.prompt.take(), request.messages.take())?,
        sampling: sampling(&mut request)?,
        format: request
            .json_schema
            .take()
            .map_or(Format::Text, Format::JsonSchema),
        effort: request
            .reasoning_effort
            .map_or_else(Effort::default, effort),
        label,
        from: format!("mqtt:{}", frame.topic),
        workers: workers.transpose()?,
        limits,
    })
}

fn labelled(name: &'static str, word: Option<&str>) -> Result<Option<Label>, BadRequest> {
    let read = |_: UnknownLabel| field(name)("use public, internal, confidential or restricted");
    word.map(|word| word.parse().map_err(read)).transpose()
}

fn workers(names: Vec<String>) -> Result<Vec<WorkerId>, BadRequest> {
    if names.is_empty() {
        return Err(field("workers")(
            "names nobody; leave it out to allow every worker",
        ));
    }
    let ids = names.into_iter().map(WorkerId::try_new);
    ids.collect::<Result<_, _>>().map_err(field("workers"))
}

fn limits(request: &Request) -> Result<TaskLimits, BadRequest> {
    let cost = request.max_cost_usd.map(|amount| {
        let amount = MicroDollars::from_dollars(amount);
        amount.ok_or_else(|| field(limits::COST)("is no amount: give dollars from 0, such as 0.05"))
    });
    Ok(TaskLimits {
        max_label: labelled(limits::LABEL, request.max_label.as_deref())?,
        max_cost: cost.transpose()?,
        max_remote_tokens: request.max_remote_tokens.map(u64::from).map(Tokens),
        max_remote_calls: request.max_remote_calls.map(u64::from),
    })
}

const fn effort(said: shoal_wire::Effort) -> Effort {
    match said {
        shoal_wire::Effort::Low => Effort::Low,
        shoal_wire::Effort::Medium => Effort::Medium,
        shoal_wire::Effort::High => Effort::High,
    }
}

fn sampling(request: &mut Request) -> Result<Sampling, BadRequest> {
    let default = Sampling::default();
    let sampling = Sampling {
        max_tokens: request.max_tokens.unwrap_or(default.max_tokens),
        temperature: request.temperature.unwrap_or(default.temperature),
        top_p: request.top_p.unwrap_or(default.top_p),
        seed: request.seed,
        stop: request.stop.take().unwrap_or_default(),
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
mod tests;
