//! Traces and money of the proving ground: nothing of it outlives the process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use shoal_conductor::{
    id::TaskId,
    ledger::{Charge, Estimate, Ledger, LedgerError},
    policy::Budget,
    trace::{Event, Journal, JournalError},
    unit::{MicroDollars, Tokens},
};

/// The traces of tasks that run.
#[derive(Debug, Default)]
pub struct Records(Mutex<HashMap<TaskId, Vec<Event>>>);

impl Records {
    /// A task's trace, which is then forgotten.
    pub fn take(&self, task: &TaskId) -> Vec<Event> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(task).unwrap_or_default()
    }
}

#[async_trait]
impl Journal for Records {
    async fn record(&self, task: &TaskId, event: &Event) -> Result<(), JournalError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(task.clone()).or_default().push(event.clone());
        Ok(())
    }
}

/// What was spent here, within a day's budget.
#[derive(Debug, Default)]
pub struct Books(Mutex<Spent>);

#[derive(Debug, Default)]
struct Spent {
    entries: Vec<(Tokens, MicroDollars)>,
}

#[async_trait]
impl Ledger for Books {
    async fn reserve(&self, estimate: &Estimate, budget: &Budget) -> Result<Charge, LedgerError> {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens: Tokens = spent.entries.iter().map(|(tokens, _)| *tokens).sum();
        let money: MicroDollars = spent.entries.iter().map(|(_, money)| *money).sum();
        let bounds = [
            (
                "budget.money_per_day",
                money.0,
                budget.money_per_day.map(|limit| limit.0),
                estimate.cost.0,
            ),
            (
                "budget.tokens_per_day",
                tokens.0,
                budget.tokens_per_day.map(|limit| limit.0),
                estimate.tokens.0,
            ),
            (
                "budget.requests_per_day",
                spent.entries.len() as u64,
                budget.requests_per_day,
                1,
            ),
        ];
        for (rule, spent, limit, asked) in bounds {
            if let Some(limit) = limit
                && spent.saturating_add(asked) > limit
            {
                return Err(LedgerError::OverBudget {
                    rule,
                    spent,
                    limit,
                    asked,
                });
            }
        }
        spent.entries.push((estimate.tokens, estimate.cost));
        Ok(Charge(i64::try_from(spent.entries.len()).unwrap_or(0)))
    }

    async fn settle(
        &self,
        charge: Charge,
        tokens: Tokens,
        cost: MicroDollars,
    ) -> Result<(), LedgerError> {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(charge.0)
            .ok()
            .and_then(|at| at.checked_sub(1));
        if let Some(entry) = at.and_then(|at| spent.entries.get_mut(at)) {
            *entry = (tokens, cost);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use shoal_conductor::id::WorkerId;

    use super::*;

    #[tokio::test]
    async fn no_more_is_spent_than_a_day_allows() {
        let books = Books::default();
        let estimate = Estimate {
            task: TaskId::fresh(),
            worker: WorkerId::try_new("cloud").unwrap(),
            tokens: Tokens(100),
            cost: MicroDollars(10),
        };
        let budget = Budget {
            tokens_per_day: Some(Tokens(150)),
            ..Budget::default()
        };
        let charge = books.reserve(&estimate, &budget).await.unwrap();
        let refused = books.reserve(&estimate, &budget).await.unwrap_err();
        assert!(matches!(refused, LedgerError::OverBudget { rule, .. } if rule.contains("tokens")));
        books
            .settle(charge, Tokens(20), MicroDollars(1))
            .await
            .unwrap();
        assert!(books.reserve(&estimate, &budget).await.is_ok());
    }
}
