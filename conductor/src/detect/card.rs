//! Payment card numbers (ISO/IEC 7812): 12 to 19 digits, grouped or not, of an issuer's range, that pass the Luhn check.

use std::ops::Range;

use super::{Kind, check::luhn, cue::Cues, group::Digits, pattern::Raw, word::inside_word};

const LONGEST: usize = 19;

/// No issuer gives out numbers as short any more: behind a word for goods they are a part's or an order's.
const OUT_OF_USE: usize = 13;

/// As many groups as cards are printed with; more are a card only if nothing else stands beside them.
const MANY_GROUPS: usize = 6;

pub(super) fn find(digits: &Digits<'_>, cues: &Cues<'_>, found: &mut Vec<Raw>) {
    let groups = &digits.groups;
    let mut at = 0;
    while at < groups.len() {
        if let Some(last) = longest(digits, at) {
            let span = groups[at].start..groups[last].end;
            let length: usize = groups[at..=last].iter().map(Range::len).sum();
            if length > OUT_OF_USE || !cues.of_goods(&span) {
                found.push((span, Kind::CARD));
            }
            at = last;
        }
        at += 1;
    }
}

/// The last group of the longest card number that begins with the group `from`.
fn longest(digits: &Digits<'_>, from: usize) -> Option<usize> {
    let mut number = String::new();
    let mut last = None;
    for to in from..digits.groups.len() {
        let apart =
            to > from && (!beside(digits, to) || joint(digits, to) != joint(digits, from + 1));
        if apart || number.len() + digits.groups[to].len() > LONGEST {
            break;
        }
        number.push_str(digits.group(to));
        if is_card(&number) && stands_alone(digits, from, to) {
            last = Some(to);
        }
    }
    last
}

/// Whether the group `to` may go on with a number.
fn beside(digits: &Digits<'_>, to: usize) -> bool {
    joint(digits, to).is_some()
}

/// What joins the group `to` to the one before it. A line may end within a number.
fn joint(digits: &Digits<'_>, to: usize) -> Option<char> {
    match digits.gap(to)? {
        " " | "  " | "\n" | "\r\n" => Some(' '),
        "-" => Some('-'),
        _ => None,
    }
}

/// Whether it is of an issuer's range and passes the check.
pub(super) fn is_card(number: &str) -> bool {
    issued(number) && luhn(number) && !is_barcode(number)
}

/// Whether the groups are no part of a word, of a decimal fraction, or of a long row of numbers.
fn stands_alone(digits: &Digits<'_>, from: usize, to: usize) -> bool {
    let span = digits.groups[from].start..digits.groups[to].end;
    let mut before = digits.text[..span.start].chars().rev();
    let fraction = from == to
        && before.next().is_some_and(|c| c == '.' || c == ',')
        && before.next().is_some_and(|c| c.is_ascii_digit());
    let in_line = |to: usize| matches!(digits.gap(to), Some(" " | "-"));
    let row = to - from >= MANY_GROUPS && (in_line(from) || in_line(to + 1));
    !fraction && !row && !inside_word(digits.text, &span)
}

/// Whether an issuer has numbers that begin so and are as long.
fn issued(number: &str) -> bool {
    let head = |digits: usize| {
        number
            .get(..digits)
            .and_then(|head| head.parse::<u32>().ok())
            .unwrap_or(0)
    };
    let lengths = match (head(1), head(2), head(3), head(4)) {
        (4, ..) => return matches!(number.len(), 13 | 16 | 19), // Visa.
        (_, 51..=55, ..) | (.., 2221..=2720) => 16..=16,        // Mastercard.
        (_, 34 | 37, ..) => 15..=15,                            // American Express.
        (_, 36 | 38 | 39, ..) | (_, _, 300..=305, _) => 14..=LONGEST, // Diners Club.
        (_, 62 | 65, ..) | (_, _, 644..=649, _) => 16..=LONGEST, // UnionPay, Discover.
        (.., 6011 | 3528..=3589 | 2200..=2204) => 16..=LONGEST, // Discover, JCB, Mir.
        (.., 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763) => 12..=LONGEST, // Maestro.
        _ => return false,
    };
    lengths.contains(&number.len())
}

/// Whether it is an article number (EAN-13); no card of 13 digits has been issued for long.
fn is_barcode(number: &str) -> bool {
    let sum: u32 = number
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { digit } else { digit * 3 })
        .sum();
    number.len() == 13 && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn cards(text: &str) -> Vec<&str> {
        pieces(text, |found| {
            find(&Digits::of(text), &Cues::of(text), found);
        })
    }

    #[test]
    fn test_numbers_of_the_card_schemes_are_found_in_their_usual_forms() {
        for number in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111\u{a0}1111\u{a0}1111\u{a0}1111",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
            "5555-5555-5555-4444",
            "378282246310005",
            "3782 822463 10005",
            "6011111111111117",
            "2223003122003222",
            "30569309025904",
            "3530111333300000",
        ] {
            assert_eq!(cards(&format!("pay {number}, now")), [number]);
        }
    }

    #[test]
    fn a_card_is_found_beside_other_numbers() {
        for (text, number) in [
            ("4111 1111 1111 1111 12/27", "4111 1111 1111 1111"),
            ("4111 1111 1111 1111 123", "4111 1111 1111 1111"),
            ("5 4111 1111 1111 1111", "4111 1111 1111 1111"),
            ("4111111111111111 12/27", "4111111111111111"),
            ("12/27 5555-5555-5555-4444 123", "5555-5555-5555-4444"),
            ("卡号4111111111111111。", "4111111111111111"),
            ("card 4111 1111\n1111 1111", "4111 1111\n1111 1111"),
            ("card 4111  1111  1111  1111", "4111  1111  1111  1111"),
        ] {
            assert_eq!(cards(text), [number], "{text}");
        }
        assert_eq!(
            cards("4111 1111 1111 1111 5555 5555 5555 4444"),
            ["4111 1111 1111 1111", "5555 5555 5555 4444"]
        );
        assert_eq!(
            cards("4111 1111 1111 1111\n5555 5555 5555 4444\n3782 822463 10005"),
            [
                "4111 1111 1111 1111",
                "5555 5555 5555 4444",
                "3782 822463 10005"
            ]
        );
    }

    #[test]
    fn a_wrong_check_digit_or_a_longer_number_is_no_card() {
        assert!(cards("4111111111111112").is_empty());
        assert!(cards("part x4111111111111111").is_empty());
        assert!(cards("order 123456789").is_empty());
        assert!(cards("41111111111111110000").is_empty());
    }

    #[test]
    fn barcodes_readings_and_numbers_of_no_issuer_are_no_cards() {
        // Each passes the Luhn check.
        for digits in [
            "4006381333931",
            "4000000000006",
            "7992739871300005",
            "356938035643809",
        ] {
            let sum = luhn(digits);
            assert!(cards(digits).is_empty(), "{digits} {sum}");
        }
        let readings = |first: u32| {
            let row: Vec<String> = (first..first + 40)
                .map(|tenths| format!("{}.{}", tenths / 10, tenths % 10))
                .collect();
            row.join(" ")
        };
        for first in 20..69 {
            assert!(cards(&readings(first)).is_empty());
        }
        assert!(cards("0.4111111111111111").is_empty());
        // Of an old length, and of one in use.
        assert!(cards("serial no. 4222222222222").is_empty());
        assert_eq!(cards("order 4111111111111111"), ["4111111111111111"]);
        assert_eq!(cards("card 4222222222222"), ["4222222222222"]);
        assert!(cards("7 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1").is_empty());
    }
}
