//! One request, from its tokens to its answer.

use llama_cpp_2::{model::LlamaModel, token::LlamaToken};
use shoal_conductor::{
    head::states::States,
    unit::Tokens,
    worker::{Finish, Reply, Usage},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    draft::Draft,
    job::{JobError, Pieces, Place},
    sampler::Sampler,
};
use crate::writing::Writing;

/// What goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    /// A step's text.
    Step,
    /// What the conductor thinks: short, and everything waits for it.
    Decision,
}

/// Whose work it is, so that tasks share the engine evenly.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Flow {
    /// Of a task.
    Task(String),
    /// Of nobody in particular: each by itself.
    Own(u64),
}

/// A request that waits or runs.
pub(super) struct Request {
    /// What was read or is to be read, in order: the prompt, then what was written.
    pub(super) tokens: Vec<LlamaToken>,
    /// How many of them the cache holds.
    pub(super) read: usize,
    /// How many of them are the prompt.
    pub(super) prompt: usize,
    /// Tokens of the prompt that the cache spared.
    pub(super) cached: usize,
    /// The leading tokens that are the same in every call; 0 if none are.
    pub(super) fixed: usize,
    /// The sequence that it has while it runs.
    pub(super) sequence: i32,
    pub(super) priority: Priority,
    pub(super) flow: Flow,
    /// The order of arrival.
    pub(super) arrived: u64,
    /// Cancelled when nobody waits for it any more.
    pub(super) cancel: CancellationToken,
    /// Whether a batch of its own was ended for the sake of somebody who came.
    pub(super) preempted: bool,
    /// Counts it as long as it is there.
    pub(super) _place: Place,
    pub(super) goal: Goal,
}

/// The sequence that a request has while it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) sequence: i32,
    /// Whether nobody may begin with what is there.
    pub(super) is_alone: bool,
}

/// What it is for.
pub(super) enum Goal {
    Write(Box<Write>),
    /// The hidden state at the last of the tokens.
    State(oneshot::Sender<Result<Vec<f32>, JobError>>),
    /// The states of some of the tokens after some layers.
    Each(Box<Each>),
}

/// The states of some of the tokens, while they are read.
pub(super) struct Each {
    /// The tokens that are wanted.
    pub(super) wanted: std::ops::Range<usize>,
    pub(super) layers: Vec<u16>,
    /// What there is so far.
    pub(super) states: States,
    pub(super) done: oneshot::Sender<Result<States, JobError>>,
}

/// An answer in the making.
pub(super) struct Write {
    pub(super) sampler: Sampler,
    pub(super) writing: Writing,
    pub(super) draft: Option<Draft>,
    /// The most tokens.
    pub(super) room: usize,
    pub(super) pieces: Option<Pieces>,
    pub(super) done: oneshot::Sender<Result<Reply, JobError>>,
}

impl Request {
    /// Tokens that are known and not read.
    pub(super) fn pending(&self) -> usize {
        self.tokens.len() - self.read
    }

    /// Whether it has its sequence for itself. What is read for its states begins with no other's tokens, since each of its own
    /// gives one; and nobody begins with its, for which later layers may not have been computed.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self.goal, Goal::Each(_))
    }

    /// What it holds.
    pub(super) fn seat(&self) -> Seat {
        Seat {
            sequence: self.sequence,
            is_alone: self.is_alone(),
        }
    }

    /// Whether it writes, so that it wants a token from each batch.
    pub(super) fn is_writing(&self) -> bool {
        self.pending() == 1 && self.tokens.len() > self.prompt
    }

    /// Tokens written.
    pub(super) fn written(&self) -> usize {
        self.tokens.len() - self.prompt
    }

    /// Adds the token that was chosen, if one was, and those that must follow. Gives how many were added, and why the
    /// answer ends, if it does.
    pub(super) fn say(
        &mut self,
        chosen: Option<LlamaToken>,
        model: &LlamaModel,
    ) -> (usize, Option<Finish>) {
        let Goal::Write(write) = &mut self.goal else {
            return (0, None);
        };
        let vocab = model.vocab();
        let mut added = 0;
        for token in chosen.into_iter().chain(write.sampler.forced()) {
            if vocab.is_eog(token) {
                return (added, Some(Finish::Stop));
            }
            if self.tokens.len() - self.prompt >= write.room {
                return (added, Some(Finish::Length));
            }
            self.tokens.push(token);
            added += 1;
            if write.push(&vocab.token_to_piece(token, false, None)) {
                return (added, Some(Finish::Stop));
            }
        }
        let is_full = self.tokens.len() - self.prompt >= write.room;
        let finish = if write.sampler.is_done() {
            Some(Finish::Stop)
        } else {
            is_full.then_some(Finish::Length)
        };
        (added, finish)
    }

    /// Ends it with an error.
    pub(super) fn fail(self, error: JobError) {
        // A caller that went away is no error.
        match self.goal {
            Goal::Write(write) => drop(write.done.send(Err(error))),
            Goal::State(done) => drop(done.send(Err(error))),
            Goal::Each(each) => drop(each.done.send(Err(error))),
        }
    }

    /// Ends it with the answer so far.
    pub(super) fn answer(self, finish: Finish) {
        let usage = Usage {
            input: Tokens(self.prompt as u64),
            cached: Tokens(self.cached as u64),
            output: Tokens(self.written() as u64),
        };
        if let Goal::Write(mut write) = self.goal {
            let rest = write.writing.finish();
            show(write.pieces.as_ref(), rest);
            let text = write.writing.into_text();
            let _ = write.done.send(Ok(Reply {
                text,
                finish,
                usage,
            }));
        }
    }
}

impl Write {
    /// Takes the bytes of one more token; whether a stop text came.
    fn push(&mut self, bytes: &[u8]) -> bool {
        let certain = self.writing.push(bytes);
        show(self.pieces.as_ref(), certain);
        self.writing.stopped()
    }
}

fn show(pieces: Option<&Pieces>, text: String) {
    if let Some(pieces) = pieces.filter(|_| !text.is_empty()) {
        // The reader may be gone; the answer is still wanted.
        let _ = pieces.send(text);
    }
}
