//! E-mail addresses as people write them for other people: `jane at corp dot com`, `jane [at] corp.com`, `jane @ corp . com`.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Kind,
    pattern::{Raw, compiled},
    word::{window_after, window_before},
};

/// A word for mail right before a name: then the name is that of an address, even before a mere "at" and a written point.
static MAIL: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?-u:\b)(?:e-?mail(?:ed|s)?|e-mail address|mail(?:to|ed)?|write to|writing to|contact|reach (?:me|us|him|her|them)(?: at)?|mailadresse|schreib(?:en sie|t)? an)(?: (?:is|address|to|address is|ist|an))?[:=]?\s{0,2}$",
    )
});

/// What stands between a word for mail and the place of a mailbox, and is no name.
const NO_NAMES: [&str; 20] = [
    "account",
    "accounts",
    "address",
    "addresses",
    "from",
    "her",
    "him",
    "hosted",
    "is",
    "it",
    "me",
    "person",
    "received",
    "sent",
    "server",
    "someone",
    "them",
    "us",
    "was",
    "you",
];

/// As far as an address reaches on either side of its sign, in bytes.
const REACH: usize = 120;

/// The sign: in brackets, as a word, or itself with spaces.
static SIGN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?i)(?<framed>\s{0,2}(?:[\[({<|*]\s?(?:at|@|ät|arroba|arobase|chiocciola|klammeraffe|apenstaartje)\s?[\])}>|*]|_at_|-at-)\s{0,2})",
        r"|(?<word>\s{1,3}(?:at|ät|arroba|arobase|chiocciola|klammeraffe|apenstaartje)\s{1,3})",
        r"|(?<bare>\s{0,2}@\s{0,2})",
    ))
});

/// A point, likewise.
const DOT: &str = r"(?:\s{0,2}(?:[\[({<|*]\s?(?:dot|punkt|punto|point|ponto|punt|\.)\s?[\])}>|*]|_dot_|-dot-)\s{0,2}|\s{1,3}(?:dot|punkt|punto|ponto)\s{1,3})";

/// Tops that one may say aloud: of others than these and those of two letters, a word such as "end" would be one.
const TOPS: &str = r"(?:com|org|net|edu|gov|mil|int|info|biz|name|pro|dev|app|cloud|online|tech|shop|site|xyz|example|test|local|internal|company|health|clinic|hospital|industries|systems|solutions|agency|email|[a-z]{2})";

/// Words that begin no host.
const ARTICLES: [&str; 13] = [
    "the", "a", "an", "this", "that", "each", "every", "least", "der", "die", "das", "el", "la",
];

static LOCAL: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        r"(?i)[\p{{L}}0-9](?:[\p{{L}}0-9.+'-]|_)*?(?:{DOT}[\p{{L}}0-9][\p{{L}}0-9.+'-]*)*$"
    ))
});

/// A host with at least one point that is spoken.
static SPOKEN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        r"(?i)^[\p{{L}}0-9][\p{{L}}0-9-]*?(?:(?:{DOT}|\.)[\p{{L}}0-9][\p{{L}}0-9-]*?)*?(?:{DOT}{TOPS}|\s{{1,3}}(?:point|punt)\s{{1,3}}(?:com|org|net|eu|fr|be|ch|ca|lu|nl))\b(?:(?:{DOT}|\.){TOPS}\b)*"
    ))
});

/// A word of two letters that begins a sentence, in place of a top: `@ 3000rpm. No`.
static NEXT_SENTENCE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"[\p{L}0-9]\.\s(?:No|In|It|Is|At|As|If|To|So|Do|My|We|Es|Er|La|Le|De|El|Il|En)$")
});

/// A number with its unit at the end of a sentence: `@ 50Hz. OK`.
static QUANTITY: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"^[0-9]+(?:[.,][0-9]+)?\p{L}{1,5}\.\s"));

/// A host with points of any kind, spaces beside them allowed.
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        r"(?i)^[\p{{L}}0-9][\p{{L}}0-9-]*(?:(?:{DOT}|\s?\.)[\p{{L}}0-9][\p{{L}}0-9-]*)*?(?:{DOT}|\s?\.\s?){TOPS}\b(?:\.{TOPS}\b)*"
    ))
});

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    let signs = SIGN.captures_iter(text).filter_map(|groups| {
        let sign = groups.get(0)?.range();
        if groups.name("word").is_some() {
            let mailed = || address(text, &sign, &HOST).filter(|span| is_mailed(text, span, &sign));
            return address(text, &sign, &SPOKEN).or_else(mailed);
        }
        address(text, &sign, &HOST)
    });
    found.extend(signs.map(|span| (span, Kind::EMAIL)));
}

fn address(text: &str, sign: &Range<usize>, host: &Regex) -> Option<Range<usize>> {
    let host = host.find(window_after(text, sign.end, REACH))?;
    let first = host.as_str().split(|c: char| !c.is_alphanumeric()).next();
    if first.is_some_and(|word| ARTICLES.contains(&word.to_lowercase().as_str())) {
        return None;
    }
    if NEXT_SENTENCE.is_match(host.as_str()) || QUANTITY.is_match(host.as_str()) {
        return None;
    }
    let before = window_before(text, sign.start, REACH);
    let local = LOCAL.find(before)?;
    Some(sign.start - (before.len() - local.start())..sign.end + host.end())
}

/// Whether a word for mail stands before a name that ends where the sign begins.
fn is_mailed(text: &str, span: &Range<usize>, sign: &Range<usize>) -> bool {
    let name = text[span.start..sign.start].to_lowercase();
    !NO_NAMES.contains(&name.as_str()) && MAIL.is_match(window_before(text, span.start, REACH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn emails(text: &str) -> Vec<&str> {
        pieces(text, |found| find(text, found))
    }

    #[test]
    fn addresses_are_found_however_they_are_spelt() {
        for address in [
            "jane at corp dot com",
            "jane [at] corp [dot] com",
            "jane(at)corp.com",
            "jane.doe AT corp DOT co DOT uk",
            "jane dot doe at mail dot corp dot com",
            "jane @ corp.com",
            "jane@ corp . com",
            "jane @ corp. no",
            "jane {at} corp {dot} example",
            "ana ät firma punkt de",
            "ana arroba empresa punto es",
            "jane_at_corp_dot_com",
            "jane <at> corp.com",
            "ana arobase firme point fr",
        ] {
            assert_eq!(emails(&format!("{address}, please")), [address]);
        }
    }

    #[test]
    fn a_word_for_mail_makes_a_written_point_enough() {
        for (text, address) in [
            ("email jane at corp.com", "jane at corp.com"),
            ("E-Mail: jane.doe at corp.co.uk", "jane.doe at corp.co.uk"),
            ("please write to jane at corp.com", "jane at corp.com"),
        ] {
            assert_eq!(emails(text), [address], "{text}");
        }
    }

    #[test]
    fn other_words_are_none() {
        for text in [
            "look at example.com for more",
            "email me at example.com",
            "the email server at example.com",
            "my email is at example.com",
            "the email sent at example.com",
            "write to the person at example.com",
            "jane works at example.com",
            "meet at noon on the dot",
            "10 @ 4.50 each",
            "Spindle @ 3000rpm. No alarm",
            "Ran 10 min @ 50Hz. OK",
            "aim at the dot in the middle",
            "the speed at another point in this pipe",
        ] {
            assert!(emails(text).is_empty(), "{text}: {:?}", emails(text));
        }
    }
}
