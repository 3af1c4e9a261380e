//! `/api/tasks`: tasks that need not be waited for.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use shoal_conductor::{id::TaskId, task::State as Stand};

use super::{
    Api, TRACE_HEADER,
    auth::{Caller, of_store},
    body::Body,
    error::ApiError,
    hand::refused,
    view::TaskView,
    wish::TaskRequest,
};
use crate::store::{Scope, TaskFilter, TaskRecord};

/// The longest that a request is held for an answer, in seconds.
const MAX_WAIT: u64 = 600;
/// The most tasks of one list.
const MAX_LIST: u32 = 1000;

/// How long to wait for the end.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wait {
    wait: Option<u64>,
}

/// Accepts a task, and with `?wait=SECONDS` waits for its end.
pub async fn create(
    State(api): State<Api>,
    caller: Caller,
    Query(wait): Query<Wait>,
    headers: HeaderMap,
    Body(request): Body<TaskRequest>,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Chat)?;
    let task = api.task_of(&caller, &headers, request.wish()?)?;
    let accepted = api
        .appliance()
        .accept(task)
        .await
        .map_err(|error| refused(&error))?;
    // Pieces that nobody reads would hold the answer up.
    drop(accepted.text);
    let id = accepted.id;
    if let Some(seconds) = wait.wait {
        let limit = Duration::from_secs(seconds.min(MAX_WAIT));
        // Late is no failure: the task goes on and the view says so.
        if let Ok(ended) = tokio::time::timeout(limit, api.appliance().outcome(&id)).await {
            // How it ended is in the view; here it matters only that the store could be read.
            drop(ended.map_err(|error| of_store(&error))?);
        }
    }
    let view = TaskView::from(record(&api, &id).await?);
    let status = if view.state.is_final() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let location = HeaderValue::from_str(&view.links.task).ok();
    let mut response = (status, Json(view)).into_response();
    if let (Some(location), Ok(id)) = (location, HeaderValue::from_str(id.as_str())) {
        response.headers_mut().insert(header::LOCATION, location);
        response.headers_mut().insert(TRACE_HEADER, id);
    }
    Ok(response)
}

/// Which tasks.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    state: Option<Stand>,
    limit: Option<u32>,
}

/// The newest tasks that the key may see, without their answers.
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Value>, ApiError> {
    let all = caller.has(Scope::Read);
    if !all {
        caller.needs(Scope::Chat)?;
    }
    let filter = TaskFilter {
        state: which.state,
        from: (!all).then(|| caller.from.clone()),
        limit: which.limit.unwrap_or(100).min(MAX_LIST),
    };
    let heads = api
        .appliance()
        .store()
        .tasks(filter)
        .await
        .map_err(|error| of_store(&error))?;
    let tasks: Vec<TaskView> = heads.into_iter().map(TaskView::from).collect();
    Ok(Json(json!({"tasks": tasks})))
}

/// One task.
pub async fn one(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<TaskView>, ApiError> {
    visible(&api, &caller, &id)
        .await
        .map(|record| Json(record.into()))
}

/// Ends a task.
pub async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<TaskView>, ApiError> {
    let record = visible(&api, &caller, &id).await?;
    if record.task.from != caller.from {
        caller.needs(Scope::Admin)?;
    }
    let id = record.task.id;
    if record.state.is_final() {
        return Err(ApiError::conflict(
            "task_ended",
            format!("task {id} has ended already: it is {}", record.state),
        ));
    }
    api.appliance()
        .cancel(&id)
        .await
        .map_err(|error| of_store(&error))?;
    self::record(&api, &id)
        .await
        .map(|record| Json(record.into()))
}

/// What a caller says of an answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    score: f64,
}

/// Keeps in the trace how good an answer is, for routing heads to learn from.
pub async fn feedback(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Body(feedback): Body<Feedback>,
) -> Result<Json<Value>, ApiError> {
    let record = visible(&api, &caller, &id).await?;
    if record.task.from != caller.from {
        caller.needs(Scope::Admin)?;
    }
    let score = feedback.score;
    if !(0.0..=1.0).contains(&score) {
        let message = format!("score goes from 0, of no use, to 1, right; {score} is not between");
        return Err(ApiError::invalid("score", message));
    }
    let store = api.appliance().store();
    let state = store.rate(&record.task.id, &caller.from, score).await;
    match state.map_err(|error| of_store(&error))? {
        Stand::Done => Ok(Json(json!({
            "task": record.task.id,
            "score": score,
            "by": caller.from,
        }))),
        state => Err(ApiError::conflict(
            "no_answer",
            format!("task {id} has no answer to say this of: it is {state}"),
        )),
    }
}

/// The task, if the key may see it; otherwise there is none.
pub async fn visible(api: &Api, caller: &Caller, id: &str) -> Result<TaskRecord, ApiError> {
    let missing = || ApiError::not_found(format!("there is no task \"{id}\""));
    let id = TaskId::try_new(id).map_err(|_| missing())?;
    let record = record(api, &id).await?;
    if caller.may_see(&record.task.from) {
        Ok(record)
    } else {
        Err(missing())
    }
}

async fn record(api: &Api, id: &TaskId) -> Result<TaskRecord, ApiError> {
    api.appliance()
        .store()
        .task(id)
        .await
        .map_err(|error| of_store(&error))?
        .ok_or_else(|| ApiError::not_found(format!("there is no task \"{id}\"")))
}
