//! A session as a transcript, by [`engine::script`](crate::engine::script). Words `created`, `delta` and so on stand for the server's
//! events; a line in braces is an event as it is.

#![allow(clippy::unwrap_used)]

mod faults;
mod links;
mod remarks;
mod sheet;
mod tool_calls;
mod turns;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use media::codec::Codec;
use media::frame::PcmFrame;
use serde_json::{Value, json};

use super::*;
use crate::engine::script::{self, Scripted};
use crate::openai::RealtimeEndpoint;

/// With a first message and a transcript of the caller.
fn config() -> RealtimeConfig {
    RealtimeConfig { first_message: Some("Hello, this is Ada.".into()), ..silent() }
}

/// Without a first message.
fn silent() -> RealtimeConfig {
    let endpoint = RealtimeEndpoint { api_key: "sk-test".into(), ..RealtimeEndpoint::default() };
    RealtimeConfig { endpoint, ..RealtimeConfig::default() }
}

/// Runs `script` from the start of a session that has connected, and compares what came out after that.
fn check(script: &str, expected: &str) {
    let mut run = Run::new(silent());
    run.play("started\nconnected");
    run.log.clear();
    run.play(script);
    run.expect(expected);
}

/// The socket that was opened last.
struct Realtime {
    link: LinkId,
}

type Run = script::Run<Realtime>;

impl Run {
    fn new(config: RealtimeConfig) -> Self {
        Self::begin(RealtimeSession::new(config, 7), Realtime { link: LinkId(0) })
    }

    /// From the present socket.
    fn socket(&self, input: LinkInput) -> Input {
        Input::Link { link: self.link, input }
    }
}

impl Scripted for Realtime {
    type Session = RealtimeSession;

    const FIRES: bool = false;

    fn input(run: &mut Run, command: &str) -> Input {
        let mut words = command.splitn(4, ' ');
        let verb = words.next().unwrap();
        let rest: Vec<&str> = words.collect();
        let word = |index: usize| rest.get(index).copied().unwrap_or_default();
        let number = |index: usize| word(index).parse::<u64>().unwrap();
        let ms = |index: usize| Duration::from_millis(number(index));
        let prompt = || PromptId(number(0));
        match verb {
            "ringing" => Input::Ringing,
            "started" => Input::Started,
            "connected" => run.socket(LinkInput::Opened),
            "closed" => {
                let code = word(0).parse().ok();
                run.socket(LinkInput::Closed { error: EngineError::Closed { code, reason: String::new() } })
            }
            "refused" => run.socket(LinkInput::Closed { error: EngineError::Key { code: "401".into() } }),
            "starts" => Input::CallerStarted { at: run.now() - ms(0) },
            "finishes" => Input::CallerFinished { last_speech_at: run.now() - ms(0), speech: Duration::ZERO },
            "barge" => Input::BargeInCommitted { prompt: prompt(), heard: ms(1) },
            "heard" => Input::PromptFinished { prompt: prompt() },
            "ended" => Input::Ended { heard: (!rest.is_empty()).then(|| (prompt(), ms(1))) },
            "key" => Input::Dtmf(word(0).chars().next().unwrap()),
            "remark" => Input::Remark(crate::remark::scripted(&command[7..])),
            "say" => Input::Say(command[4..].into()),
            "typed" => Input::Typed(command[6..].into()),
            "result" => Input::ToolResult { call_id: word(0).to_owned(), output: word(1).into() },
            _ => run.socket(LinkInput::Text(event(command).into())),
        }
    }

    fn show(run: &mut Run, output: Output) -> Option<String> {
        Some(match output {
            Output::Audio { prompt, audio } => format!("audio {} {}", prompt.0, audio.len()),
            Output::Open { link, .. } => {
                run.link = link;
                "connect".to_owned()
            }
            Output::Close(_) => "close".to_owned(),
            Output::Failed { error } => format!("failed {}", error.kind()),
            Output::PromptEnd { prompt } => format!("end {}", prompt.0),
            Output::Send { frame: Frame::Text(frame), .. } => format!("> {}", frame_line(frame.as_str())),
            Output::ToolCall { call_id, name, arguments } => format!("tool {call_id} {name} {}", arguments.as_str()),
            Output::Transcript { role, prompt, text, is_final } => {
                let prompt = prompt.map_or(String::new(), |prompt| format!(" {}", prompt.0));
                format!("{role:?}{prompt} {}{}", if is_final { "=" } else { "+" }, text.as_str())
            }
            Output::TurnDone { outcome, timings, usage } => {
                let TurnTimings { last_speech_at, committed, requested, created, first_audio, done, .. } = timings;
                let marks = [last_speech_at, committed, requested, created, first_audio, done].map(|at| run.since_start(at));
                let used = match usage {
                    Usage { input_audio: 0, output_audio: 0, .. } => String::new(),
                    Usage { input_audio, output_audio, .. } => format!(" used {input_audio} {output_audio}"),
                };
                format!("turn {outcome:?} {}{used}", marks.join(" "))
            }
            Output::Usage { usage, .. } => format!(
                "usage {} {} {} {} {} {} {}",
                usage.input_audio,
                usage.input_cached,
                usage.input_text,
                usage.output_audio,
                usage.output_text,
                usage.transcription,
                usage.transcribed.as_millis()
            ),
            Output::Warning { error } => format!("warning {}", error.kind()),
            other => panic!("not of this engine: {other:?}"),
        })
    }
}

/// What a frame to the server says, in a line.
fn frame_line(text: &str) -> String {
    let frame: Value = serde_json::from_str(text).unwrap();
    let field = |name: &str| frame[name].as_str().unwrap_or_default();
    match field("type") {
        "session.update" => "session.update".to_owned(),
        "input_audio_buffer.append" => format!("append {}", STANDARD.decode(field("audio")).unwrap().len()),
        "input_audio_buffer.commit" => "commit".to_owned(),
        "response.create" => match frame["response"]["instructions"].as_str() {
            Some(instructions) => format!("create {}: {instructions}", field("event_id")),
            None => format!("create {}", field("event_id")),
        },
        "response.cancel" => format!("cancel {}", field("response_id")).trim_end().to_owned(),
        "conversation.item.truncate" => {
            assert_eq!(frame["content_index"], 0);
            format!("truncate {} {}", field("item_id"), frame["audio_end_ms"])
        }
        "conversation.item.create" => {
            let item = &frame["item"];
            let field = |name: &str| item[name].as_str().unwrap_or_default();
            match field("type") {
                "message" => format!("{}: {}", field("role"), item["content"][0]["text"].as_str().unwrap()),
                "function_call" => format!("call {} {} {}", field("call_id"), field("name"), field("arguments")),
                "function_call_output" => format!("output {} {}", field("call_id"), field("output")),
                other => panic!("{other}"),
            }
        }
        other => panic!("{other}"),
    }
}

/// The server's event that a line stands for.
fn event(line: &str) -> String {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let word = |index: usize| words.get(index).copied().unwrap_or_default();
    let rest = |index: usize| line.splitn(index + 1, ' ').nth(index).unwrap_or_default();
    let content = |kind: &str| {
        json!({ "type": kind, "event_id": "event_1", "response_id": word(1), "item_id": word(2),
                "output_index": 0, "content_index": 0 })
    };
    let event = match word(0) {
        "created" => json!({ "type": "response.created", "event_id": "event_1",
                             "response": { "id": word(1), "object": "realtime.response", "status": "in_progress" } }),
        "delta" => {
            let mut event = content("response.output_audio.delta");
            event["delta"] = json!(STANDARD.encode(vec![0x7F; word(3).parse().unwrap()]));
            event
        }
        "words" => {
            let mut event = content("response.output_audio_transcript.delta");
            event["delta"] = json!(rest(3));
            event
        }
        "said" => {
            let mut event = content("response.output_audio_transcript.done");
            event["transcript"] = json!(rest(3));
            event
        }
        "audiodone" => content("response.output_audio.done"),
        "done" => done(word(1), word(2), rest(3)),
        "call" => json!({ "type": "response.output_item.done", "response_id": word(1), "output_index": 0,
                          "item": function_call(word(2), word(3)) }),
        "committed" => json!({ "type": "input_audio_buffer.committed", "previous_item_id": null, "item_id": word(1) }),
        "understood" => json!({ "type": "conversation.item.input_audio_transcription.completed", "item_id": word(1),
                                "content_index": 0, "transcript": rest(2), "usage": { "type": "duration", "seconds": 1.5 } }),
        "hears" => json!({ "type": "conversation.item.input_audio_transcription.delta", "item_id": "item_1",
                           "content_index": 0, "delta": rest(1) }),
        "error" => json!({ "type": "error", "event_id": "event_1", "error": { "type": "invalid_request_error",
                           "code": word(1), "message": "m", "param": null, "event_id": words.get(2) } }),
        _ => return line.to_owned(),
    };
    event.to_string()
}

fn function_call(call_id: &str, status: &str) -> Value {
    json!({ "id": "item_9", "object": "realtime.item", "type": "function_call", "status": status,
            "call_id": call_id, "name": "lookup", "arguments": "{\"q\":1}" })
}

/// `response.done`; `detail` is a reason, an error's code, or the identities of function calls.
fn done(response: &str, status: &str, detail: &str) -> Value {
    let calls = if status == "completed" { detail.split_whitespace().collect() } else { Vec::new() };
    let output: Vec<Value> = calls.iter().map(|id| function_call(id, "completed")).collect();
    let details = match status {
        "failed" => json!({ "type": "failed", "error": { "type": "server_error", "code": detail } }),
        "completed" => Value::Null,
        _ => json!({ "type": status, "reason": detail }),
    };
    json!({ "type": "response.done", "event_id": "event_1", "response": { "id": response, "object": "realtime.response",
            "status": status, "status_details": details, "output": output, "usage": null } })
}
