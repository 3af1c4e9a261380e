//! `/api/board`.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use shoal_boards::{HealthReader, Roots};

use super::{Api, auth::Caller, error::ApiError};
use crate::store::Scope;

/// The board, what was decided for it, and how it is doing.
pub async fn show(State(api): State<Api>, caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.needs(Scope::Read)?;
    let reading = tokio::task::spawn_blocking(|| {
        HealthReader::try_new(Roots::default()).map(|mut reader| reader.read())
    });
    let health = match reading.await {
        Ok(Ok(health)) => Some(health),
        _ => None,
    };
    let report = &api.parts().board;
    Ok(Json(json!({
        "board": report.board,
        "decision": report.decision,
        "health": health,
        "memory_shortage": api.appliance().shortage(),
        "policy": *api.parts().policy.borrow(),
    })))
}
