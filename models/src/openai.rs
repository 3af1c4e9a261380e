//! Any server that understands OpenAI's chat API: a provider, or a model server on this board's loopback.
//!
//! Answers are always asked for as a stream, so that a call can be given up and a silent server noticed; a server that
//! answers in one piece is understood too.

mod body;
mod reply;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::Value;
use shoal_conductor::{
    cleared::Cleared,
    id::WorkerId,
    prompt::Prompt,
    worker::{Call, Place, Reply, Worker, WorkerError},
};

use crate::{
    egress::{BadDestination, Destination, Dialect, Egress},
    secret::Secret,
};

/// Which server, and how to speak to it.
#[derive(Clone, Debug)]
pub struct OpenAiOptions {
    /// The worker's name in policy and trace.
    pub id: WorkerId,
    /// The URL up to and with the version, such as `https://api.example.com/v1`.
    pub base_url: String,
    /// The model's name at the server.
    pub model: String,
    /// The key; servers on the board may need none.
    pub key: Option<Secret>,
    /// Where the server runs. On the board means that its host is a loopback address.
    pub place: Place,
    /// What the server calls the most tokens to write.
    pub limit: LimitField,
    /// Whether an answer may end without a reason for its end, as those of servers for NPUs do.
    pub unsaid_end: bool,
}

impl OpenAiOptions {
    /// A remote server without a key.
    pub fn new(id: WorkerId, base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            id,
            base_url: base_url.into(),
            model: model.into(),
            key: None,
            place: Place::Remote,
            limit: LimitField::default(),
            unsaid_end: false,
        }
    }
}

/// The name of the field with the most tokens to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitField {
    /// `max_tokens`, as nearly all servers know it.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, as OpenAI's reasoning models want it.
    MaxCompletionTokens,
}

/// Why a worker cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenAiError {
    /// The URL will not do.
    #[error("{id}: {source}")]
    Url {
        /// The worker.
        id: WorkerId,
        /// Why.
        source: BadDestination,
    },
    /// It is said to be on the board, and its URL points elsewhere.
    #[error("{id} is said to run on the board, but {base_url} is no loopback address")]
    NotOnBoard {
        /// The worker.
        id: WorkerId,
        /// Its URL.
        base_url: String,
    },
    /// No model is named.
    #[error("{id} names no model")]
    NoModel {
        /// The worker.
        id: WorkerId,
    },
}

/// A worker behind OpenAI's chat API.
#[derive(Clone, Debug)]
pub struct OpenAiWorker {
    options: OpenAiOptions,
    destination: Destination,
    egress: Egress,
}

impl OpenAiWorker {
    /// Checks the options; connects to nothing.
    pub fn try_new(options: OpenAiOptions, egress: Egress) -> Result<Self, OpenAiError> {
        let id = || options.id.clone();
        let destination = egress
            .destination(&options.base_url)
            .map_err(|source| OpenAiError::Url { id: id(), source })?;
        if options.place == Place::Board && !destination.is_loopback() {
            return Err(OpenAiError::NotOnBoard {
                id: id(),
                base_url: options.base_url,
            });
        }
        if options.model.is_empty() {
            return Err(OpenAiError::NoModel { id: id() });
        }
        Ok(Self {
            options,
            destination,
            egress,
        })
    }

    async fn ask(&self, prompt: Cleared<Prompt>, call: &Call) -> Result<Reply, WorkerError> {
        let (answer, prompt) = self.egress.send(self, prompt).await?;
        let mut reading = reply::Reading::new(self, &prompt, call.stream.as_ref());
        reading.unsaid_end = self.options.unsaid_end;
        reading.read(answer).await
    }
}

impl Dialect for OpenAiWorker {
    fn worker(&self) -> &WorkerId {
        &self.options.id
    }

    fn destination(&self) -> &Destination {
        &self.destination
    }

    fn path(&self) -> &'static str {
        "chat/completions"
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let key = self.options.key.as_ref();
        let value =
            key.and_then(|key| HeaderValue::from_str(&format!("Bearer {}", key.reveal())).ok());
        if let Some(mut value) = value {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        headers
    }

    fn body(&self, prompt: &Prompt) -> Result<Value, WorkerError> {
        body::body(&self.options, prompt)
    }

    fn scrub(&self, text: &str) -> String {
        match &self.options.key {
            Some(key) => key.scrub(text),
            None => text.to_owned(),
        }
    }
}

#[async_trait]
impl Worker for OpenAiWorker {
    fn id(&self) -> &WorkerId {
        &self.options.id
    }

    fn place(&self) -> Place {
        self.options.place
    }

    async fn run(&self, prompt: Cleared<Prompt>, call: Call) -> Result<Reply, WorkerError> {
        tokio::select! {
            biased;
            () = call.cancel.cancelled() => Err(WorkerError::Cancelled),
            reply = self.ask(prompt, &call) => reply,
        }
    }
}
