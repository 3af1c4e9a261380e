//! Sums in a text, such as `3 * (4 + 5) = 27`, that are wrong.
//!
//! Only what is surely a sum in decimal numbers is looked at: what might be a formula, a unit, a ratio, a date, a remainder or a
//! number in another way of writing is passed over.

/// Deeper brackets are no sum that anybody wrote.
const DEEP: u8 = 16;
/// Words beside which `=` means something else.
const OTHERWISE: [&str; 11] = [
    "mod",
    "modulo",
    "rem",
    "remainder",
    "rest",
    "r",
    "binary",
    "hex",
    "octal",
    "base",
    "log",
];

/// The first wrong sum, with what it is.
pub(super) fn wrong(text: &str) -> Option<String> {
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code || line.len() > 1_000 || is_otherwise(line) {
            continue;
        }
        let line = plain(line);
        let found = line
            .match_indices('=')
            .find_map(|(at, _)| at_sign(&line, at));
        if found.is_some() {
            return found;
        }
    }
    None
}

fn is_otherwise(line: &str) -> bool {
    let lower = line.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric());
    words.any(|word| OTHERWISE.contains(&word))
}

/// With the signs that programs use, without the number of a list's line, and without marks of emphasis and money.
fn plain(line: &str) -> String {
    let line = ["\\(", "\\)", "\\[", "\\]"]
        .iter()
        .fold(line.to_owned(), |line, sign| line.replace(sign, " "))
        .replace("\\times", "*")
        .replace("\\cdot", "*")
        .replace("\\div", "/")
        .replace(['×', '·'], "*")
        .replace('÷', "/")
        .replace(['−', '–'], "-")
        .replace(" x ", " * ");
    let line = line.replace("**", "").replace(['$', '€', '£', '`'], "");
    let text = line.trim_start();
    let item = text.trim_start_matches(|c: char| c.is_ascii_digit());
    match item
        .strip_prefix(['.', ')'])
        .filter(|_| item.len() < text.len())
    {
        Some(rest) if rest.starts_with(' ') => rest.to_owned(),
        _ => line,
    }
}

/// Looks at the sum whose sign of equality stands here.
fn at_sign(line: &str, at: usize) -> Option<String> {
    let (before, after) = (line.get(..at)?, line.get(at + 1..)?);
    let is_part = |c: char| c.is_ascii_digit() || " .,+-*/()".contains(c);
    let from = before
        .char_indices()
        .rev()
        .take_while(|(_, c)| is_part(*c))
        .last()
        .map_or(at, |(from, _)| from);
    let left = before.get(from..)?;
    // The end of a sentence, or the mark of a list's line.
    let left = left.trim_start_matches([' ', '.', ',', '-', ')', '+', '*', '/']);
    let lead = before.get(..at - left.len())?;
    let left = left.trim();
    // Something that the first number may belong to: a name, or a sign that was not taken in.
    let touches = lead.chars().next_back().is_some_and(|c| c != ' ');
    let lead = lead.trim();
    let is_compared = ["==", "!=", "<=", ">="]
        .iter()
        .any(|sign| lead.ends_with(sign));
    let is_open = is_compared
        || (lead.ends_with(|c| "+-*/^%<>~≈°)".contains(c)) && !["-", "*", "+"].contains(&lead));
    let is_date = left.matches('/').count() > 1 && !left.contains(' ');
    if touches || is_open || is_date {
        return None;
    }
    let right = after.trim_start();
    let length = number_length(right.strip_prefix('-').unwrap_or(right))?;
    let length = length + usize::from(right.starts_with('-'));
    let (said, rest) = right.split_at(length);
    let next = rest.trim_start().chars().next();
    let touching = rest.chars().next();
    if next.is_some_and(|c| "+-*/^%=×÷(°".contains(c))
        || touching.is_some_and(|c| c.is_alphanumeric() || c == '_')
        || (touching == Some(',') && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
    {
        return None;
    }
    let mut sum = Sum {
        rest: left,
        operations: 0,
        divides: false,
        decimals: 0,
        depth: 0,
    };
    let is = sum.whole()?;
    let value = number(said.trim_start_matches('-'))?;
    let value = if said.starts_with('-') { -value } else { value };
    let shown = decimals(said);
    // What was divided, or has more decimals than are shown, may have been rounded or cut off.
    let rounds = sum.divides || sum.decimals > shown;
    let step = 0.1f64.powi(i32::try_from(shown).ok()?);
    let may = if rounds { step } else { step * 1e-6 };
    let near = (is - value).abs() <= may + 1e-9 * is.abs();
    (sum.operations > 0 && is.is_finite() && !near)
        .then(|| format!("{left} = {said} (it is {})", text(is)))
}

/// How long the number is that a text begins with; `None` where it begins with none, or one that can be read in two ways.
fn number_length(text: &str) -> Option<usize> {
    let length = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ','))
        .unwrap_or(text.len());
    // The end of a sentence is no part of it.
    let word = text[..length].trim_end_matches(['.', ',']);
    number(word).map(|_| word.len())
}

/// A number as English writes it; one that is another number elsewhere is none.
fn number(word: &str) -> Option<f64> {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let grouped: Vec<&str> = groups.collect();
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let is_english = !first.is_empty()
        && digits(first)
        && digits(fraction)
        && (grouped.is_empty() || first.len() <= 3)
        && grouped.iter().all(|group| group.len() == 3 && digits(group))
        // `1.234` may be a thousand and more.
        && (fraction.len() != 3 || !grouped.is_empty() || first == "0" || first.len() > 3);
    let ends_well = !word.ends_with('.');
    (is_english && ends_well && word.len() <= 15)
        .then(|| word.replace(',', "").parse().ok())
        .flatten()
}

fn decimals(word: &str) -> usize {
    word.split_once('.')
        .map_or(0, |(_, fraction)| fraction.len())
}

/// A number for people: six decimals at most.
fn text(value: f64) -> String {
    let shown = format!("{value:.6}");
    let shown = shown.trim_end_matches('0').trim_end_matches('.');
    if shown == "-0" { "0" } else { shown }.to_owned()
}

/// What is left of a sum, and what was seen in it.
struct Sum<'t> {
    rest: &'t str,
    operations: usize,
    divides: bool,
    decimals: usize,
    depth: u8,
}

impl Sum<'_> {
    fn whole(&mut self) -> Option<f64> {
        let value = self.sum()?;
        self.rest.trim().is_empty().then_some(value)
    }

    fn sum(&mut self) -> Option<f64> {
        let mut value = self.product()?;
        loop {
            match self.sign(&['+', '-']) {
                Some('+') => value += self.product()?,
                Some(_) => value -= self.product()?,
                None => return Some(value),
            }
        }
    }

    fn product(&mut self) -> Option<f64> {
        let mut value = self.factor()?;
        loop {
            match self.sign(&['*', '/']) {
                Some('*') => value *= self.factor()?,
                Some(_) => {
                    self.divides = true;
                    value /= self.factor()?;
                }
                None => return Some(value),
            }
        }
    }

    fn factor(&mut self) -> Option<f64> {
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.depth += 1;
            if self.depth > DEEP {
                return None;
            }
            self.rest = rest;
            let value = self.sum()?;
            self.rest = self.rest.trim_start().strip_prefix(')')?;
            self.depth -= 1;
            return Some(value);
        }
        if let Some(rest) = self.rest.strip_prefix('-') {
            self.rest = rest;
            return number_length(rest).and_then(|_| Some(-self.number()?));
        }
        self.number()
    }

    fn number(&mut self) -> Option<f64> {
        let length = number_length(self.rest)?;
        let (word, rest) = self.rest.split_at(length);
        // A comma or point that belongs to nothing makes it no sum.
        if rest.starts_with(['.', ',']) {
            return None;
        }
        self.rest = rest;
        self.decimals = self.decimals.max(decimals(word));
        number(word)
    }

    fn sign(&mut self, signs: &[char]) -> Option<char> {
        let rest = self.rest.trim_start();
        let sign = rest.chars().next().filter(|c| signs.contains(c))?;
        self.rest = &rest[sign.len_utf8()..];
        self.operations += 1;
        Some(sign)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_wrong_sum_is_found_wherever_it_stands() {
        for (text, found) in [
            ("12 * 7 = 85", "12 * 7 = 85 (it is 84)"),
            ("So **12 × 7 = 85** parts.", "12 * 7 = 85 (it is 84)"),
            ("1. 3 + 4 = 8", "3 + 4 = 8 (it is 7)"),
            ("- 3 + 4 = 8.", "3 + 4 = 8 (it is 7)"),
            ("First 2 + 2 = 4, then 4 - 9 = 5.", "4 - 9 = 5 (it is -5)"),
            (
                "It costs $1,200 + $34.50 = $1,235.50",
                "1,200 + 34.50 = 1,235.50 (it is 1234.5)",
            ),
            ("Total = 3 * (4 + 5) = 28 kg", "3 * (4 + 5) = 28 (it is 27)"),
            ("10 / 4 = 3.5", "10 / 4 = 3.5 (it is 2.5)"),
            ("\\(6 \\times 7 = 41\\)", "6 * 7 = 41 (it is 42)"),
        ] {
            assert_eq!(wrong(text).as_deref(), Some(found), "{text}");
        }
    }

    #[test]
    fn what_is_right_or_may_be_meant_otherwise_is_let_be() {
        for text in [
            "12 * 7 = 84",
            "3 + 4 = 2 + 5",
            "10 / 3 = 3.33",
            "10 / 3 = 3.3333",
            "2 / 3 = 0.67",
            "17 / 5 = 3 remainder 2",
            "3 / 4 = 75%",
            "20% * 50 = 10",
            "x * 3 + 4 = 11",
            "x = 3",
            "7 + 8 = 3 (mod 12)",
            "101 + 11 = 1000 in binary",
            "3,5 + 1 = 4,5",
            "1.234 + 1 = 1.235",
            "2^3 + 1 = 9",
            "E3 + 4 = 8",
            "3 m + 4 m = 7 m",
            "a == 3 + 4 == 9",
            "5 + 10 = 15 + 3 = 18",
            "version 2.0.1 + 1 = 3",
            "12/24/2026 = 3",
            "```\n3 + 4 = 8\n```",
            "1/3 + 1/3 = 2/3",
            "2 + 2 = four",
            "3 + 4 = 7.",
            "(((((((((((((((((((1 + 1)))))))))))))))))))) = 3",
            "= 5",
            "sqrt(9) + 1 = 4",
            "f(2 + 2) = 5",
        ] {
            assert_eq!(wrong(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "[0-9 .,+*/()=x\\-–×%$a-c]{0,60}") {
            let _ = wrong(&text);
        }

        #[test]
        fn whoever_adds_right_is_let_be(a in 0u32..100_000, b in 0u32..100_000, c in 1u32..100) {
            let right = format!("{a} + {b} * {c} = {}", u64::from(a) + u64::from(b) * u64::from(c));
            prop_assert_eq!(wrong(&right), None);
            let off = format!("{a} + {b} * {c} = {}", u64::from(a) + u64::from(b) * u64::from(c) + 1);
            prop_assert!(wrong(&off).is_some());
        }
    }
}
