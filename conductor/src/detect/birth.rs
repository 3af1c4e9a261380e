//! Dates of birth: a day with its year beside a word that says so.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Kind,
    cue::{Cues, Topic},
    pattern::{Raw, compiled},
};

/// A day in figures, with the month as a word in any language, or as in East Asia.
static DAY: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?:(?-u:\b)[0-9]{1,2}[./-]\s?[0-9]{1,2}[./-]\s?(?:[0-9]{4}|[0-9]{2})(?-u:\b)",
        r"|(?-u:\b)[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}",
        r"|(?-u:\b)(?:19|20)[0-9]{2}[01][0-9][0-3][0-9](?-u:\b)",
        r"|(?-u:\b)[0-9]{1,2}(?:st|nd|rd|th|er|\.|º)?[ -](?:of |de |d')?\p{L}+\.?,?[ -](?:de |del )?[0-9]{2}(?:[0-9]{2})?(?-u:\b)",
        r"|(?-u:\b)\p{Lu}\p{L}+\.? [0-9]{1,2}(?:st|nd|rd|th)?,? [0-9]{4}(?-u:\b)",
        r"|[0-9]{4}\s?[年년]\s?[0-9]{1,2}\s?[月월]\s?[0-9]{1,2}\s?[日일]",
        r")",
    ))
});

pub(super) fn find(text: &str, cues: &Cues<'_>, found: &mut Vec<Raw>) {
    if !cues.any(Topic::Birth) {
        return;
    }
    let days = DAY.find_iter(text).map(|day| day.range());
    found.extend(
        days.filter(|span| cues.near(Topic::Birth, span) && !cues.of_goods(span))
            .map(|span| (span, Kind::BIRTH_DATE)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn days(text: &str) -> Vec<&str> {
        pieces(text, |found| find(text, &Cues::of(text), found))
    }

    #[test]
    fn a_birthday_is_found_in_several_languages() {
        for (text, day) in [
            ("Date of birth: 12/03/1980.", "12/03/1980"),
            ("date of birth. It's 3/23/1940", "3/23/1940"),
            ("She was born on March 3rd, 1980 in Bonn", "March 3rd, 1980"),
            ("geb. am 3. März 1980", "3. März 1980"),
            ("Geburtsdatum 03.12.80", "03.12.80"),
            ("née le 3 février 1980", "3 février 1980"),
            ("nacido el 3 de marzo de 1980", "3 de marzo de 1980"),
            ("data di nascita: 3-3-1980", "3-3-1980"),
            ("{\"dob\": \"1980-03-12\"}", "1980-03-12"),
            ("date_of_birth=19800312", "19800312"),
            ("1980-03-12 (DOB)", "1980-03-12"),
            ("出生日期1980年3月12日", "1980年3月12日"),
        ] {
            assert_eq!(days(text), [day], "{text}");
        }
    }

    #[test]
    fn other_days_are_none() {
        for text in [
            "on 12/03/1980 the pump was built",
            "born to run at 50 Hz",
            "The invoice of 12.03.2024 is open",
        ] {
            assert!(days(text).is_empty(), "{text}: {:?}", days(text));
        }
    }
}
