//! How long each worker takes, as its last calls showed.
//!
//! A call takes so long for each token read that no cache spares, and so long for each one written; a cache is taken to spare as
//! much as it did of late. Both are least squares over
//! the calls, in which each counts for less than the one after it, so that a board that throttles or a network that slows down
//! shows within a few of them. As long as calls are too alike to tell the two apart, a token written is taken to cost as much as
//! ten that are read.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{id::WorkerId, worker::Usage};

/// How much a call counts beside the next one.
const FADE: f64 = 0.9;
/// Tokens that take as long to read as one to write, until calls show better.
const READS: f64 = 10.0;
/// How much that counts beside the calls.
const BELIEF: f64 = 0.05;

/// An answer that takes less was there already, and says nothing of what one takes.
const LEAST: Duration = Duration::from_millis(2);

/// The paces of all workers.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<BTreeMap<WorkerId, Pace>>);

/// A call under way; dropped without [`Paces::done`], it says nothing.
pub(crate) struct Under<'p> {
    paces: &'p Paces,
    worker: WorkerId,
    /// Calls of this worker that were under way with it, itself too.
    together: u32,
}

#[derive(Debug, Default)]
struct Pace {
    under_way: u32,
    /// Sums of squares and products of tokens read, tokens written and seconds.
    reads: f64,
    both: f64,
    writes: f64,
    read_seconds: f64,
    write_seconds: f64,
    /// Sums of them, of tokens with those that a cache spared, and of calls.
    input: f64,
    read: f64,
    written: f64,
    seconds: f64,
    calls: f64,
}

impl Paces {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkerId, Pace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins.
    pub fn begin(&self, worker: &WorkerId) -> Under<'_> {
        let mut all = self.lock();
        let pace = all.entry(worker.clone()).or_default();
        pace.under_way += 1;
        Under {
            paces: self,
            worker: worker.clone(),
            together: pace.under_way,
        }
    }

    /// How long a call would take that reads so many tokens and writes at most so many: nothing where nobody knows yet. With
    /// `shares`, calls that are under way slow each other down, as on this board.
    pub fn expect(&self, worker: &WorkerId, read: f64, most: u32, shares: bool) -> Duration {
        let all = self.lock();
        let Some(pace) = all.get(worker) else {
            return Duration::ZERO;
        };
        let others = if shares { pace.under_way } else { 0 };
        let seconds = pace.seconds(read, f64::from(most)) * (1.0 + f64::from(others));
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

impl Under<'_> {
    /// The call is done. With `shares`, what it took is put down to all that were under way with it.
    pub fn done(self, usage: Usage, took: Duration, shares: bool) {
        if took < LEAST {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "tokens of one call")]
        let [input, cached, written] =
            [usage.input, usage.cached, usage.output].map(|tokens| tokens.0 as f64);
        let share = if shares {
            f64::from(self.together)
        } else {
            1.0
        };
        let mut all = self.paces.lock();
        if let Some(pace) = all.get_mut(&self.worker) {
            pace.input = pace.input * FADE + input;
            pace.add(
                (input - cached).max(0.0),
                written,
                took.as_secs_f64() / share,
            );
        }
    }
}

impl Drop for Under<'_> {
    fn drop(&mut self) {
        if let Some(pace) = self.paces.lock().get_mut(&self.worker) {
            pace.under_way = pace.under_way.saturating_sub(1);
        }
    }
}

impl Pace {
    fn add(&mut self, read: f64, written: f64, seconds: f64) {
        for (sum, more) in [
            (&mut self.reads, read * read),
            (&mut self.both, read * written),
            (&mut self.writes, written * written),
            (&mut self.read_seconds, read * seconds),
            (&mut self.write_seconds, written * seconds),
            (&mut self.read, read),
            (&mut self.written, written),
            (&mut self.seconds, seconds),
            (&mut self.calls, 1.0),
        ] {
            *sum = *sum * FADE + more;
        }
    }

    /// Seconds for so many tokens; what is written is as much as it was of late, but not more than `most`.
    fn seconds(&self, read: f64, most: f64) -> f64 {
        let weighed = self.read / READS + self.written;
        if self.calls <= 0.0 || weighed <= 0.0 {
            return 0.0;
        }
        let write = self.seconds / weighed;
        let [read_pace, write_pace] = self.solve([write / READS, write]);
        let read = read * self.read / self.input.max(1.0);
        read_pace * read + write_pace * (self.written / self.calls).min(most)
    }

    /// Seconds for a token read and one written: what fits the calls best and is not far from `believed`.
    fn solve(&self, believed: [f64; 2]) -> [f64; 2] {
        // A little of each own weight keeps it solvable.
        let (a, d) = (
            self.reads * (1.0 + BELIEF) + 1e-9,
            self.writes * (1.0 + BELIEF) + 1e-9,
        );
        let p = self.read_seconds + BELIEF * self.reads * believed[0] + 1e-9 * believed[0];
        let q = self.write_seconds + BELIEF * self.writes * believed[1] + 1e-9 * believed[1];
        let determinant = a * d - self.both * self.both;
        let found = [
            (d * p - self.both * q) / determinant,
            (a * q - self.both * p) / determinant,
        ];
        // Nobody writes before time.
        match found {
            [read, _] if read < 0.0 => [0.0, q / d],
            [_, write] if write < 0.0 => [p / a, 0.0],
            found => found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fake::id, unit::Tokens};

    fn usage(input: u64, cached: u64, output: u64) -> Usage {
        Usage {
            input: Tokens(input),
            cached: Tokens(cached),
            output: Tokens(output),
        }
    }

    /// A call of a worker that reads a hundred tokens a second and writes ten.
    fn call(paces: &Paces, input: u64, cached: u64, output: u64) {
        let took = Duration::from_millis((input - cached) * 10 + output * 100);
        paces
            .begin(&id("local"))
            .done(usage(input, cached, output), took, true);
    }

    fn expected(paces: &Paces, read: f64, most: u32) -> f64 {
        paces.expect(&id("local"), read, most, true).as_secs_f64()
    }

    #[test]
    fn what_reading_and_writing_take_is_learnt_from_calls() {
        let paces = Paces::default();
        assert!(expected(&paces, 1000.0, 100) < 1e-9);
        for (input, output) in [(100, 50), (900, 20), (50, 200), (400, 10)] {
            call(&paces, input, 0, output);
        }
        // Ten seconds to read, and seven to write what it writes on average.
        let of = expected(&paces, 1000.0, 500);
        assert!((of - 16.8).abs() < 1.5, "{of}");
        let short = expected(&paces, 1000.0, 1);
        assert!((short - 10.1).abs() < 1.0, "{short}");
        // A cache spares about half of what is read from now on.
        for _ in 0..30 {
            call(&paces, 500, 250, 50);
        }
        let cached = expected(&paces, 1000.0, 1);
        assert!((cached - 5.1).abs() < 0.7, "{cached}");
    }

    #[test]
    fn one_call_is_enough_for_a_guess_and_a_slower_board_shows_soon() {
        let paces = Paces::default();
        call(&paces, 200, 0, 40);
        let before = expected(&paces, 200.0, 40);
        assert!((before - 6.0).abs() < 0.5, "{before}");
        for _ in 0..20 {
            let took = Duration::from_secs(18);
            paces
                .begin(&id("local"))
                .done(usage(200, 0, 40), took, true);
        }
        let after = expected(&paces, 200.0, 40);
        assert!((after - 18.0).abs() < 2.0, "{after}");
    }

    #[test]
    fn calls_that_share_a_board_wait_for_each_other() {
        let paces = Paces::default();
        call(&paces, 200, 0, 40);
        let alone = expected(&paces, 200.0, 40);
        let (one, two) = (paces.begin(&id("local")), paces.begin(&id("local")));
        assert!((expected(&paces, 200.0, 40) - 3.0 * alone).abs() < 1e-6);
        drop((one, two));
        assert!((expected(&paces, 200.0, 40) - alone).abs() < 1e-6);
    }
}
