//! The root of the file tree in which a board is looked for.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Where `proc`, `sys` and `dev` are. A test's fixture tree is a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The folder that holds them; `/` on the machine itself.
    pub root: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self::at("/")
    }
}

impl Roots {
    /// The most that is read of one file. `/proc/cpuinfo` of a server with 256
    /// threads has about 400 KiB.
    const READ_LIMIT: u64 = 4 << 20;
    /// The most entries that are read of one folder.
    const LIST_LIMIT: usize = 4096;

    /// The tree below `root`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Whether this is the running machine, not a copy of another.
    #[must_use]
    pub fn is_this_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The file's text; none if it is not there or cannot be read.
    pub(crate) fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        let mut bytes = Vec::new();
        let file = File::open(self.root.join(path)).ok()?;
        file.take(Self::READ_LIMIT).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The strings of a device tree property, which end in NUL.
    pub(crate) fn read_strings(&self, path: impl AsRef<Path>) -> Vec<String> {
        let text = self.read(path).unwrap_or_default();
        text.split(['\0', '\n'])
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// The file's number; none if it is not there or holds something else.
    pub(crate) fn read_number(&self, path: impl AsRef<Path>) -> Option<u64> {
        self.read(path)?.trim().parse().ok()
    }

    /// Whether something is there.
    pub(crate) fn has(&self, path: impl AsRef<Path>) -> bool {
        self.root.join(path).exists()
    }

    /// The names in a folder, sorted; none if it is not there.
    pub(crate) fn list(&self, path: impl AsRef<Path>) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.join(path)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .flatten()
            .take(Self::LIST_LIMIT)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }
}
