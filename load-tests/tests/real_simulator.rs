//! The OpenAI simulator over a loopback WebSocket, and both binaries' command lines.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{SinkExt, StreamExt};
use load_tests::simulator::{Fault, FaultPlan, Provider, Script, SimOptions, Simulator};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderName;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const KEY: (&str, &str) = ("authorization", "Bearer test");

fn options() -> SimOptions {
    let mut options = SimOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    options.script = Script::parse("[[turns]]\ntext = \"Hello there.\"\nduration_ms = 800").unwrap();
    options.first_audio = Duration::from_millis(100);
    options
}

async fn connect(url: &str, path: &str, headers: &[(&'static str, &str)]) -> Result<Socket, String> {
    let base = url.strip_suffix("/v1").unwrap().replacen("http://", "ws://", 1);
    let mut request = format!("{base}{path}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(HeaderName::from_static(name), value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16().to_string()),
        Err(error) => Err(error.to_string()),
    }
}

async fn event(socket: &mut Socket) -> Value {
    match socket.next().await.unwrap().unwrap() {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("unexpected {other:?}"),
    }
}

async fn wait_for(socket: &mut Socket, kind: &str) -> Value {
    loop {
        let event = event(socket).await;
        if event["type"] == kind {
            return event;
        }
    }
}

#[tokio::test]
async fn a_handshake_is_checked_as_the_real_service_does() {
    let simulator = Simulator::start(options()).await.unwrap();
    let url = simulator.url_for(Provider::OpenAi);
    let model = "/v1/realtime?model=gpt-realtime";
    assert_eq!(connect(&url, model, &[]).await.unwrap_err(), "401");
    assert_eq!(connect(&url, model, &[("authorization", "Bearer ")]).await.unwrap_err(), "401");
    assert_eq!(connect(&url, "/v1/other?model=x", &[KEY]).await.unwrap_err(), "404");
    assert_eq!(connect(&url, "/v1/realtime", &[KEY]).await.unwrap_err(), "400");
    let mut beta = connect(&url, model, &[KEY, ("openai-beta", "realtime=v1")]).await.unwrap();
    assert_eq!(event(&mut beta).await["error"]["code"], "beta_api_shape_disabled");
}

#[tokio::test]
async fn a_turn_is_answered_at_the_pace_of_the_service() {
    let simulator = Simulator::start(options()).await.unwrap();
    let mut socket = connect(&simulator.url_for(Provider::OpenAi), "/v1/realtime?model=gpt-realtime", &[KEY]).await.unwrap();
    assert_eq!(event(&mut socket).await["type"], "session.created");
    let audio = json!({"input": {"format": {"type": "audio/pcmu"}, "turn_detection": null},
        "output": {"format": {"type": "audio/pcmu"}}});
    let append = BASE64_STANDARD.encode([0xFF; 1_600]);
    let asked = Instant::now();
    for message in [
        json!({"type": "session.update", "session": {"type": "realtime", "audio": audio}}),
        json!({"type": "input_audio_buffer.append", "audio": append}),
        json!({"type": "input_audio_buffer.commit"}),
        json!({"type": "response.create"}),
    ] {
        socket.send(Message::text(message.to_string())).await.unwrap();
    }
    let updated = wait_for(&mut socket, "session.updated").await;
    assert_eq!(updated["session"]["audio"]["output"]["format"]["type"], "audio/pcmu");
    wait_for(&mut socket, "response.created").await;
    let mut bytes = 0;
    loop {
        let event = event(&mut socket).await;
        match event["type"].as_str().unwrap() {
            "response.output_audio.delta" => {
                let delta = event["delta"].as_str().unwrap();
                bytes += BASE64_STANDARD.decode(delta).unwrap().len();
            }
            "response.done" => break,
            _ => {}
        }
    }
    assert_eq!(bytes, 6_400);
    // 100 ms to the first audio and 800 ms at four times real time; a busy machine may take longer.
    let took = asked.elapsed();
    assert!(took >= Duration::from_millis(290), "{took:?}");
}

#[tokio::test]
async fn faults_strike_as_many_sessions_as_asked() {
    let mut limited = options();
    limited.fault = Some(FaultPlan { sessions: 1, ..FaultPlan::new(Fault::RateLimited) });
    let simulator = Simulator::start(limited).await.unwrap();
    let model = "/v1/realtime?model=gpt-realtime";
    assert_eq!(connect(&simulator.url_for(Provider::OpenAi), model, &[KEY]).await.unwrap_err(), "429");
    assert!(connect(&simulator.url_for(Provider::OpenAi), model, &[KEY]).await.is_ok());

    let mut reset = options();
    reset.fault = Some(FaultPlan { sessions: 1, ..FaultPlan::new(Fault::Reset) });
    let simulator = Simulator::start(reset).await.unwrap();
    let mut socket = connect(&simulator.url_for(Provider::OpenAi), model, &[KEY]).await.unwrap();
    socket.send(Message::text("{\"type\":\"response.create\"}")).await.unwrap();
    let last = loop {
        match socket.next().await {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(last, Some(Err(_))), "{last:?}");
}

#[test]
fn the_simulator_says_where_it_listens() {
    let mut child =
        Command::new(env!("CARGO_BIN_EXE_offhook-sim")).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("offhook-sim listening on ws://127.0.0.1:") && line.ends_with("/v1\n"), "{line:?}");
}

#[test]
fn a_target_elsewhere_is_refused() {
    let audio = common::tone_file("refused");
    let run = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_offhook-load")).args(arguments).arg("--audio").arg(&audio).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let sip = run(&["sip", "--target", "192.0.2.1:5060"]);
    let twilio = run(&["twilio", "--target", "http://192.0.2.1:80"]);
    let unknown = run(&["sip", "--slo", "speed_p95=1ms"]);
    assert!(unknown.0 == Some(2) && unknown.1.contains("known are setup_p50|p95|p99|max"), "{unknown:?}");
    let plan = run(&["sip", "--calls", "1000001"]);
    std::fs::remove_file(&audio).unwrap();
    for (code, stderr) in [sip, twilio] {
        assert_eq!(code, Some(2));
        assert!(stderr.contains("--i-own-the-target") && stderr.lines().count() == 1, "{stderr}");
    }
    assert_eq!(plan, (Some(2), "offhook-load: calls 1000001 is not within 1 to 1000000\n".to_owned()));
}
