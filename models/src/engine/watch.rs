//! Ends a batch that nobody waits for any more, or that somebody who has just come should not have to wait for.

use std::{
    ffi::c_void,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

use super::resident::Resident;

/// Jobs on their way to the owner thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Inflow(Arc<AtomicU64>);

impl Inflow {
    /// One sets out.
    pub(super) fn comes(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One is there.
    pub(super) fn is_here(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// For whom a batch is computed.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Those whose tokens are in it.
    pub(super) callers: Vec<CancellationToken>,
    /// Whoever comes ends it.
    pub(super) newcomers: Option<Inflow>,
}

impl Watch {
    /// Whether the batch need not be computed to its end.
    fn is_over(&self) -> bool {
        self.callers.iter().all(CancellationToken::is_cancelled)
            || self.newcomers.as_ref().is_some_and(Inflow::is_any)
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
    /// Whether there is one request alone, whose batch may be ended for whoever comes.
    pub(super) fn is_quiet(&self) -> bool {
        let [request] = self.running.as_slice() else {
            return false;
        };
        // What was computed of an indivisible state cannot be taken back.
        !request.is_writing() && !request.disturbed && self.sequences.is_divisible()
    }

    /// When a batch of those that run, at these places, need not be computed to its end; newcomers wait for one of `usual`
    /// length.
    pub(super) fn watch(&self, inside: &[usize], usual: usize, inflow: &Inflow) -> Watch {
        let callers = inside.iter().filter_map(|&at| self.running.get(at));
        let newcomers = self.is_quiet() && self.batch.len() > usual;
        Watch {
            callers: callers.map(|request| request.cancel.clone()).collect(),
            newcomers: newcomers.then(|| inflow.clone()),
        }
    }

    /// Forgets a batch that was ended.
    pub(super) fn disturb(&mut self, inside: &[usize]) {
        for &at in inside {
            if let Some(request) = self.running.get_mut(at) {
                request.disturbed = true;
                self.context.forget(request.sequence, request.read);
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
        let watch = |newcomers| Watch {
            callers: vec![CancellationToken::new()],
            newcomers,
        };
        let (patient, hasty) = (watch(None), watch(Some(inflow.clone())));
        assert!(!hasty.is_over());
        inflow.comes();
        assert!(hasty.is_over() && !patient.is_over());
        inflow.is_here();
        assert!(!hasty.is_over());
    }
}
