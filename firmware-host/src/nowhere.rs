//! The conductor's surroundings where nothing may happen: while planning and explaining without a store, and the part of them
//! where nobody is asked while measuring.

use async_trait::async_trait;
use shoal_conductor::{
    desk::{Desk, DeskError, Question},
    id::{ApprovalId, TaskId},
    ledger::{Allowance, Charge, Estimate, Ledger, LedgerError},
    trace::{Decision, Event, Journal, JournalError},
    unit::{MicroDollars, Tokens},
};

/// Keeps nothing and allows nothing, for this reason.
#[derive(Clone, Copy, Debug)]
pub struct Nowhere(pub &'static str);

impl Nowhere {
    /// Nothing is done.
    pub const PLAN: Self = Self("this is only a plan");
    /// What is done is nobody's task.
    pub const MEASURE: Self = Self("nobody is asked while measuring");
}

#[async_trait]
impl Journal for Nowhere {
    async fn record(&self, _: &TaskId, _: &Event) -> Result<(), JournalError> {
        Err(JournalError(self.0.to_owned()))
    }
}

#[async_trait]
impl Desk for Nowhere {
    async fn find(&self, _: &TaskId, _: u8, _: &str) -> Result<Option<ApprovalId>, DeskError> {
        Err(DeskError(self.0.to_owned()))
    }

    async fn ask(&self, _: &Question) -> Result<Decision, DeskError> {
        Err(DeskError(self.0.to_owned()))
    }
}

#[async_trait]
impl Ledger for Nowhere {
    async fn reserve(&self, _: &Estimate, _: &[Allowance]) -> Result<Charge, LedgerError> {
        Err(LedgerError::Unavailable(self.0.to_owned()))
    }

    async fn settle(&self, _: Charge, _: Tokens, _: MicroDollars) -> Result<(), LedgerError> {
        Err(LedgerError::Unavailable(self.0.to_owned()))
    }
}
