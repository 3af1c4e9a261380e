//! International bank account numbers (ISO 13616): country, check digits, up to 30 characters; the remainder modulo 97 is 1.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Kind,
    pattern::{Raw, compiled},
    word::inside_word,
};

/// Country and check digits, perhaps written to their name. The boundary is ASCII's, since other scripts need no space
/// before it.
static HEAD: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)(?-u:\b)(?:IBAN)?(?<head>[A-Z]{2}[0-9]{2})"));

/// How long the IBANs of each country are, from the SWIFT registry.
const LENGTHS: [(&str, usize); 88] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    let mut end = 0;
    for head in HEAD.captures_iter(text) {
        let (Some(whole), Some(head)) = (head.get(0), head.name("head")) else {
            continue;
        };
        if head.start() < end {
            continue;
        }
        let valid = valid_from(text, head.start())
            .filter(|span| !inside_word(text, &(whole.start()..span.end)));
        if let Some(span) = valid {
            end = span.end;
            found.push((span, Kind::IBAN));
        }
    }
}

/// The valid IBAN that begins at `start`; words may follow it after a space.
fn valid_from(text: &str, start: usize) -> Option<Range<usize>> {
    let country = text.get(start..start + 2)?.to_ascii_uppercase();
    let (_, length) = LENGTHS.iter().find(|(code, _)| *code == country)?;
    let mut account = Vec::with_capacity(*length);
    let mut last = None;
    for (at, c) in text[start..].char_indices() {
        if c.is_ascii_alphanumeric() {
            account.push((start + at, c.to_ascii_uppercase()));
            last = None;
        } else if last.is_some_and(|last| last != ' ' || c != ' ')
            || !matches!(c, ' ' | '\n' | '\u{a0}' | '\u{202f}' | '-' | '.')
        {
            return None;
        } else {
            // Of two spaces the second lets no third follow.
            last = Some(if last.is_some() { '.' } else { c });
        }
        if account.len() == *length {
            break;
        }
    }
    let span = start..account.get(length - 1)?.0 + 1;
    (remainder(&account) == 1).then_some(span)
}

/// The remainder modulo 97 with the first four characters moved to the end and letters as 10 to 35.
fn remainder(characters: &[(usize, char)]) -> u32 {
    characters[4..]
        .iter()
        .chain(&characters[..4])
        .filter_map(|(_, c)| c.to_digit(36))
        .fold(0, |rest, digit| {
            (rest * if digit > 9 { 100 } else { 10 } + digit) % 97
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn ibans(text: &str) -> Vec<&str> {
        pieces(text, |found| find(text, found))
    }

    #[test]
    fn ibans_are_found_with_and_without_spaces_and_before_other_words() {
        for iban in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "GB29 NWBK 6016 1331 9268 19",
            "NL91ABNA0417164300",
            "FR14 2004 1010 0505 0001 3M02 606",
            "NO93 8601 1117 947",
            "DE89  3704 0044 0532 0130 00",
            "DE89.3704.0044.0532.0130.00",
            "gb29nwbk60161331926819",
        ] {
            assert_eq!(ibans(&format!("to {iban} by Friday")), [iban], "{iban}");
        }
    }

    #[test]
    fn an_iban_is_found_after_what_looks_like_the_head_of_one() {
        let iban = "DE89 3704 0044 0532 0130 00";
        assert_eq!(ibans(&format!("PO45 {iban}")), [iban]);
        assert_eq!(
            ibans("IBANDE89370400440532013000"),
            ["DE89370400440532013000"]
        );
        assert_eq!(ibans(&format!("AT12 3456 {iban}.")), [iban]);
        assert_eq!(
            ibans(&format!("{iban} NL91ABNA0417164300 {iban}")),
            [iban, "NL91ABNA0417164300", iban]
        );
        assert_eq!(
            ibans("账号DE89370400440532013000"),
            ["DE89370400440532013000"]
        );
    }

    #[test]
    fn a_wrong_check_sum_is_no_iban() {
        assert!(ibans("DE88370400440532013000").is_empty());
        assert!(ibans("AB12 this is no account at all").is_empty());
    }
}
