//! The one module through which bytes leave the board for a model.
//!
//! It holds the only HTTP clients; that of [`download`] fetches files and takes nothing out. What [`Egress`] sends is
//! made from a [`Cleared`] prompt, which only the gate can make and which is opened here, by a [`Dialect`] that adds
//! the model's name and nothing else. It follows no redirect, knows no proxy, reads a bounded answer, and speaks plain
//! HTTP to this board alone unless the config insists.
//!
//! A call is repeated only where nothing can have been done: no connection came about, or the provider said 429 or
//! 503. A connection that broke or fell silent later may have been worked on and billed, and is reported as such.

mod answer;
mod destination;
pub mod download;
mod retry;
mod tls;

use std::{path::PathBuf, time::Duration};

use reqwest::{
    Client,
    header::{CONTENT_TYPE, HeaderMap},
    redirect,
};
use shoal_conductor::{cleared::Cleared, id::WorkerId, prompt::Prompt, worker::WorkerError};

pub(crate) use self::answer::Answer;
pub use self::destination::{BadDestination, Destination};
use self::retry::Attempt;
pub(crate) use self::retry::{message, shorten};

/// How to reach providers.
#[derive(Clone, Debug)]
pub struct EgressOptions {
    /// The longest time for a connection to come about.
    pub connect_timeout: Duration,
    /// The longest silence, before the answer begins and between its pieces.
    pub silence: Duration,
    /// The longest answer in bytes.
    pub max_answer: usize,
    /// How often a call is tried in all, where nothing was done.
    pub attempts: u32,
    /// The wait before the second try; each further one is twice as long, less up to a half by chance.
    pub backoff: Duration,
    /// The longest wait before another try; a provider that asks for more is reported as overloaded.
    pub longest_wait: Duration,
    /// Certificates (PEM) that are trusted besides the system's.
    pub extra_ca: Option<PathBuf>,
    /// Whether plain HTTP may leave the board. Prompts and keys can then be read on the way.
    pub insecure_http: bool,
}

impl Default for EgressOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            silence: Duration::from_secs(60),
            max_answer: 8 << 20,
            attempts: 3,
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(20),
            extra_ca: None,
            insecure_http: false,
        }
    }
}

/// Why there is no way out.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The extra certificates cannot be used.
    #[error("the certificates in {} cannot be used: {reason}", path.display())]
    ExtraCa {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The client could not be made.
    #[error("the HTTP client could not be made: {0}")]
    Client(String),
}

/// The way out.
#[derive(Clone, Debug)]
pub struct Egress {
    client: Client,
    options: EgressOptions,
}

/// How one provider wants to be spoken to.
pub(crate) trait Dialect: Send + Sync {
    /// The worker that a prompt must be cleared for.
    fn worker(&self) -> &WorkerId;

    /// Where it listens.
    fn destination(&self) -> &Destination;

    /// The path below the destination.
    fn path(&self) -> &'static str;

    /// Keys and such.
    fn headers(&self) -> HeaderMap;

    /// The request's body: the prompt, the model's name, and nothing else.
    fn body(&self, prompt: &Prompt) -> Result<serde_json::Value, WorkerError>;

    /// A provider's words without our key.
    fn scrub(&self, text: &str) -> String;
}

impl Egress {
    /// Makes the client. Needs no installed crypto provider.
    pub fn try_new(options: EgressOptions) -> Result<Self, EgressError> {
        let tls = tls::config(options.extra_ca.as_deref())?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.silence)
            .user_agent(concat!("shoal/", env!("CARGO_PKG_VERSION")))
            // A name that means this board must not be looked up elsewhere.
            .resolve_to_addrs("localhost", &destination::LOOPBACK)
            .build()
            .map_err(|e| EgressError::Client(retry::words(&e)))?;
        Ok(Self { client, options })
    }

    /// Checks where a provider listens.
    pub fn destination(&self, base_url: &str) -> Result<Destination, BadDestination> {
        Destination::try_new(base_url, self.options.insecure_http)
    }

    /// Opens a prompt in the name of the dialect's worker and sends it.
    pub(crate) async fn send(
        &self,
        dialect: &dyn Dialect,
        prompt: Cleared<Prompt>,
    ) -> Result<(Answer, Prompt), WorkerError> {
        let prompt = prompt.open(dialect.worker())?;
        let answer = self.deliver(dialect, &prompt).await?;
        Ok((answer, prompt))
    }

    async fn deliver(&self, dialect: &dyn Dialect, prompt: &Prompt) -> Result<Answer, WorkerError> {
        let body = dialect.body(prompt)?.to_string();
        let mut tries = 1;
        loop {
            let (error, after) = match self.attempt(dialect, &body).await {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::Failed(error) => return Err(error),
                Attempt::NothingDone { error, after } => (error, after),
            };
            let wait = after.unwrap_or_else(|| retry::backoff(self.options.backoff, tries));
            if tries >= self.options.attempts || wait > self.options.longest_wait {
                return Err(error);
            }
            tracing::info!(%error, tries, ?wait, "nothing was done; will try again");
            tokio::time::sleep(wait).await;
            tries += 1;
        }
    }

    async fn attempt(&self, dialect: &dyn Dialect, body: &str) -> Attempt {
        let request = self
            .client
            .post(dialect.destination().join(dialect.path()))
            .headers(dialect.headers())
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_owned());
        match request.send().await {
            Ok(response) if response.status().is_success() => {
                let limit = self.options.max_answer;
                Attempt::Answered(Answer::new(
                    response,
                    dialect.worker().clone(),
                    limit,
                    self.options.silence,
                ))
            }
            Ok(response) => retry::status(dialect, response).await,
            Err(error) => retry::broken(dialect.worker(), &error, self.options.silence),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_certificates_that_are_none_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let make = || {
            Egress::try_new(EgressOptions {
                extra_ca: Some(path.clone()),
                ..EgressOptions::default()
            })
        };
        assert!(matches!(make(), Err(EgressError::ExtraCa { .. })));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(matches!(make(), Err(EgressError::ExtraCa { .. })));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&path, broken).unwrap();
        assert!(matches!(make(), Err(EgressError::ExtraCa { .. })));
    }
}
