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

/// A budget, and whose calls count against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Where it stands in the policy; empty for `[budget]` itself.
    pub of: String,
    /// The origin whose calls count (`api:NAME`); all where there is none.
    pub from: Option<String>,
    /// What they may take in a day.
    pub budget: Budget,
}

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
    /// The day's budget of one source would be passed.
    #[error(
        "{of}.{rule} would be passed: {spent} of {limit} is spent and this call may take {asked}"
    )]
    OverAllowance {
        /// The source, as it stands in the policy.
        of: String,
        /// The rule, such as `money_per_day`.
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

    /// The same within every one of `allowances`, of which the first is for all calls. Books that do not tell origins apart
    /// allow nothing where another is.
    async fn reserve_within(
        &self,
        estimate: &Estimate,
        allowances: &[Allowance],
    ) -> Result<Charge, LedgerError> {
        match allowances {
            [] => self.reserve(estimate, &Budget::default()).await,
            [all] if all.from.is_none() => self.reserve(estimate, &all.budget).await,
            _ => Err(LedgerError::Unavailable(
                "these books do not tell origins apart".to_owned(),
            )),
        }
    }

    /// Replaces a reservation by what was spent. One never settled counts in full.
    async fn settle(
        &self,
        charge: Charge,
        tokens: Tokens,
        cost: MicroDollars,
    ) -> Result<(), LedgerError>;
}
