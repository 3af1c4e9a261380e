//! What is kept, for how long, and how it goes: with its trace and its questions, and a link in the chain that says so.

use rusqlite::{Connection, params};
use serde::Serialize;
use shoal_conductor::{label::Label, trace::Event};

use super::{Moment, Store, StoreError, chain, task};

/// Tasks that go in one transaction.
const BATCH: u32 = 64;

/// What the chain says of a task that is gone.
#[derive(Serialize)]
struct Tombstone<'a> {
    id: &'a str,
    label: Label,
    lines: i64,
    finished_at: Moment,
    purged_at: Moment,
    why: &'a str,
}

impl Store {
    /// Forgets the finished tasks of this label that ended before; how many there were. `why` is for the record.
    pub async fn purge(
        &self,
        label: Label,
        ended_before: Moment,
        why: &str,
    ) -> Result<u32, StoreError> {
        let mut purged = 0;
        loop {
            let (why, now) = (why.to_owned(), self.now());
            let some = self
                .write(move |c| {
                    let due = due(c, label, ended_before)?;
                    forget(c, &due, &why, now)?;
                    Ok(due.len())
                })
                .await?;
            purged += u32::try_from(some).unwrap_or(u32::MAX);
            if some < BATCH as usize {
                return Ok(purged);
            }
        }
    }
}

fn due(c: &Connection, label: Label, before: Moment) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT number FROM task WHERE rank = ?1 AND finished_at < ?2 AND finished_at IS NOT NULL
         ORDER BY finished_at LIMIT ?3",
    )?;
    let rows = select.query_map(params![label as u8, before, BATCH], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Deletes finished tasks and links what was deleted.
pub(super) fn forget(
    c: &Connection,
    tasks: &[i64],
    why: &str,
    now: Moment,
) -> Result<(), StoreError> {
    for &number in tasks {
        let (id, rank, finished_at, lines): (String, u8, Moment, i64) = c
            .prepare_cached(
                "SELECT id, rank, finished_at, (SELECT count(*) FROM trace WHERE task = ?1)
                 FROM task WHERE number = ?1 AND finished_at IS NOT NULL",
            )?
            .query_row([number], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
        let tombstone = Tombstone {
            id: &id,
            label: Label::ALL
                .get(usize::from(rank))
                .copied()
                .unwrap_or(Label::Restricted),
            lines,
            finished_at,
            purged_at: now,
            why,
        };
        let detail = task::write("a tombstone", &tombstone)?;
        chain::note(c, chain::Kind::Purged, number, 0, &detail)?;
        c.prepare_cached("DELETE FROM task WHERE number = ?1")?
            .execute([number])?;
    }
    if !tasks.is_empty() {
        chain::shorten(c, chain::MAX_LINKS)?;
    }
    Ok(())
}

/// Raises the label that a task is kept by.
pub(super) fn raise(c: &Connection, task: i64, label: Label) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE task SET rank = ?2 WHERE number = ?1 AND rank < ?2")?
        .execute(params![task, label as u8])?;
    Ok(())
}

/// The label of what an event holds, where it says one.
pub(super) const fn label_of(event: &Event) -> Option<Label> {
    match event {
        Event::Labelled { label, .. }
        | Event::Judged { label, .. }
        | Event::Answered { label, .. } => Some(*label),
        _ => None,
    }
}
