//! Where a task stands.

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// In the store, not begun.
    Accepted,
    /// The conductor decides.
    Planning,
    /// A person is asked.
    WaitingApproval,
    /// Steps run.
    Running,
    /// There is an answer.
    Done,
    /// There is a reason.
    Failed,
    /// The caller ended it.
    Cancelled,
}

/// What is published to [`crate::Root::task_state`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateMessage {
    /// The task.
    pub id: Name,
    /// Where it stands.
    pub state: State,
    /// Since when, in milliseconds since 1970-01-01 UTC.
    pub at: u64,
}
