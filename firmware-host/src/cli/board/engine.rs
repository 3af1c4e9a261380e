//! What the engine computes on.

use std::fmt;

use serde::Serialize;
use shoal_boards::Report;
use shoal_models::plugin::{self, CpuPlugin};

use crate::{
    accelerate::{Choice, Measure, choose, search},
    config::Config,
};

/// One look at it.
#[derive(Debug, Serialize)]
pub struct Engine {
    cpu: Option<CpuPlugin>,
    trouble: Option<String>,
    refused: Vec<String>,
    llama: String,
    choice: Choice,
}

impl Engine {
    /// Loads the CPU's plugin and looks for others; blocks for minutes where it measures.
    pub fn look(config: &Config, board: &Report, measure: Measure) -> Self {
        let search = search(config);
        let loaded = plugin::load_cpu(&search);
        Self {
            cpu: loaded.as_ref().ok().map(|plugin| (*plugin).clone()),
            trouble: loaded.err().map(|error| error.to_string()),
            refused: plugin::find(&search).refused,
            llama: plugin::version(),
            choice: choose(config, board, measure),
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let choice = &self.choice;
        let mut lines = vec![("llama.cpp", self.llama.clone())];
        if let Some(plugin) = &self.cpu {
            let file = format!("{}, {}", plugin.level, plugin.path.display());
            lines.extend([("CPU plugin", file), ("", plugin.features.clone())]);
        }
        let trouble = self.trouble.iter().chain(&self.refused);
        lines.extend(trouble.map(|said| ("trouble", said.clone())));
        let device = |device: &plugin::Device| format!("{device}, {} MiB", device.memory >> 20);
        lines.extend(choice.devices.iter().map(|d| ("device", device(d))));
        let on = match choice.gpu_layers {
            0 => "on the CPU",
            _ => "on the accelerator",
        };
        lines.push(("layers", format!("{on}: {}", choice.reason)));
        if let Some(verdict) = &choice.verdict {
            let speeds = [("accelerator", verdict.accelerator), ("CPU", verdict.cpu)];
            lines.extend(speeds.map(|(name, speed)| {
                let said = speed.map_or("not measured".to_owned(), |speed| speed.to_string());
                (name, said)
            }));
        }
        lines
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Engine")?;
        for (name, value) in self.lines() {
            writeln!(f, "  {name:<15} {value}")?;
        }
        Ok(())
    }
}
