//! Who may do a step: the pool as one task sees it, and the order in which a step's workers are tried.

use std::sync::Arc;

use super::Run;
use crate::{
    gate::Draft, id::WorkerId, policy::WorkerPolicy, route::Candidate, task::Failure,
    verdict::Verdict, worker::Place, worker::Worker,
};

impl Run<'_> {
    /// The workers that this task may use.
    pub fn pool(&self) -> impl Iterator<Item = &Arc<dyn Worker>> {
        self.parts
            .workers
            .iter()
            .filter(|worker| match &self.task.workers {
                None => true,
                Some(allowed) => allowed.contains(worker.id()),
            })
            .filter(|worker| self.bounds.allow(worker.id()))
    }

    pub fn pool_ids(&self) -> Vec<WorkerId> {
        self.pool().map(|worker| worker.id().clone()).collect()
    }

    pub fn worker(&self, id: &WorkerId) -> Result<&Arc<dyn Worker>, Failure> {
        self.pool()
            .find(|worker| worker.id() == id)
            .ok_or_else(|| Failure::UnknownWorker {
                worker: id.to_string(),
                allowed: names(self.pool_ids()),
            })
    }

    pub fn known(&self, worker: &WorkerId) -> WorkerPolicy {
        self.policy.workers.get(worker).cloned().unwrap_or_default()
    }

    /// Everybody in the pool, with what the gate would say to `draft`.
    pub fn candidates(&self, draft: &Draft) -> Vec<Candidate> {
        // About as many tokens as a text of European words has.
        let bytes = draft.messages.iter().map(|(_, text)| text.text().len());
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let tokens = bytes.sum::<usize>() as f64 / 4.0;
        let most = draft.sampling.max_tokens;
        self.pool()
            .map(|worker| {
                let (id, place) = (worker.id(), worker.place());
                let shares = place == Place::Board;
                let ruling = self.gate.judge(id, place, draft);
                Candidate {
                    worker: id.clone(),
                    place,
                    ruling: self.bounds.rule_on(id, place, ruling),
                    known: self.known(id),
                    wait: worker.wait(),
                    takes: self.paces.expect(id, tokens, most, shares),
                }
            })
            .collect()
    }

    /// The planned worker, then everybody else who may read `draft` without a person's word: the strongest first, the
    /// board before the rest where they are equal.
    pub fn in_turn(&self, planned: &WorkerId, draft: &Draft) -> Vec<Arc<dyn Worker>> {
        let mut others: Vec<Candidate> = self
            .candidates(draft)
            .into_iter()
            .filter(|candidate| {
                candidate.worker != *planned
                    && matches!(candidate.ruling.verdict, Verdict::Run | Verdict::Redact)
            })
            .collect();
        others.sort_by(|a, b| {
            b.known
                .strength
                .cmp(&a.known.strength)
                .then((a.place == Place::Remote).cmp(&(b.place == Place::Remote)))
                .then(a.wait.cmp(&b.wait))
                .then(a.worker.cmp(&b.worker))
        });
        std::iter::once(planned)
            .chain(others.iter().map(|candidate| &candidate.worker))
            .filter_map(|id| self.pool().find(|worker| worker.id() == id))
            .cloned()
            .collect()
    }
}

/// Ids as a sentence has them.
pub(crate) fn names(ids: Vec<WorkerId>) -> String {
    if ids.is_empty() {
        return "no worker".to_owned();
    }
    let ids: Vec<String> = ids.into_iter().map(String::from).collect();
    ids.join(", ")
}
