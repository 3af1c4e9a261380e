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
    word::{inside_word, window_after, window_before},
};

/// Four numbers up to 255 with dots between them. The borders are looked at apart: `plc_10.0.0.7` has one inside a word.
static IPV4: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])",
    )
});

/// What follows an address in a log of packets, its port, or in a net id of Beckhoff's.
static TAIL: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"^(?:\.[0-9]{1,5}){1,2}(?:[^.0-9]|\.?$|\.[^0-9])"));

/// Words right behind which four numbers are an address, whatever follows them.
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)(?-u:\b)(?:ip|ams ?net ?id|net ?id)[:=]?\s{0,2}$"));

static IPV6: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:.]*[0-9a-f:]"));

/// Words beside which six pairs of digits are an address rather than a date and a time.
static HARDWARE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"(?i)mac|bssid|hwaddr|ether|hardware|address|adress|direcci|indirizzo")
});

/// An address without signs, which a word has to name.
static PLAIN_MAC: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r#"(?i)(?-u:\b)(?:bssid|hwaddr|mac(?:[ _-]?(?:addr|address|adresse|id))?)["']?\s{0,3}[:=]?\s{0,3}["']?([0-9a-f]{12})(?-u:\b)"#,
    )
});

static MAC: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?-u:\b)(?:[0-9a-f]{2}(?::[0-9a-f]{2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})(?-u:\b)",
    )
});

/// Words right behind which four numbers are a version.
static VERSION: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?-u:\b)(?:versions?|vers|ver|version (?:no|nr)\.?|firmware|firmwareversion|software|softwareversion|release|revision|rev|build|bootloader|bios)\.?$",
    )
});

/// Words right behind which they are one unless the address is private: also a firewall, a switch, and programs that
/// stand for the machine that they run on.
static DEVICE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?-u:\b)(?:fw|sw|wincc|codesys|twincat|tia portal|factorytalk|intouch|labview|simatic|step ?7)\.?$",
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

/// As far as a word that names an address may be before it, in bytes.
const REACH: usize = 48;

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    let marked = MAC.find_iter(text).map(|m| m.range());
    let marked = marked.filter(|span| !inside_word(text, span) && !is_time(text, span));
    let plain = PLAIN_MAC
        .captures_iter(text)
        .filter_map(|groups| groups.get(1));
    let mac = marked.chain(plain.map(|m| m.range()));
    found.extend(mac.map(|span| (span, Kind::MAC)));
    let four = IPV4.find_iter(text).map(|m| m.range());
    let four = four.filter(|span| is_ipv4(text, span));
    found.extend(four.map(|span| (span, Kind::IP)));
    let six = IPV6
        .find_iter(text)
        .filter_map(|m| trimmed(text, m.range()));
    found.extend(six.map(|span| (span, Kind::IP)));
}

/// `24-06-12-10-30-15`, unless a word before it says that it is an address.
fn is_time(text: &str, span: &Range<usize>) -> bool {
    let digits = |byte: u8| byte == b'-' || byte.is_ascii_digit();
    text[span.clone()].bytes().all(digits)
        && !HARDWARE.is_match(window_before(text, span.start, REACH))
}

/// Whether four numbers are an address. What is of a private network can be little else.
fn is_ipv4(text: &str, span: &Range<usize>) -> bool {
    let Some(address) = parsed(&text[span.clone()]) else {
        return false;
    };
    let private = address.is_private();
    let certain = private || ADDRESS.is_match(window_before(text, span.start, REACH));
    let padded = text[span.clone()].parse::<Ipv4Addr>().is_err();
    is_apart(text, span, private)
        && (certain || !padded)
        && (!dotted_on(text, span.start, span.end) || has_port(text, span, certain))
        && !is_product(text, span)
        && !is_version(text, span, private)
        && !is_chapter(text, span, address)
}

/// The address, whose numbers may begin with zeros.
fn parsed(text: &str) -> Option<Ipv4Addr> {
    let mut parts = text.split('.').map(str::parse::<u8>);
    let mut next = || parts.next()?.ok();
    Some(Ipv4Addr::new(next()?, next()?, next()?, next()?))
}

/// Whether the characters beside are no part of it: no digit, and no word but one that a private address hangs on.
fn is_apart(text: &str, span: &Range<usize>, private: bool) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    if text[..span.start].ends_with(digit) || text[span.end..].starts_with(digit) {
        return false;
    }
    let hangs = text[..span.start].ends_with('_') || text[span.end..].starts_with('_');
    !inside_word(text, span) || private && hangs
}

/// Whether the numbers that go on behind are a port, as in `192.168.1.10.44818 > 8.8.8.8.53:`, or the end of a net id.
fn has_port(text: &str, span: &Range<usize>, certain: bool) -> bool {
    let before = window_before(text, span.start, REACH);
    let other = before
        .strip_suffix(" > ")
        .is_some_and(|other| other.ends_with(|c: char| c.is_ascii_digit()));
    let inside = before.ends_with(|c: char| c == '.' || c.is_ascii_digit());
    (certain || other) && !inside && TAIL.is_match(window_after(text, span.end, REACH))
}

/// `Chrome/110.0.0.0`, the version of a program.
fn is_product(text: &str, span: &Range<usize>) -> bool {
    text[span.clone()].ends_with(".0.0")
        && text[..span.start]
            .strip_suffix('/')
            .is_some_and(|name| name.ends_with(char::is_alphabetic))
}

/// `Firmware 2.4.1.0`, `version: 10.2.3.4`. Addresses of a home's or a machine's own network stay what they are.
fn is_version(text: &str, span: &Range<usize>, private: bool) -> bool {
    let before = window_before(text, span.start, 24);
    let word = before.trim_end_matches([' ', ':', '=', '\t', '"', '(']);
    let named = VERSION.is_match(word) || !private && DEVICE.is_match(word);
    named && word.len() < before.len() && !text[span.clone()].starts_with("192.168.")
}

/// `Section 3.2.1.4`. What is followed by a port or by the size of a network is an address all the same.
fn is_chapter(text: &str, span: &Range<usize>, address: Ipv4Addr) -> bool {
    let small = address.octets().iter().all(|part| *part <= LAST_CHAPTER);
    let before = window_before(text, span.start, 24);
    small
        && !address.is_private()
        && !text[span.end..].starts_with([':', '/'])
        && (CHAPTER.is_match(before.trim_end_matches(' ')) || is_heading(text, span))
}

/// Whether a line begins with the numbers and goes on with a word in capitals or with one.
fn is_heading(text: &str, span: &Range<usize>) -> bool {
    let before = text[..span.start].trim_end_matches([' ', '\t', '#', '*']);
    let title = text[span.end..].strip_prefix([' ', '\t']);
    (before.is_empty() || before.ends_with('\n'))
        && title.is_some_and(|title| {
            title
                .trim_start_matches(' ')
                .starts_with(char::is_uppercase)
        })
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
    use crate::detect::testing::typed;

    fn all(text: &str) -> Vec<(&str, String)> {
        typed(text, |found| find(text, found))
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
            ("\"mac\":\"A8032ABE54DC\"", "A8032ABE54DC", "mac"),
            ("MAC: 001A2B3C4D5E", "001A2B3C4D5E", "mac"),
            ("mac address 001A2B3C4D5E", "001A2B3C4D5E", "mac"),
            ("MAC 24-06-12-10-30-15", "24-06-12-10-30-15", "mac"),
            ("192.168.1.20.502: ack", "192.168.1.20", "ip"),
            ("IP 8.8.8.8.53 answers", "8.8.8.8", "ip"),
            ("AMS Net ID 192.168.0.5.1.1", "192.168.0.5", "ip"),
            ("AMS Net ID: 5.24.37.1.1.1", "5.24.37.1", "ip"),
            ("at 192.168.001.010", "192.168.001.010", "ip"),
            ("plc_10.0.0.7 is up", "10.0.0.7", "ip"),
            ("WinCC 10.0.0.7", "10.0.0.7", "ip"),
            ("8.8.8.8 answers", "8.8.8.8", "ip"),
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
            "4.3.2.1 Lubricating the spindle",
            "intro\n## 4.3.2.1 Lubricating",
            "WinCC 7.5.2.1",
            "driver_2.4.1.0.zip",
            "part 001.002.003.004",
            "1234.5.6.7",
            "1.2.3.4567",
            "OID 1.3.6.1.10.0.0.1",
            "log file 24-06-12-10-30-15.txt",
        ] {
            assert!(all(text).is_empty(), "{text}: {:?}", all(text));
        }
        let both = "IP 192.168.1.10.44818 > 8.8.8.8.53: ack";
        let found = all(both).into_iter().map(|(span, _)| span);
        assert_eq!(found.collect::<Vec<_>>(), ["192.168.1.10", "8.8.8.8"]);
        let fingerprint = "ab:01:cd:02:ef:03:".repeat(3) + "ab:01";
        assert!(all(&fingerprint).iter().all(|(_, kind)| kind == "mac"));
    }
}
