//! The form of the fleet in `shoal.toml`.

use std::time::Duration;

use serde::Deserialize;
use shoal_conductor::id::WorkerId;
use shoal_wire::Name;

use super::{BadValue, bad, within};
use crate::link::FleetOptions;

/// The `[fleet]` block. Without a group there is none.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FleetTable {
    group: Option<String>,
    lease_seconds: u64,
    remember_minutes: u64,
    capacity: Option<usize>,
    needs: Vec<WorkerId>,
    max_temperature: f64,
}

impl Default for FleetTable {
    fn default() -> Self {
        Self {
            group: None,
            lease_seconds: 30,
            remember_minutes: 60,
            capacity: None,
            needs: Vec::new(),
            max_temperature: 85.0,
        }
    }
}

impl FleetTable {
    /// Checks every value; the board does as many tasks at once as it runs anyway, unless it is said.
    pub fn resolve(self, max_running: usize) -> Result<Option<FleetOptions>, BadValue> {
        let lease = within("fleet.lease_seconds", self.lease_seconds, 2, 3600)?;
        let remember = within("fleet.remember_minutes", self.remember_minutes, 2, 10_080)?;
        if remember * 60 < lease * 10 {
            let reason = format!("{remember} minutes are less than ten leases of {lease} s");
            return Err(bad("fleet.remember_minutes", reason));
        }
        let capacity = self.capacity.unwrap_or(max_running);
        let capacity = within("fleet.capacity", capacity, 1, 1024)?;
        let max_temperature = self.max_temperature;
        if !(0.0..=150.0).contains(&max_temperature) {
            let reason = format!("{max_temperature} is not from 0 to 150 degrees Celsius");
            return Err(bad("fleet.max_temperature", reason));
        }
        let Some(group) = self.group else {
            return Ok(None);
        };
        let group = Name::try_new(&group).map_err(|error| bad("fleet.group", error.to_string()))?;
        Ok(Some(FleetOptions {
            group,
            lease: Duration::from_secs(lease),
            remember: Duration::from_secs(remember * 60),
            capacity,
            needs: self.needs,
            max_temperature,
        }))
    }
}
