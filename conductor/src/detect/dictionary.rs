//! A site's own words, all found in one pass, case, accents and the kinds of quotes and dashes folded.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{
    Kind,
    pattern::Raw,
    word::{inside_word, joins},
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
            let hit_at = hit.start()..hit.end();
            let span = folded.origin(hit_at.clone());
            if folded.is_whole(&hit_at)
                && (!inside_word(&folded.text, &hit_at)
                    || is_genitive(&folded, &hit_at, &text[span.clone()]))
            {
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

    /// Whether a part begins and ends where characters of the original do: one of Hangul is several here.
    fn is_whole(&self, span: &Range<usize>) -> bool {
        let cuts = |at: usize| {
            at > 0
                && self
                    .from
                    .get(at)
                    .is_some_and(|from| from.start == self.from[at - 1].start)
        };
        !cuts(span.start) && !cuts(span.end)
    }
}

/// Whether but an `s` follows the word, as in the German "Müllers"; that of a short word needs a capital, or else
/// "does" would be Doe's.
fn is_genitive(folded: &Folded, hit: &Range<usize>, original: &str) -> bool {
    let rest = &folded.text[hit.end..];
    let length = original.chars().count();
    let named = length >= 5 || (length >= 3 && original.starts_with(char::is_uppercase));
    let ends = rest
        .strip_prefix('s')
        .is_some_and(|rest| !rest.starts_with(joins));
    let starts = !folded.text[..hit.start].ends_with(joins);
    named && ends && starts
}

impl Folded {
    fn push(&mut self, c: char, from: &Range<usize>) {
        self.text.push(c);
        self.from
            .extend(std::iter::repeat_n(from.clone(), c.len_utf8()));
    }
}

fn fold(original: &str) -> Folded {
    let mut folded = Folded {
        text: String::with_capacity(original.len()),
        from: Vec::with_capacity(original.len()),
    };
    for (at, c) in original.char_indices() {
        let here = at..at + c.len_utf8();
        if is_invisible(c) {
            continue;
        }
        if c.is_whitespace() {
            if !folded.text.ends_with(' ') {
                folded.push(' ', &here);
            }
            continue;
        }
        for part in one_of_its_kind(c).nfkd() {
            if is_combining_mark(part) {
                // An accent that stands alone belongs to the letter before it.
                if let Some(last) = folded.from.last_mut() {
                    last.end = last.end.max(here.end);
                }
                continue;
            }
            for lower in part.to_lowercase() {
                match lower {
                    'ß' => "ss".chars().for_each(|s| folded.push(s, &here)),
                    'ς' => folded.push('σ', &here),
                    _ => folded.push(lower, &here),
                }
            }
        }
    }
    folded
}

/// One quote for all that stand for an apostrophe, one dash for all.
fn one_of_its_kind(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' | '\u{2bc}' | '\u{60}' | '\u{b4}' => '\'',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        _ => c,
    }
}

/// Soft hyphens, characters without width, marks of direction.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
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
    fn words_are_found_however_they_are_typed() {
        for (word, text, found) in [
            ("O'Brien", "ask O’Brien", "O’Brien"),
            ("O’Brien", "ask o'brien", "o'brien"),
            ("Weiß", "Frau WEISS fragt", "WEISS"),
            ("Weiss", "Frau Weiß fragt", "Weiß"),
            ("Anna-Lena", "mit Anna\u{2011}Lena", "Anna\u{2011}Lena"),
            ("Anna-Lena", "mit Anna–Lena", "Anna–Lena"),
            ("Müller", "Herr Mül\u{ad}ler", "Mül\u{ad}ler"),
            ("Müller", "Herr Mül\u{200b}ler", "Mül\u{200b}ler"),
            ("Γιώργος", "ΓΙΩΡΓΟΣ ήταν", "ΓΙΩΡΓΟΣ"),
            ("Müller", "Müllers Schicht", "Müller"),
            ("Ana", "Anas Schicht", "Ana"),
            ("Ana", "Ana's shift", "Ana"),
            ("田中", "田中さんが来た", "田中"),
            ("王小明", "请王小明来", "王小明"),
            ("สมชาย", "คุณสมชายครับ", "สมชาย"),
            ("김철수", "김철수가 왔다", "김철수"),
        ] {
            assert_eq!(names(&[word], text), [found], "{text}");
        }
    }

    #[test]
    fn a_part_of_a_word_is_not_the_word() {
        assert!(names(&["Ana"], "banana analysis").is_empty());
        assert!(names(&["Ana"], "ana\u{ad}lysis").is_empty());
        assert!(names(&["Doe"], "it does").is_empty());
        assert!(names(&["가나"], "가난").is_empty());
    }

    #[test]
    fn no_words_find_nothing() {
        assert!(names(&[], "anything").is_empty());
        assert!(names(&["  "], "any thing").is_empty());
    }
}
