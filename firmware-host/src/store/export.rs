//! The record as lines of JSON, link by link, for whoever keeps it elsewhere.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use shoal_conductor::id::TaskId;

use super::{Moment, Store, StoreError, chain::Kind, task};

/// Links that are read at a time.
const PAGE: u32 = 256;

/// One link with what it stands for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExportLine {
    /// Its number in the chain.
    pub link: i64,
    /// What it is for: `accepted`, `event`, `asked`, `voted`, `decided`, `ruled`, `revoked`, `ended`, `purged`, `set-back`.
    pub kind: String,
    /// The task's id, where it is known still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The line of the trace, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<i64>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// What was recorded, opened; none where it is purged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<serde_json::Value>,
    /// What a link says that stands for no row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// SHA-256 of the row in the store, in hex.
    pub digest: String,
    /// SHA-256 of the chain up to and with this link, in hex.
    pub hash: String,
}

impl Store {
    /// The next links after `after`, of one task or of all; empty at the end.
    pub async fn export(
        &self,
        id: Option<&TaskId>,
        after: i64,
    ) -> Result<Vec<ExportLine>, StoreError> {
        let id = id.map(ToString::to_string);
        self.read(move |c| page(c, id.as_deref(), after)).await
    }
}

fn page(c: &Connection, id: Option<&str>, after: i64) -> Result<Vec<ExportLine>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT link.number, link.kind, link.task, link.item, link.detail, link.digest, link.hash, task.id
         FROM link LEFT JOIN task ON task.number = link.task
         WHERE link.number > ?1
           AND (?2 IS NULL OR link.task = (SELECT number FROM task WHERE id = ?2))
         ORDER BY link.number LIMIT ?3",
    )?;
    let mut rows = select.query(params![after, id, PAGE])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(1)?;
        let (number, item): (i64, i64) = (row.get(2)?, row.get(3)?);
        let detail: Option<String> = row.get(4)?;
        let known = Kind::of(&kind);
        let (at, record) = match known {
            Some(kind) => record(c, kind, number, item)?,
            None => (None, None),
        };
        let named = known == Some(Kind::Accepted);
        let id: Option<String> = row.get(7)?;
        lines.push(ExportLine {
            link: row.get(0)?,
            task: id.or_else(|| detail.clone().filter(|_| named)),
            line: (known == Some(Kind::Event)).then_some(item),
            kind,
            at,
            record,
            detail: detail.filter(|_| !named),
            digest: hex::encode(row.get::<_, Vec<u8>>(5)?),
            hash: hex::encode(row.get::<_, Vec<u8>>(6)?),
        });
    }
    Ok(lines)
}

type Record = (Option<Moment>, Option<serde_json::Value>);

fn record(c: &Connection, kind: Kind, number: i64, item: i64) -> Result<Record, StoreError> {
    let select = match kind {
        Kind::Accepted => {
            "SELECT accepted_at, unseal('task:' || id || ':content', content)
             FROM task WHERE number = ?1 AND ?2 = 0"
        }
        Kind::Event => {
            "SELECT at, unseal('trace:' || task || ':' || seq, event)
             FROM trace WHERE task = ?1 AND seq = ?2"
        }
        Kind::Asked => {
            "SELECT asked_at, unseal('approval:' || id, question)
             FROM approval WHERE task = ?1 AND number = ?2"
        }
        Kind::Decided => {
            "SELECT decided_at, json_object('approval', id, 'decision', decision, 'by', decided_by)
             FROM approval WHERE task = ?1 AND number = ?2 AND decision IS NOT NULL"
        }
        Kind::Voted => {
            "SELECT vote.at, json_object('approval', approval.id, 'by', vote.voter, 'for', vote.reach, 'signed',
                    coalesce(unseal('vote:' || approval.id || ':' || vote.person, vote.signed), vote.proof))
             FROM vote JOIN approval ON approval.number = vote.approval
             WHERE approval.task = ?1 AND vote.number = ?2"
        }
        Kind::Ruled => {
            "SELECT made_at, json_object('approval', approval, 'source', source, 'worker', worker, 'by', made_by)
             FROM standing WHERE coalesce(task, 0) = ?1 AND number = ?2"
        }
        Kind::Revoked => {
            "SELECT revoked_at, json_object('standing', number, 'by', revoked_by)
             FROM standing WHERE coalesce(task, 0) = ?1 AND number = ?2 AND revoked_at IS NOT NULL"
        }
        Kind::Ended => {
            "SELECT finished_at, unseal('task:' || id || ':outcome', outcome)
             FROM task WHERE number = ?1 AND ?2 = 0 AND finished_at IS NOT NULL"
        }
        Kind::Purged | Kind::SetBack => return Ok((None, None)),
    };
    let found: Option<(Moment, String)> = c
        .prepare_cached(select)?
        .query_row([number, item], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match found {
        Some((at, text)) => (Some(at), Some(task::parse("a record", &text)?)),
        None => (None, None),
    })
}
