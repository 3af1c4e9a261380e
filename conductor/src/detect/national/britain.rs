//! The United Kingdom.

use std::ops::Range;

use super::super::{
    Kind, check,
    cue::{Cues, Topic},
    number::Number,
};

pub(super) fn of_digits(number: &Number, cues: &Cues<'_>) -> Option<Kind> {
    let form = matches!(number.form.as_str(), "10" | "3 3 4" | "3-3-4");
    (form && is_health(&number.digits) && cues.near(Topic::Nhs, &number.span))
        .then_some(Kind::HEALTH_ID)
}

/// An NHS number: weights 10 to 2, modulo 11.
fn is_health(digits: &str) -> bool {
    let sum = check::weighted(&digits[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]);
    let digit = (11 - sum % 11) % 11;
    digit < 10 && digits[9..] == digit.to_string() && !check::is_uniform(digits)
}

/// A national insurance number. It has no check digit: apart from spaces at the usual places, one that follows a word for
/// goods is a part's.
pub(super) fn is_insurance(
    written: &str,
    code: &str,
    span: &Range<usize>,
    cues: &Cues<'_>,
) -> bool {
    let issued = !["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].contains(&&code[..2]);
    let shown = if written.contains(|c: char| c.is_ascii_lowercase()) {
        cues.near(Topic::NationalInsurance, span)
    } else {
        written.len() == 13 || !cues.of_goods(span)
    };
    issued && shown
}
