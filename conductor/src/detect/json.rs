//! JSON wherever it stands in a text: its values, and by which path each is reached.
//!
//! The scanner gives up nothing that it saw: where a text stops being JSON, what came before counts, and it begins anew with
//! the next bracket. One pass, and at most [`MAX_DEPTH`] levels are told apart; what is deeper belongs to the last of them.

use std::ops::Range;

/// Levels that are told apart.
const MAX_DEPTH: usize = 64;

/// Calls `see` with each value and its place, a text without its quotes. Not with those that consist of placeholders, as
/// after a redaction, which is looked over by these eyes too.
pub(super) fn each(text: &str, see: impl FnMut(Place<'_>, Range<usize>)) {
    if !text.contains(['{', '[']) {
        return;
    }
    Scan {
        text: text.as_bytes(),
        see,
        stack: Vec::new(),
        key: None,
    }
    .run();
}

/// Where in the JSON a value stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    stack: &'a [Level],
    key: Option<&'a str>,
}

impl Place<'_> {
    /// The names that lead to it; a list's members have none, nor has the outermost level.
    pub(super) fn names(&self) -> impl DoubleEndedIterator<Item = Option<&str>> {
        let outer = self.stack.iter().skip(1).map(|level| level.name.as_deref());
        outer.chain((!self.stack.is_empty()).then_some(self.key))
    }

    /// Where the objects and lists around it begin, the outermost first.
    pub(super) fn starts(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.stack.iter().map(|level| level.start)
    }
}

/// An object or list that is open.
#[derive(Debug)]
struct Level {
    /// By which name it was reached; a list's members have none.
    name: Option<String>,
    list: bool,
    start: usize,
}

struct Scan<'a, F> {
    text: &'a [u8],
    see: F,
    stack: Vec<Level>,
    /// The name that the next value has.
    key: Option<String>,
}

impl<F: FnMut(Place<'_>, Range<usize>)> Scan<'_, F> {
    fn run(mut self) {
        let mut at = 0;
        while at < self.text.len() {
            at = match self.text[at] {
                b'{' | b'[' => {
                    if self.stack.len() < MAX_DEPTH {
                        let name = self.key.take();
                        let list = self.text[at] == b'[';
                        self.stack.push(Level {
                            name,
                            list,
                            start: at,
                        });
                    }
                    at + 1
                }
                b'}' | b']' => {
                    self.close(at + 1);
                    at + 1
                }
                _ if self.stack.is_empty() => at + 1,
                b'"' => self.string(at),
                b',' => {
                    self.key = None;
                    at + 1
                }
                b if b.is_ascii_whitespace() || b == b':' => at + 1,
                _ => self.bare(at),
            };
        }
        // What was never closed counts as far as it goes.
        while !self.stack.is_empty() {
            self.close(self.text.len());
        }
    }

    fn close(&mut self, end: usize) {
        let Some(level) = self.stack.pop() else {
            return;
        };
        self.key = level.name;
        self.value(level.start..end);
        self.key = None;
    }

    /// A text: a name if a colon follows in an object, a value otherwise.
    fn string(&mut self, start: usize) -> usize {
        let mut at = start + 1;
        while at < self.text.len() && self.text[at] != b'"' {
            at += if self.text[at] == b'\\' { 2 } else { 1 };
        }
        let end = at.min(self.text.len());
        let after = self.text[end..].iter().skip(1);
        let colon = after.clone().find(|b| !b.is_ascii_whitespace()) == Some(&b':');
        let in_list = self.stack.last().is_some_and(|level| level.list);
        if colon && !in_list && self.key.is_none() {
            self.key = Some(name(&self.text[start..(end + 1).min(self.text.len())]));
        } else {
            self.value(start + 1..end);
            self.key = None;
        }
        end + 1
    }

    /// A number, `true`, or something that is no JSON.
    fn bare(&mut self, start: usize) -> usize {
        let length = self.text[start..]
            .iter()
            .take_while(|b| {
                !matches!(b, b',' | b'}' | b']' | b'{' | b'[' | b'"') && !b.is_ascii_whitespace()
            })
            .count();
        let end = start + length.max(1);
        self.value(start..end);
        end
    }

    fn value(&mut self, span: Range<usize>) {
        if span.is_empty() || (self.key.is_none() && self.stack.is_empty()) {
            return;
        }
        if only_placeholders(&self.text[span.clone()]) {
            return;
        }
        let place = Place {
            stack: &self.stack,
            key: self.key.as_deref(),
        };
        (self.see)(place, span);
    }
}

/// Whether there are placeholders and nothing else, as after a redaction, which is looked over by these eyes too. In a
/// list the brackets of one are the list's own.
fn only_placeholders(value: &[u8]) -> bool {
    let mut any = false;
    for part in value.split(|b| matches!(b, b'[' | b']') || b.is_ascii_whitespace()) {
        if part.is_empty() {
            continue;
        }
        let digits = part.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let name = &part[..part.len() - digits];
        let numbered = digits > 0 && name.len() > 1 && name.ends_with(b"_");
        let fits = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
        if !numbered || !name[0].is_ascii_uppercase() || !name.iter().all(fits) {
            return false;
        }
        any = true;
    }
    any
}

/// The text of a name, its escapes resolved.
fn name(quoted: &[u8]) -> String {
    serde_json::from_slice(quoted).unwrap_or_else(|_| String::from_utf8_lossy(quoted).into_owned())
}
