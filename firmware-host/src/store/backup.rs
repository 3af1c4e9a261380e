//! A copy of the store, made while it is in use, and putting one in the store's place.
//!
//! The copy is one committed state: SQLite's online backup in a single step reads one snapshot while others go on
//! writing. It is a whole file without a log, sealed as the store is, and needs the same key, which is not in it. It gets
//! its name only when it is whole, checked and on disk.
//!
//! A restored store is older than the head that is kept apart, which `shoal trace --verify` says from then on: that
//! somebody set the record back is part of the record.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use serde::Serialize;

use super::{FILE, KeySource, Moment, StoreError, schema};

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Where it is.
    pub file: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Tasks in it.
    pub tasks: u64,
}

/// Copies the store of a data folder to `target`, which must not exist.
pub fn backup(data: &Path, target: &Path) -> Result<Copied, StoreError> {
    let source = data.join(FILE);
    let draft = draft(target)?;
    let copied = copy(&source, &draft).and_then(|()| {
        let tasks = check(&draft)?;
        Ok((tasks, publish(&draft, target)?))
    });
    match copied {
        Ok((tasks, bytes)) => Ok(Copied {
            file: target.to_owned(),
            bytes,
            tasks,
        }),
        Err(error) => {
            // Half a copy is of no use to anyone.
            std::fs::remove_file(&draft).ok();
            Err(error)
        }
    }
}

/// A fresh file beside `target`, for its owner alone.
pub(super) fn draft(target: &Path) -> Result<PathBuf, StoreError> {
    let exists = io::Error::new(
        io::ErrorKind::AlreadyExists,
        "there is a file of this name already; choose another",
    );
    if target.exists() {
        return Err(StoreError::creating(target, &exists));
    }
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    let draft = PathBuf::from(name);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(|e| StoreError::creating(&draft, &e))?;
    Ok(draft)
}

/// Gives a whole file its name; its bytes.
pub(super) fn publish(draft: &Path, target: &Path) -> Result<u64, StoreError> {
    let published = || {
        let file = File::open(draft)?;
        file.sync_all()?;
        std::fs::rename(draft, target)?;
        sync_folder(target)?;
        Ok(file.metadata()?.len())
    };
    published().map_err(|e| StoreError::creating(target, &e))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn copy(source: &Path, draft: &Path) -> Result<(), StoreError> {
    let from = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(|e| StoreError::opening(source, &e))?;
    from.busy_timeout(schema::BUSY)?;
    let mut to = Connection::open(draft).map_err(|e| StoreError::opening(draft, &e))?;
    {
        let backup = Backup::new(&from, &mut to)?;
        // All pages at once, and so one snapshot: in steps it would begin anew whenever somebody writes.
        if backup.step(-1)? != StepResult::Done {
            return Err(StoreError::Busy);
        }
    }
    // A file alone, without a log beside it.
    to.pragma_update(None, "journal_mode", "DELETE")?;
    Ok(())
}

/// Whether a file is a whole store; how many tasks are in it.
fn check(file: &Path) -> Result<u64, StoreError> {
    let opening = |e| StoreError::opening(file, &e);
    let c = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(opening)?;
    let verdict: String = c
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(opening)?;
    let corrupt = |reason: String| StoreError::Corrupt {
        path: file.to_owned(),
        reason,
    };
    if verdict != "ok" {
        return Err(corrupt(verdict));
    }
    let tasks: i64 = c
        .query_row("SELECT count(*) FROM task", [], |row| row.get(0))
        .map_err(|e| corrupt(format!("it is no store: {e}")))?;
    Ok(tasks.unsigned_abs())
}

/// What was put in the store's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Tasks in it.
    pub tasks: u64,
    /// Where the former store is now, if there was one.
    pub former: Option<PathBuf>,
}

/// Puts a backup in the place of the store of a data folder that nobody uses. The former store stays beside it.
pub fn restore(data: &Path, file: &Path, key: &KeySource) -> Result<Restored, StoreError> {
    let tasks = check(file)?;
    fits(data, file, key)?;
    let store = data.join(FILE);
    let draft = data.join(format!("{FILE}.restoring"));
    let copied = || {
        std::fs::remove_file(&draft).or_else(missing_is_fine)?;
        let mut to = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        io::copy(&mut File::open(file)?, &mut to)?;
        to.sync_all()
    };
    copied().map_err(|e| StoreError::creating(&draft, &e))?;
    let former = move_away(data).map_err(|e| StoreError::creating(&store, &e))?;
    publish(&draft, &store)?;
    Ok(Restored { tasks, former })
}

/// A log that is left behind would be written into the backup, so it goes first; until the last step the former store is
/// there under its own name too.
fn move_away(data: &Path) -> io::Result<Option<PathBuf>> {
    let store = data.join(FILE);
    let name = format!("{FILE}.replaced-{}", Moment::now().0);
    let former = match std::fs::hard_link(&store, data.join(&name)) {
        Ok(()) => Some(data.join(&name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let log = data.join(format!("{FILE}-wal"));
    std::fs::rename(log, data.join(format!("{name}-wal"))).or_else(missing_is_fine)?;
    std::fs::remove_file(data.join(format!("{FILE}-shm"))).or_else(missing_is_fine)?;
    Ok(former)
}

fn missing_is_fine(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

/// Whether this program and this key open it.
fn fits(data: &Path, file: &Path, key: &KeySource) -> Result<(), StoreError> {
    let opening = |e| StoreError::opening(file, &e);
    let c = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(opening)?;
    let found: i64 = c
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(opening)?;
    let known = i64::try_from(schema::VERSION).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer {
            path: file.to_owned(),
            found,
            known,
        });
    }
    let wanted = schema::key_check(&c, file)?;
    let master = key.master(data, wanted.is_none())?;
    if wanted.is_some_and(|wanted| wanted != master.check()) {
        return Err(StoreError::WrongKey {
            path: file.to_owned(),
        });
    }
    Ok(())
}
