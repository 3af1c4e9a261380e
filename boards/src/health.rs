//! How the board is doing: memory, load and temperature, as they change.

use serde::Serialize;
use sysinfo::{MemoryRefreshKind, System};

use crate::bytes::Bytes;
use crate::error::BoardsError;
use crate::pressure::Pressure;
use crate::roots::Roots;

/// One reading.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// All memory.
    pub memory_total: Bytes,
    /// Memory that a new program can have without swapping.
    pub memory_available: Bytes,
    /// How long programs wait for memory.
    pub pressure: Pressure,
    /// The mean number of runnable tasks over the last 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// The hottest thermal zone in degrees Celsius; none if there is no zone.
    pub temperature: Option<f64>,
    /// Seconds since the machine started.
    pub uptime: Option<u64>,
}

/// Reads the running machine's health.
pub struct HealthReader {
    system: System,
    roots: Roots,
}

impl HealthReader {
    /// Prepares to read. Thermal zones and waits for memory are looked for
    /// below the root; the rest is of the running machine.
    ///
    /// # Errors
    /// If the operating system cannot be asked.
    pub fn try_new(roots: Roots) -> Result<Self, BoardsError> {
        let system = System::new().map_err(|e| BoardsError::Health {
            reason: e.to_string(),
        })?;
        Ok(Self { system, roots })
    }

    /// Takes one reading.
    pub fn read(&mut self) -> Health {
        self.system
            .refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let load = System::load_average().ok();
        Health {
            memory_total: Bytes::new(self.system.total_memory()),
            memory_available: Bytes::new(self.system.available_memory()),
            pressure: Pressure::read(&self.roots),
            load: load.map(|l| [l.one, l.five, l.fifteen]),
            temperature: hottest(&self.roots),
            uptime: System::uptime().ok(),
        }
    }
}

/// Zones are in thousandths of a degree. A disconnected sensor reads far below
/// or above what a running chip can have.
fn hottest(roots: &Roots) -> Option<f64> {
    const PLAUSIBLE: std::ops::RangeInclusive<i32> = -40_000..=150_000;
    roots
        .list("sys/class/thermal")
        .iter()
        .filter(|name| name.starts_with("thermal_zone"))
        .filter_map(|name| roots.read(format!("sys/class/thermal/{name}/temp")))
        .filter_map(|text| text.trim().parse::<i32>().ok())
        .filter(|millis| PLAUSIBLE.contains(millis))
        .max()
        .map(|millis| f64::from(millis) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::{HealthReader, hottest};
    use crate::roots::Roots;
    use std::fs;

    #[test]
    fn this_machine_has_memory_and_a_load() {
        let mut reader = HealthReader::try_new(Roots::default()).unwrap();
        let health = reader.read();
        assert!(health.memory_total.get() > 0);
        assert!(health.memory_available <= health.memory_total);
        assert!(health.load.is_some_and(|l| l.iter().all(|x| *x >= 0.0)));
    }

    #[test]
    fn the_hottest_plausible_zone_counts() {
        let dir = tempfile::tempdir().unwrap();
        let zones = [
            ("thermal_zone0", "48125\n"),
            ("thermal_zone1", "61000\n"),
            ("thermal_zone2", "-256000\n"),
            ("thermal_zone3", "not a number\n"),
            ("cooling_device0", "99000\n"),
        ];
        for (name, text) in zones {
            let zone = dir.path().join("sys/class/thermal").join(name);
            fs::create_dir_all(&zone).unwrap();
            fs::write(zone.join("temp"), text).unwrap();
        }
        assert_eq!(hottest(&Roots::at(dir.path())), Some(61.0));
        assert_eq!(hottest(&Roots::at(dir.path().join("sys"))), None);
    }
}
