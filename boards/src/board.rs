//! The board that was found.

use serde::Serialize;

use crate::accelerator::Accelerator;
use crate::cgroup::Limits;
use crate::cpu::{Arch, Cpu};
use crate::isa::Isa;
use crate::memory::Memory;
use crate::profile::Profile;
use crate::roots::Roots;

/// What was found, and the profile that it matched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Board {
    /// The facts of this kind of board.
    pub profile: Profile,
    /// The `compatible` string that chose the profile; none if it was chosen
    /// by architecture.
    pub matched: Option<String>,
    /// The name that the firmware gives the machine.
    pub model: Option<String>,
    /// The device tree's `compatible` strings, the most exact first.
    pub compatible: Vec<String>,
    /// The processor.
    pub cpu: Cpu,
    /// The memory.
    pub memory: Memory,
    /// What this process may use of both.
    pub limits: Limits,
    /// Devices beside the CPU.
    pub accelerators: Vec<Accelerator>,
    /// What was missing or odd, each in a sentence.
    pub notes: Vec<String>,
}

/// Finds out what board this is. Never fails: what cannot be read is left out,
/// with a note.
#[must_use]
pub fn detect(roots: &Roots) -> Board {
    let cpu = Cpu::read(roots);
    let compatible = roots.read_strings("proc/device-tree/compatible");
    let (profile, matched) = choose(&compatible, cpu.arch);
    let mut board = Board {
        profile,
        matched,
        model: model(roots),
        compatible,
        cpu,
        memory: Memory::read(roots),
        limits: Limits::read(roots),
        accelerators: Accelerator::find(roots),
        notes: Vec::new(),
    };
    board.notes = notes(&board);
    board
}

fn choose(compatible: &[String], arch: Option<Arch>) -> (Profile, Option<String>) {
    let mut profiles = Profile::built_in();
    for name in compatible {
        if let Some(i) = profiles.iter().position(|p| p.compatible.contains(name)) {
            return (profiles.swap_remove(i), Some(name.clone()));
        }
    }
    let arch = arch.unwrap_or(Arch::of_this_program());
    let generic = profiles
        .into_iter()
        .find(|p| p.is_generic() && p.arch == arch);
    (generic.unwrap_or_else(Profile::bare), None)
}

fn model(roots: &Roots) -> Option<String> {
    let device_tree = roots.read_strings("proc/device-tree/model");
    let firmware = || roots.read_strings("sys/class/dmi/id/product_name");
    let mut names = device_tree.into_iter().chain(firmware());
    names.next()
}

fn notes(board: &Board) -> Vec<String> {
    let mut notes = Vec::new();
    if board.cpu.logical == 0 {
        notes.push("/proc/cpuinfo lists no processor".to_owned());
    }
    if board.cpu.arch.is_none() {
        let arch = Arch::of_this_program();
        notes.push(format!(
            "the architecture is taken from this program: {arch}"
        ));
    }
    if board.matched.is_none() {
        notes.push(unmatched(board));
    }
    if board.memory.total.is_none() || board.memory.available.is_none() {
        notes.push("/proc/meminfo does not say how much memory there is".to_owned());
    }
    if board.cpu.logical > 0 {
        notes.extend(missing_isa(board));
    }
    notes
}

fn unmatched(board: &Board) -> String {
    match board.compatible.first() {
        Some(name) => format!(
            "no profile is for {name}; taken by architecture: {}",
            board.profile.name
        ),
        None => format!(
            "there is no device tree; taken by architecture: {}",
            board.profile.name
        ),
    }
}

fn missing_isa(board: &Board) -> Option<String> {
    let missing: Vec<&str> = board
        .profile
        .isa
        .iter()
        .filter(|isa| !board.cpu.isa.contains(isa))
        .map(|isa| Isa::name(*isa))
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "the kernel does not report what every such board has: {}",
            missing.join(", ")
        )
    })
}
