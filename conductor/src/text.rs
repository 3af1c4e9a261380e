//! Text that carries its label.

use std::{fmt, ops::Range};

use crate::{
    detect::{Detectors, Finding, settle},
    label::Label,
};

/// A text, what was found in it, and the label it has apart from that.
///
/// The label is the join of `floor` and all findings. Redaction takes findings away; nothing in this crate lowers a
/// floor. A worker's reply has the floor of what the worker read, since its words may say the same in other words.
#[derive(Clone, PartialEq, Eq)]
pub struct Labelled {
    text: String,
    floor: Label,
    findings: Vec<Finding>,
}

impl Labelled {
    /// Looks for what is sensitive in `text`. A marking, such as "strictly confidential", raises the floor.
    #[must_use]
    pub fn new(text: impl Into<String>, floor: Label, detectors: &Detectors) -> Self {
        let text = text.into();
        let findings = detectors.find(&text);
        let markings = findings.iter().filter(|finding| finding.kind.is_marking());
        Self {
            floor: markings
                .map(|marking| marking.label)
                .fold(floor, Label::join),
            findings,
            text,
        }
    }

    /// Words of this program, which say nothing of anybody.
    #[must_use]
    pub fn ours(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            floor: Label::Public,
            findings: Vec::new(),
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The label that redaction cannot lower.
    #[must_use]
    pub const fn floor(&self) -> Label {
        self.floor
    }

    /// What was found: sorted, not overlapping.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether all of a finding is found, at its label or above. The floor does not count: nothing is replaced for it.
    #[must_use]
    pub fn covers(&self, finding: &Finding) -> bool {
        let mut at = finding.span.start;
        let known = self.findings.iter();
        for known in known.filter(|known| known.label >= finding.label) {
            if known.span.contains(&at) {
                at = known.span.end;
            }
        }
        at >= finding.span.end
    }

    /// How sensitive the text is.
    #[must_use]
    pub fn label(&self) -> Label {
        self.findings
            .iter()
            .map(|finding| finding.label)
            .fold(self.floor, Label::join)
    }

    /// The same text with a floor that is at least `label`.
    #[must_use]
    pub fn raised(mut self, label: Label) -> Self {
        self.floor = self.floor.join(label);
        self
    }

    /// The same text with more findings, made disjoint.
    #[must_use]
    pub fn with(mut self, more: Vec<Finding>) -> Self {
        if !more.is_empty() {
            self.findings.extend(more);
            self.findings = settle(self.findings);
        }
        self
    }

    /// A part of the text, with the same floor and what was found in that part.
    #[must_use]
    pub(crate) fn part(&self, part: Range<usize>) -> Self {
        let within = |at: usize| at.clamp(part.start, part.end) - part.start;
        let findings = self.findings.iter().map(|finding| Finding {
            span: within(finding.span.start)..within(finding.span.end),
            ..finding.clone()
        });
        Self {
            text: self.text[part.clone()].to_owned(),
            floor: self.floor,
            findings: findings.filter(|found| !found.span.is_empty()).collect(),
        }
    }

    /// Puts `other` after this text.
    #[must_use]
    pub fn then(mut self, other: &Self) -> Self {
        let offset = self.text.len();
        self.text.push_str(&other.text);
        self.floor = self.floor.join(other.floor);
        self.findings
            .extend(other.findings.iter().map(|finding| Finding {
                span: finding.span.start + offset..finding.span.end + offset,
                ..finding.clone()
            }));
        self
    }
}

/// Shows the label and the length: the text may be what no log may show.
impl fmt::Debug for Labelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Labelled({}, {} bytes)", self.label(), self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::policy::Policy;

    #[test]
    fn a_marking_raises_the_floor_of_the_whole_text_and_never_lowers_it() {
        let marked = "[[dictionaries]]\ntype = \"marked_restricted\"\nwords = [\"Werksgeheimnis\"]";
        let detectors =
            Detectors::try_new(&Policy::parse(marked, Path::new(".")).unwrap()).unwrap();
        let floor = |text: &str, floor| Labelled::new(text, floor, &detectors).floor();
        assert_eq!(
            floor("STRICTLY CONFIDENTIAL\nThe pump.", Label::Public),
            Label::Restricted
        );
        assert_eq!(
            floor("Das Werksgeheimnis von Halle 3", Label::Public),
            Label::Restricted
        );
        assert_eq!(
            floor("Confidential\nThe pump.", Label::Restricted),
            Label::Restricted
        );
        assert_eq!(
            floor("write to ana@plant.example", Label::Public),
            Label::Public
        );
    }
}
