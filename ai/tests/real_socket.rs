//! The Realtime socket against a WebSocket server on loopback, and servers that are none.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use ai::engine::EngineError;
use ai::link::socket::{EVENT_QUEUE, MAX_MESSAGE, Socket};
use ai::link::{Frame, LinkInput, Protocol, socket};
use ai::net::guard::Reach;
use ai::openai::RealtimeEndpoint;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

async fn listener() -> (TcpListener, RealtimeEndpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = RealtimeEndpoint {
        base_url: format!("http://{}/v1", listener.local_addr().unwrap()),
        api_key: "sk-test".into(),
        connect_timeout: Duration::from_millis(500),
        ping_every: Duration::from_secs(20),
        ..RealtimeEndpoint::default()
    };
    (listener, endpoint)
}

#[expect(clippy::result_large_err, reason = "the library's signature")]
fn greeted(
    request: &Request,
    response: Response,
) -> Result<Response, tokio_tungstenite::tungstenite::handshake::server::ErrorResponse> {
    assert_eq!(request.uri(), "/v1/realtime?model=gpt-realtime");
    assert_eq!(request.headers()["authorization"], "Bearer sk-test");
    assert!(!request.headers().contains_key("openai-beta"));
    Ok(response)
}

/// Opens the socket of an endpoint.
async fn connect(endpoint: &RealtimeEndpoint) -> Result<Socket, EngineError> {
    socket::connect(&endpoint.target()?).await
}

async fn pair(endpoint: &RealtimeEndpoint, listener: &TcpListener) -> (Socket, WebSocketStream<TcpStream>) {
    let accept = async { accept_hdr_async(listener.accept().await.unwrap().0, greeted).await.unwrap() };
    let (socket, server) = tokio::join!(connect(endpoint), accept);
    (socket.unwrap(), server)
}

/// The last input of a socket whose server did what `serve` does.
async fn closed(mut socket: Socket) -> String {
    loop {
        match socket.events.recv().await {
            Some(LinkInput::Closed { error }) => return error.to_string(),
            Some(_) => {}
            None => return "no reason".to_owned(),
        }
    }
}

/// What connecting says when the server's answer to the upgrade is `answer`.
async fn refused(answer: &'static [u8]) -> String {
    let (listener, endpoint) = listener().await;
    let serve = async {
        let mut stream = listener.accept().await.unwrap().0;
        let mut request = [0; 4_096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(answer).await;
    };
    let (socket, ()) = tokio::join!(connect(&endpoint), serve);
    let error = socket.unwrap_err();
    format!("{}: {error}", error.kind())
}

#[tokio::test]
async fn frames_go_both_ways_in_order() {
    let (listener, endpoint) = listener().await;
    let (mut socket, mut server) = pair(&endpoint, &listener).await;
    for index in 0..100 {
        socket.send.send(Frame::Text(format!("up {index}").into())).await.unwrap();
        server.feed(Message::text(format!("down {index}"))).await.unwrap();
    }
    server.send(Message::binary("down as bytes")).await.unwrap();
    for index in 0..100 {
        assert_eq!(server.next().await.unwrap().unwrap().to_text().unwrap(), format!("up {index}"));
        let Some(LinkInput::Text(text)) = socket.events.recv().await else { panic!("closed") };
        assert_eq!(text.as_str(), format!("down {index}"));
    }
    let Some(LinkInput::Binary(octets)) = socket.events.recv().await else { panic!("closed") };
    assert_eq!(octets, "down as bytes");
}

#[tokio::test]
async fn an_owner_who_does_not_read_loses_nothing() {
    let (listener, endpoint) = listener().await;
    let (mut socket, mut server) = pair(&endpoint, &listener).await;
    let count = 4 * EVENT_QUEUE;
    for index in 0..count {
        server.send(Message::text(index.to_string())).await.unwrap();
    }
    for index in 0..count {
        let Some(LinkInput::Text(text)) = socket.events.recv().await else { panic!("closed") };
        assert_eq!(text.as_str(), index.to_string());
    }
}

#[tokio::test]
async fn the_servers_reason_to_close_is_told() {
    let (listener, endpoint) = listener().await;
    let (socket, mut server) = pair(&endpoint, &listener).await;
    let reason = "Your session hit the maximum duration of 60 minutes.";
    server.close(Some(CloseFrame { code: 1001.into(), reason: reason.into() })).await.unwrap();
    assert_eq!(closed(socket).await, format!("connection closed (1001): {reason}"));
    let (socket, mut server) = pair(&endpoint, &listener).await;
    server.close(None).await.unwrap();
    assert_eq!(closed(socket).await, "connection closed (1005): no reason");
}

#[tokio::test]
async fn a_reset_is_told() {
    let (listener, endpoint) = listener().await;
    let (socket, server) = pair(&endpoint, &listener).await;
    drop(server);
    let told = closed(socket).await;
    assert_eq!(told, "connection closed (no code): WebSocket protocol error: Connection reset without closing handshake");
}

#[tokio::test]
async fn dropping_either_half_closes_with_a_code() {
    let (listener, endpoint) = listener().await;
    for half in ["send", "events"] {
        let (socket, mut server) = pair(&endpoint, &listener).await;
        let Socket { send, events } = socket;
        let kept = if half == "send" {
            drop(send);
            (None, Some(events))
        } else {
            drop(events);
            (Some(send), None)
        };
        let frame = server.next().await;
        let Some(Ok(Message::Close(Some(close)))) = frame else { panic!("{half}: {frame:?}") };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (1000, "call is over"), "{half}");
        drop(kept);
    }
}

#[tokio::test]
async fn a_message_over_the_bound_ends_the_connection() {
    let (listener, endpoint) = listener().await;
    let (socket, mut server) = pair(&endpoint, &listener).await;
    let flood = async { server.send(Message::text("x".repeat(MAX_MESSAGE + 1))).await };
    let (told, _) = tokio::join!(closed(socket), flood);
    assert_eq!(told, "provider broke the protocol: Space limit exceeded: Message too long: 2097153 > 2097152");
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_dead() {
    let (listener, mut endpoint) = listener().await;
    endpoint.ping_every = Duration::from_millis(50);
    // Read by nobody, the server's side answers nothing.
    let (socket, _server) = pair(&endpoint, &listener).await;
    assert_eq!(closed(socket).await, "no answer to a ping for 0 s");
}

#[tokio::test]
async fn a_peer_that_answers_pings_lives() {
    let (listener, mut endpoint) = listener().await;
    endpoint.ping_every = Duration::from_millis(20);
    let (mut socket, mut server) = pair(&endpoint, &listener).await;
    let mut pings = 0;
    while pings < 5 {
        pings += u32::from(matches!(server.next().await, Some(Ok(Message::Ping(_)))));
    }
    assert!(socket.events.try_recv().is_err_and(|error| error == tokio::sync::mpsc::error::TryRecvError::Empty));
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_late() {
    let (listener, mut endpoint) = listener().await;
    endpoint.ping_every = Duration::from_millis(200);
    let (socket, server) = pair(&endpoint, &listener).await;
    let send = socket.send.clone();
    let flood = async move { while send.send(Frame::Text("x".repeat(1 << 20).into())).await.is_ok() {} };
    let (told, ()) = tokio::join!(closed(socket), flood);
    assert_eq!(told, "Write took longer than 200 ms");
    drop(server);
}

#[tokio::test]
async fn refusals_of_the_upgrade_are_told_apart() {
    let unauthorized = refused(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(unauthorized, "key: provider refuses the key (401)");
    let missing = refused(b"HTTP/1.1 404 Not Found\r\ncontent-length: 8\r\n\r\nno model").await;
    assert_eq!(missing, "configuration: provider refuses the configuration (404): no model");
    let limited = refused(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(limited, "rate_limited: provider limits the rate");
    let down = refused(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(down, "overloaded: provider is unavailable (http 503)");
    let rubbish = refused(b"\x00\xffrubbish\r\n\r\n").await;
    assert!(rubbish.starts_with("protocol: "), "{rubbish}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_late() {
    let (listener, endpoint) = listener().await;
    let error = connect(&endpoint).await.unwrap_err();
    assert_eq!(error.to_string(), "Connect took longer than 500 ms");
    drop(listener);
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told() {
    let (listener, mut endpoint) = listener().await;
    endpoint.base_url = endpoint.base_url.replace("http", "https");
    let serve = async {
        let mut stream = listener.accept().await.unwrap().0;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    };
    let (socket, ()) = tokio::join!(connect(&endpoint), serve);
    let error = socket.unwrap_err();
    assert_eq!(error.to_string(), "connection failed: IO error: received corrupt message of type InvalidContentType");
}

#[tokio::test]
async fn nobody_listening_a_bad_url_and_a_bad_key_are_told() {
    let (listener, endpoint) = listener().await;
    drop(listener);
    let error = connect(&endpoint).await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), ("network", true));
    for (key, expected) in [("", "provider refuses the key (unset)"), ("a\nb", "provider refuses the key (not a header value)")] {
        let endpoint = RealtimeEndpoint { api_key: key.into(), ..endpoint.clone() };
        assert_eq!(connect(&endpoint).await.unwrap_err().to_string(), expected);
    }
    let endpoint = RealtimeEndpoint { base_url: "https://a b/".into(), ..endpoint };
    assert_eq!(connect(&endpoint).await.unwrap_err().kind(), "url");
}

#[tokio::test]
async fn where_others_say_it_goes_to_public_addresses_only() {
    let (listener, endpoint) = listener().await;
    let mut target = endpoint.target().unwrap();
    let guarded = |reach| Protocol::WebSocket { ping_every: Duration::from_secs(20), reach: Some(reach) };
    target.protocol = guarded(Reach::Public);
    let port = listener.local_addr().unwrap().port();
    let urls =
        ["ws://127.0.0.1", "ws://localhost", "ws://[::1]", "ws://0x7f000001", "ws://[::ffff:127.0.0.1]", "ws://169.254.169.254"];
    for host in urls {
        target.url = format!("{host}:{port}/v1/realtime?model=gpt-realtime");
        let refused = socket::connect(&target).await.unwrap_err();
        assert!(!refused.is_temporary(), "{host}: {refused}");
        assert!(!refused.to_string().contains("model="), "{host}: {refused}");
    }
    let knocked = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(knocked.is_err(), "nothing was even connected to");

    // The same way of connecting, to where it may.
    target.protocol = guarded(Reach::Private);
    target.url = format!("ws://127.0.0.1:{port}/v1/realtime?model=gpt-realtime");
    let accept = async { accept_hdr_async(listener.accept().await.unwrap().0, greeted).await.unwrap() };
    let (socket, mut server) = tokio::join!(socket::connect(&target), accept);
    let mut socket = socket.unwrap();
    server.send(Message::text("hello")).await.unwrap();
    assert!(matches!(socket.events.recv().await, Some(LinkInput::Text(text)) if text.as_str() == "hello"));
}
