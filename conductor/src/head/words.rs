//! The words of a text, in any script, and what the backbone says of each.

use std::ops::Range;

use super::states::States;

/// The words of a text as byte ranges, in order: a run of letters and digits, or one other character that is no
/// space. In scripts that put no spaces between words each character is one.
#[must_use]
pub fn words(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    for (at, character) in text.char_indices() {
        let end = at + character.len_utf8();
        if character.is_whitespace() {
            open = false;
        } else if character.is_alphanumeric() && !is_ideograph(character) {
            match words.last_mut().filter(|_| open) {
                Some(word) => word.end = end,
                None => words.push(at..end),
            }
            open = true;
        } else {
            // A mark on the letter before it is part of the word.
            match words.last_mut().filter(|_| open && is_mark(character)) {
                Some(word) => word.end = end,
                None => {
                    words.push(at..end);
                    open = false;
                }
            }
        }
    }
    words
}

/// Whether the character is of a script that puts no spaces between words.
pub(super) fn is_ideograph(character: char) -> bool {
    matches!(
        character,
        '\u{0e00}'..='\u{0eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{2e80}'..='\u{2fdf}'
            | '\u{3005}'..='\u{30ff}'
            | '\u{3400}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7af}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{323af}'
    )
}

/// Whether the character goes onto the letter before it and is no letter itself.
fn is_mark(character: char) -> bool {
    unicode_normalization::char::is_combining_mark(character) || character == '\u{200d}'
}

/// The mean state of each word's tokens, after each layer's states are scaled to a mean square of one: as many rows as
/// words, each as wide as a token's.
#[must_use]
pub fn pooled(words: &[Range<usize>], states: &States, layers: usize) -> Vec<f32> {
    let width = states.width;
    let mut out = vec![0.0; words.len() * width];
    if width == 0 || layers == 0 {
        return out;
    }
    let mut first = 0;
    for (word, out) in words.iter().zip(out.chunks_exact_mut(width)) {
        while states.ends.get(first).is_some_and(|&end| end <= word.start) {
            first += 1;
        }
        let begin = |token: usize| match token {
            0 => 0,
            token => states.ends.get(token - 1).copied().unwrap_or(usize::MAX),
        };
        let mut tokens = 0u16;
        let mut token = first;
        while token < states.ends.len() && begin(token) < word.end {
            let Some(state) = states.values.get(token * width..(token + 1) * width) else {
                break;
            };
            for (out, state) in out
                .chunks_mut(width / layers)
                .zip(state.chunks(width / layers))
            {
                let scale = scale(state);
                for (out, value) in out.iter_mut().zip(state) {
                    *out += value * scale;
                }
            }
            tokens += 1;
            token += 1;
        }
        let share = 1.0 / f32::from(tokens.max(1));
        for out in out.iter_mut() {
            *out *= share;
        }
    }
    out
}

/// What a state is multiplied with so that its mean square is one.
fn scale(state: &[f32]) -> f32 {
    let squares: f32 = state.iter().map(|value| value * value).sum();
    #[expect(clippy::cast_precision_loss, reason = "a model's width")]
    let mean = squares / state.len().max(1) as f32;
    1.0 / (mean + 1e-6).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        words(text).into_iter().map(|word| &text[word]).collect()
    }

    #[test]
    fn words_are_runs_of_letters_and_digits_and_single_other_characters() {
        assert_eq!(
            split("D’Amico's 2nd-best, naïve\ncafé"),
            [
                "D", "’", "Amico", "'", "s", "2nd", "-", "best", ",", "naïve", "café"
            ]
        );
        assert_eq!(split("刘さんは Bo"), ["刘", "さ", "ん", "は", "Bo"]);
        assert_eq!(split("  "), [""; 0]);
    }

    #[test]
    fn a_word_has_the_mean_of_the_tokens_that_touch_it() {
        // "ab cd" as "a", "b c", "d".
        let states = States {
            ends: vec![1, 4, 5],
            width: 2,
            values: vec![1.0, 1.0, -2.0, -2.0, 0.5, 0.5],
        };
        let pooled = pooled(&words("ab cd"), &states, 1);
        for (value, expected) in pooled.iter().zip([0.0, 0.0, 0.0, 0.0]) {
            assert!((value - expected).abs() < 1e-4, "{pooled:?}");
        }
    }
}
