//! Patients and their next of kin in the messages of hospitals (HL7, version 2): which field holds what is fixed, so that
//! even names have a form.

use super::{
    Kind,
    pattern::{Raw, is_placeholder},
};

/// The number of a field, from 1, what it holds, and whether that is a code: then only its first component counts, and the
/// others say who gave it.
type Field = (usize, Kind, bool);

/// Segments and those of their fields that speak of a person.
const SEGMENTS: &[(&str, &[Field])] = &[
    (
        "PID",
        &[
            (2, Kind::HEALTH_ID, true),
            (3, Kind::HEALTH_ID, true),
            (4, Kind::HEALTH_ID, true),
            (5, Kind::PERSON, false),
            (6, Kind::PERSON, false),
            (7, Kind::BIRTH_DATE, true),
            (9, Kind::PERSON, false),
            (11, Kind::ADDRESS, false),
            (13, Kind::PHONE, false),
            (14, Kind::PHONE, false),
            (18, Kind::HEALTH_ID, true),
            (19, Kind::NATIONAL_ID, true),
            (20, Kind::ID_DOCUMENT, true),
        ],
    ),
    (
        "NK1",
        &[
            (2, Kind::PERSON, false),
            (4, Kind::ADDRESS, false),
            (5, Kind::PHONE, false),
            (6, Kind::PHONE, false),
        ],
    ),
    (
        "IN1",
        &[
            (16, Kind::PERSON, false),
            (18, Kind::BIRTH_DATE, true),
            (19, Kind::ADDRESS, false),
            (36, Kind::HEALTH_ID, true),
            (49, Kind::HEALTH_ID, true),
        ],
    ),
];

/// A line with fewer fields is hardly a segment.
const FEWEST: usize = 5;

/// What is around a value that lacks its first or last components.
const BLANK: [char; 4] = ['^', '&', ' ', '"'];

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    let mut start = 0;
    for line in text.split(['\n', '\r']) {
        let known = SEGMENTS.iter().find(|(name, _)| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('|'))
        });
        if let Some((_, fields)) = known {
            segment(line, start, fields, found);
        }
        start += line.len() + 1;
    }
}

/// Adds what the fields of the segment hold that begins at `start`.
fn segment(line: &str, start: usize, known: &[Field], found: &mut Vec<Raw>) {
    let mut fields = Vec::new();
    let mut at = start;
    for field in line.split('|') {
        fields.push((at, field));
        at += field.len() + 1;
    }
    if fields.len() <= FEWEST {
        return;
    }
    for (number, kind, is_code) in known {
        let Some(&(mut at, field)) = fields.get(*number) else {
            break;
        };
        // One person has several numbers, names, addresses.
        for value in field.split('~') {
            let first = value.split('^').next().unwrap_or_default();
            let said = if *is_code { first } else { value };
            let bare = said.trim_matches(BLANK);
            if bare.len() > 1 && !is_placeholder(bare) {
                let from = at + (said.len() - said.trim_start_matches(BLANK).len());
                found.push((from..from + bare.len(), kind.clone()));
            }
            at += value.len() + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::typed;

    fn fields(text: &str) -> Vec<(&str, String)> {
        typed(text, |found| find(text, found))
    }

    #[test]
    fn what_a_segment_says_of_a_patient_is_found() {
        let text = "MSH|^~\\&|LAB|HOSP|||202406121030||ORU^R01|1|P|2.3\r\
            PID|1||12345678^^^HOSP^MR~77^^^X||Doe^Jäne^^^||19850312|F|||12 Main St^^Springfield^IL^62701||(555)555-1234||||||123-45-6789\r\
            NK1|1|Doe^Max|SPO|| ^PRN^PH^^^555^5551234\r\
            OBX|1|NM|GLU||99|mg/dl";
        let expected = [
            ("12345678", "health_id"),
            ("77", "health_id"),
            ("Doe^Jäne", "person"),
            ("19850312", "birth_date"),
            ("12 Main St^^Springfield^IL^62701", "address"),
            ("(555)555-1234", "phone"),
            ("123-45-6789", "national_id"),
            ("Doe^Max", "person"),
            ("PRN^PH^^^555^5551234", "phone"),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(value, kind)| (value, kind.to_owned()))
            .collect();
        assert_eq!(fields(text), expected);
    }

    #[test]
    fn other_lines_with_bars_are_no_segments() {
        for text in [
            "PID|12",
            "PID | P gain | 12 | 13 | 14 | 15",
            "| PID | name | a | b | c | d |",
            "PID|||[HEALTH_ID_1]||[PERSON_1]||",
            "PIDX|1|2|3|4|5|6",
        ] {
            assert!(fields(text).is_empty(), "{text}: {:?}", fields(text));
        }
    }
}
