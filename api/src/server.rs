//! Connections: how many, how long a peer may take, and nothing about what it says.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections of a listener at once, media streams apart, which `node.max_calls` bounds. The next ones wait in the
/// kernel's queue until a slow one has used up its time, so that a flood delays good peers and does not refuse them.
pub const CONNECTIONS_MAX: usize = 1024;
/// Time for the head of a request, and how long a connection may rest between two. Twilio gives up after 15 s.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// A peer that takes none of our answer for this long is gone, or not worth the place it holds.
const UNREAD_TIME_MAX: Duration = Duration::from_secs(20);
/// What is read ahead, and so the largest head: more gets 431. Browsers and proxies stay below 16 KiB.
const READ_BYTES_MAX: usize = 32 * 1024;
/// After a failed accept (out of files) others may end their connections first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address at the other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Serves a router on an open listener for as long as the process lives. What a connection may take is bounded:
/// [`CONNECTIONS_MAX`] at once, 10 s a head, 32 KiB a head, 20 s for an answer that nobody reads.
pub fn serve(listener: TcpListener, router: Router) {
    tokio::spawn(accept(listener, router, CONNECTIONS_MAX));
}

async fn accept(listener: TcpListener, router: Router, connections_max: usize) {
    let places = Arc::new(Semaphore::new(connections_max));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    converse(stream, Peer(peer.ip().to_canonical()), router).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers one connection until either side has enough of it. A WebSocket leaves here with its upgrade.
async fn converse(stream: TcpStream, peer: Peer, router: Router) {
    let prepared = stream.set_nodelay(true).and_then(|()| SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD_TIME_MAX)));
    if prepared.is_err() {
        return;
    }
    let mut http = Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX).max_buf_size(READ_BYTES_MAX);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await {
        tracing::debug!(%error, "an HTTP connection broke");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn past_the_limit_a_good_peer_waits_for_a_slow_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut slow = Vec::new();
        for _ in 0..2 {
            slow.push(TcpStream::connect(address).await.unwrap());
        }
        let mut good = TcpStream::connect(address).await.unwrap();
        good.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await.unwrap();
        let began = Instant::now();
        tokio::spawn(accept(listener, Router::new(), 2));
        let mut answer = String::new();
        good.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        assert_eq!(began.elapsed().as_secs(), HEAD_TIME_MAX.as_secs());
    }
}
