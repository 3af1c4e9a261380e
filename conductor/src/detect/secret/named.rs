//! What a text itself calls a secret.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::super::{
    Kind,
    pattern::{Raw, compiled, is_placeholder},
};

/// `password: …`, `DB_PASS=…`, `API key is …`: what names a secret, and what stands between the name and its value.
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?i)(?:",
        r"(?<plain>pass(?:word|wd|wort|phrase|code)|kennwort|pwd|api[ _-]?key",
        r"|(?:access|private|secret|encryption|signing)[ _-]?(?:access[ _-]?)?key|secret",
        r"|contraseña|mot de passe|wachtwoord|senha|пароль|密码|パスワード)",
        // A boundary of Unicode's would make the whole search slow.
        r"|(?<vague>token|pass|(?-u:\b)(?:pw|mdp|clave)(?-u:\b)))",
        r"(?:",
        r#"["'`\\\]*_]{0,4}\s{0,4}(?:=>|->|:=|==?|:|：)[*_]{0,2}\s{0,4}"#,
        // `"name": "…", "value": "…"`, and the same in YAML.
        r#"|["']?,?\s{1,24}["']?value["']?\s{0,4}[:=]\s{0,4}|["'],["']value["']\s{0,4}:\s{0,4}"#,
        r"|(?<tag>>)",
        // A sentence, or a cell beside its heading.
        r"|(?<prose>\s{1,4}(?:[^\s.:;,=]{1,24}\s){0,4}?(?:is|ist|lautet|was|war|est|es|é|è):?\s{1,4}|\s{0,2}\|\s{0,4})",
        r"|(?<bare>[ \t]{1,2}))",
    ))
});

/// A variable that holds a secret, such as `self.password`, rather than the secret.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)^[^a-z0-9]*(?:[a-z_]+[._])?(?:password|passwd|pwd|secret|api_?key|token)[^a-z0-9]*$",
    )
});

/// A place where a program puts the secret: `{token}`, `${TOKEN}`, `<token>`, `%TOKEN%`.
static TEMPLATE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"^(?:\$?\{\{?\s?[A-Za-z_.]+\s?\}|\$[A-Z_]+$|<[A-Za-z_ -]+>|%[A-Z_]+%)")
});

/// What follows a secret's name when a text explains the name.
const NO_VALUES: [&str; 14] = [
    "changed",
    "default",
    "enabled",
    "expired",
    "incorrect",
    "invalid",
    "missing",
    "optional",
    "required",
    "string",
    "undefined",
    "unknown",
    "disabled",
    "forgotten",
];

/// What stands before "pass" where it is one of several, as of a tool: the number behind it is a reading.
const PASSES: [&str; 24] = [
    "1st",
    "2nd",
    "3rd",
    "4th",
    "by",
    "cleaning",
    "cutting",
    "each",
    "final",
    "finishing",
    "first",
    "fourth",
    "grinding",
    "last",
    "milling",
    "next",
    "of",
    "per",
    "previous",
    "rolling",
    "roughing",
    "second",
    "third",
    "welding",
];

/// Longer than any value without a space that a person or a file has.
const LONGEST_VALUE: usize = 4096;

/// Adds the value of each name: the value alone is the finding.
pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    let mut at = 0;
    while let Some(groups) = NAME.captures_at(text, at) {
        let Some(whole) = groups.get(0) else { break };
        let (mut value, quoted) = value(text, whole.end());
        if groups.name("tag").is_some() {
            let end = text[value.clone()].find('<').unwrap_or(0);
            value.end = value.start + end;
        }
        let vague = groups.name("vague").is_some()
            && !is_variable(&text[..whole.start()], &text[whole.range()]);
        let name = Name {
            vague,
            prose: groups.name("prose").is_some(),
            bare: groups.name("bare").is_some(),
            many: vague && is_one_of_many(&text[..whole.start()], &text[whole.range()]),
            starts_word: !text[..whole.start()].ends_with(char::is_alphanumeric),
        };
        at = whole.end();
        if name.has(&text[value.clone()], quoted) {
            at = value.end;
            found.push((value, Kind::API_KEY));
        }
    }
}

/// Whether a field such as `password: ` has the name of a secret; a vague one counts where something else vouches for it.
pub(in super::super) fn is_named_by(field: &str, vouched: impl Fn() -> bool) -> bool {
    NAME.captures_iter(field).any(|groups| {
        let last = groups
            .get(0)
            .is_some_and(|whole| whole.end() == field.len());
        last && groups.name("bare").is_none() && (groups.name("vague").is_none() || vouched())
    })
}

/// Whether the word before a name makes it one of several passes.
fn is_one_of_many(before: &str, name: &str) -> bool {
    let word = before
        .trim_end_matches(' ')
        .rsplit(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    name.get(..4)
        .is_some_and(|head| head.eq_ignore_ascii_case("pass"))
        && PASSES.contains(&word.to_lowercase().as_str())
}

/// `DB_PASS`, but not `next_token`: parsers and models have many tokens that are no secrets.
fn is_variable(before: &str, name: &str) -> bool {
    before.ends_with('_')
        && name
            .get(..4)
            .is_some_and(|head| head.eq_ignore_ascii_case("pass"))
}

/// The value that begins at `start`, to its closing quote or else to white space, and whether it has quotes.
fn value(text: &str, start: usize) -> (Range<usize>, bool) {
    let rest = &text[start..];
    let opening = rest.trim_start_matches('\\');
    if let Some(quote) = opening
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\'' | '`'))
    {
        let from = start + rest.len() - opening.len() + 1;
        let line = until(&text[from..], |c| c == '\n');
        if let Some(length) = line.find(quote) {
            let inner = line[..length].trim_end_matches('\\');
            return (from..from + inner.len(), true);
        }
        let inner = until(&text[from..], char::is_whitespace);
        return (from..from + inner.len(), false);
    }
    let word = until(rest, char::is_whitespace);
    let word = if word.starts_with('[') {
        word
    } else {
        word.trim_end_matches(ends_sentence)
    };
    (start..start + word.len(), false)
}

/// The start of `text` up to where `ends` holds, of a bounded length.
fn until(text: &str, ends: impl Fn(char) -> bool) -> &str {
    let end = text
        .char_indices()
        .take(LONGEST_VALUE)
        .find(|(_, c)| ends(*c))
        .map_or_else(
            || {
                text.char_indices()
                    .nth(LONGEST_VALUE)
                    .map_or(text.len(), |(at, _)| at)
            },
            |(at, _)| at,
        );
    &text[..end]
}

fn ends_sentence(c: char) -> bool {
    matches!(
        c,
        '.' | ',' | ';' | ')' | ']' | '}' | '>' | '"' | '\'' | '`'
    )
}

/// How a text names a secret.
struct Name {
    /// It names other things as well.
    vague: bool,
    /// It is a part of a sentence.
    prose: bool,
    /// Nothing but a space stands behind it.
    bare: bool,
    /// It is rather a pass of a tool.
    many: bool,
    starts_word: bool,
}

impl Name {
    /// Whether `value` can be what the name stands for.
    fn has(&self, value: &str, quoted: bool) -> bool {
        let length = value.chars().count();
        let digit = value.contains(|c: char| c.is_numeric());
        let letter = value.contains(char::is_alphabetic);
        let mark = value.contains(|c: char| !c.is_alphanumeric() && !"-'’_".contains(c));
        // The next name.
        let named = value
            .strip_suffix([':', '='])
            .is_some_and(|name| name.chars().all(char::is_alphabetic));
        // The line below the headings of a table.
        let rule = value.chars().all(|c| "|-:+=".contains(c));
        if length < 4
            || named
            || rule
            || is_placeholder(value)
            || TEMPLATE.is_match(value)
            || VARIABLE.is_match(value)
            || (self.vague && !self.starts_word)
        {
            return false;
        }
        if self.bare {
            return !self.vague && !quoted && digit && letter && length >= 6 && self.starts_word;
        }
        if self.vague {
            let digits = length >= 6 && !mark && !self.many;
            return digit && (letter && !value.contains(['(', '[']) || digits);
        }
        if quoted || digit || mark {
            return true;
        }
        !self.prose && length >= 6 && !NO_VALUES.contains(&value.to_lowercase().as_str())
    }
}

#[cfg(test)]
mod tests {
    fn secrets(text: &str) -> Vec<(&str, String)> {
        let mut found = Vec::new();
        // With all of the folder's parent, since a scheme or an address may name one too.
        super::super::find(text, &mut found);
        found.sort_by_key(|(span, _)| span.start);
        found.dedup();
        found
            .into_iter()
            .map(|(span, kind)| (&text[span], kind.to_string()))
            .collect()
    }

    #[test]
    fn a_value_is_found_whole_whatever_its_name() {
        for (text, value) in [
            (
                "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG",
                "wJalrXUtnFEMI/K7MDENG",
            ),
            ("API key: 8f3a91c2d4", "8f3a91c2d4"),
            ("access token: s3cr3t99", "s3cr3t99"),
            ("token: s3cr3t99", "s3cr3t99"),
            ("secret key: s3cr3t99", "s3cr3t99"),
            ("DB_PASS=swordfish", "swordfish"),
            ("passphrase: correcthorse", "correcthorse"),
            ("Kennwort: Sommer", "Sommer"),
            ("private_key = 99ab77", "99ab77"),
            ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
            ("password is hunter22", "hunter22"),
            ("postgres://ana:s3c@r3t@plc7/db", "s3c@r3t"),
            ("redis://:hunter2@10.0.0.5:6379", "hunter2"),
            ("password: hunter2,secret99", "hunter2,secret99"),
            (
                "password = 'correct horse battery'",
                "correct horse battery",
            ),
            ("password: hun,ter2secret", "hun,ter2secret"),
            ("{\"password\": \"hun ter,2\"}", "hun ter,2"),
            ("{\\\"password\\\": \\\"hun ter\\\"}", "hun ter"),
            ("(password: hunter22).", "hunter22"),
            ("secret: password: hunter22", "hunter22"),
            ("пароль: лето2026", "лето2026"),
            ("password hunter22", "hunter22"),
            ("The password for the PLC is hunter22.", "hunter22"),
            ("Le mot de passe est hunter22", "hunter22"),
            ("Password is: hunter22", "hunter22"),
            ("password -> hunter22", "hunter22"),
            ("**Password:** hunter22", "hunter22"),
            ("`password`: `hunter22`", "hunter22"),
            ("<password>hunter22</password>", "hunter22"),
            ("| Password | hunter22 |", "hunter22"),
            ("{\"name\":\"password\",\"value\":\"hunter22\"}", "hunter22"),
            ("- name: DB_PASSWORD\n  value: hunter22", "hunter22"),
            ("pw: hunter22", "hunter22"),
            ("wifi pass: 25000000", "25000000"),
        ] {
            assert_eq!(secrets(text), [(value, "api_key".to_owned())], "{text}");
        }
    }

    #[test]
    fn words_about_secrets_are_none() {
        for text in [
            "the password is wrong.",
            "the password is case-sensitive",
            "token: the",
            "max_tokens: 512",
            "max_token: 512",
            "next_token: identifier",
            "token = parser.next(1)",
            "pass: 12 of 20",
            "pass: 12/20",
            "First pass: 250000",
            "roughing pass = 250000",
            "bypass: 1200kHz7",
            "password: required",
            "password = self.password",
            "api_key=api_key",
            "password: <your_password>",
            "client_secret={client_secret}&code={code}",
            "PASSWORD=${DB_PASSWORD}",
            "basic information",
            "Secretary: Johnson",
            "http://host:80/x@y",
            "password: [API_KEY_1],",
            "| Password | Description |",
            "| Password |\n|---|---|",
            "password reset on 12 May",
            "the password field is required",
            "API key v2",
            "<password>",
        ] {
            assert!(secrets(text).is_empty(), "{text}: {:?}", secrets(text));
        }
    }
}
