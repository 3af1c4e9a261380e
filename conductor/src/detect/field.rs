//! Fields of a JSON payload, wherever one stands in a text.
//!
//! The scanner follows JSON's form and knows at each value by which path it is reached. It gives up nothing that it saw:
//! where a text stops being JSON, what came before counts, and it begins anew with the next bracket. One pass, and at most
//! [`MAX_DEPTH`] levels are told apart; what is deeper belongs to the last of them.

use std::ops::Range;

use super::Kind;
use crate::policy::source::Field;

/// Levels that are told apart.
const MAX_DEPTH: usize = 64;

/// The fields that policy names.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<Field>);

impl Fields {
    pub(super) fn new(fields: impl IntoIterator<Item = Field>) -> Self {
        Self(fields.into_iter().collect())
    }

    /// The values of the fields, without the quotes of a text.
    pub(super) fn find(&self, text: &str, raw: &mut Vec<(Range<usize>, Kind)>) {
        if self.0.is_empty() || !text.contains(['{', '[']) {
            return;
        }
        Scan {
            fields: &self.0,
            text: text.as_bytes(),
            raw,
            stack: Vec::new(),
            key: None,
        }
        .run();
    }
}

/// An object or list that is open.
struct Level {
    /// By which name it was reached; a list's members have none.
    name: Option<String>,
    list: bool,
    start: usize,
}

struct Scan<'a> {
    fields: &'a [Field],
    text: &'a [u8],
    raw: &'a mut Vec<(Range<usize>, Kind)>,
    stack: Vec<Level>,
    /// The name that the next value has.
    key: Option<String>,
}

impl Scan<'_> {
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
        for field in self.fields {
            if self.reached_by(&field.path) {
                self.raw.push((span.clone(), field.kind.clone()));
                return;
            }
        }
    }

    /// Whether the value at hand is reached by this path. The outermost level has no name.
    fn reached_by(&self, path: &[String]) -> bool {
        let outer = self.stack.iter().skip(1).map(|level| level.name.as_deref());
        let mut names = outer.chain((!self.stack.is_empty()).then_some(self.key.as_deref()));
        let mut parts = path.iter();
        loop {
            match (parts.next().map(String::as_str), names.next()) {
                (Some("**"), Some(_)) | (None, None) => return true,
                (Some("*"), Some(_)) => {}
                (Some(part), Some(Some(name))) if part.eq_ignore_ascii_case(name) => {}
                _ => return false,
            }
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(paths: &[&str]) -> Fields {
        Fields::new(paths.iter().map(|path| Field {
            path: path.split('.').map(str::to_owned).collect(),
            kind: Kind::PERSON,
        }))
    }

    fn found<'a>(paths: &[&str], text: &'a str) -> Vec<&'a str> {
        let mut raw = Vec::new();
        fields(paths).find(text, &mut raw);
        raw.into_iter().map(|(span, _)| &text[span]).collect()
    }

    const CHART: &str = r#"Summarise: {"patient": {"name": "Ana \"A\" Ruiz", "age": 41, "kin": [{"name": "Bo"}]}, "ward": "3"} and say who."#;

    #[test]
    fn a_field_is_found_by_its_path_and_nothing_beside_it() {
        assert_eq!(found(&["patient.name"], CHART), [r#"Ana \"A\" Ruiz"#]);
        assert_eq!(found(&["PATIENT.Age"], CHART), ["41"]);
        assert_eq!(found(&["patient.kin.*.name"], CHART), ["Bo"]);
        assert_eq!(
            found(&["patient.*"], CHART),
            [r#"Ana \"A\" Ruiz"#, "41", r#"[{"name": "Bo"}]"#]
        );
        assert_eq!(found(&["ward"], CHART), ["3"]);
        assert_eq!(found(&["name"], CHART), Vec::<&str>::new());
        assert_eq!(
            found(&["patient.name"], "patient.name is Ana"),
            Vec::<&str>::new()
        );
        assert_eq!(
            found(&["*.name"], r#"[{"name": "x"}, {"name": null}]"#),
            ["x", "null"]
        );
        assert!(found(&["patient.**"], CHART).contains(&"Bo"));
    }

    #[test]
    fn what_is_cut_off_or_broken_counts_as_far_as_it_goes() {
        assert_eq!(found(&["a.b"], r#"{"a": {"b": "secr"#), ["secr"]);
        assert_eq!(
            found(&["a"], r#"{"a": oops "b"} {"a": 1}"#),
            ["oops", "b", "1"]
        );
        assert_eq!(found(&["a"], r#"} ] {"\u0061": "x"}"#), ["x"]);
    }

    #[test]
    fn what_is_redacted_already_is_not_found_again() {
        for text in [
            r#"{"a": {"b": "[PATIENT_1]", "c": [PATIENT_2]}}"#,
            r#"{"a": {"b": "[PATIENT_1][EMAIL_1] [PATIENT_3]"}}"#,
        ] {
            assert_eq!(found(&["a.**"], text), Vec::<&str>::new(), "{text}");
        }
        assert_eq!(
            found(&["a"], r#"{"a": "[PATIENT_1] Bo"}"#),
            ["[PATIENT_1] Bo"]
        );
        assert_eq!(found(&["a"], r#"{"a": "_1"}"#), ["_1"]);
    }

    proptest! {
        #[test]
        fn every_span_is_on_character_borders(text in r#"[\[\]{}:," \\a-cä]{0,60}"#) {
            let mut raw = Vec::new();
            fields(&["a.**", "*"]).find(&text, &mut raw);
            for (span, _) in raw {
                prop_assert!(text.get(span).is_some());
            }
        }
    }

    #[test]
    fn hostile_nesting_takes_one_pass() {
        // Quadratic work on this would be 10^12 steps, which no test would see the end of.
        let text = r#"{"a":["#.repeat(200_000);
        assert_eq!(found(&["a.b.c"], &text).len(), 0);
    }
}
