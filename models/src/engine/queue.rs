//! Who goes next: the more urgent, then the task that had least, then the first to come. What tasks had counts in turns of
//! [`QUANTUM`] tokens, since of prompts that are read a little of each in each batch none is done before the end.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::request::{Flow, Priority, Request};

/// Work done for each task: fair queueing (Demers, Keshav and Shenker, 1989) over tokens.
#[derive(Default)]
pub(super) struct Shares {
    had: BTreeMap<Flow, u64>,
    /// What somebody would have had who was there all along. One that comes new is taken to have had as much, so that nobody
    /// who was idle can catch up, and whoever waits comes before all who will still come.
    floor: u64,
    /// How many are there.
    present: u64,
}

/// The tokens of a turn: a usual prompt with its answer.
const QUANTUM: u64 = 512;
/// As many tasks are remembered; beyond, the half that had least is forgotten, and counts as new again.
const MOST: usize = 1024;

impl Shares {
    /// Takes in who waits or runs now.
    pub(super) fn see<'a>(&mut self, flows: impl Iterator<Item = &'a Flow>) {
        let flows: BTreeSet<&Flow> = flows.collect();
        self.present = flows.len() as u64;
        for flow in flows {
            if !self.had.contains_key(flow) {
                self.had.insert(flow.clone(), self.floor);
            }
        }
    }

    /// Counts the tokens that a batch computed for each task.
    pub(super) fn charge<'a>(&mut self, served: impl Iterator<Item = (&'a Flow, usize)>) {
        let mut all = 0;
        for (flow, tokens) in served {
            let tokens = tokens as u64;
            all += tokens;
            let before = self.had(flow);
            self.had.insert(flow.clone(), before + tokens);
        }
        self.floor += all / self.present.max(1);
        if self.had.len() > MOST {
            let mut each: Vec<u64> = self.had.values().copied().collect();
            let (_, middle, _) = each.select_nth_unstable(MOST / 2);
            let middle = *middle;
            self.had.retain(|_, had| *had > middle);
        }
    }

    fn had(&self, flow: &Flow) -> u64 {
        self.had.get(flow).copied().unwrap_or(self.floor)
    }

    /// Sorts by whose turn it is: greatest first.
    pub(super) fn turn(&self, request: &Request) -> (Priority, Reverse<u64>, Reverse<u64>) {
        self.order(request.priority, &request.flow, request.arrived)
    }

    fn order(
        &self,
        priority: Priority,
        flow: &Flow,
        arrived: u64,
    ) -> (Priority, Reverse<u64>, Reverse<u64>) {
        let turns = self.had(flow) / QUANTUM;
        (priority, Reverse(turns), Reverse(arrived))
    }

    /// Forgets all, when nothing waits or runs.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str) -> Flow {
        Flow::Task(name.to_owned())
    }

    #[test]
    fn a_task_that_comes_late_does_not_catch_up_and_is_not_left_behind() {
        let (a, b, late) = (task("a"), task("b"), task("late"));
        let mut shares = Shares::default();
        shares.see([&a, &b].into_iter());
        shares.charge([(&a, 100), (&b, 10)].into_iter());
        shares.charge([(&a, 100), (&b, 10)].into_iter());
        assert!(shares.had(&b) < shares.had(&a));
        // An even share of the 220.
        shares.see([&a, &b, &late].into_iter());
        assert_eq!(shares.had(&late), 110);
        // It stays at that while it waits.
        shares.charge([(&a, 300)].into_iter());
        assert_eq!((shares.had(&late), shares.had(&task("next"))), (110, 210));
        shares.charge([(&late, 500)].into_iter());
        assert!(shares.had(&a) < shares.had(&late));
    }

    #[test]
    fn who_comes_while_one_reads_alone_has_the_next_turn() {
        let (alone, new) = (task("alone"), task("new"));
        let mut shares = Shares::default();
        let step = Priority::Step;
        shares.see([&alone].into_iter());
        shares.charge([(&alone, 2_000)].into_iter());
        shares.see([&alone, &new].into_iter());
        let batches = (1..).find(|_| {
            shares.charge([(&alone, 192)].into_iter());
            shares.order(step, &new, 2) > shares.order(step, &alone, 1)
        });
        assert_eq!(batches, Some(1));
    }

    #[test]
    fn who_had_much_has_its_turn_however_many_come_new() {
        let big = task("big");
        let mut shares = Shares::default();
        shares.had.insert(big.clone(), 2_000);
        let step = Priority::Step;
        let served = (1..).find(|&n| {
            let new = Flow::Own(n);
            shares.see([&big, &new].into_iter());
            let is_first = shares.order(step, &big, 0) > shares.order(step, &new, n);
            shares.charge([(&new, 300)].into_iter());
            is_first
        });
        assert_eq!(served, Some(12));
    }

    #[test]
    fn within_a_turn_the_first_to_come_is_first_and_then_whoever_had_less() {
        let (first, second) = (task("first"), task("second"));
        let mut shares = Shares::default();
        let order =
            |shares: &Shares, flow: &Flow, arrived| shares.order(Priority::Step, flow, arrived);
        shares.charge([(&first, 400), (&second, 10)].into_iter());
        assert!(order(&shares, &first, 1) > order(&shares, &second, 2));
        shares.charge([(&first, 200)].into_iter());
        assert!(order(&shares, &first, 1) < order(&shares, &second, 2));
        let urgent = shares.order(Priority::Decision, &first, 9);
        assert!(urgent > order(&shares, &second, 2));
    }

    #[test]
    fn those_that_ended_do_not_hold_the_floor_down_and_are_forgotten() {
        let (long, short) = (task("long"), task("short"));
        let mut shares = Shares::default();
        shares.see([&short, &long].into_iter());
        shares.charge([(&short, 2)].into_iter());
        shares.see([&long].into_iter());
        for _ in 0..100 {
            shares.charge([(&long, 10)].into_iter());
        }
        assert_eq!(shares.had(&task("new")), 1_001);
        for n in 0..2 * MOST as u64 {
            shares.see([&Flow::Own(n), &long].into_iter());
            shares.charge([(&Flow::Own(n), 1), (&long, 10)].into_iter());
        }
        assert!(shares.had.len() <= MOST + 1);
    }
}
