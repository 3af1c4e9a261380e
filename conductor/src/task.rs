//! What a client hands in, and what it gets back.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    id::{BadId, TaskId, WorkerId},
    label::Label,
    limits::TaskLimits,
    prompt::{Format, Message, Sampling},
    unit::{MicroDollars, Millis},
    worker::{Finish, Usage},
};

/// Who is to do a task: one of the two conductors, or one worker by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// One worker and role per turn.
    Mini,
    /// A whole workflow, written by the backbone.
    Ultra,
    /// This worker alone, in one step.
    Worker(WorkerId),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mini => f.pad("shoal-mini"),
            Self::Ultra => f.pad("shoal-ultra"),
            Self::Worker(id) => id.fmt(f),
        }
    }
}

impl FromStr for Target {
    type Err = BadId;

    fn from_str(name: &str) -> Result<Self, BadId> {
        match name {
            "shoal-mini" => Ok(Self::Mini),
            "shoal-ultra" => Ok(Self::Ultra),
            other => WorkerId::try_new(other).map(Self::Worker),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = BadId;

    fn try_from(name: String) -> Result<Self, BadId> {
        name.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

/// How much thinking a task may cost (`reasoning_effort`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// One step, no verifier, nobody is asked.
    Low,
    /// Work and verify.
    #[default]
    Medium,
    /// Think, work and verify; the workflow may be revised once.
    High,
}

/// A task, as it is kept in the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its name; the same id is the same task.
    pub id: TaskId,
    /// Who is to do it.
    pub target: Target,
    /// The conversation; the last message is what is asked.
    pub messages: Vec<Message>,
    /// The form of the answer.
    pub format: Format,
    /// How the answer's tokens are chosen.
    pub sampling: Sampling,
    /// How much thinking it may cost.
    pub effort: Effort,
    /// The label that caller, key and topic gave it; what is found in the text can only raise it.
    pub label: Label,
    /// Who handed it in, for the trace: `api:NAME`, `mqtt:TOPIC`, `cli`.
    pub from: String,
    /// The only workers it may use, where its key or request says so; the engine's own thinking is always allowed.
    pub workers: Option<Vec<WorkerId>>,
    /// What its request allows it.
    #[serde(default, skip_serializing_if = "TaskLimits::is_none")]
    pub limits: TaskLimits,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

impl State {
    /// The name used in API and MQTT.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Planning => "planning",
            Self::WaitingApproval => "waiting-approval",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the caller of a task gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The text, with every placeholder restored.
    pub text: String,
    /// The label of all that produced it.
    pub label: Label,
    /// Why the text ended.
    pub finish: Finish,
    /// Tokens of the step that wrote the answer.
    pub usage: Usage,
    /// Tokens of everything else: planning, thinking, verifying, attempts that failed.
    pub orchestration: Usage,
    /// What the providers asked for it.
    pub cost: MicroDollars,
    /// From acceptance to answer.
    pub took: Millis,
}

/// Why a task has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Failure {
    /// The task names a worker that is not in the pool or not allowed to it.
    #[error("there is no worker \"{worker}\"; this task may use {allowed}")]
    UnknownWorker {
        /// The name.
        worker: String,
        /// The names it may use.
        allowed: String,
    },
    /// No worker may read what a step would read.
    #[error("no worker may do this step: {reason}")]
    NobodyMay {
        /// Each worker with its verdict's rule.
        reason: String,
    },
    /// Every worker that may do a step failed.
    #[error("every worker that may do this step failed: {reason}")]
    EveryoneFailed {
        /// Each worker with its error.
        reason: String,
    },
    /// The prompt fits no worker that may read it.
    #[error("{reason}")]
    TooLong {
        /// The tokens and the limit.
        reason: String,
    },
    /// The request asks for something that no worker can do.
    #[error("{reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// The task's time is up.
    #[error("not done within {seconds} s")]
    TimedOut {
        /// The time it had.
        seconds: u64,
    },
    /// Its sender gave it a time to be begun in, and that was over.
    #[error("its message expired before the task was begun")]
    Expired,
    /// The trace could not be written, so nothing was done.
    #[error("the trace cannot be written: {reason}")]
    Store {
        /// What the store said.
        reason: String,
    },
    /// A fault in this program.
    #[error("a fault in the program: {reason}")]
    Fault {
        /// What it said.
        reason: String,
    },
    /// Somebody cancelled it.
    #[error("cancelled")]
    Cancelled,
}

impl Failure {
    /// What went wrong, without a word of the task or of a worker.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::UnknownWorker { .. } => "there is no such worker",
            Self::NobodyMay { .. } => "no worker may do a step",
            Self::EveryoneFailed { .. } => "every worker that may do a step failed",
            Self::TooLong { .. } => "it is too long",
            Self::Invalid { .. } => "it asks for what no worker can do",
            Self::TimedOut { .. } => "it was not done in time",
            Self::Expired => "its message expired before it was begun",
            Self::Store { .. } => "the trace cannot be written",
            Self::Fault { .. } => "a fault in the program",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state that a task ends in by this.
    #[must_use]
    pub const fn state(&self) -> State {
        match self {
            Self::Cancelled => State::Cancelled,
            _ => State::Failed,
        }
    }
}

/// How a task ended.
pub type Outcome = Result<Answer, Failure>;
