//! Room on the disk, and files that are there whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Bytes that stay free for the store and the log.
const SPARE: u64 = 64 << 20;

/// Too little room for a file.
#[derive(Debug, thiserror::Error)]
#[error("{} has {free} bytes free and {needed} are needed", folder.display())]
pub struct NoSpace {
    /// Where.
    pub folder: PathBuf,
    /// Bytes that it takes at most, and some that stay free.
    pub needed: u64,
    /// Bytes that are free.
    pub free: u64,
}

/// Says no where `place`'s folder has no room for a file of `bytes`.
pub(crate) fn check(place: &Path, bytes: u64) -> Result<(), NoSpace> {
    let folder = folder(place);
    let needed = bytes.saturating_add(SPARE);
    // A file system that does not tell is tried.
    match free(folder) {
        Some(free) if free < needed => Err(NoSpace {
            folder: folder.to_owned(),
            needed,
            free,
        }),
        _ => Ok(()),
    }
}

fn free(folder: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(folder).ok()?;
    found.blocks_available().checked_mul(found.fragment_size())
}

fn folder(place: &Path) -> &Path {
    match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Puts the file `part` in `place`, also after a power cut.
pub(crate) fn publish(part: &Path, place: &Path) -> io::Result<()> {
    fs::rename(part, place)?;
    File::open(folder(place))?.sync_all()
}

/// Writes a text by way of `part`.
pub(crate) fn write(part: &Path, place: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    publish(part, place)
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_larger_than_the_disk_is_refused_before_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("m.gguf");
        check(&place, 1).unwrap();
        let refused = check(&place, u64::MAX / 2).unwrap_err();
        assert_eq!(refused.folder, folder.path());
    }

    #[test]
    fn a_text_replaces_the_one_before_and_leaves_no_part() {
        let folder = tempfile::tempdir().unwrap();
        let (part, place) = (folder.path().join("part"), folder.path().join("note"));
        for text in ["long text", "short"] {
            write(&part, &place, text).unwrap();
            assert_eq!(fs::read_to_string(&place).unwrap(), text);
        }
        assert!(!part.exists());
        remove(&place).unwrap();
        remove(&place).unwrap();
    }
}
