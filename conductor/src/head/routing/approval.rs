//! What people say when they are asked whether a step may go to a worker.
//!
//! They say it before the worker has said a word, and of the text that would leave. So a yes or a no is no outcome: it says
//! nothing of how good the worker is, and where it was no, whoever did the step instead is judged by its own answer. What it
//! does say is how likely the worker is to get the step at all once it is chosen. Where a person must be asked, a worker is
//! worth its chance of success times that of a yes; so what is always denied is not asked for again and again, while the task
//! waits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    id::{ApprovalId, WorkerId},
    trace::{Decision, Event},
};

/// The yeses that everybody is given beforehand: the first no is no rule.
const GIVEN: u32 = 4;

/// What was said of each worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Approvals(BTreeMap<String, Said>);

/// What was said of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// How often a person said yes.
    pub yes: u32,
    /// How often it was no, or nobody said anything in time.
    pub no: u32,
}

impl Approvals {
    /// Adds the questions of a task that were decided, each once, also where a restart put it again.
    pub fn add(&mut self, events: &[Event]) {
        let mut asked: BTreeMap<&ApprovalId, &WorkerId> = BTreeMap::new();
        let mut decided: BTreeMap<&ApprovalId, &Decision> = BTreeMap::new();
        for event in events {
            match event {
                Event::Asked {
                    approval, worker, ..
                } => {
                    asked.insert(approval, worker);
                }
                Event::Decided {
                    approval, decision, ..
                } => {
                    decided.insert(approval, decision);
                }
                _ => {}
            }
        }
        for (approval, decision) in decided {
            let Some(worker) = asked.get(approval) else {
                continue;
            };
            let said = self.0.entry(worker.to_string()).or_default();
            let count = match decision {
                Decision::Approved { .. } => &mut said.yes,
                Decision::Denied { .. } | Decision::Expired => &mut said.no,
            };
            *count = count.saturating_add(1);
        }
    }

    /// Whether nobody was asked anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was said of each worker that somebody was asked about.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Said)> {
        self.0.iter().map(|(worker, said)| (worker.as_str(), *said))
    }

    /// How likely a yes is, from 0 to 1; 1 where nobody was ever asked.
    #[must_use]
    pub fn chance(&self, worker: &str) -> f64 {
        let said = self.0.get(worker).copied().unwrap_or_default();
        let yes = f64::from(said.yes) + f64::from(GIVEN);
        yes / (yes + f64::from(said.no))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::id;

    fn question(number: usize, worker: &str, decision: Decision) -> [Event; 2] {
        let approval = ApprovalId::try_new(format!("a{number}")).unwrap();
        let asked = Event::Asked {
            step: 1,
            approval: approval.clone(),
            worker: id(worker),
        };
        let decided = Event::Decided {
            step: 1,
            approval,
            decision,
        };
        [asked, decided]
    }

    #[test]
    fn each_question_counts_once_and_no_answer_is_a_no() {
        let yes = || Decision::Approved { by: "ana".into() };
        let no = || Decision::Denied { by: "ana".into() };
        let mut approvals = Approvals::default();
        assert!((approvals.chance("cloud") - 1.0).abs() < f64::EPSILON);
        approvals.add(&[question(1, "cloud", yes()), question(2, "cloud", no())].concat());
        // A restart put the question again, and one was never answered.
        let again = [question(3, "cloud", no()), question(3, "cloud", no())].concat();
        approvals.add(&again);
        approvals.add(&question(4, "other", Decision::Expired));
        approvals.add(&question(5, "third", yes())[..1]);
        let said: Vec<(&str, Said)> = approvals.iter().collect();
        let (cloud, other) = (Said { yes: 1, no: 2 }, Said { yes: 0, no: 1 });
        assert_eq!(said, [("cloud", cloud), ("other", other)]);
        assert!((approvals.chance("cloud") - 5.0 / 7.0).abs() < 1e-9);
        assert!((approvals.chance("other") - 0.8).abs() < 1e-9);
    }
}
