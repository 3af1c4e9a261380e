//! The record of a task: everything that was decided, by whom, why, and what text left.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    detect::{Finding, Kind},
    id::{ApprovalId, TaskId, WorkerId},
    label::Label,
    prompt::Message,
    task::{State, Target},
    unit::{MicroDollars, Millis},
    verdict::Verdict,
    worker::{Finish, Place, Usage},
    workflow::Role,
};

/// One line of a trace. Steps count from 1 through the whole task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// What the task's text is.
    Labelled {
        /// The join of all that follows.
        label: Label,
        /// What caller, key or topic said.
        declared: Label,
        /// What was found in it, without the text itself.
        found: Vec<Found>,
    },
    /// A whole workflow is set.
    Planned {
        /// Which conductor made it, or which worker was asked for.
        by: Target,
        /// 1, or 2 after a revision.
        round: u8,
        /// Its steps.
        steps: Vec<PlannedStep>,
        /// Why these.
        reason: String,
        /// Why it is not the conductor's own plan, if it is not.
        fallback: Option<String>,
        /// Tokens that the planning took.
        usage: Usage,
        /// Time that the planning took.
        took: Millis,
    },
    /// One more step is set (`shoal-mini`).
    Turn {
        /// From 1.
        turn: u8,
        /// The step.
        step: PlannedStep,
        /// Why this role and worker.
        reason: String,
        /// All that could have been chosen for the role.
        candidates: Vec<Scored>,
    },
    /// No more steps are needed.
    Settled {
        /// The step whose answer it is.
        step: u8,
        /// Why.
        reason: String,
    },
    /// The gate's verdict on one step and one worker.
    Judged {
        /// Which step.
        step: u8,
        /// For whom.
        worker: WorkerId,
        /// The label of all that the step reads.
        label: Label,
        /// The label of what would reach the worker.
        reaches: Label,
        /// What may happen.
        verdict: Verdict,
        /// The rule that made it.
        rule: String,
    },
    /// A person is asked.
    Asked {
        /// Which step.
        step: u8,
        /// The question.
        approval: ApprovalId,
        /// The worker it is about.
        worker: WorkerId,
    },
    /// A person answered, or did not.
    Decided {
        /// Which step.
        step: u8,
        /// The question.
        approval: ApprovalId,
        /// The answer.
        decision: Decision,
    },
    /// A worker is about to be called. Written before the call.
    Called {
        /// Which step.
        step: u8,
        /// Who.
        worker: WorkerId,
        /// Where it runs.
        place: Place,
        /// From 1; more than 1 where a call is made again.
        attempt: u8,
        /// For a remote worker, the exact text that leaves.
        left: Option<Vec<Message>>,
    },
    /// A worker answered.
    Answered {
        /// Which step.
        step: u8,
        /// Who.
        worker: WorkerId,
        /// Its words, with every placeholder restored.
        text: String,
        /// The label of the words.
        label: Label,
        /// The part of the label that redaction cannot lower.
        floor: Label,
        /// What was restored where nothing would find it again, such as in the middle of a word.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        put_back: Vec<PutBack>,
        /// Why the text ended.
        finish: Finish,
        /// Tokens.
        usage: Usage,
        /// What it cost.
        cost: MicroDollars,
        /// How long it took.
        took: Millis,
    },
    /// A worker gave no answer.
    Failed {
        /// Which step.
        step: u8,
        /// Who.
        worker: WorkerId,
        /// Why.
        error: String,
        /// Whether the work may have been done, and billed, all the same.
        may_have_run: bool,
    },
    /// Somebody said how good the answer is, after the task had ended. The last one counts.
    Rated {
        /// Who.
        by: String,
        /// From 0, of no use, to 1, right.
        score: f64,
    },
    /// Anything else that a reader should know.
    Note {
        /// A sentence.
        text: String,
    },
}

impl Event {
    /// The state that a task is in once this is written; `None` where it stays as it is.
    #[must_use]
    pub const fn state(&self) -> Option<State> {
        match self {
            Self::Labelled { .. } => Some(State::Planning),
            Self::Asked { .. } => Some(State::WaitingApproval),
            Self::Planned { .. } | Self::Turn { .. } | Self::Decided { .. } => Some(State::Running),
            _ => None,
        }
    }
}

/// A piece of a text that is sensitive because a placeholder stood there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBack {
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// Its type.
    pub kind: Kind,
    /// Its label.
    pub label: Label,
}

/// How often a type of sensitive text was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The type, such as `email`.
    pub kind: String,
    /// Its label by policy.
    pub label: Label,
    /// How often.
    pub count: usize,
}

/// A step as the trace shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// From 1.
    pub step: u8,
    /// What the worker is to be.
    pub role: Role,
    /// Who.
    pub worker: WorkerId,
    /// What it is told.
    pub instruction: String,
    /// What it reads: 0 is the task, others are earlier steps.
    pub access: Vec<u8>,
}

/// A worker that could have been chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Who.
    pub worker: WorkerId,
    /// What the gate would say.
    pub verdict: Verdict,
    /// The rule behind that.
    pub rule: String,
    /// Higher is better; comparable within one turn.
    pub score: f64,
    /// What made the score.
    pub why: String,
}

impl From<Finding> for PutBack {
    fn from(finding: Finding) -> Self {
        Self {
            start: finding.span.start,
            end: finding.span.end,
            kind: finding.kind,
            label: finding.label,
        }
    }
}

impl From<&PutBack> for Finding {
    fn from(put_back: &PutBack) -> Self {
        Self {
            span: put_back.start..put_back.end,
            kind: put_back.kind.clone(),
            label: put_back.label,
        }
    }
}

/// What a person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "lowercase")]
pub enum Decision {
    /// The text may go to that worker.
    Approved {
        /// Who said so.
        by: String,
    },
    /// It may not.
    Denied {
        /// Who said so.
        by: String,
    },
    /// Nobody answered in time.
    Expired,
}

/// The trace cannot be written; whoever gets this stops before it acts.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct JournalError(pub String);

/// Where traces are kept.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Returns once `event` would survive a power cut.
    async fn record(&self, task: &TaskId, event: &Event) -> Result<(), JournalError>;
}
