//! TOML files that people write: errors with line and column, and a suggestion where a key is misspelt.

use serde::de::DeserializeOwned;

/// What is wrong with a TOML text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct DocumentError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// One sentence, with a suggestion where there is one.
    pub message: String,
}

/// Reads `text` as a `T`.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, DocumentError> {
    toml::from_str(text).map_err(|error| {
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        DocumentError {
            line,
            column,
            message: with_suggestion(error.message()),
        }
    })
}

/// Line and column of a byte offset, both from 1.
#[must_use]
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// The known name that `name` was probably meant to be.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Serde names the unknown key first and the known ones after it, each in backticks.
fn with_suggestion(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted
        .next()
        .filter(|_| message.starts_with("unknown field") || message.starts_with("unknown variant"));
    match unknown.and_then(|name| nearest(name, quoted)) {
        Some(meant) => format!("{message}; did you mean `{meant}`?"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        clearance: u8,
        price: Option<u8>,
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line_and_the_nearest_known_one() {
        let error = read::<Sample>("price = 1\nclearence = 2\n").unwrap_err();
        assert_eq!((error.line, error.column), (2, 1));
        assert!(
            error.message.ends_with("did you mean `clearance`?"),
            "{error}"
        );
    }

    #[test]
    fn a_key_like_no_other_gets_no_suggestion() {
        let error = read::<Sample>("zebra = 1\n").unwrap_err();
        assert!(!error.message.contains("did you mean"), "{error}");
    }
}
