//! What was spent, against what may be.

use async_trait::async_trait;

use crate::{
    id::{TaskId, WorkerId},
    policy::Budget,
    unit::{MicroDollars, Tokens},
};

/// The most that one call can cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// For which task.
    pub task: TaskId,
    /// Who is to be called.
    pub worker: WorkerId,
    /// Tokens read and written.
    pub tokens: Tokens,
    /// Money.
    pub cost: MicroDollars,
}

/// A reservation; settled with what was spent in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge(pub i64);

/// Why nothing may be spent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LedgerError {
    /// The day's budget would be passed.
    #[error("{rule} would be passed: {spent} of {limit} is spent and this call may take {asked}")]
    OverBudget {
        /// The rule, such as `budget.money_per_day`.
        rule: &'static str,
        /// What is spent or reserved today.
        spent: u64,
        /// What may be.
        limit: u64,
        /// What was asked for.
        asked: u64,
    },
    /// The books cannot be read or written, so nothing is spent.
    #[error("the ledger cannot be kept: {0}")]
    Unavailable(String),
}

/// Keeps the books of remote calls. A day is a UTC day.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Reserves `estimate` within `budget`, durably and in one step with the check.
    async fn reserve(&self, estimate: &Estimate, budget: &Budget) -> Result<Charge, LedgerError>;

    /// Replaces a reservation by what was spent. One never settled counts in full.
    async fn settle(
        &self,
        charge: Charge,
        tokens: Tokens,
        cost: MicroDollars,
    ) -> Result<(), LedgerError>;
}
