//! What a word looks like, whatever it means.

use std::{collections::HashMap, ops::Range};

use super::words::is_ideograph;

/// How many numbers describe a word.
pub const SHAPE: usize = 26;

/// The shape of each word: a row of [`SHAPE`] numbers from 0 to 1.
#[must_use]
pub fn shapes(text: &str, words: &[Range<usize>]) -> Vec<f32> {
    let mut out = Vec::with_capacity(words.len() * SHAPE);
    let folded: Vec<String> = words
        .iter()
        .map(|word| text[word.clone()].to_lowercase())
        .collect();
    let mut counts: HashMap<&str, u16> = HashMap::new();
    for word in &folded {
        let count = counts.entry(word).or_insert(0);
        *count = count.saturating_add(1);
    }
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let capitals = text.chars().filter(|c| c.is_uppercase()).count();
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let shouting = capitals as f32 / letters.max(1) as f32;
    let is_short = words.len() < 12;
    // Whether a sentence begins here.
    let mut begins = true;
    for (at, (word, folded)) in words.iter().zip(&folded).enumerate() {
        let this = &text[word.clone()];
        let Some(first) = this.chars().next() else {
            continue;
        };
        let before = text[..word.start].chars().next_back();
        let after = text[word.end..].chars().next();
        let count = counts.get(folded.as_str()).copied().unwrap_or(1);
        let length = u16::try_from(this.chars().count().min(12)).unwrap_or(12);
        let has_capitals = this.chars().any(char::is_uppercase);
        let is_upper = has_capitals && !this.chars().any(char::is_lowercase);
        let is_number = this.chars().all(char::is_numeric);
        let is_wide = is_ideograph(first);
        let flags = [
            first.is_uppercase(),
            is_upper && length > 1,
            !has_capitals && this.chars().any(char::is_lowercase),
            is_number,
            !is_number && this.chars().any(char::is_numeric),
            !is_upper && this.chars().skip(1).any(char::is_uppercase),
            !first.is_alphanumeric(),
            is_wide,
            !first.is_ascii() && !is_wide && first.is_alphabetic(),
            matches!(first, '\u{400}'..='\u{52f}'),
            matches!(first, '\u{600}'..='\u{6ff}'),
            begins,
            before.is_none_or(char::is_whitespace),
            after.is_none_or(char::is_whitespace),
            count > 1,
            ".,;:!?".contains(first),
            "@/_-\\".contains(first),
            "\"'’“”`".contains(first),
            "()[]{}<>=".contains(first),
            at < 3,
            is_short,
            before.is_none_or(|c| c == '\n'),
            length == 4 && is_number,
        ];
        out.extend(flags.map(|flag| f32::from(u8::from(flag))));
        out.push(f32::from(length) / 12.0);
        out.push(f32::from(count.min(8)) / 8.0);
        out.push(shouting);
        if !"\"'’“”`()*#".contains(first) {
            begins = ".!?:;。！？".contains(first);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::words::words;

    #[test]
    fn each_word_has_its_shape_and_numbers_stay_within_bounds() {
        let text = "Hello McDuff! PIN 1234, ß’s МОСКВА 刘 hello";
        let words = words(text);
        let shapes = shapes(text, &words);
        assert_eq!(shapes.len(), words.len() * SHAPE);
        assert!(shapes.iter().all(|value| (0.0..=1.0).contains(value)));
        let row = |word: &str| {
            let at = words.iter().position(|w| &text[w.clone()] == word).unwrap();
            &shapes[at * SHAPE..(at + 1) * SHAPE]
        };
        let flag = |word: &str, number: usize| row(word)[number] > 0.5;
        assert!(flag("Hello", 0) && flag("Hello", 11) && flag("Hello", 14));
        assert!(flag("McDuff", 5) && !flag("McDuff", 11));
        assert!(flag("PIN", 1) && flag("PIN", 11));
        assert!(flag("1234", 22) && flag("МОСКВА", 9) && flag("刘", 7));
    }

    #[test]
    fn no_text_has_no_shapes() {
        assert!(shapes("", &[]).is_empty());
    }
}
