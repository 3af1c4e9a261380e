//! One batch: what goes in, and what comes of it.

use std::time::{Duration, Instant};

use llama_cpp_2::token::LlamaToken;
use shoal_conductor::worker::Finish;

use super::{
    context::{DecodeError, Want},
    cores::Cores,
    follow::Turn,
    job::JobError,
    pace::TILE,
    queue::Shares,
    request::{Goal, Priority, Request},
    resident::Resident,
    watch::Inflow,
};

/// How long a batch may take: so long an answer that is being written stands still, and somebody who comes may have to wait.
/// With less, prompts are read in batches of a tile or two, which costs up to a tenth.
const TOGETHER: Duration = Duration::from_millis(600);
/// How long a batch may take of a request that is there alone. Whoever comes ends it, once for each request: the matrix kernels
/// and attention waste less on larger batches, about 5 % here.
const ALONE: Duration = Duration::from_secs(2);
/// The fewest tokens to read at once; fewer waste the matrix kernels.
const LEAST: usize = 32;
/// A run of forced tokens so short goes along with those that write.
const SHORT: usize = 16;
/// The most outputs of one batch: each is as many numbers as the model has words.
const OUTPUTS: usize = 64;

/// How many tokens go along with a batch's reading at most, for so many requests that write.
pub(super) fn most_beside(slots: usize) -> usize {
    slots * SHORT + OUTPUTS.max(slots)
}

/// How many of so many tokens to read now, if `most` can be: about as many as in each batch that follows, since the
/// matrix kernels waste time on a small rest.
fn even(pending: usize, most: usize) -> usize {
    if pending <= most {
        return pending;
    }
    let batches = pending.div_ceil(most.max(1));
    pending.div_ceil(batches).next_multiple_of(TILE).min(most)
}

/// A request's part of the batch.
struct Part {
    /// Which of those that run.
    at: usize,
    /// Where its tokens begin in the batch.
    first: usize,
    /// Tokens of the request that are read.
    tokens: usize,
    /// Guessed tokens after them.
    guess: Vec<LlamaToken>,
    /// The rows of its outputs: for the last token and each guessed one, or none if it reads on.
    rows: std::ops::Range<usize>,
}

/// What came of a request.
enum Outcome {
    GoesOn,
    Answered(Finish),
    Failed(JobError),
    Read,
}

impl Resident {
    /// Computes one batch for those that run. Says whether there was anything to do.
    pub(super) fn step(&mut self, shares: &mut Shares, inflow: &Inflow) -> bool {
        self.batch.clear();
        self.catch_up();
        let parts = self.compose(shares);
        if self.running.is_empty() {
            return false;
        }
        if self.batch.is_empty() || !self.make_room(self.batch.len()) {
            self.give_way();
            return true;
        }
        let states = parts
            .iter()
            .any(|part| !part.rows.is_empty() && self.is_state(part.at));
        let cores = Cores::here().take(self.threads);
        let began = Instant::now();
        let layers = self.layers(&parts);
        // Of a text that is read twice no later layer is ever needed.
        let only = parts.iter().all(|part| self.is_alone(part.at));
        let inside: Vec<usize> = parts.iter().map(|part| part.at).collect();
        let usual = self.pace.chunk(TOGETHER, LEAST, self.chunk);
        let want = Want {
            states,
            layers: &layers,
            only,
            watch: Some(self.watch(&inside, usual, inflow)),
        };
        let outcome = self.context.decode(&mut self.batch, want);
        drop(cores);
        let served = parts.iter().filter_map(|part| {
            let request = self.running.get(part.at)?;
            Some((&request.flow, part.tokens + part.guess.len()))
        });
        shares.charge(served);
        match outcome {
            Ok(()) => {
                // Without the later layers it takes about half as long.
                if !only {
                    self.pace.note(self.batch.len(), began.elapsed());
                }
                self.take(parts);
            }
            Err(DecodeError::Stopped) => self.take_back(&inside),
            Err(error) => self.fail_all(&error),
        }
        true
    }

    fn is_state(&self, at: usize) -> bool {
        let request = self.running.get(at);
        request.is_some_and(|request| matches!(request.goal, Goal::State(_)))
    }

    fn is_alone(&self, at: usize) -> bool {
        self.running.get(at).is_some_and(Request::is_alone)
    }

    /// The layers whose states somebody wants of this batch.
    fn layers(&self, parts: &[Part]) -> Vec<u16> {
        let mut layers = Vec::new();
        for part in parts {
            if let Some(Goal::Each(each)) = self.running.get(part.at).map(|request| &request.goal) {
                layers.extend(&each.layers);
            }
        }
        layers.sort_unstable();
        layers.dedup();
        layers
    }

    /// Takes the states that the batch gave of a request's tokens; false if there are none.
    fn keep_states(&mut self, part: &Part) -> bool {
        let Some(request) = self.running.get_mut(part.at) else {
            return true;
        };
        let Goal::Each(each) = &mut request.goal else {
            return true;
        };
        for token in 0..part.tokens {
            if !each.wanted.contains(&(request.read + token)) {
                continue;
            }
            for &layer in &each.layers {
                let Some(state) = self.context.state_after(layer, part.first + token) else {
                    return false;
                };
                each.states.values.extend_from_slice(state);
            }
        }
        true
    }

    /// Fills the batch: first a token of each that writes, with what may follow; then what is to be read, in turn.
    fn compose(&mut self, shares: &Shares) -> Vec<Part> {
        let mut parts = Vec::with_capacity(self.running.len());
        let writing = self.running.iter().filter(|r| r.is_writing()).count();
        let mut outputs = OUTPUTS.max(self.slots).saturating_sub(writing);
        let mut order: Vec<usize> = (0..self.running.len()).collect();
        order.sort_by_key(|&at| std::cmp::Reverse(self.running.get(at).map(|r| shares.turn(r))));
        let decision = self
            .running
            .iter()
            .any(|r| r.priority == Priority::Decision && !r.is_writing());
        for &at in &order {
            let Some(request) = self.running.get_mut(at) else {
                continue;
            };
            if request.pending() > SHORT || (request.pending() > 1 && request.written() == 0) {
                continue;
            }
            let guess = match &mut request.goal {
                Goal::Write(write) if request.tokens.len() - request.read == 1 => {
                    let written = request.tokens.len() - request.prompt;
                    let left = write.room.saturating_sub(written);
                    let pace = &self.pace;
                    let draft = write.draft.as_mut();
                    let guess = draft.map_or(&[][..], |draft| {
                        let price = |more| pace.price(writing.max(1), more);
                        draft.guess(&request.tokens, writing, price)
                    });
                    guess.get(..guess.len().min(left.saturating_sub(1)).min(outputs))
                }
                _ => None,
            };
            let guess = guess.unwrap_or_default().to_vec();
            outputs -= guess.len();
            let tokens = request.pending();
            parts.push(self.put(at, tokens, guess));
        }
        let time = self.lone().map_or(TOGETHER, |_| ALONE);
        // What others hold cannot be had, so a prompt is read as far as there is room.
        let room = self.chunk.min(self.sequences.within_reach());
        let room = room.saturating_sub(self.batch.len());
        let mut budget = self.pace.chunk(time, LEAST, self.chunk).min(room);
        for at in order {
            let Some(request) = self.running.get(at) else {
                continue;
            };
            // While the conductor thinks, nobody else's prompt is read.
            let waits = decision && request.priority != Priority::Decision;
            let turn = self.reader(at);
            let is_in = parts
                .iter()
                .any(|part: &Part| part.at == at || part.at == turn.at);
            if is_in || waits || budget == 0 {
                continue;
            }
            let Turn { at, until } = turn;
            let Some(request) = self.running.get(at) else {
                continue;
            };
            let mut tokens = even(until - request.read, budget);
            // The state of the fixed tokens is kept as it is at their end.
            if request.read < request.fixed {
                tokens = tokens.min(request.fixed - request.read);
            }
            budget -= tokens;
            parts.push(self.put(at, tokens, Vec::new()));
        }
        parts
    }

    fn put(&mut self, at: usize, tokens: usize, guess: Vec<LlamaToken>) -> Part {
        let mut part = Part {
            at,
            first: self.batch.len(),
            tokens,
            guess,
            rows: 0..0,
        };
        let Some(request) = self.running.get(at) else {
            return part;
        };
        let ends = tokens == request.pending();
        let fresh = request.tokens.get(request.read..request.read + tokens);
        let all = fresh.unwrap_or_default().iter().chain(&part.guess);
        for (i, &token) in all.enumerate() {
            let output = ends && i + 1 >= tokens;
            let row = self
                .batch
                .add(token, request.read + i, request.sequence, output);
            if let Some(row) = row {
                if part.rows.is_empty() {
                    part.rows.start = row;
                }
                part.rows.end = row + 1;
            }
        }
        part
    }

    /// Frees cells for a batch, of what nobody holds; false if that is not enough.
    fn make_room(&mut self, tokens: usize) -> bool {
        while self.sequences.free() < tokens {
            if !self.evict() {
                return false;
            }
        }
        true
    }

    /// Puts off the last request to come, which reads again later what it had, so that the others can end.
    fn give_way(&mut self) {
        let last = (0..self.running.len()).max_by_key(|&at| {
            let request = self.running.get(at);
            request.map(|r| (std::cmp::Reverse(r.priority), r.arrived))
        });
        let Some(last) = last else { return };
        let mut request = self.running.remove(last);
        self.drop_sequence(request.sequence);
        if self.running.is_empty() {
            // It had the whole cache.
            let reason = "the key-value cache is too small for it".into();
            return request.fail(JobError::Internal(reason));
        }
        tracing::debug!(
            tokens = request.tokens.len(),
            "a request gives way; the cache is full"
        );
        request.read = 0;
        if let Goal::Each(each) = &mut request.goal {
            each.states.values.clear();
        }
        self.crowded = true;
        self.put_off.push(request);
    }

    /// Takes what the batch gave.
    fn take(&mut self, parts: Vec<Part>) {
        let mut ended = Vec::new();
        for part in parts {
            let at = part.at;
            let outcome = self.settle(part);
            if !matches!(outcome, Outcome::GoesOn) {
                ended.push((at, outcome));
            }
        }
        ended.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let mut seats = Vec::with_capacity(ended.len());
        for (at, outcome) in ended {
            let request = self.running.remove(at);
            seats.push(request.seat());
            match outcome {
                Outcome::Answered(finish) => request.answer(finish),
                Outcome::Failed(error) => request.fail(error),
                Outcome::GoesOn | Outcome::Read => {}
            }
        }
        for seat in seats {
            self.end(seat);
        }
    }

    /// Notes what was read for a request, and takes the tokens that it wrote.
    fn settle(&mut self, part: Part) -> Outcome {
        if !self.keep_states(&part) {
            let reason = "this model has no states after the layers that were asked for";
            return Outcome::Failed(JobError::Internal(reason.into()));
        }
        let Some(request) = self.running.get_mut(part.at) else {
            return Outcome::GoesOn;
        };
        let sequence = request.sequence;
        let new = request.tokens.get(request.read..request.read + part.tokens);
        self.sequences.grow(sequence, new.unwrap_or_default());
        request.read += part.tokens;
        let fixed = request.fixed;
        if fixed > 0 && request.read == fixed {
            self.fix(sequence, fixed);
        }
        if part.rows.is_empty() {
            return Outcome::GoesOn;
        }
        let Some(request) = self.running.get_mut(part.at) else {
            return Outcome::GoesOn;
        };
        if let Goal::State(done) = &mut request.goal {
            let state = self.context.state(part.rows.start).map(<[f32]>::to_vec);
            let state = state.ok_or_else(|| {
                JobError::Internal("this model's hidden states cannot be read".into())
            });
            // The sender is used up with the request.
            let (unused, _) = tokio::sync::oneshot::channel();
            let _ = std::mem::replace(done, unused).send(state);
            return Outcome::Read;
        }
        if let Goal::Each(each) = &mut request.goal {
            if each.states.values.len() != each.wanted.len() * each.states.width {
                let reason = "the states of some tokens are missing";
                return Outcome::Failed(JobError::Internal(reason.into()));
            }
            let (unused, _) = tokio::sync::oneshot::channel();
            let states = std::mem::take(&mut each.states);
            let _ = std::mem::replace(&mut each.done, unused).send(Ok(states));
            return Outcome::Read;
        }
        let guessed = part.guess.len();
        let (right, outcome) = self.sample(&part);
        let Some(request) = self.running.get_mut(part.at) else {
            return outcome;
        };
        if guessed > 0 {
            if let Goal::Write(write) = &mut request.goal
                && let Some(draft) = &mut write.draft
            {
                draft.learn(guessed, right);
            }
            let kept = part.guess.get(..right).unwrap_or_default();
            request.read += right;
            self.sequences.grow(sequence, kept);
            if right < guessed {
                self.context.forget(sequence, request.read);
            }
        }
        outcome
    }

    /// Takes a token at each output as long as the guesses are right. Gives how many were.
    fn sample(&mut self, part: &Part) -> (usize, Outcome) {
        let mut right = 0;
        loop {
            let row = part.rows.start + right;
            let index = self.batch.index_of_row(row);
            let Some(logits) = index.and_then(|index| self.context.logits(index)) else {
                let error = JobError::Internal("llama.cpp gave no output".into());
                return (right, Outcome::Failed(error));
            };
            let Some(request) = self.running.get_mut(part.at) else {
                return (right, Outcome::GoesOn);
            };
            let Goal::Write(write) = &mut request.goal else {
                return (right, Outcome::GoesOn);
            };
            let token = match write.sampler.next(logits) {
                Ok(token) => token,
                Err(error) => return (right, Outcome::Failed(error)),
            };
            let (added, finish) = request.say(Some(token), &self.model);
            if let Some(finish) = finish {
                return (right, Outcome::Answered(finish));
            }
            if part.guess.get(right) != Some(&token) {
                return (right, Outcome::GoesOn);
            }
            right += 1;
            // What is forced comes before what was guessed.
            if added > 1 {
                return (right, Outcome::GoesOn);
            }
        }
    }

    fn fail_all(&mut self, error: &DecodeError) {
        tracing::error!(%error, requests = self.running.len(), "a batch failed; its requests end");
        for request in std::mem::take(&mut self.running) {
            self.drop_sequence(request.sequence);
            request.fail(JobError::Internal(format!("decoding failed: {error}")));
        }
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::even;

    #[test]
    fn what_takes_several_batches_is_read_in_even_ones() {
        assert_eq!(even(200, 256), 200);
        assert_eq!(even(518, 256), 192);
        assert_eq!(even(300, 64), 64);
        assert_eq!(even(300, 40), 40);
    }
}
