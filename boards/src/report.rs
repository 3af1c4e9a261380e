//! What was found and decided, for a person to read.

use std::fmt;

use serde::Serialize;

use crate::board::{Board, detect};
use crate::bytes::Bytes;
use crate::decision::{Decision, decide};
use crate::roots::Roots;

/// A board and what was decided for it. Prints as text, and serializes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What was found.
    pub board: Board,
    /// What follows from it.
    pub decision: Decision,
}

impl Report {
    /// Detects and decides.
    #[must_use]
    pub fn of(roots: &Roots) -> Self {
        let board = detect(roots);
        let decision = decide(&board);
        Self { board, decision }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Found")?;
        for (name, value) in found(&self.board) {
            writeln!(f, "  {name:<15} {value}")?;
        }
        writeln!(f, "\nDecided")?;
        for (name, value) in decided(&self.decision) {
            writeln!(f, "  {name:<15} {value}")?;
        }
        writeln!(f, "\nWhy")?;
        for reason in self.decision.reasons.iter().chain(&self.board.notes) {
            writeln!(f, "  - {reason}")?;
        }
        Ok(())
    }
}

type Line = (&'static str, String);

fn found(board: &Board) -> Vec<Line> {
    let profile = &board.profile;
    let matched = match &board.matched {
        Some(name) => format!("by {name}"),
        None => "by architecture".to_owned(),
    };
    let unknown = || "unknown".to_owned();
    let mut lines = vec![
        ("board", profile.title.clone()),
        ("model", board.model.clone().unwrap_or_else(unknown)),
        ("profile", format!("{}, {matched}", profile.name)),
        ("CPU", board.cpu.model.clone().unwrap_or_else(unknown)),
        ("cores", cores(board)),
        ("extensions", listed(&board.cpu.isa)),
        ("memory", memory(board)),
        ("limits", limits(board)),
    ];
    if board.accelerators.is_empty() {
        lines.push(("accelerator", "none".to_owned()));
    }
    let accelerators = board.accelerators.iter();
    lines.extend(accelerators.map(|a| ("accelerator", a.to_string())));
    lines
}

fn decided(decision: &Decision) -> Vec<Line> {
    vec![
        ("threads", decision.threads.to_string()),
        ("GPU layers", decision.gpu_layers.to_string()),
        ("context", format!("{} tokens", decision.context)),
        ("memory budget", decision.memory_budget.to_string()),
        (
            "model",
            format!("{} ({})", decision.model.name, decision.model.weights),
        ),
    ]
}

fn cores(board: &Board) -> String {
    let cpu = &board.cpu;
    let mut text = format!("{}", cpu.physical);
    if let Some(big) = cpu.big {
        text = format!("{text}, of them {big} fast");
    }
    if cpu.logical > cpu.physical {
        text = format!("{text}, with {} hardware threads", cpu.logical);
    }
    text
}

fn memory(board: &Board) -> String {
    let amount = |bytes: Option<Bytes>| bytes.map_or("unknown".to_owned(), |b| b.to_string());
    let total = amount(board.memory.total);
    let available = amount(board.memory.available);
    let bytes = board.memory.total.unwrap_or_default().get();
    match board.profile.variant(bytes) {
        Some(variant) => format!(
            "{total}, {available} available, {:.1} GB/s at peak",
            variant.bandwidth_gbs
        ),
        None => format!("{total}, {available} available"),
    }
}

fn limits(board: &Board) -> String {
    let limits = &board.limits;
    let mut parts = Vec::new();
    if let (Some(max), Some(left)) = (limits.memory, limits.memory_left) {
        parts.push(format!("{max} of memory, {left} left"));
    }
    if let Some(cpus) = limits.cpus {
        parts.push(format!("{cpus} CPUs' time"));
    }
    if let Some(cores) = limits.affinity.filter(|n| *n < board.cpu.logical) {
        parts.push(format!("{cores} cores"));
    }
    listed(&parts)
}

fn listed<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    items.join(", ")
}
