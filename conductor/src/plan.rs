//! What would run where, and why.

use std::fmt;

use serde::Serialize;

use crate::{
    id::WorkerId,
    label::Label,
    task::{Failure, Target, Task},
    trace::{Event, Found, PlannedStep},
    unit::Millis,
    verdict::Ruling,
};

/// A plan for a task, before anything runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Who would conduct it.
    pub target: Target,
    /// The label of the task.
    pub label: Label,
    /// What caller, key or topic said.
    pub declared: Label,
    /// What was found in it.
    pub found: Vec<Found>,
    /// The steps, in order, supposing that verifiers accept and people approve.
    pub steps: Vec<StepPlan>,
    /// Why it is not the conductor's own plan, if it is not.
    pub fallback: Option<String>,
    /// Why it would fail, if it would.
    pub fails: Option<Failure>,
    /// How long the planning took.
    pub took: Millis,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepPlan {
    /// The step.
    pub step: PlannedStep,
    /// Why.
    pub reason: String,
    /// What the gate says, first for the planned worker and then for those that would be tried after it.
    pub rulings: Vec<(WorkerId, Ruling)>,
}

impl Plan {
    pub(crate) fn new(
        task: &Task,
        events: Vec<Event>,
        fails: Option<Failure>,
        took: Millis,
    ) -> Self {
        let mut plan = Self {
            target: task.target.clone(),
            label: task.label,
            declared: task.label,
            found: Vec::new(),
            steps: Vec::new(),
            fallback: None,
            fails,
            took,
        };
        for event in events {
            plan.add(event);
        }
        plan
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Labelled { label, found, .. } => {
                self.label = label;
                self.found = found;
            }
            Event::Planned {
                steps,
                reason,
                fallback,
                ..
            } => {
                self.fallback = fallback;
                self.steps.extend(steps.into_iter().map(|step| StepPlan {
                    step,
                    reason: reason.clone(),
                    rulings: Vec::new(),
                }));
            }
            Event::Turn { step, reason, .. } => self.steps.push(StepPlan {
                step,
                reason,
                rulings: Vec::new(),
            }),
            Event::Judged {
                step,
                worker,
                label,
                reaches,
                verdict,
                rule,
            } => {
                let ruling = Ruling {
                    verdict,
                    rule,
                    label,
                    reaches,
                };
                let mut steps = self.steps.iter_mut();
                if let Some(planned) = steps.find(|planned| planned.step.step == step) {
                    planned.rulings.push((worker, ruling));
                }
            }
            _ => {}
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "conductor {}", self.target)?;
        writeln!(f, "label     {} (declared {})", self.label, self.declared)?;
        let found: Vec<String> = self
            .found
            .iter()
            .map(|found| format!("{} x {} ({})", found.count, found.kind, found.label))
            .collect();
        let found = if found.is_empty() {
            "nothing sensitive".to_owned()
        } else {
            found.join(", ")
        };
        writeln!(f, "found     {found}")?;
        if let Some(fallback) = &self.fallback {
            writeln!(f, "fallback  one step, since {fallback}")?;
        }
        for planned in &self.steps {
            planned.fmt(f)?;
        }
        if let Some(failure) = &self.fails {
            writeln!(f, "\nit would fail: {failure}")?;
        }
        writeln!(f, "\nplanned in {}; nothing left the board", self.took)
    }
}

impl fmt::Display for StepPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = &self.step;
        let reads: Vec<String> = step
            .access
            .iter()
            .map(|&source| match source {
                0 => "the task".to_owned(),
                number => format!("step {number}"),
            })
            .collect();
        let reads = if reads.is_empty() {
            "nothing but its instruction".to_owned()
        } else {
            reads.join(" and ")
        };
        writeln!(f)?;
        writeln!(
            f,
            "step {}    {} by {}, reads {reads}",
            step.step, step.role, step.worker
        )?;
        if !step.instruction.is_empty() {
            writeln!(f, "  told    {}", step.instruction)?;
        }
        writeln!(f, "  why     {}", self.reason)?;
        for (worker, ruling) in &self.rulings {
            writeln!(
                f,
                "  gate    {worker}: {}, label {}, {} reaches it, by {}",
                ruling.verdict, ruling.label, ruling.reaches, ruling.rule
            )?;
        }
        Ok(())
    }
}
