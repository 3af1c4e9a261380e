//! The machine-readable zones of passports, identity cards and visas (ICAO 9303): two lines of 44 or of 36 characters, or
//! three of 30. Each line is known by itself, since some are copied alone.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Kind, check,
    pattern::{Raw, compiled},
};

/// The longest is a zone whose lines stand behind one another.
static LINES: LazyLock<Regex> = LazyLock::new(|| compiled(r"(?-u)[A-Z0-9<]{30,}"));

/// The lengths of a line, each with how many of them make a zone.
const WIDTHS: [(usize, usize); 3] = [(44, 2), (36, 2), (30, 3)];

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    for run in LINES.find_iter(text) {
        let width = WIDTHS
            .into_iter()
            .find(|(width, lines)| run.len() == *width || run.len() == width * lines);
        let Some((width, _)) = width else { continue };
        for at in (run.start()..run.end()).step_by(width) {
            let span = at..at + width;
            if is_line(&text[span.clone()]) {
                found.push((span, Kind::ID_DOCUMENT));
            }
        }
    }
}

/// Whether it names the holder, or has fields that pass their checks.
fn is_line(line: &str) -> bool {
    match line.len() {
        30 => is_card(line) || is_card_holder(line) || is_name(line),
        _ => is_document(line) || (line.starts_with(['P', 'V', 'I', 'A', 'C']) && is_name(line)),
    }
}

/// The second of two lines: number, nationality, birth, sex, expiry. Behind a number too long for its field no check digit
/// stands.
fn is_document(line: &str) -> bool {
    (is_sealed(&line[..10]) || &line[9..10] == "<")
        && is_letters(&line[10..13])
        && is_sealed(&line[13..20])
        && is_sex(&line[20..21])
        && is_sealed(&line[21..28])
}

/// The first of three lines: kind, issuer, number. One too long for its field goes on behind an empty check digit, up to
/// the next blank.
fn is_card(line: &str) -> bool {
    let rest = line[15..].split('<').next().unwrap_or_default();
    line.starts_with(['A', 'C', 'I'])
        && is_letters(&line[1..5])
        && match &line[14..15] {
            "<" => rest.len() > 1 && is_sealed(&[&line[5..14], rest].concat()),
            _ => is_sealed(&line[5..15]),
        }
}

/// The second of three lines: birth, sex, expiry, nationality.
fn is_card_holder(line: &str) -> bool {
    is_sealed(&line[..7])
        && is_sex(&line[7..8])
        && is_sealed(&line[8..15])
        && is_letters(&line[15..18])
}

/// A name in two parts, filled up.
fn is_name(line: &str) -> bool {
    is_letters(line) && line.starts_with(|c: char| c != '<') && line.contains("<<")
}

/// Whether the last character is the check digit of those before it, in which blanks count as zero. All of them may not
/// be blank.
fn is_sealed(field: &str) -> bool {
    let (value, digit) = field.split_at(field.len() - 1);
    let counted = value.replace('<', "0");
    !value.starts_with('<') && digit == check::icao(&counted).to_string()
}

fn is_letters(field: &str) -> bool {
    field.bytes().all(|byte| !byte.is_ascii_digit())
}

fn is_sex(field: &str) -> bool {
    matches!(field, "M" | "F" | "X" | "<")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn lines(text: &str) -> Vec<&str> {
        pieces(text, |found| find(text, found))
    }

    #[test]
    fn each_line_of_a_zone_is_found() {
        // The specimens of ICAO 9303, parts 4 to 7, and one whose number is longer than its field.
        for zone in [
            "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
            "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6",
            "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<",
            "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL8988901C4XXX4009078F96121096ZE184226B<<<<<<",
            "I<UTOD23145890<76<<<<<<<<<<<<<",
        ] {
            assert_eq!(lines(zone), zone.split('\n').collect::<Vec<_>>());
            let joined = zone.replace('\n', "");
            assert_eq!(lines(&joined).concat(), joined);
        }
    }

    #[test]
    fn other_capitals_of_that_length_are_none() {
        for text in [
            "L898902C37UTO7408122F1204159ZE184226B<<<<<10",
            "P<UTOERIKSSON<<ANNA<MARIA",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ2345",
            "<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<",
            "000000000000000000000000000000000000",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "7408123F1204159UTO<<<<<<<<<<<6",
        ] {
            assert!(lines(text).is_empty(), "{text}");
        }
    }
}
