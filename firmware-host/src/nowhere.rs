//! The conductor's surroundings where nothing may happen: while planning and explaining without a store.

use async_trait::async_trait;
use shoal_conductor::{
    desk::{Desk, DeskError, Question},
    id::{ApprovalId, TaskId},
    ledger::{Charge, Estimate, Ledger, LedgerError},
    policy::Budget,
    trace::{Decision, Event, Journal, JournalError},
    unit::{MicroDollars, Tokens},
};

/// Keeps nothing and allows nothing.
#[derive(Clone, Copy, Debug)]
pub struct Nowhere;

const WHY: &str = "this is only a plan";

#[async_trait]
impl Journal for Nowhere {
    async fn record(&self, _: &TaskId, _: &Event) -> Result<(), JournalError> {
        Err(JournalError(WHY.to_owned()))
    }
}

#[async_trait]
impl Desk for Nowhere {
    async fn find(&self, _: &TaskId, _: u8, _: &str) -> Result<Option<ApprovalId>, DeskError> {
        Err(DeskError(WHY.to_owned()))
    }

    async fn ask(&self, _: &Question) -> Result<Decision, DeskError> {
        Err(DeskError(WHY.to_owned()))
    }
}

#[async_trait]
impl Ledger for Nowhere {
    async fn reserve(&self, _: &Estimate, _: &Budget) -> Result<Charge, LedgerError> {
        Err(LedgerError::Unavailable(WHY.to_owned()))
    }

    async fn settle(&self, _: Charge, _: Tokens, _: MicroDollars) -> Result<(), LedgerError> {
        Err(LedgerError::Unavailable(WHY.to_owned()))
    }
}
