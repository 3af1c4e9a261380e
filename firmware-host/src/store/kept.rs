//! The chain's head, kept apart from the store in a file of its own.
//!
//! After every commit that made the chain longer, number and hash are written here with a proof that takes the store's
//! key. The file is never ahead of the store, since the commit is on disk before it is written; after a power cut it may
//! be behind. So a store that has less, or something else at that number, is not the one that was written last: it was
//! set back, or a copy was put in its place.

use std::{
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OptionalExtension as _};

use super::{StoreError, chain};

/// The file in the data folder.
pub(super) const FILE: &str = "shoal.head";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) number: i64,
    pub(super) hash: String,
    proof: String,
}

/// How the store stands to the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has what the file says, and perhaps more.
    Good,
    /// There is no file, and it is not that there is no link yet.
    None,
    /// The file is no head, or not proven by the store's key.
    Bad,
    /// The store has less or something else.
    SetBack(Kept),
}

impl Kept {
    fn stated(number: i64, hash: &str) -> Vec<u8> {
        format!("kept {number} {hash}").into_bytes()
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let kept = Self {
            number: words.next()?.parse().ok()?,
            hash: words.next()?.to_owned(),
            proof: words.next()?.to_owned(),
        };
        words.next().is_none().then_some(kept)
    }
}

/// Compares. The file is read first, so that what another process writes meanwhile is not taken for too little.
pub(super) fn standing(c: &Connection, path: &Path) -> Result<Standing, StoreError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let empty = chain::head(c)?.number == 0;
            return Ok(if empty {
                Standing::Good
            } else {
                Standing::None
            });
        }
        Err(_) => return Ok(Standing::Bad),
    };
    let Some(kept) = Kept::read(&text) else {
        return Ok(Standing::Bad);
    };
    let proof = chain::proof(c, &Kept::stated(kept.number, &kept.hash))?;
    if hex::encode(proof) != kept.proof {
        return Ok(Standing::Bad);
    }
    let head = chain::head(c)?;
    if kept.number < head.first {
        return Ok(Standing::Good);
    }
    let found: Option<Vec<u8>> = c
        .query_row(
            "SELECT hash FROM link WHERE number = ?1",
            [kept.number],
            |row| row.get(0),
        )
        .optional()?;
    match found {
        Some(hash) if hex::encode(&hash) == kept.hash => Ok(Standing::Good),
        _ => Ok(Standing::SetBack(kept)),
    }
}

/// Writes the file whenever the chain has become longer.
pub(super) struct Keeper {
    path: PathBuf,
    last: Option<i64>,
    /// What is to be linked with the first change, before the file is written over.
    confession: Option<String>,
}

impl Keeper {
    /// `first` says that the chain was begun just now, so that there is no file yet.
    pub(super) fn new(c: &Connection, path: PathBuf, first: bool) -> Result<Self, StoreError> {
        let confession = match standing(c, &path)? {
            Standing::SetBack(kept) => {
                tracing::error!(
                    "the store is older than its head in {}: it was set back; `shoal trace --verify` says more",
                    path.display()
                );
                Some(format!("had {} links, the last {}", kept.number, kept.hash))
            }
            Standing::Bad => {
                tracing::error!("{} is not the head of this store", path.display());
                Some(format!("had another head in {FILE}"))
            }
            Standing::None if !first => {
                tracing::error!(
                    "the head of the store's chain is missing: {}",
                    path.display()
                );
                Some(format!("had a head, and {FILE} was missing"))
            }
            Standing::Good | Standing::None => None,
        };
        let mut keeper = Self {
            path,
            last: None,
            confession,
        };
        // There is a file before there is a link, so that none is missing because the power went.
        if first || chain::head(c)?.number == 0 {
            keeper.keep(c);
        }
        Ok(keeper)
    }

    /// In the first transaction: that the store was set back, or may have been, becomes part of its record.
    pub(super) fn confess(&self, c: &Connection) -> Result<(), StoreError> {
        let Some(detail) = &self.confession else {
            return Ok(());
        };
        let next = chain::head(c)?.number + 1;
        chain::note(c, chain::Kind::SetBack, 0, next, detail)
    }

    /// After a commit.
    pub(super) fn keep(&mut self, c: &Connection) {
        self.confession = None;
        if let Err(error) = self.try_keep(c) {
            tracing::warn!(%error, "the head of the chain is not kept apart this time");
        }
    }

    fn try_keep(&mut self, c: &Connection) -> Result<(), StoreError> {
        let head = chain::head(c)?;
        if self.last == Some(head.number) {
            return Ok(());
        }
        let hash = hex::encode(&head.hash);
        let proof = hex::encode(chain::proof(c, &Kept::stated(head.number, &hash))?);
        let text = format!("{} {hash} {proof}\n", head.number);
        write(&self.path, &text).map_err(|e| StoreError::creating(&self.path, &e))?;
        self.last = Some(head.number);
        Ok(())
    }
}

/// Whole or not at all for whoever reads it meanwhile. The first one outlives a power cut; another need not, since an older one is as
/// good.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let is_first = !path.exists();
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(text.as_bytes())?;
    if is_first {
        file.sync_all()?;
    }
    std::fs::rename(&draft, path)?;
    match path.parent().filter(|_| is_first) {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
