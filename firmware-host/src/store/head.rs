//! Tasks without what was said in them: for lists, and for asking again and again how one stands.
//!
//! A conversation may have megabytes, so nothing here reads one; `task_list` and `task_standing` hold what is asked for.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use shoal_conductor::{
    id::{TaskId, WorkerId},
    label::Label,
    limits::TaskLimits,
    task::{Effort, Failure, Outcome, State, Target, Task},
};

use super::{
    Moment, Store, StoreError,
    task::{parse, parse_state, state_of, write},
};

/// A task as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskHead {
    /// Its name.
    pub id: TaskId,
    /// Who is to do it.
    pub target: Target,
    /// The label it came with.
    pub label: Label,
    /// How much thinking it may cost.
    pub effort: Effort,
    /// Who handed it in.
    pub from: String,
    /// The only workers it may use, where its key or request says so.
    pub workers: Option<Vec<WorkerId>>,
    /// What its request allows it.
    pub limits: TaskLimits,
    /// Where it stands.
    pub state: State,
    /// Why it has no answer, where it ended without one.
    pub failure: Option<Failure>,
    /// When it was accepted.
    pub accepted_at: Moment,
    /// When it ended.
    pub finished_at: Option<Moment>,
}

/// Which tasks.
#[derive(Clone, Debug)]
pub struct TaskFilter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those that this client handed in.
    pub from: Option<String>,
    /// At most so many, newest first.
    pub limit: u32,
}

impl Default for TaskFilter {
    fn default() -> Self {
        Self {
            state: None,
            from: None,
            limit: 100,
        }
    }
}

/// The column `head`.
#[derive(Serialize, Deserialize)]
struct Head {
    target: Target,
    label: Label,
    effort: Effort,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workers: Option<Vec<WorkerId>>,
    #[serde(default, skip_serializing_if = "TaskLimits::is_none")]
    limits: TaskLimits,
}

impl Store {
    /// Tasks, newest first, without conversations and answers.
    pub async fn tasks(&self, filter: TaskFilter) -> Result<Vec<TaskHead>, StoreError> {
        self.read(move |c| list(c, &filter)).await
    }

    /// Where a task stands.
    pub async fn standing(&self, id: &TaskId) -> Result<Option<State>, StoreError> {
        let id = id.clone();
        self.read(move |c| state_of(c, &id)).await
    }

    /// How a task ended; none while it is open.
    pub async fn ending(&self, id: &TaskId) -> Result<Option<Outcome>, StoreError> {
        let id = id.clone();
        self.read(move |c| {
            let found: Option<Option<String>> = c
                .prepare_cached(
                    "SELECT unseal('task:' || id || ':outcome', outcome) FROM task WHERE id = ?1",
                )?
                .query_row([id.as_str()], |row| row.get(0))
                .optional()?;
            let outcome = found.ok_or_else(|| StoreError::NoTask(id.to_string()))?;
            outcome.map(|text| parse("an outcome", &text)).transpose()
        })
        .await
    }

    /// Whether somebody wants a task to end.
    pub(crate) async fn cancelled(&self, id: &TaskId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.read(move |c| {
            let found: Option<bool> = c
                .prepare_cached("SELECT cancelled_at IS NOT NULL FROM task WHERE id = ?1")?
                .query_row([id.as_str()], |row| row.get(0))
                .optional()?;
            Ok(found.unwrap_or(false))
        })
        .await
    }
}

/// What goes into the column `head`.
pub(super) fn of(task: &Task) -> Result<String, StoreError> {
    let head = Head {
        target: task.target.clone(),
        label: task.label,
        effort: task.effort,
        workers: task.workers.clone(),
        limits: task.limits,
    };
    write("the head of a task", &head)
}

/// The outcome is read only where there is no answer in it.
fn list(c: &Connection, filter: &TaskFilter) -> Result<Vec<TaskHead>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, head, client, state, accepted_at, finished_at,
                CASE WHEN state IN ('failed', 'cancelled')
                     THEN unseal('task:' || id || ':outcome', outcome) END
         FROM task INDEXED BY task_list
         WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR client = ?2)
         ORDER BY number DESC LIMIT ?3",
    )?;
    let state = filter.state.map(State::as_str);
    let rows = select.query_map(params![state, filter.from, filter.limit], columns)?;
    rows.map(|row| row?.read()).collect()
}

struct Columns {
    id: String,
    head: String,
    client: String,
    state: String,
    accepted_at: Moment,
    finished_at: Option<Moment>,
    outcome: Option<String>,
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        id: row.get(0)?,
        head: row.get(1)?,
        client: row.get(2)?,
        state: row.get(3)?,
        accepted_at: row.get(4)?,
        finished_at: row.get(5)?,
        outcome: row.get(6)?,
    })
}

impl Columns {
    fn read(self) -> Result<TaskHead, StoreError> {
        let head: Head = parse("the head of a task", &self.head)?;
        let outcome = self.outcome.as_deref();
        let outcome: Option<Outcome> = outcome.map(|o| parse("an outcome", o)).transpose()?;
        Ok(TaskHead {
            id: TaskId::try_new(self.id).map_err(|e| StoreError::value("a task's id", &e))?,
            target: head.target,
            label: head.label,
            effort: head.effort,
            from: self.client,
            workers: head.workers,
            limits: head.limits,
            state: parse_state(&self.state)?,
            failure: outcome.and_then(Result::err),
            accepted_at: self.accepted_at,
            finished_at: self.finished_at,
        })
    }
}
