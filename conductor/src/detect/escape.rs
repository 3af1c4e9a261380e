//! Characters written by their numbers: `%40`, `=40`, `&#64;`, `\u0040`; and the pluses of forms.

use super::{
    form,
    view::{Maker, View},
};

/// The text with each such character in place of its number; `None` if it has none.
pub(super) fn unescaped(text: &str) -> Option<View<'static>> {
    if !text.contains(['%', '&', '\\', '=']) {
        return None;
    }
    let quoted = is_quoted_printable(text);
    let spaces = form::spaces(text);
    let mut made = Maker::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(next) = text[at..].find(['%', '&', '\\', '=', '+']) {
        at += next;
        let read = match text.as_bytes()[at] {
            b'+' => spaces.binary_search(&at).ok().map(|_| (" ".to_owned(), 1)),
            b'%' => bytes(text, at, "%"),
            b'=' if quoted => soft_break(text, at).or_else(|| bytes(text, at, "=")),
            b'=' => sign(text, at),
            b'&' => entity(text, at),
            _ => bytes(text, at, "\\x")
                .or_else(|| point(text, at))
                .or_else(|| sign_of_json(text, at)),
        };
        if let Some((characters, length)) = read {
            made.keep(text, kept..at);
            made.put(&characters, at..at + length);
            at += length;
            kept = at;
        } else {
            at += 1;
        }
    }
    (kept > 0).then(|| {
        made.keep(text, kept..text.len());
        made.view()
    })
}

/// The character whose UTF-8 bytes stand at `at`, each behind `prefix`, and how long that is.
fn bytes(text: &str, at: usize, prefix: &str) -> Option<(String, usize)> {
    let mut read = Vec::new();
    let mut end = at;
    while read.len() < 4 {
        let Some(byte) = text[end..]
            .strip_prefix(prefix)
            .and_then(|rest| rest.get(..2))
            .filter(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        else {
            break;
        };
        read.push(byte);
        end += prefix.len() + 2;
        if let Ok(character) = std::str::from_utf8(&read) {
            return Some((character.to_owned(), end - at));
        }
    }
    None
}

/// What JSON and programs write with two characters (RFC 8259, 7). In a path such as `C:\new` it is none, but this is one view of
/// several.
fn sign_of_json(text: &str, at: usize) -> Option<(String, usize)> {
    let is = match text.as_bytes().get(at + 1)? {
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'"' => '"',
        b'/' => '/',
        b'\\' => '\\',
        _ => return None,
    };
    Some((is.to_string(), 2))
}

/// A line that goes on in the next one (RFC 2045, 6.7).
fn soft_break(text: &str, at: usize) -> Option<(String, usize)> {
    ["=\r\n", "=\n"]
        .iter()
        .find(|soft| text[at..].starts_with(**soft))
        .map(|soft| (String::new(), soft.len()))
}

/// `=40` in a text that is not quoted-printable as a whole: only between a name and a domain.
fn sign(text: &str, at: usize) -> Option<(String, usize)> {
    let rest = text[at..].strip_prefix("=40")?;
    let host = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|&length| length > 0 && rest.starts_with(|c: char| c.is_ascii_alphabetic()))?;
    let top = rest[host..].strip_prefix('.')?;
    let named = text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
    (named && top.starts_with(|c: char| c.is_ascii_alphabetic())).then(|| ("@".to_owned(), 3))
}

/// Whether the text has what little else than quoted-printable has: a soft break, an escaped escape, or a letter of two
/// bytes.
fn is_quoted_printable(text: &str) -> bool {
    let marks = [
        "=3D",
        "=\r\n",
        "=20\n",
        "=20\r\n",
        "quoted-printable",
        "?Q?",
        "?q?",
    ];
    marks.iter().any(|mark| text.contains(mark))
        || text
            .match_indices("=C")
            .any(|(at, _)| bytes(text, at, "=").is_some_and(|(_, length)| length > 3))
}

/// `&#64;`, `&#x40;`, `&commat;`.
fn entity(text: &str, at: usize) -> Option<(String, usize)> {
    let rest = &text.as_bytes()[at + 1..];
    let length = rest.iter().take(10).position(|byte| *byte == b';')?;
    let name = text.get(at + 1..at + 1 + length)?;
    let character = match name {
        "commat" => '@',
        "period" => '.',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "lt" => '<',
        "gt" => '>',
        "nbsp" => ' ',
        "sol" => '/',
        "colon" => ':',
        "equals" => '=',
        "plus" => '+',
        "hyphen" | "dash" => '-',
        "lowbar" => '_',
        _ => {
            let number = name.strip_prefix('#')?;
            let point = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(point.ok()?)?
        }
    };
    Some((character.to_string(), length + 2))
}

/// `\u0040`, `\u{40}`, `\U00000040`, and a pair of surrogates.
fn point(text: &str, at: usize) -> Option<(String, usize)> {
    let rest = &text[at..];
    if let Some(inner) = rest.strip_prefix("\\u{") {
        let length = inner.bytes().take(8).position(|byte| byte == b'}')?;
        let point = u32::from_str_radix(&inner[..length], 16).ok()?;
        return Some((char::from_u32(point)?.to_string(), length + 4));
    }
    if rest.starts_with("\\U") {
        let point = u32::from_str_radix(rest.get(2..10)?, 16).ok()?;
        return Some((char::from_u32(point)?.to_string(), 10));
    }
    let unit = |at: usize| {
        let digits = rest.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    let second = unit(6).filter(|_| (0xd800..0xdc00).contains(&first));
    let units: Vec<u16> = [Some(first), second].into_iter().flatten().collect();
    let characters = String::from_utf16(&units).ok()?;
    Some((characters, units.len() * 6))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> String {
        unescaped(text).map_or_else(|| text.to_owned(), |view| view.text.into_owned())
    }

    #[test]
    fn characters_are_read_from_their_numbers() {
        for (text, character) in [
            ("jane%40corp.com", "jane@corp.com"),
            ("M%C3%BCller %zz %4", "Müller %zz %4"),
            ("jane&#64;corp&#x2e;com &commat; &x", "jane@corp.com @ &x"),
            ("jane\\u0040corp.com \\x40 \\u{40}", "jane@corp.com @ @"),
            ("\\ud83d\\ude00 \\ud83d", "😀 \\ud83d"),
            ("M=C3=BCller a=\r\nb =3D", "Müller ab ="),
            ("jane=40corp.example", "jane@corp.example"),
            ("card:\\n4111\\t\\\"a\\\" \\q", "card:\n4111\t\"a\" \\q"),
            ("a=%2B49+170&b=1+2, 1+1=2", "a=+49 170&b=1 2, 1+1=2"),
            ("width=40px, x=40.5, a=40b", "width=40px, x=40.5, a=40b"),
        ] {
            assert_eq!(read(text), character);
        }
    }

    #[test]
    fn a_character_comes_from_its_whole_number() {
        let text = "to jane%40corp.com";
        let view = unescaped(text).unwrap();
        let start = view.text.find("jane").unwrap();
        assert_eq!(&text[view.origin(&(start..start + 13))], "jane%40corp.com");
        assert_eq!(&text[view.origin(&(start + 4..start + 5))], "%40");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_fault(text in "([%=&;#x\\\\uU{}0-9a-fA-FéD]|%C3|\\\\u00|=40a\\.b|&#){0,40}") {
            if let Some(view) = unescaped(&text) {
                prop_assert!(view.text.len() <= text.len());
            }
        }
    }
}
