//! The instruction set extensions that decide how fast a quantized model runs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One extension, named as `/proc/cpuinfo` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isa {
    /// Arm NEON.
    Asimd,
    /// Arm half-precision arithmetic.
    Asimdhp,
    /// Arm 8-bit dot product (`SDOT`, `UDOT`), Armv8.2 and later.
    Asimddp,
    /// Arm 8-bit matrix multiply, Armv8.6 and later.
    I8mm,
    /// Arm bfloat16.
    Bf16,
    /// Arm scalable vectors.
    Sve,
    /// Arm scalable vectors, second version.
    Sve2,
    /// x86 256-bit integers.
    Avx2,
    /// x86 fused multiply-add.
    Fma,
    /// x86 half-precision conversion.
    F16c,
    /// x86 512-bit vectors.
    Avx512f,
    /// x86 8-bit dot product on 512-bit vectors.
    Avx512Vnni,
    /// x86 8-bit dot product on 256-bit vectors.
    AvxVnni,
    /// x86 8-bit matrix tiles.
    AmxInt8,
}

impl Isa {
    /// Each extension that is looked for.
    pub const ALL: [Self; 14] = [
        Self::Asimd,
        Self::Asimdhp,
        Self::Asimddp,
        Self::I8mm,
        Self::Bf16,
        Self::Sve,
        Self::Sve2,
        Self::Avx2,
        Self::Fma,
        Self::F16c,
        Self::Avx512f,
        Self::Avx512Vnni,
        Self::AvxVnni,
        Self::AmxInt8,
    ];

    /// The kernel's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asimd => "asimd",
            Self::Asimdhp => "asimdhp",
            Self::Asimddp => "asimddp",
            Self::I8mm => "i8mm",
            Self::Bf16 => "bf16",
            Self::Sve => "sve",
            Self::Sve2 => "sve2",
            Self::Avx2 => "avx2",
            Self::Fma => "fma",
            Self::F16c => "f16c",
            Self::Avx512f => "avx512f",
            Self::Avx512Vnni => "avx512_vnni",
            Self::AvxVnni => "avx_vnni",
            Self::AmxInt8 => "amx_int8",
        }
    }

    /// Those of the extensions that a line of features or flags names.
    pub(crate) fn in_line(line: &str) -> Vec<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Self::ALL
            .into_iter()
            .filter(|isa| words.contains(&isa.name()))
            .collect()
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Isa;

    #[test]
    fn the_name_in_a_profile_is_the_kernels_name() {
        for isa in Isa::ALL {
            let json = serde_json::to_string(&isa).unwrap();
            // The kernel writes `avx512f` and `avx512_vnni`: the digits are why
            // this is checked rather than trusted to the renaming.
            assert_eq!(json, format!("\"{}\"", isa.name()));
        }
    }

    #[test]
    fn whole_words_only() {
        assert_eq!(Isa::in_line("asimddp sve2p1"), vec![Isa::Asimddp]);
    }
}
