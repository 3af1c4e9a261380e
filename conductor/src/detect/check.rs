//! Check digits. Each takes ASCII digits and is false for anything else or for too few.

/// The values of ASCII digits.
fn values(digits: &str) -> impl DoubleEndedIterator<Item = u32> + '_ {
    digits
        .bytes()
        .map(|byte| u32::from(byte.wrapping_sub(b'0')))
}

/// The sum of digits times weights, one weight a digit.
pub(super) fn weighted(digits: &str, weights: &[u32]) -> u32 {
    values(digits)
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum()
}

/// The remainder of a decimal number.
pub(super) fn remainder(digits: &str, divisor: u64) -> u64 {
    values(digits).fold(0, |rest, digit| (rest * 10 + u64::from(digit)) % divisor)
}

/// The Luhn sum (ISO/IEC 7812) with the check digit last.
pub(super) fn luhn(number: &str) -> bool {
    let sum: u32 = values(number)
        .rev()
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => digit,
            _ if digit > 4 => digit * 2 - 9,
            _ => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO/IEC 7064, MOD 11,10, with the check digit last.
pub(super) fn mod_11_10(number: &str) -> bool {
    let Some((head, last)) = number.split_at_checked(number.len().saturating_sub(1)) else {
        return false;
    };
    let product = values(head).fold(10, |product, digit| {
        let sum = (product + digit) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    values(last).next() == Some((11 - product) % 10)
}

/// Verhoeff's check (J. Verhoeff, Error detecting decimal codes, 1969): the dihedral group of ten elements.
pub(super) fn verhoeff(number: &str) -> bool {
    // One step of the permutation that moves each digit by its place.
    const MOVED: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let product = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let sum = values(number)
        .rev()
        .enumerate()
        .fold(0, |sum, (place, digit)| {
            let moved = (0..place % 8).fold(digit, |digit, _| MOVED[digit as usize % 10]);
            product(sum, moved)
        });
    !number.is_empty() && sum == 0
}

/// The sum of ICAO 9303 (weights 7, 3, 1, letters from 10 on) modulo 10.
pub(super) fn icao(code: &str) -> u32 {
    let sum: u32 = code
        .chars()
        .filter_map(|c| c.to_digit(36))
        .zip([7, 3, 1].into_iter().cycle())
        .map(|(value, weight)| value * weight)
        .sum();
    sum % 10
}

/// Whether all digits are the same, which every sum of equal digits may pass.
pub(super) fn is_uniform(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    bytes.windows(2).all(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_pass_and_a_changed_digit_does_not() {
        // Luhn: the usual example; MOD 11,10: ISO 7064's 0794; Verhoeff: 236 with its check digit 3.
        for (check, number) in [
            (luhn as fn(&str) -> bool, "79927398713"),
            (mod_11_10, "07945"),
            (verhoeff, "2363"),
        ] {
            assert!(check(number), "{number}");
            for place in 0..number.len() {
                let mut other = number.as_bytes().to_vec();
                other[place] = if other[place] == b'9' {
                    b'0'
                } else {
                    other[place] + 1
                };
                assert!(
                    !check(std::str::from_utf8(&other).unwrap()),
                    "{number} {place}"
                );
            }
        }
    }

    #[test]
    fn a_passport_example_of_icao_has_its_digit() {
        assert_eq!(icao("L898902C3"), 6);
        assert_eq!(icao("740812"), 2);
    }

    #[test]
    fn large_numbers_have_their_remainder() {
        assert_eq!(remainder("1850578006084", 97), 1_850_578_006_084 % 97);
        assert!(is_uniform("000") && !is_uniform("001"));
    }
}
