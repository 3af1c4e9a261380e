//! Where the store's key is.
//!
//! In this order: the file that the config names; `shoal-store-key` among the credentials that systemd hands to the
//! service (`LoadCredential=` or, sealed to a TPM by `systemd-creds encrypt --with-key=tpm2`,
//! `LoadCredentialEncrypted=`); `store.key` in the data folder. Only the last is made where there is none, and only for a
//! store that has nothing sealed yet: another key would open nothing.

use std::{
    fmt,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use ring::hmac;

/// The file in the data folder.
pub const FILE: &str = "store.key";
/// The name among systemd's credentials.
pub const CREDENTIAL: &str = "shoal-store-key";

/// Where to look for the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySource {
    /// The file that the config names.
    pub file: Option<PathBuf>,
    /// The folder of systemd's credentials, where there is one.
    pub credentials: Option<PathBuf>,
}

impl KeySource {
    /// What the config says, and systemd's folder from `$CREDENTIALS_DIRECTORY`.
    #[must_use]
    pub fn new(file: Option<PathBuf>) -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self { file, credentials }
    }

    /// The file to read, and whether it may be made.
    fn locate(&self, data: &Path) -> (PathBuf, bool) {
        if let Some(file) = &self.file {
            return (file.clone(), false);
        }
        let credential = self.credentials.as_ref().map(|dir| dir.join(CREDENTIAL));
        match credential.filter(|path| path.exists()) {
            Some(path) => (path, false),
            None => (data.join(FILE), true),
        }
    }

    /// Reads the key, or makes it where `fresh` says that nothing is sealed with one yet.
    pub(in crate::store) fn master(&self, data: &Path, fresh: bool) -> Result<Master, KeyError> {
        let (path, own) = self.locate(data);
        if own && fresh && !path.exists() {
            make(&path).map_err(|e| KeyError::new(&path, e))?;
        }
        if own {
            // The copy of a careless restore is closed again.
            let closed = std::fs::Permissions::from_mode(0o600);
            if let Err(error) = std::fs::set_permissions(&path, closed) {
                tracing::debug!(%error, "the mode of the store's key cannot be set");
            }
        }
        let text = std::fs::read_to_string(&path).map_err(|e| KeyError::new(&path, e))?;
        let mut key = [0u8; 32];
        hex::decode_to_slice(text.trim(), &mut key)
            .map_err(|_| KeyError::new(&path, "it is not 64 hexadecimal digits"))?;
        Ok(Master(key))
    }
}

/// The key cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of the store is not in {}: {reason}; restore it from your backup, or name its place under [store] key_file in shoal.toml", path.display())]
pub struct KeyError {
    path: PathBuf,
    reason: String,
}

impl KeyError {
    fn new(path: &Path, reason: impl ToString) -> Self {
        Self {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// Of several processes that make it at once, one does: a link is made whole or not at all.
fn make(path: &Path) -> std::io::Result<()> {
    let mut key = [0u8; 32];
    getrandom::fill(&mut key).map_err(|e| std::io::Error::other(e.to_string()))?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    writeln!(file, "{}", hex::encode(key))?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // What is sealed soon must not outlive its key in a power cut.
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The key itself: 256 random bits.
pub(in crate::store) struct Master([u8; 32]);

impl Master {
    #[cfg(test)]
    pub(in crate::store) const fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The key for one use.
    pub(super) fn derive(&self, name: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut derived = [0u8; 32];
        derived.copy_from_slice(hmac::sign(&key, name.as_bytes()).as_ref());
        derived
    }

    /// What the store keeps, to know its key again; it tells nothing of it.
    pub(in crate::store) fn check(&self) -> String {
        hex::encode(&self.derive("shoal check 1")[..16])
    }
}

/// Shows nothing.
impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_for_its_owner_alone_and_never_beside_sealed_text() {
        let folder = tempfile::tempdir().unwrap();
        let source = KeySource::default();
        let missing = source.master(folder.path(), false).unwrap_err();
        assert!(missing.to_string().contains("restore it"), "{missing}");
        let made = source.master(folder.path(), true).unwrap().check();
        assert_eq!(source.master(folder.path(), false).unwrap().check(), made);
        let mode = std::fs::metadata(folder.path().join(FILE)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_configured_file_comes_before_systemds_and_that_before_the_folders_own() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, digit: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, digit.repeat(64)).unwrap();
            path
        };
        let mut source = KeySource {
            file: Some(write("mine", "1")),
            credentials: Some(folder.path().to_owned()),
        };
        let data = tempfile::tempdir().unwrap();
        let check = |source: &KeySource| source.master(data.path(), true).unwrap().check();
        write(CREDENTIAL, "2");
        let mine = check(&source);
        source.file = None;
        let systemds = check(&source);
        source.credentials = None;
        let own = check(&source);
        assert!(mine != systemds && systemds != own && mine != own);
        source.file = Some(write("short", "1"));
        std::fs::write(folder.path().join("short"), "12").unwrap();
        let error = source.master(data.path(), true).unwrap_err();
        assert!(error.to_string().contains("64 hexadecimal"), "{error}");
    }
}
