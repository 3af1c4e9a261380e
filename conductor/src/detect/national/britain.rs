//! The United Kingdom.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::super::{
    Kind, check,
    cue::{Cues, Topic},
    number::Number,
    pattern::compiled,
};

pub(super) fn of_digits(number: &Number<'_>, cues: &Cues<'_>) -> Option<Kind> {
    let digits = number.digits.as_str();
    let near = |topic| cues.near(topic, &number.span);
    match number.form.as_str() {
        "10" | "3 3 4" | "3-3-4" if is_health(digits) && near(Topic::Nhs) => Some(Kind::HEALTH_ID),
        "10" | "5 5" if is_taxpayer(digits) && near(Topic::Taxpayer) => Some(Kind::TAX_ID),
        _ => None,
    }
}

/// An NHS number: weights 10 to 2, modulo 11.
fn is_health(digits: &str) -> bool {
    let sum = check::weighted(&digits[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]);
    let digit = (11 - sum % 11) % 11;
    digit < 10 && digits[9..] == digit.to_string() && !check::is_uniform(digits)
}

/// A unique taxpayer reference: the first digit checks the others, weights 6 to 10 and 5 to 2, modulo 11.
fn is_taxpayer(digits: &str) -> bool {
    let sum = check::weighted(&digits[1..], &[6, 7, 8, 9, 10, 5, 4, 3, 2]);
    let digit = match sum % 11 {
        rest @ 0..=1 => 2 - rest,
        rest => 11 - rest,
    };
    digits[..1] == digit.to_string()
}

/// What makes a number somebody's.
static OWNED: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)(?-u:\b)(?:my|your|his|her|their)(?-u:\b)[^.\n]{0,24}$"));

/// What makes a number an instrument's; in German the word is that of a day, so that it stands for goods here alone.
static TAG: LazyLock<Regex> = LazyLock::new(|| compiled(r"(?i)(?-u:\b)tag[ .:#]{0,3}$"));

/// A national insurance number. It has no check digit: many parts are numbered so, apart from the spaces at the usual
/// places.
pub(super) fn is_insurance(
    written: &str,
    code: &str,
    span: &Range<usize>,
    before: &str,
    cues: &Cues<'_>,
) -> bool {
    let issued = !["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].contains(&&code[..2]);
    let shouted = !written.contains(|c: char| c.is_ascii_lowercase());
    let usual = written.len() == 13 || OWNED.is_match(before);
    let shown = shouted && usual && !cues.of_goods(span) && !TAG.is_match(before);
    issued && (shown || cues.near(Topic::NationalInsurance, span))
}
