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
    let door = Door {
        router,
        limits,
        permits: Arc::new(Semaphore::new(limits.connections)),
        stop,
    };
    let plain = door.clone().accept(listening.plain, None);
    match listening.tls {
        Some((listener, config)) => {
            let tls = door.accept(listener, Some(TlsAcceptor::from(config)));
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

    async fn talk<S>(self, stream: S, peer: SocketAddr, h2: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = Peer(peer.ip());
        let service = MapRequest::new(self.router, move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.map(Body::new)
        });
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
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %peer.0, %error, "a connection broke");
        }
    }
}
