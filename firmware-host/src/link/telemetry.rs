//! How the appliance is doing, in numbers, once in a while: [`shoal_wire::Telemetry`] through the outbox, which drops it first.

use std::time::Duration;

use shoal_boards::{Health, HealthReader, Roots};
use shoal_wire::{Root, Telemetry};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{
    appliance::Appliance,
    store::{Class, Message, Moment},
};

/// Publishes until told to stop.
pub(super) async fn keep(
    appliance: Appliance,
    root: Root,
    every: Duration,
    cancel: CancellationToken,
) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = tick.tick() => {}
        }
        let Some(measured) = measured(&appliance).await else {
            tracing::debug!("the board's health cannot be read");
            continue;
        };
        let payload = serde_json::to_vec(&measured).unwrap_or_default();
        let message = Message::new(Class::Telemetry, root.telemetry().as_str(), payload);
        if let Err(error) = appliance.store().post(message).await {
            tracing::debug!(%error, "a measurement is dropped");
        }
    }
}

async fn measured(appliance: &Appliance) -> Option<Telemetry> {
    let reading = tokio::task::spawn_blocking(|| {
        HealthReader::try_new(Roots::default()).map(|mut reader| reader.read())
    });
    let board = reading.await.ok()?.ok()?;
    let outbox = appliance.store().outbox().await.unwrap_or_default();
    let health = appliance.health();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Some(Telemetry {
        at: Moment::now().0,
        temperature_c: board.temperature.map(short),
        memory_available_percent: memory_left(&board),
        load: board.load.map(|[one, ..]| short(one)),
        uptime_s: board.uptime,
        tasks_open: count(health.open),
        tasks_running: count(health.running),
        approvals_open: count(health.asking),
        engine_tokens: health.engine_tokens,
        outbox_messages: outbox.messages,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "one decimal of a small number"
)]
fn short(value: f64) -> f32 {
    ((value * 10.0).round() / 10.0) as f32
}

#[expect(clippy::cast_precision_loss, reason = "a share of the memory")]
fn memory_left(board: &Health) -> f32 {
    let (left, all) = (board.memory_available.get(), board.memory_total.get());
    short(left as f64 * 100.0 / all.max(1) as f64)
}
