//! The simulator's cascade over loopback: one script for all stages, keys, the log, and each fault as a client meets it.
#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{SinkExt, StreamExt};
use load_tests::simulator::{Fault, FaultPlan, Script, SimOptions, Simulator, Stage};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderName;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const SCRIPT: &str = "[[turns]]\nheard = \"Where is my order?\"\ntext = \"It is on its way.\"";
const LISTEN: &str = "/v1/listen?model=nova-3&encoding=mulaw&sample_rate=8000&interim_results=true";
const SPEAK: &str = "/v1/text-to-speech/v/multi-stream-input?model_id=eleven_flash_v2_5&output_format=ulaw_8000";
const DEEPGRAM: &[(&str, &str)] = &[("authorization", "Token x")];
const BEARER: &[(&str, &str)] = &[("authorization", "Bearer x")];
const ANTHROPIC: &[(&str, &str)] = &[("x-api-key", "x"), ("anthropic-version", "2023-06-01")];
/// Longer than any answer that comes at all.
const PATIENCE: Duration = Duration::from_secs(10);
/// A stall is known by this much of nothing; no gap within an answer is as long.
const SILENCE: Duration = Duration::from_secs(3);

async fn simulator(script: &str, fault: Option<FaultPlan>) -> Simulator {
    let mut options = SimOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    options.script = Script::parse(script).unwrap();
    options.fault = fault;
    Simulator::start(options).await.unwrap()
}

/// A fault of one session.
async fn faulty(fault: Fault, stage: Stage) -> Simulator {
    simulator(SCRIPT, Some(FaultPlan { sessions: 1, stage: Some(stage), ..FaultPlan::new(fault) })).await
}

/// Posts JSON and reads for as long as something comes: status line, all of the answer, and how it ended.
async fn post(simulator: &Simulator, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, String, &'static str) {
    let method = if body.is_null() { "GET" } else { "POST" };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).await.unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    let end = loop {
        match tokio::time::timeout(SILENCE, stream.read(&mut buffer)).await {
            Ok(Ok(0)) => break "end",
            Ok(Ok(count)) => answer.extend_from_slice(&buffer[..count]),
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => break "reset",
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => break "silence",
        }
    };
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer, end)
}

async fn connect(simulator: &Simulator, path: &str, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
    let mut request = format!("ws://{}{path}", simulator.address()).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(HeaderName::from_static(name), value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// Messages until one that `ends`, the end of the connection, or a second of silence, which is told as text.
async fn listen(socket: &mut Socket, ends: impl Fn(&Value) -> bool) -> (Vec<Value>, String) {
    let mut got = Vec::new();
    loop {
        match tokio::time::timeout(SILENCE, socket.next()).await {
            Err(_) => return (got, "silence".to_owned()),
            Ok(Some(Ok(Message::Text(text)))) => {
                let event = serde_json::from_str(&text).unwrap_or_else(|_| json!(text.as_str()));
                let last = ends(&event);
                got.push(event);
                if last {
                    return (got, String::new());
                }
            }
            Ok(Some(Ok(Message::Close(frame)))) => return (got, format!("close {}", frame.map_or(0, |frame| frame.code.into()))),
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(Error::Io(error)))) if error.kind() == ErrorKind::ConnectionReset => return (got, "reset".to_owned()),
            Ok(other) => return (got, format!("{other:?}")),
        }
    }
}

/// Says something of half a second, and then nothing for as long.
async fn say(socket: &mut Socket) {
    for sample in [0x10_u8, 0xFF] {
        for _ in 0..25 {
            socket.send(Message::binary(vec![sample; 160])).await.unwrap();
        }
    }
}

fn chat() -> Value {
    json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "Where is my order?"}]})
}

#[tokio::test]
async fn one_script_serves_a_whole_turn_and_the_log_tells_it() {
    let simulator = simulator(SCRIPT, None).await;
    let mut ears = connect(&simulator, LISTEN, DEEPGRAM).await.unwrap();
    say(&mut ears).await;
    let (heard, _) = listen(&mut ears, |event| event["speech_final"] == true).await;
    let heard = heard.last().unwrap()["channel"]["alternatives"][0]["transcript"].as_str().unwrap().to_owned();
    assert_eq!(heard, "Where is my order?");
    let (status, answer, _) = post(&simulator, "/v1/chat/completions", BEARER, &chat()).await;
    let tokens = answer.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let text: String = tokens.filter_map(|token| token["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect();
    assert_eq!((status, text.as_str()), (200, "It is on its way."));
    let mut mouth = connect(&simulator, SPEAK, &[("xi-api-key", "x")]).await.unwrap();
    for message in [
        json!({"text": " ", "context_id": "a"}),
        json!({"text": text, "context_id": "a", "flush": true}),
        json!({"context_id": "a", "close_context": true}),
    ] {
        mouth.send(Message::text(message.to_string())).await.unwrap();
    }
    let (spoken, _) = listen(&mut mouth, |event| event["isFinal"] == true).await;
    let bytes: usize =
        spoken.iter().filter_map(|event| BASE64_STANDARD.decode(event["audio"].as_str()?).ok()).map(|audio| audio.len()).sum();
    assert_eq!(bytes, text.len() * 60 * 8);
    let log: Vec<_> = simulator.requests().iter().map(|request| format!("{} {:?}", request.provider, request.stage)).collect();
    assert_eq!(log[..3], ["deepgram Stt", "openai Llm", "elevenlabs Tts"]);
    assert_eq!(log.len(), 6, "a message each of what was said");
    let (_, told, _) = post(&simulator, "/sim/log", &[], &Value::Null).await;
    assert!(told.contains("It is on its way.") && !told.contains("Bearer"), "{told}");
}

#[tokio::test]
async fn who_has_no_key_or_a_wrong_one_is_turned_away() {
    let simulator = simulator(SCRIPT, None).await;
    for path in
        ["/v1/chat/completions", "/v1/messages", "/v1/speak", "/tts/bytes", "/v1/text-to-speech/v/stream", "/openai/v1/responses"]
    {
        for headers in [&[][..], &[("authorization", "Bearer wrong"), ("x-api-key", "wrong"), ("xi-api-key", "wrong")]] {
            let (status, answer, _) = post(&simulator, path, headers, &json!({})).await;
            assert_eq!(status, 401, "{path} {headers:?}: {answer}");
        }
    }
    for path in
        [LISTEN, "/v2/listen?model=x", "/v1/speak?model=x", "/tts/websocket", "/stt/websocket", "/v1/speech-to-text/realtime"]
    {
        assert_eq!(connect(&simulator, path, &[]).await.err(), Some(401), "{path}");
    }
    assert_eq!(connect(&simulator, "/v1/elsewhere", BEARER).await.err(), Some(404));
    assert_eq!(post(&simulator, "/v1/listen", DEEPGRAM, &json!({})).await.0, 404);
}

#[tokio::test]
async fn faults_of_an_http_answer() {
    let check = async |fault: Fault, want_status: u16, want: &str, want_end: &str| {
        let simulator = faulty(fault, Stage::Llm).await;
        let (status, answer, end) = post(&simulator, "/v1/chat/completions", BEARER, &chat()).await;
        assert!((status, end) == (want_status, want_end) && answer.contains(want), "{fault:?}: {status} {end} {answer}");
        let (_, well, _) = post(&simulator, "/v1/chat/completions", BEARER, &chat()).await;
        assert!(well.contains("[DONE]"), "{fault:?} strikes once: {well}");
    };
    check(Fault::RateLimited, 429, "retry-after: 1", "end").await;
    check(Fault::ServerError, 500, "server_error", "end").await;
    check(Fault::Reset, 200, "\" is\"", "reset").await;
    check(Fault::Stall, 200, "\" is\"", "silence").await;
    check(Fault::Close, 200, "data: {\"error\"", "end").await;
    check(Fault::Garbage, 200, "event: surprise", "end").await;
    let overloaded = faulty(Fault::ServerError, Stage::Llm).await;
    let (status, answer, _) = post(&overloaded, "/v1/messages", ANTHROPIC, &json!({})).await;
    assert!(status == 529 && answer.contains("overloaded_error"), "{answer}");
    let dripping = faulty(Fault::Drip, Stage::Tts).await;
    let speak = "/v1/speak?encoding=mulaw&container=none";
    let drip = tokio::time::timeout(Duration::from_secs(1), post(&dripping, speak, DEEPGRAM, &json!({"text": "Hello"}))).await;
    assert!(drip.is_err(), "300 ms of speech take eight minutes");
}

#[tokio::test]
async fn faults_of_a_stream() {
    let check = async |fault: Fault, want: &str| {
        let simulator = faulty(fault, Stage::Tts).await;
        let mut socket = connect(&simulator, SPEAK, &[("xi-api-key", "x")]).await.unwrap();
        for message in
            [json!({"text": " ", "context_id": "a"}), json!({"text": "It is on its way.", "context_id": "a", "flush": true})]
        {
            socket.send(Message::text(message.to_string())).await.unwrap();
        }
        let (got, end) = listen(&mut socket, |_| false).await;
        assert_eq!(format!("{} {end}", got.len()), want, "{fault:?}: {got:?}");
    };
    check(Fault::Reset, "3 reset").await;
    check(Fault::Stall, "3 silence").await;
    check(Fault::Close, "3 close 1011").await;
    check(Fault::Garbage, "11 silence").await;
    for (fault, status) in [(Fault::RateLimited, 429), (Fault::ServerError, 500)] {
        let simulator = faulty(fault, Stage::Stt).await;
        assert_eq!(connect(&simulator, LISTEN, DEEPGRAM).await.err(), Some(status), "{fault:?}");
        assert!(connect(&simulator, LISTEN, DEEPGRAM).await.is_ok(), "{fault:?} strikes once");
    }
}

#[tokio::test]
async fn a_turns_fault_is_where_and_as_often_as_it_says() {
    let script = format!("{SCRIPT}\nfault = \"500\"\nfault_stage = \"llm\"\nfault_provider = \"groq\"\nfault_times = 1");
    let simulator = simulator(&script, None).await;
    let ask = async |path: &str| post(&simulator, path, BEARER, &chat()).await.0;
    assert_eq!(ask("/v1/chat/completions").await, 200);
    assert_eq!(ask("/openai/v1/chat/completions").await, 500);
    assert_eq!(ask("/openai/v1/chat/completions").await, 200);
}

#[tokio::test]
async fn a_stream_that_says_nothing_is_closed() {
    let simulator = simulator(SCRIPT, None).await;
    let mut socket = connect(&simulator, &format!("{SPEAK}&inactivity_timeout=1"), &[("xi-api-key", "x")]).await.unwrap();
    let last = tokio::time::timeout(PATIENCE, async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(Some(frame)) = message {
                return u16::from(frame.code);
            }
        }
        0
    });
    assert_eq!(last.await.unwrap(), 1008);
}
