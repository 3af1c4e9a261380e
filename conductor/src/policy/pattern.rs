//! Patterns of a site, `[[patterns]]` in the policy file: numbers whose form only the site knows.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::PolicyError;
use crate::{detect::Kind, label::Label};

/// The most patterns, since each is a pass over every text.
pub const MAX_PATTERNS: usize = 64;

/// How large a pattern may be once it is compiled, in bytes.
const MAX_SIZE: usize = 1 << 20;

/// A pattern in the syntax of the `regex` crate, which takes time linear in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The type of what it matches; its label is in [`super::Policy::types`].
    pub kind: Kind,
    /// The expression. If it has a group, the first group is what is sensitive.
    pub regex: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    r#type: Kind,
    regex: String,
}

/// Compiles one pattern.
pub(crate) fn compiled(regex: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(regex).size_limit(MAX_SIZE).build()
}

/// Checks every pattern.
pub(super) fn resolve(
    tables: Vec<Table>,
    types: &BTreeMap<Kind, Label>,
) -> Result<Vec<Pattern>, PolicyError> {
    if tables.len() > MAX_PATTERNS {
        return Err(fault(
            "patterns",
            format!("more than {MAX_PATTERNS} patterns"),
        ));
    }
    let mut patterns = Vec::with_capacity(tables.len());
    for (index, table) in tables.into_iter().enumerate() {
        let key = format!("patterns[{index}]");
        if !types.contains_key(&table.r#type) {
            return Err(fault(
                &key,
                format!(
                    "the type \"{0}\" has no label: add `{0} = \"confidential\"` to [types]",
                    table.r#type
                ),
            ));
        }
        let regex = compiled(&table.regex).map_err(|error| {
            let message = error.to_string();
            let last = message.lines().last().unwrap_or_default();
            fault(&key, format!("cannot use the regex: {last}"))
        })?;
        if regex.is_match("") {
            return Err(fault(
                &key,
                "the regex matches an empty text: let it require at least one character".to_owned(),
            ));
        }
        patterns.push(Pattern {
            kind: table.r#type,
            regex: table.regex,
        });
    }
    Ok(patterns)
}

fn fault(key: &str, reason: String) -> PolicyError {
    PolicyError::Value {
        key: key.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Policy;

    fn parse(text: &str) -> Result<Policy, String> {
        let text = format!("[types]\nrecord = \"restricted\"\n{text}");
        Policy::parse(&text, Path::new(".")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_pattern_is_taken_as_it_is_written() {
        let policy = parse("[[patterns]]\ntype = \"record\"\nregex = 'MRN-\\d{7}'").unwrap();
        assert_eq!(policy.patterns[0].regex, "MRN-\\d{7}");
    }

    #[test]
    fn a_pattern_that_cannot_be_used_is_named_with_the_reason() {
        let fault = |text: &str| parse(text).unwrap_err();
        insta::assert_snapshot!(fault("[[patterns]]\ntype = \"recrod\"\nregex = 'x'"), @r#"patterns[0]: the type "recrod" has no label: add `recrod = "confidential"` to [types]"#);
        insta::assert_snapshot!(fault("[[patterns]]\ntype = \"record\"\nregex = '(x'"), @"patterns[0]: cannot use the regex: error: unclosed group");
        insta::assert_snapshot!(fault("[[patterns]]\ntype = \"record\"\nregex = 'x*'"), @"patterns[0]: the regex matches an empty text: let it require at least one character");
        insta::assert_snapshot!(fault("[[patterns]]\ntype = \"record\"\nregex = '(\\w{500}){500}'"), @"patterns[0]: cannot use the regex: Compiled regex exceeds size limit of 1048576 bytes.");
        let many = "[[patterns]]\ntype = \"record\"\nregex = 'x'\n".repeat(65);
        assert_eq!(fault(&many), "patterns: more than 64 patterns");
    }
}
