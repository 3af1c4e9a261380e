//! Whether this board may take another task of the fleet.

use std::time::{Duration, Instant};

use shoal_boards::{HealthReader, Roots, Shortage};
use shoal_conductor::{id::WorkerId, policy::Budget};

use super::FleetOptions;
use crate::{appliance::Appliance, store::ledger::Spent};

/// How often it is measured.
const EVERY: Duration = Duration::from_secs(2);

pub(super) struct Able {
    appliance: Appliance,
    needs: Vec<WorkerId>,
    max_temperature: f64,
    last: Option<(Instant, Option<&'static str>)>,
}

impl Able {
    pub(super) fn new(appliance: Appliance, options: &FleetOptions) -> Self {
        Self {
            appliance,
            needs: options.needs.clone(),
            max_temperature: options.max_temperature,
            last: None,
        }
    }

    /// Measures, or says what was measured a moment ago.
    pub(super) async fn is_able(&mut self) -> bool {
        let (before, known) = match self.last {
            Some((at, reason)) if at.elapsed() < EVERY => return reason.is_none(),
            Some((_, reason)) => (reason, true),
            None => (None, false),
        };
        let reason = self.hindrance().await;
        if !known || before != reason {
            match reason {
                None => tracing::info!("this board takes tasks of the fleet"),
                Some(reason) => tracing::warn!(reason, "this board takes no tasks of the fleet"),
            }
        }
        self.last = Some((Instant::now(), reason));
        reason.is_none()
    }

    async fn hindrance(&self) -> Option<&'static str> {
        if self.appliance.health().draining {
            return Some("it is stopping");
        }
        let there = self.appliance.conductor().workers();
        let lacks = |need: &WorkerId| !there.iter().any(|(id, _)| id == need);
        if self.needs.iter().any(lacks) {
            return Some("it lacks a worker that fleet.needs names");
        }
        if self.appliance.shortage() == Shortage::Critical {
            return Some("memory is short");
        }
        let budget = self.appliance.conductor().policy().budget;
        match self.appliance.store().spent_today().await {
            Ok(spent) if is_spent(&budget, &spent) => return Some("the day's budget is spent"),
            Ok(_) => {}
            Err(_) => return Some("the store cannot be read"),
        }
        let reading = tokio::task::spawn_blocking(|| {
            HealthReader::try_new(Roots::default()).map(|mut reader| reader.read().temperature)
        });
        match reading.await {
            Ok(Ok(Some(degrees))) if degrees >= self.max_temperature => Some("it is too hot"),
            _ => None,
        }
    }
}

fn is_spent(budget: &Budget, spent: &Spent) -> bool {
    budget
        .requests_per_day
        .is_some_and(|most| spent.requests >= most)
        || budget
            .tokens_per_day
            .is_some_and(|most| spent.tokens.0 >= most.0)
        || budget
            .money_per_day
            .is_some_and(|most| spent.cost.0 >= most.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_when_nothing_is_left_of_any_part_of_it() {
        let spent = Spent {
            requests: 2,
            ..Spent::default()
        };
        let budget = |most| Budget {
            requests_per_day: Some(most),
            ..Budget::default()
        };
        assert!(is_spent(&budget(2), &spent));
        assert!(!is_spent(&budget(3), &spent));
        assert!(!is_spent(&Budget::default(), &spent));
    }
}
