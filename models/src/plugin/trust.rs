//! Whom code may come from: root, the user that this program runs as, and whoever owns the program itself.

use std::{
    collections::BTreeSet,
    fs::Metadata,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use nix::unistd::{getegid, geteuid};

use super::find::Refused;

const STICKY: u32 = 0o1000;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

/// Whose files are taken.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
}

impl Trust {
    /// As this program runs.
    pub(super) fn here() -> Self {
        let mut users = BTreeSet::from([0, geteuid().as_raw()]);
        let mut groups = BTreeSet::from([0, getegid().as_raw()]);
        let program = std::env::current_exe().and_then(std::fs::metadata);
        if let Ok(program) = program {
            users.insert(program.uid());
            groups.insert(program.gid());
        }
        Self { users, groups }
    }

    /// A folder by its real path, and every one above it: whoever may write there can put another in its place.
    pub(super) fn folder(&self, folder: &Path) -> Result<(), Refused> {
        folder.ancestors().try_for_each(|above| {
            let found = std::fs::metadata(above);
            let found = found.map_err(|error| refused(above, &error.to_string()))?;
            // In a sticky folder, as /tmp, only its owner can move what is there; the folder itself must be ours.
            let sticky = above != folder && found.permissions().mode() & STICKY != 0;
            self.judge(above, &found, sticky)
        })
    }

    /// A file in a folder that is trusted; a link must lead to one in another such folder.
    pub(super) fn file(&self, path: &Path) -> Result<(), Refused> {
        let real = path.canonicalize();
        let real = real.map_err(|error| refused(path, &error.to_string()))?;
        if real != path
            && let Some(folder) = real.parent()
        {
            self.folder(folder)?;
        }
        let found = std::fs::metadata(&real);
        let found = found.map_err(|error| refused(path, &error.to_string()))?;
        if !found.is_file() {
            return Err(refused(path, "it is no file"));
        }
        self.judge(path, &found, false)
    }

    fn judge(&self, path: &Path, found: &Metadata, sticky: bool) -> Result<(), Refused> {
        let mode = found.permissions().mode();
        if !self.users.contains(&found.uid()) {
            let reason = format!("it belongs to another user (number {})", found.uid());
            return Err(refused(path, &reason));
        }
        if mode & OTHERS_WRITE != 0 && !sticky {
            return Err(refused(path, "everyone may write to it"));
        }
        if mode & GROUP_WRITES != 0 && !sticky && !self.groups.contains(&found.gid()) {
            let reason = format!("another group (number {}) may write to it", found.gid());
            return Err(refused(path, &reason));
        }
        Ok(())
    }
}

fn refused(path: &Path, reason: &str) -> Refused {
    Refused {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}
