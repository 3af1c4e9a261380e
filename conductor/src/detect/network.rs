//! IP and MAC addresses.

use std::{net::Ipv6Addr, ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Kind,
    pattern::{Raw, compiled, inside_word, matches},
};

static IPV4: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"\b(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\b",
    )
});

static IPV6: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:.]*[0-9a-f:]"));

static MAC: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)\b(?:[0-9a-f]{2}(?::[0-9a-f]{2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})\b",
    )
});

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    matches(&MAC, text, &Kind::MAC, found);
    let first = found.len();
    matches(&IPV4, text, &Kind::IP, found);
    // Four numbers with dots inside a longer run of them are a version or an object identifier.
    let mut at = 0;
    found.retain(|(span, _)| {
        at += 1;
        at <= first || !dotted_on(text, span.start, span.end)
    });
    let is_address = |span: &Range<usize>| {
        let address = &text[span.clone()];
        // Without a digit, two words with colons between them are a path in some language.
        address.contains(|c: char| c.is_ascii_digit())
            && !inside_word(text, span)
            && address.parse::<Ipv6Addr>().is_ok()
    };
    found.extend(
        IPV6.find_iter(text)
            .map(|m| m.range())
            .filter(is_address)
            .map(|span| (span, Kind::IP)),
    );
}

fn dotted_on(text: &str, start: usize, end: usize) -> bool {
    let after = &text.as_bytes()[end..];
    let before = &text.as_bytes()[..start];
    (after.first() == Some(&b'.') && after.get(1).is_some_and(u8::is_ascii_digit))
        || (before.last() == Some(&b'.')
            && before.len() > 1
            && before[before.len() - 2].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(&str, String)> {
        let mut found = Vec::new();
        find(text, &mut found);
        found
            .into_iter()
            .map(|(span, kind)| (&text[span], kind.to_string()))
            .collect()
    }

    #[test]
    fn addresses_are_found_in_their_usual_forms() {
        for (text, address, kind) in [
            ("plc at 10.20.30.40.", "10.20.30.40", "ip"),
            ("ping 192.168.1.254:502", "192.168.1.254", "ip"),
            (
                "fe80::1ff:fe23:4567:890a is up",
                "fe80::1ff:fe23:4567:890a",
                "ip",
            ),
            ("[2001:db8::1]", "2001:db8::1", "ip"),
            ("mac 00:1A:2b:3C:4d:5E!", "00:1A:2b:3C:4d:5E", "mac"),
            ("mac 00-1A-2B-3C-4D-5E", "00-1A-2B-3C-4D-5E", "mac"),
            ("001a.2b3c.4d5e", "001a.2b3c.4d5e", "mac"),
        ] {
            assert_eq!(all(text), [(address, kind.to_owned())], "{text}");
        }
    }

    #[test]
    fn times_versions_and_code_are_no_addresses() {
        for text in [
            "at 12:30:15 the pump stopped",
            "OID 1.3.6.1.4.1.9",
            "version 300.1.2.3",
            "std::vec::Vec",
            "a::b",
            "::",
        ] {
            assert!(all(text).is_empty(), "{text}: {:?}", all(text));
        }
    }
}
