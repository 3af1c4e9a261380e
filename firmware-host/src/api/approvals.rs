//! `/api/approvals`: questions to people.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};
use shoal_conductor::id::ApprovalId;

use super::{
    Api,
    auth::{Caller, of_store},
    body::Body,
    error::ApiError,
};
use crate::store::{DecideOutcome, Scope};

/// Which questions.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    all: bool,
}

/// An answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    decision: Choice,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    Approve,
    Deny,
}

/// The open questions, or with `?all=true` every one.
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Value>, ApiError> {
    caller.needs(Scope::Approve)?;
    let approvals = api
        .appliance()
        .store()
        .approvals(!which.all)
        .await
        .map_err(|error| of_store(&error))?;
    Ok(Json(json!({"approvals": approvals})))
}

/// Answers a question, once and for all.
pub async fn decide(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Body(answer): Body<Answer>,
) -> Result<Json<Value>, ApiError> {
    caller.needs(Scope::Approve)?;
    let missing = || ApiError::not_found(format!("there is no approval \"{id}\""));
    let approval = ApprovalId::try_new(id.as_str()).map_err(|_| missing())?;
    let yes = matches!(answer.decision, Choice::Approve);
    let outcome = api
        .appliance()
        .store()
        .decide(&approval, yes, &caller.from)
        .await
        .map_err(|error| of_store(&error))?;
    match outcome {
        DecideOutcome::Decided => Ok(Json(json!({
            "id": approval,
            "decision": if yes { "approved" } else { "denied" },
            "by": caller.from,
        }))),
        DecideOutcome::AlreadyDecided { decision } => Err(ApiError::conflict(
            "already_decided",
            format!("approval {approval} has its answer already: {decision:?}"),
        )),
        DecideOutcome::Expired => Err(ApiError::conflict(
            "expired",
            format!("the time to answer approval {approval} is up"),
        )),
        DecideOutcome::Unknown => Err(missing()),
    }
}
