//! Following a task.

use futures::{Stream, stream};
use shoal_conductor::{id::TaskId, task::State};
use tokio::sync::watch;

use super::{Appliance, POLL};
use crate::store::{Entry, StoreError, TaskRecord};

/// Something new about a task.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskChange {
    /// It stands here now.
    State(State),
    /// A line was added to its trace.
    Entry(Entry),
    /// It has ended. Nothing comes after it.
    Ended(Box<TaskRecord>),
}

struct Follower {
    appliance: Appliance,
    id: TaskId,
    changes: watch::Receiver<u64>,
    seq: u64,
    state: Option<State>,
    ready: std::collections::VecDeque<TaskChange>,
    over: bool,
}

impl Appliance {
    /// Everything that happened to a task and happens from now on, up to its end. Lines of the trace come once each and
    /// in order; a state that lasted only a moment may be left out.
    pub fn events(
        &self,
        id: TaskId,
    ) -> impl Stream<Item = Result<TaskChange, StoreError>> + Send + use<> {
        let follower = Follower {
            changes: self.inner.store.task_changes(),
            appliance: self.clone(),
            id,
            seq: 0,
            state: None,
            ready: std::collections::VecDeque::new(),
            over: false,
        };
        stream::unfold(follower, |mut follower| async move {
            let next = follower.next().await?;
            follower.over |= next.is_err();
            Some((next, follower))
        })
    }
}

impl Follower {
    async fn next(&mut self) -> Option<Result<TaskChange, StoreError>> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some(Ok(change));
            }
            if self.over {
                return None;
            }
            self.changes.mark_unchanged();
            if let Err(error) = self.look().await {
                return Some(Err(error));
            }
            if self.ready.is_empty() {
                // Another process may write too, so it is looked at from time to time.
                let _ = tokio::time::timeout(POLL, self.changes.changed()).await;
            }
        }
    }

    /// The state is read before the trace: nothing is added to the trace of a task that has ended.
    async fn look(&mut self) -> Result<(), StoreError> {
        let store = self.appliance.store().clone();
        let id = self.id.clone();
        let missing = || StoreError::NoTask(id.to_string());
        let state = store.standing(&id).await?.ok_or_else(missing)?;
        for entry in store.trace_after(&id, self.seq).await? {
            self.seq = entry.seq;
            self.ready.push_back(TaskChange::Entry(entry));
        }
        if self.state != Some(state) {
            self.state = Some(state);
            self.ready.push_back(TaskChange::State(state));
        }
        if state.is_final() {
            let record = store.task(&id).await?.ok_or_else(missing)?;
            self.over = true;
            self.ready.push_back(TaskChange::Ended(Box::new(record)));
        }
        Ok(())
    }
}
