//! Which `shoal serve` has the data folder: a lock, its address, and a key for the command line of this board.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{
    exit::{Exit, Fault},
    secret::Secret,
};

/// A running `serve`; the folder is free again when it is dropped.
#[derive(Debug)]
pub struct Running {
    folder: PathBuf,
    key: Secret,
    _lock: File,
}

/// Where a running `serve` is, and the key for it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its plain HTTP address.
    pub address: SocketAddr,
    /// The key of this board's command line.
    pub key: Secret,
}

fn folder(data: &Path) -> PathBuf {
    data.join("run")
}

impl Running {
    /// Takes the data folder, unless another process has it.
    pub fn claim(data: &Path) -> Result<Self, Fault> {
        let folder = folder(data);
        let failed = |error: &std::io::Error| {
            Fault::create(format!("cannot use {}", folder.display()), error)
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|error| failed(&error))?;
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(folder.join("lock"))
            .map_err(|error| failed(&error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(data, &mut lock)),
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(|error| failed(&error))?;
        Ok(Self {
            key: Secret::random("sk-cli-").map_err(Fault::internal)?,
            folder,
            _lock: lock,
        })
    }

    /// The key of this board's command line, good until this process ends.
    #[must_use]
    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// Tells this board's command line where to find the API.
    pub fn announce(&self, address: SocketAddr) -> Result<(), Fault> {
        for (name, text) in [
            ("cli.key", self.key.expose().to_owned()),
            ("address", address.to_string()),
        ] {
            let path = self.folder.join(name);
            replace(&path, &text).map_err(|error| {
                Fault::create(format!("cannot write {}", path.display()), &error)
            })?;
        }
        Ok(())
    }

    /// The `serve` that has this data folder, if one does.
    #[must_use]
    pub fn find(data: &Path) -> Option<Found> {
        let folder = folder(data);
        let address = std::fs::read_to_string(folder.join("address")).ok()?;
        Some(Found {
            address: address.trim().parse().ok()?,
            key: Secret::from_file(&folder.join("cli.key")).ok()?,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for name in ["cli.key", "address"] {
            // What is left behind is of no use to anyone: the key dies with this process.
            std::fs::remove_file(self.folder.join(name)).ok();
        }
    }
}

fn taken(data: &Path, lock: &mut File) -> Fault {
    let mut pid = String::new();
    let read = lock.rewind().and_then(|()| lock.read_to_string(&mut pid));
    let pid = match (read, pid.trim()) {
        (Ok(_), pid) if !pid.is_empty() => format!(" (process {pid})"),
        _ => String::new(),
    };
    Fault::new(
        Exit::Unavailable,
        format!(
            "another `shoal serve`{pid} has the data folder {}; stop it, or give another folder with --data",
            data.display()
        ),
    )
}

/// Writes a file of the owner's alone, never seen half written.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    if fresh.exists() {
        std::fs::remove_file(&fresh)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?
        .write_all(text.as_bytes())?;
    std::fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_by_name_and_may_start_when_the_first_is_gone() {
        let data = tempfile::tempdir().unwrap();
        let first = Running::claim(data.path()).unwrap();
        let fault = Running::claim(data.path()).unwrap_err();
        assert_eq!(fault.exit, Exit::Unavailable);
        let pid = std::process::id().to_string();
        assert!(fault.message.contains(&pid), "{fault}");
        drop(first);
        Running::claim(data.path()).unwrap();
    }

    #[test]
    fn it_is_found_while_it_runs_and_not_after() {
        let data = tempfile::tempdir().unwrap();
        assert!(Running::find(data.path()).is_none());
        let running = Running::claim(data.path()).unwrap();
        assert!(Running::find(data.path()).is_none());
        running
            .announce(SocketAddr::from(([127, 0, 0, 1], 80)))
            .unwrap();
        let found = Running::find(data.path()).unwrap();
        assert_eq!(&found.key, running.key());
        drop(running);
        assert!(Running::find(data.path()).is_none());
    }
}
