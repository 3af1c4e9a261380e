//! A text that is read for the states of all its tokens, mostly twice.

use std::ops::Range;

use llama_cpp_2::token::LlamaToken;
use shoal_conductor::head::states::{Reading, States};

use super::{job::JobError, resident::Resident};

impl Resident {
    /// The tokens of one piece as they are read, which of them are wanted, and the states without their values.
    pub(super) fn piece(
        &self,
        text: &str,
        reading: &Reading,
        number: usize,
    ) -> Result<(Vec<LlamaToken>, Range<usize>, States), JobError> {
        self.ruler.check([text], reading.most)?;
        let vocab = self.model.vocab();
        let tokens = vocab.tokenize(text.as_bytes(), false, false);
        if tokens.len() > reading.most {
            let (tokens, limit) = (tokens.len(), reading.most);
            return Err(JobError::TooLong { tokens, limit });
        }
        let mut ends = Vec::with_capacity(tokens.len());
        let mut end = 0;
        for &token in &tokens {
            end += vocab.token_to_piece(token, true, None).len();
            ends.push(end);
        }
        if end != text.len() {
            let reason = "this model's tokens do not make up the text they stand for".into();
            return Err(JobError::Internal(reason));
        }
        let (read, given) = reading.piece(number, tokens.len());
        let between = vocab.tokenize(reading.between.as_bytes(), false, false);
        let window = tokens.get(read.clone()).unwrap_or_default();
        let mut twice = Vec::with_capacity(2 * window.len() + between.len() + 1);
        twice.push(vocab.bos());
        twice.extend_from_slice(window);
        let mut given_from = 1;
        if !reading.once {
            twice.extend_from_slice(&between);
            given_from = twice.len();
            twice.extend_from_slice(window);
        }
        if twice.len() > self.hidden_limit {
            let (tokens, limit) = (twice.len(), self.hidden_limit);
            return Err(JobError::TooLong { tokens, limit });
        }
        let wanted = given_from + given.start - read.start..given_from + given.end - read.start;
        let width = usize::try_from(self.model.n_embd()).unwrap_or_default();
        let width = width * reading.layers.len();
        let states = States {
            ends,
            width,
            values: Vec::with_capacity(wanted.len() * width),
        };
        Ok((twice, wanted, states))
    }
}
