//! Files on a model hub, by owner, repository and file.

use std::fmt;

/// The hub that is asked unless the config names another.
pub const DEFAULT: &str = "https://huggingface.co";
/// The longest part of a name, in bytes.
const MAX_PART: usize = 128;

/// A GGUF file on a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFile {
    owner: String,
    repository: String,
    file: String,
}

/// Why a name is none of a file on a hub.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadName {
    /// Not three parts.
    #[error("a file on the hub is named OWNER/REPOSITORY/FILE.gguf, not {0:?}")]
    Form(String),
    /// A part that would not stay what it is in a URL or a path.
    #[error(
        "{0:?} is no name of an owner, a repository or a file: use letters, digits, '.', '_' and '-'"
    )]
    Part(String),
}

impl HubFile {
    /// Reads `OWNER/REPOSITORY/FILE.gguf`; a colon may stand before the file.
    pub fn try_new(name: &str) -> Result<Self, BadName> {
        let form = || BadName::Form(name.to_owned());
        let (owner, rest) = name.split_once('/').ok_or_else(form)?;
        let (repository, file) = rest.split_once([':', '/']).ok_or_else(form)?;
        for part in [owner, repository, file] {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let good = part.chars().all(plain) && !part.starts_with('.') && part.len() <= MAX_PART;
            if !good {
                return Err(BadName::Part(part.to_owned()));
            }
        }
        if owner.is_empty() || repository.is_empty() || !file.ends_with(".gguf") {
            return Err(form());
        }
        Ok(Self {
            owner: owner.to_owned(),
            repository: repository.to_owned(),
            file: file.to_owned(),
        })
    }

    /// The file's name.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Where the hub at `base` has it.
    #[must_use]
    pub fn url(&self, base: &str) -> String {
        format!(
            "{}/{}/{}/resolve/main/{}",
            base.trim_end_matches('/'),
            self.owner,
            self.repository,
            self.file
        )
    }
}

impl fmt::Display for HubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.owner, self.repository, self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_an_address() {
        for name in ["own/repo-GGUF/m.Q8_0.gguf", "own/repo-GGUF:m.Q8_0.gguf"] {
            let file = HubFile::try_new(name).unwrap();
            assert_eq!(file.to_string(), "own/repo-GGUF/m.Q8_0.gguf");
            for base in ["https://hub.example", "https://hub.example/"] {
                let url = "https://hub.example/own/repo-GGUF/resolve/main/m.Q8_0.gguf";
                assert_eq!(file.url(base), url);
            }
        }
    }

    #[test]
    fn what_would_lead_elsewhere_is_no_name() {
        for name in [
            "m.gguf",
            "own/m.gguf",
            "own/repo/m.bin",
            "/repo/m.gguf",
            "own//m.gguf",
        ] {
            let error = HubFile::try_new(name).unwrap_err();
            assert!(matches!(error, BadName::Form(_)), "{name}");
        }
        let long = format!("own/repo/{}.gguf", "m".repeat(200));
        for name in [
            "own/repo/../m.gguf",
            "../repo/m.gguf",
            "o/r/a/b.gguf",
            "o/r/m?x.gguf",
            &long,
        ] {
            let error = HubFile::try_new(name).unwrap_err();
            assert!(matches!(error, BadName::Part(_)), "{name}");
        }
    }
}
