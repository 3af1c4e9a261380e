//! How long batches take on this board, as measured while they run.

use std::time::Duration;

/// Batches up to this many tokens are remembered one by one: they are what writing costs.
const SMALL: usize = 32;
/// How much a new measurement counts.
const WEIGHT: f64 = 0.2;

/// Tokens that the matrix kernels take at once without waste.
pub(super) const TILE: usize = 64;
/// Where so many take too long.
const SMALL_TILE: usize = 16;

/// What was measured.
pub(super) struct Pace {
    /// Seconds that a batch of so many tokens takes; 0 if none was seen.
    small: [f64; SMALL + 1],
    /// Seconds for each token of a large batch; 0 if none was seen.
    each: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            small: [0.0; SMALL + 1],
            each: 0.0,
        }
    }
}

impl Pace {
    /// Takes in that a batch of `tokens` took so long.
    pub(super) fn note(&mut self, tokens: usize, took: Duration) {
        let seconds = took.as_secs_f64();
        match self.small.get_mut(tokens) {
            Some(known) => blend(known, seconds),
            None => blend(&mut self.each, seconds / tokens.max(1) as f64),
        }
    }

    /// The most tokens to read in one batch, so that it takes about `time`, at least `least` and at most `most`.
    pub(super) fn chunk(&self, time: Duration, least: usize, most: usize) -> usize {
        if self.each <= 0.0 {
            return most.min(least.max(64));
        }
        let tokens = time.as_secs_f64() / self.each;
        // Fewer than 2^52, and whole tiles of the matrix kernels.
        let tokens = tokens as usize;
        let tile = if tokens < TILE { SMALL_TILE } else { TILE };
        (tokens / tile * tile).clamp(least.min(most), most)
    }

    /// About how long reading so many tokens takes; [`Duration::MAX`] if that is not known yet.
    pub(super) fn reading(&self, tokens: usize) -> Duration {
        if self.each <= 0.0 {
            return Duration::MAX;
        }
        Duration::from_secs_f64(self.each * tokens as f64)
    }

    /// What a batch of `tokens` and `more` costs, as a multiple of one without.
    pub(super) fn price(&self, tokens: usize, more: usize) -> f64 {
        match (self.seconds(tokens), self.seconds(tokens + more)) {
            (Some(without), Some(with)) if without > 0.0 => (with / without).max(1.0),
            // Nothing is known yet: batches are cheap where memory bounds, and this is how it gets known.
            _ => 1.0 + 0.08 * more as f64,
        }
    }

    /// Seconds for a small batch, from the nearest that were seen.
    fn seconds(&self, tokens: usize) -> Option<f64> {
        let known = |n: &usize| self.small.get(*n).is_some_and(|s| *s > 0.0);
        let at = |n: usize| self.small.get(n).copied().unwrap_or(0.0);
        if known(&tokens) {
            return Some(at(tokens));
        }
        let below = (1..tokens.min(SMALL + 1)).rev().find(known)?;
        match (tokens + 1..=SMALL).find(known) {
            Some(above) => {
                let part = (tokens - below) as f64 / (above - below) as f64;
                Some(at(below) + part * (at(above) - at(below)))
            }
            None => Some(at(below) + (tokens - below) as f64 * self.each.max(at(below) * 0.05)),
        }
    }
}

fn blend(known: &mut f64, new: f64) {
    if *known <= 0.0 {
        *known = new;
    } else {
        // A batch that was held up by something else says little.
        *known += WEIGHT * (new.min(3.0 * *known) - *known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_fit_the_time() {
        let mut pace = Pace::default();
        let time = Duration::from_millis(100);
        assert_eq!(pace.chunk(time, 32, 512), 64);
        assert_eq!(pace.reading(3), Duration::MAX);
        pace.note(100, Duration::from_millis(100));
        assert_eq!(pace.chunk(time, 32, 512), 64);
        assert_eq!(pace.chunk(time / 2, 32, 512), 48);
        assert_eq!(pace.chunk(time, 32, 64), 64);
        assert_eq!(pace.chunk(Duration::from_millis(1), 32, 512), 32);
        assert!(pace.reading(50).abs_diff(Duration::from_millis(50)) < Duration::from_millis(1));
    }

    #[test]
    fn the_price_of_more_is_read_between_what_was_seen() {
        let mut pace = Pace::default();
        assert!(pace.price(1, 4) > 1.0);
        pace.note(1, Duration::from_millis(10));
        pace.note(9, Duration::from_millis(18));
        assert!((pace.price(1, 4) - 1.4).abs() < 1e-9);
        assert!((pace.price(1, 8) - 1.8).abs() < 1e-9);
        assert!(pace.price(1, 12) > 1.8);
    }
}
