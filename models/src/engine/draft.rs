//! Guessing the next tokens from what was said before: prompt lookup decoding (Saxena, 2023).
//!
//! Summaries and rewrites repeat their input. Where the last tokens stood before, what followed them then is decoded
//! along with the next token, and what the model would have written itself is kept. The text is the same with and
//! without.

use std::collections::HashMap;

use llama_cpp_2::token::LlamaToken;

use super::Speculation;

/// As many tokens must have stood before; fewer guess too often wrong.
const KEY: usize = 3;
/// The longest guess.
const MOST: usize = 12;
/// After so many misses in a row, guessing pauses for two to the power of this many tokens.
const LONGEST_PAUSE: u32 = 6;

/// Guesses for one answer.
pub(super) struct Draft {
    /// Where each run of [`KEY`] tokens last ended.
    ends: HashMap<[i32; KEY], usize>,
    /// Tokens that are in `ends`.
    indexed: usize,
    length: usize,
    misses: u32,
    pause: u32,
    /// How likely a guessed token is right, as seen lately.
    right: f64,
    /// Whether it guesses whatever it costs.
    always: bool,
}

impl Draft {
    /// No guesses yet; nothing if there are to be none.
    pub(super) fn new(speculation: Speculation) -> Option<Self> {
        (speculation != Speculation::Off).then(|| Self {
            ends: HashMap::new(),
            indexed: 0,
            length: 4,
            misses: 0,
            pause: 0,
            right: 0.7,
            always: speculation == Speculation::Always,
        })
    }

    /// What may follow `tokens`; nothing if there is no reason to guess. `price` says what a batch with so many tokens
    /// more costs, as a multiple.
    pub(super) fn guess<'a>(
        &mut self,
        tokens: &'a [LlamaToken],
        price: impl Fn(usize) -> f64,
    ) -> &'a [LlamaToken] {
        self.index(tokens);
        if self.pause > 0 {
            self.pause -= 1;
            return &[];
        }
        let found = key(tokens, tokens.len()).and_then(|key| self.ends.get(&key));
        let Some(&end) = found else { return &[] };
        let last = tokens.len().min(end + self.length);
        let guess = tokens.get(end..last).unwrap_or_default();
        if self.pays(guess.len(), &price) {
            guess
        } else {
            &[]
        }
    }

    fn pays(&self, length: usize, price: &impl Fn(usize) -> f64) -> bool {
        let (mut sure, mut gain) = (1.0, 1.0);
        for _ in 0..length {
            sure *= self.right;
            gain += sure;
        }
        length > 0 && (self.always || gain > 1.05 * price(length))
    }

    /// Learns how many of the guessed tokens were right.
    pub(super) fn learn(&mut self, guessed: usize, right: usize) {
        if guessed == 0 {
            return;
        }
        for at in 0..guessed.min(right + 1) {
            let outcome = if at < right { 1.0 } else { 0.0 };
            self.right += 0.1 * (outcome - self.right);
        }
        if right == guessed {
            self.length = (self.length * 2).min(MOST);
            self.misses = 0;
        } else if right > 0 {
            self.length = (right + 2).min(MOST);
            self.misses = 0;
        } else {
            self.length = (self.length / 2).max(2);
            self.misses = (self.misses + 1).min(LONGEST_PAUSE);
            self.pause = 1 << self.misses;
            // Else it would stay below any price for ever.
            self.right = self.right.max(0.4);
        }
    }

    /// All runs but the last, which would find itself.
    fn index(&mut self, tokens: &[LlamaToken]) {
        for end in self.indexed.max(KEY)..tokens.len() {
            if let Some(key) = key(tokens, end) {
                self.ends.insert(key, end);
            }
        }
        self.indexed = tokens.len();
    }
}

/// The tokens before `end`.
fn key(tokens: &[LlamaToken], end: usize) -> Option<[i32; KEY]> {
    let last = tokens.get(end.checked_sub(KEY)?..end)?;
    let mut key = [0; KEY];
    for (number, token) in key.iter_mut().zip(last) {
        *number = token.0;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(numbers: &[i32]) -> Vec<LlamaToken> {
        numbers.iter().copied().map(LlamaToken).collect()
    }

    fn fresh() -> Draft {
        Draft::new(Speculation::WhereItPays).unwrap()
    }

    #[test]
    fn what_followed_before_is_guessed() {
        let said = tokens(&[1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3]);
        let mut draft = fresh();
        assert_eq!(draft.guess(&said, |_| 1.0), tokens(&[4, 5, 6, 7]));
        // A guess that costs as much as it can bring is not made.
        assert_eq!(draft.guess(&said, |n| 1.0 + n as f64), []);
        let new = tokens(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3]);
        assert_eq!(fresh().guess(&new, |_| 1.0), []);
        assert_eq!(fresh().guess(&tokens(&[1, 2]), |_| 1.0), []);
    }

    #[test]
    fn misses_make_it_pause_and_hits_make_it_bold() {
        let said = tokens(&[1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3]);
        let mut draft = fresh();
        draft.learn(4, 0);
        for _ in 0..2 {
            assert_eq!(draft.guess(&said, |_| 1.0), []);
        }
        assert_eq!(draft.guess(&said, |_| 1.0), tokens(&[4, 5]));
        draft.learn(2, 2);
        draft.learn(4, 4);
        assert_eq!(draft.guess(&said, |_| 1.0).len(), 8);
    }
}
