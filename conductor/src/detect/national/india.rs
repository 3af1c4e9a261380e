//! India.

use std::ops::Range;

use super::super::{
    Kind, check,
    cue::{Cues, Topic},
    number::Number,
};

pub(super) fn of_digits(number: &Number, cues: &Cues<'_>) -> Option<Kind> {
    let digits = number.digits.as_str();
    let valid = digits.len() == 12
        && !digits.starts_with(['0', '1'])
        && !check::is_uniform(digits)
        && check::verhoeff(digits);
    let shown = match number.form.as_str() {
        "4 4 4" | "4-4-4" => {
            (!are_years(digits) && !cues.of_goods(&number.span))
                || cues.near(Topic::Aadhaar, &number.span)
        }
        "12" => cues.near(Topic::Aadhaar, &number.span),
        _ => false,
    };
    (valid && shown).then_some(Kind::NATIONAL_ID)
}

/// Whether each four digits are a year of ours.
fn are_years(digits: &str) -> bool {
    ["19", "20"]
        .iter()
        .any(|century| digits.starts_with(century))
        && ["19", "20"]
            .iter()
            .any(|century| digits[4..].starts_with(century))
}

/// A permanent account number has no public check digit: one in small letters needs a word, and one behind a word for
/// goods is a part's.
pub(super) fn is_pan(written: &str, span: &Range<usize>, cues: &Cues<'_>) -> bool {
    let shouted = !written.contains(|c: char| c.is_ascii_lowercase());
    cues.near(Topic::Pan, span) || (shouted && !cues.of_goods(span))
}
