//! Questions to people, and the answers.

use std::{sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use shoal_conductor::{
    desk::{Desk, DeskError, Question},
    id::{ApprovalId, TaskId},
    trace::Decision,
};
use shoal_wire::Reach;

use super::{Moment, Store, StoreError, chain, outbox, report, standing, task};

/// How often a question that is waited for is read again: another process may have written the answer.
const POLL: Duration = Duration::from_millis(500);

/// A question with what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApprovalRecord {
    /// What is asked.
    pub question: Question,
    /// When it was asked.
    pub asked_at: Moment,
    /// Until when it can be answered.
    pub expires_at: Moment,
    /// Who has said yes, in order.
    pub approved: Vec<Vote>,
    /// How many more must; none once it is decided.
    pub missing: u8,
    /// The answer; none while it is open.
    pub decision: Option<Decision>,
    /// When that was.
    pub decided_at: Option<Moment>,
}

/// One person's yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vote {
    /// Who: `api:NAME`, `mqtt:NAME`, `cli` or `cli:USER`.
    pub by: String,
    /// When.
    pub at: Moment,
}

/// One person's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// Whether the text may go.
    pub yes: bool,
    /// Who says so: `api:NAME`, `mqtt:NAME`, `cli` or `cli:USER`.
    pub by: String,
    /// For how long.
    pub reach: Reach,
    /// The signed message, where it is one.
    pub proof: Option<String>,
}

impl Ballot {
    /// A plain yes or no to one question.
    pub fn new(yes: bool, by: impl Into<String>) -> Self {
        Self {
            yes,
            by: by.into(),
            reach: Reach::Once,
            proof: None,
        }
    }

    /// Who it is, however they say it. The command line cannot tell people apart, so it is one person.
    pub(super) fn person(&self) -> &str {
        match self.by.split_once(':') {
            Some(("api" | "mqtt", name)) => name,
            _ => "cli",
        }
    }
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum DecideOutcome {
    /// It is the answer now.
    Decided,
    /// It counts, and others must say yes too.
    Counted {
        /// How many have.
        have: u8,
        /// How many must.
        need: u8,
    },
    /// The same person has said so before.
    Again,
    /// There was one before, which stands.
    AlreadyDecided {
        /// That one.
        decision: Decision,
    },
    /// The time was up, or the task over.
    Expired,
    /// There is no such question.
    Unknown,
}

#[async_trait]
impl Desk for Store {
    async fn find(
        &self,
        task: &TaskId,
        step: u8,
        digest: &str,
    ) -> Result<Option<ApprovalId>, DeskError> {
        let (task, digest) = (task.clone(), digest.to_owned());
        self.read(move |c| on_record(c, &task, step, &digest))
            .await
            .map_err(|e| DeskError(e.to_string()))
    }

    async fn ask(&self, question: &Question) -> Result<Decision, DeskError> {
        self.wait(question)
            .await
            .map_err(|e| DeskError(e.to_string()))
    }
}

impl Store {
    /// Questions, newest first; `open_only` leaves out the answered ones. At most a thousand.
    pub async fn approvals(&self, open_only: bool) -> Result<Vec<ApprovalRecord>, StoreError> {
        let now = self.now();
        self.read(move |c| {
            let mut select = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM approval
                 WHERE NOT ?1 OR (decision IS NULL AND expires_at > ?2)
                 ORDER BY number DESC LIMIT 1000"
            ))?;
            let rows = select.query_map(params![open_only, now], columns)?;
            rows.map(|row| row?.read(c)).collect()
        })
        .await
    }

    /// One question.
    pub async fn approval(&self, id: &ApprovalId) -> Result<Option<ApprovalRecord>, StoreError> {
        let id = id.clone();
        self.read(move |c| record(c, &id)).await
    }

    /// Answers a question, for this once.
    pub async fn decide(
        &self,
        id: &ApprovalId,
        yes: bool,
        by: &str,
    ) -> Result<DecideOutcome, StoreError> {
        self.vote(id, Ballot::new(yes, by)).await
    }

    /// Counts one person's word. The first no decides, and so does the last yes that is needed.
    pub async fn vote(&self, id: &ApprovalId, ballot: Ballot) -> Result<DecideOutcome, StoreError> {
        let (limits, id, now) = (self.inner.outbox, id.clone(), self.now());
        let done = self
            .write(move |c| decide(c, &limits, &id, &ballot, now))
            .await?;
        self.approvals_changed();
        Ok(done)
    }

    async fn wait(&self, question: &Question) -> Result<Decision, StoreError> {
        let _asking = Asking::new(self);
        let mut changes = self.inner.approvals.subscribe();
        let id = self.put(question).await?;
        loop {
            changes.mark_unchanged();
            let Some(record) = self.approval(&id).await? else {
                return Err(StoreError::NoTask(question.task.to_string()));
            };
            if let Some(decision) = record.decision {
                return Ok(decision);
            }
            let left = record.expires_at.since(self.now());
            if left.is_zero() {
                self.expire(&id).await?;
                continue;
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(left.min(POLL)) => {}
            }
        }
    }

    pub(super) async fn put(&self, question: &Question) -> Result<ApprovalId, StoreError> {
        let (limits, question, now) = (self.inner.outbox, question.clone(), self.now());
        let id = self.write(move |c| put(c, &limits, &question, now)).await?;
        self.approvals_changed();
        Ok(id)
    }

    async fn expire(&self, id: &ApprovalId) -> Result<(), StoreError> {
        let (limits, id, now) = (self.inner.outbox, id.clone(), self.now());
        self.write(move |c| settle(c, &limits, &id, &Decision::Expired, now))
            .await?;
        self.approvals_changed();
        Ok(())
    }
}

/// Counts a question while it is waited for.
struct Asking<'a>(&'a Store);

impl<'a> Asking<'a> {
    fn new(store: &'a Store) -> Self {
        store.inner.asking.fetch_add(1, Ordering::Relaxed);
        Self(store)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.inner.asking.fetch_sub(1, Ordering::Relaxed);
    }
}

const COLUMNS: &str = "number, unseal('approval:' || id, question), asked_at, expires_at, decision, decided_by, decided_at";

struct Columns {
    number: i64,
    question: String,
    asked_at: Moment,
    expires_at: Moment,
    decision: Option<String>,
    by: Option<String>,
    decided_at: Option<Moment>,
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        number: row.get(0)?,
        question: row.get(1)?,
        asked_at: row.get(2)?,
        expires_at: row.get(3)?,
        decision: row.get(4)?,
        by: row.get(5)?,
        decided_at: row.get(6)?,
    })
}

impl Columns {
    fn read(self, c: &Connection) -> Result<ApprovalRecord, StoreError> {
        let by = self.by.unwrap_or_default();
        let decision = match self.decision.as_deref() {
            None => None,
            Some("approved") => Some(Decision::Approved { by }),
            Some("denied") => Some(Decision::Denied { by }),
            Some("expired") => Some(Decision::Expired),
            Some(other) => return Err(StoreError::value("a decision", &other)),
        };
        let question: Question = task::parse("a question", &self.question)?;
        let approved = standing::votes(c, self.number)?;
        let have = u8::try_from(approved.len()).unwrap_or(u8::MAX);
        let need = if decision.is_none() {
            question.people
        } else {
            0
        };
        Ok(ApprovalRecord {
            question,
            asked_at: self.asked_at,
            expires_at: self.expires_at,
            approved,
            missing: need.saturating_sub(have),
            decision,
            decided_at: self.decided_at,
        })
    }
}

fn record(c: &Connection, id: &ApprovalId) -> Result<Option<ApprovalRecord>, StoreError> {
    c.prepare_cached(&format!("SELECT {COLUMNS} FROM approval WHERE id = ?1"))?
        .query_row([id.as_str()], columns)
        .optional()?
        .map(|columns| columns.read(c))
        .transpose()
}

fn on_record(
    c: &Connection,
    task: &TaskId,
    step: u8,
    digest: &str,
) -> Result<Option<ApprovalId>, StoreError> {
    let id: Option<String> = c
        .prepare_cached(
            "SELECT approval.id FROM approval JOIN task ON task.number = approval.task
             WHERE task.id = ?1 AND approval.step = ?2 AND approval.digest = hex(blind(?3))",
        )?
        .query_row(params![task.as_str(), step, digest], |row| row.get(0))
        .optional()?;
    id.map(|id| ApprovalId::try_new(id).map_err(|e| StoreError::value("an approval's id", &e)))
        .transpose()
}

fn put(
    c: &Connection,
    limits: &outbox::Limits,
    question: &Question,
    now: Moment,
) -> Result<ApprovalId, StoreError> {
    if let Some(id) = on_record(c, &question.task, question.step, &question.digest)? {
        return Ok(id);
    }
    let number: Option<i64> = c
        .prepare_cached("SELECT number FROM task WHERE id = ?1 AND finished_at IS NULL")?
        .query_row([question.task.as_str()], |row| row.get(0))
        .optional()?;
    let number = number.ok_or_else(|| StoreError::NoTask(question.task.to_string()))?;
    let expires_at = now.after(Duration::from_secs(question.expires_after));
    c.prepare_cached(
        "INSERT INTO approval (id, task, step, digest, question, asked_at, expires_at)
         VALUES (?1, ?2, ?3, hex(blind(?4)), seal('approval:' || ?1, ?5), ?6, ?7)",
    )?
    .execute(params![
        question.id.as_str(),
        number,
        question.step,
        question.digest,
        task::write("a question", question)?,
        now,
        expires_at
    ])?;
    chain::add(c, chain::Kind::Asked, number, c.last_insert_rowid())?;
    if let Some(by) = standing::find(c, question, number)? {
        settle(c, limits, &question.id, &Decision::Approved { by }, now)?;
        return Ok(question.id.clone());
    }
    if let Some(asked) = record(c, &question.id)? {
        report::asked(c, limits, &asked, now)?;
    }
    Ok(question.id.clone())
}

fn decide(
    c: &Connection,
    limits: &outbox::Limits,
    id: &ApprovalId,
    ballot: &Ballot,
    now: Moment,
) -> Result<DecideOutcome, StoreError> {
    let Some(found) = record(c, id)? else {
        return Ok(DecideOutcome::Unknown);
    };
    match found.decision {
        Some(Decision::Expired) => return Ok(DecideOutcome::Expired),
        Some(decision) => return Ok(DecideOutcome::AlreadyDecided { decision }),
        None => {}
    }
    if found.expires_at <= now {
        settle(c, limits, id, &Decision::Expired, now)?;
        return Ok(DecideOutcome::Expired);
    }
    if !ballot.yes {
        let by = ballot.by.clone();
        settle(c, limits, id, &Decision::Denied { by }, now)?;
        return Ok(DecideOutcome::Decided);
    }
    let Some(votes) = standing::count(c, id, ballot, now)? else {
        return Ok(DecideOutcome::Again);
    };
    let need = found.question.people;
    let have = u8::try_from(votes.by.len()).unwrap_or(u8::MAX);
    if have < need {
        if let Some(asked) = record(c, id)? {
            report::asked(c, limits, &asked, now)?;
        }
        return Ok(DecideOutcome::Counted { have, need });
    }
    let by = votes.by.join(" and ");
    settle(c, limits, id, &Decision::Approved { by: by.clone() }, now)?;
    standing::make(c, &found.question, votes.reach, have, &by, now)?;
    Ok(DecideOutcome::Decided)
}

/// Writes the decision unless there is one.
fn settle(
    c: &Connection,
    limits: &outbox::Limits,
    id: &ApprovalId,
    decision: &Decision,
    now: Moment,
) -> Result<(), StoreError> {
    let (word, by) = match decision {
        Decision::Approved { by } => ("approved", Some(by)),
        Decision::Denied { by } => ("denied", Some(by)),
        Decision::Expired => ("expired", None),
    };
    let changed = c
        .prepare_cached(
            "UPDATE approval SET decision = ?2, decided_by = ?3, decided_at = ?4
             WHERE id = ?1 AND decision IS NULL",
        )?
        .execute(params![id.as_str(), word, by, now])?;
    if changed == 1 {
        let (task, number) = c
            .prepare_cached("SELECT task, number FROM approval WHERE id = ?1")?
            .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        chain::add(c, chain::Kind::Decided, task, number)?;
        report::closed(c, limits, id, now)?;
    }
    Ok(())
}

/// A task that has ended asks nothing any more.
pub(super) fn close_all(
    c: &Connection,
    limits: &outbox::Limits,
    task: &TaskId,
    now: Moment,
) -> Result<(), StoreError> {
    let open: Vec<String> = c
        .prepare_cached(
            "SELECT approval.id FROM approval JOIN task ON task.number = approval.task
             WHERE task.id = ?1 AND approval.decision IS NULL",
        )?
        .query_map([task.as_str()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in open {
        let id = ApprovalId::try_new(id).map_err(|e| StoreError::value("an approval's id", &e))?;
        settle(c, limits, &id, &Decision::Expired, now)?;
    }
    Ok(())
}
