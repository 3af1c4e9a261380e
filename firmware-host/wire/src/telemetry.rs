//! How an appliance is doing, in numbers.

use serde::{Deserialize, Serialize};

/// What is published to [`crate::Root::telemetry`], once a minute unless the appliance is told otherwise. What a board
/// cannot measure is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Telemetry {
    /// When it was measured, in milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// The hottest thermal zone, in degrees Celsius.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f32>,
    /// Memory that is left, in percent of all.
    pub memory_available_percent: f32,
    /// Runnable programs, the mean of one minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<f32>,
    /// Seconds since the board started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_s: Option<u64>,
    /// Tasks that have not ended.
    pub tasks_open: u32,
    /// Those that run.
    pub tasks_running: u32,
    /// Questions that wait for a person.
    pub approvals_open: u32,
    /// Tokens that the model on the board has read or written since the start of the program.
    pub engine_tokens: u64,
    /// Reports that wait for the broker.
    pub outbox_messages: u64,
}
