//! The forms in which telephone numbers are written.

use std::sync::LazyLock;

use regex::Regex;

use super::super::pattern::compiled;

/// As many digits as E.164 has, and the zero in brackets that is not dialled from abroad.
pub(super) const LONGEST: usize = 16;

/// As few as a number has that only a cue tells from others, apart from three pairs.
pub(super) const SHORTEST: usize = 7;

/// Fewer digits behind a point are a fraction.
const LONG_FRACTION: usize = 9;

/// More pairs in a row are readings.
const MOST_PAIRS: usize = 6;

/// Mobile numbers without any space: German, British, and those of ten digits such as French ones.
static BARE_MOBILE: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"^(?:01[5-7][0-9]{8,9}|07[0-9]{9}|0[67][0-9]{8})$"));

/// Groups of digits and what stands between them.
pub(super) struct Number<'t> {
    pub(super) groups: Vec<&'t str>,
    pub(super) between: Vec<&'t str>,
    pub(super) bracketed: bool,
    /// Whether it is no part of a longer row of such groups.
    pub(super) alone: bool,
    /// Whether more groups stand beside it than a list's number and one other.
    pub(super) crowded: bool,
}

impl Number<'_> {
    /// Without a cue, only forms that little else has.
    pub(super) fn is_written_as_phone(&self) -> bool {
        self.is_abroad()
            || self.is_area()
            || self.is_trunk()
            || self.is_american()
            || self.is_indian()
    }

    pub(super) fn digits(&self) -> usize {
        self.groups.iter().map(|group| group.len()).sum()
    }

    fn lengths(&self) -> Vec<usize> {
        self.groups.iter().map(|group| group.len()).collect()
    }

    /// Long enough to be one where a cue says so: `555 0143`, `33 93 31`.
    pub(super) fn is_local(&self) -> bool {
        let row = self.is_pairs()
            && !is_area_code(self.groups[0])
            && (!self.alone || self.groups.len() > MOST_PAIRS);
        (self.digits() >= SHORTEST || self.lengths() == [2, 2, 2]) && !self.is_decimal() && !row
    }

    /// Nothing but groups of two.
    pub(super) fn is_pairs(&self) -> bool {
        self.groups.iter().all(|group| group.len() == 2)
    }

    /// `02 04 06 08 10`.
    fn is_progression(&self) -> bool {
        let values: Vec<i32> = self
            .groups
            .iter()
            .filter_map(|group| group.parse().ok())
            .collect();
        values
            .windows(3)
            .all(|three| three[1] - three[0] == three[2] - three[1])
    }

    /// `0101 1010 0011`.
    pub(super) fn is_bits(&self) -> bool {
        self.groups
            .iter()
            .all(|group| group.bytes().all(|digit| digit <= b'1'))
    }

    /// Measured values: `0.25 0.50`, `0.333333333`.
    fn is_decimal(&self) -> bool {
        let points = self
            .between
            .iter()
            .step_by(2)
            .all(|between| *between == ".");
        let rest = self
            .between
            .iter()
            .skip(1)
            .step_by(2)
            .all(|between| *between != ".");
        match self.groups.as_slice() {
            [_] => false,
            [whole, _] => points && whole.len() == 1,
            _ => points && rest,
        }
    }

    /// Times of day: `0600 1400 2200`.
    pub(super) fn is_times(&self) -> bool {
        self.groups.iter().all(|group| {
            group.len() == 4
                && matches!(group[..2].parse(), Ok(0..=23))
                && matches!(group[2..].parse(), Ok(0..=59))
        })
    }

    /// What may follow a plus: a country, which no zero begins, and no measured value; at one go or with 1 of North America
    /// as many digits as such numbers have.
    pub(super) fn is_international(&self, cued: bool) -> bool {
        let first = self.groups[0];
        let decimal = match self.groups.as_slice() {
            [_, part] => self.between == ["."] && part.len() < LONG_FRACTION,
            _ => self.is_decimal(),
        };
        let whole = if first.starts_with('1') {
            self.digits() == 11
        } else {
            self.digits() > 8 || self.groups.len() > 1
        };
        self.digits() >= 8 && !first.starts_with('0') && !decimal && (whole || cued)
    }

    /// 00, a country and at least nine more digits.
    fn is_abroad(&self) -> bool {
        let mut head = self.groups.iter().flat_map(|group| group.chars());
        head.next() == Some('0')
            && head.next() == Some('0')
            && head.next().is_some_and(|country| country != '0')
            && self.groups[0].len() != 1
            && (12..=LONGEST).contains(&self.digits())
            && !self.is_row()
    }

    /// `0100 0200 0300`, or a part of more groups that are as long.
    fn is_row(&self) -> bool {
        let alike = self
            .groups
            .iter()
            .all(|group| group.len() == self.groups[0].len());
        let padded = self.groups.iter().all(|group| group.starts_with('0'));
        self.groups.len() > 1 && ((padded && self.groups.len() > 2) || (alike && !self.alone))
    }

    /// An area code in brackets.
    fn is_area(&self) -> bool {
        let closes = |at: usize| {
            self.between
                .get(at)
                .is_some_and(|between| between.contains(')'))
        };
        let opens = self
            .between
            .first()
            .is_some_and(|between| between.contains('('));
        let area = self.bracketed && closes(0) && (2..=5).contains(&self.groups[0].len());
        let zero = opens && closes(1) && matches!(self.groups[0], "0" | "1");
        (area && self.digits() >= 8) || (zero && self.digits() >= 9)
    }

    /// The zero of national calls, and an area code.
    pub(super) fn is_trunk(&self) -> bool {
        let first = self.groups[0];
        if !is_area_code(first) {
            return false;
        }
        match self.lengths().as_slice() {
            [_] => BARE_MOBILE.is_match(first),
            [2, 2, rest @ ..] if rest.iter().all(|length| *length == 2) => {
                rest.len() == 3 && self.alone && !self.is_progression()
            }
            [2..=6, rest @ ..] => {
                let fraction = rest.len() == 1 && self.between[0] == ".";
                (9..=12).contains(&self.digits()) && !fraction && !self.is_row()
            }
            _ => false,
        }
    }

    /// The 3-3-4 of North America; with mere spaces, only if area and exchange can be.
    fn is_american(&self) -> bool {
        let (prefix, rest) = match self.lengths().as_slice() {
            [3, 3, 4] => (None, 0),
            [1, 3, 3, 4] => (Some(self.groups[0]), 1),
            _ => return false,
        };
        let spaced = self.between.iter().all(|between| *between == " ");
        let real = self.groups[rest..rest + 2]
            .iter()
            .all(|group| group.starts_with(|digit| digit >= '2'));
        let apart = real && !self.crowded;
        prefix.is_none_or(|prefix| prefix == "1") && self.alone && (!spaced || apart)
    }

    /// The 5-5 of Indian mobiles; round ones are rather two amounts.
    fn is_indian(&self) -> bool {
        self.lengths() == [5, 5]
            && self.between[0] == " "
            && self.alone
            && !self.crowded
            && self.groups[0].starts_with(|digit| digit >= '6')
            && !self.groups.iter().all(|group| group.ends_with("00"))
    }
}

/// Whether digits begin as those of a national call do: one zero.
pub(super) fn is_area_code(group: &str) -> bool {
    group
        .strip_prefix('0')
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('0'))
}
