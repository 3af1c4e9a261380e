//! From a head's outputs to pieces of text.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use aho_corasick::AhoCorasick;

use super::{class::Class, sensitivity::Cuts};

/// Marks that a piece neither begins nor ends with.
const EDGES: &str = ".,;:!?\"'’‘“”`´()[]{}<>|*-–—_/\\#=+&@，。！？；：、「」『』《》（）";

/// How many digits a word with letters among them has at least to be taken for somebody's or something's number.
const DIGITS: usize = 5;

/// What stands between two names and is part of neither.
const BETWEEN: &[&str] = &[
    ",", ";", "&", "and", "or", "und", "oder", "et", "ou", "y", "e", "и",
];

/// Words whose full stop belongs to them.
const SHORT: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "rev", "hon", "st", "capt", "lt", "col", "gen", "sgt", "jr",
    "sr", "mme", "mlle", "dott", "ing", "inc", "ltd", "co", "corp", "apt", "ste", "ave", "rd",
    "blvd", "str", "no",
];

/// From how many characters on a sensitive word makes a longer word sensitive that it is a part of.
const LONG: usize = 5;

/// How much of a word's score is what the same word has elsewhere in the text.
const SHARED: f32 = 0.25;

/// The first output of each word, brought nearer to the mean of those that are the same: what is there often is not taken for
/// sensitive because of one place.
fn scores(folded: &[String], outputs: &[f32], width: usize) -> Vec<f32> {
    let score = |at: usize| outputs.get(at * width).copied().unwrap_or(f32::MAX);
    let mut sums: HashMap<&str, (f32, f32)> = HashMap::new();
    for (at, word) in folded.iter().enumerate() {
        let (sum, count) = sums.entry(word).or_default();
        *sum += score(at);
        *count += 1.0;
    }
    let shared = |(at, word): (usize, &String)| {
        let is_word = word.chars().all(char::is_alphanumeric);
        let mean = sums
            .get(word.as_str())
            .filter(|_| is_word)
            .map_or(score(at), |(sum, count)| sum / count);
        score(at) + SHARED * (mean - score(at))
    };
    folded.iter().enumerate().map(shared).collect()
}

/// Which words are sensitive. Words that are the same in the text, or a part of a longer one, help each other: where one is
/// sensitive for sure, the others need less.
pub(super) fn chosen(
    text: &str,
    words: &[Range<usize>],
    outputs: &[f32],
    width: usize,
    cuts: &Cuts,
) -> Vec<bool> {
    let folded: Vec<String> = words
        .iter()
        .map(|word| text[word.clone()].to_lowercase())
        .collect();
    let scores = scores(&folded, outputs, width);
    let score = |at: usize| scores.get(at).copied().unwrap_or(f32::MAX);
    let mut on: Vec<bool> = scores.iter().map(|score| *score > cuts.sensitive).collect();
    // What begins for sure goes on with less.
    for at in 1..on.len() {
        on[at] |= on[at - 1] && score(at) > cuts.extend;
    }
    for at in (1..on.len()).rev() {
        on[at - 1] |= on[at] && score(at - 1) > cuts.extend;
    }
    let mut known: HashSet<&str> = HashSet::new();
    for (word, on) in folded.iter().zip(&on) {
        if *on && word.chars().all(char::is_alphanumeric) {
            known.insert(word);
        }
    }
    let long = known.iter().filter(|word| word.chars().count() >= LONG);
    // With none there is nothing to look for, and too many are too many for any text that a head reads.
    let within = AhoCorasick::new(long).ok();
    for (at, word) in folded.iter().enumerate() {
        let has_known = || {
            let within = within.as_ref().filter(|_| word.chars().count() > LONG);
            known.contains(word.as_str()) || within.is_some_and(|within| within.is_match(word))
        };
        on[at] = on[at] || is_number_of_something(word) || (score(at) > cuts.repeat && has_known());
    }
    on
}

/// Whether a word is like a customer's or a device's number: many digits, and letters. Crash reports are full of addresses in
/// memory, which stand for nobody; of those the head alone decides.
fn is_number_of_something(word: &str) -> bool {
    let digits = word.chars().filter(|c| c.is_numeric()).count();
    let is_address = word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits >= DIGITS && word.chars().any(char::is_alphabetic) && !is_address
}

/// The pieces that the chosen words make up: in order, not overlapping.
pub(super) fn pieces(
    text: &str,
    words: &[Range<usize>],
    outputs: &[f32],
    width: usize,
    cuts: &Cuts,
) -> Vec<(Range<usize>, Class)> {
    let on = chosen(text, words, outputs, width, cuts);
    // Of words, by their places.
    let mut pieces: Vec<(Range<usize>, [f32; Class::ALL.len()])> = Vec::new();
    let mut open = false;
    for (at, on) in on.into_iter().enumerate() {
        if !on {
            open = false;
            continue;
        }
        let row = outputs
            .get(at * width..(at + 1) * width)
            .unwrap_or_default();
        let begins = row.get(1).is_none_or(|value| *value > cuts.begin);
        let goes_on = open && !begins;
        let mut classes = [0.0; Class::ALL.len()];
        for (class, value) in classes.iter_mut().zip(row.get(2..).unwrap_or_default()) {
            *class = *value;
        }
        match pieces.last_mut().filter(|_| goes_on) {
            Some((piece, sums)) => {
                piece.end = at + 1;
                for (sum, class) in sums.iter_mut().zip(classes) {
                    *sum += class;
                }
            }
            None => pieces.push((at..at + 1, classes)),
        }
        open = true;
    }
    let classed = pieces.into_iter().flat_map(|(piece, sums)| {
        let class = class(&sums);
        let piece = words.get(piece).unwrap_or_default();
        // Two people are two, whatever joins them.
        let is_between = |word: &Range<usize>| {
            class == Class::Person && BETWEEN.contains(&text[word.clone()].to_lowercase().as_str())
        };
        piece
            .split(is_between)
            .filter_map(|part| Some(part.first()?.start..part.last()?.end))
            .map(move |span| (span, class))
            .collect::<Vec<_>>()
    });
    let mut out: Vec<(Range<usize>, Class)> = Vec::new();
    for (span, class) in classed {
        let Some(span) = trimmed(text, span) else {
            continue;
        };
        let open = out.last_mut().filter(|(last, _)| {
            let between = text.get(last.end..span.start);
            between.is_some_and(is_joint)
        });
        match open {
            Some((last, _)) => last.end = span.end,
            None => out.push((span, class)),
        }
    }
    out
}

/// Whether what stands between two pieces makes them one name of a file, a host or a thing.
fn is_joint(between: &str) -> bool {
    matches!(between.len(), 1 | 2) && between.bytes().all(|byte| b"./\\_-:@'&".contains(&byte))
}

fn class(sums: &[f32]) -> Class {
    let best = sums
        .iter()
        .enumerate()
        .max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.and_then(|(at, _)| Class::ALL.get(at))
        .copied()
        .unwrap_or(Class::Identifier)
}

/// Without marks at its ends; none if it is nothing else.
fn trimmed(text: &str, span: Range<usize>) -> Option<Range<usize>> {
    let piece = &text[span.clone()];
    let is_edge = |c: char| EDGES.contains(c) || c.is_whitespace();
    let end = span.start + piece.trim_end_matches(is_edge).len();
    let start = span.end - piece.trim_start_matches(is_edge).len();
    let last = text.get(start..end)?.split(is_edge).next_back()?;
    let has_stop = text[end..].starts_with('.') && SHORT.contains(&last.to_lowercase().as_str());
    (start < end).then_some(start..end + usize::from(has_stop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::words::words;

    const CUTS: Cuts = Cuts {
        sensitive: 0.0,
        extend: -1.0,
        repeat: -3.0,
        begin: 0.0,
    };

    /// Outputs with these scores, no beginnings but where a score is above 5, all persons.
    fn outputs(scores: &[f32]) -> Vec<f32> {
        let row = |score: &f32| {
            let begin = if *score > 5.0 { 1.0 } else { -1.0 };
            [*score, begin, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        };
        scores.iter().flat_map(row).collect()
    }

    fn found<'t>(text: &'t str, scores: &[f32]) -> Vec<&'t str> {
        let pieces = pieces(text, &words(text), &outputs(scores), 8, &CUTS);
        pieces.into_iter().map(|(span, _)| &text[span]).collect()
    }

    #[test]
    fn words_in_a_row_are_one_piece_and_a_beginning_makes_another() {
        assert_eq!(
            found("I am Ann Lee .", &[-4.0, -4.0, 1.0, 1.0, 1.0]),
            ["Ann Lee"]
        );
        assert_eq!(
            found("I am Ann Lee .", &[-4.0, -4.0, 6.0, 6.0, -9.0]),
            ["Ann", "Lee"]
        );
    }

    #[test]
    fn a_sure_word_takes_less_sure_neighbours_along() {
        assert_eq!(
            found("a Ann van Lee b", &[-4.0, 2.0, -0.5, -0.9, -2.0]),
            ["Ann van Lee"]
        );
    }

    #[test]
    fn a_longer_word_that_holds_a_sensitive_one_is_sensitive_too_unless_it_surely_is_not() {
        assert_eq!(
            found(
                "Acmeco x acmecoish Annes Ann unacmecoed",
                &[2.0, -9.0, -2.5, -9.0, 2.0, -9.0]
            ),
            ["Acmeco", "acmecoish", "Ann"]
        );
    }

    #[test]
    fn a_word_of_letters_and_many_digits_is_a_number_of_something() {
        assert_eq!(
            found("M6333263 a 63332633 4th", &[-9.0, -9.0, -9.0, -9.0]),
            ["M6333263"]
        );
    }

    #[test]
    fn people_are_told_apart_and_a_title_keeps_its_full_stop() {
        assert_eq!(
            found(
                "Mr. Lee and Ann met Bo, Cy.",
                &[1.0, 1.0, 6.0, 1.0, 1.0, -9.0, 1.0, 1.0, 1.0, 1.0]
            ),
            ["Mr.", "Lee", "Ann", "Bo", "Cy"]
        );
    }

    #[test]
    fn an_address_in_memory_is_left_to_the_head() {
        assert_eq!(
            found("0000007495a71dc0 7f7f7f7f7f7f7f70", &[-9.0, 2.0]),
            ["7f7f7f7f7f7f7f70"]
        );
    }

    #[test]
    fn a_word_that_is_there_often_is_judged_by_all_its_places() {
        let text = "press one press two press";
        assert_eq!(found(text, &[0.5, -9.0, -3.5, -9.0, -3.5]), [""; 0]);
        assert_eq!(
            found(text, &[0.5, -9.0, 0.5, -9.0, -0.1]),
            ["press", "press", "press"]
        );
    }

    #[test]
    fn what_a_mark_joins_is_one_piece() {
        assert_eq!(
            found(
                "at srv.line.acme:22 , Ann - Bo",
                &[
                    -9.0, 6.0, -9.0, 6.0, -9.0, 6.0, -9.0, 6.0, -9.0, 6.0, -9.0, 6.0
                ]
            ),
            ["srv.line.acme:22", "Ann", "Bo"]
        );
    }

    #[test]
    fn what_is_sensitive_once_is_sensitive_again_unless_it_surely_is_not() {
        assert_eq!(
            found("Ann x ANN y ann", &[2.0, -9.0, -2.5, -9.0, -5.0]),
            ["Ann", "ANN"]
        );
    }
}
