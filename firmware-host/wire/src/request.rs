//! A task, as a device hands it in.

use serde::{Deserialize, Serialize};

use crate::{label::Label, name::Name};

/// The longest message that is taken as a task, in bytes.
pub const MAX_TASK: usize = 1024 * 1024;
/// The most messages of one conversation.
pub const MAX_MESSAGES: usize = 256;
/// The most tokens that may be asked for.
pub const MAX_TOKENS: u32 = 65_536;
/// The most texts at which an answer stops.
pub const MAX_STOPS: usize = 8;

/// What is published to [`crate::Root::tasks`], as JSON or CBOR with these names.
///
/// `T` is how a text is held: `&str` in a device that only sends, `heapless::String<N>` in one that also reads, `String` in
/// the appliance. `L` is a list of texts, `M` the messages of a conversation, `S` a JSON schema; a small device has none of
/// them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRequest<T, L = Absent, M = Absent, S = Absent> {
    /// The task's name, as [`Name`] has it. With it, the same message sent twice is one task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<T>,
    /// `shoal-mini`, `shoal-ultra` or a worker; left out, `shoal-mini`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<T>,
    /// What is asked. Either this or `messages`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<T>,
    /// A conversation; the last message is what is asked. At most [`MAX_MESSAGES`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<M>,
    /// How sensitive it is at least: `public`, `internal`, `confidential` or `restricted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<T>,
    /// How much thinking it may cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<Effort>,
    /// The longest answer, in tokens; at most [`MAX_TOKENS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// How freely it is answered, from 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// From how much of the likely tokens is chosen, above 0 and at most 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// The same seed gives the same answer, on the same board and model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
    /// Texts at which the answer stops; at most [`MAX_STOPS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<L>,
    /// The JSON schema of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<S>,
    /// The only workers that it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<L>,
    /// The highest label that it may have; above it, it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_label: Option<T>,
    /// What its remote calls may cost together, in dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost_usd: Option<f64>,
    /// How many tokens remote workers may read and write for it together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_remote_tokens: Option<u32>,
    /// How many remote calls may be made for it; with 0 it stays on the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_remote_calls: Option<u32>,
}

impl<T, L, M, S> TaskRequest<T, L, M, S> {
    /// A task that asks this, with everything else left to the appliance.
    pub const fn new(prompt: T) -> Self {
        Self {
            id: None,
            model: None,
            prompt: Some(prompt),
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
            max_label: None,
            max_cost_usd: None,
            max_remote_tokens: None,
            max_remote_calls: None,
        }
    }
}

impl<'a> TaskRequest<&'a str> {
    /// Gives it a name, so that it may be sent again.
    #[must_use]
    pub fn named(self, id: &'a Name) -> Self {
        Self {
            id: Some(id.as_str()),
            ..self
        }
    }

    /// Says how sensitive it is at least.
    #[must_use]
    pub const fn labelled(mut self, label: Label) -> Self {
        self.label = Some(label.as_str());
        self
    }
}

/// How much thinking a task may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// One step.
    Low,
    /// Work and verify.
    #[default]
    Medium,
    /// Think, work and verify.
    High,
}

/// Stands for what a small device has no use for: there is no value of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Absent {}
