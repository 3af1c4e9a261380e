//! Prefixes that nobody uses now, beside the key-value cache.
//!
//! Attention walks over every cell up to the last one in use, whoever's they are, so what earlier requests left would
//! slow down those that run. It is copied out of the cache when its request ends, and back when a prompt begins like it:
//! a copy of memory, where reading again is a pass of the model for each token.

use std::{cmp::Reverse, collections::VecDeque};

use llama_cpp_2::token::LlamaToken;

use super::keep::State;

/// States in memory, the least used first.
pub(super) struct Shelf {
    states: VecDeque<State>,
    bytes: usize,
    most: usize,
    /// Whether a beginning of a state can be used; a recurrent model's state is used as a whole or not at all.
    divisible: bool,
}

impl Shelf {
    /// Room for `most` bytes of states of which a beginning can be used, or not.
    pub(super) fn new(most: usize, divisible: bool) -> Self {
        Self {
            states: VecDeque::new(),
            bytes: 0,
            most,
            divisible,
        }
    }

    /// Puts a state there; the least used go. One that is larger than the shelf is not kept, nor one that another begins with.
    pub(super) fn put(&mut self, state: State) {
        if state.bytes.len() > self.most {
            return;
        }
        let has_it = |old: &State| self.divisible && old.tokens.starts_with(&state.tokens);
        if let Some(at) = self.states.iter().position(has_it) {
            let used = self.states.remove(at);
            return self.states.extend(used);
        }
        // What the new one begins with is of no more use.
        self.retain(|old| !state.tokens.starts_with(&old.tokens));
        self.bytes += state.bytes.len();
        self.states.push_back(state);
        while self.bytes > self.most {
            match self.states.pop_front() {
                Some(old) => self.bytes -= old.bytes.len(),
                None => return,
            }
        }
    }

    /// Takes the state that has most of the beginning of `wanted`, the smallest of those that have as much, of those for which
    /// `is_worth_it`, told of a state and how many tokens it has, says yes. Gives that number too.
    pub(super) fn take(
        &mut self,
        wanted: &[LlamaToken],
        is_worth_it: impl Fn(&State, usize) -> bool,
    ) -> Option<(State, usize)> {
        let most = wanted.len().saturating_sub(1);
        let shared = |state: &State| {
            let pairs = state.tokens.iter().zip(wanted);
            let shared = pairs.take_while(|(a, b)| a == b).count().min(most);
            if self.divisible || shared == state.tokens.len() {
                shared
            } else {
                0
            }
        };
        let each = self.states.iter().enumerate();
        let (at, shared) = each
            .map(|(at, state)| (at, state, shared(state)))
            .filter(|(_, state, shared)| is_worth_it(state, *shared))
            .max_by_key(|(_, state, shared)| (*shared, Reverse(state.bytes.len())))
            .map(|(at, _, shared)| (at, shared))?;
        let state = self.states.remove(at)?;
        self.bytes -= state.bytes.len();
        Some((state, shared))
    }

    /// Bytes of all states.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives all memory back.
    pub(super) fn clear(&mut self) {
        self.states = VecDeque::new();
        self.bytes = 0;
    }

    fn retain(&mut self, stays: impl Fn(&State) -> bool) {
        self.states.retain(stays);
        self.bytes = self.states.iter().map(|state| state.bytes.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(numbers: std::ops::Range<i32>) -> Vec<LlamaToken> {
        numbers.map(LlamaToken).collect()
    }

    fn state(numbers: std::ops::Range<i32>) -> State {
        let tokens = tokens(numbers);
        State {
            bytes: vec![0; tokens.len()],
            tokens,
        }
    }

    #[test]
    fn what_helps_most_is_taken_once() {
        let mut shelf = Shelf::new(100, true);
        shelf.put(state(0..10));
        shelf.put(state(0..30));
        shelf.put(state(50..60));
        let more_than = |known: usize| move |_: &State, shared: usize| shared > known;
        assert!(shelf.take(&tokens(0..40), more_than(30)).is_none());
        let taken = shelf.take(&tokens(0..20), more_than(10)).unwrap();
        assert_eq!((taken.0.tokens.len(), taken.1), (30, 19));
        // The shorter one went when the longer came.
        assert!(shelf.take(&tokens(0..20), more_than(0)).is_none());
        assert_eq!(shelf.bytes, 10);
        // Of two that have as much, the smaller.
        let mut other = tokens(0..8);
        for end in [90..120, 120..130] {
            let tokens = [other.clone(), tokens(end)].concat();
            shelf.put(State {
                bytes: vec![0; tokens.len()],
                tokens,
            });
        }
        other.push(LlamaToken(7));
        let taken = shelf.take(&other, more_than(0)).unwrap();
        assert_eq!((taken.0.tokens.len(), taken.1), (18, 8));
    }

    #[test]
    fn a_state_that_cannot_be_divided_is_used_as_a_whole() {
        let mut shelf = Shelf::new(100, false);
        shelf.put(state(0..30));
        shelf.put(state(0..10));
        let any = |_: &State, shared: usize| shared > 0;
        let (taken, shared) = shelf.take(&tokens(0..20), any).unwrap();
        assert_eq!((taken.tokens.len(), shared), (10, 10));
        assert!(shelf.take(&tokens(0..20), any).is_none());
    }

    #[test]
    fn what_another_begins_with_is_not_kept_twice() {
        let mut shelf = Shelf::new(100, true);
        shelf.put(state(0..30));
        shelf.put(state(50..60));
        shelf.put(state(0..10));
        assert_eq!((shelf.states.len(), shelf.bytes), (2, 40));
        // It was used last.
        assert_eq!(
            shelf.states.back().map(|state| state.tokens.len()),
            Some(30)
        );
    }

    #[test]
    fn the_oldest_go_and_what_is_too_large_never_comes() {
        let mut shelf = Shelf::new(25, true);
        for start in [0, 20, 40] {
            shelf.put(state(start..start + 10));
        }
        shelf.put(state(100..130));
        assert_eq!((shelf.states.len(), shelf.bytes), (2, 20));
        let any = |_: &State, shared: usize| shared > 0;
        assert!(shelf.take(&tokens(0..20), any).is_none());
        assert!(shelf.take(&tokens(40..60), any).is_some());
        shelf.clear();
        assert_eq!((shelf.states.len(), shelf.bytes), (0, 0));
    }
}
