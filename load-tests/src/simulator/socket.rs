//! A WebSocket session: a pure core, its socket, and the faults between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::Request;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::faults::Stage;
use super::faults::{Fault, Injector};
use super::provider::Provider;
use super::server::Shared;

/// Largest message taken: OpenAI's 15 MiB of base64 in an append and its envelope.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Buffer that is read into, which is filled with zeros before every read: the default of 128 KiB was a fifth of all CPU.
/// Ten messages of 20 ms.
const READ_BUFFER: usize = 4 << 10;
/// Longest session: a day, as long as the longest run of virtual callers.
const SESSION_TIME_MAX: Duration = Duration::from_secs(86_400);
/// A client that takes none of what is sent for this long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take to answer our close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a core wants done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Output {
    /// A text message.
    Text(String),
    /// A text message that is part of an answer, which a fault may break.
    Answer(String),
    /// A binary message of audio: part of an answer too.
    Audio(Bytes),
    /// A binary message that no client expects.
    Binary(Vec<u8>),
    /// A turn of the script with a fault begins.
    Arm(Fault),
    /// Close with a code and a reason.
    Close(u16, String),
    /// Reset the connection now.
    Reset,
}

/// The pure core of a session. One input, then drain [`Core::poll_output`] until `None`, then ask [`Core::poll_timeout`].
pub(crate) trait Core: Send {
    fn handle_text(&mut self, now: Instant, text: &str);
    fn handle_binary(&mut self, now: Instant, octets: &[u8]);
    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant);
    fn poll_output(&mut self) -> Option<Output>;
    fn poll_timeout(&self) -> Option<Instant>;
    /// What is nonsense in this protocol, besides what is in every one.
    fn garbage(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A session that is about to begin.
pub(super) struct Opening {
    pub core: Box<dyn Core>,
    pub fault: Option<Fault>,
    pub shared: Arc<Shared>,
    pub provider: Provider,
    pub stage: Stage,
    pub path: String,
    /// Set to make the end of the connection a reset.
    pub reset: Arc<AtomicBool>,
}

/// Serves a session on a connection that is being upgraded.
pub(super) async fn converse(request: Request<Body>, opening: Opening) {
    let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(MESSAGE_BYTES_MAX);
    config.max_frame_size = Some(MESSAGE_BYTES_MAX);
    config.read_buffer_size = READ_BUFFER;
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let _too_long = tokio::time::timeout(SESSION_TIME_MAX, serve(socket, opening)).await;
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

async fn serve(mut socket: Socket, opening: Opening) {
    let Opening { mut core, fault, shared, provider, stage, path, reset } = opening;
    let mut injector = Injector::new(fault);
    loop {
        match tokio::time::timeout(SEND_TIMEOUT, drain(&mut socket, core.as_mut(), &mut injector, &reset)).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
        let due = core.poll_timeout().filter(|_| !injector.stalled());
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) if injector.stalled() => {}
                Some(Ok(Message::Text(text))) => {
                    shared.log.note(provider, stage, &path, &text);
                    core.handle_text(Instant::now(), &text);
                }
                Some(Ok(Message::Binary(octets))) => core.handle_binary(Instant::now(), &octets),
                Some(Ok(_)) => {}
            },
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                core.handle_timeout(Instant::now());
            }
        }
    }
}

/// Sends all that the core has to say; `false` ends the session.
async fn drain(socket: &mut Socket, core: &mut dyn Core, injector: &mut Injector, reset: &AtomicBool) -> bool {
    while let Some(output) = core.poll_output() {
        for output in injector.pass(output, || core.garbage()) {
            let message = match output {
                Output::Text(text) | Output::Answer(text) => Message::Text(Utf8Bytes::from(text)),
                Output::Audio(octets) => Message::Binary(octets),
                Output::Binary(octets) => Message::Binary(octets.into()),
                Output::Arm(_) => continue,
                Output::Close(code, reason) => {
                    close(socket, code, reason).await;
                    return false;
                }
                Output::Reset => {
                    reset.store(true, Ordering::Relaxed);
                    return false;
                }
            };
            if socket.feed(message).await.is_err() {
                return false;
            }
        }
    }
    socket.flush().await.is_ok()
}

/// Closes, and reads on until the client has answered, since what is unread would turn the end into a reset.
async fn close(socket: &mut Socket, code: u16, reason: String) {
    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
    let _ = socket.close(Some(frame)).await;
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, async { while let Some(Ok(_)) = socket.next().await {} }).await;
}
