//! `/v1/chat/completions`, as OpenAI's clients use it.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use serde_json::{Value, json};
use shoal_conductor::{
    id::TaskId,
    task::{Answer, Outcome},
    worker::Finish,
};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};

use super::{
    Api, TRACE_HEADER,
    auth::{Caller, of_store},
    body::Body,
    error::ApiError,
    hand::{Handed, HangUp},
    reading::{Next, Reading},
    wish::{ChatRequest, Streamed},
};
use crate::store::{Moment, Scope, StoreError};

/// How long the head of a streamed response is held back, so that what fails at once gets its own status.
const HEAD_START: Duration = Duration::from_millis(1500);
/// How often a comment tells the client that the answer is still worked on.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Events that wait for a slow client.
const BACKLOG: usize = 32;

/// Answers a chat request.
pub async fn complete(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Body(request): Body<ChatRequest>,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Chat)?;
    let wish = request.wish()?;
    let streamed = wish.stream;
    let handed = api.hand_in(&caller, &headers, wish).await?;
    match streamed {
        Some(streamed) => stream(&api, handed, streamed).await,
        None => whole(&api, handed).await,
    }
}

async fn whole(api: &Api, handed: Handed) -> Result<Response, ApiError> {
    let Handed {
        id,
        target,
        text,
        guard,
    } = handed;
    // Pieces that nobody reads would hold the answer up.
    drop(text);
    let outcome = api.appliance().outcome(&id).await;
    guard.disarm();
    let answer = ended(outcome, &id)?;
    let body = json!({
        "id": format!("chatcmpl-{id}"),
        "object": "chat.completion",
        "created": created(),
        "model": target.to_string(),
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": answer.text, "refusal": null},
            "logprobs": null,
            "finish_reason": finish(answer.finish),
        }],
        "usage": usage(&answer),
    });
    Ok(traced(Json(body).into_response(), &id))
}

fn ended(outcome: Result<Outcome, StoreError>, id: &TaskId) -> Result<Answer, ApiError> {
    match outcome {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(failure)) => Err(ApiError::of_failure(&failure).with_task(id)),
        Err(error) => Err(of_store(&error).with_task(id)),
    }
}

async fn stream(api: &Api, mut handed: Handed, streamed: Streamed) -> Result<Response, ApiError> {
    let mut reading = Reading::new(api.appliance().clone(), &mut handed);
    let Handed {
        id, target, guard, ..
    } = handed;
    let first = tokio::time::timeout(HEAD_START, reading.next()).await.ok();
    let first = match first {
        Some(Next::End(outcome)) => match ended(outcome, &id) {
            Ok(answer) => Some(Next::End(Ok(Ok(answer)))),
            Err(error) => {
                guard.disarm();
                return Err(error);
            }
        },
        other => other,
    };
    let (events, inbox) = mpsc::channel(BACKLOG);
    let chunks = Chunks {
        id: id.clone(),
        model: target.to_string(),
        created: created(),
        usage: streamed.usage,
        sent: String::new(),
        events,
    };
    tokio::spawn(chunks.write(reading, first, guard));
    let body = ReceiverStream::new(inbox).map(Ok::<_, Infallible>);
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("working");
    let response = Sse::new(body).keep_alive(keep_alive).into_response();
    Ok(traced(response, &id))
}

/// Writes the chunks of one answer.
struct Chunks {
    id: TaskId,
    model: String,
    created: u64,
    usage: bool,
    sent: String,
    events: mpsc::Sender<Event>,
}

/// The client went away.
struct Gone;

impl Chunks {
    /// Writes until the end or until the client goes away, which ends the task by `guard`.
    async fn write(mut self, mut reading: Reading, first: Option<Next>, guard: HangUp) {
        if self.write_all(&mut reading, first).await.is_ok() {
            guard.disarm();
        }
    }

    async fn write_all(
        &mut self,
        reading: &mut Reading,
        mut first: Option<Next>,
    ) -> Result<(), Gone> {
        self.delta(json!({"role": "assistant", "content": ""}), None)
            .await?;
        loop {
            let next = match first.take() {
                Some(next) => next,
                None => {
                    let events = self.events.clone();
                    tokio::select! {
                        next = reading.next() => next,
                        () = events.closed() => return Err(Gone),
                    }
                }
            };
            match next {
                Next::Piece(piece) => self.piece(piece).await?,
                Next::End(outcome) => {
                    // The task has ended, so a client that goes away now ends nothing.
                    self.finish(ended(outcome, &self.id)).await.ok();
                    return Ok(());
                }
            }
        }
    }

    async fn piece(&mut self, piece: String) -> Result<(), Gone> {
        if piece.is_empty() {
            return Ok(());
        }
        self.sent.push_str(&piece);
        self.delta(json!({"content": piece}), None).await
    }

    async fn finish(&mut self, ended: Result<Answer, ApiError>) -> Result<(), Gone> {
        match ended {
            Ok(answer) => {
                match answer.text.strip_prefix(self.sent.as_str()) {
                    Some(rest) => self.piece(rest.to_owned()).await?,
                    None => {
                        tracing::error!(task = %self.id, "the pieces of the answer are not its text");
                    }
                }
                self.delta(json!({}), Some(finish(answer.finish))).await?;
                if self.usage {
                    self.send(json!([]), usage(&answer)).await?;
                }
            }
            Err(error) => {
                let body = serde_json::to_string(&error.body()).unwrap_or_default();
                self.event(Event::default().data(body)).await?;
            }
        }
        self.event(Event::default().data("[DONE]")).await
    }

    async fn delta(&self, delta: Value, finish: Option<&str>) -> Result<(), Gone> {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        self.send(json!([choice]), Value::Null).await
    }

    async fn send(&self, choices: Value, usage: Value) -> Result<(), Gone> {
        let mut chunk = json!({
            "id": format!("chatcmpl-{}", self.id),
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if self.usage {
            chunk["usage"] = usage;
        }
        self.event(Event::default().data(chunk.to_string())).await
    }

    async fn event(&self, event: Event) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }
}

fn traced(mut response: Response, id: &TaskId) -> Response {
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(TRACE_HEADER, value);
    }
    response
}

/// Seconds since 1970, as OpenAI's clients expect them.
fn created() -> u64 {
    Moment::now().0 / 1000
}

const fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    }
}

/// Tokens. As with OpenAI's reasoning tokens, the details are parts of the sums.
fn usage(answer: &Answer) -> Value {
    let all = answer.usage + answer.orchestration;
    json!({
        "prompt_tokens": all.input.0,
        "completion_tokens": all.output.0,
        "total_tokens": (all.input + all.output).0,
        "prompt_tokens_details": {
            "cached_tokens": all.cached.0,
            "orchestration_input_tokens": answer.orchestration.input.0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "orchestration_output_tokens": answer.orchestration.output.0,
        },
    })
}
