//! Choosing worker and role for the next turn of `shoal-mini`.

pub mod learned;
pub mod rule;
mod utility;

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    feature::Features,
    id::WorkerId,
    policy::{Choice, WorkerPolicy},
    prompt::Message,
    task::Effort,
    trace::Scored,
    verdict::Ruling,
    worker::Place,
    workflow::Role,
};

/// A worker that could take a role in this turn.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Who.
    pub worker: WorkerId,
    /// Where it runs.
    pub place: Place,
    /// What the gate says to what it would read in that role.
    pub ruling: Ruling,
    /// What policy says of it.
    pub known: WorkerPolicy,
    /// How long it takes until it could begin.
    pub wait: Duration,
    /// How long it would then take, as far as its last calls show.
    pub takes: Duration,
}

/// A turn that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The role it had.
    pub role: Role,
    /// Who had it.
    pub worker: WorkerId,
}

/// What is known when a turn is chosen.
#[derive(Debug)]
pub struct Situation<'a> {
    /// From 1.
    pub turn: u8,
    /// How much thinking the task may cost.
    pub effort: Effort,
    /// What policy weighs against quality.
    pub choice: Choice,
    /// The conversation. A route may think about it on the board, and must not let it leave.
    pub messages: &'a [Message],
    /// Plain facts about what is asked.
    pub features: &'a Features,
    /// The turns so far.
    pub done: &'a [Done],
    /// The role that comes next for the thinker of the last turn, if it says so. The words of a model, not to be trusted.
    pub suggested: Option<Role>,
    /// For each role, in the order of [`Role::ALL`], everybody in the pool.
    pub candidates: [Vec<Candidate>; 3],
}

impl Situation<'_> {
    /// Everybody in the pool, with what the gate would say in this role.
    #[must_use]
    pub fn candidates(&self, role: Role) -> &[Candidate] {
        &self.candidates[role as usize]
    }

    /// The last turn that gave an answer.
    #[must_use]
    pub fn author(&self) -> Option<&Done> {
        self.done
            .iter()
            .rev()
            .find(|done| done.role == Role::Worker)
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// One more turn.
    Go {
        /// The role.
        role: Role,
        /// Who takes it.
        worker: WorkerId,
        /// Why, for a person.
        reason: String,
        /// Everybody that could have taken it.
        candidates: Vec<Scored>,
        /// No other turn will follow, so that its answer may be streamed.
        last: bool,
    },
    /// The latest answer stands.
    Stop {
        /// Why, for a person.
        reason: String,
    },
}

impl Turn {
    /// The same with one more reason.
    pub(crate) fn since(mut self, more: &str) -> Self {
        let (Self::Go { reason, .. } | Self::Stop { reason }) = &mut self;
        reason.push_str("; ");
        reason.push_str(more);
        self
    }
}

/// Chooses turns.
#[async_trait]
pub trait Route: Send + Sync {
    /// Chooses the next turn. Whoever it names is judged by the gate again.
    async fn decide(&self, situation: &Situation<'_>) -> Turn;
}
