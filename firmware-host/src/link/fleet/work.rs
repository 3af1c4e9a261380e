//! The tasks of the fleet that this board does: as its own tasks, whose results go into the claim and nowhere else.

use shoal_conductor::{
    id::TaskId,
    label::Label,
    task::{Answer, Outcome, State, Task},
};
use shoal_wire::{Name, Root, TaskResult};
use tokio::sync::mpsc;

use super::claim::Work;
use crate::{
    appliance::{AcceptError, Appliance},
    link::{
        request::{self, Frame},
        side::Incoming,
    },
    said,
    store::{StoreError, TaskFilter},
};

/// The longest task, in bytes: it is in every claim.
const MAX_TASK: usize = 64 * 1024;
/// The longest id, so that there is room for the epoch.
const MAX_ID: usize = 52;
/// The longest result, in bytes.
const MAX_RESULT: usize = 256 * 1024;
const MAX_CORRELATION: usize = 1024;
/// Tasks that are looked through after a start.
const LOOKED_AT: u32 = 1000;

/// What became of a task here.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) id: Name,
    pub(super) epoch: u32,
    /// The result as it is published.
    pub(super) answer: String,
}

/// Why this board cannot do a task.
#[derive(Debug, thiserror::Error)]
pub(super) enum CannotStart {
    #[error(transparent)]
    Refused(#[from] AcceptError),
    #[error("the epoch makes the id too long")]
    Id,
}

/// What is done here, and where it is told that it has ended.
#[derive(Clone)]
pub(super) struct Works {
    appliance: Appliance,
    board: Name,
    topic: String,
    finished: mpsc::Sender<Finished>,
}

impl Works {
    pub(super) fn new(
        appliance: Appliance,
        board: Name,
        topic: &str,
        finished: mpsc::Sender<Finished>,
    ) -> Self {
        Self {
            appliance,
            board,
            topic: topic.to_owned(),
            finished,
        }
    }

    /// Begins a task. What is no task has ended at once.
    pub(super) async fn start(
        &self,
        id: &Name,
        epoch: u32,
        work: &Work,
    ) -> Result<(), CannotStart> {
        let local = local(id.as_str(), epoch).ok_or(CannotStart::Id)?;
        let frame = Frame {
            floor: self.appliance.conductor().policy().sources.mqtt,
            topic: &self.topic,
            fallback: local.clone(),
        };
        let (this, id) = (self.clone(), id.clone());
        let task = match request::read(work.task.as_bytes(), frame) {
            Ok(task) => task,
            Err(error) => {
                let ended = async move {
                    let outcome = Err(error.to_string());
                    this.report(&id, epoch, &local, outcome).await;
                };
                tokio::spawn(ended);
                return Ok(());
            }
        };
        let label = task.label;
        let task = Task {
            id: local.clone(),
            ..task
        };
        let accepted = self.appliance.accept(task).await?;
        drop(accepted.text);
        tracing::info!(task = %local, "a task of the fleet is begun");
        tokio::spawn(async move {
            let outcome = this.appliance.outcome(&local).await;
            let outcome = outcome.map_err(|error| error.to_string());
            let outcome = outcome.map(|outcome| (outcome, label));
            this.report(&id, epoch, &local, outcome).await;
        });
        Ok(())
    }

    async fn report(
        &self,
        id: &Name,
        epoch: u32,
        local: &TaskId,
        outcome: Result<(Outcome, Label), String>,
    ) {
        let (outcome, label) = match outcome {
            Ok((outcome, label)) => (outcome.map_err(|f| (f.state(), f.to_string())), label),
            Err(error) => (Err((State::Failed, error)), Label::default()),
        };
        let whole = self.result(id, epoch, local, &outcome, label);
        let answer = if whole.len() <= MAX_RESULT {
            whole
        } else {
            let reason = format!(
                "the result has {} bytes, more than a claim takes; it is in the trace of {}",
                whole.len(),
                self.board
            );
            self.result(id, epoch, local, &Err((State::Failed, reason)), label)
        };
        let finished = Finished {
            id: id.clone(),
            epoch,
            answer,
        };
        // The fleet ends with the program.
        let _ = self.finished.send(finished).await;
    }

    fn result(
        &self,
        id: &Name,
        epoch: u32,
        local: &TaskId,
        outcome: &Result<Answer, (State, String)>,
        label: Label,
    ) -> String {
        let end = outcome
            .as_ref()
            .map_err(|(state, error)| (*state, error.as_str()));
        let trace = Name::try_new(local.as_str()).unwrap_or_else(|_| id.clone());
        let said = TaskResult {
            board: Some(self.board.clone()),
            epoch: Some(epoch),
            ..said::result(id, &trace, label, end)
        };
        serde_json::to_string(&said).unwrap_or_default()
    }

    /// Ends what another board does now.
    pub(super) async fn stop(&self, id: &Name, epoch: u32) {
        if let Some(local) = local(id.as_str(), epoch)
            && let Err(error) = self.appliance.cancel(&local).await
        {
            tracing::warn!(task = %local, %error, "a task that another board does goes on here");
        }
    }

    /// Ends all tasks of the fleet but these: those that were open before the program was started anew.
    pub(super) async fn keep_only(&self, held: Vec<(String, u32)>) {
        let keep: Vec<TaskId> = held
            .iter()
            .filter_map(|(id, epoch)| local(id, *epoch))
            .collect();
        let filter = TaskFilter {
            from: Some(format!("mqtt:{}", self.topic)),
            limit: LOOKED_AT,
            ..TaskFilter::default()
        };
        let open = match self.appliance.store().tasks(filter).await {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!(%error, "tasks that other boards do may go on here");
                return;
            }
        };
        let open = open.into_iter().filter(|head| !head.state.is_final());
        for head in open.filter(|head| !keep.contains(&head.id)) {
            let ended: Result<_, StoreError> = self.appliance.cancel(&head.id).await;
            if let Err(error) = ended {
                tracing::warn!(task = %head.id, %error, "a task that another board does goes on here");
            }
        }
    }
}

/// The name of a task on this board.
fn local(id: &str, epoch: u32) -> Option<TaskId> {
    TaskId::try_new(format!("{id}.{epoch}")).ok()
}

/// A message as a task of the fleet, or what is wrong with it.
pub(super) fn offered(message: &Incoming) -> Result<(Name, Work), String> {
    if message.payload.len() > MAX_TASK {
        return Err(format!("a task of a fleet has at most {MAX_TASK} bytes"));
    }
    let text = std::str::from_utf8(&message.payload)
        .map_err(|_| "a task of a fleet is JSON".to_owned())?;
    let id = request::id_of(&message.payload).filter(|id| id.as_str().len() <= MAX_ID);
    let id = id.and_then(|id| Name::try_new(id.as_str()).ok());
    let id = id.ok_or_else(|| {
        format!("a task of a fleet is a JSON object with an \"id\" of at most {MAX_ID} characters, by which boards know it")
    })?;
    let fits = |topic: &String| {
        (1..=512).contains(&topic.len())
            && !topic.contains(['+', '#'])
            && !topic.contains(char::is_control)
            && !topic.starts_with('$')
            && !topic.starts_with(Root::PREFIX)
            && topic.split('/').count() <= 32
    };
    if message
        .response_topic
        .as_ref()
        .is_some_and(|topic| !fits(topic))
    {
        return Err("the response topic is none that an answer may go to".to_owned());
    }
    if message
        .correlation
        .as_ref()
        .is_some_and(|data| data.len() > MAX_CORRELATION)
    {
        return Err(format!(
            "correlation data has at most {MAX_CORRELATION} bytes"
        ));
    }
    let work = Work {
        task: text.to_owned(),
        reply: message.response_topic.clone(),
        correlation: message.correlation.clone(),
    };
    Ok((id, work))
}
