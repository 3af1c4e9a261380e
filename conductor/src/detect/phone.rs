//! Telephone numbers: international ones, and national ones as people write them.
//!
//! A number is looked for from each group of digits on, a few groups far, so that what stands beside it hides nothing.

mod form;

use std::{cell::LazyCell, ops::Range, sync::LazyLock};

use regex::Regex;

use self::form::{LONGEST, Number, SHORTEST, is_area_code};
use super::{
    Kind,
    cue::{Cues, Topic},
    group::Digits,
    pattern::{Raw, compiled},
    way,
    word::{inside_word, window_after, window_before},
};

/// Words after which digits are a telephone number, also in the names of fields. Some of them are about much else, and stand right
/// before it.
static CUE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?i)(?:(?:(?:\b|_)(?:phone|tel|telephone|telefon|tél|téléphone|teléfono|telefono|tfno|tlf|tlfn|fone",
        r"|fax|whatsapp|(?:telefon|handy|mobil|ruf|fax)(?:nummer|nr)|durchwahl)|(?-i:[a-z](?:Phone|Tel|Mobile|Fax)))",
        r"(?:[_ -]?(?:number|no|nr|num))?(?:\b|_)[^0-9+(]{0,16}",
        r"|(?:\b|_)(?:mobile|mobil|móvil|mob|telemóvel|celular|cellulare|komórka|kom|gsm|handy)(?:[_ -]?(?:phone|number|no|nr|num|is|ist|es|è|é)\b){0,3}[^0-9+(\pL]{0,16}",
        r"|\b(?:answering at|contact (?:no|nr|number)|reach (?:me|us|him|her|them|you) (?:at|on|under)|erreichbar unter)\b[^0-9+(]{0,16}",
        r"|(?:^|[^-\pL])(?:cell|call|sms|dial|ring|extension|ext)\b(?: (?:me|us|him|her|them|back|number|at|on|under)\b){0,2}[^0-9+(\pL]{0,6})$",
    ))
});

/// Words that say so behind the number.
static CUE_BEHIND: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)^(?:x[0-9]{1,6})?\s?[-(]?\s?(?:office|fax|mobile|cell|home|work|phone|mobil|handy)(?:\s?[\\),.;/]|\s*\n|\s*$)",
    )
});

/// A number right behind a word for goods.
static OF_GOODS: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^(?:[ :#=.(]|(?i:(?-u:\b)(?:number|no|nr|nummer|code|id|is|ist|are)(?-u:\b))|n[°º]|№){0,8}(?<v>[0-9])",
    )
});

/// Before readings, and bytes that are sent.
static READ: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?-u:\b)(?:[rt]x|adc|bytes?|counts?|frame|hex|payload|raw|readings?|registers?|samples?|values?|messwerte|werte)[ :=>]{0,3}$",
    )
});

static EXTENSION: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)^\s?(?:x|ext\.?|extension)\s?[0-9]{1,6}"));

/// A day with its year, which is written with the same characters.
static DAY: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?-u:\b)(?:(?:19|20)[0-9]{2}[-./][01]?[0-9][-./][0-3]?[0-9]|[0-3]?[0-9][-./][0-3]?[0-9][-./](?:19|20)[0-9]{2})(?-u:\b)",
    )
});

/// The same with a short year, and what may go on with it.
static SHORT_DAY: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?-u:\b)(?<day>(?<a>[0-9]{1,2})[-./](?<b>[0-9]{1,2})[-./][0-9]{2})(?-u:\b)(?<more>[-./]?[0-9]?)",
    )
});

/// What makes "cell" before a number one of a battery or a plant, and "call" one of a program.
static NO_CALL: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?-u:\b)(?:(?:batter(?:y|ies)|akku|voltage)(?-u:\b)[^.\n]{0,24}|(?:flow|fuel|load|pack|production|robot|solar|weld(?:ing)?)[ -])(?-u:\b)cell[^\pL]{0,6}$|(?-u:\b)(?:function|system|procedure|method|api) call[^\pL]{0,6}$",
    )
});

/// As many bytes before a number say what it is.
const REACH: usize = 40;

pub(super) fn find(digits: &Digits<'_>, cues: &Cues<'_>, found: &mut Vec<Raw>) {
    let groups = &digits.groups;
    let goods = cues.values(Topic::Goods, &OF_GOODS);
    let search = Search {
        digits,
        text: digits.text,
        groups,
        taken: days_and_times(digits.text, groups),
        goods: goods.map(|digit| digit.start).collect(),
    };
    let mut at = 0;
    while at < groups.len() {
        match search.longest(at) {
            Some(span) => {
                while groups.get(at).is_some_and(|group| group.start < span.end) {
                    at += 1;
                }
                found.push((span, Kind::PHONE));
            }
            None => at += 1,
        }
    }
}

/// Whether a field such as `phone: ` is named as one of telephone numbers.
pub(super) fn is_named_by(field: &str) -> bool {
    CUE.is_match(field)
}

/// Which groups are of a day or a time.
fn days_and_times(text: &str, groups: &[Range<usize>]) -> Vec<bool> {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let time = |group: &Range<usize>| {
        let after = bytes.get(group.end) == Some(&b':') && digit(Some(group.end + 1));
        let before = text[..group.start].ends_with(':') && digit(group.start.checked_sub(2));
        before || after
    };
    let mut taken: Vec<bool> = groups.iter().map(time).collect();
    for day in DAY
        .find_iter(text)
        .map(|day| day.range())
        .chain(short_days(text))
    {
        let first = groups.partition_point(|group| group.start < day.start);
        let last = groups.partition_point(|group| group.start < day.end);
        taken[first..last].fill(true);
    }
    taken
}

/// Days such as `02.06.24` that no word says to be telephone numbers.
fn short_days(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    SHORT_DAY.captures_iter(text).filter_map(|groups| {
        let day = groups.name("day")?;
        let value = |name: &str| {
            groups
                .name(name)
                .and_then(|part| part.as_str().parse().ok())
        };
        let (a, b) = (value("a").unwrap_or(0), value("b").unwrap_or(0));
        let real = matches!((a, b), (1..=31, 1..=12) | (1..=12, 1..=31));
        let more = groups.name("more").is_some_and(|more| more.len() > 1);
        let behind = text[..day.start()].ends_with(['.', '-', '/']);
        let cued = || is_cue(window_before(text, day.start(), REACH));
        (real && !more && !behind && !cued()).then(|| day.range())
    })
}

/// Whether a text before a number announces it.
fn is_cue(window: &str) -> bool {
    CUE.is_match(window) && !NO_CALL.is_match(window)
}

/// Whether what stands behind a number says that it is an amount of something.
fn is_amount(behind: &str) -> bool {
    way::is_measured(behind) || way::is_counted(behind)
}

struct Search<'t> {
    digits: &'t Digits<'t>,
    text: &'t str,
    groups: &'t [Range<usize>],
    taken: Vec<bool>,
    /// Where the numbers of goods begin.
    goods: Vec<usize>,
}

impl Search<'_> {
    /// The longest number that begins with the group `from`.
    fn longest(&self, from: usize) -> Option<Range<usize>> {
        if from > 0 && matches!(self.digits.gap(from), Some("." | "-")) {
            return None;
        }
        let cued = LazyCell::new(|| self.is_cued(from));
        let mut digits = 0;
        let mut longest = None;
        for to in from..self.groups.len() {
            if self.taken[to]
                || (to > from && !self.joined(to))
                || (digits >= SHORTEST && self.begins_another(to))
            {
                break;
            }
            digits += self.groups[to].len();
            if digits > LONGEST {
                break;
            }
            if digits + 1 >= SHORTEST {
                longest = self.phone(from, to, &cued).or(longest);
            }
        }
        longest
    }

    /// Whether the group `to` may belong to the same number as the one before it.
    fn joined(&self, to: usize) -> bool {
        self.digits.gap(to).is_some_and(|between| {
            let bare = between.replace(['(', ')'], "");
            matches!(bare.as_str(), " " | "  " | "-" | "/" | "." | " - " | " / ")
                || (bare.is_empty() && !between.is_empty())
        })
    }

    /// Whether a national number begins here: the next of a list, not the end of the one before.
    fn begins_another(&self, from: usize) -> bool {
        let mut digits = 0;
        is_area_code(self.digits.group(from))
            && (from..self.groups.len())
                .take_while(|&to| {
                    digits += self.groups[to].len();
                    digits <= LONGEST && !self.taken[to] && (to == from || self.joined(to))
                })
                .any(|to| self.number(from, to).is_trunk())
    }

    fn number(&self, from: usize, to: usize) -> Number<'_> {
        Number {
            groups: (from..=to).map(|at| self.digits.group(at)).collect(),
            between: (from + 1..=to)
                .filter_map(|at| self.digits.gap(at))
                .collect(),
            bracketed: self.text[..self.groups[from].start].ends_with('('),
            alone: self.digits.alone(from, to),
            crowded: self.digits.strays(from, to, 2, 2) > 1,
        }
    }

    /// The groups from `from` to `to` with what belongs to them, if they are a telephone number.
    fn phone(
        &self,
        from: usize,
        to: usize,
        cued: &LazyCell<bool, impl FnOnce() -> bool>,
    ) -> Option<Range<usize>> {
        let number = self.number(from, to);
        let core = self.groups[from].start..self.groups[to].end;
        let plus = self.text[..core.start].trim_end_matches('(').ends_with('+');
        let span = self.with_brackets(core, plus);
        let rest = window_after(self.text, span.end, REACH);
        let goes_on = |sign: char| {
            rest.strip_prefix(sign)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let phone = if plus {
            number.is_international(**cued) && !goes_on('.')
        } else {
            !goes_on('.')
                && !number.is_bits()
                && ((number.is_written_as_phone()
                    && (**cued || !(goes_on('-') || self.is_other(&number, &span))))
                    || (number.is_local()
                        && !is_amount(rest)
                        && (**cued || (!self.is_of_goods(&span) && CUE_BEHIND.is_match(rest)))))
        };
        let end = span.end + EXTENSION.find(rest).map_or(0, |extension| extension.end());
        let whole = span.start..end;
        (phone && !inside_word(self.text, &whole)).then_some(whole)
    }

    /// Whether a number of which no word says that it is one of a telephone is rather of goods, or measured, or sent.
    fn is_other(&self, number: &Number<'_>, span: &Range<usize>) -> bool {
        let (before, rest) = (
            window_before(self.text, span.start, REACH),
            window_after(self.text, span.end, REACH),
        );
        READ.is_match(before)
            || (number.is_pairs() && self.among_bytes(span))
            || number.is_times()
            || is_amount(rest)
            || self.is_of_goods(span)
    }

    /// Whether a word for goods stands right before it.
    fn is_of_goods(&self, span: &Range<usize>) -> bool {
        let digit = self.text[span.clone()].find(|c: char| c.is_ascii_digit());
        digit.is_some_and(|digit| self.goods.binary_search(&(span.start + digit)).is_ok())
    }

    /// Whether a byte in hexadecimal stands beside it: `0A`, or behind it also `CD`.
    fn among_bytes(&self, span: &Range<usize>) -> bool {
        let joint = [' ', ':', '-'];
        let behind = window_after(self.text, span.end, 8).strip_prefix(joint);
        let before = window_before(self.text, span.start, 8).strip_suffix(joint);
        let parted = |c: char| !c.is_alphanumeric();
        let next = behind.and_then(|text| text.split(parted).next());
        let last = before.and_then(|text| text.rsplit(parted).next());
        next.is_some_and(|word| is_byte(word) || (is_hex(word) && word == word.to_uppercase()))
            || last.is_some_and(is_byte)
    }

    /// With its plus, and with a bracket if its other half is inside.
    fn with_brackets(&self, core: Range<usize>, plus: bool) -> Range<usize> {
        let inner = &self.text[core.clone()];
        let mut span = core.clone();
        let mut before = &self.text[..core.start];
        if plus {
            before = &self.text[..before.rfind('+').unwrap_or(core.start)];
            span.start = before.len();
        }
        if inner.contains(')') && before.ends_with('(') {
            span.start = before.len() - 1;
        }
        let open = inner.rfind('(') > inner.rfind(')');
        if open && self.text[span.end..].starts_with(')') {
            span.end += 1;
        }
        span
    }

    /// Whether the words before the group `from` announce a number.
    fn is_cued(&self, from: usize) -> bool {
        let before = self.text[..self.groups[from].start].trim_end_matches(['(', '+']);
        is_cue(window_before(before, before.len(), REACH))
    }
}

/// Two digits of hexadecimal, a letter among them.
fn is_hex(word: &str) -> bool {
    word.len() == 2
        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// The same that is no word either: `0A`, but not `be`.
fn is_byte(word: &str) -> bool {
    is_hex(word) && word.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
