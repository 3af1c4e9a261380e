//! Postcodes: those of Britain, Canada and the United States by their own form, others by what is said of them.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Kind,
    cue::{Cues, FILLER, Topic},
    pattern::{Raw, compiled},
    way,
    word::window_before,
};

/// Postcode areas of the United Kingdom.
const AREAS: &str = " AB AL B BA BB BD BF BH BL BN BR BS BT BX CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT DY \
    E EC EH EN EX FK FY G GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML \
    N NE NG NN NP NR NW OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR \
    TS TW UB W WA WC WD WF WN WR WS WV YO ZE ";

/// A place, a state, a code: a state that is a word of English as well needs its comma, and a place with a capital.
static STATE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?-u:\b)(?:\p{L}[\p{L}.'’]+,\s{1,2}(?:AL|AK|AZ|AR|CA|CO|CT|DE|DC|FL|GA|ID|IL|IA|KS|KY|LA|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH",
        r"|NJ|NM|NY|NC|ND|PA|PR|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY)",
        r"|(?<place>\p{L}[\p{L}.'’]+),\s{1,2}(?:HI|IN|ME|OH|OK|OR)",
        r"|\p{L}[\p{L}.'’]+\s(?:AZ|CA|CT|DC|FL|GA|IL|KS|KY|MD|MI|MN|MT|NC|NE|NH|NJ|NM|NV|NY|PA|SC|TN|TX|UT|VA|VT|WA|WI|WV|WY))",
        r"\s{1,2}(?<v>[0-9]{5}(?:-[0-9]{4})?)(?-u:\b)",
    ))
});

static BRITISH: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"(?-u)\b(?<area>[A-Z]{1,2})[0-9][0-9A-Z]? [0-9][ABD-HJLNP-UW-Z]{2}\b")
});

/// Behind one letter and a digit, these are units and ordinals: `M1 3HP`, `L2 3PH`, `E1 2ND`.
const UNITS: [&str; 10] = ["AH", "HP", "HZ", "ND", "PH", "PN", "RD", "TH", "WD", "WH"];

/// Places whose postcodes begin with one letter.
const TOWNS: [&str; 6] = [
    "birmingham",
    "glasgow",
    "liverpool",
    "london",
    "manchester",
    "sheffield",
];

static CANADIAN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"(?-u)\b[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z] [0-9][ABCEGHJ-NPRSTV-Z][0-9]\b")
});

static JAPANESE: LazyLock<Regex> = LazyLock::new(|| compiled(r"〒\s?(?<v>[0-9]{3}-?[0-9]{4})"));

/// The code behind a word for it.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        "{FILLER}{}",
        concat!(
            r"(?<v>(?:[A-Z]{1,2}-)?[0-9]{5}(?:-[0-9]{3,4})?",
            r"|[0-9]{4}(?: ?[A-Z]{2})?|[0-9]{6}|[0-9]{3}[ -][0-9]{2,4}|[0-9]{2}-[0-9]{3}",
            r"|(?i:[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]))\b",
        )
    ))
});

pub(super) fn find(text: &str, cues: &Cues<'_>, found: &mut Vec<Raw>) {
    let named = cues.values(Topic::Postcode, &NAMED);
    let named = named.filter(|span| is_code(text, span));
    let british = BRITISH.captures_iter(text).filter_map(|groups| {
        let whole = groups.get(0)?.range();
        let area = format!(" {} ", groups.name("area")?.as_str());
        let code = &text[whole.clone()];
        let short = groups["area"].len() == 1;
        let unit = short
            && code
                .get(code.len() - 2..)
                .is_some_and(|end| UNITS.contains(&end));
        let shown = !unit || is_addressed(text, &whole, cues);
        (AREAS.contains(&area) && shown && !cues.of_goods(&whole)).then_some(whole)
    });
    let canadian = CANADIAN
        .find_iter(text)
        .map(|code| code.range())
        .filter(|span| !cues.of_goods(span));
    let marked = [&STATE, &JAPANESE].into_iter().flat_map(|pattern| {
        pattern.captures_iter(text).filter_map(|groups| {
            let said = groups
                .name("place")
                .is_some_and(|place| place.as_str().starts_with(char::is_lowercase));
            let is_round = |code: &str| code.ends_with("000");
            groups
                .name("v")
                .filter(|code| !said && !is_round(code.as_str()))
                .map(|code| code.range())
        })
    });
    let all = named.chain(british).chain(canadian).chain(marked);
    found.extend(all.map(|span| (span, Kind::POSTCODE)));
}

/// Whether what stands behind a word for a postcode is one: no amount, and five digits behind the Italian one, which is a
/// capacitor too.
fn is_code(text: &str, span: &Range<usize>) -> bool {
    let head = window_before(text, span.start, 8);
    let five = text[span.clone()].len() == 5 || !head.contains("CAP");
    five && !way::is_measured(&text[span.end..])
}

/// Whether a word for it, a town, or a place with its comma stands before a code.
fn is_addressed(text: &str, code: &Range<usize>, cues: &Cues<'_>) -> bool {
    let before = window_before(text, code.start, 24).trim_end();
    let place = before.strip_suffix(',').unwrap_or(before);
    let word = place
        .rsplit(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    TOWNS.contains(&word.to_lowercase().as_str())
        || (place.len() < before.len()
            && word.starts_with(char::is_uppercase)
            && word.chars().all(char::is_alphabetic))
        || cues.near(Topic::Postcode, code)
        || cues.before(Topic::Address, code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn codes(text: &str) -> Vec<&str> {
        pieces(text, |found| find(text, &Cues::of(text), found))
    }

    #[test]
    fn postcodes_are_found_by_their_form_or_their_name() {
        for (text, code) in [
            ("London SW1A 1AA", "SW1A 1AA"),
            ("Ottawa K1A 0B1", "K1A 0B1"),
            ("Springfield, IL 62704", "62704"),
            ("Palo Alto CA 94301-1234", "94301-1234"),
            ("PLZ: 10115", "10115"),
            ("Postleitzahl ist D-10115", "D-10115"),
            ("postcode 1012 AB", "1012 AB"),
            ("code postal : 75008", "75008"),
            ("CEP 01310-100", "01310-100"),
            ("〒100-0001", "100-0001"),
            ("zip_code=94301", "94301"),
            ("Tulsa, OK 74103", "74103"),
            ("Manchester M1 3HP", "M1 3HP"),
            ("14 Mill Road, E1 2ND", "E1 2ND"),
            ("M1 3HP is our postcode", "M1 3HP"),
            ("E1 6AN", "E1 6AN"),
            ("<PLZ>70173</PLZ>", "70173"),
            ("| PLZ | 70173 |", "70173"),
            ("PLZ/Ort: 70173 Stuttgart", "70173"),
            ("CAP 00184 Roma", "00184"),
        ] {
            assert_eq!(codes(text), [code], "{text}");
        }
    }

    #[test]
    fn other_numbers_are_none() {
        for text in [
            "part E45 7QX",
            "press 1 OR 20000",
            "the file is in a zip of 12 MB",
            "Q12 1AA",
            "order 94301",
            "the result, OK 12345",
            "Motor M1 3HP",
            "line L2 3PH",
            "motors M1 3HP, M2 5HP",
            "Motor M10 5HP",
            "M12 5PN",
            "CAP 1000 UF 25V",
            "CAP 0402 100NF",
            "plz 5000 pcs",
            "Stromwandler CT 10000",
            "Nylon PA 66000",
        ] {
            assert!(codes(text).is_empty(), "{text}: {:?}", codes(text));
        }
    }
}
