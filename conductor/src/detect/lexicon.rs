//! Hundreds of thousands of words in little memory: sorted, one after the other, and looked up letter by letter.
//!
//! An automaton of 300,000 names takes 200 MiB and seconds to make; this takes the names and six bytes for each. From
//! each beginning of a word, the range of entries that still fit is narrowed by one byte of the text at a time.

use std::ops::Range;

/// Sorted words, each with a number.
#[derive(Debug)]
pub(super) struct Lexicon {
    bytes: Vec<u8>,
    /// Where each word ends in `bytes`; the first stands before the first word.
    ends: Vec<u32>,
    numbers: Vec<u16>,
    /// For each two first bytes, the first word that begins with them or later ones.
    buckets: Vec<u32>,
}

/// More bytes than an end can count.
#[derive(Debug, thiserror::Error)]
#[error("the words are longer than 4 GiB together: use fewer or shorter ones")]
pub(super) struct TooLarge;

impl Lexicon {
    pub(super) fn try_new(mut words: Vec<(String, u16)>) -> Result<Self, TooLarge> {
        words.retain(|(word, _)| !word.is_empty());
        words.sort_unstable();
        words.dedup();
        let mut bytes = Vec::with_capacity(words.iter().map(|(word, _)| word.len()).sum());
        let mut ends = vec![0];
        let mut buckets = vec![0_u32; (1 << 16) + 1];
        for (word, _) in &words {
            bytes.extend_from_slice(word.as_bytes());
            ends.push(u32::try_from(bytes.len()).map_err(|_| TooLarge)?);
            buckets[bucket(word.as_bytes()) + 1] += 1;
        }
        let mut before = 0;
        for count in &mut buckets {
            before += *count;
            *count = before;
        }
        Ok(Self {
            bytes,
            ends,
            numbers: words.into_iter().map(|(_, number)| number).collect(),
            buckets,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    fn word(&self, at: usize) -> &[u8] {
        &self.bytes[self.ends[at] as usize..self.ends[at + 1] as usize]
    }

    /// Shows the length and number of every word that `text` begins with.
    pub(super) fn each(&self, text: &[u8], mut show: impl FnMut(usize, u16)) {
        let Some(&first) = text.first() else { return };
        // Words of one byte are in the bucket of a zero as the second.
        let alone = self.range(usize::from(first) << 8);
        for at in alone.filter(|&at| self.word(at).len() == 1) {
            show(1, self.numbers[at]);
        }
        if text.len() < 2 || text[1] == 0 {
            return;
        }
        let mut fit = self.range(bucket(text));
        let mut length = 2;
        while !fit.is_empty() {
            while fit.start < fit.end && self.word(fit.start).len() == length {
                show(length, self.numbers[fit.start]);
                fit.start += 1;
            }
            let Some(&next) = text.get(length) else {
                return;
            };
            let words = fit.clone();
            let below = |bound: u16| {
                let mut range = words.clone();
                while !range.is_empty() {
                    let middle = range.start + range.len() / 2;
                    if u16::from(self.word(middle)[length]) < bound {
                        range.start = middle + 1;
                    } else {
                        range.end = middle;
                    }
                }
                range.start
            };
            fit = below(u16::from(next))..below(u16::from(next) + 1);
            length += 1;
        }
    }

    fn range(&self, bucket: usize) -> Range<usize> {
        self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize
    }
}

/// The first two bytes as a number.
fn bucket(word: &[u8]) -> usize {
    let byte = |at: usize| word.get(at).map_or(0, |byte| usize::from(*byte));
    byte(0) << 8 | byte(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(lexicon: &Lexicon, text: &str) -> Vec<(usize, u16)> {
        let mut all = Vec::new();
        lexicon.each(text.as_bytes(), |length, number| all.push((length, number)));
        all
    }

    #[test]
    fn all_words_that_a_text_begins_with_are_shown() {
        let words = ["ana", "an", "a", "ana ruiz", "bo", "ana"];
        let numbered = words
            .iter()
            .zip(0..)
            .map(|(word, number)| ((*word).to_owned(), number));
        let lexicon = Lexicon::try_new(numbered.collect()).unwrap();
        assert_eq!(
            shown(&lexicon, "ana ruiz and bo"),
            [(1, 2), (2, 1), (3, 0), (3, 5), (8, 3)]
        );
        assert!(shown(&lexicon, "x").is_empty());
        assert!(shown(&lexicon, "").is_empty());
    }

    #[test]
    fn three_hundred_thousand_words_take_little_more_than_their_letters() {
        let words: Vec<(String, u16)> = (0..300_000)
            .map(|number| (format!("customer {number} of the site"), 0))
            .collect();
        let letters: usize = words.iter().map(|(word, _)| word.len()).sum();
        let lexicon = Lexicon::try_new(words).unwrap();
        let held = lexicon.bytes.len()
            + 4 * lexicon.ends.len()
            + 2 * lexicon.numbers.len()
            + 4 * lexicon.buckets.len();
        assert!(held <= letters + 7 * 300_000, "{held}");
        assert_eq!(shown(&lexicon, "customer 299999 of the site"), [(27, 0)]);
    }

    proptest! {
        #[test]
        fn it_shows_what_comparing_with_each_word_shows(
            words in prop::collection::vec("[abé]{1,4}", 0..12),
            text in "[abé]{0,8}",
        ) {
            let numbered = words.iter().cloned().zip(0..).collect();
            let lexicon = Lexicon::try_new(numbered).unwrap();
            let mut expected: Vec<(usize, u16)> = words
                .iter()
                .zip(0..)
                .filter(|(word, _)| text.starts_with(word.as_str()))
                .map(|(word, number)| (word.len(), number))
                .collect();
            expected.sort_unstable();
            let mut found = shown(&lexicon, &text);
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
