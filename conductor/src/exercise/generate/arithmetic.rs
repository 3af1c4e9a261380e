//! Sums in words.

use fastrand::Rng;

use super::one;
use crate::exercise::Check;

const END: &str = " Give the number alone.";

pub(super) fn make(rng: &mut Rng) -> (String, Check) {
    let thing = one(
        rng,
        &[
            "valves", "bolts", "filters", "bearings", "labels", "bottles",
        ],
    );
    let (text, number) = match rng.u8(..8) {
        0 => {
            let (a, b) = (rng.i32(12..99), rng.i32(12..99));
            (format!("What is {a} + {b}?"), a + b)
        }
        1 => {
            let (a, b, c) = (rng.i32(3..20), rng.i32(3..20), rng.i32(5..90));
            (format!("What is {a} * {b} - {c}?"), a * b - c)
        }
        2 => {
            let (boxes, each, gone) = (rng.i32(3..12), rng.i32(6..30), rng.i32(2..17));
            (
                format!(
                    "A store has {boxes} boxes with {each} {thing} each. {gone} {thing} are taken out. How many {thing} \
                     are left?"
                ),
                boxes * each - gone,
            )
        }
        3 => {
            let (rate, hours, scrap) = (rng.i32(20..90), rng.i32(3..9), rng.i32(3..20));
            (
                format!(
                    "A machine makes {rate} {thing} in an hour and runs for {hours} hours. {scrap} of them are scrapped. \
                     How many good {thing} are there?"
                ),
                rate * hours - scrap,
            )
        }
        4 => {
            let (percent, whole) = (rng.i32(1..10) * 10, rng.i32(2..30) * 20);
            (
                format!("{percent} % of {whole} {thing} failed a test. How many failed?"),
                percent * whole / 100,
            )
        }
        5 => {
            let (from, minutes) = (rng.i32(6..20), rng.i32(2..9) * 15);
            (
                format!(
                    "A shift begins at {from}:00. How many minutes after midnight is it {minutes} minutes later?"
                ),
                from * 60 + minutes,
            )
        }
        6 => {
            let (low, step) = (rng.i32(10..60), rng.i32(1..9));
            (
                format!(
                    "Three sensors show {low}, {} and {} degrees. What is their mean?",
                    low + step,
                    low + 2 * step
                ),
                low + step,
            )
        }
        _ => {
            let (each, sets, spare) = (rng.i32(2..9), rng.i32(11..40), rng.i32(1..9));
            (
                format!(
                    "One set takes {each} {thing}. How many {thing} are needed for {sets} sets, and {spare} more as \
                     spares?"
                ),
                each * sets + spare,
            )
        }
    };
    (text + END, Check::Number(f64::from(number)))
}
