//! What the owner thread is asked to do.

use shoal_conductor::{
    id::WorkerId,
    prompt::Prompt,
    worker::{Reply, WorkerError},
};
use tokio::sync::{mpsc::UnboundedSender, oneshot};
use tokio_util::sync::CancellationToken;

/// One thing to do.
pub(super) enum Job {
    /// Write an answer.
    Complete(Box<Complete>),
    /// Read a hidden state.
    Hidden(Hidden),
}

/// Write an answer.
pub(super) struct Complete {
    pub(super) prompt: Prompt,
    pub(super) cancel: CancellationToken,
    pub(super) pieces: Option<UnboundedSender<String>>,
    pub(super) done: oneshot::Sender<Result<Reply, JobError>>,
}

/// Read the hidden state of a text.
pub(super) struct Hidden {
    pub(super) text: String,
    pub(super) done: oneshot::Sender<Result<Vec<f32>, JobError>>,
}

/// Why a job failed, before it is known in whose name it was done.
#[derive(Debug)]
pub(super) enum JobError {
    TooLong { tokens: usize, limit: usize },
    Format(String),
    Refused(String),
    Cancelled,
    Internal(String),
}

impl JobError {
    /// The owner thread is gone or gave the job up.
    pub(super) fn broken() -> Self {
        Self::Internal("the engine's thread gave the job up; see the log".into())
    }

    /// The error in a worker's name.
    pub(super) fn by(self, worker: &WorkerId) -> WorkerError {
        let worker = worker.clone();
        match self {
            Self::TooLong { tokens, limit } => WorkerError::TooLong {
                worker,
                tokens: tokens as u64,
                limit: limit as u64,
            },
            Self::Format(reason) => WorkerError::Format { worker, reason },
            // The status that an HTTP worker would have answered with.
            Self::Refused(reason) => WorkerError::Refused {
                worker,
                status: 400,
                reason,
            },
            Self::Cancelled => WorkerError::Cancelled,
            Self::Internal(reason) => WorkerError::Internal { worker, reason },
        }
    }
}
