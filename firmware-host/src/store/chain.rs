//! The hash chain over the record of every task: what was accepted, each line of its trace, what people were asked and
//! said, how it ended, and that it was purged.
//!
//! # A link
//! `digest` is SHA-256 over the row as it lies in the file (sealed text included, so that nobody needs the key to check
//! it), and `hash` is SHA-256 over the former hash, the link's number, kind, task, item and detail, and the digest. Each
//! value goes in as a type byte, its length in 8 bytes, and its bytes, so that two rows never have the same form. Numbers
//! have no gaps, and there is one chain for the appliance, so that no whole task can go unnoticed.
//!
//! # The head
//! The last number and hash stand in `chain_head` with a proof (HMAC-SHA256) that only the holder of the store's key
//! can make: whoever cuts the tail off, or writes the whole chain anew, cannot prove the head. Beside the store, in
//! [`super::kept`], lies a copy: a store that was set back to an older copy of itself is known by it.
//!
//! # What goes
//! A purge deletes rows and adds a link that says so, in which case their links stand without them. The chain's beginning
//! is cut off beyond [`MAX_LINKS`], as far as all its tasks are purged; the head then proves what came before.

use rusqlite::{Connection, OptionalExtension as _, Row, params, types::ValueRef};
use sha2::{Digest as _, Sha256};

use super::StoreError;

/// Links beyond which those of purged tasks are cut off at the beginning.
pub(super) const MAX_LINKS: i64 = 1_000_000;
/// How many are cut off at a time.
const CUT: i64 = 4_096;

/// A SHA-256.
pub(super) type Hash = [u8; 32];

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A task, as it was accepted; `detail` is its id.
    Accepted,
    /// A line of its trace; the item is its number.
    Event,
    /// A question; the item is its row.
    Asked,
    /// What one person said to it; the item is the vote's row.
    Voted,
    /// The answer to it.
    Decided,
    /// An approval that holds for more than one question; the item is its row.
    Ruled,
    /// Its end.
    Revoked,
    /// How the task ended.
    Ended,
    /// The task is purged; `detail` says what it was and why.
    Purged,
    /// The store was an older copy than the head kept apart; `detail` is that head.
    SetBack,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Event => "event",
            Self::Asked => "asked",
            Self::Voted => "voted",
            Self::Decided => "decided",
            Self::Ruled => "ruled",
            Self::Revoked => "revoked",
            Self::Ended => "ended",
            Self::Purged => "purged",
            Self::SetBack => "set-back",
        }
    }

    pub(super) fn of(word: &str) -> Option<Self> {
        [
            Self::Accepted,
            Self::Event,
            Self::Asked,
            Self::Voted,
            Self::Decided,
            Self::Ruled,
            Self::Revoked,
            Self::Ended,
            Self::Purged,
            Self::SetBack,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }

    /// Reads the columns of the row, by the task's number and the item.
    const fn row(self) -> Option<&'static str> {
        Some(match self {
            Self::Accepted => {
                "SELECT id, content, client, accepted_at FROM task WHERE number = ?1 AND ?2 = 0"
            }
            Self::Event => "SELECT at, event FROM trace WHERE task = ?1 AND seq = ?2",
            Self::Asked => {
                "SELECT id, step, digest, question, asked_at, expires_at FROM approval
                 WHERE task = ?1 AND number = ?2"
            }
            Self::Decided => {
                "SELECT decision, decided_by, decided_at FROM approval
                 WHERE task = ?1 AND number = ?2 AND decision IS NOT NULL"
            }
            Self::Voted => {
                "SELECT vote.person, vote.voter, vote.reach, vote.at, coalesce(vote.signed, vote.proof)
                 FROM vote JOIN approval ON approval.number = vote.approval
                 WHERE approval.task = ?1 AND vote.number = ?2"
            }
            Self::Ruled => {
                "SELECT approval, source, worker, rank, people, made_by, made_at FROM standing
                 WHERE coalesce(task, 0) = ?1 AND number = ?2"
            }
            Self::Revoked => {
                "SELECT revoked_by, revoked_at FROM standing
                 WHERE coalesce(task, 0) = ?1 AND number = ?2 AND revoked_at IS NOT NULL"
            }
            Self::Ended => {
                "SELECT state, outcome, finished_at FROM task
                 WHERE number = ?1 AND ?2 = 0 AND finished_at IS NOT NULL"
            }
            Self::Purged | Self::SetBack => return None,
        })
    }
}

/// A link, without its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) number: i64,
    pub(super) kind: String,
    pub(super) task: i64,
    pub(super) item: i64,
    pub(super) detail: Option<String>,
    pub(super) digest: Vec<u8>,
}

impl Link {
    /// The hash of the chain up to and with this link.
    pub(super) fn hash(&self, before: &[u8]) -> Hash {
        let mut hasher = Sha256::new();
        put(&mut hasher, b'b', before);
        put(&mut hasher, b'i', &self.number.to_be_bytes());
        put(&mut hasher, b't', self.kind.as_bytes());
        put(&mut hasher, b'i', &self.task.to_be_bytes());
        put(&mut hasher, b'i', &self.item.to_be_bytes());
        match &self.detail {
            Some(detail) => put(&mut hasher, b't', detail.as_bytes()),
            None => put(&mut hasher, b'n', b""),
        }
        put(&mut hasher, b'b', &self.digest);
        hasher.finalize().into()
    }
}

/// Where the chain begins and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) number: i64,
    pub(super) hash: Vec<u8>,
    pub(super) first: i64,
    pub(super) before: Vec<u8>,
    pub(super) proof: Vec<u8>,
}

impl Head {
    /// What the proof is over.
    pub(super) fn stated(&self) -> Vec<u8> {
        let mut stated = b"head ".to_vec();
        stated.extend_from_slice(&self.number.to_be_bytes());
        stated.extend_from_slice(&self.hash);
        stated.extend_from_slice(&self.first.to_be_bytes());
        stated.extend_from_slice(&self.before);
        stated
    }
}

fn put(hasher: &mut Sha256, kind: u8, bytes: &[u8]) {
    hasher.update([kind]);
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

/// Of a row, all columns in their order.
pub(super) fn digest(row: &Row<'_>) -> rusqlite::Result<Hash> {
    let mut hasher = Sha256::new();
    for column in 0..row.as_ref().column_count() {
        match row.get_ref(column)? {
            ValueRef::Null => put(&mut hasher, b'n', b""),
            ValueRef::Integer(number) => put(&mut hasher, b'i', &number.to_be_bytes()),
            ValueRef::Real(number) => put(&mut hasher, b'r', &number.to_be_bytes()),
            ValueRef::Text(text) => put(&mut hasher, b't', text),
            ValueRef::Blob(bytes) => put(&mut hasher, b'b', bytes),
        }
    }
    Ok(hasher.finalize().into())
}

/// The digest of what a link is for; none where it is not there.
pub(super) fn digest_of(
    c: &Connection,
    kind: Kind,
    task: i64,
    item: i64,
) -> Result<Option<Hash>, StoreError> {
    let Some(select) = kind.row() else {
        return Ok(None);
    };
    let found = c
        .prepare_cached(select)?
        .query_row([task, item], digest)
        .optional()?;
    Ok(found)
}

/// The digest of a link that stands for no row.
pub(super) fn digest_of_detail(detail: &str) -> Hash {
    let mut hasher = Sha256::new();
    put(&mut hasher, b't', detail.as_bytes());
    hasher.finalize().into()
}

pub(super) fn head(c: &Connection) -> Result<Head, StoreError> {
    Ok(
        c.prepare_cached("SELECT number, hash, first, before, proof FROM chain_head")?
            .query_row([], |row| {
                Ok(Head {
                    number: row.get(0)?,
                    hash: row.get(1)?,
                    first: row.get(2)?,
                    before: row.get(3)?,
                    proof: row.get(4)?,
                })
            })?,
    )
}

/// The proof that the holder of the key can make.
pub(super) fn proof(c: &Connection, stated: &[u8]) -> Result<Vec<u8>, StoreError> {
    Ok(c.prepare_cached("SELECT proof(?1)")?
        .query_row([stated], |row| row.get(0))?)
}

fn set(c: &Connection, mut head: Head) -> Result<(), StoreError> {
    head.proof = proof(c, &head.stated())?;
    c.prepare_cached(
        "INSERT INTO chain_head (one, number, hash, first, before, proof)
         VALUES (1, ?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (one) DO UPDATE SET number = excluded.number, hash = excluded.hash,
             first = excluded.first, before = excluded.before, proof = excluded.proof",
    )?
    .execute(params![
        head.number,
        head.hash,
        head.first,
        head.before,
        head.proof
    ])?;
    Ok(())
}

/// Links what was just written.
pub(super) fn add(c: &Connection, kind: Kind, task: i64, item: i64) -> Result<(), StoreError> {
    let digest = digest_of(c, kind, task, item)?.ok_or(StoreError::Fault)?;
    append(c, kind, task, item, None, digest)
}

/// Links a task that was just written, by its id.
pub(super) fn accepted(c: &Connection, task: i64, id: &str) -> Result<(), StoreError> {
    let digest = digest_of(c, Kind::Accepted, task, 0)?.ok_or(StoreError::Fault)?;
    append(c, Kind::Accepted, task, 0, Some(id), digest)
}

/// Adds a link that stands for no row.
pub(super) fn note(
    c: &Connection,
    kind: Kind,
    task: i64,
    item: i64,
    detail: &str,
) -> Result<(), StoreError> {
    let digest = digest_of_detail(detail);
    append(c, kind, task, item, Some(detail), digest)
}

pub(super) fn append(
    c: &Connection,
    kind: Kind,
    task: i64,
    item: i64,
    detail: Option<&str>,
    digest: Hash,
) -> Result<(), StoreError> {
    let head = head(c)?;
    let link = Link {
        number: head.number + 1,
        kind: kind.as_str().to_owned(),
        task,
        item,
        detail: detail.map(str::to_owned),
        digest: digest.to_vec(),
    };
    let hash = link.hash(&head.hash);
    c.prepare_cached(
        "INSERT INTO link (number, kind, task, item, detail, digest, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        link.number,
        link.kind,
        link.task,
        link.item,
        link.detail,
        link.digest,
        hash
    ])?;
    set(
        c,
        Head {
            number: link.number,
            hash: hash.to_vec(),
            ..head
        },
    )
}

/// Begins the chain with all that an older store holds, task by task.
pub(super) fn begin(c: &Connection) -> Result<(), StoreError> {
    set(
        c,
        Head {
            number: 0,
            hash: vec![0; 32],
            first: 1,
            before: vec![0; 32],
            proof: Vec::new(),
        },
    )?;
    let mut tasks =
        c.prepare("SELECT number, id, finished_at IS NOT NULL FROM task ORDER BY number")?;
    let mut rows = tasks.query([])?;
    while let Some(row) = rows.next()? {
        let (task, ended): (i64, bool) = (row.get(0)?, row.get(2)?);
        accepted(c, task, &row.get::<_, String>(1)?)?;
        let mut lines = c.prepare_cached("SELECT seq FROM trace WHERE task = ?1 ORDER BY seq")?;
        for seq in lines.query_map([task], |row| row.get(0))? {
            add(c, Kind::Event, task, seq?)?;
        }
        let mut asked = c.prepare_cached(
            "SELECT number, decision IS NOT NULL FROM approval WHERE task = ?1 ORDER BY number",
        )?;
        for question in asked.query_map([task], |row| Ok((row.get(0)?, row.get(1)?)))? {
            let (number, decided): (i64, bool) = question?;
            add(c, Kind::Asked, task, number)?;
            let mut votes =
                c.prepare_cached("SELECT number FROM vote WHERE approval = ?1 ORDER BY number")?;
            for vote in votes.query_map([number], |row| row.get(0))? {
                add(c, Kind::Voted, task, vote?)?;
            }
            if decided {
                add(c, Kind::Decided, task, number)?;
            }
        }
        if ended {
            add(c, Kind::Ended, task, 0)?;
        }
    }
    rules(c)
}

/// Links the standing approvals that have no link: those whose links an earlier version cut off.
pub(super) fn rules(c: &Connection) -> Result<(), StoreError> {
    let mut all = c.prepare(
        "SELECT coalesce(task, 0), number, wanted FROM standing
         JOIN (SELECT 'ruled' AS wanted UNION ALL SELECT 'revoked')
         WHERE (wanted = 'ruled' OR revoked_at IS NOT NULL)
           AND NOT EXISTS (SELECT 1 FROM link
               WHERE link.task = coalesce(standing.task, 0) AND link.kind = wanted AND item = standing.number)
         ORDER BY number, wanted DESC",
    )?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let (task, item, kind): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        add(c, Kind::of(&kind).ok_or(StoreError::Fault)?, task, item)?;
    }
    Ok(())
}

/// The rules among the links before `first`, as far as they are still what was linked.
fn rules_before(c: &Connection, first: i64) -> Result<Vec<(Kind, i64)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT kind, item, digest FROM link
         WHERE number < ?1 AND task = 0 AND kind IN ('ruled', 'revoked') ORDER BY number",
    )?;
    let mut rows = select.query([first])?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        let (kind, item, digest): (String, i64, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let kind = Kind::of(&kind).ok_or(StoreError::Fault)?;
        let same = digest_of(c, kind, 0, item)?.is_some_and(|now| now.as_slice() == digest);
        kept.extend(same.then_some((kind, item)));
    }
    Ok(kept)
}

/// Cuts the beginning off where the chain is too long, up to the first link whose task is still there. The link of a
/// purge goes with the last of its task's, so what is kept is whole. A rule outlives the tasks around it: it is linked
/// anew at the end.
pub(super) fn shorten(c: &Connection, most: i64) -> Result<(), StoreError> {
    let head = head(c)?;
    if head.number - head.first < most {
        return Ok(());
    }
    let stays: Option<i64> = c
        .prepare_cached(
            "SELECT min(number) FROM link
             WHERE number < ?1 AND EXISTS (SELECT 1 FROM task WHERE task.number = link.task)",
        )?
        .query_row([head.first + CUT], |row| row.get(0))?;
    let first = stays.unwrap_or(head.first + CUT).min(head.number);
    if first <= head.first {
        return Ok(());
    }
    let before: Vec<u8> = c
        .prepare_cached("SELECT hash FROM link WHERE number = ?1")?
        .query_row([first - 1], |row| row.get(0))?;
    let rules = rules_before(c, first)?;
    c.prepare_cached("DELETE FROM link WHERE number < ?1")?
        .execute([first])?;
    set(
        c,
        Head {
            first,
            before,
            ..head
        },
    )?;
    for (kind, item) in rules {
        add(c, kind, 0, item)?;
    }
    Ok(())
}
