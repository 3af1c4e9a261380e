//! How sensitive a text is.

use core::fmt;

use serde::{Deserialize, Serialize};

/// How sensitive a text is, lowest first. A device can raise it, never lower it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// May be read by anyone.
    #[default]
    Public,
    /// Known inside the site.
    Internal,
    /// About persons, customers or know-how.
    Confidential,
    /// Secrets.
    Restricted,
}

impl Label {
    /// The name on the wire.
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

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
