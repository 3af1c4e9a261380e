//! IP and MAC addresses.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    ops::Range,
    sync::LazyLock,
};

use regex::Regex;

use super::{
    Kind,
    pattern::{Raw, compiled},
    word::{inside_word, window_before},
};

static IPV4: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?-u:\b)(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?-u:\b)",
    )
});

static IPV6: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:.]*[0-9a-f:]"));

static MAC: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?-u:\b)(?:[0-9a-f]{2}(?::[0-9a-f]{2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})(?-u:\b)",
    )
});

/// Also a firewall, and a switch.
static SHORT: LazyLock<Regex> = LazyLock::new(|| compiled(r"(?i)(?-u:\b)(?:fw|sw)$"));

/// Words right behind which four numbers are a version.
static VERSION: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?-u:\b)(?:versions?|vers|ver|version (?:no|nr)\.?|firmware|firmwareversion|fw|software|softwareversion|sw|release|revision|rev|build|bootloader|bios)\.?$",
    )
});

/// Words right behind which four small numbers are a chapter.
static CHAPTER: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?:§|(?-u:\b)(?:sections?|sect|sec|subsection|chapters?|clauses?|paragraphs?|para|kapitel|kap|abschnitt|ziffer|section no|capítulo|chapitre|capitolo|sezione|hoofdstuk)\.?)$",
    )
});

/// The highest number of a chapter.
const LAST_CHAPTER: u8 = 40;

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    let whole = |pattern: &Regex| -> Vec<Range<usize>> {
        pattern
            .find_iter(text)
            .map(|m| m.range())
            .filter(|span| !inside_word(text, span))
            .collect()
    };
    found.extend(whole(&MAC).into_iter().map(|span| (span, Kind::MAC)));
    let four = whole(&IPV4)
        .into_iter()
        // Four numbers with dots inside a longer run of them are a version or an object identifier.
        .filter(|span| !dotted_on(text, span.start, span.end) && !is_product(text, span))
        .filter(|span| !is_version(text, span) && !is_chapter(text, span));
    found.extend(four.map(|span| (span, Kind::IP)));
    let six = IPV6
        .find_iter(text)
        .filter_map(|m| trimmed(text, m.range()));
    found.extend(six.map(|span| (span, Kind::IP)));
}

/// `Chrome/110.0.0.0`, the version of a program.
fn is_product(text: &str, span: &Range<usize>) -> bool {
    text[span.clone()].ends_with(".0.0")
        && text[..span.start]
            .strip_suffix('/')
            .is_some_and(|name| name.ends_with(char::is_alphabetic))
}

/// `Firmware 2.4.1.0`, `version: 10.2.3.4`. Addresses of a home's or a machine's own network stay what they are.
fn is_version(text: &str, span: &Range<usize>) -> bool {
    let before = window_before(text, span.start, 24);
    let word = before.trim_end_matches([' ', ':', '=', '\t', '"', '(']);
    let device = SHORT.is_match(word)
        && text[span.clone()]
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| address.is_private());
    !device
        && VERSION.is_match(word)
        && word.len() < before.len()
        && !text[span.clone()].starts_with("192.168.")
}

/// `Section 3.2.1.4`. What is followed by a port or by the size of a network is an address all the same.
fn is_chapter(text: &str, span: &Range<usize>) -> bool {
    let address = text[span.clone()].parse::<Ipv4Addr>();
    let small = address.is_ok_and(|address| {
        !address.is_private() && address.octets().iter().all(|part| *part <= LAST_CHAPTER)
    });
    let before = window_before(text, span.start, 24);
    small
        && !text[span.end..].starts_with([':', '/'])
        && CHAPTER.is_match(before.trim_end_matches(' '))
}

/// The IPv6 address in `span`, which may have the colon or the last letters of a word before it, and a colon, a port
/// or the first letters of a word behind it.
fn trimmed(text: &str, span: Range<usize>) -> Option<Range<usize>> {
    let run = &text[span.clone()];
    let mut starts = vec![span.start];
    if let Some((head, rest)) = run.split_once(':')
        && !rest.starts_with(':')
    {
        starts.push(span.start + head.len() + 1);
    }
    let mut ends = vec![span.end];
    if let Some((rest, tail)) = run.rsplit_once(':')
        && !rest.ends_with(':')
    {
        ends.push(span.end - tail.len() - 1);
    }
    starts
        .iter()
        .flat_map(|&start| ends.iter().map(move |&end| start..end))
        .find(|span| is_ipv6(text, span))
}

fn is_ipv6(text: &str, span: &Range<usize>) -> bool {
    // Without a digit, two words with colons between them are a path in some language.
    text.get(span.clone()).is_some_and(|address| {
        address.contains(|c: char| c.is_ascii_digit())
            && !is_slice(text, span)
            && !inside_word(text, span)
            && address.parse::<Ipv6Addr>().is_ok()
    })
}

/// `list[::2]` of Python.
fn is_slice(text: &str, span: &Range<usize>) -> bool {
    text[..span.start]
        .strip_suffix('[')
        .is_some_and(|name| name.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ']'))
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
            ("addr:2001:db8::1", "2001:db8::1", "ip"),
            ("IPv6:2001:db8::1", "2001:db8::1", "ip"),
            ("fe80::1: down", "fe80::1", "ip"),
            ("2001:db8::1:down", "2001:db8::1", "ip"),
            ("2001:db8:0:0:0:0:0:1:443", "2001:db8:0:0:0:0:0:1", "ip"),
            ("::1 answers", "::1", "ip"),
            ("firmware server 10.2.3.4", "10.2.3.4", "ip"),
            ("driver at 10.2.3.4", "10.2.3.4", "ip"),
            ("fw 10.0.0.1 drops it", "10.0.0.1", "ip"),
            ("firmware 192.168.0.7", "192.168.0.7", "ip"),
            ("地址10.20.30.40不通", "10.20.30.40", "ip"),
            ("section 10.0.0.1", "10.0.0.1", "ip"),
            ("section 8.8.8.8:53", "8.8.8.8", "ip"),
            ("section 203.0.113.9", "203.0.113.9", "ip"),
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
            "foo::1",
            "abc::b::c1",
            "12:30:15: stopped",
            "::",
            "print(b[::2])",
            "Chrome/110.0.0.0 Safari",
            "Firmware 2.4.1.0",
            "version: 10.2.3.4",
            "\"version\": \"10.2.3.4\"",
            "FW 1.2.3.4 is out",
            "see Section 3.2.1.4.",
            "siehe Kapitel 4.1.12.2",
            "§ 3.2.1.4",
        ] {
            assert!(all(text).is_empty(), "{text}: {:?}", all(text));
        }
        let fingerprint = "ab:01:cd:02:ef:03:".repeat(3) + "ab:01";
        assert!(all(&fingerprint).iter().all(|(_, kind)| kind == "mac"));
    }
}
