//! Virtual Twilio callers against a server that echoes, over loopback sockets.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use load_tests::monitor::Watching;
use load_tests::mouth::Manner;
use load_tests::report::Report;
use load_tests::twilio_caller::TwilioLoad;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

const TWIML: &str = "<Response><Connect><Stream url=\"wss://calls.example.com/twilio/stream\">\
     <Parameter name=\"call\" value=\"7\"/></Stream></Connect></Response>";

/// How the far side behaves.
#[derive(Clone, Copy, PartialEq)]
enum Server {
    Echoes,
    Apologises,
    EndsStream,
    SendsNonsense,
}

/// Serves webhooks and streams; tells each webhook's body and each message that is not media.
async fn serve(server: Server) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (told, heard) = mpsc::unbounded_channel();
    let told_again = told.clone();
    let address = common::serve(
        move |stream| webhook(stream, server, told.clone()),
        move |stream| stream_audio(stream, server, told_again.clone()),
    )
    .await;
    (address, heard)
}

async fn webhook(mut stream: TcpStream, server: Server, told: mpsc::UnboundedSender<String>) {
    let mut request = vec![0; 4_096];
    let length = stream.read(&mut request).await.unwrap();
    told.send(String::from_utf8_lossy(&request[..length]).into_owned()).unwrap();
    let body = if server == Server::Apologises { "<Response><Say>Sorry</Say></Response>" } else { TWIML };
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn stream_audio(stream: TcpStream, server: Server, told: mpsc::UnboundedSender<String>) {
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let mut marked = false;
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        let event: Value = serde_json::from_str(&text).unwrap();
        if event["event"] != "media" {
            told.send(text.to_string()).unwrap();
            continue;
        }
        match server {
            Server::EndsStream => return,
            Server::SendsNonsense => socket.send(Message::text("{}")).await.unwrap(),
            Server::Echoes | Server::Apologises => {
                let sid = &event["streamSid"];
                let media = json!({"event": "media", "streamSid": sid, "media": {"payload": event["media"]["payload"]}});
                socket.send(Message::text(media.to_string())).await.unwrap();
                if !marked {
                    marked = true;
                    let mark = json!({"event": "mark", "streamSid": sid, "mark": {"name": "first"}});
                    socket.send(Message::text(mark.to_string())).await.unwrap();
                }
            }
        }
    }
}

async fn run(server: Server, calls: u64) -> (Report, Vec<String>) {
    let (target, mut heard) = serve(server).await;
    let mut caller = common::caller(Manner::Continuous);
    caller.keys = "5".to_owned();
    let load = TwilioLoad {
        target,
        public_url: "https://calls.example.com".to_owned(),
        to: "+15550100000".to_owned(),
        from: "+15550199999".to_owned(),
        auth_token: Some("12345".to_owned()),
        plan: common::plan(calls, Duration::from_secs(3)),
        caller,
        watching: Watching::default(),
    };
    let report = load.run().await.unwrap();
    let told = std::iter::from_fn(|| heard.try_recv().ok()).collect();
    (report, told)
}

#[tokio::test]
async fn a_call_goes_as_twilio_carries_it() {
    let (report, told) = run(Server::Echoes, 1).await;
    assert_eq!((report.answered, report.failed), (1, 0), "{report}");
    let [voice, connected, start, mark, dtmf, stop, status] = told.as_slice() else { panic!("{told:?}") };
    assert!(voice.starts_with("POST /twilio/voice HTTP/1.1\r\nHost: calls.example.com\r\n"), "{voice}");
    assert!(voice.contains("X-Twilio-Signature: ") && voice.contains("&CallStatus=ringing&"), "{voice}");
    assert!(connected.contains("\"connected\"") && mark.contains("\"first\"") && dtmf.contains("\"5\""), "{told:?}");
    let start: Value = serde_json::from_str(start).unwrap();
    assert_eq!(start["start"]["customParameters"], json!({"call": "7"}));
    assert!(stop.contains("\"stop\"") && status.contains("&CallStatus=completed&"), "{told:?}");
}

#[tokio::test]
async fn an_echo_is_measured_from_mouth_to_ear() {
    let (report, _) = run(Server::Echoes, 3).await;
    let measures = &report.measures;
    assert_eq!((report.answered, report.failed, report.concurrent), (3, 0, 3), "{report}");
    assert_eq!(measures.mouth_to_ear_ms.count(), 3, "one mark a call in 3 s: {report}");
    // The playback buffer holds the echo's own jitter on two busy cores.
    assert!(measures.mouth_to_ear_ms.max() < Duration::from_millis(100), "{report}");
    // At the end the last frames are on their way: 200 ms of each call.
    assert!(measures.packets.received + 30 >= measures.packets.sent, "{report}");
}

#[tokio::test]
async fn failures_are_told_by_cause() {
    let check = |(report, _): (Report, _), want: &str| {
        let told = format!("{:?}", report.failures);
        assert!(told.contains(want) && report.failed == 1, "{told} lacks {want}");
    };
    check(run(Server::EndsStream, 1).await, "the server ended the stream early");
    check(run(Server::SendsNonsense, 1).await, "bad message: missing field `event`");
}

#[tokio::test]
async fn who_is_turned_away_by_a_voice_has_not_failed() {
    let (report, _) = run(Server::Apologises, 2).await;
    assert_eq!((report.rejected.calls, report.failed, report.answered), (2, 0, 0), "{report}");
    assert_eq!((report.rejected.answer_ms.count(), report.rejected.without_retry_after), (2, 0), "{report}");
}
