//! An answer while it is written: bytes in, whole characters out, and nothing past a stop text.

/// Collects an answer and says what of it may be shown already.
#[derive(Debug)]
pub(crate) struct Writing {
    stops: Vec<String>,
    longest: usize,
    /// The beginning of a character whose rest is still to come.
    partial: Vec<u8>,
    text: String,
    shown: usize,
    stopped: bool,
}

impl Writing {
    /// An empty answer that ends before the first of `stops`; empty ones count for nothing.
    pub(crate) fn new(stops: &[String]) -> Self {
        let stops: Vec<_> = stops.iter().filter(|s| !s.is_empty()).cloned().collect();
        Self {
            longest: stops.iter().map(String::len).max().unwrap_or(0),
            stops,
            partial: Vec::new(),
            text: String::new(),
            shown: 0,
            stopped: false,
        }
    }

    /// Takes the next bytes and gives the text that may now be shown, which may be empty.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        if self.stopped {
            return String::new();
        }
        let before = self.text.len();
        self.decode(bytes);
        self.cut(before);
        let end = self.text.len() - self.held();
        self.show(end)
    }

    /// Ends the answer and gives the text that was still held back.
    pub(crate) fn finish(&mut self) -> String {
        if !self.partial.is_empty() && !self.stopped {
            self.text.push(char::REPLACEMENT_CHARACTER);
            self.partial.clear();
        }
        self.show(self.text.len())
    }

    /// Whether a stop text came.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }

    /// The whole answer.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn show(&mut self, end: usize) -> String {
        let piece = self.text.get(self.shown..end).unwrap_or_default();
        let piece = piece.to_owned();
        self.shown += piece.len();
        piece
    }

    fn decode(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        let mut used = 0;
        for chunk in self.partial.utf8_chunks() {
            self.text.push_str(chunk.valid());
            used += chunk.valid().len();
            let invalid = chunk.invalid();
            let unfinished = used + invalid.len() == self.partial.len()
                && std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none());
            if !invalid.is_empty() && !unfinished {
                self.text.push(char::REPLACEMENT_CHARACTER);
                used += invalid.len();
            }
        }
        self.partial.drain(..used);
    }

    /// Cuts the text at the first stop that ends after `before`.
    fn cut(&mut self, before: usize) {
        let start = before.saturating_sub(self.longest);
        let start = self.text.floor_char_boundary(start);
        let tail = self.text.get(start..).unwrap_or_default();
        let first = self.stops.iter().filter_map(|stop| tail.find(stop)).min();
        if let Some(at) = first {
            self.text.truncate(start + at);
            self.stopped = true;
        }
    }

    /// How many of the last bytes may turn out to begin a stop text.
    fn held(&self) -> usize {
        if self.stopped {
            return 0;
        }
        let begins = |stop: &String| {
            (1..stop.len())
                .rev()
                .find(|&n| stop.is_char_boundary(n) && self.text.ends_with(&stop[..n]))
                .unwrap_or(0)
        };
        self.stops.iter().map(begins).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(stops: &[&str], pieces: &[&[u8]]) -> (Vec<String>, String, bool) {
        let stops: Vec<_> = stops.iter().map(|&s| s.to_owned()).collect();
        let mut writing = Writing::new(&stops);
        let mut shown: Vec<_> = pieces.iter().map(|p| writing.push(p)).collect();
        shown.push(writing.finish());
        let stopped = writing.stopped();
        (shown, writing.into_text(), stopped)
    }

    #[test]
    fn a_stop_text_across_pieces_is_never_shown() {
        let (shown, text, stopped) = written(&["END", "\n\n"], &[b"one E", b"N", b"D two"]);
        assert_eq!(shown, ["one ", "", "", ""]);
        assert_eq!(text, "one ");
        assert!(stopped);
    }

    #[test]
    fn what_only_began_like_a_stop_is_shown_after_all() {
        let (shown, text, stopped) = written(&["END"], &[b"one EN", b"Ough EN"]);
        assert_eq!(shown, ["one ", "ENOugh ", "EN"]);
        assert_eq!(text, "one ENOugh EN");
        assert!(!stopped);
    }

    #[test]
    fn the_earliest_of_several_stops_wins() {
        let (_, text, _) = written(&["c", "ab"], &[b"xxabc"]);
        assert_eq!(text, "xx");
    }

    #[test]
    fn a_stop_that_overlaps_itself_is_found() {
        let (shown, text, stopped) = written(&["aab"], &[b"a", b"a", b"a", b"b"]);
        assert_eq!((shown.concat().as_str(), text.as_str()), ("a", "a"));
        assert!(stopped);
    }

    #[test]
    fn characters_split_over_tokens_come_whole() {
        let wave = "\u{1F30A}".as_bytes();
        let (shown, text, _) = written(&[], &[&wave[..1], &wave[1..3], &wave[3..], b"!"]);
        assert_eq!(shown, ["", "", "\u{1F30A}", "!", ""]);
        assert_eq!(text, "\u{1F30A}!");
    }

    #[test]
    fn broken_characters_become_the_replacement_character() {
        let (_, text, _) = written(&[], &[b"a\xFFb", b"\xF0\x9F"]);
        assert_eq!(text, "a\u{FFFD}b\u{FFFD}");
    }

    #[test]
    fn the_pieces_are_the_text() {
        let source = "grüße ENDE der Schicht, EN und E, \u{1F30A} fertig";
        for size in 1..7 {
            let pieces: Vec<_> = source.as_bytes().chunks(size).collect();
            let (shown, text, stopped) = written(&["ENDX", "fertig!"], &pieces);
            assert_eq!(shown.concat(), source);
            assert_eq!(text, source);
            assert!(!stopped);
        }
    }
}
