//! Fields of a JSON payload, by the paths that policy names.

use std::ops::Range;

use super::{
    Kind,
    json::{self, Place},
};
use crate::policy::source::Field;

/// The fields that policy names.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<Field>);

impl Fields {
    pub(super) fn new(fields: impl IntoIterator<Item = Field>) -> Self {
        Self(fields.into_iter().collect())
    }

    /// The values of the fields, without the quotes of a text.
    pub(super) fn find(&self, text: &str, raw: &mut Vec<(Range<usize>, Kind)>) {
        if self.0.is_empty() {
            return;
        }
        json::each(text, |place, span| {
            let mut fields = self.0.iter();
            if let Some(field) = fields.find(|field| is_reached(&place, &field.path)) {
                raw.push((span, field.kind.clone()));
            }
        });
    }
}

/// Whether a value is reached by this path.
fn is_reached(place: &Place<'_>, path: &[String]) -> bool {
    let (mut parts, mut names) = (path.iter(), place.names());
    loop {
        match (parts.next().map(String::as_str), names.next()) {
            (Some("**"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(part), Some(Some(name))) if part.eq_ignore_ascii_case(name) => {}
            _ => return false,
        }
    }
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
