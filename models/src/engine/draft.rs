//! Guessing the next tokens from what was said before: prompt lookup decoding (Saxena, 2023).
//!
//! Summaries and rewrites repeat their input. Where most of the last tokens stood before, what followed them then is
//! decoded along with the next token, and what the model would have written itself is kept. The text is the same with
//! and without.

use std::collections::HashMap;

use llama_cpp_2::token::LlamaToken;

use super::Speculation;

/// As many tokens must have stood before; fewer guess too often wrong.
const KEY: usize = 3;
/// The longest guess.
const MOST: usize = 15;
/// The longest run of tokens that is compared.
const LONGEST: usize = 32;
/// So many equal tokens are no chance.
const LONG: usize = 8;
/// The most places that are compared.
const PLACES: usize = 64;
/// How much the outcome of one token counts.
const WEIGHT: f64 = 0.15;
/// How much faster a guess must make it, since prices are estimates.
const MARGIN: f64 = 1.05;

/// Guesses for one answer.
pub(super) struct Draft {
    /// Where each run of [`KEY`] tokens last ended.
    ends: HashMap<[i32; KEY], usize>,
    /// For each end, where the same run ended before; 0 if nowhere.
    before: Vec<usize>,
    /// How likely a guessed token is right, as seen lately: after a short run that stood before, and after a long one.
    right: [f64; 2],
    /// After which of them the last guess was made.
    kind: usize,
    /// The token that would have been guessed at a place, and was not: it shows for nothing whether guesses are right.
    foretold: Option<(usize, LlamaToken)>,
    /// Whether it guesses whatever it costs.
    always: bool,
}

impl Draft {
    /// No guesses yet; nothing if there are to be none.
    pub(super) fn new(speculation: Speculation) -> Option<Self> {
        (speculation != Speculation::Off).then(|| Self {
            ends: HashMap::new(),
            before: Vec::new(),
            right: [0.5, 0.8],
            kind: 0,
            foretold: None,
            always: speculation == Speculation::Always,
        })
    }

    /// What may follow `tokens`; nothing if there is no reason to guess. `writing` answers are in the batch, and
    /// `price` says what so many tokens more cost, as a multiple of it.
    pub(super) fn guess<'a>(
        &mut self,
        tokens: &'a [LlamaToken],
        writing: usize,
        price: impl Fn(usize) -> f64,
    ) -> &'a [LlamaToken] {
        self.index(tokens);
        if let Some((place, token)) = self.foretold.take()
            && let Some(came) = tokens.get(place)
        {
            self.see(*came == token);
        }
        let Some((end, run)) = self.find(tokens) else {
            return &[];
        };
        self.kind = usize::from(run >= LONG);
        let most = (tokens.len() - end).min(MOST);
        let length = if self.always {
            most
        } else {
            self.best(most, writing, price)
        };
        if length == 0 {
            self.foretold = tokens.get(end).map(|token| (tokens.len(), *token));
        }
        tokens.get(end..end + length).unwrap_or_default()
    }

    /// The length of the guess that makes the batch give most for its price; 0 if none is worth it.
    #[expect(clippy::cast_precision_loss, reason = "answers are few")]
    fn best(&self, most: usize, writing: usize, price: impl Fn(usize) -> f64) -> usize {
        let writing = writing.max(1) as f64;
        let right = self.right.get(self.kind).copied().unwrap_or_default();
        let (mut sure, mut gain) = (1.0, 0.0);
        let (mut best, mut length) = (MARGIN, 0);
        for more in 1..=most {
            sure *= right;
            gain += sure;
            let worth = (writing + gain) / writing / price(more);
            if worth > best {
                (best, length) = (worth, more);
            }
        }
        length
    }

    /// Learns how many of the guessed tokens were right.
    pub(super) fn learn(&mut self, guessed: usize, right: usize) {
        for at in 0..guessed.min(right + 1) {
            self.see(at < right);
        }
    }

    fn see(&mut self, right: bool) {
        let outcome = if right { 1.0 } else { 0.0 };
        if let Some(known) = self.right.get_mut(self.kind) {
            *known += WEIGHT * (outcome - *known);
        }
    }

    /// Where the longest run that ends `tokens` ended before, and how long it is; of equal ones the latest.
    fn find(&self, tokens: &[LlamaToken]) -> Option<(usize, usize)> {
        let mut place = *self.ends.get(&key(tokens, tokens.len())?)?;
        let mut best: Option<(usize, usize)> = None;
        for _ in 0..PLACES {
            let earlier = tokens.get(..place).unwrap_or_default().iter().rev();
            let pairs = earlier.zip(tokens.iter().rev()).take(LONGEST);
            let run = pairs.take_while(|(a, b)| a == b).count();
            if best.is_none_or(|(_, longest)| run > longest) {
                best = Some((place, run));
            }
            match self.before.get(place) {
                Some(&former) if former > 0 => place = former,
                _ => break,
            }
        }
        best
    }

    /// All runs but the last, which would find itself.
    fn index(&mut self, tokens: &[LlamaToken]) {
        for end in self.before.len()..tokens.len() {
            let former = key(tokens, end).and_then(|key| self.ends.insert(key, end));
            self.before.push(former.unwrap_or_default());
        }
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
        assert_eq!(draft.guess(&said, 1, |_| 1.0), &said[3..]);
        // A guess that costs as much as it can bring is not made.
        assert_eq!(draft.guess(&said, 1, |n| 1.0 + n as f64), []);
        let new = tokens(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3]);
        assert_eq!(fresh().guess(&new, 1, |_| 1.0), []);
        assert_eq!(fresh().guess(&tokens(&[1, 2]), 1, |_| 1.0), []);
    }

    #[test]
    fn misses_make_it_shy_and_hits_make_it_bold() {
        let said = tokens(&[1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3]);
        let price = |n| 1.0 + 0.5 * n as f64;
        let mut draft = fresh();
        let first = draft.guess(&said, 1, price).len();
        draft.learn(4, 4);
        draft.learn(4, 4);
        assert!(draft.guess(&said, 1, price).len() > first);
        for _ in 0..12 {
            draft.learn(4, 0);
        }
        assert_eq!(draft.guess(&said, 1, price), []);
    }

    #[test]
    fn the_longest_run_is_followed_and_not_the_latest() {
        let said = tokens(&[7, 1, 2, 3, 4, 5, 9, 1, 2, 3, 6, 7, 1, 2, 3]);
        assert_eq!(fresh().guess(&said, 1, |_| 1.0)[..2], said[4..6]);
    }

    #[test]
    fn it_takes_heart_again_from_what_it_did_not_say() {
        let period: Vec<i32> = (1..9).cycle().take(60).collect();
        let said = tokens(&period);
        let price = |n| 1.0 + 0.5 * n as f64;
        let mut draft = fresh();
        for _ in 0..12 {
            draft.learn(4, 0);
        }
        let lengths: Vec<usize> = (12..60)
            .map(|end| draft.guess(&said[..end], 1, price).len())
            .collect();
        assert_eq!(lengths[0], 0);
        assert!(lengths[47] > 0, "{lengths:?}");
    }

    #[test]
    fn a_guess_beside_others_is_worth_what_it_adds_to_all() {
        let said = tokens(&[1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3]);
        let price = |n| 1.0 + 0.2 * n as f64;
        assert!(!fresh().guess(&said, 1, price).is_empty());
        assert!(fresh().guess(&said, 8, price).is_empty());
    }
}
