//! A site's own words, all found in one pass, case and accents folded.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{
    Kind,
    pattern::{Raw, inside_word},
};
use crate::policy::Dictionary;

/// The words of all dictionaries as one automaton.
#[derive(Debug)]
pub(super) struct Words {
    automaton: AhoCorasick,
    kinds: Vec<Kind>,
}

impl Words {
    pub(super) fn try_new(dictionaries: &[Dictionary]) -> Result<Self, aho_corasick::BuildError> {
        let mut kinds = Vec::new();
        let mut words = Vec::new();
        for dictionary in dictionaries {
            for word in &dictionary.words {
                let folded = fold(word).text;
                if !folded.is_empty() {
                    words.push(folded);
                    kinds.push(dictionary.kind.clone());
                }
            }
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&words)?;
        Ok(Self { automaton, kinds })
    }

    /// Adds every whole word or phrase; of those that overlap, all.
    pub(super) fn find(&self, text: &str, found: &mut Vec<Raw>) {
        if self.kinds.is_empty() {
            return;
        }
        let folded = fold(text);
        for hit in self.automaton.find_overlapping_iter(&folded.text) {
            let span = folded.origin(hit.start()..hit.end());
            if !inside_word(text, &span) {
                found.push((span, self.kinds[hit.pattern().as_usize()].clone()));
            }
        }
    }
}

/// A text without case and accents, its white space made single spaces, and where each byte comes from.
struct Folded {
    text: String,
    /// For each byte of `text`, the character of the original that it comes from.
    from: Vec<Range<usize>>,
}

impl Folded {
    /// The part of the original that a part of the folded text comes from.
    fn origin(&self, span: Range<usize>) -> Range<usize> {
        self.from[span.start].start..self.from[span.end - 1].end
    }
}

fn fold(original: &str) -> Folded {
    let mut folded = Folded {
        text: String::with_capacity(original.len()),
        from: Vec::with_capacity(original.len()),
    };
    for (at, c) in original.char_indices() {
        let here = at..at + c.len_utf8();
        if c.is_whitespace() {
            if folded.text.ends_with(' ') {
                continue;
            }
            folded.text.push(' ');
            folded.from.push(here);
            continue;
        }
        for plain in c.nfkd() {
            if is_combining_mark(plain) {
                // An accent that stands alone belongs to the letter before it.
                if let Some(last) = folded.from.last_mut() {
                    last.end = last.end.max(here.end);
                }
                continue;
            }
            for lower in plain.to_lowercase() {
                folded.text.push(lower);
                folded
                    .from
                    .extend(std::iter::repeat_n(here.clone(), lower.len_utf8()));
            }
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str], text: &str) -> Vec<String> {
        let dictionary = Dictionary {
            kind: Kind::PERSON,
            words: words.iter().map(ToString::to_string).collect(),
        };
        let mut found = Vec::new();
        Words::try_new(&[dictionary])
            .unwrap()
            .find(text, &mut found);
        found
            .into_iter()
            .map(|(span, _)| text[span].to_owned())
            .collect()
    }

    #[test]
    fn words_are_found_in_any_case_with_or_without_accents() {
        let words = ["Jürgen Müller", "Ana"];
        assert_eq!(names(&words, "JÜRGEN  MÜLLER called"), ["JÜRGEN  MÜLLER"]);
        assert_eq!(names(&words, "jurgen\nmuller"), ["jurgen\nmuller"]);
        assert_eq!(
            names(&words, "Ju\u{308}rgen Mu\u{308}ller."),
            ["Ju\u{308}rgen Mu\u{308}ller"]
        );
        assert_eq!(names(&words, "ask ana's team"), ["ana"]);
    }

    #[test]
    fn a_part_of_a_word_is_not_the_word() {
        assert!(names(&["Ana"], "banana analysis").is_empty());
    }

    #[test]
    fn no_words_find_nothing() {
        assert!(names(&[], "anything").is_empty());
        assert!(names(&["  "], "any thing").is_empty());
    }
}
