//! India.

use std::ops::Range;

use super::super::{
    Kind, check,
    cue::{Cues, Topic},
    number::Number,
};

pub(super) fn of_digits(number: &Number<'_>, cues: &Cues<'_>) -> Option<Kind> {
    let digits = number.digits.as_str();
    let valid = digits.len() == 12
        && !digits.starts_with(['0', '1'])
        && !check::is_uniform(digits)
        && check::verhoeff(digits);
    let shown = match number.form.as_str() {
        "4 4 4" | "4-4-4" => {
            (!are_years(digits) && !number.in_row() && !cues.of_goods(&number.span))
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

/// A permanent account number has no public check digit: without a word, only one of a person, whose fourth letter is P,
/// is told from a part's, in capitals and behind no word for goods.
pub(super) fn is_pan(written: &str, span: &Range<usize>, cues: &Cues<'_>) -> bool {
    let person = written.as_bytes().get(3) == Some(&b'P');
    let shouted = !written.contains(|c: char| c.is_ascii_lowercase());
    cues.near(Topic::Pan, span) || (person && shouted && !cues.of_goods(span))
}
