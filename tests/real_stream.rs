//! Engine `stream`: calls over SIP and Twilio to external bots, of our own, of the documentation, and of pipecat.
#![allow(clippy::unwrap_used)]

#[path = "support/bot.rs"]
mod bot;
mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bot::Bot;
use serde_json::{Value, json};
use store::HangupCause;
use support::media_stream::{MediaStream, token, webhook};
use support::{EndedCall, Folder, Process, Server, free_address, load, program, rtp_range, speech, stereo};

/// A server whose assistant is the bot at this URL, with these lines more for its engine.
fn server(url: &str, more: &str) -> Server {
    server_with(url, more, "")
}

fn server_with(url: &str, more: &str, sections: &str) -> Server {
    let toml = format!(
        "{sections}[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 16\n[[assistants]]\nname = \"demo\"\n\
         [assistants.engine]\nkind = \"stream\"\nurl = \"{url}\"\n{more}",
        rtp_range(16)
    );
    Server::start_with(&toml, &[("BOT_TOKEN", "12345"), ("BOT_LOGIN", "Bearer t")])
}

/// A caller of `offhook-load` that hangs up after so many seconds.
fn caller(server: &Server, seconds: u32, more: &[&str]) -> Process {
    let child = Command::new(program("offhook-load"))
        .args(["sip", "--target", &server.sip.to_string(), "--hold", &seconds.to_string(), "--say", "silent"])
        .args(["--allow-failures"])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Process(child)
}

fn voiced(server: &Server, ended: &EndedCall) -> [f64; 2] {
    stereo::read(&server.recording(ended)).map(|side| side.voiced_seconds())
}

/// Kinds and sources of what went wrong in the one call, and its end.
fn wrongs(server: &Server) -> (Vec<String>, Option<HangupCause>) {
    // An apology and a goodbye are said first.
    support::wait_for(Duration::from_secs(40), "the end of the call", || {
        (server.metric("offhook_calls_total", "") == 1.0).then_some(())
    });
    let ended = server.ended_calls(1).remove(0);
    // Behind the record's end come the last words of its actors.
    server.wait_metric("offhook_calls_active", "", 0.0);
    let (runtime, database) = server.database();
    let incidents = runtime.block_on(database.incidents(ended.call.call.id)).unwrap();
    let named = incidents.iter().map(|incident| format!("{} {}", incident.kind.as_str(), incident.source)).collect();
    (named, ended.call.cause)
}

const LOST: &str = "provider_failed stream";
const FELL_BACK: &str = "fell_back offline";

#[test]
fn a_clear_silences_the_caller_at_once_and_brings_the_marks_back() {
    let bot = Bot::start();
    let server = server(&bot.url(), "");
    let mut caller = caller(&server, 8, &[]);
    let (mut stream, _) = bot.started();
    stream.mark("first");
    assert_eq!(stream.wait("mark")["mark"]["name"], "first", "nothing waits: it comes back at once");
    stream.say(1_000);
    stream.mark("heard");
    stream.frames = 0;
    assert_eq!(stream.wait("mark")["mark"]["name"], "heard");
    // The caller's frames count the time: 50 went by while the second was played, and a busy machine loses a few of them.
    assert!((40..200).contains(&stream.frames), "{} frames", stream.frames);
    stream.say(60_000);
    stream.mark("cut");
    stream.hear(50);
    stream.frames = 0;
    stream.clear();
    assert_eq!(stream.wait("mark")["mark"]["name"], "cut");
    assert!(stream.frames < 50, "{} frames before the echo", stream.frames);
    assert!(stream.next("stop").is_some());
    caller.wait(Duration::from_secs(20));
    let ended = server.ended_calls(1).remove(0);
    let [_, agent] = voiced(&server, &ended);
    assert!((1.5..4.0).contains(&agent), "{agent} s of tone, of a second and a minute");
    assert_eq!((ended.call.cause, ended.call.call.engine.as_str()), (Some(HangupCause::CallerHangup), "stream"));
    assert_eq!(server.metric("offhook_barge_ins_total", ""), 0.0);
}

#[test]
fn more_than_two_minutes_of_audio_are_refused_and_counted() {
    let bot = Bot::start();
    let server = server(&bot.url(), "");
    let _caller = caller(&server, 6, &[]);
    let (mut stream, _) = bot.started();
    (0..2).for_each(|_| stream.say(80_000));
    stream.mark("end");
    stream.clear();
    stream.wait("mark");
    // 40 s of octets, but for what was played meanwhile.
    server.wait_metric("offhook_bot_rejected_total", "", 0.0);
    let refused = support::wait_for(Duration::from_secs(10), "refused octets", || {
        Some(server.metric("offhook_sendout_refused_bytes_total", "")).filter(|refused| *refused > 0.0)
    });
    assert!((200_000.0..=320_000.0).contains(&refused), "{refused}");
}

#[test]
fn keys_reach_the_bot_and_do_not_cut_it() {
    let bot = Bot::start();
    let server = server(&bot.url(), "");
    let _caller = caller(&server, 8, &["--dtmf", "5#"]);
    let (mut stream, _) = bot.started();
    stream.say(4_000);
    stream.mark("whole");
    assert_eq!(stream.wait("dtmf")["dtmf"], json!({"track": "inbound_track", "digit": "5"}));
    assert_eq!(stream.wait("dtmf")["dtmf"]["digit"], "#");
    assert_eq!(stream.wait("mark")["mark"]["name"], "whole");
    stream.wait("stop");
    let [_, agent] = voiced(&server, &server.ended_calls(1).remove(0));
    assert!((3.8..4.2).contains(&agent), "{agent} s of 4 s of tone");
}

#[test]
fn a_bot_that_closes_in_good_order_ends_the_call() {
    let bot = Bot::start();
    let server = server(&bot.url(), "");
    let mut caller = caller(&server, 30, &[]);
    let (mut stream, _) = bot.started();
    stream.say(1_000);
    stream.hear(10);
    stream.close(1000);
    caller.wait(Duration::from_secs(20));
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.call.cause, Some(HangupCause::AgentHangup));
    let [_, agent] = voiced(&server, &ended);
    assert!((0.9..1.1).contains(&agent), "{agent} s: its last words were heard");
}

#[test]
fn a_dropped_socket_is_made_again_once_and_then_the_fallback_answers() {
    let bot = Bot::start();
    let server = server(&bot.url(), "");
    let _caller = caller(&server, 40, &[]);
    let (mut stream, first) = bot.started();
    stream.hear(20);
    stream.drop_dead();
    let (mut stream, second) = bot.started();
    assert_eq!(first["start"]["callSid"], second["start"]["callSid"]);
    assert_ne!(first["streamSid"], second["streamSid"]);
    let reconnect = |start: &Value| start["start"]["customParameters"]["reconnect"].clone();
    assert_eq!((reconnect(&first), reconnect(&second)), (Value::Null, json!("1")));
    stream.hear(20);
    stream.drop_dead();
    let (wrongs, cause) = wrongs(&server);
    assert_eq!((wrongs, cause), (vec![LOST.into(), LOST.into(), FELL_BACK.into()], Some(HangupCause::AgentHangup)));
    let ended = server.ended_calls(1).remove(0);
    assert!(ended.turns.iter().any(|turn| turn.text.reveal().starts_with("I am sorry")), "{:?}", ended.turns);
}

#[test]
fn a_bot_that_stands_still_is_noticed_and_the_caller_hears_music() {
    let bot = Bot::hesitating(Duration::from_secs(3));
    let server = server(&bot.url(), "");
    let _caller = caller(&server, 60, &[]);
    let (mut silent, _) = bot.started();
    silent.hear(5);
    // It reads no more, and so answers no ping.
    let (mut stream, start) = bot.started();
    assert_eq!(start["start"]["customParameters"]["reconnect"], "1");
    stream.hear(5);
    stream.close(1000);
    drop(silent);
    assert_eq!(wrongs(&server), (vec![LOST.to_owned()], Some(HangupCause::AgentHangup)));
    assert_eq!(server.metric("offhook_provider_errors_total", "kind=\"half_open\""), 1.0);
    // No bot said anything: what was heard is music, whose notes fade.
    let [_, agent] = voiced(&server, &server.ended_calls(1)[0]);
    assert!((0.4..4.0).contains(&agent), "{agent} s of music");
}

#[test]
fn a_bot_that_refuses_is_replaced_before_the_caller_notices() {
    for (status, errors) in [(403, 1), (503, 2)] {
        let bot = Bot::refusing(status);
        let server = server(&bot.url(), "");
        let _caller = caller(&server, 30, &[]);
        let (wrongs, cause) = wrongs(&server);
        let mut expected = vec![LOST.to_owned(); errors];
        expected.push(FELL_BACK.to_owned());
        assert_eq!((wrongs, cause), (expected, Some(HangupCause::AgentHangup)), "{status}");
    }
}

#[test]
fn a_bot_that_is_not_there_is_given_up_in_time() {
    // It takes connections and says nothing: the handshake is never answered.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = server(&format!("ws://{}/", listener.local_addr().unwrap()), "connect_timeout_ms = 500\n");
    let _caller = caller(&server, 30, &[]);
    assert_eq!(wrongs(&server).0, [LOST, FELL_BACK]);
    assert_eq!(server.metric("offhook_provider_errors_total", "kind=\"connect_timeout\""), 1.0);
}

#[test]
fn garbage_is_counted_and_a_giant_is_dropped() {
    use tokio_tungstenite::tungstenite::Message;
    let bot = Bot::start();
    let server = server(&bot.url(), "");
    let _caller = caller(&server, 8, &[]);
    let (mut stream, _) = bot.started();
    stream.socket.send(Message::text("nonsense")).unwrap();
    stream.socket.send(Message::binary(vec![1, 2, 3])).unwrap();
    let sid = std::mem::replace(&mut stream.sid, "MZ0".to_owned());
    stream.clear();
    stream.sid = sid;
    stream.mark("still here");
    assert_eq!(stream.wait("mark")["mark"]["name"], "still here");
    for reason in ["malformed", "binary", "stream_sid"] {
        server.wait_metric("offhook_bot_rejected_total", &format!("reason=\"{reason}\""), 1.0);
    }
    // It may be cut off before all of it is written.
    let _reset = stream.socket.send(Message::text("x".repeat(3 << 20)));
    let (mut stream, _) = bot.started();
    stream.wait("stop");
    assert_eq!(wrongs(&server).0, [LOST]);
}

#[test]
fn the_invites_headers_become_parameters_and_the_request_is_signed() {
    let bot = Bot::start();
    let more = "signed_url = \"wss://example.com/media\"\nauth_token_env = \"BOT_TOKEN\"\nauthorization_env = \"BOT_LOGIN\"\n\
                sip_headers = [\"X-Account\", \"X-Tag\", \"X-Absent\", \"X-Long\"]\n[assistants.engine.parameters]\ntier = \"gold\"\n";
    let server = server(&bot.url(), more);
    let phone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (local, sip) = (phone.local_addr().unwrap(), server.sip);
    // A caller with A-law only.
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n";
    let head = |method: &str, to_tag: &str| {
        format!(
            "{method} sip:demo@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-{method}\r\nMax-Forwards: 70\r\n\
             From: <sip:+15550123@{local}>;tag=1\r\nTo: <sip:demo@{sip}>{to_tag}\r\nCall-ID: headers@test\r\n\
             Contact: <sip:{local}>\r\nCSeq: 1 {method}\r\n"
        )
    };
    let headers = format!("X-Account: 7\r\nX-Tag: a\r\nX-Secret: no\r\nX-Tag: b\r\nX-Long: {}\r\n", "x".repeat(500));
    let invite =
        format!("{}{headers}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", head("INVITE", ""), sdp.len());
    phone.send_to(invite.as_bytes(), sip).unwrap();
    let tag = loop {
        let mut buffer = [0; 4096];
        let length = phone.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.starts_with("SIP/2.0 200") {
            let to = text.lines().find(|line| line.starts_with("To:")).unwrap();
            break to[to.find(";tag=").unwrap()..].to_owned();
        }
    };
    phone.send_to(format!("{}Content-Length: 0\r\n\r\n", head("ACK", &tag)).as_bytes(), sip).unwrap();
    let (mut stream, start) = bot.started();
    let named = |name: &str| stream.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(named("x-twilio-signature"), Some("7PR3qMkpDyEJtMrVOY/LDyNq8J8="));
    assert_eq!(named("authorization"), Some("Bearer t"));
    let id = start["start"]["customParameters"]["call_id"].as_str().unwrap().to_owned();
    let told = json!({"X-Account": "7", "X-Tag": "a, b", "tier": "gold", "from": "+15550123", "to": "demo",
                      "call_id": id, "direction": "inbound"});
    assert_eq!(start["start"]["customParameters"], told);
    assert_eq!(start["start"]["callSid"], format!("CA{}", id.replace('-', "")));
    assert_eq!(start["start"]["mediaFormat"]["encoding"], "audio/x-mulaw");
    // Silence of A-law, 0xD5, is the quietest step of mu-law: never A-law's own octets.
    let media = stream.wait("media");
    assert!(!media["media"]["payload"].as_str().unwrap().starts_with("1dXV"), "{media}");
    stream.close(1000);
    server.wait_metric("offhook_bot_rejected_total", "reason=\"parameter\"", 1.0);
    let log = server.log();
    // Within a longer number it is some time of day or port.
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let alone = |at: usize| !digit(log.as_bytes()[..at].last()) && !digit(log.as_bytes().get(at + 5));
    assert!(!log.contains("5550123") && !log.match_indices("12345").any(|(at, _)| alone(at)), "{log}");
}

#[test]
fn a_twilio_call_is_handed_on_with_twilios_own_ids_and_marks() {
    let bot = Bot::start();
    let server = server(&bot.url(), "");
    let target = format!("http://{}", server.http);
    let call =
        std::thread::spawn(move || load(&["twilio", "--target", &target, "--hold", "6", "--allow-failures", "--say", "silent"]));
    let (mut stream, start) = bot.started();
    let parameters = &start["start"]["customParameters"];
    assert!(parameters["token"].is_null() && parameters["from"].is_string(), "{parameters}");
    assert!(start["start"]["callSid"].as_str().unwrap().starts_with("CA"));
    stream.say(1_000);
    stream.mark("played");
    assert_eq!(stream.wait("mark")["mark"]["name"], "played");
    stream.say(30_000);
    stream.mark("cut");
    stream.hear(25);
    stream.clear();
    assert_eq!(stream.wait("mark")["mark"]["name"], "cut");
    stream.wait("stop");
    let (_, report, text) = call.join().unwrap();
    assert_eq!((&report["answered"], &report["failed"]), (&json!(1), &json!(0)), "{text}");
    assert!(report["stream"]["clears"].as_u64().unwrap() >= 1, "{text}");
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(start["start"]["callSid"], ended.call.call.external_id);
    let [_, agent] = voiced(&server, &ended);
    assert!((1.2..3.5).contains(&agent), "{agent} s of tone");
}

#[test]
fn twilios_own_parameters_are_passed_on() {
    let bot = Bot::start();
    let server = server(&bot.url(), "");
    let (_, twiml) = webhook(server.http, "/twilio/voice", "CA1");
    let parameters = json!({"token": token(&twiml), "plan": "pro", "from": "somebody else"});
    let mut twilio = MediaStream::start_with(server.http, "CA1", parameters);
    let (mut stream, start) = bot.started();
    let told = &start["start"]["customParameters"];
    assert_eq!((&told["plan"], &told["from"], &told["token"]), (&json!("pro"), &json!("+15550199999"), &Value::Null));
    assert_eq!((&start["start"]["accountSid"], &start["start"]["callSid"]), (&json!("AC1"), &json!("CA1")));
    twilio.send(&json!({"event": "stop", "streamSid": "MZ1", "stop": {"accountSid": "AC1", "callSid": "CA1"}}));
    stream.wait("stop");
}

#[test]
fn recording_is_off_where_the_assistant_says_so() {
    let bot = Bot::start();
    let toml = format!(
        "[[assistants]]\nname = \"demo\"\nrecording = \"off\"\n[assistants.engine]\nkind = \"stream\"\nurl = \"{}\"\n",
        bot.url()
    );
    let server = Server::start(&toml);
    let _caller = caller(&server, 2, &[]);
    bot.started().0.wait("stop");
    assert!(server.ended_calls(1)[0].recordings.is_empty());
}

/// A bot in Python, and the lines that it prints.
struct PythonBot {
    _process: Process,
    lines: Receiver<String>,
    url: String,
}

impl PythonBot {
    /// Starts a script with a free port as its argument, and waits until it listens.
    fn start(python: &Path, script: &Path) -> Self {
        let address = free_address();
        let mut child: Child = Command::new(python)
            .arg(script)
            .arg(address.port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let process = Process(child);
        support::wait_for(Duration::from_secs(60), "the bot listens", || std::net::TcpStream::connect(address).ok());
        Self { _process: process, lines, url: format!("ws://{address}/media") }
    }

    /// Waits for a line that begins so.
    fn wait(&self, start: &str) -> String {
        loop {
            let line =
                self.lines.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| panic!("the bot did not print {start}"));
            if line.starts_with(start) {
                return line;
            }
        }
    }
}

/// Speech goes to the bot, and comes back as it was.
fn check_echo(server: &Server, more: &[&str]) {
    let (target, audio) = (server.sip.to_string(), speech());
    let common = ["sip", "--target", &target, "--hold", "9", "--allow-failures", "--audio", audio.to_str().unwrap()];
    let (_, report, text) = load(&[&common[..], &["--say", "continuous"], more].concat());
    assert_eq!((&report["answered"], &report["packets"]["lost"]), (&json!(1), &json!(0)), "{text}");
    let ended = server.ended_calls(1).remove(0);
    let [caller, agent] = voiced(server, &ended);
    assert!(caller > 1.0 && agent > 0.8 * caller, "{caller} s said, {agent} s came back");
}

#[test]
fn the_bot_of_the_documentation_works_as_it_stands_there() {
    let Some(python) = support::python() else { return };
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/external-bots.md")).unwrap();
    let (_, rest) = docs.split_once("```python\n").unwrap();
    let folder = Folder::new();
    let script = folder.path().join("bot.py");
    std::fs::write(&script, rest.split_once("```").unwrap().0).unwrap();
    let bot = PythonBot::start(&python, &script);
    let server = server(&bot.url, "");
    check_echo(&server, &["--dtmf", "1*"]);
    assert_eq!(bot.wait("a call to"), "a call to demo");
    assert_eq!(bot.wait("heard up to"), "heard up to 1");
    let _caller = caller(&server, 30, &["--dtmf", "#"]);
    assert_eq!(server.ended_calls(2)[0].call.cause, Some(HangupCause::AgentHangup), "# ends the call");
}

#[test]
fn a_bot_made_of_pipecat_hears_speaks_and_interrupts() {
    let Some(python) = support::python() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipecat_bot.py");
    let bot = PythonBot::start(&python, &script);
    let server = server(&bot.url, "");
    check_echo(&server, &["--dtmf", "5"]);
    assert_eq!(bot.wait("start"), "start demo");
    assert_eq!(bot.wait("key"), "key 5");
    assert_eq!(bot.wait("mark"), "mark key-5");
    assert_eq!(bot.wait("stop"), "stop");
    // Twenty seconds of tone, which the bot interrupts after two: the caller is silent, so all that comes is tone.
    let _caller = caller(&server, 9, &["--dtmf", "1"]);
    assert_eq!(bot.wait("key"), "key 1");
    assert_eq!(bot.wait("mark"), "mark tone");
    assert_eq!(bot.wait("clear"), "clear");
    assert_eq!(bot.wait("stop"), "stop");
    let ended = &server.ended_calls(2)[0];
    let [caller, agent] = voiced(&server, ended);
    assert!(caller < 0.2 && (1.0..4.0).contains(&agent), "{caller} s said, {agent} s of tone");
    assert_eq!(server.metric("offhook_bot_rejected_total", ""), 0.0);
    assert_eq!(server.metric("offhook_provider_errors_total", ""), 0.0);
}
