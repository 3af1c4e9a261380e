//! Traces and money of the proving ground: nothing of it outlives the process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use shoal_conductor::{
    id::TaskId,
    ledger::{Allowance, Charge, Estimate, Ledger, LedgerError, Spent, Whose},
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
pub struct Books(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    task: TaskId,
    tokens: Tokens,
    cost: MicroDollars,
}

#[async_trait]
impl Ledger for Books {
    async fn reserve(
        &self,
        estimate: &Estimate,
        allowances: &[Allowance],
    ) -> Result<Charge, LedgerError> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for allowance in allowances {
            let task = match &allowance.whose {
                Whose::Everyone => None,
                Whose::Task => Some(&estimate.task),
                Whose::Origin { .. } => {
                    let reason = "these books do not tell origins apart";
                    return Err(LedgerError::Unavailable(reason.to_owned()));
                }
            };
            let counted = entries
                .iter()
                .filter(|entry| task.is_none_or(|task| entry.task == *task));
            let spent = counted.fold(Spent::default(), |sum, entry| {
                sum.and(entry.tokens, entry.cost)
            });
            allowance.check(spent, estimate)?;
        }
        entries.push(Entry {
            task: estimate.task.clone(),
            tokens: estimate.tokens,
            cost: estimate.cost,
        });
        Ok(Charge(i64::try_from(entries.len()).unwrap_or(0)))
    }

    async fn settle(
        &self,
        charge: Charge,
        tokens: Tokens,
        cost: MicroDollars,
    ) -> Result<(), LedgerError> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(charge.0)
            .ok()
            .and_then(|at| at.checked_sub(1));
        if let Some(entry) = at.and_then(|at| entries.get_mut(at)) {
            (entry.tokens, entry.cost) = (tokens, cost);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use shoal_conductor::{id::WorkerId, limits::TaskLimits, policy::Budget};

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
        let all = [Allowance::of_day(Whose::Everyone, &budget)];
        let charge = books.reserve(&estimate, &all).await.unwrap();
        let refused = books.reserve(&estimate, &all).await.unwrap_err();
        assert!(matches!(refused, LedgerError::Over { rule, .. } if rule.contains("tokens")));
        books
            .settle(charge, Tokens(20), MicroDollars(1))
            .await
            .unwrap();
        assert!(books.reserve(&estimate, &all).await.is_ok());
        let one = TaskLimits {
            max_remote_calls: Some(2),
            ..TaskLimits::default()
        };
        let own: Vec<_> = Allowance::of_task(&one).into_iter().collect();
        let refused = books.reserve(&estimate, &own).await.unwrap_err();
        assert!(matches!(refused, LedgerError::Over { rule, .. } if rule.contains("remote_calls")));
        let other = Estimate {
            task: TaskId::fresh(),
            ..estimate
        };
        assert!(books.reserve(&other, &own).await.is_ok());
    }
}
