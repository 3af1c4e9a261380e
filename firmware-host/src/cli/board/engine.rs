//! What the engine computes on.

use std::fmt;

use serde::Serialize;
use shoal_boards::Report;
use shoal_models::{
    offload::{Speed, Trial},
    plugin::{self, CpuPlugin, Refused},
};

use crate::{
    accelerate::{Choice, Measure, choose, search},
    config::Config,
};

/// One look at it.
#[derive(Debug, Serialize)]
pub struct Engine {
    cpu: Option<CpuPlugin>,
    trouble: Option<String>,
    refused: Vec<Refused>,
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
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Engine")?;
        let line = |f: &mut fmt::Formatter<'_>, name: &str, value: &dyn fmt::Display| {
            writeln!(f, "  {name:<15} {value}")
        };
        line(f, "llama.cpp", &self.llama)?;
        if let Some(plugin) = &self.cpu {
            line(
                f,
                "CPU plugin",
                &format_args!("{}, {}", plugin.level, plugin.path.display()),
            )?;
            line(f, "uses", &plugin.features.join(" "))?;
        }
        if let Some(trouble) = &self.trouble {
            line(f, "CPU plugin", trouble)?;
        }
        for refused in &self.refused {
            line(f, "not taken", refused)?;
        }
        for device in &self.choice.devices {
            let mib = device.memory >> 20;
            let said = format!(
                "{}, {} ({}), {mib} MiB",
                device.name, device.description, device.kind
            );
            line(f, "device", &said)?;
        }
        let where_to = match self.choice.gpu_layers {
            0 => "none on an accelerator",
            _ => "on the accelerator",
        };
        line(
            f,
            "layers",
            &format_args!("{where_to}: {}", self.choice.reason),
        )?;
        if let Some(verdict) = &self.choice.verdict {
            line(f, "accelerator", &speed(&verdict.accelerator))?;
            line(f, "CPU", &speed(&verdict.cpu))?;
        }
        Ok(())
    }
}

fn speed(trial: &Trial<Speed>) -> String {
    match trial {
        Trial::Done(speed) => speed.to_string(),
        other => other.trouble().unwrap_or_default(),
    }
}
