//! How well sensitive text is found: leakage, over-masking, and spans.

use std::ops::Range;

use super::{
    class::Class,
    example::{Example, Truth, fold},
};

/// From what share of overlap on a span counts as found.
const OVERLAP: f64 = 0.7;

/// Counts over examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Examples.
    pub rows: usize,
    /// Rows that may not leave at all.
    pub kept: usize,
    units: usize,
    leaked: usize,
    sensitive: usize,
    visible: usize,
    other: usize,
    masked: usize,
    spans: Matches,
    regions: Matches,
    /// Spans of each class, and those of them that are masked in full.
    classes: [(usize, usize); Class::ALL.len()],
}

/// How pieces that were found match those that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    right: usize,
    wrong: usize,
    missed: usize,
}

impl Matches {
    fn add(&mut self, truth: &[Range<usize>], found: &[Range<usize>]) {
        let mut free: Vec<&Range<usize>> = found.iter().collect();
        for span in truth {
            match free
                .iter()
                .position(|other| overlap(span, other) >= OVERLAP)
            {
                Some(at) => {
                    free.remove(at);
                    self.right += 1;
                }
                None => self.missed += 1,
            }
        }
        self.wrong += free.len();
    }

    const fn join(&mut self, other: &Self) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.missed += other.missed;
    }

    /// Share of what was found that is right; one if nothing was found.
    #[must_use]
    pub fn precision(&self) -> f64 {
        share(self.right, self.right + self.wrong, 1.0)
    }

    /// Share of what there is that was found; one if there is nothing.
    #[must_use]
    pub fn recall(&self) -> f64 {
        share(self.right, self.right + self.missed, 1.0)
    }

    /// Precision and recall in one, recall counting twice.
    #[must_use]
    pub fn f2(&self) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        let sum = 4.0 * precision + recall;
        if sum > 0.0 {
            5.0 * precision * recall / sum
        } else {
            0.0
        }
    }
}

impl Score {
    /// Counts one example of which these pieces (in bytes) are masked. What would be left of a row counts whether or not it
    /// is kept, so that keeping all rows makes nothing look better.
    pub fn add(&mut self, example: &Example, masked: &[Range<usize>], kept: bool) {
        self.add_known(example, &example.sensitive(), masked, kept);
    }

    /// The same, where it is known which pieces are sensitive.
    pub(super) fn add_known(
        &mut self,
        example: &Example,
        sensitive: &[Range<usize>],
        masked: &[Range<usize>],
        kept: bool,
    ) {
        let text = example.text.as_str();
        self.rows += 1;
        self.kept += usize::from(kept);
        let hidden = marks(text.len(), masked);
        let sensitive = marks(text.len(), sensitive);
        let mut leaving = String::with_capacity(text.len());
        for (at, character) in text.char_indices() {
            let is_masked = hidden[at];
            leaving.push(if is_masked { '\0' } else { character });
            if sensitive[at] {
                self.sensitive += 1;
                self.visible += usize::from(!is_masked);
            } else {
                self.other += 1;
                self.masked += usize::from(is_masked);
            }
        }
        let leaving = fold(&leaving);
        let mut unit = |unit: &str| {
            self.units += 1;
            self.leaked += usize::from(leaving.contains(&fold(unit)));
        };
        match &example.truth {
            Truth::Units(units) => units.iter().for_each(|text| unit(text)),
            Truth::Spans(spans) => {
                for (span, class) in spans {
                    unit(&text[span.clone()]);
                    let mut letters = text[span.clone()]
                        .char_indices()
                        .filter(|(_, c)| c.is_alphanumeric());
                    let (all, covered) = &mut self.classes[class.index()];
                    *all += 1;
                    *covered += usize::from(letters.all(|(at, _)| hidden[span.start + at]));
                }
                let spans: Vec<Range<usize>> = spans.iter().map(|(span, _)| span.clone()).collect();
                self.spans.add(&spans, masked);
                self.regions
                    .add(&regions(text, &spans), &regions(text, masked));
            }
        }
    }

    /// Adds the counts of other rows.
    pub fn join(&mut self, other: &Self) {
        self.rows += other.rows;
        self.kept += other.kept;
        self.units += other.units;
        self.leaked += other.leaked;
        self.sensitive += other.sensitive;
        self.visible += other.visible;
        self.other += other.other;
        self.masked += other.masked;
        self.spans.join(&other.spans);
        self.regions.join(&other.regions);
        for ((all, covered), other) in self.classes.iter_mut().zip(other.classes) {
            *all += other.0;
            *covered += other.1;
        }
    }

    /// Share of sensitive units or spans found, case folded, in the text that would leave.
    #[must_use]
    pub fn leak_rate(&self) -> f64 {
        share(self.leaked, self.units, 0.0)
    }

    /// Share of sensitive characters left unmasked.
    #[must_use]
    pub fn visible(&self) -> f64 {
        share(self.visible, self.sensitive, 0.0)
    }

    /// Share of the other characters that were masked.
    #[must_use]
    pub fn masked_other(&self) -> f64 {
        share(self.masked, self.other, 0.0)
    }

    /// How the found spans match those that there are.
    #[must_use]
    pub const fn spans(&self) -> &Matches {
        &self.spans
    }

    /// The same where spans that nothing but punctuation and spaces parts are one, whatever their types: then it does not matter
    /// whether an address counts as one piece or as five.
    #[must_use]
    pub const fn regions(&self) -> &Matches {
        &self.regions
    }

    /// Share of the spans of a class of which every letter and digit is masked, however the pieces are cut; none where there
    /// are no such spans.
    #[must_use]
    pub fn in_full(&self, class: Class) -> Option<f64> {
        let (all, covered) = self.classes[class.index()];
        (all > 0).then(|| share(covered, all, 1.0))
    }

    /// Share of rows that may not leave at all.
    #[must_use]
    pub fn kept_rate(&self) -> f64 {
        share(self.kept, self.rows, 0.0)
    }
}

/// Which bytes of a text of this length lie in one of the spans.
fn marks(length: usize, spans: &[Range<usize>]) -> Vec<bool> {
    let mut marks = vec![false; length];
    for span in spans {
        if let Some(within) = marks.get_mut(span.clone()) {
            within.fill(true);
        }
    }
    marks
}

/// Spans in order, where those that nothing but punctuation and spaces parts are one.
fn regions(text: &str, spans: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut regions: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        let between = |last: &Range<usize>| text.get(last.end..span.start).unwrap_or_default();
        match regions.last_mut() {
            Some(last) if !between(last).contains(char::is_alphanumeric) => {
                last.end = last.end.max(span.end);
            }
            _ => regions.push(span.clone()),
        }
    }
    regions
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn share(part: usize, whole: usize, of_none: f64) -> f64 {
    if whole == 0 {
        return of_none;
    }
    part as f64 / whole as f64
}

/// The common part of two spans over both together.
fn overlap(a: &Range<usize>, b: &Range<usize>) -> f64 {
    let common = a.end.min(b.end).saturating_sub(a.start.max(b.start));
    let both = a.end.max(b.end) - a.start.min(b.start);
    share(common, both, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::example::read;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn units_leak_where_they_are_left_anywhere_in_any_case() {
        let line = r#"{"id":"a","text":"ann, Bo, ANN.","units":["Ann","Bo"]}"#;
        let example = read(line).unwrap().remove(0);
        let mut score = Score::default();
        score.add(&example, &[0..3, 3..7], false);
        close(score.leak_rate(), 0.5);
        close(score.visible(), 3.0 / 8.0);
        close(score.masked_other(), 2.0 / 5.0);
        let mut kept = Score::default();
        kept.add(&example, &[], true);
        close(kept.leak_rate(), 1.0);
        close(kept.kept_rate(), 1.0);
    }

    #[test]
    fn spans_are_right_from_seven_tenths_of_overlap_on_and_each_only_once() {
        let line = r#"{"id":"a","text":"0123456789 abcdefghij","spans":[{"start":0,"end":10,"type":"X"},{"start":11,"end":21,"type":"X"}]}"#;
        let example = read(line).unwrap().remove(0);
        let mut score = Score::default();
        score.add(&example, &[0..7, 12..17, 18..21], false);
        close(score.spans().recall(), 0.5);
        close(score.spans().precision(), 1.0 / 3.0);
        close(score.spans().f2(), 5.0 / 6.0 / (4.0 / 3.0 + 0.5));
        // Nothing but a space parts the two.
        let mut whole = Score::default();
        whole.add(&example, std::slice::from_ref(&(0..21)), false);
        close(whole.spans().f2(), 0.0);
        close(whole.regions().f2(), 1.0);
        let mut twice = score;
        twice.join(&score);
        close(twice.spans().recall(), 0.5);
        assert_eq!(twice.rows, 2);
    }

    #[test]
    fn a_span_is_masked_in_full_where_only_marks_and_spaces_of_it_are_left() {
        let line = r#"{"id":"a","text":"12 Long Lane, Ann Lee","spans":[{"start":0,"end":12,"type":"ADDRESS"},{"start":14,"end":21,"type":"PERSON"}]}"#;
        let example = read(line).unwrap().remove(0);
        let mut score = Score::default();
        score.add(&example, &[0..2, 3..7, 8..12, 14..17], false);
        assert_eq!(score.in_full(Class::Address), Some(1.0));
        assert_eq!(score.in_full(Class::Person), Some(0.0));
        assert_eq!(score.in_full(Class::Date), None);
    }

    #[test]
    fn where_there_is_nothing_to_find_nothing_is_missed() {
        let example = read(r#"{"id":"a","prompt":"two and two"}"#)
            .unwrap()
            .remove(0);
        let mut score = Score::default();
        score.add(&example, &[], false);
        close(score.spans().f2(), 1.0);
        close(score.leak_rate(), 0.0);
    }
}
