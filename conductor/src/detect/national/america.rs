//! The United States, Mexico and Brazil.

use super::super::{
    Kind, check,
    cue::{Cues, Topic},
    number::Number,
};

pub(super) fn of_digits(number: &Number<'_>, cues: &Cues<'_>) -> Option<Kind> {
    let digits = number.digits.as_str();
    let near = |topic| cues.near(topic, &number.span);
    match number.form.as_str() {
        "3-2-4" if is_social_security(digits) && !cues.of_goods(&number.span) => {
            Some(Kind::NATIONAL_ID)
        }
        "3 2 4" | "3.2.4" | "9" | "3 3 3" | "3-3-3"
            if is_social_security(digits) && near(Topic::SocialSecurity) =>
        {
            Some(Kind::NATIONAL_ID)
        }
        "2-7" | "2 7" | "9" if is_employer(digits) && near(Topic::UsTax) => Some(Kind::TAX_ID),
        "3.3.3-2" if is_person(digits) => Some(Kind::NATIONAL_ID),
        "11" | "3 3 3 2" | "3 3 3-2" | "3-3-3-2" | "3.3.3.2" | "9-2"
            if is_person(digits) && near(Topic::Cpf) =>
        {
            Some(Kind::NATIONAL_ID)
        }
        "2.3.3/4-2" if is_company(digits) => Some(Kind::TAX_ID),
        "14" | "2 3 3 4 2" | "8/4-2" | "2 3 3/4-2" if is_company(digits) && near(Topic::Cnpj) => {
            Some(Kind::TAX_ID)
        }
        _ => None,
    }
}

/// A social security number or an individual's tax number: no area 000 or 666, no group 00, no serial 0000; from 900
/// on, the groups that the tax office gives.
fn is_social_security(digits: &str) -> bool {
    let part = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse().ok());
    let (Some(area), Some(group), Some(serial)) = (part(0, 3), part(3, 5), part(5, 9)) else {
        return false;
    };
    let issued = match area {
        0 | 666 => false,
        900.. => matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99),
        _ => group != 0,
    };
    issued && serial != 0 && !check::is_uniform(digits)
}

/// An employer's number begins with the campus that gave it; these were never given.
fn is_employer(digits: &str) -> bool {
    let never = [
        "00", "07", "08", "09", "17", "18", "19", "28", "29", "49", "69", "70", "78", "79", "89",
        "96", "97",
    ];
    digits.len() == 9 && !never.contains(&&digits[..2])
}

/// A Brazilian person's CPF: two check digits modulo 11.
fn is_person(digits: &str) -> bool {
    let weights = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2];
    digits.len() == 11
        && !check::is_uniform(digits)
        && [9, 10].into_iter().all(|length| {
            let sum = check::weighted(&digits[..length], &weights[10 - length..]);
            digits[length..=length] == (sum * 10 % 11 % 10).to_string()
        })
}

/// A Brazilian company's CNPJ, from 2026 on with letters, whose values are those of ASCII less 48; two check digits
/// modulo 11.
pub(super) fn is_company(code: &str) -> bool {
    let weights = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    code.len() == 14
        && code.is_ascii()
        && !check::is_uniform(code)
        && [12, 13].into_iter().all(|length| {
            let sum: u32 = code
                .bytes()
                .take(length)
                .zip(&weights[13 - length..])
                .map(|(byte, weight)| u32::from(byte.saturating_sub(b'0')) * weight)
                .sum();
            let digit = match sum % 11 {
                0 | 1 => 0,
                rest => 11 - rest,
            };
            code[length..=length] == digit.to_string()
        })
}

/// The Mexican CURP: of the name, the day of birth, the sex, the state and the name again; the check digit makes the sum
/// of the places in the alphabet (Ñ among them), times 18 down to 1, a multiple of ten.
pub(super) fn is_mexican(code: &str) -> bool {
    let value = |byte: u8| {
        u32::from(match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'N' => byte - b'A' + 10,
            _ => byte.wrapping_sub(b'A').wrapping_add(11),
        })
    };
    let sum: u32 = code
        .bytes()
        .zip((1..=18).rev())
        .map(|(byte, weight)| value(byte) * weight)
        .sum();
    let part = |from: usize, to: usize| code.get(from..to).and_then(|part| part.parse().ok());
    code.len() == 18
        && matches!((part(6, 8), part(8, 10)), (Some(1..=12), Some(1..=31)))
        && sum.is_multiple_of(10)
}
