//! `/metrics`: numbers in Prometheus's text format, version 0.0.4.

use std::fmt::Write as _;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::{
    Api,
    auth::{Caller, of_store},
    error::ApiError,
};
use crate::store::{
    Class, Scope,
    outbox::{Fill, Reasons},
};

const FORM: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is counted and measured.
pub async fn all(State(api): State<Api>, caller: Caller) -> Result<Response, ApiError> {
    caller.needs(Scope::Read)?;
    let appliance = api.appliance();
    let fill = appliance.store().outbox().await;
    let fill = fill.map_err(|error| of_store(&error))?;
    let health = appliance.health();
    let mut page = Page::default();
    for (name, help, value) in [
        ("tasks_open", "Tasks that have not ended.", health.open),
        (
            "tasks_running",
            "Tasks that run or wait for a person.",
            health.running,
        ),
        (
            "tasks_waiting",
            "Tasks that wait for a place to run.",
            health.waiting,
        ),
        ("questions_open", "Questions to people.", health.asking),
    ] {
        page.gauge(name, help, value);
    }
    page.gauge(
        "task_oldest_seconds",
        "Age of the oldest open task.",
        seconds(health.oldest_ms),
    );
    page.begin(
        "engine_tokens_total",
        "counter",
        "Tokens that the engine has read or written.",
    );
    page.value("engine_tokens_total", "", health.engine_tokens);
    outbox(&mut page, &fill);
    if let Some(connected) = &api.parts().broker {
        let connected = u8::from(*connected.borrow());
        page.gauge("mqtt_connected", "Whether the broker is there.", connected);
    }
    if let Some(refusals) = &api.parts().refusals {
        page.begin(
            "mqtt_refused_total",
            "counter",
            "Messages from MQTT that were refused.",
        );
        for (reason, count) in refusals.so_far().named() {
            page.value("mqtt_refused_total", &format!("reason=\"{reason}\""), count);
        }
    }
    Ok(([(header::CONTENT_TYPE, FORM)], page.0).into_response())
}

fn outbox(page: &mut Page, fill: &Fill) {
    page.gauge(
        "outbox_messages",
        "Reports that wait for the broker.",
        fill.messages,
    );
    page.gauge("outbox_bytes", "Their size.", fill.bytes);
    page.gauge(
        "outbox_oldest_seconds",
        "Age of the oldest of them.",
        seconds(fill.oldest_ms),
    );
    page.begin(
        "outbox_dropped_total",
        "counter",
        "Reports that were dropped.",
    );
    for class in Class::ALL {
        let Reasons { full, age } = fill.dropped_by.of(class);
        for (reason, count) in [("full", full), ("age", age)] {
            let labels = format!("class=\"{}\",reason=\"{reason}\"", class.as_str());
            page.value("outbox_dropped_total", &labels, count);
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to three hundred thousand years"
)]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.begin(name, "gauge", help);
        self.value(name, "", value);
    }

    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = write!(
            self.0,
            "# HELP shoal_{name} {help}\n# TYPE shoal_{name} {kind}\n"
        );
    }

    fn value(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let labels = match labels {
            "" => String::new(),
            labels => format!("{{{labels}}}"),
        };
        // As above.
        let _ = writeln!(self.0, "shoal_{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox::Dropped;

    #[test]
    fn the_outbox_is_told_by_class_and_reason() {
        let mut page = Page::default();
        let fill = Fill {
            messages: 3,
            bytes: 900,
            oldest_ms: 61_500,
            dropped: 7,
            dropped_by: Dropped {
                telemetry: Reasons { full: 5, age: 2 },
                ..Dropped::default()
            },
        };
        outbox(&mut page, &fill);
        insta::assert_snapshot!(page.0);
    }
}
