//! Bearer keys. The store holds their SHA-256 alone; a key is shown once, when it is made.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shoal_conductor::{id::WorkerId, label::Label};

use super::{Moment, Store, StoreError, task};
use crate::secret::Secret;

/// What every key begins with, so that it is known when it turns up where it should not.
const PREFIX: &str = "sk-shoal-";

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Hand in tasks, and see and cancel its own.
    Chat,
    /// Read all tasks, traces and the board.
    Read,
    /// Answer approvals.
    Approve,
    /// Everything, and keys.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Read, Self::Approve, Self::Admin];

    /// The name used by the command line and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Read => "read",
            Self::Approve => "approve",
            Self::Admin => "admin",
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no scope.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown scope \"{0}\": use chat, read, approve or admin")]
pub struct UnknownScope(pub String);

impl std::str::FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == word)
            .ok_or_else(|| UnknownScope(word.to_owned()))
    }
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Who has it; no two keys in force have the same name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The label that everything handed in with it has at least.
    pub label: Label,
    /// The only workers that its tasks may use.
    pub workers: Option<Vec<WorkerId>>,
}

/// A key, without the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// The first digits of its hash.
    pub id: String,
    /// Who has it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The label that everything handed in with it has at least.
    pub label: Label,
    /// The only workers that its tasks may use.
    pub workers: Option<Vec<WorkerId>>,
    /// When it was made.
    pub created_at: Moment,
    /// When it was revoked.
    pub revoked_at: Option<Moment>,
}

impl KeyInfo {
    /// Whether it may do what needs `scope`.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

impl Store {
    /// Makes a key of 256 random bits. The secret is shown here and never again.
    pub async fn create_key(&self, new: NewKey) -> Result<(KeyInfo, Secret), StoreError> {
        let secret = Secret::random(PREFIX).map_err(|e| StoreError::Random(e.to_string()))?;
        let hash = hash(secret.expose());
        let info = KeyInfo {
            id: hex::encode(&hash[..6]),
            name: new.name,
            scopes: new.scopes,
            label: new.label,
            workers: new.workers,
            created_at: Moment::now(),
            revoked_at: None,
        };
        let stored = info.clone();
        self.write(move |c| insert(c, &stored, &hash)).await?;
        Ok((info, secret))
    }

    /// All keys, oldest first, the revoked ones too.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, StoreError> {
        self.read(|c| {
            let mut select = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM key ORDER BY created_at, id"
            ))?;
            let rows = select.query_map([], columns)?;
            rows.map(|row| row?.read()).collect()
        })
        .await
    }

    /// Revokes a key by its id or name; `false` if there is none in force.
    pub async fn revoke_key(&self, id_or_name: &str) -> Result<bool, StoreError> {
        let which = id_or_name.to_owned();
        self.write(move |c| {
            let changed = c.execute(
                "UPDATE key SET revoked_at = ?2 WHERE (id = ?1 OR name = ?1) AND revoked_at IS NULL",
                params![which, Moment::now()],
            )?;
            Ok(changed > 0)
        })
        .await
    }

    /// The key in force that `bearer` is. What another process made or revoked counts at once.
    pub async fn authenticate(&self, bearer: &str) -> Result<Option<KeyInfo>, StoreError> {
        if !bearer.starts_with(PREFIX) {
            return Ok(None);
        }
        let hash = hash(bearer);
        self.read(move |c| {
            c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM key WHERE hash = ?1 AND revoked_at IS NULL"
            ))?
            .query_row([hash.as_slice()], columns)
            .optional()?
            .map(Columns::read)
            .transpose()
        })
        .await
    }
}

/// The key has 256 random bits, so a plain hash hides it; finding it by hash leaks no timing of use.
fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn insert(c: &Connection, key: &KeyInfo, hash: &[u8; 32]) -> Result<(), StoreError> {
    let taken: bool = c.query_row(
        "SELECT EXISTS (SELECT 1 FROM key WHERE name = ?1 AND revoked_at IS NULL)",
        [&key.name],
        |row| row.get(0),
    )?;
    if taken {
        return Err(StoreError::NameTaken(key.name.clone()));
    }
    let workers = key.workers.as_ref();
    c.execute(
        "INSERT INTO key (id, name, hash, scopes, label, workers, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            key.id,
            key.name,
            hash.as_slice(),
            task::write("scopes", &key.scopes)?,
            key.label.as_str(),
            workers.map(|all| task::write("workers", all)).transpose()?,
            key.created_at
        ],
    )?;
    Ok(())
}

const COLUMNS: &str = "id, name, scopes, label, workers, created_at, revoked_at";

struct Columns {
    id: String,
    name: String,
    scopes: String,
    label: String,
    workers: Option<String>,
    created_at: Moment,
    revoked_at: Option<Moment>,
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        id: row.get(0)?,
        name: row.get(1)?,
        scopes: row.get(2)?,
        label: row.get(3)?,
        workers: row.get(4)?,
        created_at: row.get(5)?,
        revoked_at: row.get(6)?,
    })
}

impl Columns {
    fn read(self) -> Result<KeyInfo, StoreError> {
        let label = self.label.parse();
        let workers = self.workers.as_deref();
        Ok(KeyInfo {
            id: self.id,
            name: self.name,
            scopes: task::parse("scopes", &self.scopes)?,
            label: label.map_err(|e| StoreError::value("a key's label", &e))?,
            workers: workers
                .map(|text| task::parse("workers", text))
                .transpose()?,
            created_at: self.created_at,
            revoked_at: self.revoked_at,
        })
    }
}
