//! Everything that has a form: runs each detector of this folder over a text.

use std::ops::Range;

use regex::Regex;

use super::{
    Kind, bank, birth, card, cue::Cues, email, fhir, group::Digits, hl7, iban, marking, national,
    network, number, phone, position, postcode, secret, spoken, street, stripe, vehicle, web, zone,
};

/// A piece of text and its type, before policy gives it a label.
pub(super) type Raw = (Range<usize>, Kind);

/// Compiles one of our own patterns.
#[expect(
    clippy::expect_used,
    reason = "the patterns are constants, and each is compiled in a test"
)]
pub(crate) fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

/// Adds all that `pattern` matches.
pub(super) fn matches(pattern: &Regex, text: &str, kind: &Kind, found: &mut Vec<Raw>) {
    found.extend(pattern.find_iter(text).map(|m| (m.range(), kind.clone())));
}

/// Adds all that has a form.
pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    let digits = Digits::of(text);
    let cues = Cues::of(text);
    email::find(text, found);
    spoken::find(text, found);
    web::find(text, found);
    secret::find(text, found);
    marking::find(text, found);
    iban::find(text, found);
    card::find(&digits, &cues, found);
    stripe::find(text, found);
    network::find(text, found);
    phone::find(&digits, &cues, found);
    number::each(&digits, |number| {
        let kind = national::of_digits(number, &cues).or_else(|| bank::of_digits(number, &cues));
        let taken = kind.is_some();
        found.extend(kind.map(|kind| (number.span.clone(), kind)));
        taken
    });
    national::codes(text, &cues, found);
    bank::codes(text, &cues, found);
    vehicle::find(text, &cues, found);
    birth::find(text, &cues, found);
    postcode::find(text, &cues, found);
    street::find(text, &cues, found);
    position::find(text, &cues, found);
    hl7::find(text, found);
    fhir::find(text, found);
    zone::find(text, found);
    without_parts(found);
}

/// Types that consist of digits.
const NUMBERS: [Kind; 5] = [
    Kind::CARD,
    Kind::PHONE,
    Kind::BANK_ACCOUNT,
    Kind::NATIONAL_ID,
    Kind::TAX_ID,
];

/// Takes away the numbers that are but a part of an IBAN: a tenth of all digits pass the check of a card.
fn without_parts(found: &mut Vec<Raw>) {
    // They are found in order and do not overlap.
    let whole: Vec<Range<usize>> = found
        .iter()
        .filter(|(_, kind)| *kind == Kind::IBAN)
        .map(|(span, _)| span.clone())
        .collect();
    let is_part = |span: &Range<usize>| {
        let before = whole.partition_point(|account| account.start <= span.start);
        before
            .checked_sub(1)
            .is_some_and(|at| span.end <= whole[at].end)
    };
    found.retain(|(span, kind)| !(NUMBERS.contains(kind) && is_part(span)));
}

/// Whether `text` is one of our placeholders, perhaps with punctuation after it.
pub(super) fn is_placeholder(text: &str) -> bool {
    let Some((inner, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) else {
        return false;
    };
    let capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    inner
        .rsplit_once('_')
        .is_some_and(|(kind, number)| kind.chars().all(capital) && number.parse::<u32>().is_ok())
        && rest.chars().all(|c| c.is_ascii_punctuation())
}
