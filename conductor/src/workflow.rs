//! A plan: at most five steps, each with a role, a worker, an instruction and what it may read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::WorkerId;

/// The most steps of one workflow (Conductor, Sakana AI).
pub const MAX_STEPS: usize = 5;

/// The longest instruction, in characters.
pub const MAX_INSTRUCTION: usize = 2_000;

/// What a worker is in a step (TRINITY, Sakana AI).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Studies the task and says how to go about it.
    Thinker,
    /// Does it.
    Worker,
    /// Judges the answer.
    Verifier,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Thinker, Self::Worker, Self::Verifier];

    /// The name used in plans and traces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Thinker => "thinker",
            Self::Worker => "worker",
            Self::Verifier => "verifier",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a step may read, as a set: the task and earlier steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access(u16);

impl Access {
    /// The task's own text alone.
    pub const TASK: Self = Self(1);

    /// The same and also `source`: 0 is the task, others are steps from 1 to 15; beyond that there are none.
    #[must_use]
    pub const fn with(self, source: u8) -> Self {
        if source < 16 {
            Self(self.0 | 1 << source)
        } else {
            self
        }
    }

    /// The same for a workflow whose steps come after `base` others; 0 stays the task.
    #[must_use]
    pub fn after(self, base: u8) -> Self {
        self.iter()
            .map(|source| {
                if source == 0 {
                    0
                } else {
                    source.saturating_add(base)
                }
            })
            .collect()
    }

    /// Whether `source` may be read.
    #[must_use]
    pub const fn has(self, source: u8) -> bool {
        source < 16 && self.0 & 1 << source != 0
    }

    /// What may be read, in order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..16).filter(move |&source| self.has(source))
    }
}

impl FromIterator<u8> for Access {
    fn from_iter<I: IntoIterator<Item = u8>>(sources: I) -> Self {
        sources.into_iter().fold(Self::default(), Self::with)
    }
}

/// One step of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What the worker is to be.
    pub role: Role,
    /// Who.
    pub worker: WorkerId,
    /// What it is told.
    pub instruction: String,
    /// What it reads.
    pub access: Access,
}

/// A step as a planner writes it, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftStep {
    /// What the worker is to be.
    pub role: Role,
    /// Who.
    pub worker: String,
    /// What it is told.
    pub instruction: String,
    /// What it reads: 0 is the task, others are earlier steps from 1.
    pub access: Vec<u8>,
}

/// Why a draft is no workflow. Steps count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWorkflow {
    /// No steps at all.
    #[error("a workflow has at least one step")]
    Empty,
    /// More than [`MAX_STEPS`].
    #[error("a workflow has at most {MAX_STEPS} steps, this one has {0}")]
    TooManySteps(usize),
    /// A worker that is not in the pool.
    #[error("step {step} names the worker \"{worker}\", who is not in the pool")]
    UnknownWorker {
        /// Which step.
        step: usize,
        /// The name.
        worker: String,
    },
    /// A step reads itself or a later one.
    #[error("step {step} reads step {reads}, which does not come before it")]
    ForwardAccess {
        /// Which step.
        step: usize,
        /// What it would read.
        reads: u8,
    },
    /// Nothing to do.
    #[error("step {0} has no instruction")]
    EmptyInstruction(usize),
    /// More than [`MAX_INSTRUCTION`] characters.
    #[error("step {step} has an instruction of {length} characters, {MAX_INSTRUCTION} are allowed")]
    LongInstruction {
        /// Which step.
        step: usize,
        /// How long it is.
        length: usize,
    },
    /// A verifier with no answer to judge.
    #[error("step {0} is a verifier that reads no earlier step")]
    NothingToVerify(usize),
    /// The last step judges instead of answering, and no worker step came before.
    #[error("no step has the role of a worker, so there would be no answer")]
    NoWorker,
}

/// A checked plan. Steps count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    steps: heapless::Vec<Step, MAX_STEPS>,
}

impl Workflow {
    /// Checks `drafts` against the `pool` of workers.
    pub fn try_new(drafts: &[DraftStep], pool: &[WorkerId]) -> Result<Self, BadWorkflow> {
        if drafts.is_empty() {
            return Err(BadWorkflow::Empty);
        }
        let mut steps = heapless::Vec::new();
        for (index, draft) in drafts.iter().enumerate() {
            let step = check(index + 1, draft, pool)?;
            if steps.push(step).is_err() {
                return Err(BadWorkflow::TooManySteps(drafts.len()));
            }
        }
        if !steps.iter().any(|step: &Step| step.role == Role::Worker) {
            return Err(BadWorkflow::NoWorker);
        }
        Ok(Self { steps })
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

fn check(step: usize, draft: &DraftStep, pool: &[WorkerId]) -> Result<Step, BadWorkflow> {
    let Some(worker) = pool.iter().find(|id| id.as_str() == draft.worker) else {
        return Err(BadWorkflow::UnknownWorker {
            step,
            worker: draft.worker.clone(),
        });
    };
    let instruction = draft.instruction.trim();
    if instruction.is_empty() {
        return Err(BadWorkflow::EmptyInstruction(step));
    }
    let length = instruction.chars().count();
    if length > MAX_INSTRUCTION {
        return Err(BadWorkflow::LongInstruction { step, length });
    }
    let mut access = Access::default();
    for &reads in &draft.access {
        if usize::from(reads) >= step {
            return Err(BadWorkflow::ForwardAccess { step, reads });
        }
        access = access.with(reads);
    }
    if draft.role == Role::Verifier && access.iter().all(|source| source == 0) {
        return Err(BadWorkflow::NothingToVerify(step));
    }
    Ok(Step {
        role: draft.role,
        worker: worker.clone(),
        instruction: instruction.to_owned(),
        access,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Vec<WorkerId> {
        vec![WorkerId::try_new("local").unwrap()]
    }

    fn draft(role: Role, access: &[u8]) -> DraftStep {
        DraftStep {
            role,
            worker: "local".into(),
            instruction: "do it".into(),
            access: access.to_vec(),
        }
    }

    #[test]
    fn each_fault_has_its_own_error() {
        use BadWorkflow as E;
        let work = draft(Role::Worker, &[0]);
        let fault = |drafts: &[DraftStep]| Workflow::try_new(drafts, &pool()).unwrap_err();
        assert_eq!(fault(&[]), E::Empty);
        assert_eq!(fault(&vec![work.clone(); 6]), E::TooManySteps(6));
        let stranger = DraftStep {
            worker: "gpt".into(),
            ..work.clone()
        };
        assert_eq!(
            fault(&[work.clone(), stranger]),
            E::UnknownWorker {
                step: 2,
                worker: "gpt".into()
            }
        );
        for reads in [1, 2, 200] {
            let forward = draft(Role::Worker, &[0, reads]);
            assert_eq!(fault(&[forward]), E::ForwardAccess { step: 1, reads });
        }
        let silent = DraftStep {
            instruction: " \n".into(),
            ..work.clone()
        };
        assert_eq!(fault(&[silent]), E::EmptyInstruction(1));
        let long = DraftStep {
            instruction: "é".repeat(MAX_INSTRUCTION + 1),
            ..work.clone()
        };
        assert_eq!(
            fault(&[long]),
            E::LongInstruction {
                step: 1,
                length: MAX_INSTRUCTION + 1
            }
        );
        assert_eq!(
            fault(&[work.clone(), draft(Role::Verifier, &[0])]),
            E::NothingToVerify(2)
        );
        assert_eq!(fault(&[draft(Role::Thinker, &[0])]), E::NoWorker);
    }

    #[test]
    fn five_steps_that_read_backwards_are_a_workflow() {
        let drafts: Vec<_> = (0..5).map(|n| draft(Role::Worker, &[n])).collect();
        let workflow = Workflow::try_new(&drafts, &pool()).unwrap();
        assert_eq!(workflow.steps().len(), MAX_STEPS);
        assert!(workflow.steps()[4].access.has(4));
        assert!(!workflow.steps()[4].access.has(0));
    }
}
