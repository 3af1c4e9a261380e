//! A site's own words, all found in one pass, case, accents and the kinds of quotes and dashes folded.

use std::ops::Range;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{
    Kind,
    glyph::is_invisible,
    lexicon::{Lexicon, TooLarge},
    pattern::Raw,
    view::{Maker, View},
    word::{inside_word, is_spaceless, joins},
};
use crate::policy::Dictionary;

/// The words of all dictionaries.
#[derive(Debug)]
pub(super) struct Words {
    lexicon: Lexicon,
    /// The type of each dictionary.
    kinds: Vec<Kind>,
}

impl Words {
    pub(super) fn try_new(dictionaries: &[Dictionary]) -> Result<Self, TooLarge> {
        let mut kinds: Vec<Kind> = Vec::new();
        let mut words = Vec::new();
        for dictionary in dictionaries {
            let known = kinds.iter().position(|kind| *kind == dictionary.kind);
            let number = known.unwrap_or(kinds.len());
            if known.is_none() {
                kinds.push(dictionary.kind.clone());
            }
            let number = u16::try_from(number).map_err(|_| TooLarge)?;
            let folded = dictionary
                .words
                .iter()
                .map(|word| fold(word).text.into_owned());
            words.extend(folded.map(|word| (word, number)));
        }
        Ok(Self {
            lexicon: Lexicon::try_new(words)?,
            kinds,
        })
    }

    /// Adds every whole word or phrase; of those that overlap, all.
    pub(super) fn find(&self, text: &str, found: &mut Vec<Raw>) {
        if self.lexicon.is_empty() {
            return;
        }
        let folded = fold(text);
        let mut before = None;
        for (at, c) in folded.text.char_indices() {
            // Where `inside_word` cannot but say yes, no word begins.
            let begins =
                !before.is_some_and(joins) || is_spaceless(before) || is_spaceless(Some(c));
            before = Some(c);
            if !begins {
                continue;
            }
            self.lexicon
                .each(&folded.text.as_bytes()[at..], |length, number| {
                    let hit = at..at + length;
                    let span = folded.origin(&hit);
                    // One character of Hangul is several here.
                    let whole = !folded.cuts(hit.start) && !folded.cuts(hit.end);
                    if whole
                        && (!inside_word(&folded.text, &hit)
                            || is_genitive(&folded, &hit, &text[span.clone()]))
                    {
                        found.push((span, self.kinds[usize::from(number)].clone()));
                    }
                });
        }
    }
}

/// Whether but an `s` follows the word, as in the German "Müllers"; that of a short word needs a capital, or else
/// "does" would be Doe's.
fn is_genitive(folded: &View<'_>, hit: &Range<usize>, original: &str) -> bool {
    let rest = &folded.text[hit.end..];
    let length = original.chars().count();
    let named = length >= 5 || (length >= 3 && original.starts_with(char::is_uppercase));
    let ends = rest
        .strip_prefix('s')
        .is_some_and(|rest| !rest.starts_with(joins));
    let starts = !folded.text[..hit.start].ends_with(joins);
    named && ends && starts
}

/// The text without case and accents, its white space made single spaces.
fn fold(original: &str) -> View<'_> {
    if original.is_ascii() && !original.bytes().any(is_changed) && !original.contains("  ") {
        return View::verbatim(original);
    }
    let mut folded = Maker::new();
    for (at, c) in original.char_indices() {
        let here = at..at + c.len_utf8();
        if is_invisible(c) {
            continue;
        }
        if c.is_whitespace() {
            if !folded.text().ends_with(' ') {
                folded.push(' ', here, c == ' ');
            }
            continue;
        }
        if c.is_ascii() {
            let lower = one_of_its_kind(c).to_ascii_lowercase();
            folded.push(lower, here, true);
            continue;
        }
        let mut letters = String::new();
        for part in one_of_its_kind(c).nfkd() {
            if is_combining_mark(part) {
                continue;
            }
            for lower in part.to_lowercase() {
                match lower {
                    'ß' => letters.push_str("ss"),
                    'ς' => letters.push('σ'),
                    _ => letters.push(lower),
                }
            }
        }
        if letters.is_empty() {
            // An accent that stands alone belongs to the letter before it.
            folded.stretch(here.end);
        } else {
            folded.put(&letters, here);
        }
    }
    folded.view()
}

/// Whether folding changes an ASCII character.
fn is_changed(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b'`' || (byte.is_ascii_whitespace() && byte != b' ')
}

/// One quote for all that stand for an apostrophe, one dash for all.
fn one_of_its_kind(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' | '\u{2bc}' | '\u{60}' | '\u{b4}' => '\'',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        _ => c,
    }
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
