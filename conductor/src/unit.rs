//! Money, tokens and time as types, so that none is taken for another.

use std::{fmt, iter::Sum, ops::Add};

use serde::{Deserialize, Serialize};

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl Add for $name {
            type Output = Self;

            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
                all.fold(Self(0), Add::add)
            }
        }
    };
}

unit! {
    /// Money, in millionths of a US dollar.
    MicroDollars
}
unit! {
    /// A number of tokens, in the vocabulary of the worker that counted them.
    Tokens
}
unit! {
    /// A span of time, in milliseconds.
    Millis
}

impl MicroDollars {
    /// From dollars, rounded to the nearest millionth; `None` unless finite and not negative.
    #[must_use]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be in range"
        )]
        (dollars.is_finite() && (0.0..1e12).contains(&dollars))
            .then(|| Self((dollars * 1e6).round() as u64))
    }
}

impl fmt::Display for MicroDollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

impl From<std::time::Duration> for Millis {
    fn from(span: std::time::Duration) -> Self {
        Self(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}

/// What a worker asks for its tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// For a million tokens read.
    pub input: MicroDollars,
    /// For a million tokens written.
    pub output: MicroDollars,
}

impl Price {
    /// The cost of one call, rounded up to the next millionth of a dollar.
    #[must_use]
    pub fn of(self, input: Tokens, output: Tokens) -> MicroDollars {
        let parts = u128::from(input.0) * u128::from(self.input.0)
            + u128::from(output.0) * u128::from(self.output.0);
        MicroDollars(u64::try_from(parts.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_per_million_tokens_gives_the_cost_of_a_call() {
        let price = Price {
            input: MicroDollars(2_500_000),
            output: MicroDollars(10_000_000),
        };
        assert_eq!(price.of(Tokens(1_000), Tokens(200)), MicroDollars(4_500));
        assert_eq!(price.of(Tokens(1), Tokens(0)), MicroDollars(3));
        assert_eq!(MicroDollars(4_500).to_string(), "$0.004500");
        assert_eq!(MicroDollars::from_dollars(-1.0), None);
        assert_eq!(MicroDollars::from_dollars(f64::NAN), None);
    }
}
