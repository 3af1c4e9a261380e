//! What a routing head sees of a prompt: the backbone's states, plain facts, and its words.

use std::borrow::Cow;

use crate::head::states::States;

/// Plain facts.
pub const PLAIN: usize = 24;
/// Places that words and pairs of words are hashed to.
pub const BUCKETS: usize = 4_096;
/// Of a longer prompt the backbone reads this much of the beginning, in bytes.
const HEAD: usize = 1_100;
/// And this much of the end.
const TAIL: usize = 500;
/// What stands for the middle that was left out.
const GAP: &str = "\n...\n";
/// The way of looking, for the hash that a head keeps of it. It changes with everything in this file.
pub const FORMAT: &str = "shoal-routing-look/1: raw prompt, 1100+500 bytes, states: mean and last; 24 facts; 4096 places";

/// What is seen of one prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Pooled states and plain facts, as they are.
    pub dense: Vec<f32>,
    /// Hashed words: place and value, by place.
    pub words: Vec<(u16, f32)>,
}

impl Look {
    /// Of a prompt, with the states that the backbone has for [`bounded`] of it.
    #[must_use]
    pub fn new(prompt: &str, pooled: &[f32]) -> Self {
        let mut dense = pooled.to_vec();
        dense.extend(plain(prompt));
        Self {
            dense,
            words: words(prompt),
        }
    }
}

/// The beginning and the end of a prompt that is too long to be read for a choice.
#[must_use]
pub fn bounded(prompt: &str) -> Cow<'_, str> {
    if prompt.len() <= HEAD + TAIL + GAP.len() {
        return Cow::Borrowed(prompt);
    }
    let head = prompt.floor_char_boundary(HEAD);
    let tail = prompt.ceil_char_boundary(prompt.len() - TAIL);
    Cow::Owned([&prompt[..head], GAP, &prompt[tail..]].concat())
}

/// The mean over all tokens and the state of the last one.
#[must_use]
pub fn pooled(states: &States) -> Vec<f32> {
    let width = states.width.max(1);
    let mut mean = vec![0.0f32; width];
    let rows = states.values.chunks_exact(width);
    let count = u16::try_from(rows.len().max(1)).unwrap_or(u16::MAX);
    for row in rows.clone() {
        for (sum, value) in mean.iter_mut().zip(row) {
            *sum += value;
        }
    }
    for sum in &mut mean {
        *sum /= f32::from(count);
    }
    match rows.last() {
        Some(last) => mean.extend(last),
        None => mean.resize(2 * width, 0.0),
    }
    mean
}

#[expect(clippy::cast_precision_loss, reason = "counts of a prompt")]
fn plain(prompt: &str) -> [f32; PLAIN] {
    let log = |count: usize| (count as f32).ln_1p();
    let characters = prompt.chars().count();
    let share = |count: usize| count as f32 / characters.max(1) as f32;
    let flag = |yes: bool| f32::from(u8::from(yes));
    let count = |wanted: fn(char) -> bool| prompt.chars().filter(|c| wanted(*c)).count();
    let words: Vec<&str> = prompt.split_whitespace().collect();
    let mut distinct = words.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let digits = count(|c| c.is_ascii_digit());
    let numbers = prompt
        .split(|c: char| !c.is_ascii_digit())
        .filter(|number| !number.is_empty())
        .count();
    let lower = prompt.to_lowercase();
    let options = Options::of(prompt);
    [
        log(characters),
        log(words.len()),
        characters as f32 / words.len().max(1) as f32,
        share(digits),
        log(digits),
        log(numbers),
        share(count(char::is_uppercase)),
        log(count(|c| c == '?')),
        log(count(|c| c == '\n')),
        share(count(|c| c == '\\' || c == '$')),
        share(count(|c| "(){}[]=<>+*/^_".contains(c))),
        log(count(|c| c == ',')),
        log(count(|c| c == '.')),
        flag(prompt.contains("```") || prompt.contains("def ") || lower.contains("function")),
        share(count(|c| !c.is_ascii())),
        flag(prompt.trim_end().ends_with('?')),
        flag(prompt.starts_with(char::is_uppercase)),
        flag(lower.contains(" not ") || lower.contains("except")),
        distinct.len() as f32 / words.len().max(1) as f32,
        flag(options.count > 1),
        log(options.stem),
        log(options.mean),
        options.spread,
        flag(options.numeric),
    ]
}

/// Answers to choose from, as `A. ` at the beginnings of lines.
struct Options {
    count: usize,
    /// Characters before the first.
    stem: usize,
    /// Their mean length in bytes.
    mean: usize,
    /// The longest less the shortest, over the mean.
    spread: f32,
    /// Each has a digit.
    numeric: bool,
}

impl Options {
    fn of(prompt: &str) -> Self {
        let mut stem = 0;
        let mut all: Vec<&str> = Vec::new();
        for line in prompt.lines() {
            match line.as_bytes() {
                [b'A'..=b'J', b'.' | b')', b' ', ..] => all.push(&line[3..]),
                _ if all.is_empty() => stem += line.len(),
                _ => {}
            }
        }
        let lengths = || all.iter().map(|option| option.len());
        let mean = lengths().sum::<usize>() / all.len().max(1);
        let range = lengths().max().unwrap_or(0) - lengths().min().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "lengths of lines")]
        let spread = range as f32 / mean.max(1) as f32;
        Self {
            count: all.len(),
            stem,
            mean,
            spread,
            numeric: !all.is_empty()
                && all
                    .iter()
                    .all(|option| option.contains(|c: char| c.is_ascii_digit())),
        }
    }
}

/// Words and pairs of neighbours, in lower case, hashed with a sign (feature hashing: Weinberger et al., 2009); the value is
/// the logarithm of one more than how often.
fn words(prompt: &str) -> Vec<(u16, f32)> {
    let lower = prompt.to_lowercase();
    let mut hashes = Vec::new();
    let mut before: Option<&str> = None;
    for word in pieces(&lower) {
        hashes.push(hash([word, ""]));
        if let Some(before) = before {
            hashes.push(hash([before, word]));
        }
        before = Some(word);
    }
    hashes.sort_unstable();
    let mut all: Vec<(u16, f32)> = Vec::new();
    for same in hashes.chunk_by(|a, b| a == b) {
        let hash = same[0];
        let place = u16::try_from(hash % BUCKETS as u64).unwrap_or(0);
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        let count = u16::try_from(same.len()).unwrap_or(u16::MAX);
        all.push((place, sign * f32::from(count).ln_1p()));
    }
    all.sort_by_key(|(place, _)| *place);
    all.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    all
}

/// Runs of letters and digits, and every other mark by itself.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let length = if first.is_alphanumeric() {
            rest.find(|c: char| !c.is_alphanumeric())
                .unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(piece)
    })
}

/// FNV-1a of two words, stirred once more so that all bits count.
fn hash(words: [&str; 2]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in words[0].bytes().chain([0]).chain(words[1].bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_prompt_keeps_its_beginning_and_its_end() {
        assert_eq!(bounded("short"), "short");
        let long = format!("{}{}", "ä".repeat(2_000), "end.");
        let read = bounded(&long);
        assert!(read.len() <= HEAD + TAIL + GAP.len());
        assert!(read.starts_with('ä') && read.ends_with("end.") && read.contains(GAP));
    }

    #[test]
    fn states_become_their_mean_and_the_last() {
        let states = States {
            ends: vec![1, 2],
            width: 2,
            values: vec![1.0, 2.0, 3.0, 6.0],
        };
        assert_eq!(pooled(&states), [2.0, 4.0, 3.0, 6.0]);
        assert_eq!(
            pooled(&States {
                width: 2,
                ..States::default()
            }),
            [0.0; 4]
        );
    }

    #[test]
    fn words_are_hashed_alike_whatever_their_case_and_space() {
        assert_eq!(words("The  pump, the PUMP"), words("the pump,THE pump"));
        assert_ne!(words("the pump"), words("pump the"));
        assert!(words("").is_empty());
    }

    #[test]
    fn the_format_of_the_input_is_pinned() {
        let prompt = "Which is not 12 kg?\nA. 3 x 4\nB. 5\nAnswer:";
        insta::assert_debug_snapshot!((plain(prompt), words(prompt)));
    }
}
