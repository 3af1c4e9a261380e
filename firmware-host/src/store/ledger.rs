//! The books of remote calls.

use async_trait::async_trait;
use rusqlite::{Connection, Params, params};
pub use shoal_conductor::ledger::Spent;
use shoal_conductor::{
    id::TaskId,
    ledger::{Allowance, Charge, Estimate, Ledger, LedgerError, Whose},
    unit::{MicroDollars, Tokens},
};

use super::{Moment, Store, StoreError};

/// Days that charges are kept.
pub const KEPT_DAYS: u64 = 400;

#[async_trait]
impl Ledger for Store {
    async fn reserve(
        &self,
        estimate: &Estimate,
        allowances: &[Allowance],
    ) -> Result<Charge, LedgerError> {
        let (estimate, allowances) = (estimate.clone(), allowances.to_vec());
        self.write(move |c| {
            let now = Moment::now();
            for allowance in &allowances {
                let spent = match &allowance.whose {
                    Whose::Everyone => spent(c, now.day())?,
                    Whose::Origin { from, .. } => spent_by(c, now.day(), from)?,
                    Whose::Task => spent_on(c, &estimate.task)?,
                };
                if let Err(over) = allowance.check(spent, &estimate) {
                    return Ok(Err(over));
                }
            }
            Ok(Ok(reserve(c, &estimate, now)?))
        })
        .await
        .unwrap_or_else(|e| Err(LedgerError::Unavailable(e.to_string())))
    }

    async fn settle(
        &self,
        charge: Charge,
        tokens: Tokens,
        cost: MicroDollars,
    ) -> Result<(), LedgerError> {
        self.write(move |c| {
            c.prepare_cached(
                "UPDATE charge SET tokens = ?2, cost = ?3, settled = 1
                 WHERE number = ?1 AND settled = 0",
            )?
            .execute(params![charge.0, signed(tokens.0)?, signed(cost.0)?])?;
            Ok(())
        })
        .await
        .map_err(|e| LedgerError::Unavailable(e.to_string()))
    }
}

impl Store {
    /// What was spent or reserved today, a UTC day.
    pub async fn spent_today(&self) -> Result<Spent, StoreError> {
        self.read(|c| spent(c, Moment::now().day())).await
    }
}

fn signed(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|e| StoreError::value("a charge", &e))
}

/// What of every charge is summed up.
const SUMS: &str = "SELECT count(*), coalesce(sum(tokens), 0), coalesce(sum(cost), 0) FROM charge";

fn spent(c: &Connection, day: u64) -> Result<Spent, StoreError> {
    let day = signed(day)?;
    sums(c, "WHERE day = ?1", [day])
}

/// What the tasks of one origin spent on a day.
fn spent_by(c: &Connection, day: u64, from: &str) -> Result<Spent, StoreError> {
    let day = signed(day)?;
    sums(c, "WHERE source = ?1 AND day = ?2", params![from, day])
}

/// What one task spent, on whichever day. Of a task that is not there nothing can be said, so it may spend nothing.
fn spent_on(c: &Connection, task: &TaskId) -> Result<Spent, StoreError> {
    let number: i64 = c
        .prepare_cached("SELECT number FROM task WHERE id = ?1")?
        .query_row([task.as_str()], |row| row.get(0))?;
    let own = "WHERE number IN (SELECT charge FROM charge_of WHERE task = ?1)";
    sums(c, own, [number])
}

fn sums(c: &Connection, which: &str, values: impl Params) -> Result<Spent, StoreError> {
    let (requests, tokens, cost): (i64, i64, i64) =
        c.prepare_cached(&format!("{SUMS} {which}"))?
            .query_row(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Spent {
        requests: requests.unsigned_abs(),
        tokens: Tokens(tokens.unsigned_abs()),
        cost: MicroDollars(cost.unsigned_abs()),
    })
}

fn reserve(c: &Connection, estimate: &Estimate, now: Moment) -> Result<Charge, StoreError> {
    let day = now.day();
    c.prepare_cached("DELETE FROM charge WHERE day < ?1")?
        .execute([signed(day.saturating_sub(KEPT_DAYS))?])?;
    c.prepare_cached(
        "INSERT INTO charge (day, at, task, worker, tokens, cost, source)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, coalesce((SELECT client FROM task WHERE id = ?3), ''))",
    )?
    .execute(params![
        signed(day)?,
        now,
        estimate.task.as_str(),
        estimate.worker.as_str(),
        signed(estimate.tokens.0)?,
        signed(estimate.cost.0)?
    ])?;
    let charge = c.last_insert_rowid();
    c.prepare_cached("INSERT INTO charge_of SELECT ?1, number FROM task WHERE id = ?2")?
        .execute(params![charge, estimate.task.as_str()])?;
    Ok(Charge(charge))
}
