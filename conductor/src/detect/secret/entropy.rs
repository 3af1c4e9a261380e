//! Values that look random, behind a name that may stand for a secret.

use std::sync::LazyLock;

use regex::Regex;

use super::super::{
    Kind,
    pattern::{Raw, compiled, is_placeholder},
    word::window_before,
};

/// `… key = "value"`, `X-Auth-Token: value`, `&sig=value`.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?i-u)(?:(?<strong>secret|token|auth|credentials?|cred|apikey|api[ _.-]?key|private[ _.-]?key|access[ _.-]?key|account[ _.-]?key",
        r"|client[ _.-]?secret|webhook|hmac|passkey|psk|(?<signed>signature|sig)|bearer|pat|mnemonic|seed)|(?<weak>key|session(?:[ _.-]?id)?|sid|cookie|salt|nonce|dsn|sas|code))",
        r#"["'\]]{0,2}\s{0,3}(?:=>|:=|[:=]|\bis\b)\s{0,3}["'`]?(?<v>[A-Za-z0-9+/_.~%-]{16,}={0,2})"#,
    ))
});

/// What stands before "key" where the key is for everyone.
static PUBLIC: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)pub(?:lic|lique)?[ _-]?$|(?:öffentlicher|pública|publique) $"));

/// Bits of a character, at least, for each alphabet: English words and names are below.
const FEWEST_BITS: f64 = 3.3;

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    for groups in NAMED.captures_iter(text) {
        let Some(value) = groups.name("v") else {
            continue;
        };
        let before = &text[..groups.get(0).map_or(0, |whole| whole.start())];
        let word = value.as_str().trim_end_matches(['.', '-', '/']);
        let open = groups.name("weak").is_some() && is_public(before)
            || groups.name("signed").is_some() && is_checksum(before, word);
        if !open && is_random(word, groups.name("weak").is_some()) && !is_placeholder(word) {
            found.push((value.start()..value.start() + word.len(), Kind::API_KEY));
        }
    }
}

fn is_public(before: &str) -> bool {
    PUBLIC.is_match(window_before(before, before.len(), 16))
}

/// Whether a signature is that of a file; one in a web address opens what it leads to.
fn is_checksum(before: &str, value: &str) -> bool {
    let name = |c: char| c.is_ascii_alphabetic() || c == '-';
    let before = window_before(before, before.len(), 16).trim_end_matches(name);
    value.bytes().all(|byte| byte.is_ascii_hexdigit()) && !before.ends_with(['&', '?', ';'])
}

/// Whether a value is rather random than words, a path, an address, a number or, behind a vague name, an identifier.
pub(super) fn is_random(value: &str, vague: bool) -> bool {
    let bytes = value.as_bytes();
    let count = |is: fn(&u8) -> bool| bytes.iter().filter(|byte| is(byte)).count();
    let digits = count(u8::is_ascii_digit);
    let lower = count(u8::is_ascii_lowercase);
    let upper = count(u8::is_ascii_uppercase);
    let hex = bytes
        .iter()
        .all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let letters = lower + upper;
    // In words, digits stand together; among random characters they do not.
    let turns = bytes
        .windows(2)
        .filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit())
        .count();
    let mixed = digits > 0 && letters > 0 && turns >= 4;
    let cased = lower > 0 && upper > 0;
    let enough = if vague { mixed && cased && !hex } else { mixed };
    value.len() >= 16
        && enough
        && bits(bytes) >= FEWEST_BITS.min(if hex { 3.0 } else { FEWEST_BITS })
}

/// Shannon's entropy of a character.
fn bits(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    counts
        .into_iter()
        .filter(|&count| count > 0)
        .map(|count| {
            let share = f64::from(count) / total;
            -share * share.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn values(text: &str) -> Vec<&str> {
        pieces(text, |found| find(text, found))
    }

    #[test]
    fn random_values_behind_a_name_are_found() {
        for (text, value) in [
            ("X-Auth-Token: 9f8e7d6c5b4a39281706", "9f8e7d6c5b4a39281706"),
            (
                "AccountKey=Zm9vYmFyMTIzNDU2Nzg5MA==;",
                "Zm9vYmFyMTIzNDU2Nzg5MA==",
            ),
            (
                "?sv=2024&sig=aB3dE5fG7hJ9kL1mN2pQ4r%3D",
                "aB3dE5fG7hJ9kL1mN2pQ4r%3D",
            ),
            (
                "\"client_secret\": \"q8Z~x7Yw6Vu5Ts4Rq3Po\"",
                "q8Z~x7Yw6Vu5Ts4Rq3Po",
            ),
            (
                "?X-Amz-Signature=9f8e7d6c5b4a39281706",
                "9f8e7d6c5b4a39281706",
            ),
            (
                "encryptionKey = 'k9Jh2Lm4Np6Qr8St0Uv1'",
                "k9Jh2Lm4Np6Qr8St0Uv1",
            ),
        ] {
            assert_eq!(values(text), [value], "{text}");
        }
    }

    #[test]
    fn words_paths_numbers_and_identifiers_are_none() {
        for text in [
            "key = configuration.settings.default",
            "token: /usr/share/tokens/list.txt",
            "primary key: 123e4567-e89b-12d3-a456-426614174000",
            "code = 12345678901234567890",
            "session = requests.Session().get",
            "cache_key: 5d41402abc4b2a76b9719d911017c592",
            "key: section2paragraph14",
            "PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
            "Public key: MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE7s",
            "signature: 9f8e7d6c5b4a39281706",
        ] {
            assert!(values(text).is_empty(), "{text}: {:?}", values(text));
        }
    }
}
