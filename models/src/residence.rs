//! Several models in one memory: each is loaded when it is asked for, and those that were used least make room.
//!
//! - A call for a model in memory begins at once.
//! - A call for one that is not waits until those that must make room have answered what they are at. One model is
//!   loaded at a time, first come, first served.
//! - So that two models in turn do not spend the time with loading, one that has calls may stay [`STAY`] times as long as
//!   loading it took. After that, new calls for it wait too, behind whoever waited for its room.
//!
//! [`ResidentWorker::wait`](shoal_conductor::worker::Worker::wait) says what a swap would cost before it is made.

mod room;

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use shoal_conductor::{
    cleared::Cleared,
    id::WorkerId,
    prompt::Prompt,
    worker::{Call, Place, Reply, Worker, WorkerError},
};
use tokio::{runtime::Handle, sync::oneshot};

use self::room::{Change, Grant, Room};
use crate::engine::{self, Engine, EngineOptions, LoadError, Priority, Relief};

/// How many times the time that its loading took a model may stay while others wait for its room.
const STAY: u32 = 4;

/// Models that share a budget of memory. Clones share it too.
#[derive(Clone)]
pub struct Residence {
    room: Arc<Mutex<Room>>,
}

impl Residence {
    /// A memory of `budget` bytes for weights and caches.
    #[must_use]
    pub fn new(budget: u64) -> Self {
        Self {
            room: Arc::new(Mutex::new(Room::new(budget))),
        }
    }

    /// Takes a model in, without loading it. A file that is no model, or one that would not fit even alone, is an error.
    pub fn join(&self, options: EngineOptions) -> Result<ResidentWorker, LoadError> {
        let (weights, needed) = options.needs()?;
        let mut room = self.lock();
        if needed > room.budget() {
            let available = room.budget();
            return Err(LoadError::OutOfMemory { needed, available });
        }
        let id = options.id.clone();
        let at = room.add(options, weights, needed);
        drop(room);
        Ok(ResidentWorker {
            id,
            at,
            residence: self.clone(),
        })
    }

    /// Batches decoded since the start by all models; grows while any of them works.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.lock().ticks()
    }

    /// Gives memory back: what idle models left in their caches, then the models that nobody uses.
    pub fn relieve(&self, relief: Relief) {
        let unloaded = self.lock().relieve(relief);
        // It ends their threads, which nobody should wait for under the lock.
        drop(unloaded);
        engine::heap::give_back();
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        // Nothing in there panics half-way.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the model.
    async fn lease(&self, at: usize) -> Result<Lease, Arc<LoadError>> {
        let (turn, granted) = oneshot::channel();
        let change = self.lock().ask(at, turn);
        self.apply(change);
        granted
            .await
            .unwrap_or_else(|_| Err(Arc::new(LoadError::Died)))
    }

    /// Does what the room decided, outside its lock.
    fn apply(&self, change: Change) {
        for Grant { at, turn, engine } in change.grants {
            let lease = Lease {
                engine: Some(engine),
                at,
                residence: self.clone(),
            };
            // Whoever went away has no use for it, and it ends here or with the channel.
            drop(turn.send(Ok(lease)));
        }
        let Some(load) = change.load else { return };
        // Without one the program ends, and nobody waits any more.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let residence = self.clone();
        runtime.spawn_blocking(move || {
            if !load.unloaded.is_empty() {
                drop(load.unloaded);
                engine::heap::give_back();
            }
            let began = Instant::now();
            let loaded = Engine::load(load.options);
            let change = residence.lock().loaded(load.at, loaded, began.elapsed());
            residence.apply(change);
        });
    }
}

/// A model that is in memory as long as this is held.
struct Lease {
    engine: Option<Engine>,
    at: usize,
    residence: Residence,
}

impl Drop for Lease {
    fn drop(&mut self) {
        // First, so that the room has the last handle.
        self.engine = None;
        let change = self.residence.lock().leave(self.at);
        self.residence.apply(change);
    }
}

/// A worker on this board whose model is loaded when it is needed.
#[derive(Clone)]
pub struct ResidentWorker {
    id: WorkerId,
    at: usize,
    residence: Residence,
}

#[async_trait]
impl Worker for ResidentWorker {
    fn id(&self) -> &WorkerId {
        &self.id
    }

    fn place(&self) -> Place {
        Place::Board
    }

    /// Nothing for a model in memory; else what loading it took last, or will take by what is known of the disk.
    fn wait(&self) -> Duration {
        self.residence.lock().wait(self.at)
    }

    async fn run(&self, prompt: Cleared<Prompt>, call: Call) -> Result<Reply, WorkerError> {
        let prompt = prompt.open(&self.id)?;
        let lease = tokio::select! {
            biased;
            () = call.cancel.cancelled() => return Err(WorkerError::Cancelled),
            lease = self.residence.lease(self.at) => lease,
        };
        let lease = lease.map_err(|error| WorkerError::Unreachable {
            worker: self.id.clone(),
            reason: error.to_string(),
        })?;
        let Some(engine) = &lease.engine else {
            return Err(WorkerError::Cancelled);
        };
        engine
            .complete_as(&self.id, Priority::Step, prompt, call)
            .await
    }
}
