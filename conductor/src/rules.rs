//! What holds now: one policy with the gate and the detectors made from it, replaced as a whole.

use std::sync::{Arc, PoisonError, RwLock};

use crate::{
    detect::{DetectError, Detectors},
    gate::Gate,
    policy::Policy,
};

/// One policy and what follows from it.
#[derive(Debug)]
pub(crate) struct Rules {
    pub policy: Arc<Policy>,
    pub gate: Gate,
    pub detectors: Arc<Detectors>,
}

impl Rules {
    pub fn try_new(policy: Arc<Policy>) -> Result<Self, DetectError> {
        let detectors = Arc::new(Detectors::try_new(&policy)?);
        Ok(Self {
            gate: Gate::new(Arc::clone(&policy), Arc::clone(&detectors)),
            policy,
            detectors,
        })
    }
}

/// The rules in force. Whoever reads gets one whole set.
#[derive(Debug)]
pub(crate) struct Standing(RwLock<Arc<Rules>>);

impl Standing {
    pub fn new(rules: Rules) -> Self {
        Self(RwLock::new(Arc::new(rules)))
    }

    pub fn get(&self) -> Arc<Rules> {
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&rules)
    }

    pub fn set(&self, rules: Rules) {
        let rules = Arc::new(rules);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }
}
