//! Passing the gate, by what holds at that moment.

use std::sync::Arc;

use super::{Run, lock};
use crate::{
    gate::{Draft, Passage},
    verdict::{Ruling, Verdict},
    worker::Worker,
};

impl Run<'_> {
    /// Passes the gate by the rules that are in force now, whichever the task began with: what changed since is looked
    /// for again.
    pub fn pass(&self, worker: &Arc<dyn Worker>, draft: &Draft) -> (Ruling, Passage) {
        let (id, place) = (worker.id(), worker.place());
        let now = self.standing.get();
        let bounds = now.policy.bounds_of(self.task);
        let (ruling, passage) = if std::ptr::eq(&*now.policy, self.policy) {
            self.gate.pass(id, place, draft, &mut lock(&self.vault))
        } else {
            let draft = draft.relabelled(&now.detectors, bounds.label);
            now.gate.pass(id, place, &draft, &mut lock(&self.vault))
        };
        let ruling = bounds.rule_on(id, place, ruling);
        if ruling.verdict == Verdict::Refuse {
            return (ruling, Passage::Refused);
        }
        (ruling, passage)
    }
}
