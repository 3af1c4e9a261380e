//! What a trace says was done before a restart.

use std::collections::BTreeMap;

use super::Output;
use crate::{
    detect::{Detectors, Finding},
    id::WorkerId,
    text::Labelled,
    trace::{Event, PlannedStep, PutBack},
    unit::MicroDollars,
    worker::{Place, Usage},
    workflow::Role,
};

/// A plan on record.
#[derive(Debug)]
pub(crate) struct PastPlan {
    round: u8,
    pub steps: Vec<PlannedStep>,
    pub fallback: bool,
}

/// A call that began and of whose end nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub worker: WorkerId,
    pub place: Place,
    pub attempt: u8,
}

/// The history of a task that a restart interrupted; empty for a new one.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub labelled: bool,
    plans: Vec<PastPlan>,
    turns: Vec<PlannedStep>,
    pub settled: Option<u8>,
    pub usage: Usage,
    pub cost: MicroDollars,
    outputs: BTreeMap<u8, Output>,
    failed: Vec<(u8, WorkerId, String)>,
    in_flight: BTreeMap<u8, InFlight>,
}

/// What was put back, as far as it fits the text.
fn found_again(text: &str, put_back: &[PutBack]) -> Vec<Finding> {
    let all = put_back.iter().map(Finding::from);
    all.filter(|finding| text.get(finding.span.clone()).is_some())
        .collect()
}

impl Past {
    pub fn read(history: &[Event], detectors: &Detectors) -> Self {
        let mut past = Self::default();
        for event in history {
            past.add(event, detectors);
        }
        past
    }

    fn add(&mut self, event: &Event, detectors: &Detectors) {
        match event {
            Event::Labelled { .. } => self.labelled = true,
            Event::Planned {
                round,
                steps,
                usage,
                fallback,
                ..
            } => {
                self.usage = self.usage + *usage;
                self.plans.push(PastPlan {
                    round: *round,
                    steps: steps.clone(),
                    fallback: fallback.is_some(),
                });
            }
            Event::Turn { step, .. } => self.turns.push(step.clone()),
            Event::Settled { step, .. } => self.settled = Some(*step),
            Event::Called {
                step,
                worker,
                place,
                attempt,
                ..
            } => {
                let call = InFlight {
                    worker: worker.clone(),
                    place: *place,
                    attempt: *attempt,
                };
                self.in_flight.insert(*step, call);
            }
            Event::Failed {
                step,
                worker,
                error,
                ..
            } => {
                self.in_flight.remove(step);
                self.failed.push((*step, worker.clone(), error.clone()));
            }
            Event::Answered {
                step,
                worker,
                text,
                floor,
                put_back,
                finish,
                usage,
                cost,
                ..
            } => {
                self.in_flight.remove(step);
                self.usage = self.usage + *usage;
                self.cost = self.cost + *cost;
                let role = self.role_of(*step);
                self.outputs.insert(
                    *step,
                    Output {
                        role,
                        worker: worker.clone(),
                        text: Labelled::new(text.as_str(), *floor, detectors)
                            .with(found_again(text, put_back)),
                        finish: *finish,
                        usage: *usage,
                    },
                );
            }
            Event::Judged { .. }
            | Event::Asked { .. }
            | Event::Decided { .. }
            | Event::Rated { .. }
            | Event::Note { .. } => {}
        }
    }

    fn role_of(&self, step: u8) -> Role {
        self.plans
            .iter()
            .flat_map(|plan| &plan.steps)
            .chain(&self.turns)
            .find(|planned| planned.step == step)
            .map_or(Role::Worker, |planned| planned.role)
    }

    /// The turn on record.
    pub fn turn(&self, turn: u8) -> Option<&PlannedStep> {
        self.turns.iter().find(|step| step.step == turn)
    }

    /// The plan of a round on record.
    pub fn plan(&self, round: u8) -> Option<&PastPlan> {
        self.plans.iter().find(|plan| plan.round == round)
    }

    /// Whether the answer was settled and no turn came after `turn`.
    pub fn is_settled_after(&self, turn: u8) -> bool {
        self.settled.is_some() && self.turn(turn + 1).is_none()
    }

    /// What step `number` gave, if it was done.
    pub fn output(&self, number: u8) -> Option<&Output> {
        self.outputs.get(&number)
    }

    /// The call of step `number` that was interrupted, if one was.
    pub fn in_flight(&self, number: u8) -> Option<&InFlight> {
        self.in_flight.get(&number)
    }

    /// Why `worker` failed at step `number`, if it did.
    pub fn failure(&self, number: u8, worker: &WorkerId) -> Option<&str> {
        self.failed
            .iter()
            .find(|(step, who, _)| *step == number && who == worker)
            .map(|(_, _, error)| error.as_str())
    }
}
