//! The ways to store the weights that are tried, as data.
//!
//! llama.cpp lays out weights anew as it loads them ("repacking"), so that one instruction works on several rows; it
//! does so for some types and, on some instruction sets, for others not. For two types there is a kernel of ours. Which
//! is fastest is therefore measured, not written down here.

/// How a tensor's numbers are stored. The names are those of GGUF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// 4 bits and a scale for 32 numbers.
    Q4_0,
    /// 4 bits, a scale and a least number for 32 numbers.
    Q4_1,
    /// 4 bits that choose from a table of uneven steps, and a scale for 32 numbers.
    Iq4Nl,
    /// 4 bits, a scale and a least number for 32 numbers; those two take 6 bits each and share scales of 256 numbers.
    Q4K,
    /// 8 bits and a scale for 32 numbers.
    Q8_0,
}

impl Stored {
    /// GGUF's name of the type.
    const fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Iq4Nl => "IQ4_NL",
            Self::Q4K => "Q4_K",
            Self::Q8_0 => "Q8_0",
        }
    }

    /// llama.cpp's number of the type.
    pub(super) const fn tensor_type(self) -> llama_cpp_sys_2::ggml_type {
        match self {
            Self::Q4_0 => llama_cpp_sys_2::GGML_TYPE_Q4_0,
            Self::Q4_1 => llama_cpp_sys_2::GGML_TYPE_Q4_1,
            Self::Iq4Nl => llama_cpp_sys_2::GGML_TYPE_IQ4_NL,
            Self::Q4K => llama_cpp_sys_2::GGML_TYPE_Q4_K,
            Self::Q8_0 => llama_cpp_sys_2::GGML_TYPE_Q8_0,
        }
    }

    /// llama.cpp's number of a file that mostly has this type.
    pub(super) const fn file_type(self) -> llama_cpp_sys_2::llama_ftype {
        match self {
            Self::Q4_0 => llama_cpp_sys_2::LLAMA_FTYPE_MOSTLY_Q4_0,
            Self::Q4_1 => llama_cpp_sys_2::LLAMA_FTYPE_MOSTLY_Q4_1,
            Self::Iq4Nl => llama_cpp_sys_2::LLAMA_FTYPE_MOSTLY_IQ4_NL,
            Self::Q4K => llama_cpp_sys_2::LLAMA_FTYPE_MOSTLY_Q4_K_S,
            Self::Q8_0 => llama_cpp_sys_2::LLAMA_FTYPE_MOSTLY_Q8_0,
        }
    }
}

/// One way to store a whole model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Its name in notes and tables.
    pub(super) name: &'static str,
    /// What most tensors become.
    pub(super) most: Stored,
    /// Tensors that become something else: a regular expression on their names, and what.
    pub(super) others: &'static [(&'static str, Stored)],
}

/// The name of the download among the recipes.
pub const AS_DOWNLOADED: &str = "as downloaded";

/// What the table of tokens becomes, which in small models is also the last layer. It is hardly read while a prompt
/// is, and 4 bits of it cost more perplexity than 4 bits of all layers.
pub(super) const TOKENS: Stored = Stored::Q8_0;

const fn mixed(name: &'static str, others: &'static [(&'static str, Stored)]) -> Recipe {
    Recipe {
        name,
        most: Stored::Q8_0,
        others,
    }
}

/// Long enough rows for [`Stored::Q4K`] even in small models; llama.cpp takes another type where they are not.
const DOWN: (&str, Stored) = ("ffn_down", Stored::Q4K);

/// The recipes, those of fewer bits first. What a model can bear differs, and so does what a CPU has kernels for.
/// Attention bears 4 bits least, and of the rest each part about alike.
pub(super) const RECIPES: &[Recipe] = &[
    Recipe {
        name: "4 bits",
        most: Stored::Q4_0,
        others: &[DOWN],
    },
    Recipe {
        name: "4 bits and a least number",
        most: Stored::Q4_1,
        others: &[],
    },
    mixed(
        "4 bits, but 8 in attention",
        &[DOWN, ("ffn_up", Stored::Iq4Nl), ("ffn_gate", Stored::Q4_0)],
    ),
    mixed(
        "4 bits, but 8 in attention and every second ffn_gate",
        &[
            DOWN,
            ("ffn_up", Stored::Iq4Nl),
            (r"blk\.[0-9]*[02468]\.ffn_gate", Stored::Q4_0),
        ],
    ),
    mixed(
        "8 bits, but 4 in ffn_down and ffn_up",
        &[DOWN, ("ffn_up", Stored::Iq4Nl)],
    ),
    mixed("8 bits", &[]),
];

impl Recipe {
    /// Whether a file that says it is `quantization` already is what the recipe would make of it.
    pub(super) fn is(&self, quantization: Option<&str>) -> bool {
        self.others.is_empty() && quantization == Some(self.most.name())
    }
}

/// A bound on the length in bytes of what a recipe makes of a model with so many weights whose file is `source` bytes
/// long.
pub(super) fn at_most(parameters: u64, source: u64) -> u64 {
    // The widest type here takes 34 bytes for 32 numbers; what is not stored so is in the source already.
    (parameters / 32)
        .saturating_mul(34)
        .saturating_add(source / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_a_file_that_is_so_already_is_left_alone() {
        let names: std::collections::BTreeSet<_> = RECIPES.iter().map(|r| r.name).collect();
        assert_eq!(names.len(), RECIPES.len());
        let is = |stored: &str| RECIPES.iter().filter(|r| r.is(Some(stored))).count();
        assert_eq!((is("Q8_0"), is("Q4_1"), is("Q4_0")), (1, 1, 0));
    }
}
