//! Handing a wish to the appliance as a task.

use std::time::Duration;

use axum::http::HeaderMap;
use serde_json::Value;
use shoal_conductor::{
    id::{TaskId, WorkerId},
    label::Label,
    task::{Target, Task},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Api, LABEL_HEADER, TASK_HEADER,
    auth::{Caller, of_store},
    error::ApiError,
    limits,
    wish::{Wish, label_of},
};
use crate::appliance::{AcceptError, Appliance};

/// A task that was accepted for a client that waits.
pub struct Handed {
    /// Its name.
    pub id: TaskId,
    /// The model that was asked for.
    pub target: Target,
    /// The answer as it is written, where it is this client's.
    pub text: Option<mpsc::Receiver<String>>,
    /// Ends the task if the client goes away.
    pub guard: HangUp,
}

impl Api {
    /// Makes a task of a wish.
    pub fn task_of(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        wish: Wish,
    ) -> Result<Task, ApiError> {
        self.check_target(caller, &wish.target)?;
        let id = match (wish.id, id_of(headers)?) {
            (Some(a), Some(b)) if a != b => {
                return Err(ApiError::invalid(
                    "id",
                    "the body and the header name two ids",
                ));
            }
            (Some(id), _) | (None, Some(id)) => id,
            (None, None) => TaskId::fresh(),
        };
        let label: Label = [
            self.appliance().conductor().policy().sources.api,
            caller.label,
            wish.label,
            header_label(headers)?,
        ]
        .into_iter()
        .collect();
        let limits = wish.limits.and(limits::of_headers(headers)?);
        if let Some(max) = limits.max_label.filter(|max| label > *max) {
            let said = format!(
                "the label is {label}, above max_label = \"{max}\", so the task would be refused"
            );
            return Err(ApiError::invalid("max_label", said));
        }
        let pool = self.appliance().conductor().workers();
        let pool: Vec<WorkerId> = pool.into_iter().map(|(id, _)| id).collect();
        let workers = limits::both(caller.workers.clone(), wish.workers, &pool)?;
        let workers = limits::both(workers, limits::workers_of_headers(headers)?, &pool)?;
        Ok(Task {
            id,
            target: wish.target,
            messages: wish.messages,
            format: wish.format,
            sampling: wish.sampling,
            effort: wish.effort,
            label,
            from: caller.from.clone(),
            workers,
            limits,
        })
    }

    /// Accepts a wish for a client that waits for the answer. Going away ends the task, unless the client named it: then
    /// it can come back for it.
    pub async fn hand_in(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        wish: Wish,
    ) -> Result<Handed, ApiError> {
        let named = wish.id.is_some() || id_of(headers)?.is_some();
        let task = self.task_of(caller, headers, wish)?;
        let target = task.target.clone();
        let accepted = self
            .appliance()
            .accept(task)
            .await
            .map_err(|error| refused(&error))?;
        let guard = HangUp {
            appliance: (!named).then(|| self.appliance().clone()),
            id: accepted.id.clone(),
            stopping: self.parts().stopping.clone(),
        };
        Ok(Handed {
            id: accepted.id,
            target,
            text: accepted.text,
            guard,
        })
    }

    fn check_target(&self, caller: &Caller, target: &Target) -> Result<(), ApiError> {
        let names = self.model_names(caller);
        let wanted = target.to_string();
        if names.contains(&wanted) {
            return Ok(());
        }
        Err(ApiError::no_model(format!(
            "there is no model \"{wanted}\" for this key; it may use {}",
            names.join(", ")
        )))
    }

    /// The models that a key may ask for.
    pub fn model_names(&self, caller: &Caller) -> Vec<String> {
        let workers = self.appliance().conductor().workers();
        let targets = [Target::Mini, Target::Ultra]
            .into_iter()
            .chain(workers.into_iter().map(|(id, _)| Target::Worker(id)));
        targets
            .filter(|target| caller.may_use(target))
            .map(|target| target.to_string())
            .collect()
    }
}

/// Why a task was not accepted, as a response.
pub fn refused(error: &AcceptError) -> ApiError {
    match error {
        AcceptError::Conflict { .. } => ApiError::conflict("id_conflict", error.to_string()),
        AcceptError::Full { .. } => ApiError::too_many(error.to_string(), Duration::from_secs(5)),
        AcceptError::Backlog | AcceptError::Memory | AcceptError::Draining => {
            ApiError::unavailable(error.to_string(), Duration::from_secs(10))
        }
        AcceptError::Store(error) => of_store(error),
    }
}

/// The id that the client gave in a header.
fn id_of(headers: &HeaderMap) -> Result<Option<TaskId>, ApiError> {
    let Some(name) = [TASK_HEADER, "idempotency-key"]
        .into_iter()
        .find(|name| headers.contains_key(*name))
    else {
        return Ok(None);
    };
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    TaskId::try_new(text.unwrap_or_default())
        .map(Some)
        .map_err(|error| ApiError::invalid(name, format!("the header {name}: {error}")))
}

fn header_label(headers: &HeaderMap) -> Result<Label, ApiError> {
    let Some(value) = headers.get(LABEL_HEADER) else {
        return Ok(Label::Public);
    };
    let word = value.to_str().unwrap_or_default();
    label_of(Some(&Value::from(word)))
}

/// Cancels a task when dropped, unless told that it is no longer needed.
pub struct HangUp {
    appliance: Option<Appliance>,
    id: TaskId,
    stopping: CancellationToken,
}

impl HangUp {
    /// The task has ended.
    pub fn disarm(mut self) {
        self.appliance = None;
    }
}

impl Drop for HangUp {
    fn drop(&mut self) {
        let Some(appliance) = self.appliance.take() else {
            return;
        };
        // It is this program that closes the connection then, and the task goes on at the next start.
        if self.stopping.is_cancelled() {
            return;
        }
        let id = self.id.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = appliance.cancel(&id).await {
                    tracing::warn!(task = %id, %error, "the client went away and its task cannot be cancelled");
                }
            });
        }
    }
}
