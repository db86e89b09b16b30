//! Virtual session callers against a stub of the session WebSocket, over loopback sockets.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use load_tests::monitor::Watching;
use load_tests::mouth::Manner;
use load_tests::report::Report;
use load_tests::ws_caller::WsLoad;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// How the far side behaves.
#[derive(Clone, Copy, PartialEq)]
enum Server {
    Echoes,
    Full,
    Refuses,
    EndsSession,
    SendsNonsense,
}

/// Serves sessions; tells each request, each URL and each message that is not audio.
async fn serve(server: Server) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (told, heard) = mpsc::unbounded_channel();
    let told_again = told.clone();
    let address =
        common::serve(move |stream| create(stream, server, told.clone()), move |stream| talk(stream, server, told_again.clone()))
            .await;
    (address, heard)
}

async fn create(mut stream: TcpStream, server: Server, told: mpsc::UnboundedSender<String>) {
    let mut request = vec![0; 4_096];
    let length = stream.read(&mut request).await.unwrap();
    told.send(String::from_utf8_lossy(&request[..length]).into_owned()).unwrap();
    let body = json!({"id": "0198", "status": "created", "websocket_url": "ws://elsewhere", "token": "t0"}).to_string();
    let status = match server {
        Server::Full => "503 Service Unavailable\r\nRetry-After: 5",
        Server::Refuses => "401 Unauthorized",
        _ => "201 Created",
    };
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn talk(stream: TcpStream, server: Server, told: mpsc::UnboundedSender<String>) {
    let url = told.clone();
    #[expect(clippy::result_large_err, reason = "the handshake callback's type is tungstenite's")]
    let callback = move |request: &Request, response: Response| {
        url.send(request.uri().to_string()).unwrap();
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, callback).await.unwrap();
    let send = |value: Value| Message::text(value.to_string());
    socket.send(send(json!({"type": "connected", "session_id": "0198"}))).await.unwrap();
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        let event: Value = serde_json::from_str(&text).unwrap();
        if event["type"] != "audio" {
            told.send(text.to_string()).unwrap();
            continue;
        }
        let answer = match server {
            Server::EndsSession => json!({"type": "session-ended", "reason": "agent"}),
            Server::SendsNonsense => json!({"type": "surprise"}),
            _ => {
                let audio = json!({"format": "pcm16", "rate": event["rate"], "payload": event["payload"]});
                json!({"type": "assistant-message", "turn_id": "1", "text": "", "audio": audio})
            }
        };
        let _ = socket.send(send(answer)).await;
    }
}

async fn run(server: Server, calls: u64) -> (Report, Vec<String>) {
    let (target, mut heard) = serve(server).await;
    let load = WsLoad {
        target,
        assistant_id: Some("a1".to_owned()),
        api_key: Some("secret".to_owned()),
        plan: common::plan(calls, Duration::from_secs(3)),
        caller: common::caller(Manner::Continuous),
        watching: Watching::default(),
    };
    let report = load.run().await.unwrap();
    // The last message is on its way when its sender has closed the socket.
    let mut told = Vec::new();
    while let Ok(Some(text)) = tokio::time::timeout(Duration::from_millis(500), heard.recv()).await {
        told.push(text);
    }
    (report, told)
}

#[tokio::test]
async fn a_session_is_created_used_and_ended() {
    let (report, told) = run(Server::Echoes, 1).await;
    assert_eq!((report.answered, report.failed), (1, 0), "{report}");
    let [create, url, end] = told.as_slice() else { panic!("{told:?}") };
    assert!(create.starts_with("POST /api/v1/sessions HTTP/1.1\r\n") && create.contains("\r\nX-API-Key: secret\r\n"), "{create}");
    assert!(create.ends_with("{\"assistant_id\":\"a1\",\"metadata\":{\"by\":\"offhook-load\"}}"), "{create}");
    assert_eq!((url.as_str(), end.as_str()), ("/api/v1/sessions/0198/ws?token=t0", "{\"type\":\"end-session\"}"));
}

#[tokio::test]
async fn an_echo_is_measured_from_mouth_to_ear() {
    let (report, _) = run(Server::Echoes, 3).await;
    let measures = &report.measures;
    assert_eq!((report.answered, report.failed, report.concurrent), (3, 0, 3), "{report}");
    assert_eq!(measures.mouth_to_ear_ms.count(), 3, "one mark a call in 3 s, through 16 kHz and back: {report}");
    // At the end the last frames are on their way: 200 ms of each call.
    assert!(measures.packets.received + 30 >= measures.packets.sent, "{report}");
}

#[tokio::test]
async fn failures_and_refusals_are_told_by_cause() {
    let check = |(report, _): (Report, _), want: &str| {
        let told = format!("{:?}", report.failures);
        assert!(told.contains(want) && report.failed == 1, "{told} lacks {want}");
    };
    check(run(Server::Refuses, 1).await, "session: status 401");
    check(run(Server::EndsSession, 1).await, "the server ended the session early");
    check(run(Server::SendsNonsense, 1).await, "unknown message \\\"surprise\\\"");
    let (full, _) = run(Server::Full, 2).await;
    assert_eq!((full.rejected.calls, full.rejected.without_retry_after, full.failed), (2, 0, 0), "{full}");
}
