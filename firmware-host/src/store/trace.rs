//! Traces.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use shoal_conductor::{
    id::TaskId,
    task::State,
    trace::{Event, Journal, JournalError},
};

use super::{Moment, Store, StoreError, chain, outbox, report, retention, task};

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// From 1, in the order of writing.
    pub seq: u64,
    /// When it was written.
    pub at: Moment,
    /// What happened.
    pub event: Event,
}

#[async_trait]
impl Journal for Store {
    async fn record(&self, task: &TaskId, event: &Event) -> Result<(), JournalError> {
        let (limits, id, event) = (self.inner.outbox, task.clone(), event.clone());
        let now = self.now();
        self.write(move |c| record(c, &limits, &id, &event, now))
            .await
            .map_err(|e| JournalError(e.to_string()))?;
        self.tasks_changed();
        Ok(())
    }
}

impl Store {
    /// Adds to the trace of a task that ended with an answer how good somebody finds it, from 0 to 1. Gives where the task
    /// stands; only where that is [`State::Done`] was something added.
    pub async fn rate(&self, id: &TaskId, by: &str, score: f64) -> Result<State, StoreError> {
        let (id, by, now) = (id.clone(), by.to_owned(), self.now());
        self.write(move |c| {
            let found: Option<(i64, State)> = c
                .prepare_cached("SELECT number, state FROM task WHERE id = ?1")?
                .query_row([id.as_str()], |row| {
                    Ok((row.get(0)?, row.get::<_, String>(1)?))
                })
                .optional()?
                .map(|(number, state)| Ok::<_, StoreError>((number, task::parse_state(&state)?)))
                .transpose()?;
            let (number, state) = found.ok_or_else(|| StoreError::NoTask(id.to_string()))?;
            if state == State::Done {
                add(c, number, &Event::Rated { by, score }, now)?;
            }
            Ok(state)
        })
        .await
    }

    /// The trace of a task, as far as it is written; empty if there is no such task.
    pub async fn trace(&self, id: &TaskId) -> Result<Vec<Entry>, StoreError> {
        self.trace_after(id, 0).await
    }

    /// What the trace holds after line `seq`.
    pub async fn trace_after(&self, id: &TaskId, seq: u64) -> Result<Vec<Entry>, StoreError> {
        let id = id.clone();
        self.read(move |c| {
            let mut select = c.prepare_cached(
                "SELECT trace.seq, trace.at,
                        unseal('trace:' || trace.task || ':' || trace.seq, trace.event)
                 FROM trace JOIN task ON task.number = trace.task
                 WHERE task.id = ?1 AND trace.seq > ?2 ORDER BY trace.seq",
            )?;
            let after = i64::try_from(seq).unwrap_or(i64::MAX);
            let rows = select.query_map(params![id.as_str(), after], |row| {
                Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, String>(2)?))
            })?;
            rows.map(|row| {
                let (seq, at, event) = row?;
                Ok(Entry {
                    seq: seq.unsigned_abs(),
                    at,
                    event: task::parse("a trace line", &event)?,
                })
            })
            .collect()
        })
        .await
    }
}

fn record(
    c: &Connection,
    limits: &outbox::Limits,
    id: &TaskId,
    event: &Event,
    now: Moment,
) -> Result<(), StoreError> {
    let found: Option<(i64, String, bool)> = c
        .prepare_cached("SELECT number, state, finished_at IS NOT NULL FROM task WHERE id = ?1")?
        .query_row([id.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let (number, before) = match found {
        None => return Err(StoreError::NoTask(id.to_string())),
        Some((_, _, true)) => return Err(StoreError::Ended(id.to_string())),
        Some((number, state, false)) => (number, state),
    };
    add(c, number, event, now)?;
    if let Some(label) = retention::label_of(event) {
        retention::raise(c, number, label)?;
    }
    let Some(state) = event.state().filter(|state| state.as_str() != before) else {
        return Ok(());
    };
    c.prepare_cached("UPDATE task SET state = ?2 WHERE number = ?1")?
        .execute(params![number, state.as_str()])?;
    report::state(c, limits, id, state, now)
}

/// Writes the next line of a task's trace.
fn add(c: &Connection, number: i64, event: &Event, now: Moment) -> Result<(), StoreError> {
    let seq: i64 = c
        .prepare_cached("SELECT 1 + coalesce(max(seq), 0) FROM trace WHERE task = ?1")?
        .query_row([number], |row| row.get(0))?;
    c.prepare_cached(
        "INSERT INTO trace (task, seq, at, event)
         VALUES (?1, ?2, ?3, seal('trace:' || ?1 || ':' || ?2, ?4))",
    )?
    .execute(params![
        number,
        seq,
        now,
        task::write("a trace line", event)?
    ])?;
    chain::add(c, chain::Kind::Event, number, seq)
}
