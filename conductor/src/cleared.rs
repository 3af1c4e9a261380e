//! A prompt that may reach one worker.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::{id::WorkerId, prompt::Prompt};

/// Something that the gate has cleared for one worker.
///
/// Only the gate makes one, and only the worker it was made for opens it, so code that would hand a worker anything
/// else does not compile. It cannot be cloned: one clearing is one call.
pub struct Cleared<T> {
    worker: WorkerId,
    inner: T,
}

/// A prompt was handed to another worker than the one it was cleared for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the prompt was cleared for {cleared_for}, not for {offered_to}")]
pub struct NotForYou {
    /// The worker that may read it.
    pub cleared_for: WorkerId,
    /// The worker that tried.
    pub offered_to: WorkerId,
}

impl<T> Cleared<T> {
    /// The gate's alone.
    pub(crate) fn new(worker: WorkerId, inner: T) -> Self {
        Self { worker, inner }
    }

    /// The worker that may open it.
    #[must_use]
    pub fn worker(&self) -> &WorkerId {
        &self.worker
    }

    /// Takes it out, for the worker it was cleared for and no other.
    pub fn open(self, worker: &WorkerId) -> Result<T, NotForYou> {
        if self.worker == *worker {
            Ok(self.inner)
        } else {
            Err(NotForYou {
                cleared_for: self.worker,
                offered_to: worker.clone(),
            })
        }
    }
}

impl Cleared<Prompt> {
    /// A hash of the whole prompt: whether two are the same can be told by it, and nothing else.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let Prompt {
            messages,
            fixed: _,
            format,
            sampling,
        } = &self.inner;
        // Texts and numbers are always JSON.
        let bytes = serde_json::to_vec(&(messages, format, sampling)).unwrap_or_default();
        Sha256::digest(bytes).into()
    }
}

/// Names the worker and nothing of what it may read.
impl<T> fmt::Debug for Cleared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleared")
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}
