//! The form of the bounds in `shoal.toml`.

use std::time::Duration;

use serde::Deserialize;
use shoal_boards::Thresholds;

use super::{BadValue, bad, within};
use crate::{config::Limits, store::outbox};

/// The `[limits]` block.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitTable {
    max_open_tasks: usize,
    max_running: usize,
    max_outbox: u32,
    max_outbox_mib: u64,
    outbox_telemetry_hours: u64,
    outbox_event_hours: u64,
    outbox_result_days: u64,
    max_store_mib: u64,
    max_models_mib: Option<u64>,
    memory_low_percent: u8,
    memory_critical_percent: u8,
    memory_stall_percent: u8,
}

impl Default for LimitTable {
    fn default() -> Self {
        let memory = Thresholds::default();
        Self {
            max_open_tasks: 1000,
            max_running: 4,
            max_outbox: 10_000,
            max_outbox_mib: 64,
            outbox_telemetry_hours: 1,
            outbox_event_hours: 24,
            outbox_result_days: 30,
            max_store_mib: 2048,
            max_models_mib: None,
            memory_low_percent: memory.low,
            memory_critical_percent: memory.critical,
            memory_stall_percent: memory.stall,
        }
    }
}

impl LimitTable {
    /// Checks every bound.
    pub fn resolve(&self) -> Result<Limits, BadValue> {
        Ok(Limits {
            max_open_tasks: within("limits.max_open_tasks", self.max_open_tasks, 1, 1_000_000)?,
            max_running: within("limits.max_running", self.max_running, 1, 1024)?,
            outbox: self.outbox()?,
            store_bytes: within("limits.max_store_mib", self.max_store_mib, 16, 1 << 24)? << 20,
            models_bytes: self
                .max_models_mib
                .map(|mib| within("limits.max_models_mib", mib, 16, 1 << 24).map(|mib| mib << 20))
                .transpose()?,
            memory: self.memory()?,
        })
    }

    fn outbox(&self) -> Result<outbox::Limits, BadValue> {
        let hours = |key, hours, most| {
            within(key, hours, 1, most).map(|hours| Duration::from_secs(hours * 60 * 60))
        };
        let telemetry = self.outbox_telemetry_hours;
        let days = within(
            "limits.outbox_result_days",
            self.outbox_result_days,
            1,
            3650,
        )?;
        Ok(outbox::Limits {
            messages: within("limits.max_outbox", self.max_outbox, 1, 10_000_000)?,
            bytes: within("limits.max_outbox_mib", self.max_outbox_mib, 1, 1 << 20)? << 20,
            ages: outbox::Ages {
                telemetry: hours("limits.outbox_telemetry_hours", telemetry, 8760)?,
                event: hours("limits.outbox_event_hours", self.outbox_event_hours, 8760)?,
                result: Duration::from_secs(days * 24 * 60 * 60),
            },
        })
    }

    fn memory(&self) -> Result<Thresholds, BadValue> {
        let low = within("limits.memory_low_percent", self.memory_low_percent, 0, 90)?;
        let critical = self.memory_critical_percent;
        if critical > low {
            return Err(bad(
                "limits.memory_critical_percent",
                format!("{critical} is more than memory_low_percent, which is {low}"),
            ));
        }
        let stall = self.memory_stall_percent;
        Ok(Thresholds {
            low,
            critical,
            stall: within("limits.memory_stall_percent", stall, 0, 100)?,
        })
    }
}
