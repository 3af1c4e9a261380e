//! Votes, and approvals that hold for more than one question.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use shoal_conductor::{desk::Question, id::ApprovalId, label::Label};

use super::{
    Moment, Reach, Store, StoreError,
    approval::{Ballot, Vote},
    chain,
};

/// An approval that holds for more than one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StandingApproval {
    /// Its name.
    pub number: i64,
    /// The question that it was given to.
    pub approval: String,
    /// The task that it is for; all of its origin where there is none.
    pub task: Option<String>,
    /// The origin whose tasks it is for.
    pub source: String,
    /// The worker that may read.
    pub worker: String,
    /// Up to which label.
    pub label: Label,
    /// Who gave it.
    pub by: String,
    /// When.
    pub at: Moment,
}

impl Store {
    /// The standing approvals in force, oldest first.
    pub async fn standing_approvals(&self) -> Result<Vec<StandingApproval>, StoreError> {
        self.read(|c| {
            let mut select = c.prepare_cached(
                "SELECT standing.number, approval, task.id, source, worker, standing.rank, made_by, made_at
                 FROM standing LEFT JOIN task ON task.number = standing.task
                 WHERE revoked_at IS NULL ORDER BY standing.number",
            )?;
            let rows = select.query_map([], |row| {
                let rank: u8 = row.get(5)?;
                Ok(StandingApproval {
                    number: row.get(0)?,
                    approval: row.get(1)?,
                    task: row.get(2)?,
                    source: row.get(3)?,
                    worker: row.get(4)?,
                    label: Label::ALL.get(usize::from(rank)).copied().unwrap_or(Label::Public),
                    by: row.get(6)?,
                    at: row.get(7)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Ends a standing approval; whether there was one.
    pub async fn revoke_standing(&self, number: i64, by: &str) -> Result<bool, StoreError> {
        let by = by.to_owned();
        self.write(move |c| {
            let changed = c
                .prepare_cached(
                    "UPDATE standing SET revoked_by = ?2, revoked_at = ?3
                     WHERE number = ?1 AND revoked_at IS NULL",
                )?
                .execute(params![number, by, Moment::now()])?;
            if changed == 1 {
                let task = c
                    .prepare_cached("SELECT coalesce(task, 0) FROM standing WHERE number = ?1")?
                    .query_row([number], |row| row.get(0))?;
                chain::add(c, chain::Kind::Revoked, task, number)?;
            }
            Ok(changed == 1)
        })
        .await
    }
}

/// Who has said yes to a question, in order.
pub(super) fn votes(c: &Connection, approval: i64) -> Result<Vec<Vote>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT voter, at FROM vote WHERE approval = ?1 ORDER BY number")?;
    let votes = select.query_map([approval], |row| {
        Ok(Vote {
            by: row.get(0)?,
            at: row.get(1)?,
        })
    })?;
    Ok(votes.collect::<Result<_, _>>()?)
}

/// Who has said yes, and for how long all of them mean it.
pub(super) struct Votes {
    pub(super) by: Vec<String>,
    pub(super) reach: Reach,
}

/// Counts a yes; none where the same person has said it before.
pub(super) fn count(
    c: &Connection,
    id: &ApprovalId,
    ballot: &Ballot,
    now: Moment,
) -> Result<Option<Votes>, StoreError> {
    let (approval, task): (i64, i64) = c
        .prepare_cached("SELECT number, task FROM approval WHERE id = ?1")?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let added = c
        .prepare_cached(
            "INSERT INTO vote (approval, person, voter, reach, at, signed)
             VALUES (?1, ?2, ?3, ?4, ?5, seal('vote:' || ?7 || ':' || ?2, ?6)) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            approval,
            ballot.person(),
            ballot.by,
            ballot.reach.as_str(),
            now,
            ballot.proof,
            id.as_str()
        ])?;
    if added == 0 {
        return Ok(None);
    }
    chain::add(c, chain::Kind::Voted, task, c.last_insert_rowid())?;
    let mut votes = Votes {
        by: Vec::new(),
        reach: Reach::Rule,
    };
    let mut select =
        c.prepare_cached("SELECT voter, reach FROM vote WHERE approval = ?1 ORDER BY number")?;
    let mut rows = select.query([approval])?;
    while let Some(row) = rows.next()? {
        votes.by.push(row.get(0)?);
        let reach: String = row.get(1)?;
        votes.reach = votes.reach.min(Reach::of(&reach).unwrap_or_default());
    }
    Ok(Some(votes))
}

/// Makes it stand, where all who approved mean more than once.
pub(super) fn make(
    c: &Connection,
    question: &Question,
    reach: Reach,
    people: u8,
    by: &str,
    now: Moment,
) -> Result<(), StoreError> {
    if reach == Reach::Once {
        return Ok(());
    }
    let (task, source): (i64, String) = c
        .prepare_cached("SELECT number, client FROM task WHERE id = ?1")?
        .query_row([question.task.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let task = (reach == Reach::Task).then_some(task);
    c.prepare_cached(
        "INSERT INTO standing (approval, task, source, worker, rank, people, made_by, made_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        question.id.as_str(),
        task,
        source,
        question.worker.as_str(),
        question.read as u8,
        people,
        by,
        now
    ])?;
    chain::add(
        c,
        chain::Kind::Ruled,
        task.unwrap_or(0),
        c.last_insert_rowid(),
    )
}

/// Who has approved of such a question beforehand, as the trace will have it.
pub(super) fn find(
    c: &Connection,
    question: &Question,
    task: i64,
) -> Result<Option<String>, StoreError> {
    let found: Option<(i64, String)> = c
        .prepare_cached(
            "SELECT number, made_by FROM standing
             WHERE revoked_at IS NULL AND worker = ?1 AND rank >= ?2 AND people >= ?3
               AND (task = ?4
                    OR task IS NULL AND source = (SELECT client FROM task WHERE number = ?4))
             ORDER BY number LIMIT 1",
        )?
        .query_row(
            params![
                question.worker.as_str(),
                question.read as u8,
                question.people,
                task
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    Ok(found.map(|(number, by)| format!("standing approval {number} of {by}")))
}
