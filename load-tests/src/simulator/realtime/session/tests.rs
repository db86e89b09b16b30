//! Protocol of a session in virtual time: client events in, the story of server events out.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use media::codec::Codec;

use super::*;
use crate::simulator::{Script, SimOptions};

/// What the client does, one action a word: `speak` and `quiet` append 200 ms, `+N` lets N ms pass, `[name]` sends a bare
/// event, anything else is sent as it is.
struct Story {
    now: Instant,
    session: Session,
    story: Vec<String>,
}

impl Story {
    fn new(script: &str) -> Self {
        Self::with_fault(script, None)
    }

    fn with_fault(script: &str, fault: Option<Fault>) -> Self {
        let options = SimOptions {
            script: Script::parse(script).unwrap(),
            speed: 2.0,
            first_audio: Duration::from_millis(100),
            ..SimOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)))
        };
        let shared = Shared::new(options).unwrap();
        let session = Session::new(Arc::new(shared), 1, "gpt-realtime", fault);
        let mut story = Self { now: Instant::now(), session, story: Vec::new() };
        story.drain();
        story.send(UPDATE);
        assert_eq!(story.story, ["session.created", "session.updated"]);
        story
    }

    fn run(&mut self, actions: &str) -> String {
        self.story.clear();
        for action in actions.split_whitespace() {
            match action {
                "speak" => self.append(4_000),
                "quiet" => self.append(0),
                _ if action.starts_with('+') => self.pass(action[1..].parse().unwrap()),
                _ if action.starts_with('[') => {
                    self.send(&format!("{{\"type\":\"{}\"}}", action.trim_matches(['[', ']'])));
                }
                _ => self.send(action),
            }
        }
        self.story.join(" ")
    }

    fn append(&mut self, sample: i16) {
        let audio = BASE64_STANDARD.encode(crate::speech::encode(Codec::Pcmu, &[sample; 1_600]));
        self.send(&format!("{{\"type\":\"input_audio_buffer.append\",\"audio\":\"{audio}\"}}"));
    }

    fn send(&mut self, text: &str) {
        self.session.handle_text(self.now, text);
        self.drain();
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.session.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            let word = match output {
                Output::Text(text) => match serde_json::from_str::<Value>(&text) {
                    Ok(event) => word(&event),
                    Err(_) => "BROKEN".to_owned(),
                },
                Output::Binary(_) => "BINARY".to_owned(),
                Output::Reset => "RESET".to_owned(),
                other => format!("{other:?}"),
            };
            self.story.push(word);
        }
    }
}

/// An event's name without what all share, with the fields that the tests are about.
fn word(event: &Value) -> String {
    assert!(event.is_array() || event["event_id"].is_string(), "no event_id: {event}");
    let kind = event["type"].as_str().unwrap_or("UNTYPED");
    let kind = kind.trim_start_matches("response.").trim_start_matches("input_audio_buffer.");
    match kind {
        "error" => format!("error:{}", event["error"]["code"].as_str().unwrap()),
        "done" => format!("done:{}", event["response"]["status"].as_str().unwrap()),
        _ => kind.replace("conversation.", "").replace("output_audio", "audio"),
    }
}

const UPDATE: &str = r#"{"type":"session.update","session":{"type":"realtime","audio":{
    "input":{"format":{"type":"audio/pcmu"},"turn_detection":null,"transcription":{"model":"whisper-1"}},
    "output":{"format":{"type":"audio/pcmu"}}}}}"#;
const ANSWER: &str = "[[turns]]\ntext = \"one two\"\nduration_ms = 320";
const CANCELLED: &str = "audio.done audio_transcript.done content_part.done output_item.done item.done done:cancelled";

#[test]
fn a_committed_turn_is_answered_in_the_order_of_the_real_service() {
    let mut story = Story::new(ANSWER);
    assert_eq!(story.run("speak [input_audio_buffer.commit]"), "committed item.added item.done");
    assert_eq!(story.run("[response.create] +0"), "created rate_limits.updated output_item.added item.added content_part.added");
    assert_eq!(story.run("+100"), "audio_transcript.delta audio.delta");
    assert_eq!(
        story.run("+1000"),
        "item.input_audio_transcription.delta item.input_audio_transcription.completed \
         audio_transcript.delta audio.delta \
         audio.done audio_transcript.done content_part.done output_item.done item.done done:completed"
    );
}

#[test]
fn what_the_real_service_refuses_is_refused() {
    let mut story = Story::new(ANSWER);
    let mut check = |action: &str, want: &str| assert_eq!(story.run(action), want, "{action}");
    check("nonsense", "error:invalid_json");
    check("[song.play]", "error:invalid_value");
    check("[input_audio_buffer.append]", "error:missing_required_parameter");
    check(r#"{"type":"input_audio_buffer.append","audio":"*"}"#, "error:invalid_value");
    check("[input_audio_buffer.commit]", "error:input_audio_buffer_commit_empty");
    check("[response.cancel]", "error:response_cancel_not_active");
    check("[response.create] [response.create]", "error:conversation_already_has_active_response");
    check(r#"{"type":"conversation.item.delete","item_id":"x"}"#, "error:item_delete_invalid_item_id");
    check(r#"{"type":"conversation.item.retrieve","item_id":"x"}"#, "error:item_retrieve_invalid_item_id");
    check(r#"{"type":"conversation.item.truncate","item_id":"x"}"#, "error:item_truncate_invalid_item_id");
    let item = |item: &str| format!(r#"{{"type":"conversation.item.create","item":{item}}}"#);
    let output = r#"{"type":"function_call_output","call_id":"x","output":"1"}"#;
    check(&item(output), "error:invalid_tool_call_id");
    check(&item(r#"{"type":"message","role":"assistant","content":[{"type":"text"}]}"#), "error:invalid_value");
    check(&item(r#"{"type":"message","role":"robot"}"#), "error:invalid_value");
    check(&item(r#"{"type":"song"}"#), "error:invalid_value");
    let known = item(r#"{"type":"message","role":"user","id":"x","content":[]}"#);
    check(&known, "item.added item.done");
    check(&known, "error:item_create_duplicate_item_id");
    check(r#"{"type":"conversation.item.truncate","item_id":"x","audio_end_ms":1}"#, "error:invalid_value");
}

#[test]
fn an_error_names_the_event_that_caused_it() {
    let mut story = Story::new(ANSWER);
    story.session.handle_text(story.now, r#"{"type":"response.cancel","event_id":"mine"}"#);
    let Some(Output::Text(text)) = story.session.poll_output() else { panic!("no error event") };
    assert!(text.contains(r#""event_id":"mine""#), "{text}");
}

#[test]
fn a_response_that_is_cancelled_ends_incomplete() {
    let mut story = Story::new(ANSWER);
    story.run("[response.create] +100");
    assert_eq!(story.run("[response.cancel] +1000"), CANCELLED);
}

#[test]
fn truncation_stays_within_the_audio_that_was_sent() {
    let mut story = Story::new(ANSWER);
    story.run("[response.create] +100");
    let item = story.session.items.back().unwrap().id.clone();
    let mut check = |end: u64, want: &str| {
        let event = format!(r#"{{"type":"conversation.item.truncate","item_id":"{item}","audio_end_ms":{end}}}"#);
        assert_eq!(story.run(&event), want, "{end}");
    };
    check(161, "error:invalid_value");
    check(160, "item.truncated");
    check(100, "item.truncated");
    check(101, "error:invalid_value");
}

#[test]
fn server_vad_answers_and_interrupts() {
    let mut story = Story::new(ANSWER);
    let vad = r#"{"type":"session.update","session":{"type":"realtime","audio":{"input":{"transcription":null,
        "turn_detection":{"type":"server_vad","silence_duration_ms":400}}}}}"#;
    story.send(vad);
    let answered = story.run("speak quiet quiet");
    assert_eq!(answered, "speech_started speech_stopped committed item.added item.done");
    story.run("+110");
    assert_eq!(story.run("speak"), format!("speech_started {CANCELLED}"));
}

#[test]
fn a_function_call_is_answered_once() {
    let script = "[[turns]]\ntool = { name = \"lookup\", arguments = '{\"a\":1}' }\n[[turns]]\nduration_ms = 160";
    let mut story = Story::new(script);
    assert_eq!(
        story.run("[response.create] +0"),
        "created rate_limits.updated output_item.added item.added function_call_arguments.delta \
         function_call_arguments.done output_item.done item.done done:completed"
    );
    let call = story.session.items.back().unwrap().call_id.clone().unwrap();
    let item = format!(r#"{{"type":"function_call_output","call_id":"{call}","output":"1"}}"#);
    let create = format!(r#"{{"type":"conversation.item.create","item":{item}}}"#);
    assert_eq!(story.run(&create), "item.added item.done");
    assert!(story.run("[response.create] +500").ends_with("done:completed"));
}

#[test]
fn echo_answers_with_what_was_committed_and_live_with_what_comes() {
    let mut story = Story::new("[[turns]]\naudio = \"echo\"\n[[turns]]\naudio = \"live\"\nduration_ms = 1000");
    story.run("speak speak [input_audio_buffer.commit] [response.create] +1000");
    assert_eq!(story.story.iter().filter(|word| *word == "audio.delta").count(), 3);
    story.run("[response.create] +10");
    assert_eq!(story.run("speak quiet"), "audio.delta audio.delta");
    assert!(story.run("+1000").ends_with("done:completed"));
    assert_eq!(story.run("speak"), "");
}

#[test]
fn faults_hit_the_first_response_only() {
    let check = |fault, want: &str| {
        let mut story = Story::with_fault(ANSWER, Some(fault));
        let got = story.run("[response.create] +500");
        assert!(got.contains(want), "{fault:?}: {got}");
        story
    };
    check(Fault::Reset, "audio.delta RESET");
    check(Fault::Close, "audio.delta Close(1011");
    check(Fault::ServerError, "done:failed");
    let dripped = check(Fault::Drip, "audio.delta");
    assert_eq!(dripped.story.iter().filter(|word| *word == "audio.delta").count(), 3, "a byte at 100, 300 and 500 ms");
    check(Fault::Garbage, "BROKEN UNTYPED BINARY surprise audio_transcript.delta audio.delta");
    let mut limited = check(Fault::RateLimited, "done:failed");
    assert!(limited.run("[response.create] +500").ends_with("done:completed"));
    let mut stalled = check(Fault::Stall, "audio.delta");
    assert_eq!(stalled.run("[session.update] +9000"), "");
}

#[test]
fn the_conversation_forgets_its_oldest_item_when_full() {
    let mut story = Story::new(ANSWER);
    let create = r#"{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[]}}"#;
    story.send(create);
    let first = story.session.items.front().unwrap().id.clone();
    for _ in 0..ITEMS_MAX {
        story.send(create);
    }
    assert_eq!(story.session.items.len(), ITEMS_MAX);
    assert!(story.session.items.iter().all(|item| item.id != first));
}
