//! A small Python function.

use fastrand::Rng;

use super::one;
use crate::exercise::{Check, check::Texts};

pub(super) fn make(rng: &mut Rng) -> (String, Check) {
    let k = rng.i32(2..8);
    let letter = one(rng, &["a", "e", "r", "s", "t", "n"]);
    let (task, tests) = match rng.u8(..8) {
        0 => (
            format!(
                "`total(numbers)` that returns the sum of all numbers in a list that can be divided by {k}"
            ),
            vec![
                format!("assert total([{k}, {}, 1]) == {}", 2 * k, 3 * k),
                "assert total([]) == 0".to_owned(),
                format!("assert total([{}, {}]) == {}", 5 * k, 5 * k + 1, 5 * k),
            ],
        ),
        1 => (
            format!(
                "`count(text)` that returns how often the letter \"{letter}\" occurs in a text, in either case"
            ),
            vec![
                format!("assert count(\"{letter}x{letter}\") == 2"),
                format!("assert count(\"{}\") == 1", letter.to_uppercase()),
                "assert count(\"\") == 0".to_owned(),
            ],
        ),
        2 => {
            let (low, high) = (rng.i32(-9..0), rng.i32(10..40));
            (
                format!(
                    "`limit(x)` that returns x, but {low} where it is lower and {high} where it is higher"
                ),
                vec![
                    format!("assert limit({}) == {low}", low - 3),
                    format!("assert limit({}) == {high}", high + 1),
                    "assert limit(5) == 5".to_owned(),
                ],
            )
        }
        3 => {
            let (a, b) = (rng.i32(1..40), rng.i32(41..90));
            (
                "`second(numbers)` that returns the second largest number of a list of different numbers"
                    .to_owned(),
                vec![
                    format!("assert second([{a}, {b}, 99]) == {b}"),
                    format!("assert second([{b}, {a}]) == {a}"),
                    "assert second([-5, -2, -9]) == -5".to_owned(),
                ],
            )
        }
        4 => (
            "`same(text)` that returns True if a text reads the same backwards, and False if not"
                .to_owned(),
            vec![
                format!("assert same(\"{letter}o{letter}\") is True"),
                format!("assert same(\"{letter}oo\") is False"),
                "assert same(\"\") is True".to_owned(),
            ],
        ),
        5 => (
            format!(
                "`every(items)` that returns a list with each item of a list whose place can be divided by {k}; the first \
                 place is 0"
            ),
            vec![
                format!(
                    "assert every(list(range({}))) == [0, {k}, {}]",
                    2 * k + 1,
                    2 * k
                ),
                "assert every([]) == []".to_owned(),
            ],
        ),
        6 => (
            format!(
                "`words(text)` that returns how many words of a text are longer than {k} letters"
            ),
            vec![
                format!(
                    "assert words(\"{} abcdefghij\") == 1",
                    &"abcdefgh"[..k.unsigned_abs() as usize]
                ),
                "assert words(\"\") == 0".to_owned(),
            ],
        ),
        _ => {
            let (a, b) = (rng.i32(1..20), rng.i32(21..40));
            (
                "`highest(numbers)` that returns a list with the largest number so far at each place of a list"
                    .to_owned(),
                vec![
                    format!("assert highest([{a}, {b}, {a}, 99]) == [{a}, {b}, {b}, 99]"),
                    "assert highest([]) == []".to_owned(),
                ],
            )
        }
    };
    (
        format!("Write a Python function {task}. Answer with the code alone."),
        Check::Tests(Texts::Several(tests)),
    )
}
