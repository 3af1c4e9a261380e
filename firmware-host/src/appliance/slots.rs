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

/// A task's place: its permit, unless it is given up for a while.
type Seat = Arc<tokio::sync::Mutex<Option<OwnedSemaphorePermit>>>;

/// The slots and who has one. Clones share them.
#[derive(Clone, Debug)]
pub struct Slots {
    free: Arc<Semaphore>,
    seats: Arc<Mutex<HashMap<TaskId, Seat>>>,
}

impl Slots {
    /// At least one slot.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(slots.clamp(1, Semaphore::MAX_PERMITS))),
            seats: Arc::default(),
        }
    }

    /// Waits for a slot, unless the task has one: steps that run side by side share it.
    pub(super) async fn take(&self, task: &TaskId) {
        let seat = Arc::clone(self.seats().entry(task.clone()).or_default());
        // One step at most waits for a permit; the task's others wait here and then find it.
        let mut permit = seat.lock().await;
        if permit.is_none() {
            // The semaphore is never closed, so there is always a permit in the end.
            *permit = Arc::clone(&self.free).acquire_owned().await.ok();
        }
    }

    /// Gives the slot of a task that has ended to the next, if it has one.
    pub(super) fn give_back(&self, task: &TaskId) {
        self.seats().remove(task);
    }

    /// Gives the task's slot to the next until the task takes one again. A step of it that still works goes on: better
    /// one more at work than nobody while people think.
    fn give_up(&self, task: &TaskId) {
        let seat = self.seats().get(task).cloned();
        // Locked, another step is just waiting for a slot to work in, so there is none to give.
        if let Some(seat) = seat
            && let Ok(mut permit) = seat.try_lock()
        {
            permit.take();
        }
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<TaskId, Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.slots.give_up(&question.task);
        let answer = self.desk.ask(question).await;
        self.slots.take(&question.task).await;
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shoal_conductor::{id::WorkerId, label::Label};

    use super::*;

    /// Answers one question for each permit.
    #[derive(Debug)]
    struct Person(Semaphore);

    #[async_trait]
    impl Desk for &'static Person {
        async fn find(&self, _: &TaskId, _: u8, _: &str) -> Result<Option<ApprovalId>, DeskError> {
            Ok(None)
        }

        async fn ask(&self, _: &Question) -> Result<Decision, DeskError> {
            self.0.acquire().await.unwrap().forget();
            Ok(Decision::Expired)
        }
    }

    fn id(name: &str) -> TaskId {
        TaskId::try_new(name).unwrap()
    }

    fn question(task: &str) -> Question {
        Question {
            id: ApprovalId::fresh(),
            task: id(task),
            step: 1,
            worker: WorkerId::try_new("cloud").unwrap(),
            label: Label::Confidential,
            read: Label::Confidential,
            by_message: false,
            rule: String::new(),
            shown: Vec::new(),
            digest: String::new(),
            expires_after: 600,
            people: 1,
        }
    }

    fn room() -> (&'static Person, Arc<WaitingRoom<&'static Person>>, Slots) {
        let person: &'static Person = Box::leak(Box::new(Person(Semaphore::new(0))));
        let slots = Slots::new(1);
        let room = WaitingRoom::new(person, slots.clone());
        (person, Arc::new(room), slots)
    }

    fn asking(
        room: &Arc<WaitingRoom<&'static Person>>,
        task: &'static str,
    ) -> tokio::task::JoinHandle<()> {
        let room = room.clone();
        tokio::spawn(async move {
            room.ask(&question(task)).await.unwrap();
        })
    }

    async fn within(work: impl Future) {
        tokio::time::timeout(Duration::from_secs(20), work)
            .await
            .ok()
            .unwrap();
    }

    async fn until(condition: impl Fn() -> bool) {
        within(async {
            while !condition() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    #[tokio::test]
    async fn two_steps_of_one_task_that_ask_share_its_slot_afterwards() {
        let (person, room, slots) = room();
        within(slots.take(&id("t1"))).await;
        let (one, two) = (asking(&room, "t1"), asking(&room, "t1"));
        until(|| slots.free.available_permits() == 1).await;
        person.0.add_permits(2);
        within(async { (one.await.unwrap(), two.await.unwrap()) }).await;
        assert_eq!(slots.free.available_permits(), 0);
        slots.give_back(&id("t1"));
        assert_eq!(slots.free.available_permits(), 1);
    }

    #[tokio::test]
    async fn steps_that_wait_for_the_slot_of_another_task_get_it_together() {
        let (person, room, slots) = room();
        within(slots.take(&id("t1"))).await;
        let (one, two) = (asking(&room, "t1"), asking(&room, "t1"));
        within(slots.take(&id("t2"))).await;
        person.0.add_permits(2);
        until(|| person.0.available_permits() == 0).await;
        slots.give_back(&id("t2"));
        within(async { (one.await.unwrap(), two.await.unwrap()) }).await;
        assert_eq!(slots.free.available_permits(), 0);
    }
}
