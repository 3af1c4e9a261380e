//! The books of remote calls.

use async_trait::async_trait;
use rusqlite::{Connection, params};
use shoal_conductor::{
    ledger::{Allowance, Charge, Estimate, Ledger, LedgerError},
    policy::Budget,
    unit::{MicroDollars, Tokens},
};

use super::{Moment, Store, StoreError};

/// Days that charges are kept.
pub const KEPT_DAYS: u64 = 400;

/// What was spent or reserved on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Spent {
    /// Calls.
    pub requests: u64,
    /// Tokens read and written.
    pub tokens: Tokens,
    /// Money.
    pub cost: MicroDollars,
}

#[async_trait]
impl Ledger for Store {
    async fn reserve(&self, estimate: &Estimate, budget: &Budget) -> Result<Charge, LedgerError> {
        let (estimate, budget) = (estimate.clone(), *budget);
        self.write(move |c| {
            let now = Moment::now();
            Ok(match within(&spent(c, now.day())?, &estimate, &budget) {
                Ok(()) => Ok(reserve(c, &estimate, now)?),
                Err(over) => Err(over),
            })
        })
        .await
        .unwrap_or_else(|e| Err(LedgerError::Unavailable(e.to_string())))
    }

    async fn reserve_within(
        &self,
        estimate: &Estimate,
        allowances: &[Allowance],
    ) -> Result<Charge, LedgerError> {
        let (estimate, allowances) = (estimate.clone(), allowances.to_vec());
        self.write(move |c| {
            let now = Moment::now();
            for allowance in &allowances {
                let spent = match &allowance.from {
                    None => spent(c, now.day())?,
                    Some(from) => spent_by(c, now.day(), from)?,
                };
                if let Err(over) = within(&spent, &estimate, &allowance.budget) {
                    return Ok(Err(named(over, allowance)));
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

fn spent(c: &Connection, day: u64) -> Result<Spent, StoreError> {
    let sums: (i64, i64, i64) = c
        .prepare_cached(
            "SELECT count(*), coalesce(sum(tokens), 0), coalesce(sum(cost), 0)
             FROM charge WHERE day = ?1",
        )?
        .query_row([signed(day)?], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    Ok(Spent {
        requests: sums.0.unsigned_abs(),
        tokens: Tokens(sums.1.unsigned_abs()),
        cost: MicroDollars(sums.2.unsigned_abs()),
    })
}

/// What the tasks of one origin spent on a day.
fn spent_by(c: &Connection, day: u64, from: &str) -> Result<Spent, StoreError> {
    let sums: (i64, i64, i64) = c
        .prepare_cached(
            "SELECT count(*), coalesce(sum(tokens), 0), coalesce(sum(cost), 0)
             FROM charge WHERE source = ?1 AND day = ?2",
        )?
        .query_row(params![from, signed(day)?], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    Ok(Spent {
        requests: sums.0.unsigned_abs(),
        tokens: Tokens(sums.1.unsigned_abs()),
        cost: MicroDollars(sums.2.unsigned_abs()),
    })
}

/// The same error about a source's budget.
fn named(over: LedgerError, allowance: &Allowance) -> LedgerError {
    match over {
        LedgerError::OverBudget {
            rule,
            spent,
            limit,
            asked,
        } if allowance.from.is_some() => LedgerError::OverAllowance {
            of: allowance.of.clone(),
            rule: rule.trim_start_matches("budget."),
            spent,
            limit,
            asked,
        },
        other => other,
    }
}

fn within(spent: &Spent, asked: &Estimate, budget: &Budget) -> Result<(), LedgerError> {
    let money = budget.money_per_day.map(|limit| limit.0);
    let tokens = budget.tokens_per_day.map(|limit| limit.0);
    let rows = [
        ("budget.money_per_day", spent.cost.0, money, asked.cost.0),
        (
            "budget.tokens_per_day",
            spent.tokens.0,
            tokens,
            asked.tokens.0,
        ),
        (
            "budget.requests_per_day",
            spent.requests,
            budget.requests_per_day,
            1,
        ),
    ];
    for (rule, spent, limit, asked) in rows {
        if let Some(limit) = limit.filter(|&limit| spent.saturating_add(asked) > limit) {
            return Err(LedgerError::OverBudget {
                rule,
                spent,
                limit,
                asked,
            });
        }
    }
    Ok(())
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
    Ok(Charge(c.last_insert_rowid()))
}
