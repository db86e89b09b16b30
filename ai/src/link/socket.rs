//! One WebSocket: a task between two bounded channels.
//!
//! ```text
//! Output::Send -> send (256) -> [task] -> TLS -> provider
//!                 LinkInput <- events (256) <- [task] <-
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::crypto::CryptoProvider;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config, connect_async_with_config};

use super::refusal::refusal;
use super::{Frame, LinkInput, Protocol, Target};
use crate::engine::{EngineError, Stage};
use crate::json::line;
use crate::net::guard::Reach;

/// Frames waiting for the network: 10 s of audio. When full, the connection does not keep up; its owner drops it.
pub const SEND_QUEUE: usize = 256;

/// Frames waiting for the engine: more than a whole answer. When full, the socket is not read and TCP slows the peer.
pub const EVENT_QUEUE: usize = 256;

/// The longest message in bytes. Deltas are a few kilobytes; `session.updated` echoes instructions and tools, which a
/// model's context limits to about half a megabyte.
pub const MAX_MESSAGE: usize = 2 << 20;

/// Bytes read from the socket at once, per connection: a delta of 300 ms. Each read fills them with zeros first; the library's
/// default is 128 KiB a call.
const READ_BUFFER: usize = 4 * 1024;

/// Bytes a write may wait in: a history told anew, many times over.
const WRITE_BUFFER: usize = 4 << 20;

/// How long the peer may take to answer our close before we leave.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An open socket. Dropping `send` closes it with code 1000; dropping `events` too.
#[derive(Debug)]
pub struct Socket {
    /// Frames to send, [`SEND_QUEUE`] at most.
    pub send: mpsc::Sender<Frame>,
    /// Frames received, [`EVENT_QUEUE`] at most, and `Closed` as the last.
    pub events: mpsc::Receiver<LinkInput>,
}

/// Opens a WebSocket.
///
/// # Errors
/// What cannot be mended by trying again ([`EngineError::is_temporary`] is false): a bad URL, a key the provider
/// refuses, a model it does not have, and being late. Else that the network, the provider or its rate limit is in
/// the way.
pub async fn connect(target: &Target) -> Result<Socket, EngineError> {
    if CryptoProvider::get_default().is_none() {
        // Someone else may have been faster, with the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let request = request(target)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let Protocol::WebSocket { ping_every, reach } = target.protocol else {
        return Err(EngineError::Url { url: line(&target.url), reason: "is not of a WebSocket" });
    };
    let limit = target.connect_timeout;
    // Pieces of 100 ms must leave when they are due, so Nagle's algorithm is off.
    let connecting = Box::pin(async {
        let connected = match reach {
            None => connect_async_with_config(request, Some(config), true).await,
            Some(reach) => {
                let stream = guarded(&request, reach).await?;
                client_async_tls_with_config(request, stream, Some(config), None).await
            }
        };
        connected.map_err(engine_error)
    });
    let late = |_| EngineError::Late { stage: Stage::Connect, limit };
    let (stream, _) = timeout(limit, connecting).await.map_err(late)??;
    let (send, outgoing) = mpsc::channel(SEND_QUEUE);
    let (incoming, events) = mpsc::channel(EVENT_QUEUE);
    tokio::spawn(run(stream, outgoing, incoming, ping_every));
    Ok(Socket { send, events })
}

/// A connection to where others say. The addresses that are looked at are those that are connected to, so a name that changes its address in
/// between gains nothing; redirects are not followed.
async fn guarded(request: &Request, reach: Reach) -> Result<TcpStream, EngineError> {
    let uri = request.uri();
    let network = |error: std::io::Error| EngineError::Network { reason: line(&error.to_string()) };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("ws") { 80 } else { 443 });
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await.map_err(network)?.collect();
    if !addresses.iter().all(|address| reach.permits(address.ip())) {
        return Err(EngineError::Url { url: line(host), reason: "leads to an address that is not public" });
    }
    let stream = TcpStream::connect(&addresses[..]).await.map_err(network)?;
    stream.set_nodelay(true).map_err(network)?;
    Ok(stream)
}

fn request(target: &Target) -> Result<Request, EngineError> {
    let mut request = target.url.as_str().into_client_request().map_err(engine_error)?;
    for (name, value) in &target.headers {
        let value = HeaderValue::try_from(value.expose());
        let mut value = value.map_err(|_| EngineError::Key { code: "not a header value".to_owned() })?;
        value.set_sensitive(true);
        request.headers_mut().insert(*name, value);
    }
    Ok(request)
}

async fn run(mut stream: Stream, mut outgoing: mpsc::Receiver<Frame>, incoming: mpsc::Sender<LinkInput>, ping_every: Duration) {
    match pump(&mut stream, &mut outgoing, &incoming, ping_every).await {
        Ok(()) => {
            let close = CloseFrame { code: CloseCode::Normal, reason: "call is over".into() };
            let farewell = async {
                // The last words of an owner that has left already.
                while let Ok(frame) = outgoing.try_recv() {
                    let _ = stream.send(message(frame)).await;
                }
                let _ = stream.close(Some(close)).await;
                while stream.next().await.is_some_and(|frame| frame.is_ok()) {}
            };
            let _ = timeout(CLOSE_WAIT, farewell).await;
        }
        Err(error) => {
            // Without a receiver nobody wants to know.
            let _ = incoming.send(LinkInput::Closed { error }).await;
        }
    }
}

/// Carries frames both ways until the owner leaves (`Ok`) or the connection is gone.
async fn pump(
    stream: &mut Stream,
    outgoing: &mut mpsc::Receiver<Frame>,
    incoming: &mpsc::Sender<LinkInput>,
    ping_every: Duration,
) -> Result<(), EngineError> {
    let mut ping = interval_at(Instant::now() + ping_every, ping_every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_heard = Instant::now();
    let mut last_ping = last_heard;
    loop {
        tokio::select! {
            frame = stream.next() => {
                last_heard = Instant::now();
                if let Some(input) = received(frame)? && incoming.send(input).await.is_err() {
                    return Ok(());
                }
            }
            frame = outgoing.recv() => {
                let Some(frame) = frame else { return Ok(()) };
                write(stream, frame, outgoing, ping_every).await?;
            }
            now = ping.tick() => {
                if last_ping > last_heard {
                    return Err(EngineError::HalfOpen { silent: now - last_heard });
                }
                last_ping = Instant::now();
                within(ping_every, stream.send(Message::Ping(Default::default()))).await?;
            }
            () = incoming.closed() => return Ok(()),
        }
    }
}

/// Writes `first` and all that waits behind it, with one flush.
async fn write(
    stream: &mut Stream,
    first: Frame,
    outgoing: &mut mpsc::Receiver<Frame>,
    limit: Duration,
) -> Result<(), EngineError> {
    within(limit, async {
        stream.feed(message(first)).await?;
        while let Ok(frame) = outgoing.try_recv() {
            stream.feed(message(frame)).await?;
        }
        stream.flush().await
    })
    .await
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Binary(octets) => Message::Binary(octets),
        Frame::Text(text) => Message::text(text.into_string()),
    }
}

async fn within(limit: Duration, write: impl Future<Output = Result<(), Error>>) -> Result<(), EngineError> {
    timeout(limit, write).await.map_err(|_| EngineError::Late { stage: Stage::Write, limit })?.map_err(engine_error)
}

fn received(frame: Option<Result<Message, Error>>) -> Result<Option<LinkInput>, EngineError> {
    let closed = |code, reason: &str| EngineError::Closed { code, reason: line(reason) };
    match frame {
        Some(Ok(Message::Text(text))) => Ok(Some(LinkInput::Text(text.as_str().into()))),
        Some(Ok(Message::Binary(octets))) => Ok(Some(LinkInput::Binary(octets))),
        Some(Ok(Message::Close(Some(close)))) => Err(closed(Some(close.code.into()), &close.reason)),
        Some(Ok(Message::Close(None))) => Err(closed(Some(CloseCode::Status.into()), "no reason")),
        Some(Ok(Message::Frame(_) | Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Err(error)) => Err(engine_error(error)),
        None => Err(closed(None, "end of stream")),
    }
}

fn engine_error(error: Error) -> EngineError {
    let text = || line(&error.to_string());
    match &error {
        Error::Http(response) => {
            let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            refusal(response.status(), response.headers(), &body)
        }
        Error::AlreadyClosed | Error::ConnectionClosed | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            EngineError::Closed { code: None, reason: text() }
        }
        Error::Io(_) | Error::Tls(_) => EngineError::Network { reason: text() },
        Error::Url(_) | Error::HttpFormat(_) => EngineError::Url { url: text(), reason: "cannot be connected to" },
        _ => EngineError::Protocol { reason: text() },
    }
}
