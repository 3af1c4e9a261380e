//! One line of the table.

use serde::Serialize;

/// What a ratio should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Target {
    /// Whether `value` is as it should be.
    #[must_use]
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

/// One round of a comparison, in the row's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// What the appliance reached.
    pub ours: f64,
    /// What it is compared with.
    pub other: f64,
}

/// What was measured in all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The case's name.
    pub case: String,
    /// In words, what is compared with what.
    pub what: String,
    /// Of both sides.
    pub unit: String,
    /// The appliance in the median round.
    pub ours: f64,
    /// The other side in the median round; nothing where there is none.
    pub other: Option<f64>,
    /// The median ratio, above 1 where the appliance is ahead; without another side, the value itself.
    pub ratio: f64,
    /// The lowest ratio of a round.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// What the ratio should be.
    pub target: Target,
    /// Whether it is.
    pub met: bool,
}

/// Which of two values is ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// The greater, as with tokens in a second.
    More,
    /// The smaller, as with seconds.
    Less,
    /// Neither: the ratio is ours over the other.
    Neither,
}

impl Row {
    /// The row of `rounds`; nothing where there are none.
    #[must_use]
    pub fn compared(
        case: &str,
        what: &str,
        unit: &str,
        ahead: Ahead,
        target: Target,
        rounds: &[Round],
    ) -> Option<Self> {
        let ratio = |round: &Round| match ahead {
            Ahead::More | Ahead::Neither => quotient(round.ours, round.other),
            Ahead::Less => quotient(round.other, round.ours),
        };
        let mut rounds: Vec<(f64, Round)> = rounds.iter().map(|r| (ratio(r), *r)).collect();
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (low, high) = (rounds.first()?.0, rounds.last()?.0);
        // Of two middle ones the lower.
        let (ratio, median) = *rounds.get((rounds.len() - 1) / 2)?;
        Some(Self {
            case: case.into(),
            what: what.into(),
            unit: unit.into(),
            ours: median.ours,
            other: Some(median.other),
            ratio,
            low,
            high,
            target,
            met: target.is_met(ratio),
        })
    }

    /// The row of a value that is compared with nothing but its target.
    #[must_use]
    pub fn alone(
        case: &str,
        what: &str,
        unit: &str,
        target: Target,
        values: &[f64],
    ) -> Option<Self> {
        let rounds: Vec<Round> = values
            .iter()
            .map(|&ours| Round { ours, other: 1.0 })
            .collect();
        let row = Self::compared(case, what, unit, Ahead::Neither, target, &rounds)?;
        Some(Self { other: None, ..row })
    }
}

fn quotient(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(pairs: &[(f64, f64)]) -> Vec<Round> {
        pairs
            .iter()
            .map(|&(ours, other)| Round { ours, other })
            .collect()
    }

    #[test]
    fn the_median_of_the_ratios_is_told_and_not_the_ratio_of_medians() {
        let rounds = rounds(&[(100.0, 100.0), (50.0, 100.0), (300.0, 200.0)]);
        let target = Target::AtLeast(0.97);
        let row = Row::compared("c", "w", "u", Ahead::More, target, &rounds).unwrap();
        assert_eq!((row.ratio, row.low, row.high), (1.0, 0.5, 1.5));
        assert_eq!((row.ours, row.other), (100.0, Some(100.0)));
        assert!(row.met);
        assert_eq!(Row::compared("c", "w", "u", Ahead::More, target, &[]), None);
    }

    #[test]
    fn less_time_is_ahead() {
        let target = Target::AtLeast(5.0);
        let rounds = rounds(&[(0.1, 1.0), (0.5, 1.0)]);
        let row = Row::compared("c", "w", "s", Ahead::Less, target, &rounds).unwrap();
        // Of two rounds the one that is worse for us.
        assert_eq!((row.ratio, row.met), (2.0, false));
    }

    #[test]
    fn a_value_alone_is_its_own_ratio() {
        let row = Row::alone("m", "w", "MB", Target::AtMost(60.0), &[70.0, 50.0, 55.0]).unwrap();
        assert_eq!((row.ours, row.other, row.ratio), (55.0, None, 55.0));
        assert!(row.met);
    }
}
