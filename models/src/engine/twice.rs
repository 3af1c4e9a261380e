//! A text that is read for the states of all its tokens, mostly twice.

use std::{ops::Range, sync::Arc};

use llama_cpp_2::token::LlamaToken;
use shoal_conductor::{
    head::states::{Reading, States},
    id::TaskId,
    worker::WorkerError,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    Engine, Priority,
    job::{JobError, Work},
    resident::Resident,
};

impl Engine {
    /// The states of all tokens of a text.
    pub(super) async fn read_twice(
        &self,
        text: &str,
        reading: &Reading,
        task: Option<&TaskId>,
    ) -> Result<States, WorkerError> {
        let (text, reading) = (Arc::<str>::from(text), Arc::new(reading.clone()));
        let mut all = States::default();
        let (mut piece, mut pieces) = (0, usize::from(!text.is_empty()));
        // One after another, so that a long text leaves room for others between its pieces.
        while piece < pieces {
            let (done, states) = oneshot::channel();
            let work = Work::States {
                text: Arc::clone(&text),
                reading: Arc::clone(&reading),
                piece,
                done,
            };
            let id = &self.shared.id;
            let cancel = CancellationToken::new();
            let _waits = cancel.clone().drop_guard();
            self.submit(id, Priority::Decision, task.cloned(), cancel, work)?;
            let states = states.await.unwrap_or(Err(JobError::broken()));
            let states = states.map_err(|e| e.by(id))?;
            pieces = reading.pieces(states.ends.len());
            all.values.extend(states.values);
            (all.ends, all.width) = (states.ends, states.width);
            piece += 1;
        }
        Ok(all)
    }
}

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
