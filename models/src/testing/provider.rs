//! A provider on a real socket that answers by script and keeps what it was sent.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    serve::Listener,
};
use futures::{StreamExt, stream};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, "http", script)
    }

    /// One that speaks TLS, and its certificate as PEM, which nobody signed but itself.
    pub(crate) async fn start_tls(script: impl IntoIterator<Item = Script>) -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = Tls {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        };
        (Self::serve(listener, "https", script), made.cert.pem())
    }

    fn serve<L>(listener: L, scheme: &str, script: impl IntoIterator<Item = Script>) -> Self
    where
        L: Listener<Addr = SocketAddr>,
    {
        let room = Arc::new(Room {
            script: Mutex::new(script.into_iter().collect()),
            seen: Mutex::default(),
        });
        let base_url = format!("{scheme}://{}/v1", listener.local_addr().unwrap());
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

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            // A client that does not trust us breaks off here.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
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
