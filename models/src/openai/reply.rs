//! The answer, from events or in one piece.

use std::pin::pin;

use eventsource_stream::{EventStreamError, Eventsource};
use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::Value;
use shoal_conductor::{
    prompt::Prompt,
    unit::Tokens,
    worker::{Finish, Reply, Usage, WorkerError},
};
use tokio::sync::mpsc;

use crate::{
    egress::{Answer, Dialect, message, shorten},
    writing::Writing,
};

/// Bytes that make one token in a rough estimate, for servers that do not count.
const BYTES_PER_TOKEN: usize = 4;

#[derive(Deserialize)]
struct Event {
    choices: Option<Vec<Choice>>,
    usage: Option<Counted>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    /// In an event.
    delta: Option<Said>,
    /// In an answer in one piece.
    message: Option<Said>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Counted {
    /// Null where a server does not count.
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
}

/// An answer that is being read.
pub(super) struct Reading<'a> {
    dialect: &'a dyn Dialect,
    prompt: &'a Prompt,
    stream: Option<&'a mpsc::Sender<String>>,
    writing: Writing,
    finish: Option<Finish>,
    usage: Option<Counted>,
    /// Whether the answer may end without a reason.
    pub(super) unsaid_end: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        dialect: &'a dyn Dialect,
        prompt: &'a Prompt,
        stream: Option<&'a mpsc::Sender<String>>,
    ) -> Self {
        Self {
            dialect,
            prompt,
            stream,
            writing: Writing::new(&prompt.sampling.stop),
            finish: None,
            usage: None,
            unsaid_end: false,
        }
    }

    /// Reads it to its end and passes its text on as it comes.
    pub(super) async fn read(mut self, answer: Answer) -> Result<Reply, WorkerError> {
        if answer.is_stream() {
            self.events(answer.pieces()).await?;
        } else {
            let body = answer.whole().await?;
            self.event(&String::from_utf8_lossy(&body)).await?;
        }
        self.reply().await
    }

    async fn events(
        &mut self,
        pieces: impl Stream<Item = Result<Vec<u8>, WorkerError>>,
    ) -> Result<(), WorkerError> {
        let mut events = pin!(pieces.eventsource());
        while let Some(event) = events.next().await {
            let event = event.map_err(|e| match e {
                EventStreamError::Transport(error) => error,
                other => self.broke_off(&other.to_string()),
            })?;
            if event.data == "[DONE]" {
                break;
            }
            self.event(&event.data).await?;
            if self.writing.stopped() {
                self.finish = Some(Finish::Stop);
                break;
            }
        }
        Ok(())
    }

    async fn event(&mut self, data: &str) -> Result<(), WorkerError> {
        let event: Event = serde_json::from_str(data)
            .map_err(|e| self.broke_off(&format!("it sent what is no chat answer: {e}")))?;
        if let Some(error) = event.error.filter(|e| !e.is_null()) {
            let error = serde_json::json!({ "error": error });
            let words = message(&error).unwrap_or_else(|| error.to_string());
            return Err(self.broke_off(&words));
        }
        if event.usage.is_some() {
            self.usage = event.usage;
        }
        let Some(choice) = event.choices.into_iter().flatten().next() else {
            return Ok(());
        };
        self.finish = match choice.finish_reason.as_deref() {
            None => self.finish,
            Some("length") => Some(Finish::Length),
            Some("content_filter") => {
                return Err(self.refused("its content filter ended the answer"));
            }
            Some(_) => Some(Finish::Stop),
        };
        let Some(said) = choice.delta.or(choice.message) else {
            return Ok(());
        };
        if let Some(words) = said.refusal.filter(|r| !r.is_empty()) {
            return Err(self.refused(&words));
        }
        let piece = self
            .writing
            .push(said.content.unwrap_or_default().as_bytes());
        self.pass_on(piece).await;
        Ok(())
    }

    async fn pass_on(&self, piece: String) {
        if let Some(stream) = self.stream
            && !piece.is_empty()
        {
            // A reader that went away is no error.
            let _ = stream.send(piece).await;
        }
    }

    async fn reply(mut self) -> Result<Reply, WorkerError> {
        let rest = self.writing.finish();
        self.pass_on(rest).await;
        if self.writing.stopped() {
            self.finish = Some(Finish::Stop);
        }
        let unsaid = self.unsaid_end.then_some(Finish::Stop);
        let Some(finish) = self.finish.or(unsaid) else {
            return Err(self.broke_off("the answer ended in the middle"));
        };
        let text = self.writing.into_text();
        let mut usage = estimate(self.prompt, &text);
        if let Some(counted) = self.usage {
            let cached = counted.prompt_tokens_details.and_then(|d| d.cached_tokens);
            usage.cached = Tokens(cached.unwrap_or(0));
            usage.input = counted.prompt_tokens.map_or(usage.input, Tokens);
            usage.output = counted.completion_tokens.map_or(usage.output, Tokens);
        }
        Ok(Reply {
            text,
            finish,
            usage,
        })
    }

    fn broke_off(&self, reason: &str) -> WorkerError {
        WorkerError::BrokeOff {
            worker: self.dialect.worker().clone(),
            reason: shorten(&self.dialect.scrub(reason)),
        }
    }

    fn refused(&self, reason: &str) -> WorkerError {
        WorkerError::Refused {
            worker: self.dialect.worker().clone(),
            status: 200,
            reason: shorten(&self.dialect.scrub(reason)),
        }
    }
}

fn estimate(prompt: &Prompt, text: &str) -> Usage {
    let tokens = |bytes: usize| Tokens(bytes.div_ceil(BYTES_PER_TOKEN) as u64);
    Usage {
        input: tokens(prompt.messages.iter().map(|m| m.content.len()).sum()),
        cached: Tokens(0),
        output: tokens(text.len()),
    }
}
