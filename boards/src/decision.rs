//! How a model best runs on the board that was found, and why.

use serde::Serialize;

use crate::accelerator::Accelerator;
use crate::board::Board;
use crate::bytes::Bytes;
use crate::profile::Tier;

/// More layers than any model has: all of them.
pub const ALL_LAYERS: u32 = 999;

/// How to run a model here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// Threads that generate tokens, at least 1.
    pub threads: u16,
    /// Layers on the GPU: 0 or [`ALL_LAYERS`].
    pub gpu_layers: u32,
    /// The context in tokens. A model that was trained on fewer takes fewer.
    pub context: u32,
    /// What weights, context and working buffers may take together.
    pub memory_budget: Bytes,
    /// The default model for that budget.
    pub model: Suggestion,
    /// Why, each in a sentence.
    pub reasons: Vec<String>,
}

/// A model that suits the board.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    /// The name of its GGUF file.
    pub name: String,
    /// The file's approximate size.
    pub weights: Bytes,
    /// Tokens a second that the memory's peak bandwidth allows, where that is
    /// known. No machine reaches it.
    pub ceiling: Option<f64>,
}

/// Decides from what was found.
#[must_use]
pub fn decide(board: &Board) -> Decision {
    let mut reasons = Vec::new();
    let threads = threads(board, &mut reasons);
    let gpu_layers = gpu_layers(board, &mut reasons);
    let memory_budget = memory_budget(board, &mut reasons);
    let tier = board.profile.tier(memory_budget.get());
    let model = suggest(board, &tier, &mut reasons);
    Decision {
        threads,
        gpu_layers,
        context: tier.context,
        memory_budget,
        model,
        reasons,
    }
}

fn threads(board: &Board, reasons: &mut Vec<String>) -> u16 {
    let (mut threads, mut reason) = cores(board);
    let bounds = [
        (board.limits.cpus, "the control group grants no more time"),
        (board.limits.affinity, "the scheduler allows no more cores"),
    ];
    for (bound, why) in bounds {
        if let Some(bound) = bound.filter(|bound| *bound < threads) {
            threads = bound;
            reason = why.to_owned();
        }
    }
    let threads = threads.max(1);
    reasons.push(format!("threads = {threads}: {reason}"));
    threads
}

fn cores(board: &Board) -> (u16, String) {
    let cpu = &board.cpu;
    let known = [cpu.physical, cpu.logical].into_iter().find(|n| *n > 0);
    let Some(physical) = known else {
        let fallback = board.limits.affinity.or(board.profile.big_cores);
        let why = "the cores could not be counted".to_owned();
        return (fallback.unwrap_or(1), why);
    };
    if let Some(big) = cpu.big {
        let why = format!("{big} of {physical} cores are fast, and slow ones hold them up");
        return (big, why);
    }
    match board.profile.big_cores.filter(|big| *big < physical) {
        Some(big) => (big, format!("{big} of the board's cores are fast")),
        None if physical < cpu.logical => {
            let why = "one a physical core; a second on the same core gains nothing";
            (physical, why.to_owned())
        }
        None => (physical, "one a core".to_owned()),
    }
}

fn gpu_layers(board: &Board, reasons: &mut Vec<String>) -> u32 {
    let offload = &board.profile.offload;
    let worth = |a: &&Accelerator| offload.to.contains(&a.kind);
    let (layers, reason) = match board.accelerators.iter().find(worth) {
        Some(gpu) => (ALL_LAYERS, on_gpu(gpu, &offload.why)),
        None if board.accelerators.is_empty() => (0, "no accelerator was found".to_owned()),
        None => (0, offload.why.clone()),
    };
    reasons.push(format!("GPU layers = {layers}: {reason}"));
    layers
}

fn on_gpu(gpu: &Accelerator, why: &str) -> String {
    format!("all on the {gpu}, if this program was built for it: {why}")
}

fn memory_budget(board: &Board, reasons: &mut Vec<String>) -> Bytes {
    let Some(available) = board.memory.available.or(board.memory.total) else {
        reasons.push("memory budget = 0: the memory is unknown, so the least is used".to_owned());
        return Bytes::default();
    };
    let total = board.memory.total.unwrap_or(available);
    let reserve = reserve(total.min(board.limits.memory.unwrap_or(total)));
    let left = board.limits.memory_left.unwrap_or(available);
    let (free, whose) = if left < available {
        (left, "left of the control group's limit")
    } else {
        (available, "available")
    };
    let budget = free.less(reserve);
    reasons.push(format!(
        "memory budget = {budget}: {free} {whose}, less {reserve} for the system and the store"
    ));
    budget
}

/// An eighth of the memory, from 256 MiB to 4 GiB: the rest of the system
/// grows with the machine, though not without end.
fn reserve(total: Bytes) -> Bytes {
    let eighth = Bytes::new(total.get() / 8);
    eighth.clamp(Bytes::from_mib(256), Bytes::from_mib(4096))
}

fn suggest(board: &Board, tier: &Tier, reasons: &mut Vec<String>) -> Suggestion {
    let suggestion = Suggestion {
        name: tier.model.clone(),
        weights: Bytes::new(tier.weights_mb.saturating_mul(1_000_000)),
        ceiling: ceiling(board, tier),
    };
    reasons.push(format!(
        "context = {} tokens and model = {}: the tier from {} on",
        tier.context,
        tier.model,
        Bytes::from_mib(tier.budget_mib)
    ));
    if let Some(ceiling) = suggestion.ceiling {
        reasons.push(format!(
            "at most {ceiling:.0} tokens a second of that model: each one reads {} MB of weights",
            tier.read_per_token_mb()
        ));
    }
    suggestion
}

fn ceiling(board: &Board, tier: &Tier) -> Option<f64> {
    let variant = board.profile.variant(board.memory.total?.get())?;
    let megabytes = u32::try_from(tier.read_per_token_mb()).ok()?;
    Some(variant.bandwidth_gbs * 1000.0 / f64::from(megabytes))
}

#[cfg(test)]
mod tests {
    use super::{decide, reserve};
    use crate::board::{Board, detect};
    use crate::bytes::Bytes;
    use crate::roots::Roots;

    fn nothing() -> Board {
        let empty = tempfile::tempdir().unwrap();
        detect(&Roots::at(empty.path()))
    }

    #[test]
    fn nothing_known_is_the_least_of_everything() {
        let decision = decide(&nothing());
        assert_eq!((decision.threads, decision.gpu_layers), (1, 0));
        assert_eq!(decision.context, 2048);
        assert_eq!(decision.memory_budget, Bytes::new(0));
        assert_eq!(decision.model.name, "SmolLM2-135M-Instruct.Q4_1");
    }

    #[test]
    fn the_tightest_bound_sets_the_threads() {
        let mut board = nothing();
        (board.cpu.logical, board.cpu.physical) = (16, 8);
        assert_eq!(decide(&board).threads, 8);
        board.cpu.big = Some(6);
        assert_eq!(decide(&board).threads, 6);
        board.limits.affinity = Some(7);
        assert_eq!(decide(&board).threads, 6);
        board.limits.cpus = Some(3);
        assert_eq!(decide(&board).threads, 3);
        board.limits.affinity = Some(2);
        assert_eq!(decide(&board).threads, 2);
    }

    #[test]
    fn the_system_keeps_its_share() {
        assert_eq!(reserve(Bytes::from_mib(512)), Bytes::from_mib(256));
        assert_eq!(reserve(Bytes::from_mib(8192)), Bytes::from_mib(1024));
        assert_eq!(reserve(Bytes::from_mib(1 << 20)), Bytes::from_mib(4096));
        let mut board = nothing();
        board.memory.total = Some(Bytes::from_mib(4096));
        board.memory.available = Some(Bytes::from_mib(100));
        assert_eq!(decide(&board).memory_budget, Bytes::new(0));
    }

    #[test]
    fn a_control_group_counts_when_it_leaves_less_than_the_machine() {
        let mut board = nothing();
        board.memory.total = Some(Bytes::from_mib(16384));
        board.memory.available = Some(Bytes::from_mib(8192));
        board.limits.memory = Some(Bytes::from_mib(4096));
        board.limits.memory_left = Some(Bytes::from_mib(3584));
        assert_eq!(decide(&board).memory_budget, Bytes::from_mib(3584 - 512));
        board.memory.available = Some(Bytes::from_mib(2048));
        assert_eq!(decide(&board).memory_budget, Bytes::from_mib(2048 - 512));
    }
}
