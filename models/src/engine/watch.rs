//! Ends a batch that nobody waits for any more, or that somebody who has just come should not have to wait for.

use std::{
    ffi::c_void,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

use super::{
    request::{Priority, Request},
    resident::Resident,
};

/// Jobs on their way to the owner thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Inflow(Arc<Coming>);

#[derive(Debug, Default)]
struct Coming {
    steps: AtomicU64,
    decisions: AtomicU64,
}

impl Inflow {
    fn of(&self, priority: Priority) -> &AtomicU64 {
        match priority {
            Priority::Step => &self.0.steps,
            Priority::Decision => &self.0.decisions,
        }
    }

    /// One sets out.
    pub(super) fn comes(&self, priority: Priority) {
        self.of(priority).fetch_add(1, Ordering::Relaxed);
    }

    /// One is there.
    pub(super) fn is_here(&self, priority: Priority) {
        self.of(priority).fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether one comes that is at least as urgent.
    fn is_any(&self, least: Priority) -> bool {
        let urgent = [Priority::Step, Priority::Decision];
        let mut urgent = urgent.into_iter().filter(|priority| *priority >= least);
        urgent.any(|priority| self.of(priority).load(Ordering::Relaxed) > 0)
    }
}

/// For whom a batch is computed.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Those whose tokens are in it.
    pub(super) callers: Vec<CancellationToken>,
    /// Whoever comes and is at least as urgent ends it.
    pub(super) newcomers: Option<(Inflow, Priority)>,
}

impl Watch {
    /// Whether the batch need not be computed to its end.
    fn is_over(&self) -> bool {
        let comes = |(inflow, least): &(Inflow, Priority)| inflow.is_any(*least);
        self.callers.iter().all(CancellationToken::is_cancelled)
            || self.newcomers.as_ref().is_some_and(comes)
    }
}

/// Called by ggml between the nodes of a graph; true ends it.
#[expect(unsafe_code, reason = "a callback that C calls")]
pub(super) unsafe extern "C" fn look(watch: *mut c_void) -> bool {
    // SAFETY: the context was made with the address of the box that it owns, which nobody changes while it decodes.
    let watch = unsafe { watch.cast::<Option<Watch>>().as_ref() };
    watch.is_some_and(|watch| watch.as_ref().is_some_and(Watch::is_over))
}

impl Resident {
    /// The one request that is read alone, if its batch may be long.
    pub(super) fn lone(&self) -> Option<&Request> {
        let [request] = self.running.as_slice() else {
            return None;
        };
        // What was computed of an indivisible state cannot be taken back.
        let may = !request.is_writing() && !request.preempted && self.sequences.is_divisible();
        may.then_some(request)
    }

    /// When a batch of those that run, at these places, need not be computed to its end; newcomers wait for one of `usual`
    /// length.
    pub(super) fn watch(&self, inside: &[usize], usual: usize, inflow: &Inflow) -> Watch {
        let callers = inside.iter().filter_map(|&at| self.running.get(at));
        // Whoever could not be let in does not gain by it.
        let gains = self.batch.len() > usual && self.slots > 1 && !self.crowded;
        let lone = self.lone().filter(|_| gains);
        Watch {
            callers: callers.map(|request| request.cancel.clone()).collect(),
            newcomers: lone.map(|lone| (inflow.clone(), lone.priority)),
        }
    }

    /// Forgets a batch that was ended.
    pub(super) fn take_back(&mut self, inside: &[usize]) {
        for &at in inside {
            let Some(request) = self.running.get_mut(at) else {
                continue;
            };
            request.preempted = true;
            let sequence = request.sequence;
            if !self.context.forget(sequence, request.read) {
                // Nobody waits for it, and what it holds is of no use to others.
                self.drop_sequence(sequence);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_goes_on_as_long_as_anybody_waits_for_it() {
        let callers = vec![CancellationToken::new(), CancellationToken::new()];
        let watch = Watch {
            callers: callers.clone(),
            newcomers: None,
        };
        callers[0].cancel();
        assert!(!watch.is_over());
        callers[1].cancel();
        assert!(watch.is_over());
    }

    #[test]
    fn a_newcomer_ends_a_batch_that_says_so() {
        let inflow = Inflow::default();
        let watch = |least: Option<Priority>| Watch {
            callers: vec![CancellationToken::new()],
            newcomers: least.map(|least| (inflow.clone(), least)),
        };
        let each = [None, Some(Priority::Step), Some(Priority::Decision)].map(watch);
        let over = || each.each_ref().map(Watch::is_over);
        assert_eq!(over(), [false, false, false]);
        inflow.comes(Priority::Step);
        assert_eq!(over(), [false, true, false]);
        inflow.comes(Priority::Decision);
        assert_eq!(over(), [false, true, true]);
        inflow.is_here(Priority::Step);
        assert_eq!(over(), [false, true, true]);
        inflow.is_here(Priority::Decision);
        assert_eq!(over(), [false, false, false]);
    }
}
