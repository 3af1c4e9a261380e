//! A worker on the board that does what the prompt says: tests decide when it answers.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use shoal_conductor::{
    cleared::Cleared,
    conductor::{Conductor, Parts},
    id::WorkerId,
    policy::Policy,
    prompt::Prompt,
    route::rule::Rule,
    worker::{Call, Finish, Place, Reply, Usage, Worker, WorkerError},
};
use tokio::sync::Semaphore;

use super::{Appliance, ApplianceLimits, Slots};
use crate::store::Store;

const POLICY: &str = r#"
[sources]
mqtt = "internal"
[escalation]
internal = "free"
[workers.cloud]
clearance = "internal"
"#;

/// Answers "answer to: " and the task; a task with "hold" in it waits for a permit, one with "panic" panics.
pub(crate) struct Fake {
    id: WorkerId,
    place: Place,
    pub(crate) gate: Semaphore,
    pub(crate) calls: AtomicUsize,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Self::at("local", Place::Board)
    }

    /// One that what is sent to it leaves the board for.
    pub(crate) fn remote() -> Arc<Self> {
        Self::at("cloud", Place::Remote)
    }

    fn at(id: &str, place: Place) -> Arc<Self> {
        Arc::new(Self {
            id: WorkerId::try_new(id).unwrap(),
            place,
            gate: Semaphore::new(0),
            calls: AtomicUsize::new(0),
        })
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// An appliance on `store` whose only worker this is.
    pub(crate) fn appliance(
        self: &Arc<Self>,
        store: &Store,
        limits: ApplianceLimits,
        slots: usize,
    ) -> Appliance {
        let conductor = Conductor::try_new(Parts {
            policy: Arc::new(Policy::parse(POLICY, Path::new(".")).unwrap()),
            workers: vec![self.clone()],
            backbone: None,
            head: None,
            route: Arc::new(Rule),
            journal: Arc::new(store.clone()),
            desk: Arc::new(store.clone()),
            ledger: Arc::new(store.clone()),
            prover: None,
            ultra_min_parameters: 0,
        });
        Appliance::new(
            store.clone(),
            Arc::new(conductor.unwrap()),
            limits,
            Slots::new(slots),
            Arc::new(|| 0),
        )
    }
}

#[async_trait]
impl Worker for Fake {
    fn id(&self) -> &WorkerId {
        &self.id
    }

    fn place(&self) -> Place {
        self.place
    }

    async fn run(&self, prompt: Cleared<Prompt>, call: Call) -> Result<Reply, WorkerError> {
        let prompt = prompt.open(&self.id)?;
        let asked = prompt.messages.last().unwrap().content.clone();
        let said = |word: &str| prompt.messages.iter().any(|m| m.content.contains(word));
        self.calls.fetch_add(1, Ordering::SeqCst);
        assert!(!said("panic"), "told to");
        if said("hold") {
            tokio::select! {
                permit = self.gate.acquire() => permit.unwrap().forget(),
                () = call.cancel.cancelled() => return Err(WorkerError::Cancelled),
            }
        }
        let text = format!("answer to: {asked}");
        if let Some(stream) = call.stream {
            // A reader that went away is no error.
            let _ = stream.send(text.clone()).await;
        }
        Ok(Reply {
            text,
            finish: Finish::Stop,
            usage: Usage::default(),
        })
    }
}
