//! The form of Home Assistant's discovery and of telemetry in `shoal.toml`.

use std::time::Duration;

use serde::Deserialize;

use super::{BadValue, bad, within};
use crate::link::HomeOptions;

/// The `[home_assistant]` block.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HomeTable {
    enabled: bool,
    prefix: String,
    approvals: bool,
}

impl Default for HomeTable {
    fn default() -> Self {
        Self {
            enabled: false,
            prefix: "homeassistant".into(),
            approvals: false,
        }
    }
}

/// The `[telemetry]` block.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryTable {
    seconds: u64,
}

impl Default for TelemetryTable {
    fn default() -> Self {
        Self { seconds: 60 }
    }
}

impl HomeTable {
    /// Checks every value.
    pub fn resolve(self, telemetry: &TelemetryTable) -> Result<HomeOptions, BadValue> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/');
        let levels = self.prefix.split('/').all(|level| !level.is_empty());
        if !levels || self.prefix.len() > 64 || !self.prefix.chars().all(plain) {
            let reason = format!(
                "\"{}\" is no prefix of topics: letters, digits, '_', '-', and '/' between them",
                self.prefix
            );
            return Err(bad("home_assistant.prefix", reason));
        }
        if self.approvals && !self.enabled {
            let reason = "there are no buttons without enabled = true";
            return Err(bad("home_assistant.approvals", reason));
        }
        let seconds = within("telemetry.seconds", telemetry.seconds, 5, 86_400)?;
        Ok(HomeOptions {
            enabled: self.enabled,
            prefix: self.prefix,
            approvals: self.approvals,
            telemetry: Duration::from_secs(seconds),
        })
    }
}
