//! Keys that never print.

use std::{fmt, io, path::Path};

/// The longest key, in bytes.
const MAX_BYTES: u64 = 16 * 1024;

/// A provider's key.
#[derive(Clone)]
pub struct Secret(String);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No such file.
    #[error("the key file {0} does not exist")]
    Missing(String),
    /// The file cannot be read.
    #[error("the key file {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// No such variable.
    #[error("the environment variable {0}, which should hold the key, is not set")]
    Unset(String),
    /// Nothing there.
    #[error("the key in {0} is empty")]
    Empty(String),
    /// Not what a header can carry.
    #[error("the key in {0} is not one line of at most {MAX_BYTES} printable ASCII characters")]
    Malformed(String),
}

impl Secret {
    /// Reads the key from a file; white space at its ends is no part of it.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let name = path.display().to_string();
        let length = match std::fs::metadata(path) {
            Ok(data) => data.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(SecretError::Missing(name));
            }
            Err(source) => return Err(SecretError::Unreadable { path: name, source }),
        };
        if length > MAX_BYTES {
            return Err(SecretError::Malformed(name));
        }
        match std::fs::read_to_string(path) {
            Ok(text) => Self::try_new(&text, name),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => Err(SecretError::Malformed(name)),
            Err(source) => Err(SecretError::Unreadable { path: name, source }),
        }
    }

    /// Reads the key from an environment variable.
    pub fn from_env(variable: &str) -> Result<Self, SecretError> {
        match std::env::var(variable) {
            Ok(text) => Self::try_new(&text, variable.to_owned()),
            Err(std::env::VarError::NotPresent) => Err(SecretError::Unset(variable.to_owned())),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(SecretError::Malformed(variable.to_owned()))
            }
        }
    }

    /// Takes a key from `source`, which errors name in its stead.
    pub fn try_new(text: &str, source: String) -> Result<Self, SecretError> {
        let key = text.trim();
        if key.is_empty() {
            return Err(SecretError::Empty(source));
        }
        if key.len() as u64 > MAX_BYTES || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SecretError::Malformed(source));
        }
        Ok(Self(key.to_owned()))
    }

    /// The key, for the header alone.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` without the key.
    pub(crate) fn scrub(&self, text: &str) -> String {
        text.replace(&self.0, "***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_print() {
        let key = Secret::try_new("sk-verysecret\n", "test".into()).unwrap();
        assert_eq!(key.reveal(), "sk-verysecret");
        assert_eq!(format!("{:?}", Some(&key)), "Some(***)");
        assert_eq!(key.scrub("bad key sk-verysecret!"), "bad key ***!");
    }

    #[test]
    fn each_way_of_having_no_key_is_its_own_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(matches!(
            Secret::from_file(&path),
            Err(SecretError::Missing(_))
        ));
        std::fs::write(&path, " \n").unwrap();
        assert!(matches!(
            Secret::from_file(&path),
            Err(SecretError::Empty(_))
        ));
        std::fs::write(&path, "two\nlines").unwrap();
        assert!(matches!(
            Secret::from_file(&path),
            Err(SecretError::Malformed(_))
        ));
        std::fs::write(&path, [0xFF, 0xFE]).unwrap();
        assert!(matches!(
            Secret::from_file(&path),
            Err(SecretError::Malformed(_))
        ));
        assert!(matches!(
            Secret::from_env("SHOAL_TEST_NO_SUCH_VARIABLE"),
            Err(SecretError::Unset(_))
        ));
    }
}
