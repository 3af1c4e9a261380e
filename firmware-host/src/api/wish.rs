//! What a client asks for, whichever way it says it: OpenAI's chat request or our own task, checked.

mod knobs;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use shoal_conductor::{
    id::{TaskId, WorkerId},
    label::Label,
    limits::TaskLimits,
    prompt::{Format, Message, Sampling, Speaker},
    task::{Effort, Target},
};

use self::knobs::{Knobs, ResponseFormat};
use super::{error::ApiError, limits::Narrowing};

/// The most messages of one request.
const MAX_MESSAGES: usize = 2000;

/// A chat request as OpenAI's clients send it. Keys that change nothing here are ignored.
#[derive(Debug, Deserialize)]
pub struct ChatRequest {
    model: Option<String>,
    messages: Option<Vec<ChatMessage>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    knobs: Knobs,
    #[serde(flatten)]
    narrowing: Narrowing,
    n: Option<u32>,
    tools: Option<Vec<Value>>,
    functions: Option<Vec<Value>>,
    logprobs: Option<bool>,
    modalities: Option<Vec<String>>,
    metadata: Option<BTreeMap<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct ChatMessage {
    role: String,
    content: Option<Value>,
    tool_calls: Option<Vec<Value>>,
}

/// A task as our own API takes it; an unknown key is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskRequest {
    id: Option<TaskId>,
    model: Option<String>,
    prompt: Option<String>,
    messages: Option<Vec<ChatMessage>>,
    label: Option<Label>,
    max_tokens: Option<u32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    seed: Option<i64>,
    stop: Option<Value>,
    response_format: Option<ResponseFormat>,
    reasoning_effort: Option<String>,
    workers: Option<Vec<String>>,
    max_label: Option<String>,
    max_cost_usd: Option<f64>,
    max_remote_tokens: Option<u64>,
    max_remote_calls: Option<u64>,
}

/// What is wished for, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Its own id, where it has one.
    pub id: Option<TaskId>,
    /// Who is to do it.
    pub target: Target,
    /// The conversation.
    pub messages: Vec<Message>,
    /// The form of the answer.
    pub format: Format,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// How much thinking.
    pub effort: Effort,
    /// The caller's label.
    pub label: Label,
    /// The only workers that may be used.
    pub workers: Option<Vec<WorkerId>>,
    /// What else the request allows its task.
    pub limits: TaskLimits,
    /// Whether the answer is streamed, and with usage at its end.
    pub stream: Option<Streamed>,
}

/// How an answer is streamed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streamed {
    /// Whether usage comes last.
    pub usage: bool,
}

impl ChatRequest {
    /// Checks it.
    pub fn wish(self) -> Result<Wish, ApiError> {
        self.refuse_what_is_not_there()?;
        let model = self
            .model
            .ok_or_else(|| ApiError::invalid("model", "model is missing"))?;
        let label = match &self.metadata {
            Some(metadata) => label_of(metadata.get("label"))?,
            None => Label::Public,
        };
        let streamed = Streamed {
            usage: self
                .stream_options
                .unwrap_or_default()
                .include_usage
                .unwrap_or(false),
        };
        Ok(Wish {
            id: None,
            target: target(&model)?,
            messages: messages(self.messages.unwrap_or_default())?,
            format: self.knobs.format()?,
            sampling: self.knobs.sampling()?,
            effort: self.knobs.effort()?,
            label,
            workers: self.narrowing.workers()?,
            limits: self.narrowing.limits()?,
            stream: self.stream.unwrap_or(false).then_some(streamed),
        })
    }

    fn refuse_what_is_not_there(&self) -> Result<(), ApiError> {
        let some = |list: &Option<Vec<Value>>| list.as_ref().is_some_and(|list| !list.is_empty());
        if some(&self.tools) || some(&self.functions) {
            return Err(ApiError::unsupported(
                "tools",
                "tools are not supported yet; leave them out",
            ));
        }
        if self.n.is_some_and(|n| n != 1) {
            return Err(ApiError::unsupported(
                "n",
                "one answer is given: n must be 1",
            ));
        }
        if self.logprobs == Some(true) {
            return Err(ApiError::unsupported(
                "logprobs",
                "logprobs are not supported",
            ));
        }
        if self.modalities.iter().flatten().any(|kind| kind != "text") {
            return Err(ApiError::unsupported(
                "modalities",
                "only text is supported",
            ));
        }
        Ok(())
    }
}

impl TaskRequest {
    /// Checks it.
    pub fn wish(self) -> Result<Wish, ApiError> {
        let knobs = Knobs {
            max_tokens: self.max_tokens,
            max_completion_tokens: None,
            temperature: self.temperature,
            top_p: self.top_p,
            seed: self.seed,
            stop: self.stop,
            response_format: self.response_format,
            reasoning_effort: self.reasoning_effort,
        };
        let narrowing = Narrowing {
            workers: self.workers,
            max_label: self.max_label,
            max_cost_usd: self.max_cost_usd,
            max_remote_tokens: self.max_remote_tokens,
            max_remote_calls: self.max_remote_calls,
        };
        let messages = match (self.prompt, self.messages) {
            (Some(prompt), None) => vec![Message::new(Speaker::User, prompt)],
            (None, Some(list)) => messages(list)?,
            _ => {
                return Err(ApiError::invalid(
                    "prompt",
                    "give either prompt or messages",
                ));
            }
        };
        Ok(Wish {
            id: self.id,
            target: target(self.model.as_deref().unwrap_or("shoal-mini"))?,
            messages,
            format: knobs.format()?,
            sampling: knobs.sampling()?,
            effort: knobs.effort()?,
            label: self.label.unwrap_or_default(),
            workers: narrowing.workers()?,
            limits: narrowing.limits()?,
            stream: None,
        })
    }
}

fn target(model: &str) -> Result<Target, ApiError> {
    model
        .parse()
        .map_err(|_| ApiError::no_model(format!("there is no model \"{}\"", shorten(model))))
}

/// A label as the caller wrote it, in metadata or a header.
pub fn label_of(value: Option<&Value>) -> Result<Label, ApiError> {
    match value {
        None => Ok(Label::Public),
        Some(Value::String(word)) => word
            .parse()
            .map_err(|error| ApiError::invalid("metadata.label", format!("{error}"))),
        Some(_) => Err(ApiError::invalid("metadata.label", "a label is a word")),
    }
}

fn messages(list: Vec<ChatMessage>) -> Result<Vec<Message>, ApiError> {
    if list.is_empty() {
        return Err(ApiError::invalid(
            "messages",
            "messages is missing or empty",
        ));
    }
    if list.len() > MAX_MESSAGES {
        return Err(ApiError::invalid(
            "messages",
            format!(
                "{} messages are given, {MAX_MESSAGES} are allowed",
                list.len()
            ),
        ));
    }
    list.into_iter()
        .enumerate()
        .map(|(index, message)| message.checked(index))
        .collect()
}

impl ChatMessage {
    fn checked(self, index: usize) -> Result<Message, ApiError> {
        let key = |name: &str| format!("messages[{index}].{name}");
        if self.tool_calls.is_some_and(|calls| !calls.is_empty()) {
            return Err(ApiError::unsupported(
                &key("tool_calls"),
                "tool calls are not supported yet",
            ));
        }
        let role = match self.role.as_str() {
            "system" | "developer" => Speaker::System,
            "user" => Speaker::User,
            "assistant" => Speaker::Assistant,
            "tool" | "function" => {
                return Err(ApiError::unsupported(
                    &key("role"),
                    "tool messages are not supported yet",
                ));
            }
            other => {
                return Err(ApiError::invalid(
                    &key("role"),
                    format!(
                        "\"{}\" is no role: use system, user or assistant",
                        shorten(other)
                    ),
                ));
            }
        };
        let content = text_of(self.content.unwrap_or(Value::Null), &key("content"))?;
        Ok(Message { role, content })
    }
}

/// A content: a text, or parts that are all texts.
fn text_of(content: Value, key: &str) -> Result<String, ApiError> {
    match content {
        Value::String(text) => Ok(text),
        Value::Null => Ok(String::new()),
        Value::Array(parts) => parts
            .iter()
            .map(|part| part_text(part, key))
            .collect::<Result<Vec<_>, _>>()
            .map(|texts| texts.concat()),
        _ => Err(ApiError::invalid(
            key,
            "a content is a text or a list of text parts",
        )),
    }
}

fn part_text<'a>(part: &'a Value, key: &str) -> Result<&'a str, ApiError> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    match (kind, part.get("text").and_then(Value::as_str)) {
        ("text", Some(text)) => Ok(text),
        ("image_url" | "input_audio" | "file", _) => Err(ApiError::unsupported(
            key,
            format!("a part of type \"{kind}\" is not supported: only text is"),
        )),
        _ => Err(ApiError::invalid(
            key,
            "a part of a content is {\"type\": \"text\", \"text\": \"...\"}",
        )),
    }
}

/// What of a caller's word goes into an error.
pub(super) fn shorten(word: &str) -> String {
    word.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
