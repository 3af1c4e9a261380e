//! Valid numbers of persons, companies, cards, accounts and cars. The check digits are worked out here once more, from
//! their definitions, apart from the code under test.

use super::dice::Dice;

fn numbers(text: &str) -> Vec<u32> {
    text.chars().map(|c| c.to_digit(36).unwrap()).collect()
}

fn sum(text: &str, weights: &[u32]) -> u32 {
    numbers(text).iter().zip(weights).map(|(a, b)| a * b).sum()
}

/// The digits in groups of these lengths with `joint` between them.
pub(super) fn grouped(text: &str, lengths: &[usize], joint: &str) -> String {
    let mut rest = text;
    let mut groups = Vec::new();
    for &length in lengths {
        let (group, after) = rest.split_at(length);
        groups.push(group);
        rest = after;
    }
    groups.join(joint)
}

/// The digit that makes the Luhn sum a multiple of ten.
pub(super) fn card(dice: &mut Dice) -> String {
    let (head, length) = match dice.roll(4) {
        0 => ("4".to_owned(), 16),
        1 => (dice.between(51, 55).to_string(), 16),
        2 => (dice.pick(&["34", "37"]).to_owned(), 15),
        _ => ("6011".to_owned(), 16),
    };
    let body = head.clone() + &dice.text("0123456789", length - 1 - head.len());
    let total: u32 = numbers(&body)
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            if place % 2 == 0 {
                digit * 2 / 10 + digit * 2 % 10
            } else {
                *digit
            }
        })
        .sum();
    let whole = format!("{body}{}", (10 - total % 10) % 10);
    match (dice.roll(3), length) {
        (0, 16) => grouped(&whole, &[4, 4, 4, 4], " "),
        (1, 16) => grouped(&whole, &[4, 4, 4, 4], "-"),
        (0, _) => grouped(&whole, &[4, 6, 5], " "),
        _ => whole,
    }
}

pub(super) fn iban(dice: &mut Dice) -> String {
    let (country, account) = match dice.roll(3) {
        0 => ("DE", dice.digits(18)),
        1 => ("NL", format!("ABNA{}", dice.digits(10))),
        _ => ("FR", dice.digits(23)),
    };
    let rest = numbers(&format!("{account}{country}00"))
        .iter()
        .fold(0_u64, |rest, &n| {
            (rest * if n > 9 { 100 } else { 10 } + u64::from(n)) % 97
        });
    let whole = format!("{country}{:02}{account}", 98 - rest);
    if dice.roll(2) == 0 {
        return whole;
    }
    let groups: Vec<&str> = (0..whole.len())
        .step_by(4)
        .map(|at| &whole[at..whole.len().min(at + 4)])
        .collect();
    groups.join(" ")
}

pub(super) fn social_security(dice: &mut Dice) -> String {
    let area = dice.between(1, 665);
    format!(
        "{area:03}-{:02}-{:04}",
        dice.between(1, 99),
        dice.between(1, 9999)
    )
}

pub(super) fn health(dice: &mut Dice) -> String {
    loop {
        let body = dice.digits(9);
        let check = 11 - sum(&body, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        if check != 10 {
            let whole = format!("{body}{}", check % 11);
            return if dice.roll(2) == 0 {
                whole
            } else {
                grouped(&whole, &[3, 3, 4], " ")
            };
        }
    }
}

pub(super) fn insurance(dice: &mut Dice) -> String {
    let first = dice.text("ACEHJLMPRSTW", 1) + &dice.text("ACEHJLMPRSW", 1);
    let digits = dice.digits(6);
    let last = dice.text("ABCD", 1);
    if dice.roll(2) == 0 {
        format!("{first}{digits}{last}")
    } else {
        format!("{first} {} {last}", grouped(&digits, &[2, 2, 2], " "))
    }
}

/// One digit twice in the first ten, another not at all.
pub(super) fn german_tax(dice: &mut Dice) -> String {
    let mut digits: Vec<char> = "0123456789".chars().collect();
    let (gone, twice) = (dice.roll(10), dice.roll(9));
    digits.remove(gone);
    digits.push(digits[twice]);
    for at in (1..10).rev() {
        digits.swap(at, dice.roll(at + 1));
    }
    if digits[0] == '0' {
        digits.swap(0, 5);
    }
    if digits[0] == '0' {
        digits.swap(0, 6);
    }
    let mut product = 10;
    for digit in &digits {
        let total = match (digit.to_digit(10).unwrap() + product) % 10 {
            0 => 10,
            total => total,
        };
        product = total * 2 % 11;
    }
    let whole: String = digits.into_iter().collect::<String>() + &((11 - product) % 10).to_string();
    if dice.roll(2) == 0 {
        whole
    } else {
        grouped(&whole, &[2, 3, 3, 3], " ")
    }
}

pub(super) fn french(dice: &mut Dice) -> String {
    let body = format!(
        "{}{:02}{:02}{:02}{}{}",
        dice.between(1, 2),
        dice.roll(100),
        dice.between(1, 12),
        dice.between(1, 95),
        dice.digits(3),
        dice.digits(3)
    );
    let key = 97 - body.parse::<u64>().unwrap() % 97;
    let whole = format!("{body}{key:02}");
    if dice.roll(2) == 0 {
        whole
    } else {
        grouped(&whole, &[1, 2, 2, 2, 3, 3, 2], " ")
    }
}

pub(super) fn spanish(dice: &mut Dice) -> String {
    let letters: Vec<char> = "TRWAGMYFPDXBNJZSQVHLCKE".chars().collect();
    if dice.roll(2) == 0 {
        let digits = dice.digits(8);
        let letter = letters[digits.parse::<usize>().unwrap() % 23];
        format!("{digits}{}{letter}", dice.pick(&["", "-"]))
    } else {
        let sort = dice.roll(3);
        let digits = dice.digits(7);
        let letter = letters[format!("{sort}{digits}").parse::<usize>().unwrap() % 23];
        format!("{}{digits}{letter}", ["X", "Y", "Z"][sort])
    }
}

/// The odd places of the codice fiscale as its decree lists them: digits, then letters.
pub(super) fn fiscal(dice: &mut Dice) -> String {
    let odd_digits = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21];
    let odd_letters = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let body = format!(
        "{}{:02}{}{:02}{}{:03}",
        dice.text("BCDFGLMNPRST", 6),
        dice.roll(100),
        dice.text("ABCDEHLMPRST", 1),
        dice.between(1, 31),
        dice.text("ABCDEFGHIL", 1),
        dice.roll(1000)
    );
    let total: usize = body
        .chars()
        .enumerate()
        .map(|(place, c)| match (place % 2, c.to_digit(10)) {
            (0, Some(digit)) => odd_digits[digit as usize],
            (0, None) => odd_letters[c as usize - 'A' as usize],
            (_, Some(digit)) => digit as usize,
            _ => c as usize - 'A' as usize,
        })
        .sum();
    format!(
        "{body}{}",
        char::from(b'A' + u8::try_from(total % 26).unwrap())
    )
}

pub(super) fn dutch(dice: &mut Dice) -> String {
    loop {
        let body = dice.digits(8);
        let check = sum(&body, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        if check < 10 {
            return format!("{body}{check}");
        }
    }
}

fn modulo_11(body: &str, weights: &[u32]) -> u32 {
    match sum(body, weights) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    }
}

pub(super) fn cpf(dice: &mut Dice) -> String {
    let mut whole = dice.digits(9);
    whole += &modulo_11(&whole, &[10, 9, 8, 7, 6, 5, 4, 3, 2]).to_string();
    whole += &modulo_11(&whole, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]).to_string();
    format!("{}-{}", grouped(&whole[..9], &[3, 3, 3], "."), &whole[9..])
}

pub(super) fn cnpj(dice: &mut Dice) -> String {
    let mut whole = dice.digits(8) + "0001";
    whole += &modulo_11(&whole, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]).to_string();
    whole += &modulo_11(&whole, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]).to_string();
    let head = grouped(&whole[..8], &[2, 3, 3], ".");
    format!("{head}/{}-{}", &whole[8..12], &whole[12..])
}

/// Verhoeff's digit by trying all ten against the tables of his dissertation.
pub(super) fn aadhaar(dice: &mut Dice) -> String {
    let moved = |place: usize, digit: usize| {
        (0..place).fold(digit, |digit, _| [1, 5, 7, 6, 2, 8, 3, 0, 9, 4][digit])
    };
    let times = |a: usize, b: usize| {
        let (turn_a, turn_b) = (a % 5, b % 5);
        match (a < 5, b < 5) {
            (true, true) => (turn_a + turn_b) % 5,
            (true, false) => 5 + (turn_a + turn_b) % 5,
            (false, true) => 5 + (turn_a + 5 - turn_b) % 5,
            (false, false) => (turn_a + 5 - turn_b) % 5,
        }
    };
    let body = dice.text("3456789", 1) + &dice.text("0123456789", 10);
    let digit = (0..10)
        .find(|digit| {
            let all = format!("{body}{digit}");
            let digits = all.chars().rev().map(|c| c.to_digit(10).unwrap() as usize);
            digits
                .enumerate()
                .fold(0, |sum, (place, digit)| times(sum, moved(place % 8, digit)))
                == 0
        })
        .unwrap();
    let whole = format!("{body}{digit}");
    if dice.roll(2) == 0 {
        whole
    } else {
        grouped(&whole, &[4, 4, 4], " ")
    }
}

pub(super) fn vin(dice: &mut Dice) -> String {
    let body = dice.text("123JKSWYZ", 1)
        + &dice.text("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", 10)
        + &dice.text("ABCDEFGH", 1)
        + &dice.digits(5);
    let values: Vec<u32> = body
        .chars()
        .map(|c| match c {
            'A' | 'J' => 1,
            'B' | 'K' | 'S' => 2,
            'C' | 'L' | 'T' => 3,
            'D' | 'M' | 'U' => 4,
            'E' | 'N' | 'V' => 5,
            'F' | 'W' => 6,
            'G' | 'P' | 'X' => 7,
            'H' | 'Y' => 8,
            'R' | 'Z' => 9,
            digit => digit.to_digit(10).unwrap(),
        })
        .collect();
    let mut whole: Vec<char> = body.chars().collect();
    let weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let total: u32 = values
        .iter()
        .zip(weights)
        .map(|(value, weight)| value * weight)
        .sum();
    whole[8] = match total % 11 {
        10 => 'X',
        digit => char::from_digit(digit, 10).unwrap(),
    };
    whole.into_iter().collect()
}

pub(super) fn routing(dice: &mut Dice) -> String {
    let body = format!("{:02}{}", dice.between(1, 12), dice.text("0123456789", 6));
    let total = sum(&body, &[3, 7, 1, 3, 7, 1, 3, 7]);
    format!("{body}{}", (10 - total % 10) % 10)
}
