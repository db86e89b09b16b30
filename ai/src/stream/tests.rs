//! A session as a transcript, by [`engine::script`](crate::engine::script). `media N`, `mark NAME` and `clear` come from the bot, with
//! the right `streamSid`; a line in braces is a message as it is, with SID for that.

#![allow(clippy::unwrap_used)]

mod faults;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::*;
use crate::engine::Stage;
use crate::engine::script::{self, Scripted};
use crate::link::Protocol;
use crate::secret::Secret;

fn config() -> StreamConfig {
    let bot = Bot { url: "wss://bot.example/media".into(), ..Bot::default() };
    StreamConfig { bot, parameters: vec![("from".into(), "+15550100".into())], ..StreamConfig::default() }
}

/// Runs `script` from the moment when the bot has its `start`, and compares what came out after that.
fn check(script: &str, expected: &str) {
    let mut run = Run::new(config());
    run.play("ringing\nopened\nstarted");
    run.log.clear();
    run.play(script);
    run.expect(expected);
}

/// What is known of the bot.
struct Wire {
    /// The socket that was opened last, and the stream on it.
    link: LinkId,
    sid: String,
    /// All messages as they went out.
    sent: Vec<String>,
    played: Vec<Bytes>,
}

type Run = script::Run<Wire>;

impl Run {
    fn new(config: StreamConfig) -> Self {
        let (sid, sent, played) = Default::default();
        Self::begin(StreamSession::new(config, 7), Wire { link: LinkId(0), sid, sent, played })
    }

    /// From the present socket.
    fn socket(&self, input: LinkInput) -> Input {
        Input::Link { link: self.link, input }
    }

    fn text(&self, text: &str) -> Input {
        self.socket(LinkInput::Text(text.replace("SID\"", &format!("{}\"", self.sid)).as_str().into()))
    }
}

impl Scripted for Wire {
    type Session = StreamSession;

    const FIRES: bool = false;

    fn input(run: &mut Run, command: &str) -> Input {
        let (verb, word) = command.split_once(' ').unwrap_or((command, ""));
        let closed = |code| LinkInput::Closed { error: EngineError::Closed { code, reason: String::new() } };
        match verb {
            "ringing" => Input::Ringing,
            "started" => Input::Started,
            "ended" => Input::Ended { heard: None },
            "key" => Input::Dtmf(word.chars().next().unwrap()),
            "marked" => Input::Marked { mark: word.parse().unwrap() },
            "opened" => run.socket(LinkInput::Opened),
            "closed" => run.socket(closed(word.parse().ok())),
            "refused" => run.socket(LinkInput::Closed { error: EngineError::Key { code: "401".into() } }),
            "unreachable" => run.socket(LinkInput::Closed { error: EngineError::Network { reason: "refused".into() } }),
            "late" => {
                let stage = if word == "connect" { Stage::Connect } else { Stage::Write };
                run.socket(LinkInput::Closed { error: EngineError::Late { stage, limit: Duration::from_secs(5) } })
            }
            "binary" => run.socket(LinkInput::Binary(Bytes::from_static(b"{}"))),
            "media" => {
                let payload = STANDARD.encode(vec![0x90; word.parse().unwrap()]);
                run.text(&format!(r#"{{"event":"media","streamSid":"SID","media":{{"payload":"{payload}"}}}}"#))
            }
            "mark" => run.text(&format!(r#"{{"event":"mark","streamSid":"SID","mark":{{"name":"{word}"}}}}"#)),
            "clear" => run.text(r#"{"event":"clear","streamSid":"SID"}"#),
            _ => run.text(command),
        }
    }

    fn note(log: &mut Vec<String>, _ms: u64, line: String) {
        match log.last_mut() {
            // Many frames of one kind are one line.
            Some(last) if last.split(" x").next() == Some(&line) => {
                let times: u32 = last.split_once(" x").map_or(1, |(_, times)| times.parse().unwrap());
                *last = format!("{line} x{}", times + 1);
            }
            _ => log.push(line),
        }
    }

    fn show(run: &mut Run, output: Output) -> Option<String> {
        Some(match output {
            Output::Audio { prompt, audio } => {
                let line = format!("audio {} {}", prompt.0, audio.len());
                run.played.push(audio);
                line
            }
            Output::Clear => "drop".to_owned(),
            Output::Close(link) => format!("close {}", link.0),
            Output::Failed { error } => format!("failed {}", error.kind()),
            Output::Hangup { reason } => format!("hangup {reason}"),
            Output::Mark { mark } => format!("mark {mark}"),
            Output::Open { link, target } => {
                assert!(matches!(target.protocol, Protocol::WebSocket { .. }));
                run.link = link;
                format!("open {} {} {}", link.0, target.stage, target.url)
            }
            Output::PromptEnd { prompt } => format!("end {}", prompt.0),
            Output::Rejected { reason } => format!("rejected {reason}"),
            Output::Send { link, frame: Frame::Text(text) } => {
                assert_eq!(link, run.link);
                let text = text.into_string();
                let line = message(&text);
                if let Some(sid) = serde_json::from_str::<Value>(&text).unwrap()["streamSid"].as_str() {
                    run.sid = sid.to_owned();
                }
                run.sent.push(text);
                line
            }
            Output::Warning { error } => format!("warning {}", error.kind()),
            other => panic!("not of this engine: {other:?}"),
        })
    }
}

/// What a message to the bot says, in a line.
fn message(text: &str) -> String {
    let message: Value = serde_json::from_str(text).unwrap();
    let event = message["event"].as_str().unwrap();
    let detail = match event {
        "dtmf" => message["dtmf"]["digit"].as_str().unwrap().to_owned(),
        "mark" => message["mark"]["name"].as_str().unwrap().to_owned(),
        "media" => STANDARD.decode(message["media"]["payload"].as_str().unwrap()).unwrap().len().to_string(),
        "start" => message["start"]["customParameters"].to_string(),
        _ => String::new(),
    };
    format!("> {event} {detail}").trim_end().to_owned()
}

#[test]
fn the_socket_opens_while_it_rings_and_the_stream_starts_with_the_answer() {
    let mut run = Run::new(config());
    run.play("ringing\nopened\naudio 3\n+200 started\naudio 2");
    run.expect(
        r#"open 1 bot wss://bot.example/media
           > connected
           > start {"from":"+15550100"}
           > media 160 x2"#,
    );
}

#[test]
fn without_ringing_it_opens_at_the_answer() {
    let mut run = Run::new(config());
    run.play("started\naudio 2\nopened\naudio 1");
    run.expect(
        r#"open 1 bot wss://bot.example/media
           > connected
           > start {"from":"+15550100"}
           > media 160"#,
    );
}

#[test]
fn messages_are_twilios_to_the_letter() {
    let mut run = Run::new(config());
    run.play("ringing\nopened\nstarted\naudio 2\nkey 5\nmark utt-7\nmarked 0\nended");
    let (sid, account, call) = (run.sid.clone(), format!("AC{}", "0".repeat(32)), format!("CA{}", "0".repeat(32)));
    assert!(sid.len() == 34 && sid.starts_with("MZ") && sid[2..].bytes().all(|c| c.is_ascii_hexdigit()), "{sid}");
    let silence = STANDARD.encode([0xFF; 160]);
    let expected = [
        r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#.to_owned(),
        format!(
            r#"{{"event":"start","sequenceNumber":"1","streamSid":"{sid}","start":{{"streamSid":"{sid}","accountSid":"{account}","callSid":"{call}","tracks":["inbound"],"customParameters":{{"from":"+15550100"}},"mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}}}}"#
        ),
        format!(
            r#"{{"event":"media","sequenceNumber":"2","streamSid":"{sid}","media":{{"track":"inbound","chunk":"1","timestamp":"0","payload":"{silence}"}}}}"#
        ),
        format!(
            r#"{{"event":"media","sequenceNumber":"3","streamSid":"{sid}","media":{{"track":"inbound","chunk":"2","timestamp":"20","payload":"{silence}"}}}}"#
        ),
        format!(r#"{{"event":"dtmf","sequenceNumber":"4","streamSid":"{sid}","dtmf":{{"track":"inbound_track","digit":"5"}}}}"#),
        format!(r#"{{"event":"mark","sequenceNumber":"5","streamSid":"{sid}","mark":{{"name":"utt-7"}}}}"#),
        format!(
            r#"{{"event":"stop","sequenceNumber":"6","streamSid":"{sid}","stop":{{"accountSid":"{account}","callSid":"{call}"}}}}"#
        ),
    ];
    assert_eq!(run.sent, expected);
    // Made without spare room: what becomes a frame is not copied again.
    assert!(run.sent[2..4].iter().all(|text| text.capacity() == text.len()));
}

#[test]
fn audio_of_any_length_is_said_and_the_bot_hears_the_caller_meanwhile() {
    check(
        "media 160\nmedia 1\nmedia 80000\naudio 1\nmedia 0",
        "audio 0 160
         audio 0 1
         audio 0 80000
         > media 160",
    );
}

#[test]
fn marks_are_echoed_in_order_when_they_are_reached() {
    check(
        "media 160\nmark a\nmedia 160\nmark b\nmark c\nmarked 0\nmarked 2\nmarked 2",
        "audio 0 160
         mark 0
         audio 0 160
         mark 1
         mark 2
         > mark a
         > mark b
         > mark c",
    );
}

#[test]
fn a_clear_drops_what_waits_and_echoes_all_its_marks_at_once() {
    check(
        "media 160\nmark a\nmark b\nclear\nmarked 1\nmedia 320\nmark c\nmarked 2\nclear",
        "audio 0 160
         mark 0
         mark 1
         drop
         > mark a
         > mark b
         audio 1 320
         mark 2
         > mark c
         drop",
    );
    // Nothing was said: nothing to drop.
    check("clear\nmark a\nclear", "mark 0\n> mark a");
}

#[test]
fn an_a_law_leg_is_recoded_both_ways() {
    let mut run = Run::new(StreamConfig { codec: Codec::Pcma, ..config() });
    run.play("ringing\nopened\nstarted");
    run.frame(Codec::Pcma);
    let event: Value = serde_json::from_str(run.sent.last().unwrap()).unwrap();
    let heard = STANDARD.decode(event["media"]["payload"].as_str().unwrap()).unwrap();
    let mut expected = [Codec::Pcma.row().silence; 160];
    Codec::Pcma.recode(&mut expected, Codec::Pcmu);
    assert_eq!(heard, expected);
    run.play("media 4");
    let mut expected = [0x90; 4];
    Codec::Pcmu.recode(&mut expected, Codec::Pcma);
    assert_eq!(run.played.last().unwrap()[..], expected);
}

#[test]
fn the_end_of_the_call_is_told_and_nothing_follows() {
    check("ended\nmedia 160\nmark a\nkey 1", "> stop\nclose 1");
    let mut run = Run::new(config());
    run.play("ringing\nopened\nended");
    run.expect("open 1 bot wss://bot.example/media\n> connected\nclose 1");
}

#[test]
fn a_bot_that_closes_in_good_order_ends_the_call_when_its_words_were_heard() {
    check("media 160\nclosed 1000\nmedia 160\nended", "audio 0 160\nend 0\nhangup bot_closed");
    check("closed 1005", "hangup bot_closed");
    // While it rings nobody is there yet: the caller is answered, and the call is over.
    let mut run = Run::new(config());
    run.play("ringing\nopened\nclosed 1000");
    run.log.clear();
    run.play("+2000 started");
    run.expect("hangup bot_closed");
}

#[test]
fn the_request_is_signed_and_authorized_as_it_is_configured() {
    let headers = |bot: &Bot| {
        let target = bot.target();
        assert!(!format!("{target:?}").contains("12345"));
        target.headers.iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect::<Vec<_>>()
    };
    let plain = Bot { url: "ws://127.0.0.1/media".into(), ..Bot::default() };
    assert!(headers(&plain).is_empty());
    let signed = Bot {
        signed_url: Some("wss://example.com/media".into()),
        auth_token: Secret::from("12345"),
        authorization: Secret::from("Bearer t"),
        ..plain
    };
    assert_eq!(headers(&signed), ["x-twilio-signature: 7PR3qMkpDyEJtMrVOY/LDyNq8J8=", "authorization: Bearer t"]);
}

#[test]
fn the_next_engine_begins_behind_all_prompts() {
    let mut run = Run::new(StreamConfig { first_prompt: PromptId(1 << 32), ..config() });
    run.play("ringing\nopened\nstarted\nmedia 160\nclear\nmedia 160");
    assert_eq!(run.session.next_prompt(), PromptId((1 << 32) + 2));
}
