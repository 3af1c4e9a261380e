//! Random values with a seed.

/// A generator of 64 bits (xorshift, G. Marsaglia 2003).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 to `below`, exclusive.
    pub(super) fn roll(&mut self, below: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % below
    }

    /// From `from` to `to`, inclusive.
    pub(super) fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.roll(to - from + 1)
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }

    pub(super) fn text(&mut self, alphabet: &str, length: usize) -> String {
        let all: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| all[self.roll(all.len())]).collect()
    }

    /// Digits, the first of which is no zero.
    pub(super) fn digits(&mut self, length: usize) -> String {
        let first = self.text("123456789", 1);
        first + &self.text("0123456789", length - 1)
    }

    pub(super) fn base62(&mut self, length: usize) -> String {
        self.text(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            length,
        )
    }

    pub(super) fn hex(&mut self, length: usize) -> String {
        self.text("0123456789abcdef", length)
    }
}
