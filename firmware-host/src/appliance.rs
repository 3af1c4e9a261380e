//! Tasks from acceptance to end: each is in the store first, then runs as one future, and ends in the store.
//!
//! A task that is stopped (at a restart, a kill or a power cut) is unfinished in the store; [`Appliance::resume`]
//! takes it up with its trace so far, and the conductor does nothing twice that the trace shows as done.

mod changes;
mod limits;
mod running;
mod slots;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use shoal_boards::Shortage;
use shoal_conductor::{
    conductor::Conductor,
    id::TaskId,
    task::{Outcome, State, Task},
};
use tokio::sync::{RwLock, mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use changes::TaskChange;
pub use limits::{ApplianceLimits, Health};
pub use slots::{Slots, WaitingRoom};

use crate::store::{Accepting, Insertion, Moment, ReplyTo, Store, StoreError};

/// Pieces of an answer that wait for a slow reader, before the answer waits too.
const PIECES: usize = 64;
/// How often a task that this process does not run is looked at again.
const POLL: Duration = Duration::from_secs(1);
/// How long stopped tasks have to let go.
const LETTING_GO: Duration = Duration::from_secs(5);

/// Runs tasks. Clones share it.
#[derive(Clone)]
pub struct Appliance {
    inner: Arc<Inner>,
}

/// How far the engine on this board has come: a number that grows with each token it reads or writes.
pub type Progress = Arc<dyn Fn() -> u64 + Send + Sync>;

struct Inner {
    store: Store,
    conductor: Arc<Conductor>,
    limits: ApplianceLimits,
    progress: Progress,
    slots: Slots,
    /// Shared by each acceptance, from the store to its start; alone by a resume, which must not see one half-way.
    starting: RwLock<()>,
    open: Mutex<HashMap<TaskId, Open>>,
    open_count: watch::Sender<usize>,
    memory: OnceLock<watch::Receiver<Shortage>>,
    draining: AtomicBool,
    /// Ends what waits for a place.
    no_more: CancellationToken,
    /// Ends what runs; it can be resumed.
    stop: CancellationToken,
    last_finished: AtomicU64,
}

/// A task that this process has in hand.
struct Open {
    accepted_at: Moment,
    running: bool,
    cancel: CancellationToken,
    done: watch::Receiver<bool>,
}

/// A task that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// Its name.
    pub id: TaskId,
    /// Whether it is new; otherwise it was accepted before.
    pub fresh: bool,
    /// The answer in pieces, for a new task. Whoever does not read it must drop it.
    pub text: Option<mpsc::Receiver<String>>,
}

/// Why a task was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// Another task has the id.
    #[error("there is another task with the id {id}; choose a new id")]
    Conflict {
        /// The id.
        id: TaskId,
    },
    /// As many are open as may be.
    #[error("{limit} tasks are open, which is the limit; try again when some have ended")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// As many reports wait for the broker as may, and none of them can be dropped.
    #[error(
        "the outbox is full of reports that the MQTT broker has not taken; try again when it is connected"
    )]
    Backlog,
    /// Memory is critically short.
    #[error("there is too little memory for another task; try again soon")]
    Memory,
    /// The program is stopping.
    #[error("the appliance is stopping; try again soon")]
    Draining,
    /// The store did not take it.
    #[error("the task cannot be kept, so it is not accepted: {0}")]
    Store(#[from] StoreError),
}

/// What became of a wish to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It is being ended.
    Cancelling,
    /// It had ended before, like this.
    Ended(State),
    /// There is no such task.
    Unknown,
}

impl Appliance {
    /// An appliance with nothing to do yet; [`Self::resume`] takes up what was left.
    #[must_use]
    pub fn new(
        store: Store,
        conductor: Arc<Conductor>,
        limits: ApplianceLimits,
        slots: Slots,
        progress: Progress,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                conductor,
                limits,
                progress,
                slots,
                starting: RwLock::new(()),
                open: Mutex::new(HashMap::new()),
                open_count: watch::Sender::new(0),
                memory: OnceLock::new(),
                draining: AtomicBool::new(false),
                no_more: CancellationToken::new(),
                stop: CancellationToken::new(),
                last_finished: AtomicU64::new(0),
            }),
        }
    }

    /// Accepts no task from now on while memory is critically short. The first watch given counts.
    pub fn heed(&self, memory: watch::Receiver<Shortage>) {
        self.inner.memory.get_or_init(|| memory);
    }

    /// How short memory is; none if nobody watches it.
    #[must_use]
    pub fn shortage(&self) -> Shortage {
        let memory = self.inner.memory.get();
        memory.map_or(Shortage::None, |memory| *memory.borrow())
    }

    /// Takes up every unfinished task with its trace so far; how many there were.
    pub async fn resume(&self) -> Result<usize, StoreError> {
        let _alone = self.inner.starting.write().await;
        let open = self.inner.store.open_tasks().await?;
        let mut resumed = 0;
        for task in open {
            if self.open().contains_key(&task.task.id) {
                continue;
            }
            let trace = self.inner.store.trace(&task.task.id).await?;
            let history = trace.into_iter().map(|entry| entry.event).collect();
            self.launch(task.task, task.accepted_at, history, None);
            resumed += 1;
        }
        Ok(resumed)
    }

    /// Accepts a task. It is in the store before this returns.
    pub async fn accept(&self, task: Task) -> Result<Accepted, AcceptError> {
        let (pieces, text) = mpsc::channel(PIECES);
        let (id, fresh) = self.take(task, None, Some(pieces)).await?;
        Ok(Accepted {
            id,
            fresh,
            text: fresh.then_some(text),
        })
    }

    /// Accepts a task that came by MQTT: its result goes to `reply`. An id that has ended is answered again.
    pub async fn accept_message(
        &self,
        task: Task,
        reply: ReplyTo,
    ) -> Result<Accepted, AcceptError> {
        let (id, fresh) = self.take(task, Some(reply), None).await?;
        let text = None;
        Ok(Accepted { id, fresh, text })
    }

    async fn take(
        &self,
        task: Task,
        reply: Option<ReplyTo>,
        text: Option<mpsc::Sender<String>>,
    ) -> Result<(TaskId, bool), AcceptError> {
        if self.inner.draining.load(Ordering::Acquire) {
            return Err(AcceptError::Draining);
        }
        if self.shortage() == Shortage::Critical {
            return Err(AcceptError::Memory);
        }
        // The acceptance and the start belong together even if the caller goes away between them.
        let this = self.clone();
        let taking = tokio::spawn(async move { this.insert(task, reply, text).await });
        taking.await.map_err(|_| StoreError::Stopped)?
    }

    async fn insert(
        &self,
        task: Task,
        reply: Option<ReplyTo>,
        text: Option<mpsc::Sender<String>>,
    ) -> Result<(TaskId, bool), AcceptError> {
        let id = task.id.clone();
        let limit = self.inner.limits.max_open_tasks;
        let accepting = Accepting {
            task: task.clone(),
            reply,
            max_open: u32::try_from(limit).unwrap_or(u32::MAX),
        };
        let _shared = self.inner.starting.read().await;
        match self.inner.store.accept(accepting).await? {
            Insertion::Fresh => {
                self.launch(task, Moment::now(), Vec::new(), text);
                Ok((id, true))
            }
            Insertion::Same(_) => Ok((id, false)),
            Insertion::Conflict => Err(AcceptError::Conflict { id }),
            Insertion::Full => Err(AcceptError::Full { limit }),
            Insertion::Backlog => Err(AcceptError::Backlog),
        }
    }

    /// Waits for a task's end, whoever handed it in.
    pub async fn outcome(&self, id: &TaskId) -> Result<Outcome, StoreError> {
        loop {
            let done = self.open().get(id).map(|open| open.done.clone());
            if let Some(outcome) = self.inner.store.ending(id).await? {
                return Ok(outcome);
            }
            match done {
                Some(mut done) => {
                    // An error means that the future has ended, which is as good.
                    let _ = tokio::time::timeout(POLL, done.wait_for(|done| *done)).await;
                }
                None => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Ends a task, also across a restart.
    pub async fn cancel(&self, id: &TaskId) -> Result<CancelOutcome, StoreError> {
        let outcome = match self.inner.store.request_cancel(id).await? {
            None => return Ok(CancelOutcome::Unknown),
            Some(state) if state.is_final() => CancelOutcome::Ended(state),
            Some(_) => CancelOutcome::Cancelling,
        };
        if let Some(open) = self.open().get(id) {
            open.cancel.cancel();
        }
        Ok(outcome)
    }

    /// Takes no more tasks, lets running ones end until `deadline`, then stops them so that they can be resumed. One
    /// that waits for a person is not waited for.
    pub async fn drain(&self, deadline: Duration) {
        self.inner.draining.store(true, Ordering::Release);
        self.inner.no_more.cancel();
        let mut count = self.inner.open_count.subscribe();
        let ended = async {
            let mut changes = self.inner.store.task_changes();
            while *count.borrow_and_update() > self.inner.store.asking() {
                tokio::select! {
                    _ = count.changed() => {}
                    _ = changes.changed() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        };
        // Late or not, what is left is stopped.
        let _ = tokio::time::timeout(deadline, ended).await;
        self.inner.stop.cancel();
        let gone = count.wait_for(|&open| open == 0);
        if tokio::time::timeout(LETTING_GO, gone).await.is_err() {
            tracing::warn!("some tasks did not stop in time; they go on after the next start");
        }
    }

    /// What is getting done.
    #[must_use]
    pub fn health(&self) -> Health {
        let open = self.open();
        let oldest = open.values().map(|open| open.accepted_at).min();
        let running = open.values().filter(|open| open.running).count();
        let finished = self.inner.last_finished.load(Ordering::Relaxed);
        Health {
            open: open.len(),
            running,
            waiting: open.len() - running,
            asking: self.inner.store.asking(),
            oldest_ms: oldest.map_or(0, |oldest| {
                u64::try_from(Moment::now().since(oldest).as_millis()).unwrap_or(u64::MAX)
            }),
            last_finished_at: (finished > 0).then_some(Moment(finished)),
            engine_tokens: (self.inner.progress)(),
            draining: self.inner.draining.load(Ordering::Relaxed),
        }
    }

    /// The conductor.
    #[must_use]
    pub fn conductor(&self) -> &Conductor {
        &self.inner.conductor
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    fn open(&self) -> MutexGuard<'_, HashMap<TaskId, Open>> {
        self.inner
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows numbers alone.
impl std::fmt::Debug for Appliance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Appliance")
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
