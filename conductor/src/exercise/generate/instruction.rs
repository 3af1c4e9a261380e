//! An answer of a given form.

use fastrand::Rng;

use super::{one, some};
use crate::exercise::Check;

const WORDS: [&str; 12] = [
    "copper", "river", "lantern", "winter", "garden", "anchor", "silver", "meadow", "candle",
    "harbour", "thunder", "pepper",
];

pub(super) fn make(rng: &mut Rng) -> (String, Check) {
    let (text, pattern) = match rng.u8(..6) {
        0 => {
            let (word, times) = (one(rng, &WORDS), rng.usize(3..7));
            let said = vec![word; times].join(", ");
            (
                format!(
                    "Write the word \"{word}\" {times} times, separated by a comma and a blank, and nothing else."
                ),
                format!("(?i)^{said}\\.?$"),
            )
        }
        1 => {
            let words = some(rng, 4, &WORDS).join(" ");
            (
                format!(
                    "Write these words in capital letters, separated by blanks, and nothing else: {words}"
                ),
                format!("^{}\\.?$", words.to_uppercase()),
            )
        }
        2 => {
            let words = some(rng, 4, &WORDS);
            let mut sorted = words.clone();
            sorted.sort_unstable();
            (
                format!(
                    "Sort these words by the alphabet and write them on one line, separated by blanks, and nothing else: \
                     {}",
                    words.join(" ")
                ),
                format!("(?i)^{}\\.?$", sorted.join(" ")),
            )
        }
        3 => {
            let things = ["tools", "animals", "colours", "cities", "vegetables"];
            let (count, thing) = (rng.usize(2..6), one(rng, &things));
            (
                format!(
                    "Name exactly {count} {thing}, each on a line of its own that begins with \"- \", and nothing else."
                ),
                format!("^(- [^\\n]+\\n){{{}}}- [^\\n]+$", count - 1),
            )
        }
        4 => {
            let (word, place) = (
                one(rng, &WORDS),
                one(
                    rng,
                    &["a pump", "a bakery", "a port", "a school", "a shift"],
                ),
            );
            (
                format!(
                    "Write one sentence about {place} that contains the word \"{word}\" and ends with an exclamation mark."
                ),
                format!("(?is)^[^!]*\\b{word}\\b[^!]*!$"),
            )
        }
        _ => {
            let words = some(rng, 3, &WORDS);
            let backwards: Vec<&str> = words.iter().rev().copied().collect();
            (
                format!(
                    "Write these words in the opposite order, separated by blanks, and nothing else: {}",
                    words.join(" ")
                ),
                format!("(?i)^{}\\.?$", backwards.join(" ")),
            )
        }
    };
    (text, Check::Regex(pattern))
}

#[cfg(test)]
mod tests {
    use crate::exercise::{
        Checked,
        generate::{Kind, exercises},
    };

    #[test]
    fn what_is_asked_for_passes_and_the_question_itself_does_not() {
        let mut seen = [0; 6];
        for exercise in exercises(300, &[Kind::Instruction], 6) {
            let prompt = exercise.prompt.as_str();
            let last = prompt.rsplit_once(": ").map_or("", |(_, words)| words);
            let mut words: Vec<&str> = last.split(' ').collect();
            let (at, right) = if prompt.contains("opposite order") {
                words.reverse();
                (0, words.join(" "))
            } else if prompt.contains("by the alphabet") {
                words.sort_unstable();
                (1, words.join(" "))
            } else if prompt.contains("capital letters") {
                (2, last.to_uppercase())
            } else if prompt.contains("exactly") {
                let count = prompt.split(' ').nth(2).unwrap().parse().unwrap();
                (3, vec!["- this"; count].join("\n"))
            } else if prompt.contains("exclamation mark") {
                let word = prompt.split('"').nth(1).unwrap();
                (4, format!("What a {word}!"))
            } else {
                let word = prompt.split('"').nth(1).unwrap();
                let times = prompt.split(' ').nth(4).unwrap().parse().unwrap();
                (5, vec![word; times].join(", "))
            };
            seen[at] += 1;
            assert_eq!(exercise.check.check(&right), Checked::Right, "{exercise:?}");
            assert_eq!(exercise.check.check(prompt), Checked::Wrong, "{exercise:?}");
        }
        assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
    }
}
