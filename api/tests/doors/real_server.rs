//! Connections over loopback, and what each may take. Time is virtual: it jumps to the next deadline.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::fake::*;

/// Sends these bytes and nothing more; what comes until the server closes, and when that is.
async fn exchange(request: &[u8]) -> (String, Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    api::serve(listener, open_router(&Arc::default()));
    let began = Instant::now();
    let _reset_before_all_was_sent = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _reset_after_answer = stream.read_to_end(&mut answer).await;
    (String::from_utf8(answer).unwrap(), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_given_up() {
    for request in ["", "GET /heal", "GET /healthz HTTP/1.1\r\nHost: a\r\n"] {
        let (answer, took) = exchange(request.as_bytes()).await;
        assert_eq!(answer, "", "{request}");
        assert_eq!(took.as_secs(), 10, "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_rests_ten_seconds_at_most() {
    let (answer, took) = exchange(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(took.as_secs(), 10);
}

#[tokio::test]
async fn a_giant_head_is_refused() {
    let many = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    let (answer, _) = exchange(many.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");

    // What was not read resets the connection, which may overtake the answer.
    let long = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(400_000));
    let (answer, _) = exchange(long.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    for request in ["\0\u{1}\u{2}\r\n\r\n", "INVITE sip:demo@a SIP/2.0\r\n\r\n", "GET /healthz HTTP/9.9\r\n\r\n"] {
        let (answer, _) = exchange(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request}: {answer}");
    }
}
