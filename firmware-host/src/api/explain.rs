//! `/api/plan` and `/api/policy/explain`: what would happen, without doing it.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use shoal_conductor::label::Label;

use super::{Api, auth::Caller, body::Body, error::ApiError, wish::TaskRequest};
use crate::store::Scope;

/// What would run where, and why. Calls no worker.
pub async fn plan(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Body(request): Body<TaskRequest>,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Chat)?;
    let task = api.task_of(&caller, &headers, request.wish()?)?;
    let plan = api
        .appliance()
        .conductor()
        .plan(&task)
        .await
        .map_err(|failure| ApiError::of_failure(&failure))?;
    Ok(shown(&headers, &plan))
}

/// A text to be explained.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    text: String,
    #[serde(default)]
    label: Label,
}

/// What is found in a text and who may read it.
pub async fn explain(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Body(question): Body<Question>,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Chat)?;
    let declared = question.label.join(caller.label);
    let explanation = api
        .appliance()
        .conductor()
        .explain(&question.text, declared, &caller.from)
        .await;
    Ok(shown(&headers, &explanation))
}

/// As JSON, or as text for who asks for `text/plain`.
fn shown<T: Serialize + std::fmt::Display>(headers: &HeaderMap, value: &T) -> Response {
    let text = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.starts_with("text/plain"));
    if text {
        value.to_string().into_response()
    } else {
        Json(value).into_response()
    }
}
