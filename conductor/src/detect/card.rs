//! Payment card numbers (ISO/IEC 7812): 13 to 19 digits, grouped or not, that pass the Luhn check.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Kind,
    pattern::{Raw, compiled, inside_word},
};

static DIGITS: LazyLock<Regex> = LazyLock::new(|| compiled(r"[2-6](?:[ \u{a0}.-]?[0-9]){12,18}"));

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    found.extend(
        DIGITS
            .find_iter(text)
            .map(|m| m.range())
            .filter(|span| !inside_word(text, span) && luhn(&text[span.clone()]))
            .map(|span| (span, Kind::CARD)),
    );
}

/// The Luhn sum over the digits of `text`; other characters do not count.
fn luhn(text: &str) -> bool {
    let sum: u32 = text
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => digit,
            _ if digit > 4 => digit * 2 - 9,
            _ => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cards(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        find(text, &mut found);
        found.into_iter().map(|(span, _)| &text[span]).collect()
    }

    #[test]
    fn test_numbers_of_the_card_schemes_are_found_in_their_usual_forms() {
        for number in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "5555-5555-5555-4444",
            "378282246310005",
            "3782 822463 10005",
            "6011111111111117",
            "2223003122003222",
        ] {
            assert_eq!(cards(&format!("pay {number}, now")), [number]);
        }
    }

    #[test]
    fn a_wrong_check_digit_or_a_longer_number_is_no_card() {
        assert!(cards("4111111111111112").is_empty());
        assert!(cards("part x4111111111111111").is_empty());
        assert!(cards("order 123456789").is_empty());
    }
}
