//! Bank details other than IBANs: BIC, routing numbers, sort codes, account numbers; each beside its word.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Kind, check,
    country::is_country,
    cue::{Cues, FILLER, Topic},
    national::is_day,
    number::Number,
    pattern::{Raw, compiled},
    way,
};

/// ISO 9362: bank, country, place, branch.
static BIC: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        "{FILLER}(?<v>(?i-u:[A-Z]{{4}}[A-Z]{{2}}[A-Z0-9]{{2}}(?:[A-Z0-9]{{3}})?))(?-u:\\b)"
    ))
});

/// India's IFSC, and accounts with letters.
static ACCOUNT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        "{FILLER}(?<v>[A-Z]{{4}}0[A-Z0-9]{{6}}|[A-Z]{{1,4}}[0-9]{{7,14}})(?-u:\\b)"
    ))
});

/// Words of eight or eleven letters that may stand behind "swift" or "BIC".
const WORDS: [&str; 7] = [
    "controls",
    "operator",
    "scanning",
    "language",
    "transaction",
    "delivery",
    "messages",
];

/// A bank's or an account's number that consists of digits alone.
pub(super) fn of_digits(number: &Number<'_>, cues: &Cues<'_>) -> Option<Kind> {
    let near = |topic| cues.near(topic, &number.span);
    let digits = number.digits.as_str();
    let form = number.form.as_str();
    let bank = match form {
        "9" => is_routing(digits) && near(Topic::Routing),
        "2-2-2" | "2 2 2" | "6" => near(Topic::SortCode),
        _ => false,
    };
    // Figures with points are amounts or dates.
    let account = (6..=30).contains(&digits.len())
        && !form.contains(['/', '.'])
        && !is_dated(form, digits)
        && cues.before(Topic::Account, &number.span)
        && !NO_ACCOUNT.is_match(number.before)
        && !way::is_counted(number.behind);
    (bank || account).then_some(Kind::BANK_ACCOUNT)
}

/// What has a word for accounts and is about none.
static NO_ACCOUNT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?:(?:in|into|on|no|take) account(?: of)?|compte(?:[ -]rendu| tenu d[eu]s?|[- ]tours)|a/c)[\s:.#]{0,4}$",
    )
});

/// `2019-2022`, `2024-06-12`, `12 06 2024`.
fn is_dated(form: &str, digits: &str) -> bool {
    match form {
        "4-4" => are_years(digits),
        "4-2-2" | "2-2-4" | "4 2 2" | "2 2 4" => is_day(digits),
        _ => false,
    }
}

pub(super) fn codes(text: &str, cues: &Cues<'_>, found: &mut Vec<Raw>) {
    let bics = cues.values(Topic::Bic, &BIC).filter(|span| {
        let code = &text[span.clone()];
        is_country(&code[4..6])
            && !WORDS.contains(&code.to_ascii_lowercase().as_str())
            && (code.bytes().all(|byte| !byte.is_ascii_lowercase())
                || code.contains(|c: char| c.is_ascii_digit()))
    });
    let accounts = cues.values(Topic::Account, &ACCOUNT);
    found.extend(bics.chain(accounts).map(|span| (span, Kind::BANK_ACCOUNT)));
}

/// `2019-2022`.
fn are_years(digits: &str) -> bool {
    let year = |part: &str| part.starts_with("19") || part.starts_with("20");
    year(&digits[..4]) && year(&digits[4..])
}

/// A routing number of the American Bankers Association: the districts that there are, weights 3, 7 and 1.
fn is_routing(digits: &str) -> bool {
    let district: u32 = digits[..2].parse().unwrap_or(99);
    let sum = check::weighted(digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]);
    matches!(district, 1..=12 | 21..=32 | 61..=72 | 80) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::super::{group::Digits, number};
    use super::*;

    fn all(text: &str) -> Vec<&str> {
        let cues = Cues::of(text);
        let mut found = Vec::new();
        number::each(&Digits::of(text), |number| {
            let kind = of_digits(number, &cues);
            found.extend(kind.clone().map(|kind| (number.span.clone(), kind)));
            kind.is_some()
        });
        codes(text, &cues, &mut found);
        found.into_iter().map(|(span, _)| &text[span]).collect()
    }

    #[test]
    fn bank_details_are_found_beside_their_words() {
        for (text, detail) in [
            ("routing number 011000015", "011000015"),
            ("sort code: 12-34-56", "12-34-56"),
            ("account no. 12345678", "12345678"),
            ("Account numbers: 12345678 and other", "12345678"),
            ("Kontonummer 1234 567 890", "1234 567 890"),
            ("BIC: COBADEFFXXX", "COBADEFFXXX"),
            ("SWIFT code is DEUTDEFF", "DEUTDEFF"),
            ("ABA 021000021", "021000021"),
            ("account 2024 06 99", "2024 06 99"),
            ("A/C no. 1234567890", "1234567890"),
            (
                "Cuenta bancaria: 2100 0418 45 0200051332",
                "2100 0418 45 0200051332",
            ),
            (
                "Compte bancaire (RIB) : 30004 00003 12345678901 85",
                "30004 00003 12345678901 85",
            ),
            (
                "Numer konta: 61 1090 1014 0000 0712 1981 2874",
                "61 1090 1014 0000 0712 1981 2874",
            ),
            ("IFSC HDFC0001234", "HDFC0001234"),
        ] {
            assert_eq!(all(text), [detail], "{text}");
        }
    }

    #[test]
    fn other_numbers_are_none() {
        for text in [
            "routing number 011000016",
            "order 12-34-56",
            "a swift response",
            "BIC PROTOCOL",
            "SWIFT: CONTROLS",
            "the account was opened on 12.03.2024",
            "account for order 12345678",
            "account controller 2019-2022",
            "Service account created 2024-06-12 by IT.",
            "https://acct.blob.core.windows.net/c?sv=2022-11-02&sig=x",
            "Take into account 1500000 cycles",
            "Compte tenu de 120000 pièces",
            "Compte-tours 150000",
            "A linha conta 150000 ciclos",
            "A/C 4711234 compressor",
        ] {
            assert!(all(text).is_empty(), "{text}: {:?}", all(text));
        }
    }
}
