//! Where a word begins and ends.

use std::ops::Range;

/// Whether the characters beside `span` belong to the same word, so that it is but a part of something else.
pub(crate) fn inside_word(text: &str, span: &Range<usize>) -> bool {
    let inner = &text[span.clone()];
    // One character of such a script is a part of too many words.
    let spaceless = inner.chars().nth(1).is_some();
    let joined = |outer: Option<char>, edge: Option<char>| {
        outer.is_some_and(joins) && !(spaceless && (is_spaceless(outer) || is_spaceless(edge)))
    };
    joined(text[..span.start].chars().next_back(), inner.chars().next())
        || joined(text[span.end..].chars().next(), inner.chars().next_back())
}

/// What stands before `at`, up to `reach` bytes.
pub(super) fn window_before(text: &str, at: usize, reach: usize) -> &str {
    let mut start = at.saturating_sub(reach);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..at]
}

/// What stands behind `at`, up to `reach` bytes.
pub(super) fn window_after(text: &str, at: usize, reach: usize) -> &str {
    let mut end = text.len().min(at + reach);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[at..end]
}

/// Whether a word goes on with this character.
pub(super) fn joins(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether it is of a script that puts no space between words, or hangs particles on them as Korean does.
pub(super) fn is_spaceless(c: Option<char>) -> bool {
    matches!(
        c,
        Some(
            '\u{e00}'..='\u{fff}' // Thai, Lao, Tibetan.
            | '\u{1000}'..='\u{109f}' // Burmese.
            | '\u{1100}'..='\u{11ff}' // Hangul, in parts.
            | '\u{1780}'..='\u{17ff}' // Khmer.
            | '\u{2e80}'..='\u{2fdf}' // Radicals of Han.
            | '\u{3005}'..='\u{3007}'
            | '\u{3040}'..='\u{31ff}' // Hiragana, Katakana, Bopomofo, Hangul in parts.
            | '\u{3400}'..='\u{4dbf}' // Han.
            | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7ff}' // Hangul.
            | '\u{f900}'..='\u{faff}'
            | '\u{ff66}'..='\u{ff9f}' // Half-width Katakana.
            | '\u{20000}'..='\u{3ffff}' // Han.
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(text: &str, part: &str) -> bool {
        let start = text.find(part).unwrap();
        inside_word(text, &(start..start + part.len()))
    }

    #[test]
    fn a_part_of_a_word_is_inside_it_but_scripts_without_spaces_have_no_such_parts() {
        assert!(inside("banana", "ana"));
        assert!(inside("x_ana", "ana"));
        assert!(!inside("ana's", "ana"));
        assert!(!inside("田中さんが", "田中"));
        assert!(!inside("请问Ana在吗", "Ana"));
        assert!(!inside("김철수가", "김철수"));
        assert!(inside("山田", "田"));
    }
}
