//! The engine as a worker.

use async_trait::async_trait;
use shoal_conductor::{
    cleared::Cleared,
    id::WorkerId,
    prompt::Prompt,
    worker::{Call, Place, Reply, Worker, WorkerError},
};

use crate::engine::{Engine, Priority};

/// A worker on this board that shares the backbone's weights.
#[derive(Clone)]
pub struct LocalWorker {
    id: WorkerId,
    engine: Engine,
}

impl LocalWorker {
    /// Serves `engine` under the name `id`.
    #[must_use]
    pub fn new(id: WorkerId, engine: Engine) -> Self {
        Self { id, engine }
    }
}

#[async_trait]
impl Worker for LocalWorker {
    fn id(&self) -> &WorkerId {
        &self.id
    }

    fn place(&self) -> Place {
        Place::Board
    }

    async fn run(&self, prompt: Cleared<Prompt>, call: Call) -> Result<Reply, WorkerError> {
        let prompt = prompt.open(&self.id)?;
        self.engine
            .complete_as(&self.id, Priority::Step, prompt, call)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ask_briefly, cleared, engine, worker};

    #[tokio::test]
    async fn it_answers_what_was_cleared_for_it_and_nothing_else() {
        let local = LocalWorker::new(worker("local"), engine());
        assert_eq!(local.place(), Place::Board);
        let prompt = ask_briefly("What is the capital of Japan?", 24);
        let reply = local
            .run(cleared(prompt.clone(), local.id()), Call::default())
            .await
            .unwrap();
        assert!(reply.text.contains("Tokyo"), "{}", reply.text);
        let other = cleared(prompt, &worker("other"));
        let error = local.run(other, Call::default()).await.unwrap_err();
        assert!(matches!(error, WorkerError::NotForYou(_)));
    }
}
