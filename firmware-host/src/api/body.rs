//! A JSON body with errors in our form.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::StatusCode,
};
use serde::de::DeserializeOwned;

use super::{Api, error::ApiError};

/// The longest time for a whole body to come in.
const PATIENCE: Duration = Duration::from_secs(120);

/// A request's body as a `T`.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let bytes = tokio::time::timeout(PATIENCE, Bytes::from_request(request, api))
            .await
            .map_err(|_| ApiError::slow(PATIENCE))?
            .map_err(|rejection| refused(&rejection, api.limits().body))?;
        parse(&bytes).map(Self)
    }
}

fn refused(rejection: &BytesRejection, limit: usize) -> ApiError {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(limit),
        _ => ApiError::invalid(
            "",
            format!("the body cannot be read: {}", rejection.body_text()),
        ),
    }
}

/// Reads JSON, with the place of a mistake.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::invalid("", format!("the body is not as expected: {error}")))
}
