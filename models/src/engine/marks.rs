//! Texts that a tokenizer cuts out before it reads the rest.

use aho_corasick::AhoCorasick;
use llama_cpp_2::{token::LlamaToken, token_type::LlamaTokenAttr, vocab::LlamaVocab};

/// The texts of some of the vocabulary's tokens.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    /// Nothing if there are too many of them to look for.
    texts: Option<AhoCorasick>,
}

impl Marks {
    /// Of the tokens of these kinds.
    pub(super) fn of(vocab: &LlamaVocab<'_>, kinds: &[LlamaTokenAttr]) -> Self {
        let is_one = |t: &LlamaToken| kinds.iter().any(|&kind| vocab.attr(*t).contains(kind));
        let texts = vocab.tokens().filter(is_one);
        let texts = texts.filter_map(|t| vocab.text(t)).map(|t| t.to_bytes());
        Self::new(texts.filter(|text| !text.is_empty()))
    }

    fn new<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let texts = AhoCorasick::new(texts)
            .inspect_err(|e| tracing::warn!(error = %e, "special texts are not looked for early"))
            .ok();
        Self { texts }
    }

    /// Whether one is in the text.
    pub(super) fn any(&self, text: &str) -> bool {
        self.texts
            .as_ref()
            .is_some_and(|texts| texts.is_match(text))
    }

    /// How many there are in the text, where those that overlap count as one, since one of them is surely cut out.
    pub(super) fn count(&self, text: &str) -> usize {
        let Some(texts) = &self.texts else { return 0 };
        let mut heaps: Vec<(usize, usize)> = Vec::new();
        // In the order of their ends.
        for found in texts.find_overlapping_iter(text) {
            let mut start = found.start();
            while let Some((earlier, _)) = heaps.pop_if(|(_, end)| *end > found.start()) {
                start = start.min(earlier);
            }
            heaps.push((start, found.end()));
        }
        heaps.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(texts: &[&str]) -> Marks {
        Marks::new(texts.iter().map(|text| text.as_bytes()))
    }

    #[test]
    fn what_overlaps_counts_once() {
        let marks = marks(&["<a>", "<ab>", "><", "\n", "\n\n"]);
        let count = |text: &str| marks.count(text);
        assert_eq!(count("nothing"), 0);
        assert_eq!(count("<a> and <ab>"), 2);
        // The seam between them joins them.
        assert_eq!(count("<a><ab>"), 1);
        assert_eq!(count("a\n\n\nb\n"), 2);
        assert_eq!(count(&"<a> ".repeat(1_000)), 1_000);
        assert!(marks.any("x<ab>") && !marks.any("x<b>"));
    }

    #[test]
    fn a_vocabulary_may_have_none() {
        let none = marks(&[]);
        assert!(!none.any("<a>"));
        assert_eq!(none.count("<a>"), 0);
    }
}
