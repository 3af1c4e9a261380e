//! What was spent, against what may be.

use async_trait::async_trait;

use crate::{
    id::{TaskId, WorkerId},
    limits::{self, TaskLimits},
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

/// What was spent or reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Spent {
    /// Calls.
    pub requests: u64,
    /// Tokens read and written.
    pub tokens: Tokens,
    /// Money.
    pub cost: MicroDollars,
}

impl Spent {
    /// One more call.
    #[must_use]
    pub fn and(self, tokens: Tokens, cost: MicroDollars) -> Self {
        Self {
            requests: self.requests + 1,
            tokens: self.tokens + tokens,
            cost: self.cost + cost,
        }
    }
}

/// Whose calls count against an allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All of a day: `[budget]`.
    Everyone,
    /// Those of one origin on a day.
    Origin {
        /// Where the budget stands in the policy.
        of: String,
        /// The origin (`api:NAME`).
        from: String,
    },
    /// Those of the task itself, on whichever day: what its request allows.
    Task,
}

impl Whose {
    /// The rule by the name that its author gave it.
    #[must_use]
    pub fn rule(&self, what: Resource) -> String {
        match self {
            Self::Everyone => format!("budget.{}", what.per_day()),
            Self::Origin { of, .. } => format!("{of}.{}", what.per_day()),
            Self::Task => format!("the request's {}", what.per_request()),
        }
    }
}

/// What a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Millionths of a dollar.
    Money,
    /// Tokens read and written.
    Tokens,
    /// The call itself.
    Requests,
}

impl Resource {
    const fn per_day(self) -> &'static str {
        match self {
            Self::Money => "money_per_day",
            Self::Tokens => "tokens_per_day",
            Self::Requests => "requests_per_day",
        }
    }

    const fn per_request(self) -> &'static str {
        match self {
            Self::Money => limits::COST,
            Self::Tokens => limits::TOKENS,
            Self::Requests => limits::CALLS,
        }
    }

    /// An amount of it for people.
    fn amount(self, many: u64) -> String {
        match self {
            Self::Money => MicroDollars(many).to_string(),
            Self::Tokens | Self::Requests => many.to_string(),
        }
    }
}

/// A bound on calls, and whose calls count against it; `None` is no bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Whose.
    pub whose: Whose,
    /// Money.
    pub money: Option<MicroDollars>,
    /// Tokens.
    pub tokens: Option<Tokens>,
    /// Calls.
    pub requests: Option<u64>,
}

impl Allowance {
    /// A day's budget of all or of one origin.
    #[must_use]
    pub const fn of_day(whose: Whose, budget: &Budget) -> Self {
        Self {
            whose,
            money: budget.money_per_day,
            tokens: budget.tokens_per_day,
            requests: budget.requests_per_day,
        }
    }

    /// What a request allows its own task, where it says so.
    #[must_use]
    pub fn of_task(limits: &TaskLimits) -> Option<Self> {
        let all = Self {
            whose: Whose::Task,
            money: limits.max_cost,
            tokens: limits.max_remote_tokens,
            requests: limits.max_remote_calls,
        };
        (all.money.is_some() || all.tokens.is_some() || all.requests.is_some()).then_some(all)
    }

    /// Whether one more call is within it, after what its calls have spent.
    pub fn check(&self, spent: Spent, asked: &Estimate) -> Result<(), LedgerError> {
        let money = self.money.map(|limit| limit.0);
        let tokens = self.tokens.map(|limit| limit.0);
        let rows = [
            (Resource::Money, spent.cost.0, money, asked.cost.0),
            (Resource::Tokens, spent.tokens.0, tokens, asked.tokens.0),
            (Resource::Requests, spent.requests, self.requests, 1),
        ];
        for (what, spent, limit, asked) in rows {
            if let Some(limit) = limit.filter(|&limit| spent.saturating_add(asked) > limit) {
                return Err(LedgerError::Over {
                    rule: self.whose.rule(what),
                    what,
                    spent,
                    limit,
                    asked,
                });
            }
        }
        Ok(())
    }
}

/// Why nothing may be spent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LedgerError {
    /// An allowance would be passed.
    #[error(
        "{rule} would be passed: {} of {} is spent and this call may take {}",
        what.amount(*spent), what.amount(*limit), what.amount(*asked)
    )]
    Over {
        /// The rule, such as `budget.money_per_day`.
        rule: String,
        /// What there is too little of.
        what: Resource,
        /// What is spent or reserved.
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
    /// Reserves `estimate` within every one of `allowances`, durably and in one step with the check. Books that cannot tell
    /// whose calls an allowance is about allow nothing.
    async fn reserve(
        &self,
        estimate: &Estimate,
        allowances: &[Allowance],
    ) -> Result<Charge, LedgerError>;

    /// Replaces a reservation by what was spent. One never settled counts in full.
    async fn settle(
        &self,
        charge: Charge,
        tokens: Tokens,
        cost: MicroDollars,
    ) -> Result<(), LedgerError>;
}
