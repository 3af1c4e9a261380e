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
use crate::store::{Ballot, DecideOutcome, Reach, Scope};

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
    #[serde(default)]
    r#for: Reach,
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
        .vote(
            &approval,
            Ballot {
                reach: answer.r#for,
                ..Ballot::new(yes, caller.from.as_str())
            },
        )
        .await
        .map_err(|error| of_store(&error))?;
    match outcome {
        DecideOutcome::Decided => Ok(Json(json!({
            "id": approval,
            "decision": if yes { "approved" } else { "denied" },
            "by": caller.from,
        }))),
        DecideOutcome::Counted { have, need } => Ok(Json(json!({
            "id": approval,
            "decision": "counted",
            "by": caller.from,
            "have": have,
            "need": need,
        }))),
        DecideOutcome::Again => Err(ApiError::conflict(
            "already_counted",
            format!(
                "{} has approved {approval} already; another person must",
                caller.from
            ),
        )),
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

/// The approvals that hold for more than one question.
pub async fn standing(State(api): State<Api>, caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.needs(Scope::Approve)?;
    let store = api.appliance().store();
    let standing = store.standing_approvals().await;
    let standing = standing.map_err(|error| of_store(&error))?;
    Ok(Json(json!({"standing": standing})))
}

/// Ends one of them.
pub async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Path(number): Path<i64>,
) -> Result<Json<Value>, ApiError> {
    caller.needs(Scope::Approve)?;
    let store = api.appliance().store();
    let revoked = store.revoke_standing(number, &caller.from).await;
    if !revoked.map_err(|error| of_store(&error))? {
        let missing = format!("there is no standing approval {number} in force");
        return Err(ApiError::not_found(missing));
    }
    Ok(Json(json!({"standing": number, "revoked_by": caller.from})))
}
