//! Why the store did not do something.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::seal::source::KeyError;

/// Why the store did not do something. Nothing of the refused change is in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The folder or file cannot be made.
    #[error("cannot create {}: {reason}", path.display())]
    Create {
        /// What.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file cannot be opened.
    #[error("cannot open {}: {reason}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
    /// The file is damaged or no database.
    #[error("{} is damaged: {reason}; put a backup in its place with `shoal restore FILE`, or save what can be read with `shoal backup --salvage FILE` first", path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
    /// The file was written by a newer version of this program.
    #[error("{} has schema {found} and this program knows {known}; use the newer program", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The key that opens what is sealed is not there.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is a key, and it is another one.
    #[error("the key of the store is not the one that {} was sealed with; restore the right one from your backup", path.display())]
    WrongKey {
        /// The store.
        path: PathBuf,
    },
    /// No space is left.
    #[error("the disk is full; free some space in the data folder")]
    Full,
    /// A part of the file is damaged, which was found out while working with it.
    #[error(
        "the store is damaged ({0}), so nothing new is taken; stop `shoal serve` and put a backup in its place with \
         `shoal restore FILE`, or save what can be read with `shoal backup --salvage FILE` first"
    )]
    Damaged(String),
    /// Another process holds the file for too long.
    #[error("another process keeps the store locked; try again")]
    Busy,
    /// The system refused to write or read.
    #[error("the store cannot be written or read: {0}")]
    Io(String),
    /// A stored value is not what this program wrote.
    #[error("{what} in the store cannot be read: {reason}")]
    Value {
        /// Which.
        what: String,
        /// Why.
        reason: String,
    },
    /// There is no such task.
    #[error("there is no task {0}")]
    NoTask(String),
    /// The task has ended; nothing is added to it.
    #[error("task {0} has ended")]
    Ended(String),
    /// The name is in use.
    #[error("there is already a key named \"{0}\"; revoke it first or choose another name")]
    NameTaken(String),
    /// The system gives no random numbers.
    #[error("no random numbers for a new key: {0}")]
    Random(String),
    /// A fault in this program while it changed something.
    #[error("a fault in the store; nothing of the change is kept")]
    Fault,
    /// The store has been closed.
    #[error("the store is closed")]
    Stopped,
}

impl StoreError {
    pub(super) fn creating(path: &Path, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull {
            return Self::Full;
        }
        Self::Create {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }

    pub(super) fn opening(path: &Path, error: &rusqlite::Error) -> Self {
        let reason = error.to_string();
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, reason }
            }
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Open { path, reason },
        }
    }

    pub(super) fn value(what: impl Into<String>, reason: &impl ToString) -> Self {
        Self::Value {
            what: what.into(),
            reason: reason.to_string(),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Io(error.to_string()),
        }
    }
}
