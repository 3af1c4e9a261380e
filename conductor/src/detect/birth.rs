//! Dates of birth: a day with its year beside a word that says so.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Kind,
    cue::{Cues, Topic},
    pattern::{Raw, compiled},
    word::{window_after, window_before},
};

/// A day in figures, with the month as a word in any language, or as in East Asia.
const FORMS: &str = concat!(
    r"(?:(?-u:\b)[0-9]{1,2}[./-]\s?[0-9]{1,2}[./-]\s?(?:[0-9]{4}|[0-9]{2})(?-u:\b)",
    r"|(?-u:\b)[0-9]{1,2} [0-9]{1,2} (?:19|20)[0-9]{2}(?-u:\b)",
    r"|(?-u:\b)[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}",
    r"|(?-u:\b)(?:19|20)[0-9]{2}[01][0-9][0-3][0-9](?-u:\b)",
    r"|(?-u:\b)[0-9]{1,2}(?:st|nd|rd|th|er|\.|º)?[ -](?:of |de |d')?\p{L}+\.?,?[ -](?:de |del )?[0-9]{2}(?:[0-9]{2})?(?-u:\b)",
    r"|(?-u:\b)[0-9]{1,2}\p{L}{3}[0-9]{4}(?-u:\b)",
    r"|(?-u:\b)\p{Lu}\p{L}+\.? [0-9]{1,2}(?:st|nd|rd|th)?,? [0-9]{4}(?-u:\b)",
    r"|[0-9]{4}\s?[年년]\s?[0-9]{1,2}\s?[月월]\s?[0-9]{1,2}\s?[日일]",
    r")",
);

static DAY: LazyLock<Regex> = LazyLock::new(|| compiled(FORMS));

/// On a line of its own below its word.
static BELOW: LazyLock<Regex> = LazyLock::new(|| compiled(&format!(r"^ ?:\s{{2,6}}(?<v>{FORMS})")));

/// The German sign for "born", behind a name.
static STAR: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?:\p{L}\.?[,;] ?\* ?|\p{L} (?:\(\* ?|\*))$"));

/// What is "nato" and nobody's birth, and what is done to a building, which is a "Geb." as well.
static NATO: LazyLock<Regex> = LazyLock::new(|| compiled(r"(?-u:\b)NATO(?-u:\b)[^0-9\n]{0,40}$"));
static BUILDING: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^,? (?:gereinigt|geprüft|gewartet|gebaut|renoviert|repariert|saniert|gestrichen|besichtigt|abgenommen)(?-u:\b)",
    )
});

/// As many bytes beside a day say what it is.
const REACH: usize = 48;

pub(super) fn find(text: &str, cues: &Cues<'_>, found: &mut Vec<Raw>) {
    let days = DAY.find_iter(text).map(|day| day.range());
    let below = cues.values(Topic::Birth, &BELOW);
    let all = days.filter(|span| is_birth(text, span, cues)).chain(below);
    found.extend(all.map(|span| (span, Kind::BIRTH_DATE)));
}

fn is_birth(text: &str, span: &Range<usize>, cues: &Cues<'_>) -> bool {
    let before = window_before(text, span.start, REACH);
    let behind = window_after(text, span.end, REACH);
    let named = cues.near(Topic::Birth, span)
        && !cues.of_goods(span)
        && !NATO.is_match(before)
        && !BUILDING.is_match(behind);
    // `(* … *)` is a comment in the languages of controllers.
    named || (STAR.is_match(before) && !behind.contains("*)"))
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
            ("Max Muster, * 12.03.1985 in Stuttgart", "12.03.1985"),
            ("Max Muster (* 12.03.1985)", "12.03.1985"),
            ("Max Muster *12.03.1985", "12.03.1985"),
            ("DOB: 12MAR1985", "12MAR1985"),
            ("D.O.B: 12 03 1985", "12 03 1985"),
            ("F. nac.: 12/03/1985", "12/03/1985"),
            ("Jan Nowak, ur. 12.03.1985", "12.03.1985"),
            ("Date of Birth:\n\n03/12/1985", "03/12/1985"),
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
            "NATO exercise 12.05.2023: site closed",
            "Geb. 12.03.2024 gereinigt",
            "* 12.03.2024 pump checked",
            "Termin* 12.03.2024",
            "x := 2; (* 12.03.2024 changed *)",
            "x (* 12.03.2024 changed *)",
            "2 * 12.03.2024",
        ] {
            assert!(days(text).is_empty(), "{text}: {:?}", days(text));
        }
    }
}
