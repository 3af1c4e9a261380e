//! What the detectors' tests share.

use super::pattern::Raw;

/// The pieces of a text that a detector adds.
pub(super) fn pieces(text: &str, find: impl FnOnce(&mut Vec<Raw>)) -> Vec<&str> {
    let mut found = Vec::new();
    find(&mut found);
    found.into_iter().map(|(span, _)| &text[span]).collect()
}

/// The same, each with its type.
pub(super) fn typed(text: &str, find: impl FnOnce(&mut Vec<Raw>)) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    find(&mut found);
    found
        .into_iter()
        .map(|(span, kind)| (&text[span], kind.to_string()))
        .collect()
}
