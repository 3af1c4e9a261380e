//! Where the files of a prepared model lie: beside the download.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::PrepareError;

/// The end of a prepared file's name.
const ENDING: &str = ".prepared.gguf";

/// A download and what lies beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The download.
    pub(super) source: PathBuf,
    /// The model as it was stored anew.
    pub(super) prepared: PathBuf,
    /// Why it is stored so.
    pub(super) note: PathBuf,
    /// A file that is being written.
    pub(super) part: PathBuf,
    /// The best file so far.
    pub(super) best: PathBuf,
}

impl Place {
    /// The places for `source`, which must be no prepared file itself.
    pub(super) fn try_new(source: &Path) -> Result<Self, PrepareError> {
        let name = source.file_name().and_then(OsStr::to_str);
        let stem = name
            .filter(|_| !is_prepared(source))
            .and_then(|name| name.strip_suffix(".gguf").or(name.strip_suffix(".GGUF")))
            .filter(|stem| !stem.is_empty())
            .ok_or_else(|| PrepareError::NoSource(source.to_owned()))?;
        let beside = |name: String| source.with_file_name(name);
        Ok(Self {
            source: source.to_owned(),
            prepared: beside(format!("{stem}{ENDING}")),
            note: beside(format!("{stem}.prepared.toml")),
            part: beside(format!(".{stem}.prepared.part")),
            best: beside(format!(".{stem}.prepared.best")),
        })
    }
}

/// Whether the file's name says that it was prepared from another.
#[must_use]
pub fn is_prepared(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| name.ends_with(ENDING))
}

/// The download that a prepared file's name points to, beside it; `None` for other files.
#[must_use]
pub fn source_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    let stem = name.strip_suffix(ENDING)?;
    Some(path.with_file_name(format!("{stem}.gguf")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_beside_the_download() {
        let place = Place::try_new(Path::new("/m/a.Q4_1.gguf")).unwrap();
        assert_eq!(place.prepared, Path::new("/m/a.Q4_1.prepared.gguf"));
        assert_eq!(place.note, Path::new("/m/a.Q4_1.prepared.toml"));
        assert_eq!(source_of(&place.prepared), Some(place.source.clone()));
        assert_eq!(source_of(&place.source), None);
        assert!(is_prepared(&place.prepared) && !is_prepared(&place.source));
    }

    #[test]
    fn what_is_no_download_is_refused() {
        for name in ["/m/a.Q4_1.prepared.gguf", "/m/a.bin", "/m/.gguf", "/"] {
            let error = Place::try_new(Path::new(name)).unwrap_err();
            assert!(matches!(error, PrepareError::NoSource(_)), "{name}");
        }
    }
}
