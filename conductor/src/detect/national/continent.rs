//! Germany, France, Spain, Italy and the Netherlands.

use std::ops::Range;

use super::super::{
    Kind, check,
    cue::{Cues, Topic},
    number::Number,
};

pub(super) fn of_digits(number: &Number<'_>, cues: &Cues<'_>) -> Option<Kind> {
    let digits = number.digits.as_str();
    let near = |topic| cues.near(topic, &number.span);
    if is_tax_form(&number.form) && cues.before(Topic::GermanTaxNumber, &number.span) {
        return Some(Kind::TAX_ID);
    }
    let person = match digits.len() {
        15 => (is_french_form(&number.form) || near(Topic::French)) && is_french(digits),
        13 => near(Topic::French) && is_french_body(digits),
        11 => (near(Topic::GermanTax) || near(Topic::GermanTaxNumber)) && is_german(digits),
        9 => near(Topic::Bsn) && is_dutch(digits),
        8 if number.form == "8" => near(Topic::Bsn) && is_dutch(&format!("0{digits}")),
        _ => false,
    };
    person.then_some(Kind::NATIONAL_ID)
}

/// Whether the French NIR is written so: at one go, or parted between its fields, the first of which is one digit.
fn is_french_form(form: &str) -> bool {
    let lengths = form.split([' ', '-', '.']);
    let lengths: Vec<usize> = lengths.filter_map(|length| length.parse().ok()).collect();
    let mut end = 0;
    matches!(lengths[..], [1, ..] | [13, 2] | [15])
        && lengths.iter().all(|length| {
            end += length;
            matches!(end, 1 | 3 | 5 | 7 | 10 | 13 | 15)
        })
}

/// How the German states write the number of a tax office, and in one for all states.
fn is_tax_form(form: &str) -> bool {
    matches!(
        form,
        "2/3/5"
            | "3/3/5"
            | "3/4/4"
            | "2/3/4/1"
            | "2 3 5"
            | "3 3 5"
            | "3 4 4"
            | "2 3 4 1"
            | "10"
            | "13"
    )
}

/// The number of a person with a German health insurance: the letter counts as its place in the alphabet with two digits,
/// the digits one and two times in turn, as the sums of their own digits; the last is the sum modulo 10.
pub(super) fn is_insured(code: &str) -> bool {
    let Some((letter, digits)) = code.split_at_checked(1) else {
        return false;
    };
    let place = letter
        .bytes()
        .next()
        .unwrap_or_default()
        .wrapping_sub(b'A')
        .wrapping_add(1);
    let all = format!("{place:02}{digits}");
    let (body, last) = all.split_at(all.len() - 1);
    let sum: u32 = body
        .chars()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(at, digit)| digit * if at % 2 == 0 { 1 } else { 2 })
        .map(|product| product / 10 + product % 10)
        .sum();
    all.len() == 11 && (sum % 10).to_string() == last
}

/// The German pension number: office, day of birth, letter, serial and check digit, the letter as its place in the alphabet.
pub(super) fn is_pension(code: &str) -> bool {
    const WEIGHTS: [u32; 12] = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let Some((head, rest)) = code.split_at_checked(8) else {
        return false;
    };
    let Some((letter, rest)) = rest.split_at_checked(1) else {
        return false;
    };
    let place = u32::from(letter.as_bytes()[0].wrapping_sub(b'@'));
    let all = format!("{head}{place:02}{rest}");
    let sum: u32 = all
        .chars()
        .filter_map(|c| c.to_digit(10))
        .zip(WEIGHTS)
        .map(|(digit, weight)| digit * weight)
        .map(|product| product / 10 + product % 10)
        .sum();
    let born = matches!(code[2..4].parse(), Ok(1..=31)) && matches!(code[4..6].parse(), Ok(1..=12));
    all.len() == 13 && born && all.ends_with(&(sum % 10).to_string())
}

/// The German tax number: the first ten digits have one that occurs twice or thrice and no other twice; the last is
/// that of ISO/IEC 7064, MOD 11,10.
fn is_german(digits: &str) -> bool {
    let mut counts = [0; 10];
    for byte in digits.bytes().take(10) {
        counts[usize::from(byte - b'0')] += 1;
    }
    let repeated: Vec<i32> = counts.into_iter().filter(|&count| count > 1).collect();
    !digits.starts_with('0') && matches!(repeated.as_slice(), [2 | 3]) && check::mod_11_10(digits)
}

/// The French NIR with its key: sex, year, month, department, commune, order; the key makes it a multiple of 97.
/// Corsica's 2A and 2B count as 19 and 18.
pub(super) fn is_french(code: &str) -> bool {
    let plain = code.replace("2A", "19").replace("2B", "18");
    let Some((body, key)) = plain.split_at_checked(13) else {
        return false;
    };
    plain.len() == 15
        && plain.bytes().all(|byte| byte.is_ascii_digit())
        && is_french_body(body)
        && key
            .parse::<u64>()
            .is_ok_and(|key| key == 97 - check::remainder(body, 97))
}

/// Months from 20 on stand for unknown ones.
fn is_french_body(digits: &str) -> bool {
    let month: u32 = digits[3..5].parse().unwrap_or(0);
    matches!(
        digits.as_bytes()[0],
        b'1' | b'2' | b'3' | b'4' | b'7' | b'8'
    ) && matches!(month, 1..=12 | 20..=42 | 50..=99)
}

/// The Dutch BSN: weights 9 to 2 and -1, modulo 11.
fn is_dutch(digits: &str) -> bool {
    let sum = check::weighted(&digits[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
    let last = check::weighted(&digits[8..], &[1]);
    sum % 11 == last && sum > 0
}

/// A Spanish number by its letter, which one in 23 of all others has too: what is a day or of goods, and what is but a
/// number before a small letter, needs a word.
pub(super) fn is_identity(written: &str, code: &str, span: &Range<usize>, cues: &Cues<'_>) -> bool {
    let word = written.contains(' ') && written.ends_with(|c: char| c.is_ascii_lowercase());
    let doubtful = word || is_day(&code[..8]) || cues.of_goods(span);
    is_spanish(code) && (!doubtful || cues.near(Topic::Spanish, span))
}

/// `20241123`, `23112024`.
pub(in crate::detect) fn is_day(digits: &str) -> bool {
    let part = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse().ok());
    let day = |year: Option<u32>, month: Option<u32>, day: Option<u32>| {
        matches!(
            (year, month, day),
            (Some(1900..=2099), Some(1..=12), Some(1..=31))
        )
    };
    day(part(0, 4), part(4, 6), part(6, 8)) || day(part(4, 8), part(2, 4), part(0, 2))
}

/// The Spanish DNI and NIE: the letter is the number modulo 23; X, Y and Z count as 0, 1 and 2.
fn is_spanish(code: &str) -> bool {
    let digits = match code.as_bytes() {
        [b'X', rest @ ..] => [b"0", rest].concat(),
        [b'Y', rest @ ..] => [b"1", rest].concat(),
        [b'Z', rest @ ..] => [b"2", rest].concat(),
        all => all.to_vec(),
    };
    let Some((letter, digits)) = digits.split_last() else {
        return false;
    };
    let number = digits
        .iter()
        .fold(0, |number, byte| number * 10 + usize::from(byte - b'0'));
    number > 0 && b"TRWAGMYFPDXBNJZSQVHLCKE"[number % 23] == *letter
}

/// The Italian codice fiscale: characters at odd places count by a table, those at even ones by their place in the
/// alphabet or as digits; the last is the sum modulo 26.
pub(super) fn is_fiscal(code: &str) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let value = |byte: u8| {
        u32::from(if byte.is_ascii_digit() {
            byte - b'0'
        } else {
            byte.wrapping_sub(b'A') % 26
        })
    };
    let Some((&last, body)) = code.as_bytes().split_last() else {
        return false;
    };
    let sum: u32 = body
        .iter()
        .enumerate()
        .map(|(place, &byte)| match place % 2 {
            0 => ODD[value(byte) as usize],
            _ => value(byte),
        })
        .sum();
    body.len() == 15 && sum % 26 == value(last) && last.is_ascii_uppercase()
}

/// What may be the number of an identity card, a passport or a licence. One with the form of a German card must have its
/// check digit.
pub(super) fn is_paper(written: &str) -> bool {
    let digits = written.bytes().filter(u8::is_ascii_digit).count();
    let code = written.to_ascii_uppercase();
    let german = code.len() == 10
        && code.starts_with(|c| "LMNPRTVWXY".contains(c))
        && code.ends_with(|c: char| c.is_ascii_digit())
        && code
            .chars()
            .all(|c| c.is_ascii_digit() || "CFGHJKLMNPRTVWXYZ".contains(c));
    let valid = !german || code.ends_with(&check::icao(&code[..9]).to_string());
    (digits >= 5 || (digits >= 3 && written.len() >= 8)) && valid
}
