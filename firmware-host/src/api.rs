//! The HTTP API: OpenAI's chat and models, and our own tasks, traces, approvals, plan and board.
//!
//! Every path but `/`, `/healthz` and `/readyz` needs a key. Errors have one form everywhere ([`error`]). This module
//! knows nothing of SQL, MQTT or models: all it does is done by the [`Appliance`].

mod approvals;
mod auth;
mod board;
mod body;
mod chat;
pub mod error;
mod explain;
mod hand;
mod health;
mod limits;
mod metrics;
mod models;
mod reading;
mod server;
mod sse;
mod tasks;
mod traces;
pub mod view;
pub mod wish;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue},
    middleware::{self, Next},
    response::Response,
    routing::{delete, get, post},
};
use shoal_conductor::id::TaskId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    appliance::Appliance, config::ApiLimits, link::Refusals, reload::PolicyState, secret::Secret,
};

pub use server::{Listening, serve};

/// Names the trace in a response.
pub const TRACE_HEADER: &str = "x-shoal-trace";
/// Names the task in a request.
pub const TASK_HEADER: &str = "x-shoal-task";
/// Raises the label of a request.
pub const LABEL_HEADER: &str = "x-shoal-label";
/// Narrows the workers of a request: names with commas between them.
pub const WORKERS_HEADER: &str = "x-shoal-workers";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the API is made of.
pub struct Parts {
    /// Does everything.
    pub appliance: Appliance,
    /// What board this is and what was decided for it.
    pub board: shoal_boards::Report,
    /// The key of this board's own command line.
    pub cli_key: Secret,
    /// Bounds.
    pub limits: ApiLimits,
    /// Which policy holds.
    pub policy: watch::Receiver<PolicyState>,
    /// Whether the broker is connected; `None` where none is configured.
    pub broker: Option<watch::Receiver<bool>>,
    /// What the link to the broker refused; `None` where none is configured.
    pub refusals: Option<Arc<Refusals>>,
    /// What does not work though the rest does.
    pub degraded: Vec<String>,
    /// Cancelled when the program is told to stop.
    pub stopping: CancellationToken,
}

/// The API. Clones share it.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    throttle: auth::Throttle,
}

impl Api {
    /// Puts it together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            inner: Arc::new(Inner {
                parts,
                throttle: auth::Throttle::default(),
            }),
        }
    }

    fn parts(&self) -> &Parts {
        &self.inner.parts
    }

    fn appliance(&self) -> &Appliance {
        &self.inner.parts.appliance
    }

    fn limits(&self) -> ApiLimits {
        self.inner.parts.limits
    }

    /// Every path.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(health::welcome))
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(metrics::all))
            .route("/v1/models", get(models::list))
            .route("/v1/models/{id}", get(models::one))
            .route("/v1/chat/completions", post(chat::complete))
            .route("/api/tasks", get(tasks::list).post(tasks::create))
            .route("/api/tasks/{id}", get(tasks::one).delete(tasks::cancel))
            .route("/api/tasks/{id}/events", get(sse::events))
            .route("/api/tasks/{id}/feedback", post(tasks::feedback))
            .route("/api/traces/{id}", get(traces::one))
            .route("/api/approvals", get(approvals::list))
            .route("/api/approvals/standing", get(approvals::standing))
            .route(
                "/api/approvals/standing/{number}",
                delete(approvals::revoke),
            )
            .route("/api/approvals/{id}", post(approvals::decide))
            .route("/api/plan", post(explain::plan))
            .route("/api/policy/explain", post(explain::explain))
            .route("/api/board", get(board::show))
            .fallback(missing)
            .method_not_allowed_fallback(other_method)
            .layer(DefaultBodyLimit::max(self.limits().body))
            .layer(middleware::from_fn(named))
            .with_state(self.clone())
    }
}

async fn missing(request: Request) -> error::ApiError {
    error::ApiError::not_found(format!("there is no {}", request.uri().path()))
}

async fn other_method() -> error::ApiError {
    error::ApiError::method()
}

/// Gives every response an id, and the log a line.
async fn named(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let id = headers
        .get(TRACE_HEADER)
        .cloned()
        .or_else(|| HeaderValue::from_str(TaskId::fresh().as_str()).ok());
    if let Some(id) = id {
        tracing::debug!(%method, path, status = response.status().as_u16(), request = ?id, "answered a request");
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
