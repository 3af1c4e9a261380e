//! One call of the engine with a watch in hand.

use std::time::{Duration, Instant};

use shoal_conductor::{
    prompt::{Format, Message, Prompt, Sampling, Speaker},
    worker::{Backbone as _, Call, Usage},
};
use shoal_models::engine::Engine;
use tokio::sync::mpsc;

use super::outcome::Side;
use crate::exit::Fault;

/// Pieces that may wait for the watch; more than any answer here has.
const PIECES: usize = 4096;

/// What a call took, all from its start.
#[derive(Clone, Copy, Debug)]
pub struct Timed {
    /// What was read and written.
    pub usage: Usage,
    /// When the first piece came.
    pub first: Duration,
    /// When the last piece came.
    pub last: Duration,
    /// When the answer was whole.
    pub whole: Duration,
}

impl Timed {
    /// Writing: the tokens after the first piece, and the time for them.
    pub fn written(&self, what: &str) -> Side {
        let tokens = self.usage.output.0.saturating_sub(1);
        let time = self.last.saturating_sub(self.first);
        Side::new(what, tokens, time, self.usage.input.0)
    }

    /// Reading: the tokens that no cache spared, and the time until the answer was whole.
    pub fn read(&self, what: &str) -> Side {
        let tokens = self.usage.input.0.saturating_sub(self.usage.cached.0);
        Side::new(what, tokens, self.whole, self.usage.input.0)
    }
}

/// A question to a model, answered greedily by at most `max_tokens` tokens.
pub fn question(system: Option<&str>, user: &str, max_tokens: u32) -> Prompt {
    let mut messages: Vec<Message> = Vec::with_capacity(2);
    messages.extend(system.map(|system| Message::new(Speaker::System, system)));
    messages.push(Message::new(Speaker::User, user));
    Prompt {
        messages,
        fixed: 0,
        format: Format::Text,
        sampling: Sampling {
            max_tokens,
            ..Sampling::default()
        },
    }
}

/// The same, whose system prompt is the same in every call.
pub fn fixed(system: &str, user: &str, max_tokens: u32) -> Prompt {
    Prompt {
        fixed: 1,
        ..question(Some(system), user, max_tokens)
    }
}

/// Asks, and takes the times.
pub async fn ask(engine: &Engine, prompt: Prompt) -> Result<Timed, Fault> {
    let (stream, mut pieces) = mpsc::channel(PIECES);
    let call = Call {
        stream: Some(stream),
        ..Call::default()
    };
    let began = Instant::now();
    let listen = async {
        let (mut first, mut last) = (None, None);
        while pieces.recv().await.is_some() {
            let now = began.elapsed();
            first.get_or_insert(now);
            last = Some(now);
        }
        (first, last)
    };
    let answer = async {
        let reply = engine.complete(prompt, call).await;
        (reply, began.elapsed())
    };
    let ((reply, whole), (first, last)) = tokio::join!(answer, listen);
    Ok(Timed {
        usage: reply.map_err(Fault::failed)?.usage,
        first: first.unwrap_or(whole),
        last: last.unwrap_or(whole),
        whole,
    })
}

#[cfg(test)]
mod tests {
    use shoal_conductor::unit::Tokens;

    use super::*;

    #[test]
    fn reading_and_writing_are_told_apart() {
        let timed = Timed {
            usage: Usage {
                input: Tokens(500),
                cached: Tokens(20),
                output: Tokens(129),
            },
            first: Duration::from_millis(1000),
            last: Duration::from_millis(1640),
            whole: Duration::from_millis(1650),
        };
        let written = timed.written("w");
        assert_eq!((written.tokens, written.rate), (128, 200.0));
        assert_eq!(timed.read("r").tokens, 480);
    }
}
