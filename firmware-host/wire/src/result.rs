//! How a task ended.

use serde::{Deserialize, Serialize};

use crate::{label::Label, name::Name, state::State};

/// The part of a result that a device needs to decide what to do; the answer itself may be longer than its memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultHead {
    /// The task.
    pub id: Name,
    /// `done`, `failed` or `cancelled`.
    pub state: State,
}

/// A result as it is published to [`crate::Root::task_result`] or the response topic.
///
/// `T` is how a text is held. A device takes [`crate::Clip`], which keeps as much of an answer as there is room for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskResult<T> {
    /// The task.
    pub id: Name,
    /// `done`, `failed` or `cancelled`.
    pub state: State,
    /// What the answer says, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<T>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<T>,
    /// How sensitive it is.
    pub label: Label,
    /// The name of its trace.
    pub trace: Name,
    /// What the providers asked for it, in dollars.
    pub cost_usd: f64,
    /// Tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// From acceptance to answer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// Of a fleet: the board that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub board: Option<Name>,
    /// Of a fleet: how often the task was begun; the trace of the last time is that of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
}

/// Tokens by the names that the API uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Read by the step that wrote the answer.
    pub prompt_tokens: u64,
    /// Written by it.
    pub completion_tokens: u64,
    /// Read by everything else.
    pub orchestration_input_tokens: u64,
    /// Written by everything else.
    pub orchestration_output_tokens: u64,
}
