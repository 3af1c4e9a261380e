//! `/api/traces/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};

use super::{
    Api,
    auth::{Caller, of_store},
    error::ApiError,
    tasks::visible,
    view::TraceView,
};

/// The trace of one task, as far as it is written.
pub async fn one(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<TraceView>, ApiError> {
    let record = visible(&api, &caller, &id).await?;
    let entries = api
        .appliance()
        .store()
        .trace(&record.task.id)
        .await
        .map_err(|error| of_store(&error))?;
    Ok(Json(TraceView::new(record, entries)))
}
