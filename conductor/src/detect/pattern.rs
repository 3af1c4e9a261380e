//! Everything that has a form: runs each detector of this folder over a text.

use std::ops::Range;

use regex::Regex;

use super::{Kind, card, email, group::Digits, iban, network, phone, secret};

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
    email::find(text, found);
    secret::find(text, found);
    iban::find(text, found);
    card::find(&digits, found);
    network::find(text, found);
    phone::find(&digits, found);
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
