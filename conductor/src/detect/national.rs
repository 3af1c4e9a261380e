//! Numbers that a state gives to a person or a company, by country.
//!
//! Those with good check digits, or with a form that nothing else has, are found anywhere; the others need a word beside
//! them that says what they are.

mod america;
mod britain;
mod continent;
mod india;

pub(super) use self::continent::is_day;

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Kind, check,
    cue::{Cues, FILLER, Topic},
    number::Number,
    pattern::{Raw, compiled},
    word::window_before,
};

/// The number of a person or company that consists of digits alone.
pub(super) fn of_digits(number: &Number<'_>, cues: &Cues<'_>) -> Option<Kind> {
    america::of_digits(number, cues)
        .or_else(|| britain::of_digits(number, cues))
        .or_else(|| continent::of_digits(number, cues))
        .or_else(|| india::of_digits(number, cues))
}

/// All forms with letters; which one it is, its length and letters say.
static CODE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?i-u)\b(?:",
        r"(?<nino>[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[A-D])",
        r"|(?<dni>[0-9]{8}[ -]?[A-Z]|[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}[ -]?[A-Z]|[XYZ][ -]?[0-9]{7}[ -]?[A-Z])",
        r"|(?<fiscal>[A-Z]{3} ?[A-Z]{3} ?[0-9LMNPQRSTUV]{2} ?[ABCDEHLMPRST] ?[0-9LMNPQRSTUV]{2} ?[A-Z][0-9LMNPQRSTUV]{3} ?[A-Z])",
        r"|(?<pan>[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z])",
        r"|(?<pension>[0-9]{2} ?[0-9]{6} ?[A-Z] ?[0-9]{3})",
        r"|(?<nir>[12] ?[0-9]{2} ?[0-9]{2} ?2[AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2})",
        r"|(?<curp>[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9])",
        r"|(?<cnpj>[A-Z0-9]{2}\.?[A-Z0-9]{3}\.?[A-Z0-9]{3}/?[A-Z0-9]{4}-?[0-9]{2})",
        r")\b",
    ))
});

/// An identity card or a passport by what is said of it: letters and digits, at least five of these.
static PAPER: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        concat!(
            r"{}(?:(?i:(?:dokumenten|dokument|document|licen[cs]e)[ -]?(?:nummer|nr|number|no)\.?)[\s:=#]{{0,4}})?",
            r"(?<v>[A-Za-z]{{0,3}}[ -]?[0-9A-Za-z]{{5,18}})\b"
        ),
        FILLER
    ))
});

/// A number for the value-added tax: those of Europe by their forms, the Italian one with its check digit.
static VAT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        concat!(
            r"{}(?<v>",
            r"(?:DE|GB|XI|EL|PT) ?[0-9]{{3}} ?[0-9]{{3}} ?[0-9]{{3}}|FR ?[0-9A-Z]{{2}} ?[0-9]{{3}} ?[0-9]{{3}} ?[0-9]{{3}}",
            r"|ATU ?[0-9]{{8}}|CHE-?[0-9]{{3}}\.?[0-9]{{3}}\.?[0-9]{{3}}|ES ?[0-9A-Z][0-9]{{7}}[0-9A-Z]",
            r"|IE ?[0-9][0-9A-Z][0-9]{{5}}[A-Z]{{1,2}}|NL ?[0-9]{{9}}B[0-9]{{2}}|CY ?[0-9]{{8}}[A-Z]",
            r"|(?:BE|BG|CZ|DK|EE|FI|GB|HR|HU|LT|LU|LV|MT|PL|RO|SE|SI|SK) ?[0-9]{{8,12}}",
            r"|(?:IT ?)?[0-9]{{11}})\b",
        ),
        FILLER
    ))
});

/// The number of a person with a German health insurance.
static INSURED: LazyLock<Regex> =
    LazyLock::new(|| compiled(&format!(r"{FILLER}{CLOSED}(?<v>[A-Z][0-9]{{9}})\b")));

/// Between a word in brackets and its value.
const CLOSED: &str = r"(?:\)[\s:=#]{0,4})?";

/// The number of a patient, which each hospital makes as it likes.
static PATIENT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        r"{FILLER}{CLOSED}(?<v>[A-Za-z]{{0,3}}-?(?:[0-9]{{5,12}}|[0-9]{{2,4}}(?:-[0-9]{{2,6}}){{1,3}}))\b"
    ))
});

/// Adds all that have letters in them.
pub(super) fn codes(text: &str, cues: &Cues<'_>, found: &mut Vec<Raw>) {
    for groups in CODE.captures_iter(text) {
        let Some(whole) = groups.get(0) else { continue };
        let code: String = whole
            .as_str()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let span = whole.range();
        let has = |name: &str| groups.name(name).is_some();
        let kind = if has("nino") {
            let before = window_before(text, span.start, 40);
            britain::is_insurance(whole.as_str(), &code, &span, before, cues)
                .then_some(Kind::NATIONAL_ID)
        } else if has("pension") {
            (cues.near(Topic::SocialSecurity, &span) || continent::is_pension(&code))
                .then_some(Kind::NATIONAL_ID)
        } else if has("dni") {
            continent::is_identity(whole.as_str(), &code, &span, cues).then_some(Kind::NATIONAL_ID)
        } else if has("fiscal") {
            continent::is_fiscal(&code).then_some(Kind::NATIONAL_ID)
        } else if has("pan") {
            india::is_pan(whole.as_str(), &span, cues).then_some(Kind::NATIONAL_ID)
        } else if has("curp") {
            america::is_mexican(&code).then_some(Kind::NATIONAL_ID)
        } else if has("nir") {
            continent::is_french(&code).then_some(Kind::NATIONAL_ID)
        } else {
            let formatted = whole.as_str().contains('/');
            ((formatted || cues.near(Topic::Cnpj, &span)) && america::is_company(&code))
                .then_some(Kind::TAX_ID)
        };
        found.extend(kind.map(|kind| (span, kind)));
    }
    let vat = cues.values(Topic::Vat, &VAT).filter(|span| {
        let digits: String = text[span.clone()]
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        let is_named = text[span.clone()].starts_with(|c: char| c.is_ascii_alphabetic());
        let is_italian = !is_named || text[span.clone()].starts_with("IT");
        !is_italian || (check::luhn(&digits) && !check::is_uniform(&digits))
    });
    found.extend(vat.map(|span| (span, Kind::TAX_ID)));
    let insured = cues.values(Topic::Insured, &INSURED);
    let insured = insured.filter(|span| continent::is_insured(&text[span.clone()]));
    let patients = insured.chain(cues.values(Topic::Patient, &PATIENT));
    found.extend(patients.map(|span| (span, Kind::HEALTH_ID)));
    for topic in [Topic::IdentityCard, Topic::Paper] {
        let values = cues.values(topic, &PAPER);
        found.extend(
            values
                .filter(|span| continent::is_paper(&text[span.clone()]))
                .map(|span| (span, Kind::ID_DOCUMENT)),
        );
    }
}

#[cfg(test)]
mod tests;
