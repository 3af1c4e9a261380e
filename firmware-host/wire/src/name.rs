//! Names that are one level of a topic.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 64;

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// Nothing there.
    Empty,
    /// More than [`MAX_NAME`] bytes.
    TooLong(usize),
    /// A character that has a meaning in a topic or a URL.
    Character(char),
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name must not be empty"),
            Self::TooLong(length) => {
                write!(
                    f,
                    "a name has at most {MAX_NAME} characters, this one has {length}"
                )
            }
            Self::Character(bad) => {
                write!(
                    f,
                    "a name may hold letters, digits, '.', '_' and '-', not {bad:?}"
                )
            }
        }
    }
}

impl core::error::Error for BadName {}

/// A site, an appliance, a task or an approval: 1 to [`MAX_NAME`] of `[A-Za-z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    try_from = "heapless::String<MAX_NAME>",
    into = "heapless::String<MAX_NAME>"
)]
pub struct Name(heapless::String<MAX_NAME>);

impl Name {
    /// Takes a text that is a name.
    pub fn try_new(text: &str) -> Result<Self, BadName> {
        if text.is_empty() {
            return Err(BadName::Empty);
        }
        if let Some(bad) = text
            .chars()
            .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'))
        {
            return Err(BadName::Character(bad));
        }
        heapless::String::try_from(text)
            .map(Self)
            .map_err(|_| BadName::TooLong(text.len()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<heapless::String<MAX_NAME>> for Name {
    type Error = BadName;

    fn try_from(text: heapless::String<MAX_NAME>) -> Result<Self, BadName> {
        Self::try_new(&text)
    }
}

impl From<Name> for heapless::String<MAX_NAME> {
    fn from(name: Name) -> Self {
        name.0
    }
}
