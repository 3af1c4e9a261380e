//! The note beside a file that says which bytes were checked.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

/// A file's state when its hash was found right.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stamp {
    bytes: u64,
    /// Nanoseconds since 1970.
    changed: u128,
    sha256: String,
}

impl Stamp {
    pub(super) fn of(data: &Metadata, sha256: &str) -> Self {
        let changed = data.modified().ok();
        let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self {
            bytes: data.len(),
            // A file without a time of change never has the same twice.
            changed: changed.map_or(u128::MAX, |since| since.as_nanos()),
            sha256: sha256.to_owned(),
        }
    }

    /// Whether the same note lies beside the file.
    pub(super) fn is_beside(&self, file: &Path) -> bool {
        self.changed != u128::MAX
            && place(file)
                .and_then(|place| std::fs::read(place).ok())
                .and_then(|note| serde_json::from_slice::<Self>(&note).ok())
                .is_some_and(|note| note == *self)
    }

    /// Puts the note beside the file. Where that fails, the file is read again next time.
    pub(super) fn put_beside(&self, file: &Path) {
        let Some(place) = place(file) else { return };
        let written = serde_json::to_vec(self)
            .map_err(std::io::Error::other)
            .and_then(|note| std::fs::write(&place, note));
        if let Err(error) = written {
            tracing::debug!(%error, place = %place.display(), "no note was left; the file will be read again");
        }
    }
}

fn place(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    Some(file.with_file_name(format!(".{name}.verified")))
}
