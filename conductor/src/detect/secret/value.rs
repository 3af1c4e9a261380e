//! Where a secret's value ends, and what is none wherever it stands.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    super::pattern::{compiled, is_placeholder},
    entropy::is_random,
};

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

/// The file that a secret is in: an absolute path of two parts or more, or the name of a key's file.
static PATH: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"^(?:(?:~|\.{1,2})?(?:/[A-Za-z0-9._-]+){2,}/?|[A-Za-z]:(?:\\[A-Za-z0-9._-]+)+",
        r"|[A-Za-z0-9._/-]+\.(?:pem|key|crt|cer|p12|pfx|jks|ppk))$",
    ))
});

static DATE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^(?:[0-9]{4}([-./])[0-9]{1,2}[-./][0-9]{1,2}|[0-9]{1,2}[-./][0-9]{1,2}[-./][0-9]{2,4})(?:T.*)?$",
    )
});

/// What follows a secret's name when a text explains the name or says what became of the secret.
const NO_VALUES: &str = "accepted changed correct default disabled enabled expired forgotten hidden incorrect invalid locked \
    masked missing optional passed redacted rejected removed required string success undefined unknown updated withheld \
    abgelaufen aktiviert deaktiviert erforderlich falsch fehlerhaft geändert gesperrt ungültig unbekannt vergessen zurückgesetzt \
    bloqueada caducada cambiada errónea incorrecta inválida obligatoria olvidada requerida \
    changé expiré incorrect invalide oublié obligatoire erroné errata mancante obbligatoria richiesta scaduta sbagliata \
    gewijzigd ongeldig onjuist vereist vergeten verlopen expirada incorreta obrigatória";

/// Longer than any value without a space that a person or a file has.
const LONGEST: usize = 4096;

/// What stands where a secret's value would.
pub(super) struct Value<'t> {
    pub(super) span: Range<usize>,
    pub(super) text: &'t str,
    pub(super) quoted: bool,
}

impl<'t> Value<'t> {
    /// From `start` to its closing quote or else to white space.
    pub(super) fn at(text: &'t str, start: usize) -> Self {
        let rest = &text[start..];
        let opening = rest.trim_start_matches('\\');
        let quote = opening
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\'' | '`'));
        let Some(quote) = quote else {
            let word = until(rest, char::is_whitespace);
            // The next field of JSON.
            let word = word.split_once(",\"").map_or(word, |(value, _)| value);
            let word = if word.starts_with('[') {
                word
            } else {
                word.trim_end_matches(ends_sentence)
            };
            return Self::of(text, start, word.len(), false);
        };
        let from = start + rest.len() - opening.len() + 1;
        let line = until(&text[from..], |c| c == '\n');
        match line.find(quote) {
            Some(length) => {
                let inner = line[..length].trim_end_matches('\\');
                Self::of(text, from, inner.len(), true)
            }
            None => {
                let inner = until(&text[from..], char::is_whitespace);
                Self::of(text, from, inner.len(), false)
            }
        }
    }

    fn of(text: &'t str, start: usize, length: usize, quoted: bool) -> Self {
        Self {
            span: start..start + length,
            text: &text[start..start + length],
            quoted,
        }
    }

    /// The same as far as the next tag.
    pub(super) fn before_tag(self) -> Self {
        let end = self.text.find('<').unwrap_or(0);
        Self {
            span: self.span.start..self.span.start + end,
            text: &self.text[..end],
            quoted: self.quoted,
        }
    }

    pub(super) fn length(&self) -> usize {
        self.text.chars().count()
    }

    pub(super) fn has_digit(&self) -> bool {
        self.text.contains(char::is_numeric)
    }

    pub(super) fn has_letter(&self) -> bool {
        self.text.contains(char::is_alphabetic)
    }

    pub(super) fn has_mark(&self) -> bool {
        self.text
            .contains(|c: char| !c.is_alphanumeric() && !"-'’_".contains(c))
    }

    /// Whether it looks like a password even where little says that it is one. What ends with a sign is the next name.
    pub(super) fn is_strong(&self) -> bool {
        let name = self.text.ends_with([':', '=']);
        self.length() >= 6 && self.has_digit() && self.has_letter() && !name && !self.is_date()
    }

    pub(super) fn is_date(&self) -> bool {
        DATE.is_match(self.text)
    }

    pub(super) fn explains(&self) -> bool {
        let word = self.text.to_lowercase();
        NO_VALUES.split_whitespace().any(|known| known == word)
    }

    /// Whether it is no secret, whatever its name: another's name, a place for one, a file, a mask, a line of a table.
    pub(super) fn is_none(&self) -> bool {
        let value = self.text;
        let named = value
            .strip_suffix([':', '='])
            .is_some_and(|name| name.chars().all(char::is_alphabetic));
        // The line below the headings of a table.
        let rule = value.chars().all(|c| "|-:+=".contains(c));
        let tag = value.starts_with("</");
        named
            || rule
            || tag
            || is_mask(value)
            || is_placeholder(value)
            || TEMPLATE.is_match(value)
            || VARIABLE.is_match(value)
            || is_path(value)
    }
}

/// `********`, `xxxxxxxx`.
fn is_mask(value: &str) -> bool {
    let first = value.chars().next();
    let masks = |c: char| matches!(c, 'x' | 'X') || !c.is_alphanumeric();
    first.is_none_or(masks) && value.chars().all(|c| Some(c) == first)
}

/// A path has no random parts: a key in base64 may have slashes too.
pub(super) fn is_path(value: &str) -> bool {
    PATH.is_match(value) && !is_random(value, true)
}

/// The start of `text` up to where `ends` holds, of a bounded length.
fn until(text: &str, ends: impl Fn(char) -> bool) -> &str {
    let end = text
        .char_indices()
        .enumerate()
        .find(|(count, (_, c))| *count == LONGEST || ends(*c))
        .map_or(text.len(), |(_, (at, _))| at);
    &text[..end]
}

fn ends_sentence(c: char) -> bool {
    matches!(
        c,
        '.' | ',' | ';' | ')' | ']' | '}' | '>' | '"' | '\'' | '`'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_none_and_a_key_with_slashes_is_none() {
        for (value, path) in [
            ("/home/ana", true),
            ("/etc/ssl/private/opcua.pem", true),
            ("~/.ssh/id_rsa", true),
            (r"C:\keys\plc7", true),
            ("client.key", true),
            ("/Sommer2024", false),
            ("/bPxRfiCYEXAMPLEKEYwJal/rXUtn3F9EM2I7K8", false),
        ] {
            assert_eq!(is_path(value), path, "{value}");
        }
    }

    #[test]
    fn a_mask_is_of_one_character() {
        assert!(is_mask("********") && is_mask("xxxxxx"));
        assert!(!is_mask("11111111") && !is_mask("aaaaaa") && !is_mask("**a**"));
    }
}
