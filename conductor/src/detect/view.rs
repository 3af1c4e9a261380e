//! A text as it is to be read, and where each of its bytes comes from.

use std::{borrow::Cow, ops::Range};

use super::glyph::{is_invisible, latin, plain};

/// Fewer single characters in a row are initials or a list.
const FEWEST_SINGLES: usize = 7;

/// A text made from another one.
#[derive(Debug)]
pub(super) struct View<'t> {
    pub(super) text: Cow<'t, str>,
    /// In order; where there is none, the text is the original.
    pieces: Vec<Piece>,
}

/// A part of the made text.
#[derive(Debug)]
struct Piece {
    /// Where it begins in the made text.
    at: usize,
    /// What it comes from.
    from: Range<usize>,
    /// Whether it is the same byte for byte; else any part of it comes from all of `from`.
    same: bool,
}

impl<'t> View<'t> {
    /// The text itself.
    pub(super) fn verbatim(text: &'t str) -> Self {
        Self {
            text: Cow::Borrowed(text),
            pieces: Vec::new(),
        }
    }

    /// The text with one kind of space, dash and digit; character by character, so that nothing moves together.
    pub(super) fn plain(text: &'t str) -> Self {
        if text.is_ascii() || text.chars().all(|c| plain(c) == c) {
            return Self::verbatim(text);
        }
        let mut made = Maker::new();
        for (at, c) in text.char_indices() {
            made.push(plain(c), at..at + c.len_utf8(), plain(c) == c);
        }
        made.view()
    }

    /// The part of the original that a part of this text, which is not empty, comes from.
    pub(super) fn origin(&self, span: &Range<usize>) -> Range<usize> {
        let piece = |at: usize| {
            let after = self.pieces.partition_point(|piece| piece.at <= at);
            self.pieces.get(after.wrapping_sub(1))
        };
        let start = piece(span.start).map_or(span.start, |piece| {
            piece.from.start + if piece.same { span.start - piece.at } else { 0 }
        });
        let end = piece(span.end.saturating_sub(1)).map_or(span.end, |piece| {
            if piece.same {
                piece.from.start + span.end - piece.at
            } else {
                piece.from.end
            }
        });
        start..end
    }

    /// Whether a character of the original is cut in two by `at`.
    pub(super) fn cuts(&self, at: usize) -> bool {
        let after = self.pieces.partition_point(|piece| piece.at <= at);
        at < self.text.len()
            && self
                .pieces
                .get(after.wrapping_sub(1))
                .is_some_and(|piece| !piece.same && piece.at < at)
    }
}

/// Makes a view, piece by piece.
#[derive(Default)]
pub(super) struct Maker {
    text: String,
    pieces: Vec<Piece>,
}

impl Maker {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Adds a character that comes from `from`; `same` if it is what stands there.
    pub(super) fn push(&mut self, c: char, from: Range<usize>, same: bool) {
        self.begin(from, same);
        self.text.push(c);
    }

    /// Adds what stands at `from` in `original`.
    pub(super) fn keep(&mut self, original: &str, from: Range<usize>) {
        if !from.is_empty() {
            self.begin(from.clone(), true);
            self.text.push_str(&original[from]);
        }
    }

    /// Adds a text that comes from `from` as a whole.
    pub(super) fn put(&mut self, made: &str, from: Range<usize>) {
        if !made.is_empty() {
            self.begin(from, false);
            self.text.push_str(made);
        }
    }

    /// Lets the last piece come from what stands up to `end` as well.
    pub(super) fn stretch(&mut self, end: usize) {
        let length = self.text.len();
        let Some(last) = self.pieces.last_mut() else {
            return;
        };
        if !last.same {
            last.from.end = last.from.end.max(end);
            return;
        }
        // The last character becomes a piece of its own.
        let size = self.text.chars().next_back().map_or(0, char::len_utf8);
        let at = length - size;
        let start = last.from.start + at - last.at;
        last.from.end = start;
        if last.at == at {
            self.pieces.pop();
        }
        self.pieces.push(Piece {
            at,
            from: start..end.max(start + size),
            same: false,
        });
    }

    fn begin(&mut self, from: Range<usize>, same: bool) {
        if let Some(last) = self.pieces.last_mut()
            && same
            && last.same
            && last.from.end == from.start
        {
            last.from.end = from.end;
            return;
        }
        self.pieces.push(Piece {
            at: self.text.len(),
            from,
            same,
        });
    }

    pub(super) fn view(self) -> View<'static> {
        View {
            text: Cow::Owned(self.text),
            pieces: self.pieces,
        }
    }
}

/// The text without what is not seen, and with Latin letters in place of their look-alikes in words that are Latin or
/// a number otherwise; `None` if that is the same.
pub(super) fn bare(text: &str) -> Option<View<'static>> {
    if text.is_ascii() || !text.chars().any(|c| is_invisible(c) || latin(c).is_some()) {
        return None;
    }
    let mut made = Maker::new();
    let mut changed = false;
    let mut at = 0;
    while at < text.len() {
        let word = word_length(&text[at..]);
        let is_latin = reads_as_latin(&text[at..at + word]);
        for (offset, c) in text[at..at + word].char_indices() {
            let from = at + offset..at + offset + c.len_utf8();
            if is_invisible(c) {
                changed = true;
            } else if let Some(c) = latin(c).filter(|_| is_latin) {
                changed = true;
                made.push(c, from, false);
            } else {
                made.push(c, from, true);
            }
        }
        at += word;
    }
    changed.then(|| made.view())
}

/// How far the word at the start of `text` goes, with what is not seen inside it; or one other character.
fn word_length(text: &str) -> usize {
    let word = |c: char| c.is_alphanumeric() || is_invisible(c);
    let length = text.find(|c| !word(c)).unwrap_or(text.len());
    if length > 0 {
        length
    } else {
        text.chars().next().map_or(0, char::len_utf8)
    }
}

/// Whether a word has something Latin in it, or could be Latin as a whole.
fn reads_as_latin(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_alphanumeric())
        || word.chars().all(|c| latin(c).is_some() || is_invisible(c))
}

/// The text with rows of single characters, such as `4 1 1 1`, `4.1.1.1` or `j a n e`, made words; `None` if it has
/// no such row.
pub(super) fn closed_up(text: &str) -> Option<View<'static>> {
    let mut made = Maker::new();
    let mut kept = 0;
    let mut at = 0;
    while at < text.len() {
        let row = row(text, at);
        if row.len() >= FEWEST_SINGLES {
            made.keep(text, kept..at);
            for &single in &row {
                let size = text[single..].chars().next().map_or(1, char::len_utf8);
                made.keep(text, single..single + size);
                kept = single + size;
            }
            at = kept;
        } else {
            // A row that is too short does not begin a longer one at its second character.
            at = row.last().copied().unwrap_or(at);
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    (kept > 0).then(|| {
        made.keep(text, kept..text.len());
        made.view()
    })
}

/// Where the characters are of the row of single ones that begins at `start`.
fn row(text: &str, start: usize) -> Vec<usize> {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    let bytes = text.as_bytes();
    let digit = bytes[start].is_ascii_digit();
    if !bytes[start].is_ascii_alphanumeric() || text[..start].ends_with(joins) {
        return Vec::new();
    }
    let separator = match bytes.get(start + 1) {
        Some(b' ') => b' ',
        Some(&byte @ (b'.' | b'-' | b'_' | b'/' | b',' | b'*'))
            if digit
                && !text[..start]
                    .strip_suffix(char::from(byte))
                    .is_some_and(|before| before.ends_with(joins)) =>
        {
            byte
        }
        _ => return Vec::new(),
    };
    let mut row = vec![start];
    let mut at = start + 1;
    loop {
        let gap = bytes[at..]
            .iter()
            .take(3)
            .take_while(|&&byte| byte == separator)
            .count();
        let next = at + gap;
        let single = |byte: &u8| {
            byte.is_ascii_digit()
                || (separator == b' ' && (byte.is_ascii_alphanumeric() || b"@.-_+".contains(byte)))
        };
        if gap == 0 || !bytes.get(next).is_some_and(single) || text[next + 1..].starts_with(joins) {
            return row;
        }
        row.push(next);
        at = next + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part<'o>(original: &'o str, view: &View<'_>, part: &str) -> &'o str {
        let start = view.text.find(part).unwrap();
        &original[view.origin(&(start..start + part.len()))]
    }

    #[test]
    fn what_is_read_is_mapped_back_to_what_was_written() {
        let text = "Karte ４１１１–2 \u{201e}ok\u{201c}";
        let view = View::plain(text);
        assert!(view.text.contains("4111-2"));
        assert_eq!(part(text, &view, "4111-2"), "４１１１–2");
        assert_eq!(part(text, &view, "ok"), "ok");
    }

    #[test]
    fn unseen_characters_go_and_lookalikes_become_latin_in_latin_words_alone() {
        let text = "j\u{200b}аne Привет АВ12 Жора";
        let view = bare(text).unwrap();
        assert_eq!(view.text, "jane Привет AB12 Жора");
        assert_eq!(part(text, &view, "jane"), "j\u{200b}аne");
        assert!(bare("Привет, Müller").is_none());
    }

    #[test]
    fn rows_of_single_characters_become_words() {
        let text = "card 4 1 1 1  1 1 1 1 now";
        let view = closed_up(text).unwrap();
        assert_eq!(view.text, "card 41111111 now");
        assert_eq!(part(text, &view, "41111111"), "4 1 1 1  1 1 1 1");
        let text = "0.1.7.1.2.3.4 or j a n e @ c o";
        assert_eq!(closed_up(text).unwrap().text, "0171234 or jane@co");
        assert!(closed_up("a b c d 10 20 30 40 50 60 70").is_none());
        assert!(closed_up("v1.2.3.4.5.6.7.8").is_none());
    }

    proptest! {
        #[test]
        fn any_part_of_a_view_comes_from_whole_characters(text in "[a-f0-9 .é４–\u{200b}АΑ]{0,40}") {
            for view in [Some(View::plain(&text)), bare(&text), closed_up(&text)].into_iter().flatten() {
                let ends: Vec<usize> = view.text.char_indices().map(|(at, _)| at).chain([view.text.len()]).collect();
                for pair in ends.windows(2) {
                    let from = view.origin(&(pair[0]..pair[1]));
                    prop_assert!(!text[from].is_empty());
                }
            }
        }
    }
}
