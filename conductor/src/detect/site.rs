//! The site's own patterns: serial numbers, medical records, whatever has a form that only the site knows.

use regex::Regex;

use super::{Kind, pattern::Raw};
use crate::policy::pattern::{Pattern, compiled};

/// The patterns of a policy.
#[derive(Debug)]
pub(super) struct Patterns(Vec<(Regex, Kind)>);

impl Patterns {
    pub(super) fn try_new(patterns: &[Pattern]) -> Result<Self, regex::Error> {
        let compiled = patterns
            .iter()
            .map(|pattern| Ok((compiled(&pattern.regex)?, pattern.kind.clone())))
            .collect::<Result<_, _>>()?;
        Ok(Self(compiled))
    }

    /// Adds what each matches: its first group, if it has one.
    pub(super) fn find(&self, text: &str, found: &mut Vec<Raw>) {
        for (regex, kind) in &self.0 {
            if regex.captures_len() == 1 {
                found.extend(regex.find_iter(text).map(|m| (m.range(), kind.clone())));
            } else {
                let values = regex.captures_iter(text).filter_map(|groups| {
                    let value = groups.get(1).or_else(|| groups.get(0))?;
                    Some((value.range(), kind.clone()))
                });
                found.extend(values);
            }
        }
        found.retain(|(span, _)| !span.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_finds_all_that_it_matches_or_its_first_group() {
        let pattern = |regex: &str| Pattern {
            kind: Kind::PERSON,
            regex: regex.to_owned(),
        };
        let patterns =
            Patterns::try_new(&[pattern(r"MRN-[0-9]{7}"), pattern(r"machine ([A-Z]+)")]).unwrap();
        let text = "MRN-1234567 at machine AB";
        let mut found = Vec::new();
        patterns.find(text, &mut found);
        let words: Vec<&str> = found.into_iter().map(|(span, _)| &text[span]).collect();
        assert_eq!(words, ["MRN-1234567", "AB"]);
    }
}
