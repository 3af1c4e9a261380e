//! Tasks and how they end.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Serialize, de::DeserializeOwned};
use shoal_conductor::{
    id::TaskId,
    task::{Outcome, State, Task},
};

use super::{
    Moment, Store, StoreError, approval, chain, head,
    outbox::{self, Property},
    report, retention,
};

/// Finished tasks that are kept; beyond it the oldest goes, with its trace.
pub const MAX_FINISHED: u32 = 100_000;
/// A task is not forgotten before its client had this time to read how it ended.
const READABLE: Duration = Duration::from_secs(600);
/// The most tasks that are forgotten for their bytes when one ends.
const FORGOTTEN: u32 = 32;

/// Where the result of a task that came by MQTT goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyTo {
    /// The response topic; without one, the task's own result topic.
    pub topic: Option<String>,
    /// Given back with the result.
    pub correlation: Option<Vec<u8>>,
    /// SHA-256 of the message, to know a redelivery that carries no id.
    pub fingerprint: Option<Vec<u8>>,
    /// User properties, given back with the result.
    pub properties: Vec<Property>,
    /// Until when the task is worth beginning, where its sender says so.
    pub expires_at: Option<Moment>,
}

/// A task to be accepted.
#[derive(Clone, Debug)]
pub struct Accepting {
    /// The task.
    pub task: Task,
    /// Set where it came by MQTT.
    pub reply: Option<ReplyTo>,
    /// The most tasks that may be open.
    pub max_open: u32,
}

/// What became of a task to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// It is in the store now.
    Fresh,
    /// It was there already, and stands here.
    Same(State),
    /// Another task has its id.
    Conflict,
    /// As many tasks are open as may be.
    Full,
    /// As many reports that cannot be dropped wait for the broker as may.
    Backlog,
}

/// A task as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskRecord {
    /// What was handed in.
    pub task: Task,
    /// Where it stands.
    pub state: State,
    /// How it ended, once it has.
    pub outcome: Option<Outcome>,
    /// When it was accepted.
    pub accepted_at: Moment,
    /// When it ended.
    pub finished_at: Option<Moment>,
}

/// A task that a restart takes up again.
#[derive(Clone, Debug)]
pub(crate) struct OpenTask {
    pub(crate) task: Task,
    pub(crate) accepted_at: Moment,
}

impl Store {
    /// Puts a task into the store. It is durable once this returns [`Insertion::Fresh`].
    pub async fn accept(&self, accepting: Accepting) -> Result<Insertion, StoreError> {
        self.sound()?;
        let (limits, now) = (self.inner.outbox, self.now());
        let done = self
            .write(move |c| accept(c, &limits, &accepting, now))
            .await?;
        if matches!(done, Insertion::Fresh | Insertion::Same(_)) {
            self.tasks_changed();
        }
        Ok(done)
    }

    /// Ends a task; `false` if it had ended already.
    pub async fn finish(&self, id: &TaskId, outcome: Outcome) -> Result<bool, StoreError> {
        let (limits, id, max_bytes) = (self.inner.outbox, id.clone(), self.inner.max_bytes);
        let now = self.now();
        let done = self
            .write(move |c| {
                let done = finish(c, &limits, &id, &outcome, now)?;
                forget(c, max_bytes, now)?;
                Ok(done)
            })
            .await?;
        self.tasks_changed();
        self.approvals_changed();
        Ok(done)
    }

    /// Notes that a task is to be cancelled; its state, or `None` if there is no such task.
    pub(crate) async fn request_cancel(&self, id: &TaskId) -> Result<Option<State>, StoreError> {
        let (id, now) = (id.clone(), self.now());
        self.write(move |c| {
            c.prepare_cached(
                "UPDATE task SET cancelled_at = ?2
                 WHERE id = ?1 AND finished_at IS NULL AND cancelled_at IS NULL",
            )?
            .execute(params![id.as_str(), now])?;
            state_of(c, &id)
        })
        .await
    }

    /// One task.
    pub async fn task(&self, id: &TaskId) -> Result<Option<TaskRecord>, StoreError> {
        let id = id.clone();
        self.read(move |c| record(c, &id)).await
    }

    /// Every task that has not ended, oldest first.
    pub(crate) async fn open_tasks(&self) -> Result<Vec<OpenTask>, StoreError> {
        self.read(|c| {
            let mut select = c.prepare_cached(
                "SELECT unseal('task:' || id || ':content', content), accepted_at FROM task
                 WHERE finished_at IS NULL ORDER BY number",
            )?;
            let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
            rows.map(|row| {
                let (content, accepted_at) = row?;
                Ok(OpenTask {
                    task: parse("a task", &content)?,
                    accepted_at,
                })
            })
            .collect()
        })
        .await
    }

    /// Whether nobody waits for a task any more that was not begun.
    pub(crate) async fn expired(&self, id: &TaskId) -> Result<bool, StoreError> {
        let (id, now) = (id.clone(), self.now());
        self.read(move |c| {
            let expired: Option<bool> = c
                .prepare_cached("SELECT coalesce(expires_at <= ?2, 0) FROM task WHERE id = ?1")?
                .query_row(params![id.as_str(), now], |row| row.get(0))
                .optional()?;
            Ok(expired.unwrap_or(false))
        })
        .await
    }

    /// The latest task that came with this message.
    pub(crate) async fn task_of_message(
        &self,
        fingerprint: Vec<u8>,
    ) -> Result<Option<TaskId>, StoreError> {
        self.read(move |c| {
            let id: Option<String> = c
                .prepare_cached(
                    "SELECT id FROM task WHERE fingerprint = blind(?1) ORDER BY number DESC LIMIT 1",
                )?
                .query_row([fingerprint], |row| row.get(0))
                .optional()?;
            id.map(|id| TaskId::try_new(id).map_err(|e| StoreError::value("a task's id", &e)))
                .transpose()
        })
        .await
    }
}

const COLUMNS: &str = "unseal('task:' || id || ':content', content), state,
    unseal('task:' || id || ':outcome', outcome), accepted_at, finished_at";

struct Columns {
    content: String,
    state: String,
    outcome: Option<String>,
    accepted_at: Moment,
    finished_at: Option<Moment>,
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        content: row.get(0)?,
        state: row.get(1)?,
        outcome: row.get(2)?,
        accepted_at: row.get(3)?,
        finished_at: row.get(4)?,
    })
}

impl Columns {
    fn read(self) -> Result<TaskRecord, StoreError> {
        let outcome = self.outcome.as_deref();
        Ok(TaskRecord {
            task: parse("a task", &self.content)?,
            state: parse_state(&self.state)?,
            outcome: outcome.map(|text| parse("an outcome", text)).transpose()?,
            accepted_at: self.accepted_at,
            finished_at: self.finished_at,
        })
    }
}

pub(super) fn record(c: &Connection, id: &TaskId) -> Result<Option<TaskRecord>, StoreError> {
    c.prepare_cached(&format!("SELECT {COLUMNS} FROM task WHERE id = ?1"))?
        .query_row([id.as_str()], columns)
        .optional()?
        .map(Columns::read)
        .transpose()
}

pub(super) fn state_of(c: &Connection, id: &TaskId) -> Result<Option<State>, StoreError> {
    let state: Option<String> = c
        .prepare_cached("SELECT state FROM task INDEXED BY task_standing WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    state.as_deref().map(parse_state).transpose()
}

pub(super) fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    // serde would repeat the value, and errors are logged.
    serde_json::from_str(text).map_err(|e| {
        let place = format!("wrong at line {}, column {}", e.line(), e.column());
        StoreError::value(what, &place)
    })
}

pub(super) fn write<T: Serialize>(what: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::value(what, &e))
}

pub(super) fn parse_state(text: &str) -> Result<State, StoreError> {
    serde_json::from_value(text.into()).map_err(|e| StoreError::value("a state", &e))
}

fn accept(
    c: &Connection,
    limits: &outbox::Limits,
    accepting: &Accepting,
    now: Moment,
) -> Result<Insertion, StoreError> {
    let id = &accepting.task.id;
    if let Some(known) = record(c, id)? {
        return again(c, limits, accepting, &known, now);
    }
    if let Some(refused) = full(c, limits, accepting)? {
        return Ok(refused);
    }
    let reply = accepting.reply.clone();
    let by_mqtt = reply.is_some();
    let reply = reply.unwrap_or_default();
    c.prepare_cached(
        "INSERT INTO task
         (id, content, client, state, accepted_at, by_mqtt, reply_topic, correlation, fingerprint, head, rank,
          expires_at, properties)
         VALUES (?1, seal('task:' || ?1 || ':content', ?2), ?3, ?4, ?5, ?6, ?7,
                 seal('task:' || ?1 || ':correlation', ?8), blind(?9), ?10, ?11, ?12,
                 seal('task:' || ?1 || ':properties', ?13))",
    )?
    .execute(params![
        id.as_str(),
        write("a task", &accepting.task)?,
        accepting.task.from,
        State::Accepted.as_str(),
        now,
        by_mqtt,
        reply.topic,
        reply.correlation,
        reply.fingerprint,
        head::of(&accepting.task)?,
        accepting.task.label as u8,
        reply.expires_at,
        properties(&reply)?,
    ])?;
    chain::accepted(c, c.last_insert_rowid(), id.as_str())?;
    report::state(c, limits, id, State::Accepted, now)?;
    Ok(Insertion::Fresh)
}

/// The id is known. A repeated message gets the result at its own reply address.
fn again(
    c: &Connection,
    limits: &outbox::Limits,
    accepting: &Accepting,
    known: &TaskRecord,
    now: Moment,
) -> Result<Insertion, StoreError> {
    if known.task != accepting.task {
        return Ok(Insertion::Conflict);
    }
    if let Some(reply) = &accepting.reply {
        c.prepare_cached(
            "UPDATE task SET by_mqtt = 1, reply_topic = ?2,
                 correlation = seal('task:' || id || ':correlation', ?3),
                 properties = seal('task:' || id || ':properties', ?4)
             WHERE id = ?1",
        )?
        .execute(params![
            accepting.task.id.as_str(),
            reply.topic,
            reply.correlation,
            properties(reply)?,
        ])?;
        if known.state.is_final() {
            report::result(c, limits, &accepting.task.id, now)?;
        }
    }
    Ok(Insertion::Same(known.state))
}

/// As they are in the store; none where there are none.
fn properties(reply: &ReplyTo) -> Result<Option<String>, StoreError> {
    if reply.properties.is_empty() {
        return Ok(None);
    }
    write("user properties", &reply.properties).map(Some)
}

fn full(
    c: &Connection,
    limits: &outbox::Limits,
    accepting: &Accepting,
) -> Result<Option<Insertion>, StoreError> {
    let open: u32 = c
        .prepare_cached("SELECT count(*) FROM task WHERE finished_at IS NULL")?
        .query_row([], |row| row.get(0))?;
    if open >= accepting.max_open {
        return Ok(Some(Insertion::Full));
    }
    if !report::wanted(c)? {
        return Ok(None);
    }
    // Results and questions are never dropped, so a task is only taken when there is a place for them; one that came by
    // MQTT will have a result for sure.
    let kept = outbox::results(c)?;
    let promised = if accepting.reply.is_some() { open } else { 0 };
    let full = kept.messages + u64::from(promised) >= u64::from(limits.messages)
        || kept.bytes >= limits.bytes;
    Ok(full.then_some(Insertion::Backlog))
}

fn finish(
    c: &Connection,
    limits: &outbox::Limits,
    id: &TaskId,
    outcome: &Outcome,
    now: Moment,
) -> Result<bool, StoreError> {
    let state = match outcome {
        Ok(_) => State::Done,
        Err(failure) => failure.state(),
    };
    let changed = c
        .prepare_cached(
            "UPDATE task SET state = ?2, outcome = seal('task:' || id || ':outcome', ?3), finished_at = ?4
             WHERE id = ?1 AND finished_at IS NULL",
        )?
        .execute(params![
            id.as_str(),
            state.as_str(),
            write("an outcome", outcome)?,
            now
        ])?;
    if changed == 0 {
        return match state_of(c, id)? {
            Some(_) => Ok(false),
            None => Err(StoreError::NoTask(id.to_string())),
        };
    }
    approval::close_all(c, limits, id, now)?;
    let number = c
        .prepare_cached("SELECT number FROM task WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))?;
    if let Ok(answer) = outcome {
        retention::raise(c, number, answer.label)?;
    }
    chain::add(c, chain::Kind::Ended, number, 0)?;
    report::state(c, limits, id, state, now)?;
    report::result(c, limits, id, now)?;
    Ok(true)
}

/// Numbers only grow, so the newest less [`MAX_FINISHED`] is the oldest to keep.
fn forget(c: &Connection, max_bytes: u64, now: Moment) -> Result<(), StoreError> {
    let select = "SELECT number FROM task
         WHERE number <= (SELECT max(number) FROM task) - ?1 AND finished_at IS NOT NULL";
    let many: Vec<i64> = c
        .prepare_cached(select)?
        .query_map([MAX_FINISHED], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    retention::forget(c, &many, "more finished tasks than are kept", now)?;
    if used(c)? > max_bytes {
        let before = now.before(READABLE);
        let select = "SELECT number FROM task INDEXED BY task_list WHERE finished_at < ?1
             ORDER BY number LIMIT ?2";
        let large: Vec<i64> = c
            .prepare_cached(select)?
            .query_map(params![before, FORGOTTEN], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        retention::forget(c, &large, "limits.max_store_mib", now)?;
    }
    Ok(())
}

/// The bytes of the file that hold something; it does not shrink, but what was forgotten is written over.
fn used(c: &Connection) -> Result<u64, StoreError> {
    let pragma = |name| c.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok(pages.unsigned_abs() * pragma("page_size")?.unsigned_abs())
}
