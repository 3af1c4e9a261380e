//! Our own words, all found in one pass, each with what is known of it.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// Words and what is known of each.
pub(super) struct Table<T> {
    automaton: AhoCorasick,
    known: Vec<T>,
}

impl<T> Table<T> {
    /// Of words that are constants.
    pub(super) fn of(words: impl IntoIterator<Item = (String, T)>) -> Self {
        Self::build(words, false)
    }

    /// The same, found in capitals and small letters alike, as far as they are ASCII.
    pub(super) fn of_any_case(words: impl IntoIterator<Item = (String, T)>) -> Self {
        Self::build(words, true)
    }

    #[expect(
        clippy::expect_used,
        reason = "the words are constants, and each table is built in a test; without one nothing would be found"
    )]
    fn build(words: impl IntoIterator<Item = (String, T)>, any_case: bool) -> Self {
        let (words, known): (Vec<String>, Vec<T>) = words.into_iter().unzip();
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(any_case)
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::DFA))
            .build(words)
            .expect("constant words");
        Self { automaton, known }
    }

    /// Where they stand, not overlapping; of those that begin at one place the longest.
    pub(super) fn find(&self, text: &str) -> impl Iterator<Item = (Range<usize>, &T)> {
        self.automaton
            .find_iter(text)
            .map(|hit| (hit.range(), &self.known[hit.pattern().as_usize()]))
    }
}
