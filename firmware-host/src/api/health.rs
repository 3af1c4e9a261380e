//! `/`, `/healthz` and `/readyz`: what may be known without a key.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::Api;
use crate::memory;

/// Where to go from here.
pub async fn welcome() -> &'static str {
    "Shoal: a task in, a workflow across local and remote models, an answer and a trace out.\n\
     \n\
     /v1/chat/completions   chat, as OpenAI's clients use it      (needs a key)\n\
     /v1/models             the models a key may use              (needs a key)\n\
     /api/tasks             tasks, their states and results       (needs a key)\n\
     /api/traces/{id}       what went where, why, and its cost    (needs a key)\n\
     /metrics               numbers for Prometheus               (needs a key)\n\
     /healthz /readyz       whether it lives, whether it can work\n\
     \n\
     Keys are made on the board: shoal keys create --name NAME\n"
}

/// The process lives.
pub async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// Whether tasks can be done, and what does not work though others do.
pub async fn ready(State(api): State<Api>) -> Response {
    let parts = api.parts();
    let store = api.appliance().store().check().await;
    let workers = api.appliance().conductor().workers().len();
    let broker = match &parts.broker {
        None => "off",
        Some(connected) if *connected.borrow() => "connected",
        Some(_) => "disconnected",
    };
    let mut reasons = Vec::new();
    if let Err(error) = &store {
        reasons.push(format!("the store cannot be written and read: {error}"));
    }
    if workers == 0 {
        reasons.push("there is no worker".to_owned());
    }
    if parts.stopping.is_cancelled() {
        reasons.push("it is stopping".to_owned());
    }
    let mut degraded = parts.degraded.clone();
    degraded.extend(memory::words(api.appliance().shortage()).map(str::to_owned));
    if broker == "disconnected" {
        degraded.push("the MQTT broker is not connected; reports wait".to_owned());
    }
    // Anyone may ask this, so it does not say what is in the file.
    if parts.policy.borrow().error.is_some() {
        degraded.push("the policy file has a mistake; the former policy holds".to_owned());
    }
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "degraded": degraded,
        "store": if store.is_ok() { "ok" } else { "failed" },
        "broker": broker,
        "workers": workers,
    });
    (status, Json(body)).into_response()
}
