//! What may stand between the name of a secret and its value.

use std::sync::LazyLock;

use regex::Regex;

use super::super::{pattern::compiled, word::window_after};

/// As far as the value is from its name, in bytes.
const REACH: usize = 256;

/// A sign right behind the name.
static SIGN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?i)^(?:",
        // A variable's type comes before its value.
        r"\??:\s{0,2}&?(?:str|string|secretstr)\s{0,2}=\s{0,3}|",
        r#"["'`\\\]*_]{0,4}\s{0,4}(?:=>|->|:=|==?|:|：)[*_]{0,2}\s{0,4}"#,
        // `"name": "…", "value": "…"`, and the same in YAML.
        r#"|["']?,?\s{1,24}["']?value["']?\s{0,4}[:=]\s{0,4}|["'],["']value["']\s{0,4}:\s{0,4}"#,
        // The same in XML, `<key>` and `<string>` of Apple's lists too.
        r#"|(?<tag>["'][^<>\n]{0,48}>\s{0,24}<value>|</key>\s{0,24}<string>|>)"#,
        // A sentence, or a cell beside its heading.
        r"|(?<prose>\s{1,4}(?:[^\s.:;,=]{1,24}\s){0,4}?(?:is|ist|lautet|was|war|est|es|é|è):?\s{1,4}|\s{0,2}\|\s{0,4}))",
    ))
});

/// Nothing but a space, or how the value is enciphered, as in the settings of switches.
static BARE: LazyLock<Regex> = LazyLock::new(|| compiled(r"^[ \t]{1,2}(?:[0-9][ \t])?"));

/// A longer name: `_PLC7=`, `2:`.
static TAIL: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r#"(?i)^(?<more>(?:[_-][a-z0-9]{1,12}){1,2}|[0-9]{1,2})["'`\]]{0,2}\s{0,3}(?:=>|:=|[:=])\s{0,3}"#,
    )
});

/// Words that say whose secret it is: ` für die SPS: `, ` (HMI): `.
static WORDS: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r#"^(?<more>(?:[ \t]{1,2}[^\s:=|;,.<>"'*]{1,24}){1,4})["'*]{0,3}\s?(?:[:：][*_]{0,2}\s{1,4}|=\s{0,4})"#,
    )
});

static DASH: LazyLock<Regex> = LazyLock::new(|| compiled(r"^[ \t]{1,2}[-–—][ \t]{1,2}"));

/// ` has been changed to `.
static CHANGE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r#"(?i)^(?:[ \t]{1,2}[^\s:=|;,.<>"']{1,24}){0,3}?[ \t]{1,2}(?:to|auf|naar|à)[ \t]{1,2}"#,
    )
});

/// Words that make of a secret's name that of something about the secret.
const ABOUT: &str = "age algo algorithm arn attempt attempts authentication change chars class code complexity config count created \
    date days dialog encoder encoding encryption entry env error expiration expired expires expiry failed failure field file \
    filename form format header hint history id incorrect input invalid label last length level limit link login management \
    manager max method min minimum mode model name names path pattern policy prefix prompt protection provider recovery ref \
    regex request requirement requirements reset rotation rule rules salt schedule scheme screen size source status store \
    strength ticket ttl type url validator version wrong \
    ablauf ablaufdatum abgelaufen änderung datei falsch fehler fehlgeschlagen länge mindestlänge pfad regeln richtlinie \
    richtlinien ungültig wechsel archivo caduca incorrecta longitud política fichier longueur politique incorrect";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Sign,
    /// A part of a sentence.
    Prose,
    /// Nothing but a space.
    Bare,
    /// A sign behind a longer name.
    Tail,
    /// Words before the sign, or a dash.
    Words,
    /// A word such as "to", which a verb of change has to be near.
    Change,
}

pub(super) struct Joint {
    pub(super) way: Way,
    /// Whether the value ends at the next tag.
    pub(super) tag: bool,
    /// Where the value begins.
    pub(super) end: usize,
}

/// All that may join the name that ends at `at` with a value, the likeliest first; words only behind a name that is `said`.
pub(super) fn joints(text: &str, at: usize, said: bool) -> impl Iterator<Item = Joint> {
    let rest = window_after(text, at, REACH);
    let ways: [(&Regex, Way); 6] = [
        (&SIGN, Way::Sign),
        (&BARE, Way::Bare),
        (&TAIL, Way::Tail),
        (&WORDS, Way::Words),
        (&DASH, Way::Words),
        (&CHANGE, Way::Change),
    ];
    let spoken = |way: Way| matches!(way, Way::Words | Way::Change);
    let ways = ways
        .into_iter()
        .filter(move |(_, way)| said || !spoken(*way));
    ways.filter_map(move |(pattern, way)| {
        let groups = pattern.captures(rest)?;
        if groups
            .name("more")
            .is_some_and(|more| is_about(more.as_str()))
        {
            return None;
        }
        let prose = groups.name("prose").is_some();
        Some(Joint {
            way: if prose { Way::Prose } else { way },
            tag: groups.name("tag").is_some(),
            end: at + groups.get(0)?.end(),
        })
    })
}

fn is_about(words: &str) -> bool {
    let words = words.to_lowercase();
    words
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| ABOUT.split_whitespace().any(|about| about == word))
}
