//! Finding again what is known, in one pass.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::same::letters;
use crate::detect::inside_word;

/// Letters and digits that a thing must have to be found in another spelling.
const LONG: usize = 6;
/// And to be found as a part of a word, unless it has a digit or is several words.
const LONGER: usize = 8;

/// Finds every one of some texts.
pub(super) struct Search {
    exact: AhoCorasick,
    squeezed: AhoCorasick,
    known: Vec<Known>,
    /// Which of them each pattern of `squeezed` is.
    loose: Vec<usize>,
}

struct Known {
    /// It may be a part of a word.
    anywhere: bool,
    /// How many words it is, if so many in a row may begin and end within others.
    phrase: Option<usize>,
    /// What stands before its first and after its last letter or digit.
    around: (String, String),
}

/// Where a thing is, and which.
type Hit = (Range<usize>, usize);

impl Search {
    pub fn try_new<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Option<Self> {
        let mut known = Vec::new();
        let (mut loose, mut patterns) = (Vec::new(), Vec::new());
        for (entry, text) in texts.clone().enumerate() {
            let squeezed = Squeezed::of(text);
            let length = squeezed.text.chars().count();
            let digits = squeezed.text.contains(|c: char| c.is_ascii_digit());
            let words = text.split_whitespace().count();
            let inner = squeezed.origin(0..squeezed.text.len());
            known.push(Known {
                anywhere: length >= LONGER || (length >= LONG && digits),
                phrase: (length >= LONG && words > 1).then_some(words),
                around: (text[..inner.start].to_owned(), text[inner.end..].to_owned()),
            });
            if length >= LONG {
                patterns.push(squeezed.text);
                loose.push(entry);
            }
        }
        Some(Self {
            exact: automaton(texts)?,
            squeezed: automaton(patterns.iter().map(String::as_str))?,
            known,
            loose,
        })
    }

    pub fn find(&self, text: &str) -> Vec<Hit> {
        let mut hits: Vec<Hit> = self
            .exact
            .find_overlapping_iter(text)
            .map(|hit| (hit.start()..hit.end(), hit.pattern().as_usize()))
            .filter(|(span, entry)| {
                let known = &self.known[*entry];
                known.anywhere || known.phrase.is_some() || !inside_word(text, span)
            })
            .collect();
        let squeezed = Squeezed::of(text);
        for hit in self.squeezed.find_overlapping_iter(&squeezed.text) {
            let at = hit.start()..hit.end();
            let entry = self.loose[hit.pattern().as_usize()];
            let known = &self.known[entry];
            if !squeezed.is_whole(&at) {
                continue;
            }
            let span = known.widened(text, squeezed.origin(at));
            let words = text[span.clone()].split_whitespace().count();
            if !inside_word(text, &span)
                || known.anywhere && words == 1
                || known.phrase == Some(words)
            {
                hits.push((span, entry));
            }
        }
        hits
    }
}

impl Known {
    /// The span with the marks around it that belong to the thing.
    fn widened(&self, text: &str, mut span: Range<usize>) -> Range<usize> {
        let (before, after) = &self.around;
        if text[..span.start].ends_with(before.as_str()) {
            span.start -= before.len();
        }
        if text[span.end..].starts_with(after.as_str()) {
            span.end += after.len();
        }
        span
    }
}

fn automaton<'a>(texts: impl Iterator<Item = &'a str>) -> Option<AhoCorasick> {
    AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(texts)
        .ok()
}

/// A text's letters and digits, and where each byte of them comes from.
struct Squeezed {
    text: String,
    from: Vec<Range<usize>>,
}

impl Squeezed {
    fn of(original: &str) -> Self {
        let mut squeezed = Self {
            text: String::with_capacity(original.len()),
            from: Vec::with_capacity(original.len()),
        };
        for (at, c) in original.char_indices() {
            for letter in letters(c) {
                squeezed.text.push(letter);
                let from = std::iter::repeat_n(at..at + c.len_utf8(), letter.len_utf8());
                squeezed.from.extend(from);
            }
        }
        squeezed
    }

    fn origin(&self, span: Range<usize>) -> Range<usize> {
        match (
            self.from.get(span.start),
            self.from.get(span.end.wrapping_sub(1)),
        ) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }

    /// Whether a part begins and ends where characters of the original do: one of Hangul is several here.
    fn is_whole(&self, span: &Range<usize>) -> bool {
        let cuts = |at: usize| {
            let from = |at: usize| self.from.get(at).map(|from| from.start);
            at > 0 && from(at).is_some() && from(at) == from(at - 1)
        };
        !cuts(span.start) && !cuts(span.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'t>(known: &str, text: &'t str) -> Vec<&'t str> {
        let search = Search::try_new([known].into_iter()).unwrap();
        let mut found: Vec<&str> = search
            .find(text)
            .into_iter()
            .map(|(span, _)| &text[span])
            .collect();
        found.dedup();
        found
    }

    #[test]
    fn what_is_long_is_found_in_other_spellings_and_what_is_short_as_it_is() {
        for (known, text, hit) in [
            ("Winter2026!", "is WINTER2026! now", "WINTER2026!"),
            (
                "Winter2026!",
                "is W-i-n-t-e-r 2 0 2 6 now",
                "W-i-n-t-e-r 2 0 2 6",
            ),
            ("Winter2026!", "xWinter2026!x", "Winter2026!"),
            ("5550143", "+15550143", "5550143"),
            ("5550143", "tel. 555 01 43.", "555 01 43"),
            ("Ana Ruiz", "ask ana\nruiz", "ana\nruiz"),
            ("Ana Ruiz", "user_anaruiz", ""),
            ("Johannes", "johannesweg", "johannes"),
            ("Johannes", "Jo\u{308}hannes", "Jo\u{308}hannes"),
            ("Bo", "tell Bo", "Bo"),
            ("Bo", "tell bo or Bob", ""),
            ("Ana Ruiz", "xAna Ruizx", "Ana Ruiz"),
            // Rather too much than too little: what a worker glued to a name must not give it away.
            ("Mark Stone", "benchmark stone", "mark stone"),
            ("김철수입니다", "김철수입니다", "김철수입니다"),
        ] {
            let expected: Vec<&str> = if hit.is_empty() { vec![] } else { vec![hit] };
            assert_eq!(found(known, text), expected, "{known} in {text}");
        }
    }
}
