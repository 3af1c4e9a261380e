//! Payment card numbers (ISO/IEC 7812): 12 to 19 digits, grouped or not, of an issuer's range, that pass the Luhn check.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Kind,
    check::luhn,
    cue::Cues,
    group::Digits,
    pattern::{Raw, compiled},
    word::{inside_word, joins, window_before},
};

const LONGEST: usize = 19;

/// Behind a word for goods a number as short is a part's, an order's or a GTIN: few issuers give one out, or none any more.
const SELDOM: usize = 14;

/// As many groups as cards are printed with; more are a card only if nothing else stands beside them.
const MANY_GROUPS: usize = 6;

/// More groups beside a card than its day, its code and a number of the line make it a part of a row.
const MOST_STRAYS: usize = 3;

/// A scheme's name, or a word for a card, that a number is written to without a space.
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"(?i)(?-u:\b)(?:visa|mastercard|mc|maestro|amex|diners|jcb|card|karte|cc|pan)$")
});

pub(super) fn find(digits: &Digits<'_>, cues: &Cues<'_>, found: &mut Vec<Raw>) {
    let groups = &digits.groups;
    for card in whole_rows(digits, numbers(digits)) {
        let span = groups[card.start].start..groups[card.end - 1].end;
        let length: usize = groups[card].iter().map(Range::len).sum();
        if length > SELDOM || !cues.of_goods(&span) {
            found.push((span, Kind::CARD));
        }
    }
}

/// The groups of each number that could be a card's by its digits.
fn numbers(digits: &Digits<'_>) -> Vec<Range<usize>> {
    let mut numbers = Vec::new();
    let mut at = 0;
    while at < digits.groups.len() {
        let last = longest(digits, at);
        numbers.extend(last.map(|last| at..last + 1));
        at = last.unwrap_or(at) + 1;
    }
    numbers
}

/// Those beside which their row does not go on, unless with another one: of any readings, a tenth pass the check.
fn whole_rows(digits: &Digits<'_>, mut numbers: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let all = numbers.clone();
    let mut at = 0_usize;
    numbers.retain(|card| {
        let last = at.checked_sub(1).map_or(0, |at| all[at].end);
        at += 1;
        let next = all.get(at).map_or(digits.groups.len(), |next| next.start);
        !is_lost(digits, card, card.start - last, next - card.end)
    });
    let mut end = None;
    numbers.retain(|card| {
        let before = card.start.checked_sub(1);
        let whole = end == Some(card.start) || !goes_on(digits, card, card.start, before);
        end = whole.then_some(card.end);
        whole
    });
    let mut start = None;
    numbers.reverse();
    numbers.retain(|card| {
        let whole = start == Some(card.end) || !goes_on(digits, card, card.end, Some(card.end));
        start = whole.then_some(card.start);
        whole
    });
    numbers.reverse();
    numbers
}

/// Whether more groups stand in a row with a card's than ever stand beside one, of those `before` and `behind` it that are no
/// other one's.
fn is_lost(digits: &Digits<'_>, card: &Range<usize>, before: usize, behind: usize) -> bool {
    let most = match card.clone().skip(1).all(|at| in_line(digits, at)) {
        true if card.len() <= MANY_GROUPS => MOST_STRAYS,
        true => 0,
        false => 1,
    };
    let (from, to) = (card.start, card.end - 1);
    let strays = digits.strays(from, to, before.min(most + 1), behind.min(most + 1));
    card.len() > 1 && strays > most
}

/// Whether the group `beside`, before which or behind which is the gap `gap`, goes on with the row that a card's groups are:
/// it is as long as each of them, and not the card's last month.
fn goes_on(digits: &Digits<'_>, card: &Range<usize>, gap: usize, beside: Option<usize>) -> bool {
    let lines = card.clone().skip(1).any(|at| !in_line(digits, at));
    let joined = in_line(digits, gap) || (lines && joint(digits, gap).is_some());
    let Some(beside) = beside.filter(|at| joined && *at < digits.groups.len()) else {
        return false;
    };
    let alike = digits.groups[card.clone()]
        .iter()
        .all(|group| group.len() == digits.groups[beside].len());
    let ends = !in_line(digits, beside) || !in_line(digits, beside + 1);
    let month = ends && is_month(digits.group(beside));
    card.len() > 1 && alike && !month
}

/// `1229`: a month and the year in which a card ends.
fn is_month(group: &str) -> bool {
    group.split_at_checked(2).is_some_and(|(month, year)| {
        matches!(month.parse(), Ok(1..=12)) && matches!(year.parse(), Ok(20..=45))
    })
}

/// The last group of the longest card number that begins with the group `from`.
fn longest(digits: &Digits<'_>, from: usize) -> Option<usize> {
    let mut number = String::new();
    let mut last = None;
    for to in from..digits.groups.len() {
        let apart = to > from
            && (joint(digits, to).is_none() || joint(digits, to) != joint(digits, from + 1));
        if apart || number.len() + digits.groups[to].len() > LONGEST {
            break;
        }
        number.push_str(digits.group(to));
        if is_card(&number) && is_printed(digits, from, to) && stands_alone(digits, from, to) {
            last = Some(to);
        }
    }
    last
}

/// What joins the group `to` to the one before it. A line may end within a number.
fn joint(digits: &Digits<'_>, to: usize) -> Option<char> {
    match digits.gap(to)? {
        " " | "  " | "\n" | "\r\n" => Some(' '),
        "-" | " - " => Some('-'),
        "." => Some('.'),
        _ => None,
    }
}

/// Whether what joins the group `to` to the one before it stands in one line.
fn in_line(digits: &Digits<'_>, to: usize) -> bool {
    joint(digits, to).is_some() && digits.gap(to).is_some_and(|gap| !gap.contains('\n'))
}

/// Whether cards are printed in such groups: all but the last are alike, or as with American Express. Points are only between
/// fours, since measured values have them.
fn is_printed(digits: &Digits<'_>, from: usize, to: usize) -> bool {
    let groups = &digits.groups[from..=to];
    let (first, last) = (groups[0].len(), groups[to - from].len());
    let alike = groups[..to - from].iter().all(|group| group.len() == first);
    match joint(digits, to).filter(|_| to > from) {
        None => true,
        Some('.') => alike && (first, last) == (4, 4),
        Some(_) => match first {
            1 | 2 => alike && last == first,
            4 => groups[1].len() == 6 || (alike && last <= 4),
            6 | 8 => alike,
            _ => false,
        },
    }
}

/// Whether it is of an issuer's range and passes the check.
pub(super) fn is_card(number: &str) -> bool {
    issued(number) && luhn(number) && !is_barcode(number)
}

/// Whether the groups are no part of a word or of a decimal fraction, and no readings of one thing.
fn stands_alone(digits: &Digits<'_>, from: usize, to: usize) -> bool {
    let span = digits.groups[from].start..digits.groups[to].end;
    let mut before = digits.text[..span.start].chars().rev();
    // `0,4111…` is a fraction, while `1042,4111…,` is a line of a table.
    let point = before.next();
    let digit = before.next().is_some_and(|c| c.is_ascii_digit());
    let cell = before.next().is_some_and(|c| c.is_ascii_digit())
        || digits.text[span.end..].starts_with(',');
    let fraction = from == to && digit && (point == Some('.') || (point == Some(',') && !cell));
    let steady = to > from && digits.is_steady(from, to);
    let named = digits.text[span.end..]
        .chars()
        .next()
        .is_none_or(|c| !joins(c))
        && NAME.is_match(window_before(digits.text, span.start, 12));
    !fraction && !steady && (named || !inside_word(digits.text, &span))
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
        (_, 36 | 38 | 39, ..) | (_, _, 300..=305, _) => 14..=14, // Diners Club.
        (_, 62 | 65, ..) | (_, _, 644..=649, _) => 16..=LONGEST, // UnionPay, Discover.
        (.., 6011 | 3528..=3589 | 2200..=2204) => 16..=LONGEST, // Discover, JCB, Mir.
        (.., 5066 | 5067 | 6363) => 16..=16,                    // Elo.
        (.., 6703) => 16..=LONGEST,                             // Bancontact.
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
            "4111 - 1111 - 1111 - 1111",
            "4111.1111.1111.1111",
            "6703 4444 4444 4449",
            "5066 9911 1111 1118",
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
            ("4111 1111 1111 1111 1229", "4111 1111 1111 1111"),
            ("1229 4111 1111 1111 1111", "4111 1111 1111 1111"),
            ("3782 822463 10005 1234", "3782 822463 10005"),
            ("7,4111111111111111,12/29", "4111111111111111"),
            ("1042,4111111111111111,Jane", "4111111111111111"),
            ("VISA4111111111111111", "4111111111111111"),
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
    fn rows_of_readings_are_no_cards_but_rows_of_cards_are() {
        for text in [
            "4111 1111 1111 1111 5555 5555 5555 4445",
            "2048 4111 1111 1111 1111 97",
            "812 97 4111 1111 1111 1111 33 104",
            "ch1: 4021 4032 4010 4055\nch2: 4020 4031 4011 4056",
            "4012 4013 4011 4012 4014 4011 4013",
            "40213 55 41111",
            "1111 4111\n1111 1111\n1111 2222",
            "SSCC 380123450000000015",
        ] {
            assert!(cards(text).is_empty(), "{text}: {:?}", cards(text));
        }
        let mut found = 0;
        for first in 0..500_u32 {
            let row: Vec<String> = (0..8)
                .map(|at| ((first * 7919 + at * 104_729) % 4096).to_string())
                .collect();
            found += cards(&row.join(" ")).len();
        }
        assert!(found <= 2, "{found}");
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
