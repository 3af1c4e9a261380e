//! One task's future.

use std::{any::Any, panic::AssertUnwindSafe, sync::atomic::Ordering, time::Duration};

use futures::FutureExt;
use shoal_conductor::{
    id::TaskId,
    task::{Failure, Outcome, Task},
    trace::Event,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Appliance, Open};
use crate::store::{Moment, StoreError};

/// The first and the longest pause before the end of a task is written again after the store failed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// What a task's future needs.
struct Run {
    task: Task,
    history: Vec<Event>,
    text: Option<mpsc::Sender<String>>,
    cancel: CancellationToken,
}

impl Appliance {
    /// Starts a task that is in the store, unless it was cancelled there.
    pub(super) fn launch(
        &self,
        task: Task,
        accepted_at: Moment,
        history: Vec<Event>,
        text: Option<mpsc::Sender<String>>,
    ) {
        let (done, receiver) = watch::channel(false);
        let cancel = CancellationToken::new();
        let open = Open {
            accepted_at,
            running: false,
            cancel: cancel.clone(),
            done: receiver,
        };
        self.open().insert(task.id.clone(), open);
        self.inner.open_count.send_modify(|n| *n += 1);
        let run = Run {
            task,
            history,
            text,
            cancel,
        };
        let this = self.clone();
        tokio::spawn(async move {
            let id = run.task.id.clone();
            if this.was_cancelled(&id).await {
                run.cancel.cancel();
            }
            this.run(run).await;
            this.inner.slots.give_back(&id);
            this.open().remove(&id);
            done.send_replace(true);
            this.inner.open_count.send_modify(|n| *n -= 1);
        });
    }

    /// Whoever cancelled it before its token was there could only say so in the store.
    async fn was_cancelled(&self, id: &TaskId) -> bool {
        self.inner.store.cancelled(id).await.unwrap_or_else(|error| {
            tracing::warn!(task = %id, %error, "it is not known whether the task was cancelled; it runs");
            false
        })
    }

    /// Whether nobody waits for it any more. What was begun is finished all the same.
    async fn expired(&self, id: &TaskId) -> bool {
        self.inner.store.expired(id).await.unwrap_or_else(|error| {
            tracing::warn!(task = %id, %error, "it is not known whether the task has expired; it runs");
            false
        })
    }

    async fn run(&self, run: Run) {
        let id = run.task.id.clone();
        let outcome = match self.place(&id, &run.cancel).await {
            Place::Free => {
                if let Some(open) = self.open().get_mut(&id) {
                    open.running = true;
                }
                match run.history.is_empty() && self.expired(&id).await {
                    true => Some(Err(Failure::Expired)),
                    false => self.conduct(run).await,
                }
            }
            Place::Cancelled => Some(Err(Failure::Cancelled)),
            Place::Stopping => None,
        };
        match outcome {
            Some(outcome) => self.end(&id, outcome).await,
            None => tracing::info!(task = %id, "task stopped; it goes on after the next start"),
        }
    }

    async fn place(&self, id: &TaskId, cancel: &CancellationToken) -> Place {
        tokio::select! {
            biased;
            () = self.inner.no_more.cancelled() => Place::Stopping,
            () = cancel.cancelled() => Place::Cancelled,
            () = self.inner.slots.take(id) => Place::Free,
        }
    }

    /// `None` if the program stops first.
    async fn conduct(&self, run: Run) -> Option<Outcome> {
        let work = self
            .inner
            .conductor
            .run(&run.task, &run.history, run.text, run.cancel);
        tokio::select! {
            ended = AssertUnwindSafe(work).catch_unwind() => Some(ended.unwrap_or_else(|panic| {
                // Its words may repeat the task's, so they are in the outcome alone.
                tracing::error!(task = %run.task.id, "task ended by a fault; its outcome says which");
                Err(Failure::Fault { reason: words(panic.as_ref()) })
            })),
            () = self.inner.stop.cancelled() => None,
        }
    }

    /// Writes the end; while the store fails, again and again until the program stops.
    async fn end(&self, id: &TaskId, outcome: Outcome) {
        let mut pause = PAUSES.0;
        loop {
            let error = match self.inner.store.finish(id, outcome.clone()).await {
                Ok(_) => break,
                Err(error @ (StoreError::NoTask(_) | StoreError::Stopped)) => {
                    tracing::error!(task = %id, %error, "the end of a task cannot be kept");
                    return;
                }
                Err(error) => error,
            };
            tracing::warn!(task = %id, %error, "the end of a task is not kept yet; will retry");
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSES.1),
                () = self.inner.stop.cancelled() => return,
            }
        }
        self.inner
            .last_finished
            .store(Moment::now().0, Ordering::Relaxed);
        match &outcome {
            Ok(answer) => tracing::info!(task = %id, cost = %answer.cost, "task done"),
            Err(failure) => {
                // Its words may repeat the task's or a provider's, which are not for the log.
                let reason = failure.kind();
                tracing::info!(task = %id, reason, "task ended without an answer; its outcome says more")
            }
        }
    }
}

/// A place to run.
enum Place {
    Free,
    Cancelled,
    Stopping,
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no reason given".to_owned())
}
