//! The processor, from `/proc/cpuinfo` and each core's relative capacity.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::isa::Isa;
use crate::roots::Roots;

/// The family of processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arch {
    /// 64-bit Arm.
    Aarch64,
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// Anything else.
    Other,
}

impl Arch {
    /// The architecture that this program was built for.
    #[must_use]
    pub const fn of_this_program() -> Self {
        if cfg!(target_arch = "aarch64") {
            Self::Aarch64
        } else if cfg!(target_arch = "x86_64") {
            Self::X86_64
        } else {
            Self::Other
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aarch64 => "aarch64",
            Self::X86_64 => "x86_64",
            Self::Other => "another architecture",
        })
    }
}

/// What the kernel says of the processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cpu {
    /// The architecture; none if `/proc/cpuinfo` does not show it.
    pub arch: Option<Arch>,
    /// The model's name, or for Arm the names of the core designs.
    pub model: Option<String>,
    /// Hardware threads; 0 if `/proc/cpuinfo` does not list them.
    pub logical: u16,
    /// Physical cores, where two hardware threads share one.
    pub physical: u16,
    /// The fast ones of the physical cores; none if nothing tells them apart
    /// from slow ones.
    pub big: Option<u16>,
    /// The extensions that matter to a quantized model.
    pub isa: Vec<Isa>,
}

/// One hardware thread of `/proc/cpuinfo`.
#[derive(Default)]
struct Thread {
    package: Option<u32>,
    core: Option<u32>,
    implementer: Option<u32>,
    part: Option<u32>,
}

/// Arm Ltd, in the main ID register.
const ARM: u32 = 0x41;

impl Cpu {
    /// Reads it below the root.
    pub(crate) fn read(roots: &Roots) -> Self {
        let text = roots.read("proc/cpuinfo").unwrap_or_default();
        let threads = threads(&text);
        let logical = count(threads.len());
        Self {
            arch: arch(&text),
            model: model(&text, &threads),
            logical,
            physical: physical(&threads).min(logical),
            big: big_by_capacity(roots).or_else(|| big_by_design(&threads)),
            isa: isa(&text),
        }
    }
}

fn count(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.trim(), value.trim()))
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    fields(text)
        .find(|(k, v)| *k == key && !v.is_empty())
        .map(|(_, v)| v)
}

fn threads(text: &str) -> Vec<Thread> {
    let mut threads: Vec<Thread> = Vec::new();
    for (key, value) in fields(text) {
        if key == "processor" {
            threads.push(Thread::default());
        }
        let Some(thread) = threads.last_mut() else {
            continue;
        };
        match key {
            "physical id" => thread.package = value.parse().ok(),
            "core id" => thread.core = value.parse().ok(),
            "CPU implementer" => thread.implementer = hex(value),
            "CPU part" => thread.part = hex(value),
            _ => {}
        }
    }
    threads
}

fn hex(value: &str) -> Option<u32> {
    u32::from_str_radix(value.strip_prefix("0x")?, 16).ok()
}

fn arch(text: &str) -> Option<Arch> {
    // `lm`, long mode, is what makes an x86 a 64-bit one; a 64-bit Arm calls
    // its vectors `asimd`, a 32-bit one `neon`.
    let has = |key, word| value(text, key).is_some_and(|v| v.split(' ').any(|w| w == word));
    if has("flags", "lm") {
        Some(Arch::X86_64)
    } else if has("Features", "asimd") {
        Some(Arch::Aarch64)
    } else if text.trim().is_empty() {
        None
    } else {
        Some(Arch::Other)
    }
}

fn isa(text: &str) -> Vec<Isa> {
    let line = value(text, "flags").or_else(|| value(text, "Features"));
    line.map(Isa::in_line).unwrap_or_default()
}

fn model(text: &str, threads: &[Thread]) -> Option<String> {
    if let Some(name) = value(text, "model name") {
        return Some(name.to_owned());
    }
    let mut designs: Vec<(&str, u16)> = Vec::new();
    for thread in threads {
        let name = thread.design().map_or("unknown core", |(name, _)| name);
        match designs.iter_mut().find(|(known, _)| *known == name) {
            Some((_, n)) => *n = n.saturating_add(1),
            None => designs.push((name, 1)),
        }
    }
    let text: Vec<String> = designs
        .iter()
        .map(|(name, n)| format!("{n}x {name}"))
        .collect();
    (!text.is_empty()).then(|| text.join(" + "))
}

fn physical(threads: &[Thread]) -> u16 {
    let cores: BTreeSet<(u32, u32)> = threads
        .iter()
        .filter_map(|t| Some((t.package?, t.core?)))
        .collect();
    if cores.is_empty() {
        count(threads.len())
    } else {
        count(cores.len())
    }
}

/// The cores with at least six tenths of the fastest one's capacity, if there
/// are slower ones. The kernel scales the capacity to 1024.
fn big_by_capacity(roots: &Roots) -> Option<u16> {
    let capacities: Vec<u64> = roots
        .list("sys/devices/system/cpu")
        .iter()
        .filter(|name| name.strip_prefix("cpu").is_some_and(is_number))
        .filter_map(|name| roots.read_number(format!("sys/devices/system/cpu/{name}/cpu_capacity")))
        .collect();
    let fastest = *capacities.iter().max()?;
    let big = capacities
        .iter()
        .filter(|c| c.saturating_mul(10) >= fastest.saturating_mul(6))
        .count();
    (big < capacities.len()).then(|| count(big))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The cores of a fast design, if some are of a slow one.
fn big_by_design(threads: &[Thread]) -> Option<u16> {
    let little = threads
        .iter()
        .filter(|t| matches!(t.design(), Some((_, Size::Little))))
        .count();
    let big = threads.len().checked_sub(little)?;
    (little > 0 && big > 0).then(|| count(big))
}

#[derive(Clone, Copy)]
enum Size {
    Big,
    Little,
}

impl Thread {
    /// The core's design by its part number, from Arm's technical reference
    /// manuals (register `MIDR_EL1`).
    fn design(&self) -> Option<(&'static str, Size)> {
        if self.implementer != Some(ARM) {
            return None;
        }
        Some(match self.part? {
            0xd03 => ("Cortex-A53", Size::Little),
            0xd04 => ("Cortex-A35", Size::Little),
            0xd05 => ("Cortex-A55", Size::Little),
            0xd07 => ("Cortex-A57", Size::Big),
            0xd08 => ("Cortex-A72", Size::Big),
            0xd09 => ("Cortex-A73", Size::Big),
            0xd0a => ("Cortex-A75", Size::Big),
            0xd0b => ("Cortex-A76", Size::Big),
            0xd0c => ("Neoverse-N1", Size::Big),
            0xd0d => ("Cortex-A77", Size::Big),
            0xd40 => ("Neoverse-V1", Size::Big),
            0xd41 => ("Cortex-A78", Size::Big),
            0xd42 => ("Cortex-A78AE", Size::Big),
            0xd44 => ("Cortex-X1", Size::Big),
            0xd46 => ("Cortex-A510", Size::Little),
            0xd47 => ("Cortex-A710", Size::Big),
            0xd49 => ("Neoverse-N2", Size::Big),
            0xd4b => ("Cortex-A78C", Size::Big),
            0xd4f => ("Neoverse-V2", Size::Big),
            0xd80 => ("Cortex-A520", Size::Little),
            0xd81 => ("Cortex-A720", Size::Big),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Arch, Cpu, arch, physical, threads};
    use crate::roots::Roots;

    #[test]
    fn hardware_threads_of_one_core_count_once() {
        let text = "processor : 0\nphysical id : 0\ncore id : 0\n\n\
                    processor : 1\nphysical id : 0\ncore id : 0\n\n\
                    processor : 2\nphysical id : 1\ncore id : 0\n";
        assert_eq!(physical(&threads(text)), 2);
    }

    #[test]
    fn a_32_bit_arm_is_another_architecture() {
        let text = "processor : 0\nFeatures : half thumb neon vfpv4\n";
        assert_eq!(arch(text), Some(Arch::Other));
        assert_eq!(arch("  \n"), None);
    }

    #[test]
    fn capacity_tells_big_cores_from_small_ones() {
        let dir = tempfile::tempdir().unwrap();
        for (i, capacity) in [(0, "414"), (1, "414"), (2, "1024"), (3, "980")] {
            let cpu = dir.path().join(format!("sys/devices/system/cpu/cpu{i}"));
            std::fs::create_dir_all(&cpu).unwrap();
            std::fs::write(cpu.join("cpu_capacity"), format!("{capacity}\n")).unwrap();
        }
        std::fs::create_dir_all(dir.path().join("sys/devices/system/cpu/cpufreq")).unwrap();
        assert_eq!(Cpu::read(&Roots::at(dir.path())).big, Some(2));
    }
}
