//! Vehicles: identification numbers (ISO 3779) and licence plates.

use std::{cell::LazyCell, ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Kind,
    cue::{Cues, FILLER, Topic},
    pattern::{Raw, compiled},
    word::window_before,
};

static VIN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"(?i-u)\b[A-HJ-NPR-Z0-9]{3}[A-HJ-NPR-Z0-9]{9}[A-HJ-NPR-Z0-9][0-9]{4}\b")
});

/// Plates by their country's form; what stands before them says that they are plates.
static PLATE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        r"{FILLER}(?:(?i:lkw|pkw|kfz|autos?|wagens?|fahrzeugs?|anhängers?|truck|lorry|van|trailer)(?-u:\b)[\s:=]{{1,4}})?(?<v>{})(?-u:\b)",
        concat!(
            r"(?i:[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} ?[0-9]{1,4}[EH]?)|", // Germany, also in small letters.
            r"[A-Z]{2}[ -]?[0-9]{1,2}[ -]?[A-Z]{1,3}[ -]?[0-9]{4}", // India.
            r"|[A-ZÄÖÜ]{1,3}[ -][A-Z]{1,2}[ -]?[0-9]{1,4}[EH]?", // Germany.
            r"|[A-Z]{1,3}[ -][0-9]{1,6}[ -]?[A-Z]{0,3}", // Austria, Switzerland, much of America.
            r"|[A-Z]{2}[0-9]{2} ?[A-Z]{3}|[A-Z][0-9]{1,3} ?[A-Z]{3}", // Britain.
            r"|[A-Z]{2}[ -]?[0-9]{3}[ -]?[A-Z]{2}",      // France, Italy.
            r"|[0-9]{4}[ -]?[A-Z]{3}",                   // Spain.
            r"|(?:[A-Z]{1,3}|[0-9]{1,3})-(?:[A-Z]{2,3}|[0-9]{2,3})-(?:[A-Z]{1,2}|[0-9]{1,2})", // The Netherlands.
            r"|[A-Z]{3}[ -]?[0-9][A-Z0-9][0-9]{2}", // Brazil, much of America.
            r"|[0-9][A-Z]{3}[0-9]{3}",              // California.
            r"|[A-Z]{2,3} ?[0-9][0-9A-Z]{3,4}",     // Poland.
            r"|[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][·-]?[A-Z0-9]{5,6}",
        )
    ))
});

/// What is rather a standard, a material or a size: `EN 10025`, `IP 67`, `M 12`.
static STANDARD: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^(?-u)(?:(?:EN|DIN|ISO|IEC|UNI|JIS|BS|NF|VDE|VDI|UL|API|IP|NPS|PN|DN|SS|GB|RAL|AL)[ -][0-9]{1,6}|[A-Z][ -][0-9]{1,3})$",
    )
});

/// Words that are about plates of vehicles and no others.
static LICENCE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?:licen[cs]e|number|registration) plates?|kennz(?:eichen|\.)|nummernschild|registration|\breg\b|immatricul|matr[íi]cula|targ|kenteken",
    )
});

pub(super) fn find(text: &str, cues: &Cues<'_>, found: &mut Vec<Raw>) {
    let numbers = VIN.find_iter(text).map(|m| m.range());
    found.extend(
        numbers
            .filter(|span| is_identification(&text[span.clone()], span, cues))
            .map(|span| (span, Kind::VIN)),
    );
    let vehicles = LazyCell::new(|| VEHICLE.is_match(text));
    let plates = cues.values(Topic::Plate, &PLATE).filter(|span| {
        let before = window_before(text, span.start, 40);
        is_plate(&text[span.clone()], before, || *vehicles)
    });
    found.extend(plates.map(|span| (span, Kind::PLATE)));
}

/// Whether the words before it make it a plate's number, or those of the whole text where there is but "plate".
fn is_plate(written: &str, before: &str, vehicles: impl FnOnce() -> bool) -> bool {
    let shouted = !written.contains(|c: char| c.is_ascii_lowercase());
    let licence = LICENCE.is_match(before) && !MARKING.is_match(before);
    licence
        || (shouted && OWN.is_match(written))
        || (shouted
            && !STANDARD.is_match(written)
            && !MARKING.is_match(before)
            && (!BARE.is_match(before) || vehicles()))
}

/// "Plate" and no more, which machines have too.
static BARE: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)(?:^|[^\p{L}])(?:plates?|placas?|plaque)(?:[^\p{L}]|$)"));

/// Brazil's, Britain's and Germany's own forms say enough.
static OWN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^(?:[A-Z]{3}[ -]?[0-9][A-Z0-9][0-9]{2}|[A-Z]{2}[0-9]{2} [A-Z]{3}|[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} [0-9]{1,4}[EH]?)$",
    )
});

/// Marks of conformity.
static MARKING: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)(?-u:\b)(?:CE|EX|ATEX|UKCA|UL)[- ]?kennzeichen"));

/// A text about vehicles.
static VEHICLE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)licen[cs]e|registration|(?-u:\b)(?:cars?|vehicles?|trucks?|lorry|lorries|van|trailers?|driver|parking|coches?|vehículos?|autos?|carros?|veículos?|camión|camiones|voitures?|véhicules?|matrícula|immatriculation)(?-u:\b)",
    )
});

/// Outside North America and China nothing makes the ninth character a check digit, so that a word may stand for it.
fn is_identification(written: &str, span: &Range<usize>, cues: &Cues<'_>) -> bool {
    let code = written.to_ascii_uppercase();
    let letters = code.bytes().filter(u8::is_ascii_uppercase).count();
    let shouted = written == code;
    (3..=12).contains(&letters)
        && (cues.near(Topic::Vehicle, span) || (shouted && is_checked(&code)))
}

/// Letters count as 1 to 9 in the order of the alphabet, anew from J and from S (which is 2); X stands for ten.
fn is_checked(code: &str) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |byte: u8| match byte {
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'R' => u32::from(byte - b'J') + 1,
        b'S'..=b'Z' => u32::from(byte - b'S') + 2,
        _ => u32::from(byte.wrapping_sub(b'0')),
    };
    let sum: u32 = code
        .bytes()
        .zip(WEIGHTS)
        .map(|(byte, weight)| value(byte) * weight)
        .sum();
    let check = match sum % 11 {
        10 => b'X',
        digit => b"0123456789"[digit as usize],
    };
    code.as_bytes()[8] == check
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn all(text: &str) -> Vec<&str> {
        pieces(text, |found| find(text, &Cues::of(text), found))
    }

    #[test]
    fn identification_numbers_have_their_check_digit_or_a_word() {
        assert_eq!(
            all("the car 1M8GDM9AXKP042788 is sold"),
            ["1M8GDM9AXKP042788"]
        );
        assert!(all("the code 1M8GDM9A1KP042788 is sold").is_empty());
        assert_eq!(all("FIN: WVWZZZ1JZXW000001"), ["WVWZZZ1JZXW000001"]);
        assert_eq!(all("vin 1m8gdm9axkp042788"), ["1m8gdm9axkp042788"]);
        assert!(all("11111111111111111").is_empty());
    }

    #[test]
    fn plates_are_found_behind_a_word() {
        for (text, plate) in [
            ("Kennzeichen B-MW 1234", "B-MW 1234"),
            ("amtliches Kennzeichen: MÜ AB 12E", "MÜ AB 12E"),
            ("number plate AB12 CDE", "AB12 CDE"),
            ("immatriculation AB-123-CD", "AB-123-CD"),
            ("matrícula 1234 BCD", "1234 BCD"),
            ("targa AB 123 CD", "AB 123 CD"),
            ("kenteken 12-AB-34", "12-AB-34"),
            ("placa ABC1D23", "ABC1D23"),
            ("registration number MH 12 AB 1234", "MH 12 AB 1234"),
            ("License plate is 7ABC123", "7ABC123"),
            ("车牌号京A12345", "京A12345"),
            ("license plate W 123", "W 123"),
            ("Kennzeichen des LKW: S-AB 1234", "S-AB 1234"),
            ("Kfz-Kennz.: S-AB 1234", "S-AB 1234"),
            ("kennzeichen s-ab 1234", "s-ab 1234"),
            ("Licence plate of the truck: AB12 CDE", "AB12 CDE"),
            ("the car has the plate AB 123", "AB 123"),
            ("his plate is AB12 CDE", "AB12 CDE"),
        ] {
            assert_eq!(all(text), [plate], "{text}");
        }
        assert!(all("the plate is 12 mm of steel").is_empty());
        for text in [
            "machine B-MW 1234",
            "steel plate EN 10025",
            "plate DIN 912",
            "end plate: IP 67",
            "base plate M 12",
            "Mounting plate MP-200",
            "Orifice plate FO-101",
            "Name plate: SN 12345",
            "CE-Kennzeichen: CE 0158",
            "Ex-Kennzeichen: II 2G",
            "placa PL-2030",
        ] {
            assert!(all(text).is_empty(), "{text}");
        }
    }
}
