//! Numbers of digits in groups, as identification and account numbers are written.

use std::ops::Range;

use super::{
    group::Digits,
    word::{window_after, window_before},
};

/// The most groups of one number.
const MOST_GROUPS: usize = 8;

/// The most digits of one number.
const MOST_DIGITS: usize = 30;

/// A comma beside as many digits parts the cells of a table; beside fewer it may be a decimal one.
const LONG: usize = 9;

/// As many bytes beside a number say what it is.
const BESIDE: usize = 40;

/// A number that stands alone.
pub(super) struct Number<'t> {
    pub(super) span: Range<usize>,
    /// Without what stands between the groups.
    pub(super) digits: String,
    /// How many digits each group has and what stands between them, such as `3-2-4`.
    pub(super) form: String,
    /// What stands before and behind it.
    pub(super) before: &'t str,
    pub(super) behind: &'t str,
    /// All groups of the text, and which of them it is made of.
    all: &'t Digits<'t>,
    groups: Range<usize>,
}

impl Number<'_> {
    /// Whether it is in a row of readings.
    pub(super) fn in_row(&self) -> bool {
        let (from, to) = (self.groups.start, self.groups.end - 1);
        self.all.is_steady(from, to)
            || !self.all.alone(from, to)
            || self.all.strays(from, to, 2, 2) > 1
    }
}

/// Shows each number of the text to `take`, the longest from each group on first, until it takes one. Of those that
/// begin inside one that was taken, none is shown.
pub(super) fn each(digits: &Digits<'_>, mut take: impl FnMut(&Number<'_>) -> bool) {
    let mut from = 0;
    while from < digits.groups.len() {
        from = longest_taken(digits, from, &mut take).map_or(from + 1, |last| last + 1);
    }
}

/// The last group of the longest number from the group `from` on that is taken.
fn longest_taken(
    digits: &Digits<'_>,
    from: usize,
    take: &mut impl FnMut(&Number<'_>) -> bool,
) -> Option<usize> {
    let start = digits.groups[from].start;
    let last = digits.text[..start].chars().next_back();
    if !may_begin(digits, from) {
        return None;
    }
    let mut number = Number {
        span: digits.groups[from].clone(),
        digits: String::new(),
        form: String::new(),
        before: window_before(digits.text, start, BESIDE),
        behind: "",
        all: digits,
        groups: from..from + 1,
    };
    let mut lengths = Vec::new();
    for to in from..digits.groups.len().min(from + MOST_GROUPS) {
        let joint = if to == from {
            Some(None)
        } else {
            joint(digits, to).map(Some)
        };
        let Some(joint) = joint else { break };
        if number.digits.len() + digits.groups[to].len() > MOST_DIGITS {
            break;
        }
        number.form.extend(joint);
        number.form.push_str(&digits.groups[to].len().to_string());
        number.digits.push_str(digits.group(to));
        lengths.push((to, number.digits.len(), number.form.len()));
    }
    for (to, length, form) in lengths.into_iter().rev() {
        number.span.end = digits.groups[to].end;
        number.digits.truncate(length);
        number.form.truncate(form);
        let long = length >= LONG;
        let begins = long || last != Some(',') || !behind_digit(digits, from);
        if begins && may_end(digits, to, long) {
            number.behind = window_after(digits.text, number.span.end, BESIDE);
            number.groups.end = to + 1;
            if take(&number) {
                return Some(to);
            }
        }
    }
    None
}

/// The one character that stands for what joins the group `to` to the one before it.
fn joint(digits: &Digits<'_>, to: usize) -> Option<char> {
    match digits.gap(to)? {
        " " => Some(' '),
        "-" | " - " => Some('-'),
        "." => Some('.'),
        "/" => Some('/'),
        _ => None,
    }
}

/// Whether a digit and a sign stand before the group.
fn behind_digit(digits: &Digits<'_>, at: usize) -> bool {
    let mut back = digits.text[..digits.groups[at].start].chars().rev();
    back.nth(1).is_some_and(|c| c.is_ascii_digit())
}

/// Whether nothing before the group makes it a part of a word, of a longer number or of an amount; a comma may.
fn may_begin(digits: &Digits<'_>, at: usize) -> bool {
    let before = &digits.text[..digits.groups[at].start];
    match before.chars().next_back() {
        None => true,
        Some('-' | '.' | '/' | ':') => !behind_digit(digits, at),
        Some('_' | '$' | '€' | '£' | '¥' | '₹' | '+') => false,
        Some(c) => !is_letter(c),
    }
}

/// Whether nothing behind the group goes on with it, as a comma does unless the number is `long`.
fn may_end(digits: &Digits<'_>, at: usize, long: bool) -> bool {
    let rest = &digits.text[digits.groups[at].end..];
    let mut ahead = rest.chars();
    let first = ahead.next();
    let before_digit = ahead.next().is_some_and(|c| c.is_ascii_digit());
    match first {
        None => true,
        Some(',') if long => true,
        Some('-' | '.' | '/' | ':' | ',') => !before_digit,
        Some('_' | '%' | '€' | '°') => false,
        Some(c) => !is_letter(c),
    }
}

/// A letter of a script that puts spaces between words.
fn is_letter(c: char) -> bool {
    c.is_alphabetic() && u32::from(c) < 0x2e80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<(String, String)> {
        let mut all = Vec::new();
        each(&Digits::of(text), |number| {
            all.push((number.form.clone(), text[number.span.clone()].to_owned()));
            false
        });
        all
    }

    #[test]
    fn a_number_is_shown_in_all_its_lengths() {
        let shown = forms("id 123-45-6789.");
        assert_eq!(shown, [("3-2-4".into(), "123-45-6789".into())]);
        let shown: Vec<String> = forms("123 45").into_iter().map(|(form, _)| form).collect();
        assert_eq!(shown, ["3 2", "3", "2"]);
        assert_eq!(
            forms("1042,123456789,7"),
            [("9".into(), "123456789".into())]
        );
    }

    #[test]
    fn parts_of_words_amounts_and_fractions_are_not_shown() {
        for text in ["x12", "12x", "$12", "12%", "1,5", "_12"] {
            assert!(forms(text).is_empty(), "{text}: {:?}", forms(text));
        }
    }

    #[test]
    fn the_work_for_each_group_is_bounded() {
        for groups in [500, 1_000] {
            let mut shown = 0;
            each(&Digits::of(&"1 ".repeat(groups)), |_| {
                shown += 1;
                false
            });
            assert!(shown <= groups * MOST_GROUPS);
        }
    }
}
