//! Media streams over loopback WebSockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::*;
use axum::Router;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::fake::*;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CONNECTED: &str = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;

fn start(call_sid: &str, token: &str) -> String {
    format!(
        r#"{{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{{"streamSid":"MZ1",
        "accountSid":"AC1","callSid":"{call_sid}","tracks":["inbound"],
        "customParameters":{{"token":"{token}","call":"x"}},
        "mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}}}}"#
    )
}

async fn serve(router: &Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    api::serve(listener, router.clone());
    address
}

async fn open(address: SocketAddr) -> Socket {
    connect_async(format!("ws://{address}/twilio/stream")).await.unwrap().0
}

/// Lets a call in and answers its token.
async fn call(router: &Router, call_sid: &str) -> String {
    let answer = ask(router, form("/twilio/voice", &format!("CallSid={call_sid}"))).await;
    let (_, after) = answer.split_once("name=\"token\" value=\"").unwrap();
    after.split_once('"').unwrap().0.to_owned()
}

async fn say(socket: &mut Socket, text: impl Into<String>) {
    socket.send(Message::Text(text.into().into())).await.unwrap();
}

/// The next thing that is not a ping, as text.
async fn hear(socket: &mut Socket) -> String {
    loop {
        match socket.next().await {
            Some(Ok(Message::Ping(_))) => {}
            Some(Ok(Message::Text(text))) => return text.to_string(),
            Some(Ok(Message::Close(Some(frame)))) => {
                return format!("closed {} {}", u16::from(frame.code), frame.reason);
            }
            other => return format!("{other:?}"),
        }
    }
}

/// A stream that was let in: its socket and the node's ends.
async fn attached(gate: &Arc<FakeGate>, router: &Router) -> (Socket, StreamIo) {
    let token = call(router, "CA1").await;
    let mut socket = open(serve(router).await).await;
    say(&mut socket, CONNECTED).await;
    say(&mut socket, start("CA1", &token)).await;
    // The first ping follows the attaching.
    assert!(matches!(socket.next().await, Some(Ok(Message::Ping(_)))));
    let (started, mut io) = gate.streams.lock().unwrap().pop().unwrap();
    assert_eq!((started.call_sid.as_str(), started.stream_sid.as_str()), ("CA1", "MZ1"));
    assert_eq!(io.incoming.recv().await.as_deref(), Some(CONNECTED));
    assert_eq!(io.incoming.recv().await, Some(start("CA1", &token)));
    (socket, io)
}

/// What a socket that says `messages` is told.
async fn refused(router: &Router, messages: &[&str]) -> String {
    let mut socket = open(serve(router).await).await;
    for message in messages {
        say(&mut socket, *message).await;
    }
    hear(&mut socket).await
}

#[tokio::test]
async fn text_goes_both_ways_until_the_leg_lets_go() {
    let gate = Arc::new(FakeGate::default());
    let (mut socket, mut io) = attached(&gate, &open_router(&gate)).await;
    say(&mut socket, r#"{"event":"dtmf"}"#).await;
    assert_eq!(io.incoming.recv().await.as_deref(), Some(r#"{"event":"dtmf"}"#));
    io.outgoing.send("one".to_owned()).await.unwrap();
    io.outgoing.send("two".to_owned()).await.unwrap();
    drop(io);
    assert_eq!(hear(&mut socket).await, "one");
    assert_eq!(hear(&mut socket).await, "two");
    assert_eq!(hear(&mut socket).await, "closed 1000 ");
}

#[tokio::test]
async fn the_leg_hears_that_the_peer_is_gone() {
    let gate = Arc::new(FakeGate::default());
    let router = open_router(&gate);
    let (mut socket, mut io) = attached(&gate, &router).await;
    socket.close(None).await.unwrap();
    assert_eq!(io.incoming.recv().await, None);
    assert!(io.outgoing.send("late".to_owned()).await.is_err());
}

#[tokio::test]
async fn a_message_too_large_ends_the_stream() {
    let gate = Arc::new(FakeGate::default());
    let (mut socket, mut io) = attached(&gate, &open_router(&gate)).await;
    let _ = socket.send(Message::Text("x".repeat(64 * 1024 + 1).into())).await;
    assert_eq!(io.incoming.recv().await, None);
}

#[tokio::test]
async fn a_token_opens_one_stream_of_its_own_call() {
    let touched = Touched::default();
    let _recording = metrics::set_default_local_recorder(&touched);
    let gate = Arc::new(FakeGate::default());
    let router = open_router(&gate);
    let token = call(&router, "CA1").await;
    call(&router, "CA2").await;
    let wrong = "closed 1008 the token is wrong, used or too old";
    let nobody = start("CA9", &token);
    let other = start("CA2", &token);
    let made_up = start("CA1", "0123456789abcdef");
    for start in [&nobody, &other, &made_up] {
        assert_eq!(refused(&router, &[CONNECTED, start]).await, wrong);
    }
    let without = r#"{"event":"start","start":{"streamSid":"MZ1","callSid":"CA1"}}"#;
    assert_eq!(refused(&router, &[CONNECTED, without]).await, wrong);

    let mut socket = open(serve(&router).await).await;
    say(&mut socket, CONNECTED).await;
    say(&mut socket, start("CA1", &token)).await;
    assert!(matches!(socket.next().await, Some(Ok(Message::Ping(_)))));
    let again = start("CA1", &token);
    assert_eq!(refused(&router, &[CONNECTED, &again]).await, wrong);
    assert_eq!(gate.asked().iter().filter(|line| line.starts_with("stream")).count(), 1);
    assert!(touched.has("offhook_calls_rejected_total{reason=bad_token}"));
}

#[tokio::test]
async fn anything_but_connected_and_start_is_refused() {
    let router = open_router(&Arc::default());
    let check = async |messages: &[&str], expected: &str| {
        let answer = refused(&router, messages).await;
        assert_eq!(answer, format!("closed 1008 expected the event `{expected}`"), "{messages:?}");
    };
    check(&[r#"{"event":"conn"#], "connected").await;
    check(&["not json"], "connected").await;
    check(&[r#"{"event":7}"#], "connected").await;
    check(&[r#"{"event":"media"}"#], "connected").await;
    check(&[&start("CA1", "t")], "connected").await;
    check(&[CONNECTED, CONNECTED], "start").await;
    check(&[CONNECTED, r#"{"event":"start"}"#], "start").await;
    check(&[CONNECTED, r#"{"event":"start","start":{"callSid":7}}"#], "start").await;
    let deep = "[".repeat(60_000);
    check(&[&deep], "connected").await;
    let mut socket = open(serve(&router).await).await;
    socket.send(Message::Binary(vec![0; 9].into())).await.unwrap();
    assert_eq!(hear(&mut socket).await, "closed 1008 expected the event `connected`");
}

#[tokio::test]
async fn a_node_that_refuses_the_stream_closes_it() {
    let refusals = [
        (StreamRefusal::UnknownCall, "there is no such call"),
        (StreamRefusal::AlreadyAttached, "the call has its stream already"),
        (StreamRefusal::Failed, "the call cannot take it"),
    ];
    for (refusal, words) in refusals {
        let gate = Arc::new(FakeGate { refuse_stream: Some(refusal), ..FakeGate::default() });
        let router = open_router(&gate);
        let start = start("CA1", &call(&router, "CA1").await);
        let answer = refused(&router, &[CONNECTED, &start]).await;
        assert_eq!(answer, format!("closed 1008 {words}"));
    }
}

#[tokio::test]
async fn a_node_that_is_late_closes_the_stream() {
    let gate = Arc::new(FakeGate { stuck_streams: true, ..FakeGate::default() });
    let router = open_router(&gate);
    let token = call(&router, "CA1").await;
    let mut socket = open(serve(&router).await).await;
    say(&mut socket, CONNECTED).await;
    say(&mut socket, start("CA1", &token)).await;
    while gate.streams.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    assert_eq!(hear(&mut socket).await, "closed 1008 the node did not take it in time");
}

#[tokio::test]
async fn only_a_signed_upgrade_passes() {
    let router = signed_router(&Arc::default());
    let address = serve(&router).await;
    let check = async |signature: &str, expected: u16| {
        let mut request = format!("ws://{address}/twilio/stream").into_client_request().unwrap();
        request.headers_mut().insert("X-Twilio-Signature", signature.parse().unwrap());
        let status = match connect_async(request).await {
            Ok((_, response)) => response.status(),
            Err(Error::Http(response)) => response.status(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(status.as_u16(), expected, "{signature}");
    };
    check(&sign("wss://voice.example/twilio/stream", ""), 101).await;
    check(&sign("wss://voice.example/twilio/stream/", ""), 101).await;
    check(&sign("wss://voice.example:443/twilio/stream", ""), 101).await;
    check(&sign("https://voice.example/twilio/stream", ""), 403).await;
    check("AAAA", 403).await;
}

#[tokio::test]
async fn a_request_that_does_not_upgrade_is_refused() {
    let router = open_router(&Arc::default());
    let request = axum::http::Request::get("/twilio/stream").header("host", "a");
    let answer = ask(&router, request.body(axum::body::Body::empty()).unwrap()).await;
    assert!(answer.starts_with("400 "), "{answer}");
}

#[tokio::test]
async fn a_socket_that_never_starts_is_closed() {
    let router = open_router(&Arc::default());
    let mut socket = open(serve(&router).await).await;
    say(&mut socket, CONNECTED).await;
    // From here nothing comes, so time runs to the deadline at once.
    tokio::time::pause();
    let expected = "closed 1008 no `connected` and `start` within 10s";
    assert_eq!(hear(&mut socket).await, expected);
}

#[tokio::test]
async fn a_half_open_socket_is_given_up_after_thirty_seconds() {
    let gate = Arc::new(FakeGate::default());
    let (_socket, mut io) = attached(&gate, &open_router(&gate)).await;
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    // The peer reads nothing, so no pong comes.
    assert_eq!(io.incoming.recv().await, None);
    let waited = since.elapsed();
    // Its last message came just before `since`.
    let range = Duration::from_secs(29)..=Duration::from_secs(31);
    assert!(range.contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn a_leg_that_is_behind_loses_audio_and_no_digit() {
    let touched = Touched::default();
    let _recording = metrics::set_default_local_recorder(&touched);
    let gate = Arc::new(FakeGate::default());
    let (mut socket, mut io) = attached(&gate, &open_router(&gate)).await;
    for number in 0..INCOMING_MESSAGES_MAX + 10 {
        say(&mut socket, format!(r#"{{"event":"media","sequenceNumber":"{number}"}}"#)).await;
    }
    say(&mut socket, r#"{"event":"dtmf"}"#).await;
    while !touched.has("offhook_mailbox_dropped_total{actor=leg}") {
        tokio::task::yield_now().await;
    }
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last: &String| !last.contains("dtmf")) {
        heard.push(io.incoming.recv().await.unwrap());
    }
    // The queue was full and the digit came after it; at least one of the audio messages was dropped.
    assert!(heard.len() > INCOMING_MESSAGES_MAX, "{}", heard.len());
    assert!(heard.len() < INCOMING_MESSAGES_MAX + 11, "{}", heard.len());
}

#[tokio::test]
async fn strangers_have_a_limit() {
    let router = open_router(&Arc::default());
    let address = serve(&router).await;
    let mut strangers = Vec::new();
    for _ in 0..256 {
        strangers.push(open(address).await);
    }
    let error = connect_async(format!("ws://{address}/twilio/stream")).await.unwrap_err();
    assert!(matches!(&error, Error::Http(response) if response.status() == 503), "{error}");
    let mut first = strangers.remove(0);
    say(&mut first, "bad").await;
    assert!(hear(&mut first).await.starts_with("closed 1008"));
    open(address).await;
}
