//! A claim as it is said: who does a task, how far it is, and the task itself.

use serde::{Deserialize, Serialize};
use shoal_wire::Name;

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stage {
    /// A board does it.
    Held,
    /// There is an answer, to be published.
    Done,
    /// It is published.
    Closed,
}

/// What is said on the topic of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// How often it was begun, from 1.
    pub(super) epoch: u32,
    /// Who does it.
    pub(super) board: Name,
    /// How far it is.
    pub(super) stage: Stage,
    /// The task, until it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) work: Option<Work>,
    /// The result as it is published, while it is to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<String>,
}

/// A task as it was handed in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    /// The message.
    pub(super) task: String,
    /// The response topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<String>,
    /// Given back with the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) correlation: Option<Vec<u8>>,
}

impl Claim {
    /// None where the message is empty, as when it is forgotten, or no claim.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }

    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The same with the answer that was published taken out.
    pub(super) fn closed(&self) -> Self {
        Self {
            stage: Stage::Closed,
            work: None,
            answer: None,
            ..self.clone()
        }
    }
}
