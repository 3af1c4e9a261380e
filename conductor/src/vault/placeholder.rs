//! How a placeholder looks, and the ways in which models write one back.
//!
//! Ours is `[TYPE_n]`. Models change its case, and those that write Markdown put a backslash before brackets and
//! underscores, which is doubled where the Markdown stands in JSON.

use std::ops::Range;

/// The longest placeholder, in bytes: a type of 32, gender, number, and a backslash or two before each underscore.
pub const MAX_PLACEHOLDER: usize = 128;

/// The most backslashes that stand before one character.
const ESCAPES: usize = 2;

/// A piece of text that has the form of a placeholder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// Where.
    pub span: Range<usize>,
    /// As we would have written it.
    pub placeholder: String,
}

/// All pieces of `text` that have the form, in order. Takes linear time.
pub(super) fn written(text: &str) -> impl Iterator<Item = Written> {
    text.match_indices('[')
        .filter_map(|(open, _)| read(text, open))
}

fn read(text: &str, open: usize) -> Option<Written> {
    let bytes = text.as_bytes();
    let mut placeholder = String::from("[");
    let mut escapes = 0;
    for (at, &byte) in bytes.iter().enumerate().skip(open + 1) {
        if at - open >= MAX_PLACEHOLDER {
            return None;
        }
        match byte {
            b'\\' if escapes < ESCAPES => {
                escapes += 1;
                continue;
            }
            b']' => {
                placeholder.push(']');
                // Both brackets are escaped or neither: a lone backslash before one is the user's, as in `CORP\[NAME_1]`.
                let before = escapes.min(backslashes(&text[..open]));
                if escapes > 0 && before == 0 {
                    return None;
                }
                return Some(Written {
                    span: open - before..at + 1,
                    placeholder,
                });
            }
            b'_' => placeholder.push('_'),
            byte if byte.is_ascii_alphanumeric() && escapes == 0 => {
                placeholder.push(char::from(byte.to_ascii_uppercase()));
            }
            _ => return None,
        }
        escapes = 0;
    }
    None
}

/// How many backslashes `text` ends with, up to [`ESCAPES`].
fn backslashes(text: &str) -> usize {
    let backwards = text.bytes().rev();
    backwards
        .take(ESCAPES)
        .take_while(|&byte| byte == b'\\')
        .count()
}

/// From where on `text` may be the beginning of a placeholder whose rest is still to come; its length if nowhere.
pub(super) fn unfinished(text: &str) -> usize {
    let open = text.rfind('[').filter(|&open| {
        let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'\\');
        text.len() - open < MAX_PLACEHOLDER && text.as_bytes()[open + 1..].iter().all(inner)
    });
    let from = open.unwrap_or(text.len());
    from - backslashes(&text[..from])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(&str, String)> {
        let found = written(text).map(|one| (&text[one.span], one.placeholder));
        found.collect()
    }

    #[test]
    fn a_placeholder_is_read_in_every_way_that_models_write_it() {
        for way in [
            "[EMAIL_1]",
            "[email_1]",
            "[Email_1]",
            r"\[EMAIL\_1\]",
            r"\[EMAIL_1\]",
            r"\\[EMAIL\\_1\\]",
            r"[EMAIL\_1]",
        ] {
            let text = format!("to {way}, now");
            assert_eq!(all(&text), [(way, "[EMAIL_1]".to_owned())], "{way}");
        }
    }

    #[test]
    fn a_backslash_of_the_user_stays_outside() {
        assert_eq!(
            all(r"C:\Users\[PERSON_1]\Documents"),
            [("[PERSON_1]", "[PERSON_1]".to_owned())]
        );
        assert!(all(r"[EMAIL_1\] [a-b] [EMAIL_1 [EM\AIL_1]").is_empty());
    }

    #[test]
    fn what_is_too_long_is_none() {
        assert!(all(&format!("[{}]", "A".repeat(MAX_PLACEHOLDER))).is_empty());
        assert_eq!(
            all(&format!("[{}]", "A".repeat(MAX_PLACEHOLDER - 2))).len(),
            1
        );
    }
}
