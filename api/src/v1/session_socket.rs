//! `/api/v1/sessions/{id}/ws`: the socket of a session. Whose it is, is checked here; what is said over it, is the leg's.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use platform::sessions::open;
use serde::Deserialize;
use store::{CallId, Session, WallTime};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::V1;
use super::calls::GATE_TIME_MAX;
use crate::problem::Problem;
use crate::session_io::{AudioOut, SESSION_RATES, SessionAudio, SessionIn, SessionIo, SessionOut, SessionRefusal, SessionStart};

/// Messages from the client that wait for the leg: 1.28 s of audio in pieces of 20 ms.
const INCOMING_MESSAGES_MAX: usize = 64;
/// Messages to the client that wait for the socket: 2.56 s of audio, and as many news again.
const OUTGOING_MESSAGES_MAX: usize = 192;
/// Largest message that is looked at: a second of audio at 48 kHz as base64, twice.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Largest message that is read at all, so that one that is too long can be answered. More breaks the connection off.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// Bytes read from the socket at once; kept for each session and filled with zeros before each read.
const READ_BUFFER: usize = 8 * 1024;
/// How often the socket is pinged.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Silence that makes a socket half open: three pings without an answer.
const SILENCE_TIME_MAX: Duration = Duration::from_secs(30);
/// Time for one message to leave, or to be taken by the leg. A client that takes longer has lost the session anyway.
const SEND_TIME_MAX: Duration = Duration::from_secs(10);

/// How a client connects.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(super) struct SocketPart {
    /// The session's.
    token: String,
    /// How the client is sent audio: json (the default), binary or none.
    audio: Option<String>,
    /// Samples a second of that, and of the client's audio that does not say: 8000, 16000 (the default), 24000 or 48000.
    rate: Option<u32>,
}

/// Opens the session's socket (docs/sessions.md). The token is for this session, once, and for 15 minutes.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/ws", tag = "sessions", params(("id" = String, Path), SocketPart),
    responses((status = 101), (status = 401), (status = 402), (status = 422), (status = 503)), security(()))]
pub(super) async fn upgrade(
    State(api): State<Arc<V1>>,
    Path(id): Path<String>,
    given: Result<Query<HashMap<String, String>>, axum::extract::rejection::QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let Query(mut given) = given.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let wrong = || {
        metrics::counter!("offhook_calls_rejected_total", "reason" => "bad_token").increment(1);
        Problem::new(StatusCode::UNAUTHORIZED, "the token is wrong, used or too old")
    };
    let (id, token) = (id.parse::<CallId>().map_err(|_| wrong())?, given.remove("token").ok_or_else(wrong)?);
    let audio = read(given)?;
    // Before the token is used up.
    let upgrade = upgrade.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let session = open(api.people()?.store(), id, &token, WallTime::now()).await?.ok_or_else(wrong)?;
    let ends = begin(&api, &session, audio).await?;
    let upgrade = upgrade.max_message_size(READ_BYTES_MAX).max_frame_size(READ_BYTES_MAX).read_buffer_size(READ_BUFFER);
    Ok(upgrade.on_upgrade(move |socket| pump(socket, ends)))
}

/// What audio the client wants.
fn read(mut given: HashMap<String, String>) -> Result<SessionAudio, Problem> {
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the socket cannot be opened like this");
    let out = match given.remove("audio").as_deref() {
        None | Some("json") => AudioOut::Json,
        Some("binary") => AudioOut::Binary,
        Some("none") => AudioOut::Nothing,
        Some(_) => {
            wrong.add("audio", "is not one of json, binary, none");
            AudioOut::Nothing
        }
    };
    let rate = given.remove("rate").map_or(Some(16_000), |rate| rate.parse().ok().filter(|rate| SESSION_RATES.contains(rate)));
    if rate.is_none() {
        wrong.add("rate", format!("is not one of {SESSION_RATES:?}"));
    }
    for name in given.keys() {
        wrong.add(name, "is not known; there are token, audio, rate");
    }
    let hz = rate.unwrap_or(16_000);
    if wrong.has_fields() { Err(wrong) } else { Ok(SessionAudio { in_hz: hz, out_hz: hz, out }) }
}

/// Our ends of the two directions.
struct Ends {
    incoming: mpsc::Sender<SessionIn>,
    outgoing: mpsc::Receiver<SessionOut>,
}

/// Has the node take the session; one that is refused may be opened again.
async fn begin(api: &V1, session: &Session, audio: SessionAudio) -> Result<Ends, Problem> {
    let (incoming, from_client) = mpsc::channel(INCOMING_MESSAGES_MAX);
    let (to_client, outgoing) = mpsc::channel(OUTGOING_MESSAGES_MAX);
    let io = SessionIo { audio, incoming: from_client, outgoing: to_client };
    let opened = timeout(GATE_TIME_MAX, api.gate.open_session(start_of(session), io)).await;
    let Err(refusal) = opened.unwrap_or(Err(SessionRefusal::Failed)) else { return Ok(Ends { incoming, outgoing }) };
    if let Err(error) = api.people()?.store().disconnect_session(&session.organization, session.id, WallTime::now()).await {
        tracing::warn!(session = %session.id, %error, "a session that was refused cannot be opened again");
    }
    Err(refused(refusal))
}

/// What the node is told of a session.
pub(super) fn start_of(session: &Session) -> SessionStart {
    SessionStart { id: session.id, organization: session.organization.clone(), assistant: session.assistant.clone() }
}

/// What whoever connects is told when the node does not take the session.
pub(super) fn refused(refusal: SessionRefusal) -> Problem {
    let problem = |status| Problem::new(status, refusal.to_string());
    match refusal {
        SessionRefusal::AtCapacity => problem(StatusCode::SERVICE_UNAVAILABLE).again_after(5),
        SessionRefusal::Draining => problem(StatusCode::SERVICE_UNAVAILABLE).again_after(60),
        SessionRefusal::UsageLimit => problem(StatusCode::PAYMENT_REQUIRED),
        SessionRefusal::UnknownAssistant => problem(StatusCode::CONFLICT),
        SessionRefusal::Failed => problem(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Carries messages both ways until one side is over.
async fn pump(socket: WebSocket, ends: Ends) {
    let (sink, stream) = socket.split();
    tokio::select! {
        () = receive(stream, ends.incoming) => {}
        () = send(sink, ends.outgoing) => {}
    }
}

async fn receive(mut stream: SplitStream<WebSocket>, incoming: mpsc::Sender<SessionIn>) {
    // A leg that has ended still has its last words to be sent: what comes meanwhile is for nobody.
    let mut heard = true;
    while let Ok(Some(Ok(message))) = timeout(SILENCE_TIME_MAX, stream.next()).await {
        let message = match message {
            Message::Text(text) if text.len() > MESSAGE_BYTES_MAX => SessionIn::TooLong(text.len()),
            Message::Binary(audio) if audio.len() > MESSAGE_BYTES_MAX => SessionIn::TooLong(audio.len()),
            Message::Text(text) => SessionIn::Text(text.to_string()),
            Message::Binary(audio) => SessionIn::Binary(audio),
            Message::Close(_) => {
                let _the_leg_has_ended = incoming.try_send(SessionIn::Closed);
                // Once more, which sends our side of the goodbye.
                let _gone_already = timeout(SEND_TIME_MAX, stream.next()).await;
                return;
            }
            // Pongs count as life.
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        if heard {
            heard = hand_on(message, &incoming).await;
        }
    }
}

/// When the leg is behind, audio is dropped and counted; words wait. False when nobody listens any more.
async fn hand_on(message: SessionIn, incoming: &mpsc::Sender<SessionIn>) -> bool {
    match incoming.try_send(message) {
        Ok(()) => true,
        Err(TrySendError::Closed(_)) => false,
        Err(TrySendError::Full(message)) if is_audio(&message) => {
            metrics::counter!("offhook_mailbox_dropped_total", "actor" => "leg").increment(1);
            true
        }
        Err(TrySendError::Full(message)) => matches!(timeout(SEND_TIME_MAX, incoming.send(message)).await, Ok(Ok(()))),
    }
}

fn is_audio(message: &SessionIn) -> bool {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    match message {
        SessionIn::Binary(_) => true,
        SessionIn::Text(text) => serde_json::from_str::<Kind<'_>>(text).is_ok_and(|message| message.kind == "audio"),
        SessionIn::Closed | SessionIn::TooLong(_) => false,
    }
}

async fn send(mut sink: SplitSink<WebSocket, Message>, mut outgoing: mpsc::Receiver<SessionOut>) {
    let mut pings = tokio::time::interval(PING_INTERVAL);
    pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let (message, last) = tokio::select! {
            message = outgoing.recv() => match message {
                Some(SessionOut::Text(text)) => (Message::Text(text.into()), None),
                Some(SessionOut::Binary(audio)) => (Message::Binary(audio), None),
                Some(SessionOut::End(text)) => (Message::Text(text.into()), Some(close_code::NORMAL)),
                // Nobody was left to say why.
                None => (Message::Text(r#"{"type":"session-ended","reason":"crashed"}"#.into()), Some(close_code::ERROR)),
            },
            _ = pings.tick() => (Message::Ping(Default::default()), None),
        };
        let sent = timeout(SEND_TIME_MAX, sink.send(message)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
        if let Some(code) = last {
            let farewell = Message::Close(Some(CloseFrame { code, reason: "".into() }));
            let _gone_already = timeout(SEND_TIME_MAX, sink.send(farewell)).await;
            return;
        }
    }
}
