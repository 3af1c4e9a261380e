//! Passwords and keys that never print.

use std::{fmt, io, path::Path};

/// The longest secret in a file, in bytes.
const MAX_BYTES: u64 = 16 * 1024;

/// A password, or a key that is shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text` as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Random and unguessable: `prefix` and 256 bits in hex.
    pub fn random(prefix: &str) -> Result<Self, getrandom::Error> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{prefix}{}", hex::encode(bytes))))
    }

    /// Reads a file; white space at its ends is no part of the secret.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        if std::fs::metadata(path)?.len() > MAX_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it is longer than {MAX_BYTES} bytes"),
            ));
        }
        let text = std::fs::read_to_string(path)?;
        match text.trim() {
            "" => Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty")),
            secret => Ok(Self(secret.to_owned())),
        }
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
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
    fn a_secret_does_not_print() {
        let secret = Secret::new("hush");
        assert_eq!(format!("{:?}", Some(&secret)), "Some(***)");
        assert_eq!(secret.expose(), "hush");
    }

    #[test]
    fn a_file_gives_its_text_without_the_line_end_and_an_empty_one_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "hush\n").unwrap();
        assert_eq!(Secret::from_file(&path).unwrap(), Secret::new("hush"));
        std::fs::write(&path, " \n").unwrap();
        assert!(Secret::from_file(&path).is_err());
    }

    #[test]
    fn two_random_secrets_differ() {
        let (a, b) = (Secret::random("k-").unwrap(), Secret::random("k-").unwrap());
        assert_ne!(a, b);
        assert_eq!(a.expose().len(), 2 + 64);
    }
}
