//! A provider on a real socket that answers by script and keeps what it was sent.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use futures::{StreamExt, stream};
use tokio::net::TcpListener;

/// One answer.
pub(crate) enum Script {
    /// A status, one header, and a body.
    Whole(u16, (&'static str, &'static str), String),
    /// Events, and how they end.
    Events(Vec<String>, End),
    /// Nothing, for ever.
    Silence,
}

/// How a stream ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// As it should.
    Close,
    /// In the middle of a piece.
    Break,
    /// Not at all.
    Hang,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

#[derive(Default)]
struct Room {
    script: Mutex<VecDeque<Script>>,
    seen: Mutex<Vec<Seen>>,
}

/// The provider; it goes when this is dropped.
pub(crate) struct Provider {
    room: Arc<Room>,
    pub(crate) base_url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Provider {
    pub(crate) async fn start(script: impl IntoIterator<Item = Script>) -> Self {
        let room = Arc::new(Room {
            script: Mutex::new(script.into_iter().collect()),
            seen: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(Arc::clone(&room));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            room,
            base_url,
            task,
        }
    }

    /// Ends it and waits until its port is closed.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.room.seen.lock().unwrap().clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(room): State<Arc<Room>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    room.seen.lock().unwrap().push(Seen {
        line: format!("{} {}", parts.method, parts.uri),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let next = room.script.lock().unwrap().pop_front();
    match next.expect("no more answers in the script") {
        Script::Whole(status, (name, value), body) => Response::builder()
            .status(StatusCode::from_u16(status).unwrap())
            .header(name, value)
            .body(Body::from(body))
            .unwrap(),
        Script::Events(events, end) => Response::builder()
            .header("content-type", "text/event-stream; charset=utf-8")
            .body(stream_of(events, end))
            .unwrap(),
        Script::Silence => std::future::pending().await,
    }
}

fn stream_of(events: Vec<String>, end: End) -> Body {
    let events = events.into_iter().map(|e| Ok(format!("data: {e}\n\n")));
    let events = stream::iter(events.collect::<Vec<_>>());
    match end {
        End::Close => Body::from_stream(events),
        End::Break => {
            let error = Err(io::Error::other("the cable is cut"));
            Body::from_stream(events.chain(stream::once(async { error })))
        }
        End::Hang => Body::from_stream(events.chain(stream::pending())),
    }
}
