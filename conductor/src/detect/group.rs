//! Groups of digits, of which card and telephone numbers are made.

use std::ops::Range;

/// No gap inside a number is longer, in bytes.
const LONGEST_GAP: usize = 8;

/// Readings of one thing differ by less than this part of them, which the groups of hardly any number do.
const STEADY: u32 = 32;

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

    /// Whether the groups from `from` to `to` are a row of their own: none beside them, kept apart as they are, is as long
    /// as one of them.
    pub(super) fn alone(&self, from: usize, to: usize) -> bool {
        let goes_on = |gap: usize, beside: Option<usize>| {
            beside
                .and_then(|at| self.groups.get(at))
                .is_some_and(|beside| {
                    self.gap(gap) == self.gap(to)
                        && self.groups[from..=to]
                            .iter()
                            .any(|group| group.len() == beside.len())
                })
        };
        !goes_on(from, from.checked_sub(1)) && !goes_on(to + 1, Some(to + 1))
    }

    /// How many groups stand beside those from `from` to `to`, kept apart as they are; no more are counted than `before`
    /// them and `behind` them.
    pub(super) fn strays(&self, from: usize, to: usize, before: usize, behind: usize) -> usize {
        let joint = self.gap(to);
        let joined = |at: &usize| *at > 0 && self.gap(*at).is_some() && self.gap(*at) == joint;
        let ahead = (0..=from).rev().take(before).take_while(joined).count();
        ahead + (to + 1..=to + behind).take_while(joined).count()
    }

    /// Whether the groups from `from` to `to` are readings of one thing: equally long, nearly the same, not quite.
    pub(super) fn is_steady(&self, from: usize, to: usize) -> bool {
        let values: Vec<u32> = (from..=to)
            .filter_map(|at| self.group(at).parse().ok())
            .collect();
        let (least, most) = (values.iter().min(), values.iter().max());
        let alike = self.groups[from..=to]
            .windows(2)
            .all(|pair| pair[0].len() == pair[1].len());
        let spread = most.zip(least).map_or(0, |(most, least)| most - least);
        let little = most.map_or(0, |most| most / STEADY);
        to > from + 1 && values.len() == to - from + 1 && alike && (1..=little).contains(&spread)
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
