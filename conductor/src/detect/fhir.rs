//! Patients and other people in the records of clinics (HL7 FHIR, in JSON): which field holds what is fixed, so that even
//! names have a form.

use std::collections::BTreeMap;

use super::{
    Kind,
    json::{self, Place},
    pattern::Raw,
};

/// The field by which a resource says what it is, wherever among its fields.
const TYPE: &str = "resourceType";

/// Resources that are a person.
const PEOPLE: [&str; 4] = ["Patient", "RelatedPerson", "Person", "Practitioner"];

/// How a path ends, `*` for a place in a list, and what is there.
type Field = (&'static [&'static str], Kind);

/// Fields of a person.
const OWN: &[Field] = &[
    (&["name", "*", "family"], Kind::PERSON),
    (&["name", "*", "given", "*"], Kind::PERSON),
    (&["name", "*", "text"], Kind::PERSON),
    (&["identifier", "*", "value"], Kind::HEALTH_ID),
    (&["birthDate"], Kind::BIRTH_DATE),
    (&["telecom", "*", "value"], Kind::PHONE),
    (&["address", "*", "line", "*"], Kind::ADDRESS),
    (&["address", "*", "text"], Kind::ADDRESS),
    (&["address", "*", "city"], Kind::ADDRESS),
    (&["address", "*", "postalCode"], Kind::POSTCODE),
];

/// Fields of any resource that name a person.
const OF_OTHERS: &[Field] = &[
    (&["subject", "display"], Kind::PERSON),
    (&["subject", "reference"], Kind::HEALTH_ID),
    (&["patient", "display"], Kind::PERSON),
    (&["patient", "reference"], Kind::HEALTH_ID),
];

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    if !text.contains(TYPE) {
        return;
    }
    // Where each resource begins, and whether it is a person.
    let mut resources: BTreeMap<usize, bool> = BTreeMap::new();
    json::each(text, |place, span| {
        if ends_with(&place, &[TYPE]) {
            let is_person = PEOPLE.contains(&&text[span]);
            resources.extend(place.starts().next_back().map(|start| (start, is_person)));
        }
    });
    json::each(text, |place, span| {
        let own = OWN.iter().map(|field| (field, true));
        let field = own
            .chain(OF_OTHERS.iter().map(|field| (field, false)))
            .find(|((path, _), _)| ends_with(&place, path));
        let Some(((_, kind), is_own)) = field else {
            return;
        };
        let within = place.starts().rev().find_map(|start| resources.get(&start));
        let is_text = text[..span.start].ends_with('"');
        if is_text && within.is_some_and(|is_person| *is_person || !is_own) {
            found.push((span, kind.clone()));
        }
    });
}

fn ends_with(place: &Place<'_>, path: &[&str]) -> bool {
    let mut names = place.names().rev();
    path.iter().rev().all(|part| match names.next() {
        Some(name) => *part == "*" || name == Some(*part),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::typed;

    fn fields(text: &str) -> Vec<(&str, String)> {
        typed(text, |found| find(text, found))
    }

    #[test]
    fn what_a_resource_says_of_a_person_is_found() {
        let text = r#"Summarise {"resourceType": "Bundle", "entry": [
            {"resource": {"resourceType": "Patient", "id": "p1", "active": true,
              "identifier": [{"system": "urn:mrn", "value": "00X-7"}],
              "name": [{"use": "official", "family": "Möller", "given": ["Ann", "K."]}],
              "telecom": [{"system": "phone", "value": "ext 12"}],
              "gender": "female", "birthDate": "1985-03-12",
              "address": [{"line": ["Am Hang 4"], "city": "Ulm", "postalCode": "89073"}]}},
            {"resource": {"resourceType": "Observation", "status": "final", "code": {"text": "Glucose"},
              "subject": {"reference": "Patient/p1", "display": "Ann Möller"},
              "valueQuantity": {"value": 6.3, "unit": "mmol/l"}}}]}"#;
        let expected = [
            ("00X-7", "health_id"),
            ("Möller", "person"),
            ("Ann", "person"),
            ("K.", "person"),
            ("ext 12", "phone"),
            ("1985-03-12", "birth_date"),
            ("Am Hang 4", "address"),
            ("Ulm", "address"),
            ("89073", "postcode"),
            ("Patient/p1", "health_id"),
            ("Ann Möller", "person"),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(value, kind)| (value, kind.to_owned()))
            .collect();
        assert_eq!(fields(text), expected);
    }

    #[test]
    fn a_resource_may_say_last_what_it_is() {
        let text = r#"{"birthDate": "1985-03-12", "contact": {"x": 1}, "resourceType": "Patient"}"#;
        assert_eq!(fields(text), [("1985-03-12", "birth_date".to_owned())]);
    }

    #[test]
    fn other_json_and_what_is_redacted_holds_nothing() {
        for text in [
            r#"{"name": [{"family": "SKF", "text": "bearing"}], "identifier": [{"value": "6204"}]}"#,
            r#"{"resourceType": "Medication", "identifier": [{"value": "4711"}], "name": [{"text": "Aspirin"}]}"#,
            r#"[{"resourceType": "Patient", "active": true}, {"name": [{"text": "ward 3"}]}]"#,
            r#"{"resourceType": "Patient", "active": true} and {"name": [{"text": "ward 3"}]}"#,
            r#"{"resourceType": "Device", "name": "pump 4", "value": 3, "subject": {"reference": null}}"#,
            r#"{"resourceType": "Patient", "name": [{"family": "[PERSON_1]"}], "birthDate": "[BIRTH_DATE_1]"}"#,
        ] {
            assert!(fields(text).is_empty(), "{text}: {:?}", fields(text));
        }
    }
}
