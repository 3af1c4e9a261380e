//! `/api/tasks/{id}/events`: a task's changes as they happen.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, State},
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, StreamExt as _};
use serde::Serialize;
use serde_json::json;

use super::{
    Api,
    auth::Caller,
    error::ApiError,
    tasks::visible,
    view::{EntryView, TaskView},
};
use crate::{appliance::TaskChange, store::StoreError};

/// How often a comment tells the client that the task is still followed.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Follows a task: `state`, `trace` and at the end `done`, each with one JSON object.
pub async fn events(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let record = visible(&api, &caller, &id).await?;
    let changes = api.appliance().events(record.task.id);
    let events = changes
        .map(|change| Ok(event(change)))
        .take_until(api.parts().stopping.clone().cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn event(change: Result<TaskChange, StoreError>) -> Event {
    match change {
        Ok(TaskChange::State(state)) => named("state", &json!({"state": state})),
        Ok(TaskChange::Entry(entry)) => named("trace", &EntryView::from(entry)),
        Ok(TaskChange::Ended(record)) => named("done", &TaskView::from(*record)),
        Err(error) => named("error", &super::auth::of_store(&error).body()),
    }
}

fn named(name: &str, value: &impl Serialize) -> Event {
    let data = serde_json::to_string(value).unwrap_or_default();
    Event::default().event(name).data(data)
}
