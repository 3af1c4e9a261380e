//! Telephone numbers: international ones, and national ones as people write them.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Kind,
    pattern::{Raw, compiled, inside_word},
};

/// Digits in groups, with or without a plus, an area code in brackets, or an extension.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?:\+|\b00[ -]?|\b|\()[0-9(][0-9()/. \u{a0}-]{5,24}[0-9](?:\s?(?:x|ext\.?|extension)\s?[0-9]{1,6})?",
    )
});

/// Words after which a bare run of digits is a telephone number.
static CUE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)\b(?:phone|tel|telephone|telefon|tél|mobile|mobil|cell|call|fax|handy|whatsapp|sms|dial|ring|extension|ext)\b[^0-9+(]{0,16}$",
    )
});

/// A date or a time, which is written with the same characters.
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^(?:[12][0-9]{3}[-./][01]?[0-9][-./][0-3]?[0-9]|[0-3]?[0-9][-./][01]?[0-9][-./](?:[12][0-9])?[0-9]{2})(?:[ .-][0-9]{1,2})*$",
    )
});

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    for m in NUMBER.find_iter(text) {
        let span = trimmed(text, m.range());
        if !inside_word(text, &span) && is_phone(text, &span) {
            found.push((span, Kind::PHONE));
        }
    }
}

/// Without a bracket that opens or closes outside the number.
fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let number = &text[span.clone()];
    if number.starts_with('(') && !number.contains(')') {
        return span.start + 1..span.end;
    }
    span
}

fn is_phone(text: &str, span: &Range<usize>) -> bool {
    let number = &text[span.clone()];
    let digits = number.chars().filter(char::is_ascii_digit).count();
    if !(7..=19).contains(&digits) || DATE.is_match(number) {
        return false;
    }
    if number.starts_with('+') || number.starts_with("00") {
        return digits >= 8;
    }
    let mut from = span.start.saturating_sub(40);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    CUE.is_match(&text[from..span.start]) || written_as_phone(number)
}

/// Without a cue, only forms that little else has: an area code in brackets, a leading zero with groups, or the
/// 3-3-4 of North America.
fn written_as_phone(number: &str) -> bool {
    let number = number.trim_start();
    let groups: Vec<usize> = number
        .split(|c: char| !c.is_ascii_digit())
        .filter(|group| !group.is_empty())
        .map(str::len)
        .collect();
    let digits: usize = groups.iter().sum();
    let bracketed = number.starts_with('(') && number.contains(')');
    let trunk = number.starts_with('0') && groups.len() >= 2 && (9..=12).contains(&digits);
    let american = matches!(groups.as_slice(), [3, 3, 4] | [1, 3, 3, 4] | [3, 4]) && digits >= 7;
    let bare_american = number.len() == 10 && number.starts_with(|c| matches!(c, '2'..='9'));
    (bracketed && digits >= 9) || trunk || (american && !number.contains("..")) && !bare_american
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phones(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        find(text, &mut found);
        found.into_iter().map(|(span, _)| &text[span]).collect()
    }

    #[test]
    fn numbers_are_found_as_people_write_them() {
        for number in [
            "+49 171 1234567",
            "+49 (0)30 123456-78",
            "+1-202-555-0143",
            "+1 (202) 555-0143",
            "0049 30 1234567",
            "(202) 555-0143",
            "202-555-0143",
            "202.555.0143",
            "030 1234567",
            "030/1234567",
            "07700 900123",
            "+44 7700 900123",
            "+91 98765 43210",
            "001-415-555-2671x7443",
        ] {
            let text = format!("reach me at {number}, please");
            assert_eq!(phones(&text), [number], "{text}");
        }
        assert_eq!(phones("tel. 5550143"), ["5550143"]);
        assert_eq!(phones("call 2025550143 now"), ["2025550143"]);
    }

    #[test]
    fn dates_amounts_and_part_numbers_are_no_telephones() {
        for text in [
            "on 2026-11-22 at 10.15",
            "22.11.2026",
            "serial 48213377",
            "order 12345678901",
            "3.14159265358979",
            "from 10 to 20",
            "10 20 30 40 50",
            "A4-2025550143-B",
        ] {
            assert!(phones(text).is_empty(), "{text}: {:?}", phones(text));
        }
    }
}
