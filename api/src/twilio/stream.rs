//! The media stream's socket: who is it, then text in both directions.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;

use super::address::Door;
use super::signature::{Content, Signed};
use super::webhook::{GATE_TIME_MAX, path_and_query};
use super::{Twilio, count_rejected};
use crate::problem::Problem;
use crate::{Parameters, StreamIo, StreamRefusal, StreamStart};

/// Messages from Twilio that wait for the leg: 1.28 s of audio, more than any pause of the leg that a call survives.
pub const INCOMING_MESSAGES_MAX: usize = 64;
/// Messages from the leg that wait for the socket: the leg sends in real time, so these too are 1.28 s.
pub const OUTGOING_MESSAGES_MAX: usize = 64;
/// Sockets that have not shown their token yet. Each is gone after 10 s, so strangers hold at most this many.
pub(super) const STRANGERS_MAX: usize = 256;
/// Largest message; Twilio's have about 300 bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Bytes read from the socket at once: a dozen messages. It is filled with zeros before each read, and kept for each stream; the
/// library's own 128 KiB took 7 % of a call's CPU and most of its memory.
const READ_BUFFER: usize = 4 * 1024;
/// Time for `connected` and `start`; Twilio sends them at once.
const START_TIME_MAX: Duration = Duration::from_secs(10);
/// How often the socket is pinged.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Silence that makes a socket half open: three pings without an answer.
const SILENCE_TIME_MAX: Duration = Duration::from_secs(30);
/// Time for one message to leave. A socket that takes longer has lost the call anyway.
const SEND_TIME_MAX: Duration = Duration::from_secs(10);

/// `GET /twilio/stream`: checks the signature, then waits for the token in `start`.
pub(super) async fn upgrade(
    State(twilio): State<Arc<Twilio>>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let address = twilio.address(&headers)?;
    let signed = Signed { door: Door::Stream, url: &address.url(Door::Stream, path_and_query(&uri)), content: Content::Nothing };
    twilio.verify(&headers, &signed)?;
    let upgrade = upgrade.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let permit = Arc::clone(&twilio.strangers).try_acquire_owned().map_err(|_| {
        count_rejected("busy");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many streams are starting")
    })?;
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX).read_buffer_size(READ_BUFFER);
    Ok(upgrade.on_upgrade(async move |mut socket| {
        let admitted = admit(&twilio, &mut socket).await;
        drop(permit);
        match admitted {
            Ok(ends) => pump(socket, ends).await,
            Err(error) => {
                count_rejected(error.label());
                tracing::info!(%error, "media stream refused");
                close(&mut socket, close_code::POLICY, &error.to_string()).await;
            }
        }
    }))
}

/// Our ends of the two directions.
struct Ends {
    incoming: mpsc::Sender<String>,
    outgoing: mpsc::Receiver<String>,
}

/// Why a stream is not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum StreamError {
    #[error("no `connected` and `start` within {START_TIME_MAX:?}")]
    Late,
    #[error("closed before `start`")]
    Gone,
    #[error("expected the event `{expected}`")]
    Unexpected { expected: &'static str },
    #[error("the token is wrong, used or too old")]
    Token,
    #[error("the node did not take it in time")]
    NodeLate,
    #[error("{0}")]
    Refused(StreamRefusal),
}

impl StreamError {
    /// The `reason` of `calls_rejected_total`.
    fn label(&self) -> &'static str {
        match self {
            Self::Late | Self::Gone | Self::Unexpected { .. } => "bad_stream",
            Self::Token => "bad_token",
            Self::NodeLate | Self::Refused(_) => "stream_refused",
        }
    }
}

/// What we read of `start`; the rest is the leg's.
#[derive(Deserialize)]
struct StartMessage<'a> {
    #[serde(borrow)]
    start: Start<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    #[serde(borrow)]
    stream_sid: Cow<'a, str>,
    #[serde(borrow)]
    call_sid: Cow<'a, str>,
    #[serde(default, borrow)]
    account_sid: Cow<'a, str>,
    #[serde(default)]
    custom_parameters: BTreeMap<String, String>,
}

/// The parameter by which a stream shows whose it is.
const TOKEN: &str = "token";

/// Lets the stream in, if its token is the call's, and hands the other ends to the node.
async fn admit(twilio: &Twilio, socket: &mut WebSocket) -> Result<Ends, StreamError> {
    let read = timeout(START_TIME_MAX, async {
        let connected = expect_event(socket, "connected").await?;
        Ok((connected, expect_event(socket, "start").await?))
    });
    let (connected, text) = read.await.unwrap_or(Err(StreamError::Late))?;
    let StartMessage { mut start } = serde_json::from_str(&text).map_err(|_| StreamError::Unexpected { expected: "start" })?;
    let token = start.custom_parameters.remove(TOKEN).unwrap_or_default();
    let call = twilio.answers.redeem(&start.call_sid, &token, Instant::now());
    let started = StreamStart {
        call: call.ok_or(StreamError::Token)?,
        call_sid: start.call_sid.into_owned(),
        stream_sid: start.stream_sid.into_owned(),
        account_sid: start.account_sid.into_owned(),
        parameters: Parameters(start.custom_parameters),
    };

    let (incoming, from_twilio) = mpsc::channel(INCOMING_MESSAGES_MAX);
    let (to_twilio, outgoing) = mpsc::channel(OUTGOING_MESSAGES_MAX);
    for message in [connected, text] {
        // The channel is new: it has room for two.
        let _ = incoming.try_send(message);
    }
    let io = StreamIo { incoming: from_twilio, outgoing: to_twilio };
    let attached = timeout(GATE_TIME_MAX, twilio.gate.attach_stream(started, io)).await;
    attached.map_err(|_| StreamError::NodeLate)?.map_err(StreamError::Refused)?;
    Ok(Ends { incoming, outgoing })
}

/// The next message, which must be this event.
async fn expect_event(socket: &mut WebSocket, expected: &'static str) -> Result<String, StreamError> {
    loop {
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => {
                return match event(&text).as_deref() {
                    Some(given) if given == expected => Ok(text.to_string()),
                    _ => Err(StreamError::Unexpected { expected }),
                };
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err(StreamError::Unexpected { expected }),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(StreamError::Gone),
        }
    }
}

/// The event of a message; `None` when it is no message of Media Streams.
fn event(text: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        event: Cow<'a, str>,
    }
    serde_json::from_str::<Event>(text).ok().map(|message| message.event)
}

/// Carries text both ways until one side is over.
async fn pump(socket: WebSocket, ends: Ends) {
    let (sink, stream) = socket.split();
    tokio::select! {
        () = receive(stream, ends.incoming) => {}
        () = send(sink, ends.outgoing) => {}
    }
}

async fn receive(mut stream: SplitStream<WebSocket>, incoming: mpsc::Sender<String>) {
    // Pongs count as life; so do binary messages, which mean nothing here.
    while let Ok(Some(Ok(message))) = timeout(SILENCE_TIME_MAX, stream.next()).await {
        match message {
            Message::Text(text) => match hand_on(text.to_string(), &incoming).await {
                Handed::Open => {}
                Handed::Closed => return,
            },
            Message::Close(_) => return,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

/// Whether the leg still listens.
enum Handed {
    Open,
    Closed,
}

/// When the leg is behind, audio is dropped and counted; a digit, a mark or a `stop` waits.
async fn hand_on(text: String, incoming: &mpsc::Sender<String>) -> Handed {
    match incoming.try_send(text) {
        Ok(()) => Handed::Open,
        Err(TrySendError::Closed(_)) => Handed::Closed,
        Err(TrySendError::Full(text)) if event(&text).as_deref() == Some("media") => {
            metrics::counter!("offhook_mailbox_dropped_total", "actor" => "leg").increment(1);
            Handed::Open
        }
        Err(TrySendError::Full(text)) => match timeout(SEND_TIME_MAX, incoming.send(text)).await {
            Ok(Ok(())) => Handed::Open,
            Ok(Err(_)) | Err(_) => Handed::Closed,
        },
    }
}

async fn send(mut sink: SplitSink<WebSocket, Message>, mut outgoing: mpsc::Receiver<String>) {
    let mut pings = tokio::time::interval(PING_INTERVAL);
    pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let (message, last) = tokio::select! {
            text = outgoing.recv() => match text {
                Some(text) => (Message::Text(text.into()), false),
                None => (farewell(close_code::NORMAL, ""), true),
            },
            _ = pings.tick() => (Message::Ping(Default::default()), false),
        };
        let sent = timeout(SEND_TIME_MAX, sink.send(message)).await;
        if last || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

async fn close(socket: &mut WebSocket, code: u16, reason: &str) {
    // A peer that is gone already needs no farewell.
    let _ = timeout(SEND_TIME_MAX, socket.send(farewell(code, reason))).await;
}

fn farewell(code: u16, reason: &str) -> Message {
    let reason = reason.into();
    Message::Close(Some(CloseFrame { code, reason }))
}
