//! What the backbone makes of each token of a text.

use serde::{Deserialize, Serialize};

/// How a text is read for the states of its tokens.
///
/// A causal model sees only what comes before a token. So the text goes in twice, and the states are those of the second
/// copy, which has seen all of the text in the first (sequence repetition, arXiv 2601.17585 and 2604.05158). The
/// prompt is the token that begins a text, the window, `between`, and the window again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The layers whose output is taken, from 0; not the last one of the model.
    pub layers: Vec<u16>,
    /// A longer text is read in pieces of so many tokens.
    pub window: usize,
    /// So many tokens are in two pieces that follow each other; each piece gives the states of its half of them.
    pub overlap: usize,
    /// What stands between the two copies.
    pub between: String,
    /// The longest text, in tokens.
    pub most: usize,
    /// The text goes in once and nothing stands between: for what is to be known of the whole, not of each token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
}

/// The way of reading that heads are taught with.
impl Default for Reading {
    fn default() -> Self {
        Self {
            layers: vec![8, 13, 19],
            window: 448,
            overlap: 64,
            between: "\n\n".to_owned(),
            most: 16_384,
            once: false,
        }
    }
}

impl Reading {
    /// How many pieces a text of so many tokens is read in.
    #[must_use]
    pub fn pieces(&self, tokens: usize) -> usize {
        let step = self.step();
        let rest = tokens.saturating_sub(self.window);
        1 + rest.div_ceil(step)
    }

    /// The tokens of a piece, and those of them whose states it gives.
    #[must_use]
    pub fn piece(
        &self,
        number: usize,
        tokens: usize,
    ) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let begin = (number * self.step()).min(tokens);
        let end = (begin + self.window).min(tokens);
        let half = self.overlap / 2;
        let first = if begin == 0 { 0 } else { begin + half };
        let last = if end == tokens {
            tokens
        } else {
            end - (self.overlap - half)
        };
        (begin..end, first.min(last)..last)
    }

    fn step(&self) -> usize {
        self.window.saturating_sub(self.overlap).max(1)
    }
}

/// The states of a text's tokens, or of a piece of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct States {
    /// Where each token of the text ends, in bytes.
    pub ends: Vec<usize>,
    /// How many numbers each token has: the layers' widths together.
    pub width: usize,
    /// Token by token: the layers' states one after another, in the order they were asked for.
    pub values: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_give_each_token_once_and_overlap_as_said() {
        let reading = Reading {
            layers: vec![1],
            window: 10,
            overlap: 4,
            between: "\n\n".into(),
            most: 1000,
            once: false,
        };
        for tokens in 0..60 {
            let pieces = reading.pieces(tokens);
            let mut next = 0;
            for number in 0..pieces {
                let (read, given) = reading.piece(number, tokens);
                assert!(read.len() <= 10, "{read:?}");
                assert_eq!(given.start, next);
                assert!(given.start >= read.start && given.end <= read.end);
                assert!(number == 0 || given.start == read.start + 2);
                next = given.end;
            }
            assert_eq!(next, tokens);
        }
    }
}
