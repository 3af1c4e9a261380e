//! Prompts that begin alike and run at once: one reads what they have in common, the others wait for it and share its
//! cells, so that nothing is read twice even where nobody has read it before.

use std::cmp::Reverse;

use super::{keep, prefix::WORTH, request::Request, resident::Resident};

/// Whose turn it is to read, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Which of those that run.
    pub(super) at: usize,
    /// How many of its tokens are wanted.
    pub(super) until: usize,
}

impl Resident {
    /// Gives each prompt that is being read what another one, that begins alike, has read of it since.
    pub(super) fn catch_up(&mut self) {
        for at in (0..self.running.len()).rev() {
            let is_behind = self.running.get(at).is_some_and(|request| {
                request.pending() > WORTH
                    && self.sequences.known(self.like(request)) >= request.read + WORTH
            });
            if !is_behind {
                continue;
            }
            let mut request = self.running.remove(at);
            self.drop_sequence(request.sequence);
            if self.seat(&mut request) {
                self.running.insert(at, request);
                self.fix_of(at);
            } else {
                request.read = 0;
                self.put_off.push(request);
            }
        }
    }

    /// Who is to read so that the request at `at` gets on: itself, or the one that reads ahead of it what both have.
    pub(super) fn reader(&self, at: usize) -> Turn {
        let mut turn = Turn {
            at,
            until: self.running.get(at).map_or(0, |r| r.tokens.len()),
        };
        if !self.prefix_cache || !self.sequences.is_divisible() {
            return turn;
        }
        while let Some(ahead) = ahead(&self.running, turn.at) {
            turn = ahead;
        }
        turn
    }
}

/// The one that is furthest ahead with what the request at `at` has to read too. Each is ahead of fewer than the one
/// before, so that following them ends.
fn ahead(running: &[Request], at: usize) -> Option<Turn> {
    let request = running.get(at)?;
    let place = |r: &Request| (r.read, Reverse(r.arrived));
    let each = running.iter().enumerate();
    each.filter(|(_, other)| place(other) > place(request))
        .filter_map(|(at, other)| {
            let until = in_common(other, request);
            // Waiting costs a place in the batch, which a few tokens are not worth.
            let is_worth_it = until >= request.read + keep::LEAST && other.read < until;
            is_worth_it.then_some((place(other), Turn { at, until }))
        })
        .max_by_key(|(place, _)| *place)
        .map(|(_, turn)| turn)
}

/// How many tokens they begin with in common, if neither is read alone; the last one of `request` is never counted: it must
/// be decoded for there to be an output.
fn in_common(other: &Request, request: &Request) -> usize {
    if other.is_alone() || request.is_alone() {
        return 0;
    }
    let pairs = other.tokens.iter().zip(&request.tokens);
    let same = pairs.take_while(|(a, b)| a == b).count();
    same.min(request.tokens.len().saturating_sub(1))
}
