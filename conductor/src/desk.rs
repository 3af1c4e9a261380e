//! Where people are asked.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    id::{ApprovalId, TaskId, WorkerId},
    label::Label,
    prompt::Message,
    trace::Decision,
};

/// One question: may exactly this text go to that worker?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its name.
    pub id: ApprovalId,
    /// The task it is about.
    pub task: TaskId,
    /// The step it is about, from 1.
    pub step: u8,
    /// Who would read the text.
    pub worker: WorkerId,
    /// The label of what would reach the worker.
    pub label: Label,
    /// The label of all that the step reads, before redaction.
    #[serde(default)]
    pub read: Label,
    /// The rule that asks.
    pub rule: String,
    /// The text that would leave, redactions as placeholders.
    pub shown: Vec<Message>,
    /// SHA-256 of worker, text and, where it takes several, people, in hex: an approval is for these and nothing else.
    pub digest: String,
    /// How long an answer is waited for, in seconds.
    pub expires_after: u64,
    /// How many different people must say yes.
    #[serde(default = "one")]
    pub people: u8,
    /// Whether people may answer by signed messages, so that the broker carries the text to them.
    #[serde(default)]
    pub by_message: bool,
}

const fn one() -> u8 {
    1
}

/// Nobody could be asked; the step stays on the board.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DeskError(pub String);

/// Asks people, durably.
#[async_trait]
pub trait Desk: Send + Sync {
    /// The question already on record for this task, step and digest, whatever became of it.
    async fn find(
        &self,
        task: &TaskId,
        step: u8,
        digest: &str,
    ) -> Result<Option<ApprovalId>, DeskError>;

    /// Puts the question, unless it is on record, and waits for the answer or the expiry.
    async fn ask(&self, question: &Question) -> Result<Decision, DeskError>;
}
