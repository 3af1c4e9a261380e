//! Names that are safe in a URL, an MQTT topic, a file name and a log line.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest id, in characters.
pub const MAX_ID: usize = 64;

/// Why a text is not an id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadId {
    /// Nothing there.
    #[error("an id must not be empty")]
    Empty,
    /// Longer than [`MAX_ID`].
    #[error("an id has at most {MAX_ID} characters, this one has {0}")]
    TooLong(usize),
    /// A character that has a meaning in a URL or a topic.
    #[error("an id may hold letters, digits, '.', '_' and '-', not {0:?}")]
    Character(char),
}

fn check(text: &str) -> Result<(), BadId> {
    if text.is_empty() {
        return Err(BadId::Empty);
    }
    if let Some(bad) = text
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'))
    {
        return Err(BadId::Character(bad));
    }
    if text.len() > MAX_ID {
        return Err(BadId::TooLong(text.len()));
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes 1 to [`MAX_ID`] characters of `[A-Za-z0-9._-]`.
            pub fn try_new(text: impl Into<String>) -> Result<Self, BadId> {
                let text = text.into();
                check(&text)?;
                Ok(Self(text))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;

            fn try_from(text: String) -> Result<Self, BadId> {
                Self::try_new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

id! {
    /// Names a task. The client may choose it; the same id is the same task.
    TaskId
}
id! {
    /// Names a worker, in policy, config, plan and trace.
    WorkerId
}
id! {
    /// Names one question to a person.
    ApprovalId
}

impl TaskId {
    /// A new id that sorts by time (UUID version 7, without hyphens).
    #[must_use]
    pub fn fresh() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }
}

impl ApprovalId {
    /// A new id that sorts by time (UUID version 7, without hyphens).
    #[must_use]
    pub fn fresh() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_hold_nothing_that_a_topic_or_url_would_read() {
        for bad in ["", "a/b", "a+b", "#", "a b", "ä", "a\n"] {
            assert!(TaskId::try_new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(TaskId::try_new("x".repeat(65)), Err(BadId::TooLong(65)));
        assert!(TaskId::try_new("shift-7_2026.11").is_ok());
        assert!(serde_json::from_str::<WorkerId>("\"a/b\"").is_err());
    }
}
