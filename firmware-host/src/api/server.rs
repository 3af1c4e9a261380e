//! Listening: plain HTTP on loopback, HTTPS elsewhere, and an end that lets requests finish.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::util::MapRequest;

use super::auth::Peer;
use crate::config::ApiLimits;

/// The pause after a connection that could not be accepted, as when no file handle is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 64;
/// The age at which an HTTP/2 connection takes no more requests: one that is idle is closed, and the client comes back.
/// HTTP/1 has the time for a request's head instead.
const AGE: Duration = Duration::from_secs(300);

/// The sockets.
pub struct Listening {
    /// Loopback.
    pub plain: TcpListener,
    /// Everywhere else, with its certificate.
    pub tls: Option<(TcpListener, Arc<rustls::ServerConfig>)>,
}

/// Serves until `stop` is cancelled and every open request has its response.
pub async fn serve(
    router: Router,
    listening: Listening,
    limits: ApiLimits,
    stop: CancellationToken,
) {
    // Each has its own permits, so that nobody on the network can shut the board's own programs out.
    let door = || Door {
        router: router.clone(),
        limits,
        permits: Arc::new(Semaphore::new(limits.connections)),
        stop: stop.clone(),
    };
    let plain = door().accept(listening.plain, None);
    match listening.tls {
        Some((listener, config)) => {
            let tls = door().accept(listener, Some(TlsAcceptor::from(config)));
            tokio::join!(plain, tls);
        }
        None => plain.await,
    }
}

#[derive(Clone)]
struct Door {
    router: Router,
    limits: ApiLimits,
    permits: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Door {
    async fn accept(self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let mut connections = JoinSet::new();
        loop {
            let next = tokio::select! {
                () = self.stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                next = self.next(&listener) => next,
            };
            match next {
                Ok((stream, peer, permit)) => {
                    let door = self.clone();
                    let tls = tls.clone();
                    connections.spawn(async move {
                        door.connection(stream, peer, tls).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    /// Accepts only what may be served; the rest waits in the system's queue.
    async fn next(
        &self,
        listener: &TcpListener,
    ) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(std::io::Error::other)?;
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer, permit))
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>) {
        let Some(acceptor) = tls else {
            return self.talk(stream, peer, false).await;
        };
        match timeout(self.limits.header, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                self.talk(stream, peer, h2).await;
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS came about"),
            Err(_) => tracing::debug!(%peer, "no TLS came about in time"),
        }
    }

    /// Waits until a connection is to take no more requests.
    async fn over(&self, h2: bool) {
        if h2 {
            // Late or told to stop, it is over.
            let _ = timeout(AGE, self.stop.cancelled()).await;
        } else {
            self.stop.cancelled().await;
        }
    }

    async fn talk<S>(self, stream: S, peer: SocketAddr, h2: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = Peer(peer.ip());
        let service = MapRequest::new(
            self.router.clone(),
            move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                request.map(Body::new)
            },
        );
        // The protocol is known from TLS, so that nobody holds a connection by not saying which.
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .keep_alive_interval(self.limits.header);
        let builder = if h2 {
            builder.http2_only()
        } else {
            builder.http1_only()
        };
        let connection =
            builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.over(h2) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %peer.0, %error, "a connection broke");
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::tls::Files;

    const DEADLINE: Duration = Duration::from_secs(20);

    async fn asked(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn the_board_is_served_while_the_network_holds_every_connection() {
        let folder = tempfile::tempdir().unwrap();
        let (config, _) = Files::of(folder.path()).load_or_make().unwrap();
        let bind = || TcpListener::bind("127.0.0.1:0");
        let (plain, tls) = (bind().await.unwrap(), bind().await.unwrap());
        let (here, network) = (plain.local_addr().unwrap(), tls.local_addr().unwrap());
        let limits = ApiLimits {
            body: 4096,
            connections: 1,
            header: Duration::from_secs(300),
            drain: Duration::ZERO,
        };
        let listening = Listening {
            plain,
            tls: Some((tls, config)),
        };
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(async || "served"));
        let server = tokio::spawn(serve(router, listening, limits, stop.clone()));
        let _idle = TcpStream::connect(network).await.unwrap();
        for _ in 0..3 {
            let response = tokio::time::timeout(DEADLINE, asked(here)).await.unwrap();
            assert!(response.ends_with("served"), "{response}");
        }
        server.abort();
    }
}
