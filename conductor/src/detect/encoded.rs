//! Text in base64 or hexadecimal.

use std::ops::Range;

use super::view::{Maker, View};

/// Shorter ones hold nothing that is found.
const SHORTEST: usize = 12;

/// A line of base64 that goes on in the next one is at least as long.
const SHORTEST_LINE: usize = 56;

/// All such texts within `text`, decoded, each in lines of its own, and each coming from its encoded form as a whole;
/// `None` if there is none.
pub(super) fn decoded(text: &str) -> Option<View<'static>> {
    let mut made = Maker::new();
    for run in runs(text) {
        for (read, from) in read(text, run) {
            let end = from.end..from.end;
            made.put(&read, from);
            made.put("\n\n", end);
        }
    }
    (!made.text().is_empty()).then(|| made.view())
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}

/// The longest runs of characters of base64, over the ends of long lines, padding included.
fn runs(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut line = 0;
    let mut at = 0;
    while at < bytes.len() {
        if !is_digit(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && is_digit(bytes[at]) {
            at += 1;
        }
        let body = at;
        while at < bytes.len() && bytes[at] == b'=' && at - body < 2 {
            at += 1;
        }
        let goes_on = runs.last().is_some_and(|last| {
            line >= SHORTEST_LINE && matches!(&text[last.end..start], "\n" | "\r\n")
        });
        match runs.last_mut().filter(|_| goes_on) {
            Some(last) => last.end = at,
            None => runs.push(start..at),
        }
        line = at - start;
    }
    runs.retain(|run| run.len() >= SHORTEST);
    runs
}

/// What a run says: as a whole, or else its parts between the signs that are also dashes, slashes and the like.
fn read(text: &str, run: Range<usize>) -> Vec<(String, Range<usize>)> {
    let whole = &text[run.clone()];
    if let Some(said) = hexadecimal(whole).or_else(|| base64(whole)) {
        return vec![(said, run)];
    }
    let mut parts = Vec::new();
    let mut start = run.start;
    for part in whole.split(['/', '-', '_', '+']) {
        let from = start..start + part.len();
        start = from.end + 1;
        let parted = part.len() >= SHORTEST && part.len() < whole.len();
        if let Some(said) = parted
            .then(|| hexadecimal(part).or_else(|| base64(part)))
            .flatten()
        {
            parts.push((said, from));
        }
    }
    parts
}

fn hexadecimal(run: &str) -> Option<String> {
    let digits = run.strip_prefix("0x").unwrap_or(run);
    let digits: String = if digits.as_bytes().get(2) == Some(&b'-') {
        digits.split('-').filter(|pair| pair.len() == 2).collect()
    } else {
        digits.to_owned()
    };
    if digits.len() % 2 == 1 || digits.len() < SHORTEST {
        return None;
    }
    let decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
    // The code of a point has a letter: an `@` among decimal digits alone is in no address.
    said(hex::decode(digits).ok()?).filter(|said| !(decimal && said.contains('@')))
}

/// Either alphabet of RFC 4648, with or without padding, white space left out.
fn base64(run: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(run.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in run.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'\r' | b'\n' => continue,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap_or_default());
        }
    }
    said(bytes)
}

/// Bytes as a text, if they are one: UTF-8, Latin-1 or, with every other byte zero, UTF-16.
fn said(bytes: Vec<u8>) -> Option<String> {
    let zeros = bytes.iter().skip(1).step_by(2).filter(|byte| **byte == 0);
    let text = if bytes.len() >= 8 && zeros.count() * 4 >= bytes.len() {
        let units = bytes.chunks_exact(2);
        String::from_utf16(
            &units
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .collect::<Vec<u16>>(),
        )
        .ok()?
    } else {
        match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => latin(error.as_bytes())?,
        }
    };
    let seen = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    text.chars().all(seen).then_some(text)
}

/// Latin-1, if most of it is what English has too: any bytes are Latin-1.
fn latin(bytes: &[u8]) -> Option<String> {
    let plain = bytes.iter().filter(|byte| byte.is_ascii()).count();
    (plain * 4 >= bytes.len() * 3).then(|| bytes.iter().map(|byte| char::from(*byte)).collect())
}

/// Bytes in hexadecimal with something between them, such as `6a 61 6e 65`, made one run; `None` if there are none.
pub(super) fn hex_joined(text: &str) -> Option<View<'static>> {
    let bytes = text.as_bytes();
    let mut made = Maker::new();
    let mut kept = 0;
    let mut at = 0;
    while at < bytes.len() {
        let (pairs, end) = row(bytes, at);
        if pairs.len() * 2 >= SHORTEST {
            made.keep(text, kept..at);
            for pair in pairs {
                made.keep(text, pair);
            }
            kept = end;
        }
        at = end.max(at + 1);
    }
    (kept > 0).then(|| {
        made.keep(text, kept..text.len());
        made.view()
    })
}

/// The pairs of digits of the row that begins at `start`, and where it ends.
fn row(bytes: &[u8], start: usize) -> (Vec<Range<usize>>, usize) {
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let word = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let mut pairs = Vec::new();
    let mut at = start;
    let mut end = start;
    let mut joint: Option<&[u8]> = None;
    if start > 0 && word(start - 1) {
        return (pairs, end);
    }
    loop {
        let prefix = if bytes[at.min(bytes.len())..].starts_with(b"0x") {
            2
        } else {
            0
        };
        if !(digit(at + prefix) && digit(at + prefix + 1)) || word(at + prefix + 2) {
            return (pairs, end);
        }
        pairs.push(at + prefix..at + prefix + 2);
        end = at + prefix + 2;
        let length = bytes[end..]
            .iter()
            .take(2)
            .take_while(|byte| b" :,-".contains(byte))
            .count();
        let here = &bytes[end..end + length];
        if length == 0 || *joint.get_or_insert(here) != here {
            return (pairs, end);
        }
        at = end + length;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> String {
        decoded(text)
            .map(|view| view.text.into_owned())
            .unwrap_or_default()
    }

    #[test]
    fn encoded_texts_are_read() {
        for text in [
            "see amFuZUBjb3JwLmNvbQ== here",
            "see amFuZUBjb3JwLmNvbQ here",
            "see data/amFuZUBjb3JwLmNvbQ== here",
            "see 6a616e6540636f72702e636f6d here",
            "see 0x6A616E6540636F72702E636F6D",
            "see 6a-61-6e-65-40-63-6f-72-70-2e-63-6f-6d",
            "see agBhAG4AZQBAAGMAbwByAHAALgBjAG8AbQA=",
        ] {
            assert_eq!(all(text), "jane@corp.com\n\n", "{text}");
        }
        let long =
            "cGxlYXNlIHdyaXRlIHRvIHRoZSBwZXJzb24gd2hvIHJ1bnMgdGhlIHByZXNz\nIGphbmVAY29ycC5jb20=";
        assert!(all(long).contains(" jane@corp.com"));
        let pairs = "6a 61 6e 65 40 63 6f 72 70 2e 63 6f 6d";
        let joined = hex_joined(pairs).unwrap();
        assert_eq!(all(&joined.text), "jane@corp.com\n\n");
    }

    #[test]
    fn words_and_digests_say_nothing() {
        for text in [
            "Characterization of electromagnetic interference",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "123e4567-e89b-12d3-a456-426614174000",
            "/usr/share/documentation/conductor",
            "4433443440794477",
        ] {
            assert_eq!(all(text), "", "{text}");
        }
        assert!(hex_joined("12 34 56").is_none());
        // "Müller" in Latin-1.
        assert_eq!(
            all("SGVyciBN/GxsZXIgaXN0IGRhLg==").trim_end(),
            "Herr Müller ist da."
        );
    }

    proptest! {
        #[test]
        fn what_is_decoded_is_no_longer_than_a_bound_and_comes_from_its_run(
            text in "([A-Za-z0-9+/= \n-]|é|6a 61|amFuZUBjb3JwLmNvbQ==){0,60}",
        ) {
            for view in [decoded(&text), hex_joined(&text)].into_iter().flatten() {
                prop_assert!(view.text.len() <= text.len() + text.len() / 4);
                prop_assert!(text.get(view.origin(&(0..1))).is_some());
            }
        }
    }
}
