//! Requests against servers on loopback, and servers that are none.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use ai::engine::EngineError;
use ai::link::http::{HttpClient, MAX_ANSWER, PIECE_QUEUE};
use ai::link::{Answer, Body, LinkInput, Protocol, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Receiver;

const OK: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/chat", listener.local_addr().unwrap());
    (listener, url)
}

fn target(url: &str, answer: Answer) -> Target {
    Target {
        provider: "test".into(),
        stage: "respond",
        url: url.to_owned(),
        headers: vec![("authorization", "Bearer sk-test".into())],
        connect_timeout: Duration::from_millis(500),
        protocol: Protocol::Http { body: Body::Json("{\"a\":1}".into()), answer },
    }
}

/// Reads a request: its head, and a body of the length it says.
async fn request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut octets = [0; 4_096];
        let length = stream.read(&mut octets).await.unwrap();
        assert!(length > 0, "closed within a request");
        read.extend_from_slice(&octets[..length]);
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let told = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= told.map_or(0, |length| length.parse().unwrap()) {
            return text.into_owned();
        }
    }
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// What a server says after the request, and how it leaves.
async fn serve(listener: &TcpListener, answer: &[u8]) -> String {
    let mut stream = listener.accept().await.unwrap().0;
    let asked = request(&mut stream).await;
    stream.write_all(answer).await.unwrap();
    asked
}

async fn all(mut pieces: Receiver<LinkInput>) -> String {
    let mut told = Vec::new();
    while let Some(input) = pieces.recv().await {
        told.push(match input {
            LinkInput::Binary(octets) => format!("{} octets", octets.len()),
            LinkInput::Text(text) => text.as_str().to_owned(),
            LinkInput::Closed { error } => format!("{}: {error}", error.kind()),
            other => format!("{other:?}"),
        });
    }
    told.join("|")
}

/// What a client is told of `answer`.
async fn told(kind: Answer, answer: &[u8]) -> String {
    let (listener, url) = listener().await;
    let client = HttpClient::default();
    let (opened, _) = tokio::join!(client.open(target(&url, kind)), serve(&listener, answer));
    match opened {
        Ok(pieces) => all(pieces).await,
        Err(error) => format!("{}: {error}", error.kind()),
    }
}

#[tokio::test]
async fn a_request_is_sent_and_its_answer_streams() {
    let (listener, url) = listener().await;
    let client = HttpClient::default();
    let serve = async {
        let mut stream = listener.accept().await.unwrap().0;
        let asked = request(&mut stream).await;
        stream.write_all(format!("{OK}{}", chunk("data: one\n\ndata: t")).as_bytes()).await.unwrap();
        (stream, asked)
    };
    let (pieces, (mut stream, asked)) = tokio::join!(client.open(target(&url, Answer::Events)), serve);
    let mut pieces = pieces.unwrap();
    assert!(asked.starts_with("POST /v1/chat HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.contains("authorization: Bearer sk-test\r\n") && asked.contains("content-type: application/json\r\n"),
        "{asked}"
    );
    assert!(asked.ends_with("\r\n\r\n{\"a\":1}"), "{asked}");
    // The first event is told while the second is on its way.
    let first = pieces.recv().await;
    assert!(matches!(&first, Some(LinkInput::Text(text)) if text.as_str() == "one"), "{first:?}");
    stream.write_all(format!("{}0\r\n\r\n", chunk("wo\n\ndata: [DONE]\n\n")).as_bytes()).await.unwrap();
    assert_eq!(all(pieces).await, "two|[DONE]|Ended");
}

#[tokio::test]
async fn forms_carry_fields_and_a_file() {
    let (listener, url) = listener().await;
    let client = HttpClient::default();
    let mut target = target(&url, Answer::Whole);
    let file = ("turn.wav", "audio/wav", "RIFF".into());
    target.protocol =
        Protocol::Http { body: Body::Form { fields: vec![("model", "whisper-1".into())], file }, answer: Answer::Whole };
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"text\":\"hi\"}";
    let (pieces, asked) = tokio::join!(client.open(target), serve(&listener, answer));
    assert_eq!(all(pieces.unwrap()).await, "{\"text\":\"hi\"}|Ended");
    let asked = asked.to_lowercase();
    assert!(asked.contains("content-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n"), "{asked}");
    let file = "content-disposition: form-data; name=\"file\"; filename=\"turn.wav\"\r\ncontent-type: audio/wav\r\n\r\nriff\r\n";
    assert!(asked.contains(file), "{asked}");
}

#[tokio::test]
async fn answers_are_cut_as_asked() {
    let body = format!("{OK}{}{}0\r\n\r\n", chunk("{\"a\":1}\n{\"b\""), chunk(":2}"));
    assert_eq!(told(Answer::Lines, body.as_bytes()).await, "{\"a\":1}|{\"b\":2}|Ended");
    assert_eq!(told(Answer::Whole, body.as_bytes()).await, "{\"a\":1}\n{\"b\":2}|Ended");
    let json =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: 15\r\n\r\n{\n\"error\": {}\n}";
    assert_eq!(told(Answer::Events, json).await, "{\n\"error\": {}\n}|Ended", "a server that does not stream");
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let answer = |status: &str, body: &str| format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let refused =
        |status: &'static str, body: &'static str| async move { told(Answer::Events, answer(status, body).as_bytes()).await };
    assert_eq!(refused("401 Unauthorized", "").await, "key: provider refuses the key (401)");
    let missing = r#"{"error":{"message":"no such model","code":"model_not_found"}}"#;
    assert_eq!(
        refused("404 Not Found", missing).await,
        "configuration: provider refuses the configuration (model_not_found): no such model"
    );
    assert_eq!(refused("503 Service Unavailable", "").await, "overloaded: provider is unavailable (http 503)");
    assert_eq!(refused("529 Overloaded", "").await, "overloaded: provider is unavailable (http 529)");
    let elsewhere = "configuration: provider refuses the configuration (302): ";
    assert_eq!(refused("302 Found\r\nlocation: /", "").await, elsewhere, "never followed: the key would go along");

    let (listener, url) = listener().await;
    let limited = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n";
    let client = HttpClient::default();
    let (opened, _) = tokio::join!(client.open(target(&url, Answer::Events)), serve(&listener, limited));
    assert_eq!(opened.unwrap_err(), EngineError::RateLimited { retry_after: Some(Duration::from_secs(3)) });
}

#[tokio::test]
async fn a_refusal_that_never_ends_is_told_by_its_status() {
    let (listener, url) = listener().await;
    let client = HttpClient::default();
    let serve = async {
        let mut stream = listener.accept().await.unwrap().0;
        request(&mut stream).await;
        let head = "HTTP/1.1 400 Bad Request\r\ncontent-length: 9999999999\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        while stream.write_all(&[b'x'; 4_096]).await.is_ok() {}
    };
    let (opened, ()) = tokio::join!(client.open(target(&url, Answer::Events)), serve);
    assert!(matches!(opened.unwrap_err(), EngineError::Configuration { code, message } if code == "400" && message.len() == 200));
}

#[tokio::test]
async fn broken_answers_say_how() {
    let cut = format!("{OK}{}", chunk("data: a\n\n"));
    let told_cut = told(Answer::Events, cut.as_bytes()).await;
    assert!(told_cut.starts_with("a|closed: ") || told_cut.starts_with("a|network: "), "{told_cut}");
    let garbage = told(Answer::Events, b"\x00\xffrubbish\r\n\r\n").await;
    assert!(garbage.starts_with("protocol: "), "{garbage}");
    let garbage = told(Answer::Events, format!("{OK}zz\r\n").as_bytes()).await;
    assert!(garbage.starts_with("protocol: ") || garbage.starts_with("network: "), "{garbage}");
    let silent = told(Answer::Events, b"").await;
    assert!(silent.starts_with("closed: ") || silent.starts_with("network: "), "{silent}");
}

#[tokio::test]
async fn a_page_in_place_of_audio_is_not_played() {
    let page = |kind: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: 6\r\n\r\n<html>");
    for kind in ["text/html; charset=utf-8", "Application/JSON"] {
        let expected = format!("protocol: provider broke the protocol: {} in place of audio", kind.to_lowercase());
        assert_eq!(told(Answer::Bytes, page(kind).as_bytes()).await, expected);
    }
    for kind in ["audio/pcm", "application/octet-stream"] {
        assert_eq!(told(Answer::Bytes, page(kind).as_bytes()).await, "6 octets|Ended");
    }
    assert_eq!(told(Answer::Whole, page("text/html").as_bytes()).await, "<html>|Ended");
}

#[tokio::test]
async fn a_reset_is_told() {
    let (listener, url) = listener().await;
    let client = HttpClient::default();
    let serve = async {
        let mut stream = listener.accept().await.unwrap().0;
        let mut some = [0; 8];
        stream.read_exact(&mut some).await.unwrap();
        // What was not read makes the system reset the connection.
        drop(stream);
    };
    let (opened, ()) = tokio::join!(client.open(target(&url, Answer::Events)), serve);
    let error = opened.unwrap_err();
    assert!(matches!(error.kind(), "closed" | "network") && error.is_temporary(), "{error:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_late() {
    let (listener, url) = listener().await;
    let error = HttpClient::default().open(target(&url, Answer::Events)).await.unwrap_err();
    assert_eq!(error.to_string(), "Connect took longer than 500 ms");
    drop(listener);
    let error = HttpClient::default().open(target(&url, Answer::Events)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), ("network", true), "{error}");
}

#[tokio::test]
async fn an_answer_without_end_is_cut_and_waits_for_a_slow_reader() {
    let (listener, url) = listener().await;
    let client = HttpClient::default();
    let serve = tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 52428800\r\n\r\n").await.unwrap();
        let mut written = 0;
        while written < 50 << 20 && stream.write_all(&[0; 65_536]).await.is_ok() {
            written += 65_536;
        }
        written
    });
    let mut pieces = client.open(target(&url, Answer::Bytes)).await.unwrap();
    while pieces.len() < PIECE_QUEUE {
        tokio::task::yield_now().await;
    }
    assert!(!serve.is_finished(), "held back by the reader");
    let (mut length, mut last) = (0, String::new());
    while let Some(input) = pieces.recv().await {
        match input {
            LinkInput::Binary(octets) => length += octets.len(),
            other => last = format!("{other:?}"),
        }
    }
    assert_eq!(last, r#"Closed { error: Protocol { reason: "answer is over 16777216 bytes" } }"#);
    assert!(length <= MAX_ANSWER && serve.await.unwrap() < 50 << 20, "the rest is not fetched");
}

#[tokio::test]
async fn dropping_the_receiver_cancels_the_request() {
    let (listener, url) = listener().await;
    let client = HttpClient::default();
    let serve = async {
        let mut stream = listener.accept().await.unwrap().0;
        request(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        stream
    };
    let (pieces, mut stream) = tokio::join!(client.open(target(&url, Answer::Events)), serve);
    drop(pieces.unwrap());
    let mut some = [0; 8];
    assert!(matches!(stream.read(&mut some).await, Ok(0) | Err(_)), "the connection is closed");
}

#[tokio::test]
async fn a_connection_is_kept_and_may_be_opened_early() {
    let (listener, url) = listener().await;
    let client = HttpClient::default();
    let serve = async {
        let mut stream = listener.accept().await.unwrap().0;
        let warm = request(&mut stream).await;
        assert!(warm.starts_with("HEAD / HTTP/1.1\r\n") && !warm.contains("sk-test"), "{warm}");
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        for _ in 0..2 {
            request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
        }
    };
    let ask = async {
        client.warm(&url).await;
        client.warm(&url).await;
        for _ in 0..2 {
            assert_eq!(all(client.open(target(&url, Answer::Whole)).await.unwrap()).await, "hi|Ended");
        }
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn bad_urls_and_keys_are_told() {
    let client = HttpClient::default();
    let mut bad = target("https://a b/", Answer::Whole);
    assert_eq!(client.open(bad.clone()).await.unwrap_err().kind(), "url");
    bad.url = "http://127.0.0.1:1/".into();
    bad.headers = vec![("authorization", "a\nb".into())];
    assert_eq!(client.open(bad.clone()).await.unwrap_err().to_string(), "provider refuses the key (not a header value)");
    bad.protocol = Protocol::WebSocket { ping_every: Duration::from_secs(1), reach: None };
    assert_eq!(client.open(bad).await.unwrap_err().kind(), "url");
}
