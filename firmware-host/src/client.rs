//! The command line's way to a running `shoal serve` on this board.

use std::{path::Path, time::Duration};

use eventsource_stream::Eventsource as _;
use futures::{Stream, StreamExt as _};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    api::{LABEL_HEADER, TRACE_HEADER, error::ErrorBody},
    exit::{Exit, Fault},
    running::{Found, Running},
    secret::Secret,
};

/// The longest time for a connection to this board.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest silence of a running task: the server sends a sign of life more often.
const SILENCE: Duration = Duration::from_secs(60);

/// A client of the running server.
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: Secret,
}

/// An answer that is being written.
pub struct Asked<S> {
    /// The task's id.
    pub id: String,
    /// Pieces of the answer.
    pub pieces: S,
}

impl Client {
    /// Finds the server of a data folder; `None` if none runs.
    pub fn find(data: &Path) -> Result<Option<Self>, Fault> {
        Running::find(data).map(Self::new).transpose()
    }

    /// The server of a data folder, which must run.
    pub fn connect(data: &Path) -> Result<Self, Fault> {
        Self::find(data)?.ok_or_else(|| not_running(data))
    }

    fn new(found: Found) -> Result<Self, Fault> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            // It speaks plain HTTP to this board alone.
            .tls_certs_only([])
            .build()
            .map_err(Fault::internal)?;
        Ok(Self {
            http,
            base: format!("http://{}", found.address),
            key: found.key,
        })
    }

    /// Whether it answers.
    pub async fn is_alive(&self) -> bool {
        match self.request(Method::GET, "/healthz").send().await {
            Ok(response) => response.status().is_success(),
            Err(_) => false,
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(self.key.expose())
    }

    /// Reads something.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        let response = send(self.request(Method::GET, path)).await?;
        response.json().await.map_err(broke)
    }

    /// Asks for something, as JSON.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Fault> {
        let response = send(self.request(Method::POST, path).json(body)).await?;
        response.json().await.map_err(broke)
    }

    /// Asks for something, as text for people.
    pub async fn post_text(&self, path: &str, body: &Value) -> Result<String, Fault> {
        let request = self
            .request(Method::POST, path)
            .header(header::ACCEPT, "text/plain")
            .json(body);
        send(request).await?.text().await.map_err(broke)
    }

    /// Asks a model and reads the answer as it is written.
    pub async fn chat(
        &self,
        body: &Value,
        label: Option<&str>,
    ) -> Result<Asked<impl Stream<Item = Result<String, Fault>> + Unpin>, Fault> {
        let mut request = self
            .request(Method::POST, "/v1/chat/completions")
            .json(body);
        if let Some(label) = label {
            request = request.header(LABEL_HEADER, label);
        }
        let response = send(request).await?;
        let id = response
            .headers()
            .get(TRACE_HEADER)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let events = response.bytes_stream().eventsource();
        let pieces = events.filter_map(|event| {
            let piece = match event {
                Ok(event) => piece(&event.data).transpose(),
                Err(error) => Some(Err(Fault::failed(format!(
                    "the connection to shoal serve broke: {error}"
                )))),
            };
            std::future::ready(piece)
        });
        Ok(Asked {
            id,
            pieces: Box::pin(pieces),
        })
    }
}

/// That nobody serves a data folder.
#[must_use]
pub fn not_running(data: &Path) -> Fault {
    Fault::new(
        Exit::Unavailable,
        format!(
            "no `shoal serve` runs for the data folder {}; start one, or name its folder with --data",
            data.display()
        ),
    )
}

async fn send(request: RequestBuilder) -> Result<Response, Fault> {
    let response = request.send().await.map_err(broke)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let message = match response.json::<ErrorBody>().await {
        Ok(body) => body.error.message,
        Err(_) => format!("shoal serve answered with status {status}"),
    };
    let exit = match status {
        StatusCode::UNAUTHORIZED => Exit::Denied,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Exit::TryAgain,
        StatusCode::INTERNAL_SERVER_ERROR => Exit::Internal,
        _ => Exit::Failed,
    };
    Err(Fault::new(exit, message))
}

fn broke(error: reqwest::Error) -> Fault {
    if error.is_connect() {
        return Fault::new(
            Exit::Unavailable,
            "`shoal serve` does not answer; it may have ended just now",
        );
    }
    Fault::failed(format!("the connection to shoal serve broke: {error}"))
}

/// The text of one event, if it has some.
fn piece(data: &str) -> Result<Option<String>, Fault> {
    if data == "[DONE]" {
        return Ok(None);
    }
    if let Ok(body) = serde_json::from_str::<ErrorBody>(data) {
        return Err(Fault::failed(body.error.message));
    }
    let chunk: Value = serde_json::from_str(data).map_err(Fault::internal)?;
    let text = chunk
        .pointer("/choices/0/delta/content")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_text_or_an_error_or_nothing() {
        let chunk = r#"{"choices":[{"delta":{"content":"hi"}}]}"#;
        assert_eq!(piece(chunk).unwrap().as_deref(), Some("hi"));
        assert_eq!(piece(r#"{"choices":[]}"#).unwrap(), None);
        assert_eq!(piece("[DONE]").unwrap(), None);
        let error = r#"{"error":{"message":"no","type":"t","param":null,"code":null}}"#;
        assert_eq!(piece(error).unwrap_err().message, "no");
    }
}
