//! What changes while the board runs: memory, and who uses the NPU.

use std::fmt;

use serde::Serialize;
use shoal_boards::{Accelerator, AcceleratorKind, Board, Headroom, Roots, Shortage, Thresholds};

use crate::config::Config;

/// One look at it.
#[derive(Debug, Serialize)]
pub struct Now {
    memory: Headroom,
    shortage: Shortage,
    thresholds: Thresholds,
    npus: Vec<Npu>,
}

/// An NPU, and the worker that uses it.
#[derive(Debug, Serialize)]
struct Npu {
    device: String,
    runtime: &'static str,
    worker: Option<String>,
    base_url: Option<String>,
}

impl Now {
    /// Looks below the root, and into the config where there is one.
    pub fn look(roots: &Roots, board: &Board, config: Option<&Config>) -> Self {
        let memory = Headroom::read(roots);
        let thresholds = config.map_or_else(Thresholds::default, |config| config.limits.memory);
        let npus = board.accelerators.iter();
        Self {
            memory,
            shortage: thresholds.begun(&memory),
            thresholds,
            npus: npus.filter_map(|device| Npu::of(device, config)).collect(),
        }
    }
}

impl Npu {
    /// None where the device is no NPU of a kind that has a server.
    fn of(device: &Accelerator, config: Option<&Config>) -> Option<Self> {
        let runtime = match device.kind {
            AcceleratorKind::Rknpu => "rkllm",
            AcceleratorKind::Hailo => "hailo",
            _ => return None,
        };
        let mut workers = config.into_iter().flat_map(|config| &config.workers);
        let worker = workers.find(|worker| worker.npu == Some(device.kind));
        Some(Self {
            device: device.to_string(),
            runtime,
            worker: worker.map(|worker| worker.id.to_string()),
            base_url: worker.map(|worker| worker.base_url.clone()),
        })
    }
}

impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Now")?;
        writeln!(f, "  {:<15} {}", "memory left", left(&self.memory))?;
        writeln!(f, "  {:<15} {}", "memory waits", waits(&self.memory))?;
        writeln!(
            f,
            "  {:<15} {}; below {} % left caches are dropped, below {} % no task is accepted",
            "shortage", self.shortage, self.thresholds.low, self.thresholds.critical
        )?;
        for npu in &self.npus {
            writeln!(f, "  {:<15} {npu}", "NPU")?;
        }
        Ok(())
    }
}

impl fmt::Display for Npu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.worker, &self.base_url) {
            (Some(worker), Some(url)) => {
                write!(f, "{}: the worker \"{worker}\" at {url}", self.device)
            }
            _ => write!(
                f,
                "{}: no worker uses it; run its vendor's server on this board, then add a worker with kind = \"npu\" \
                 and runtime = \"{}\" to shoal.toml",
                self.device, self.runtime
            ),
        }
    }
}

fn left(memory: &Headroom) -> String {
    match (memory.left, memory.whole, memory.percent()) {
        (Some(left), Some(whole), Some(percent)) => format!("{left} of {whole}, {percent} %"),
        _ => "unknown".to_owned(),
    }
}

fn waits(memory: &Headroom) -> String {
    match memory.pressure.worst() {
        Some((some, full)) => {
            format!("{some:.1} % of the last 10 seconds some programs waited, {full:.1} % all")
        }
        None => "unknown: this kernel does not count them".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Places;

    fn fixture(name: &str) -> Roots {
        let boards = concat!(env!("CARGO_MANIFEST_DIR"), "/../boards/tests/fixtures");
        Roots::at(format!("{boards}/{name}"))
    }

    #[test]
    fn an_npu_is_shown_with_its_worker_or_with_what_to_do() {
        let roots = fixture("rk3588");
        let board = shoal_boards::detect(&roots);
        let places = Places {
            data: "/data".into(),
            config: "/data/shoal.toml".into(),
        };
        let text = "[[workers]]\nid = \"npu\"\nkind = \"npu\"\nruntime = \"rkllm\"\n\
            base_url = \"http://127.0.0.1:8081/v1\"\nmodel = \"m\"\n";
        let config = Config::parse(text, &places).unwrap();
        let without = Now::look(&roots, &board, None);
        let with = Now::look(&roots, &board, Some(&config));
        insta::assert_snapshot!(format!("{without}---\n{with}"));
    }

    #[test]
    fn a_board_without_an_npu_shows_none() {
        let roots = fixture("pi5");
        let now = Now::look(&roots, &shoal_boards::detect(&roots), None);
        assert!(now.npus.is_empty(), "{now}");
    }
}
