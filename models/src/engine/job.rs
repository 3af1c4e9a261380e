//! What the owner thread is asked to do.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use shoal_conductor::{
    head::states::{Reading, States},
    id::{TaskId, WorkerId},
    prompt::Prompt,
    worker::{Reply, WorkerError},
};
use tokio::sync::{mpsc::UnboundedSender, oneshot};
use tokio_util::sync::CancellationToken;

use super::request::Priority;

/// Where the pieces of an answer go.
pub(super) type Pieces = UnboundedSender<String>;

/// One thing to do.
pub(super) struct Job {
    pub(super) priority: Priority,
    /// Whose work it is, if it is known.
    pub(super) task: Option<TaskId>,
    /// Cancelled when nobody waits for it any more.
    pub(super) cancel: CancellationToken,
    /// Its place among those that wait or run.
    pub(super) place: Place,
    pub(super) work: Work,
}

/// A place among the jobs; given back when it is dropped.
pub(super) struct Place(Arc<AtomicU64>);

impl Place {
    /// One more, unless there are `most`.
    pub(super) fn try_new(jobs: &Arc<AtomicU64>, most: u64) -> Option<Self> {
        let more = |jobs: u64| (jobs < most).then_some(jobs + 1);
        jobs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()
            .map(|_| Self(Arc::clone(jobs)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What it is.
pub(super) enum Work {
    /// Write an answer.
    Complete {
        prompt: Box<Prompt>,
        pieces: Option<Pieces>,
        done: oneshot::Sender<Result<Reply, JobError>>,
    },
    /// Read a hidden state.
    Hidden {
        source: Source,
        done: oneshot::Sender<Result<Vec<f32>, JobError>>,
    },
    /// Read the states of one piece of a text.
    States {
        text: Arc<str>,
        reading: Arc<Reading>,
        piece: usize,
        done: oneshot::Sender<Result<States, JobError>>,
    },
}

/// What a hidden state is read of.
pub(super) enum Source {
    /// A text as it is.
    Text(String),
    /// A prompt as the model reads it before it answers.
    Prompt(Box<Prompt>),
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
