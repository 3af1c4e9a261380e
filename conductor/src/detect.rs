//! Finding sensitive text.
//!
//! Each detector is one file: [`pattern`] runs those for what has a form, [`dictionary`] has the site's own words and
//! [`site`] its own patterns. A finding has a type; policy gives the type its label. [`search`] also reads what is
//! disguised or encoded. All of them take time linear in the text.
//!
//! A detector either is certain or is silent: where a form alone says too little, a word beside it ([`cue`]) has to say
//! what it is. So a finding has no degree of confidence that a policy would have to weigh.

mod bank;
mod birth;
mod card;
mod check;
mod column;
mod country;
mod cue;
mod dictionary;
mod dump;
mod email;
mod encoded;
mod escape;
mod fhir;
mod field;
mod form;
mod glyph;
mod group;
mod hl7;
mod iban;
mod json;
mod kind;
mod lexicon;
mod marking;
#[cfg(test)]
mod measured;
mod national;
mod network;
mod number;
mod pattern;
mod phone;
mod position;
mod postcode;
mod search;
mod secret;
mod site;
mod spoken;
mod street;
mod stripe;
mod table;
#[cfg(test)]
mod testing;
mod vehicle;
mod view;
mod way;
mod web;
mod word;
mod zone;

use std::ops::Range;

pub use kind::{BadKind, Kind};
pub(crate) use pattern::compiled;
pub(crate) use word::inside_word;

use crate::{label::Label, policy::Policy};

/// One piece of sensitive text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where, in bytes.
    pub span: Range<usize>,
    /// What.
    pub kind: Kind,
    /// How sensitive, by policy.
    pub label: Label,
}

/// Why detectors cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The site's words are too long together.
    #[error("the dictionaries cannot be used: {0}")]
    Dictionary(String),
    /// A pattern of the site cannot be compiled.
    #[error("the patterns cannot be used: {0}")]
    Pattern(#[from] regex::Error),
}

/// All detectors of one policy.
#[derive(Debug)]
pub struct Detectors {
    dictionary: dictionary::Words,
    patterns: site::Patterns,
    fields: field::Fields,
    labels: std::collections::BTreeMap<Kind, Label>,
}

impl Detectors {
    /// The detectors that `policy` configures.
    pub fn try_new(policy: &Policy) -> Result<Self, DetectError> {
        let dictionary = dictionary::Words::try_new(&policy.dictionaries)
            .map_err(|error| DetectError::Dictionary(error.to_string()))?;
        Ok(Self {
            dictionary,
            patterns: site::Patterns::try_new(&policy.patterns)?,
            fields: field::Fields::new(policy.fields()),
            labels: policy.types.clone(),
        })
    }

    /// The label of a type. One that policy does not know is as high as can be.
    #[must_use]
    pub fn label_of(&self, kind: &Kind) -> Label {
        self.labels.get(kind).copied().unwrap_or(Label::Restricted)
    }

    /// Findings of other detectors, each with the label that its type has here where that is higher.
    #[must_use]
    pub fn raised(&self, found: &[Finding]) -> Vec<Finding> {
        let raise = |finding: &Finding| {
            let here = self.labels.get(&finding.kind).copied();
            Finding {
                label: finding.label.join(here.unwrap_or(finding.label)),
                ..finding.clone()
            }
        };
        found.iter().map(raise).collect()
    }

    /// What is sensitive in `text`: sorted, not overlapping. Where two overlap, the higher label wins and then the
    /// longer; what is left of the other one stays a finding.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Finding> {
        let mut raw = search::Search::of(text, self).found;
        self.fields.find(text, &mut raw);
        // All that one encoded run holds comes from the same place: left as it is, the work would be its square.
        raw.sort_unstable_by(|a, b| (a.0.start, a.0.end, &a.1).cmp(&(b.0.start, b.0.end, &b.1)));
        raw.dedup();
        let found = raw.into_iter().map(|(span, kind)| self.finding(span, kind));
        settle(found.collect())
    }

    /// A piece of a text that is of this type, with the label that the type has here.
    #[must_use]
    pub fn finding(&self, span: Range<usize>, kind: Kind) -> Finding {
        let label = self.label_of(&kind);
        Finding { span, kind, label }
    }
}

/// Makes findings disjoint without uncovering a byte of any.
pub(crate) fn settle(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by(|a, b| {
        b.label
            .cmp(&a.label)
            .then(b.span.len().cmp(&a.span.len()))
            .then(a.span.start.cmp(&b.span.start))
            .then(a.kind.cmp(&b.kind))
    });
    let mut kept: std::collections::BTreeMap<usize, Finding> = std::collections::BTreeMap::new();
    for finding in found {
        for span in uncovered(&kept, finding.span.clone()) {
            kept.insert(
                span.start,
                Finding {
                    span,
                    ..finding.clone()
                },
            );
        }
    }
    kept.into_values().collect()
}

/// The parts of `span` that none of `kept` covers.
fn uncovered(
    kept: &std::collections::BTreeMap<usize, Finding>,
    span: Range<usize>,
) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut at = span.start;
    let first = kept
        .range(..=span.start)
        .next_back()
        .map_or(span.start, |(&start, _)| start);
    for other in kept
        .range(first..span.end)
        .map(|(_, finding)| &finding.span)
    {
        if other.end <= at {
            continue;
        }
        if other.start > at {
            parts.push(at..other.start);
        }
        at = other.end;
    }
    if at < span.end {
        parts.push(at..span.end);
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn finding(span: Range<usize>, label: Label) -> Finding {
        Finding {
            span,
            kind: Kind::EMAIL,
            label,
        }
    }

    fn any_finding() -> impl Strategy<Value = Finding> {
        (0usize..60, 1usize..20, 0usize..4)
            .prop_map(|(start, length, label)| finding(start..start + length, Label::ALL[label]))
    }

    #[test]
    fn each_type_is_found_in_a_text_that_has_them_all() {
        let policy = "[types]\nrecipe = \"restricted\"\n[[dictionaries]]\ntype = \"recipe\"\nwords = [\"Blend 9\"]";
        let detectors =
            Detectors::try_new(&Policy::parse(policy, Path::new(".")).unwrap()).unwrap();
        let text = "ana@plant.example, +49 171 1234567, 4111 1111 1111 1111, DE89370400440532013000, 10.0.0.7, \
            00:1a:2b:3c:4d:5e, sk-abcdefghijklmnop1234, -----BEGIN PRIVATE KEY-----x-----END PRIVATE KEY-----, BLEND 9";
        let kinds: Vec<String> = detectors
            .find(text)
            .into_iter()
            .map(|finding| finding.kind.to_string())
            .collect();
        assert_eq!(
            kinds,
            [
                "email",
                "phone",
                "card",
                "iban",
                "ip",
                "mac",
                "api_key",
                "private_key",
                "recipe"
            ]
        );
    }

    proptest! {
        #[test]
        fn settled_findings_are_disjoint_and_cover_what_they_covered_at_the_highest_label(
            found in prop::collection::vec(any_finding(), 0..12),
        ) {
            let settled = settle(found.clone());
            prop_assert!(settled.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
            for at in 0..80 {
                let highest = |all: &[Finding]| all
                    .iter()
                    .filter(|finding| finding.span.contains(&at))
                    .map(|finding| finding.label)
                    .max();
                prop_assert_eq!(highest(&found), highest(&settled), "at {}", at);
            }
        }

        #[test]
        fn any_text_is_searched_without_a_fault_and_spans_fit_it(text in "\\PC{0,200}") {
            let detectors = Detectors::try_new(&Policy::parse("", Path::new(".")).unwrap()).unwrap();
            for finding in detectors.find(&text) {
                prop_assert!(text.get(finding.span).is_some());
            }
        }
    }
}
