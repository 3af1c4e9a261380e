//! How sensitive a piece of text is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How sensitive a piece of text is; also the clearance of a worker, the highest label it may read.
///
/// The four labels are a chain, so the join of two is the higher one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// May be read by anyone.
    #[default]
    Public,
    /// Known inside the site; harmless, but nobody else's business.
    Internal,
    /// About persons, customers or know-how.
    Confidential,
    /// Secrets: keys, card numbers, anything whose loss cannot be undone.
    Restricted,
}

impl Label {
    /// Every label, lowest first.
    pub const ALL: [Self; 4] = [
        Self::Public,
        Self::Internal,
        Self::Confidential,
        Self::Restricted,
    ];

    /// The least label that is at least as high as both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        self.max(other)
    }

    /// The name used in policy, API and MQTT.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }
}

/// The join of all labels; of none, [`Label::Public`].
impl FromIterator<Label> for Label {
    fn from_iter<I: IntoIterator<Item = Self>>(labels: I) -> Self {
        labels.into_iter().fold(Self::Public, Self::join)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no label.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown label \"{0}\": use public, internal, confidential or restricted")]
pub struct UnknownLabel(pub String);

impl FromStr for Label {
    type Err = UnknownLabel;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|label| label.as_str() == word)
            .ok_or_else(|| UnknownLabel(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_is_a_semilattice_with_public_at_the_bottom() {
        for a in Label::ALL {
            assert_eq!(a.join(a), a);
            assert_eq!(a.join(Label::Public), a);
            for b in Label::ALL {
                assert_eq!(a.join(b), b.join(a));
                assert!(a.join(b) >= a && a.join(b) >= b);
                for c in Label::ALL {
                    assert_eq!(a.join(b).join(c), a.join(b.join(c)));
                }
            }
        }
    }

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for label in Label::ALL {
            assert_eq!(label.as_str().parse(), Ok(label));
        }
        assert_eq!(
            "Public".parse::<Label>(),
            Err(UnknownLabel("Public".to_owned()))
        );
    }
}
