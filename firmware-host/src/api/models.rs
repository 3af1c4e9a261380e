//! `/v1/models`: the conductors and the workers that a key may use.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::{Api, auth::Caller, error::ApiError};
use crate::store::Scope;

/// Every model.
pub async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.needs(Scope::Chat)?;
    let data: Vec<Value> = api
        .model_names(&caller)
        .iter()
        .map(|name| model(name))
        .collect();
    Ok(Json(json!({"object": "list", "data": data})))
}

/// One model.
pub async fn one(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    caller.needs(Scope::Chat)?;
    if !api.model_names(&caller).contains(&id) {
        return Err(ApiError::no_model(format!(
            "there is no model \"{id}\" for this key"
        )));
    }
    Ok(Json(model(&id)))
}

fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": "shoal"})
}
