//! Germany, France, Spain, Italy and the Netherlands.

use super::super::{
    Kind, check,
    cue::{Cues, Topic},
    number::Number,
};

pub(super) fn of_digits(number: &Number, cues: &Cues<'_>) -> Option<Kind> {
    let digits = number.digits.as_str();
    let near = |topic| cues.near(topic, &number.span);
    let person = match digits.len() {
        15 => is_french(digits),
        13 => near(Topic::French) && is_french_body(digits),
        11 => near(Topic::GermanTax) && is_german(digits),
        9 => near(Topic::Bsn) && is_dutch(digits),
        8 if number.form == "8" => near(Topic::Bsn) && is_dutch(&format!("0{digits}")),
        _ => false,
    };
    person.then_some(Kind::NATIONAL_ID)
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

/// The Spanish DNI and NIE: the letter is the number modulo 23; X, Y and Z count as 0, 1 and 2.
pub(super) fn is_spanish(code: &str) -> bool {
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
