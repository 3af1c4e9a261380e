//! What is known of a board before it is looked at: one TOML file each.

use serde::{Deserialize, Serialize};

use crate::accelerator::AcceleratorKind;
use crate::cpu::Arch;
use crate::error::BoardsError;
use crate::isa::Isa;

/// One board's facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name that commands take, as in `--board pi5`.
    pub name: String,
    /// The name that people use.
    pub title: String,
    /// The architecture.
    pub arch: Arch,
    /// Device tree `compatible` strings, any of which means this board. None:
    /// the profile is for every board of the architecture that has no own one.
    #[serde(default)]
    pub compatible: Vec<String>,
    /// The chip and its cores, in words.
    pub cpu: String,
    /// The number of fast cores, where that is a fact of the board.
    pub big_cores: Option<u16>,
    /// Extensions that every such board has.
    pub isa: Vec<Isa>,
    /// The sizes that it is sold with, ascending.
    #[serde(default)]
    pub memory: Vec<Variant>,
    /// What may take layers off the CPU.
    pub offload: Offload,
    /// Default model and context by memory budget, ascending from 0.
    pub tiers: Vec<Tier>,
    /// How the appliance gets onto it.
    pub flash: Flash,
}

/// A board's memory, as it is sold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its size in GiB.
    pub gib: u32,
    /// Its peak bandwidth by data sheet, in 10^9 bytes a second.
    pub bandwidth_gbs: f64,
}

/// Which accelerators are worth giving layers of a language model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offload {
    /// The kinds that are faster than the CPU.
    pub to: Vec<AcceleratorKind>,
    /// Why these and no others.
    pub why: String,
}

/// The default model from one memory budget up to the next tier's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The budget that it takes: weights, context and working buffers, in MiB.
    pub budget_mib: u64,
    /// The model, by the name of its GGUF file.
    pub model: String,
    /// The file's size in 10^6 bytes, rounded.
    pub weights_mb: u64,
    /// What one token reads of it in 10^6 bytes, where that is not all of it.
    pub read_mb: Option<u64>,
    /// The context in tokens.
    pub context: u32,
}

impl Tier {
    /// What generating one token reads of the weights, in 10^6 bytes.
    #[must_use]
    pub fn read_per_token_mb(&self) -> u64 {
        self.read_mb.unwrap_or(self.weights_mb)
    }
}

/// How the appliance gets onto a board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flash {
    /// The way.
    pub method: FlashMethod,
    /// What a person has to know of it.
    pub how: String,
}

/// The ways of getting the appliance onto a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlashMethod {
    /// A disk image, written to an SD card, USB drive or SSD.
    Image,
    /// A package on top of the vendor's own system, which stays.
    Package,
}

const BUILT_IN: [&str; 7] = [
    include_str!("../profiles/pi5.toml"),
    include_str!("../profiles/pi4.toml"),
    include_str!("../profiles/jetson-orin-nano.toml"),
    include_str!("../profiles/jetson-agx-orin.toml"),
    include_str!("../profiles/rk3588.toml"),
    include_str!("../profiles/generic-arm64.toml"),
    include_str!("../profiles/x86-64.toml"),
];

impl Profile {
    /// The profiles that this program carries.
    #[must_use]
    pub fn built_in() -> Vec<Self> {
        // A test reads each of them, so that none is left out here.
        BUILT_IN
            .iter()
            .filter_map(|text| Self::parse(text).ok())
            .collect()
    }

    /// Reads and checks one profile.
    ///
    /// # Errors
    /// If the TOML is not valid, or its facts contradict each other.
    pub fn parse(text: &str) -> Result<Self, BoardsError> {
        let profile: Self = toml::from_str(text)?;
        match profile.problem() {
            None => Ok(profile),
            Some(problem) => Err(BoardsError::Inconsistent {
                name: profile.name,
                problem,
            }),
        }
    }

    /// For a machine of which nothing is known at all.
    #[must_use]
    pub fn bare() -> Self {
        Self {
            name: "unknown".to_owned(),
            title: "An unknown board".to_owned(),
            arch: Arch::Other,
            compatible: Vec::new(),
            cpu: "unknown".to_owned(),
            big_cores: None,
            isa: Vec::new(),
            memory: Vec::new(),
            offload: Offload {
                to: Vec::new(),
                why: "nothing is known of this board".to_owned(),
            },
            tiers: vec![Tier::smallest()],
            flash: Flash {
                method: FlashMethod::Package,
                how: "build from source on the board".to_owned(),
            },
        }
    }

    /// Whether this is for a whole architecture rather than for one board.
    #[must_use]
    pub fn is_generic(&self) -> bool {
        self.compatible.is_empty()
    }

    /// The variant that a kernel with `total` bytes of memory runs on: the
    /// smallest that is no smaller, for firmware keeps some to itself.
    #[must_use]
    pub fn variant(&self, total: u64) -> Option<Variant> {
        let fits = |v: &&Variant| u64::from(v.gib) << 30 >= total;
        self.memory.iter().find(fits).copied()
    }

    /// The largest tier within a budget of that many bytes.
    #[must_use]
    pub fn tier(&self, budget: u64) -> Tier {
        let mut fitting = self.tiers.iter().rev();
        fitting
            .find(|tier| tier.budget_mib.saturating_mul(1 << 20) <= budget)
            .cloned()
            .unwrap_or_else(Tier::smallest)
    }

    fn problem(&self) -> Option<&'static str> {
        let rising = |pair: &[Tier]| matches!(pair, [a, b] if a.budget_mib < b.budget_mib && a.context <= b.context);
        if self.tiers.first().is_none_or(|tier| tier.budget_mib != 0) {
            Some("the first tier must be for a budget of 0")
        } else if !self.tiers.windows(2).all(rising) {
            Some("each tier must have a greater budget than the one before it, and no less context")
        } else if self.tiers.iter().any(|tier| !tier.fits()) {
            Some("a tier's model and context do not fit its budget")
        } else if !self.memory.is_sorted_by(|a, b| a.gib < b.gib) {
            Some("the memory sizes must ascend")
        } else if self.memory.iter().any(|v| v.bandwidth_gbs <= 0.0) {
            Some("a memory bandwidth must be above 0")
        } else if self.big_cores == Some(0) {
            Some("a board has at least one big core")
        } else {
            None
        }
    }
}

impl Tier {
    fn smallest() -> Self {
        Self {
            budget_mib: 0,
            model: "SmolLM2-135M-Instruct.Q4_1".to_owned(),
            weights_mb: 98,
            read_mb: None,
            context: 2048,
        }
    }

    /// The first tier has nothing smaller to fall back on, so it is not held
    /// to its budget of 0.
    fn fits(&self) -> bool {
        let weights_mib = self.weights_mb.saturating_mul(1_000_000) >> 20;
        let sane = self.context >= 512 && self.read_per_token_mb() > 0;
        sane && (self.budget_mib == 0 || weights_mib < self.budget_mib)
    }
}

#[cfg(test)]
mod tests {
    use super::{BUILT_IN, Profile};
    use crate::cpu::Arch;
    use crate::isa::Isa;
    use std::collections::BTreeSet;

    fn profiles() -> Vec<Profile> {
        BUILT_IN
            .iter()
            .map(|text| Profile::parse(text).unwrap())
            .collect()
    }

    #[test]
    fn every_profile_is_valid_and_none_is_left_out() {
        let names: Vec<String> = profiles().into_iter().map(|p| p.name).collect();
        let built_in: Vec<String> = Profile::built_in().into_iter().map(|p| p.name).collect();
        assert_eq!(names, built_in);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let expected = names.iter().map(|name| format!("{name}.toml")).collect();
        assert_eq!(files, expected, "each file is built in, under its own name");
    }

    #[test]
    fn no_two_profiles_claim_one_board() {
        let all: Vec<String> = profiles().into_iter().flat_map(|p| p.compatible).collect();
        let distinct: BTreeSet<&String> = all.iter().collect();
        assert_eq!(all.len(), distinct.len(), "{all:?}");
    }

    #[test]
    fn each_architecture_has_one_generic_profile() {
        for arch in [Arch::Aarch64, Arch::X86_64] {
            let mut all = profiles();
            all.retain(|p| p.arch == arch && p.is_generic());
            assert_eq!(all.len(), 1, "{arch}");
        }
    }

    #[test]
    fn facts_that_are_easy_to_get_wrong() {
        let all = profiles();
        let of = |name: &str| all.iter().find(|p| p.name == name).unwrap();
        assert!(
            !of("pi4").isa.contains(&Isa::Asimddp),
            "a Cortex-A72 is an Armv8.0"
        );
        assert!(of("pi5").isa.contains(&Isa::Asimddp));
        assert_eq!(of("rk3588").big_cores, Some(4));
        for name in ["pi5", "pi4", "rk3588"] {
            assert!(of(name).offload.to.is_empty(), "{name}: the CPU is faster");
        }
        assert!(
            all.iter().all(|p| !p.isa.contains(&Isa::I8mm)),
            "none is Armv8.6"
        );
    }

    #[test]
    fn kernels_see_a_little_less_than_what_was_sold() {
        let all = profiles();
        let nano = all.iter().find(|p| p.name == "jetson-orin-nano").unwrap();
        let gib = |n: u64| n << 30;
        assert_eq!(nano.variant(gib(7)).unwrap().gib, 8);
        assert_eq!(nano.variant(gib(3)).unwrap().gib, 4);
        assert_eq!(nano.variant(gib(9)), None);
    }

    #[test]
    fn tiers_are_taken_by_budget() {
        let all = profiles();
        let pi = all.iter().find(|p| p.name == "pi5").unwrap();
        assert_eq!(pi.tier(0), pi.tiers[0]);
        assert_eq!(pi.tier(u64::MAX), *pi.tiers.last().unwrap());
        assert_eq!(pi.tier((pi.tiers[1].budget_mib << 20) - 1), pi.tiers[0]);
        assert_eq!(pi.tier(pi.tiers[1].budget_mib << 20), pi.tiers[1]);
    }

    #[test]
    fn contradictions_are_refused() {
        let good = BUILT_IN[0];
        let bad = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}");
            Profile::parse(&good.replacen(from, to, 1))
                .unwrap_err()
                .to_string()
        };
        insta::assert_snapshot!(
            [
                bad("budget_mib = 0", "budget_mib = 1"),
                bad("big_cores = 4", "big_cores = 0"),
                bad("bandwidth_gbs = 17.1", "bandwidth_gbs = 0.0"),
                bad("gib = 1,", "gib = 3,"),
                bad("weights_mb = 639", "weights_mb = 4000"),
            ]
            .join("\n")
        );
        assert!(bad("title", "titel").contains("unknown field `titel`"));
    }
}
