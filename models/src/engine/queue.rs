//! Who goes next: the more urgent, then the task that had least, then the first to come.

use std::{cmp::Reverse, collections::BTreeMap};

use super::request::{Flow, Priority, Request};

/// Work done for each task: start-time fair queueing (Goyal et al., 1996) over tokens.
#[derive(Default)]
pub(super) struct Shares {
    had: BTreeMap<Flow, u64>,
    /// What a task that comes new is taken to have had, so that nobody who was idle can catch up on it.
    floor: u64,
}

/// More tasks at once than can wait; beyond, those that had least are forgotten, which costs nobody a turn.
const MOST: usize = 1024;

impl Shares {
    /// Counts tokens that were computed for a task.
    pub(super) fn charge(&mut self, flow: &Flow, tokens: usize) {
        let before = self.had(flow);
        if self.had.len() >= MOST {
            let least = self.had.values().min().copied().unwrap_or(0);
            self.had.retain(|_, had| *had > least);
        }
        self.had.insert(flow.clone(), before + tokens as u64);
        // Whoever comes now starts beside the one that had least.
        self.floor = self
            .had
            .values()
            .min()
            .copied()
            .unwrap_or(0)
            .max(self.floor);
    }

    fn had(&self, flow: &Flow) -> u64 {
        self.had.get(flow).copied().unwrap_or(self.floor)
    }

    /// Sorts by whose turn it is: greatest first.
    pub(super) fn turn(&self, request: &Request) -> (Priority, Reverse<u64>, Reverse<u64>) {
        let had = self.had(&request.flow);
        (request.priority, Reverse(had), Reverse(request.arrived))
    }

    /// Forgets all, when nothing waits or runs.
    pub(super) fn clear(&mut self) {
        self.had.clear();
        self.floor = 0;
    }
}
