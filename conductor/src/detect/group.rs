//! Groups of digits, of which card and telephone numbers are made.

use std::ops::Range;

/// No gap inside a number is longer, in bytes.
const LONGEST_GAP: usize = 8;

/// Every run of ASCII digits in a text, in order, and what stands between them.
pub(super) struct Digits<'t> {
    pub(super) text: &'t str,
    pub(super) groups: Vec<Range<usize>>,
    gaps: Vec<Option<String>>,
}

impl<'t> Digits<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let groups = groups(text);
        let gaps = groups
            .windows(2)
            .map(|pair| {
                let between = &text[pair[0].end..pair[1].start];
                (between.len() <= LONGEST_GAP).then(|| between.chars().map(plain).collect())
            })
            .collect();
        Self { text, groups, gaps }
    }

    /// What stands before the group `to`, with one kind of space and one kind of dash; `None` if nothing does or if it
    /// is longer than what keeps the groups of one number apart.
    pub(super) fn gap(&self, to: usize) -> Option<&str> {
        self.gaps.get(to.checked_sub(1)?)?.as_deref()
    }

    /// The digits of one group.
    pub(super) fn group(&self, at: usize) -> &'t str {
        &self.text[self.groups[at].clone()]
    }
}

fn groups(text: &str) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = None;
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii_digit() {
            start.get_or_insert(at);
        } else if let Some(start) = start.take() {
            groups.push(start..at);
        }
    }
    groups.extend(start.map(|start| start..text.len()));
    groups
}

fn plain(c: char) -> char {
    match c {
        '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        _ => c,
    }
}
