//! The two traits that models stand behind: a [`Worker`] does steps, a [`Backbone`] is thought with.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    cleared::{Cleared, NotForYou},
    head::states::{Reading, States},
    id::{TaskId, WorkerId},
    prompt::Prompt,
    unit::Tokens,
};

/// Where a worker runs. What goes to a remote one leaves the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In this process or on this board's loopback.
    Board,
    /// Anywhere else.
    Remote,
}

/// A model that can do a step.
#[async_trait]
pub trait Worker: Send + Sync {
    /// Its name in policy and trace.
    fn id(&self) -> &WorkerId;

    /// Where it runs.
    fn place(&self) -> Place;

    /// How long it takes until it could begin, as far as it knows: a model that is not in memory is loaded first, and
    /// another may have to go for it.
    fn wait(&self) -> Duration {
        Duration::ZERO
    }

    /// Answers one prompt that the gate cleared for this worker.
    ///
    /// Ends soon after `call.cancel` is cancelled, with [`WorkerError::Cancelled`]; dropping the future cancels
    /// too. Retries only where nothing can have been done yet.
    async fn run(&self, prompt: Cleared<Prompt>, call: Call) -> Result<Reply, WorkerError>;
}

/// The model on this board that the conductor thinks with. It may read everything, since nothing leaves.
#[async_trait]
pub trait Backbone: Send + Sync {
    /// The model's name.
    fn name(&self) -> &str;

    /// How many weights it has.
    fn parameters(&self) -> u64;

    /// How many tokens prompt and answer may have together.
    fn context(&self) -> Tokens;

    /// Writes an answer.
    async fn complete(&self, prompt: Prompt, call: Call) -> Result<Reply, WorkerError>;

    /// The last layer's hidden state at the last but one token of `text`; its length is the model's width.
    ///
    /// The last but one is what TRINITY (Sakana AI) reads; the text must have at least two tokens.
    async fn hidden(&self, text: &str) -> Result<Vec<f32>, WorkerError>;

    /// The same of a prompt as the model reads it before it answers. A [`complete`](Self::complete) that follows with
    /// the same prompt need not read it again.
    async fn hidden_of(&self, prompt: Prompt) -> Result<Vec<f32>, WorkerError>;

    /// The states of all tokens of `text`, read as `reading` says; with `task`, in that task's turn. A text of more tokens
    /// than `reading.most` is [`WorkerError::TooLong`].
    async fn states(
        &self,
        text: &str,
        reading: &Reading,
        task: Option<&TaskId>,
    ) -> Result<States, WorkerError>;
}

/// What goes with one call.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Receives the answer piece by piece as it is written; a receiver that went away is no error.
    pub stream: Option<mpsc::Sender<String>>,
    /// Ends the call.
    pub cancel: CancellationToken,
    /// The task that it is for, so that a worker can be fair to all of them.
    pub task: Option<TaskId>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model was done, or a stop text came.
    Stop,
    /// `max_tokens` or the context was used up.
    Length,
}

/// What a call read and wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub input: Tokens,
    /// Of those, tokens that a cache spared.
    pub cached: Tokens,
    /// Tokens written.
    pub output: Tokens,
}

impl std::ops::Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input + other.input,
            cached: self.cached + other.cached,
            output: self.output + other.output,
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The whole text.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// What it took.
    pub usage: Usage,
}

/// Why a worker gave no answer. Callers decide by the variant, never by the text.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The prompt was cleared for somebody else.
    #[error(transparent)]
    NotForYou(#[from] NotForYou),
    /// Nothing reached the worker.
    #[error("{worker} cannot be reached: {reason}")]
    Unreachable {
        /// Who.
        worker: WorkerId,
        /// What the network said.
        reason: String,
    },
    /// The worker is there but takes no more now; nothing was done.
    #[error("{worker} is overloaded")]
    Overloaded {
        /// Who.
        worker: WorkerId,
        /// When it may be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// The worker said no: bad key, unknown model, a prompt it does not take.
    #[error("{worker} refused the call with status {status}: {reason}")]
    Refused {
        /// Who.
        worker: WorkerId,
        /// The HTTP status.
        status: u16,
        /// The provider's words, shortened.
        reason: String,
    },
    /// The connection or the worker broke after the prompt was sent; the work may have been done and billed.
    #[error("{worker} broke off: {reason}")]
    BrokeOff {
        /// Who.
        worker: WorkerId,
        /// How.
        reason: String,
    },
    /// No answer in time; the work may have been done and billed.
    #[error("{worker} gave no answer within {} s", limit.as_secs())]
    TimedOut {
        /// Who.
        worker: WorkerId,
        /// The time it had.
        limit: Duration,
    },
    /// The prompt does not fit the model's context.
    #[error("the prompt has {tokens} tokens and {worker} takes {limit}")]
    TooLong {
        /// Who.
        worker: WorkerId,
        /// The prompt's length.
        tokens: u64,
        /// The longest prompt.
        limit: u64,
    },
    /// The worker cannot write this format: an invalid schema or grammar, or one it does not know.
    #[error("{worker} cannot write this format: {reason}")]
    Format {
        /// Who.
        worker: WorkerId,
        /// What is wrong with it.
        reason: String,
    },
    /// The caller went away or cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A fault in the worker on this board.
    #[error("{worker} failed: {reason}")]
    Internal {
        /// Who.
        worker: WorkerId,
        /// What happened.
        reason: String,
    },
}

impl WorkerError {
    /// Whether the prompt may have been worked on, and billed, all the same.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        matches!(self, Self::BrokeOff { .. } | Self::TimedOut { .. })
    }
}
