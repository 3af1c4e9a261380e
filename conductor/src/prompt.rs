//! What a model is asked.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who says a message, as chat models know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The frame of the conversation.
    System,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
}

impl Speaker {
    /// The name that chat templates and APIs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who says it.
    pub role: Speaker,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message by `role`.
    pub fn new(role: Speaker, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
        }
    }
}

/// Shows the length alone: a message may hold what no log may show.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} bytes)", self.role.as_str(), self.content.len())
    }
}

/// What is asked: the last thing that the user says.
#[must_use]
pub fn asked(messages: &[Message]) -> &str {
    let mut said = messages.iter().rev();
    let asked = said.find(|message| message.role == Speaker::User);
    asked.map_or("", |message| message.content.as_str())
}

/// The form that an answer must have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Any text.
    #[default]
    Text,
    /// Some JSON object.
    Json,
    /// JSON that satisfies this schema.
    JsonSchema(Value),
    /// Text that this grammar derives (Lark, as llguidance reads it). Only workers on the board know it.
    Grammar(String),
}

impl Format {
    /// Every text in it: the schema or grammar as a whole, and each key and text of a schema by itself, where nothing is
    /// escaped.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Text | Self::Json => Vec::new(),
            Self::Grammar(grammar) => vec![grammar.clone()],
            Self::JsonSchema(schema) => {
                let mut texts = vec![schema.to_string()];
                strings(schema, &mut texts);
                texts
            }
        }
    }
}

fn strings(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| strings(value, texts)),
        Value::Object(fields) => {
            for (name, value) in fields {
                texts.push(name.clone());
                strings(value, texts);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// How tokens are chosen and when to stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// The most tokens to write.
    pub max_tokens: u32,
    /// 0 is greedy.
    pub temperature: f32,
    /// Nucleus: the smallest set of tokens with at least this probability; 1 is all.
    pub top_p: f32,
    /// The same seed gives the same text from the same model where the worker allows it.
    pub seed: Option<u32>,
    /// The answer ends before the first of these.
    pub stop: Vec<String>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            max_tokens: 512,
            temperature: 0.0,
            top_p: 1.0,
            seed: None,
            stop: Vec::new(),
        }
    }
}

/// All that one call of a model needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// The conversation, oldest first; the model writes the next message.
    pub messages: Vec<Message>,
    /// How many leading messages are the same in every call and hold nothing of a task. The engine on the board keeps
    /// what it made of them, also on disk.
    pub fixed: usize,
    /// The form of the answer.
    pub format: Format,
    /// How tokens are chosen.
    pub sampling: Sampling,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_a_schema_are_there_as_they_are_and_not_only_escaped() {
        let schema = serde_json::json!({"a \"b\"": {"enum": ["line\nline", 7]}});
        let texts = Format::JsonSchema(schema).texts();
        assert!(texts[0].contains("line\\nline"));
        assert_eq!(texts[1..], ["a \"b\"", "enum", "line\nline"]);
    }
}
