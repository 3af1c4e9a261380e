//! Slots to run in: as many tasks run at once as there are slots, and one that waits for a person gives its slot up.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use shoal_conductor::{
    desk::{Desk, DeskError, Question},
    id::{ApprovalId, TaskId},
    trace::Decision,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots and who has one. Clones share them.
#[derive(Clone, Debug)]
pub struct Slots {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<TaskId, OwnedSemaphorePermit>>>,
}

impl Slots {
    /// At least one slot.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(slots.clamp(1, Semaphore::MAX_PERMITS))),
            taken: Arc::default(),
        }
    }

    /// Waits for a slot.
    pub(super) async fn take(&self, task: &TaskId) {
        // The semaphore is never closed, so there is always a permit in the end.
        if let Ok(permit) = Arc::clone(&self.free).acquire_owned().await {
            self.taken().insert(task.clone(), permit);
        }
    }

    /// Gives the task's slot to the next, if it has one.
    pub(super) fn give_back(&self, task: &TaskId) {
        self.taken().remove(task);
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<TaskId, OwnedSemaphorePermit>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A desk at which a task that waits for an answer keeps nobody else from running.
#[derive(Debug)]
pub struct WaitingRoom<D> {
    desk: D,
    slots: Slots,
}

impl<D> WaitingRoom<D> {
    /// Asks at `desk`, with the slots of the appliance that runs the tasks.
    pub fn new(desk: D, slots: Slots) -> Self {
        Self { desk, slots }
    }
}

#[async_trait]
impl<D: Desk> Desk for WaitingRoom<D> {
    async fn find(
        &self,
        task: &TaskId,
        step: u8,
        digest: &str,
    ) -> Result<Option<ApprovalId>, DeskError> {
        self.desk.find(task, step, digest).await
    }

    async fn ask(&self, question: &Question) -> Result<Decision, DeskError> {
        self.slots.give_back(&question.task);
        let answer = self.desk.ask(question).await;
        self.slots.take(&question.task).await;
        answer
    }
}
