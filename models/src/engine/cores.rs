//! The processor's cores, shared by all models of this process.
//!
//! llama.cpp's threads wait for each other by spinning, so two models that compute at once on the same cores spend their
//! time with that: each batch takes the cores that it needs for itself, first come, first served.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
};

/// Cores that can be taken.
pub(super) struct Cores {
    all: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    free: usize,
    /// Who waits, by number; the first is next.
    waiting: VecDeque<u64>,
    number: u64,
}

/// Cores that are taken as long as this is held.
pub(super) struct Taken<'c> {
    cores: &'c Cores,
    count: usize,
}

impl Cores {
    fn new(all: usize) -> Self {
        Self {
            all,
            state: Mutex::new(State {
                free: all,
                waiting: VecDeque::new(),
                number: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Those of this machine.
    pub(super) fn here() -> &'static Self {
        static HERE: OnceLock<Cores> = OnceLock::new();
        HERE.get_or_init(|| {
            let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            Self::new(all)
        })
    }

    /// Waits for as many as a batch on so many threads needs, at most all.
    pub(super) fn take(&self, threads: u32) -> Taken<'_> {
        let count = usize::try_from(threads).unwrap_or(1).clamp(1, self.all);
        let mut state = self.lock();
        state.number += 1;
        let number = state.number;
        state.waiting.push_back(number);
        while state.waiting.front() != Some(&number) || state.free < count {
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.pop_front();
        state.free -= count;
        drop(state);
        // The next may need no more than is left.
        self.changed.notify_all();
        Taken { cores: self, count }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in there panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.cores.lock().free += self.count;
        self.cores.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_cores_are_taken_than_there_are_and_all_get_their_turn() {
        let cores = Cores::new(3);
        let (now, most, turns) = (
            AtomicUsize::new(0),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        std::thread::scope(|scope| {
            for threads in [1, 2, 3, 9, 1, 2] {
                let (cores, now, most, turns) = (&cores, &now, &most, &turns);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let taken = cores.take(threads);
                        let at_once = now.fetch_add(taken.count, Ordering::SeqCst) + taken.count;
                        most.fetch_max(at_once, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(taken.count, Ordering::SeqCst);
                        turns.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(turns.into_inner(), 300);
        assert!(most.into_inner() <= 3);
        assert_eq!(cores.lock().free, 3);
    }
}
