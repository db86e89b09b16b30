//! For the tests of adapters: conversations and answers as text.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Account, ProviderKind};
use crate::link::{Body, Frame, LinkInput, Protocol, Target};
use crate::responder::{Conversation, Entry, Responded, Responder, ToolCall, ToolChoice};
use crate::synthesizer::{SpeechId, Synthesized, Synthesizer};
use crate::tools::Tool;
use crate::transcriber::{Transcribed, Transcriber};

/// An account of a provider, with the key `k-1`.
pub(crate) fn account(kind: ProviderKind) -> Account {
    Account { api_key: "k-1".into(), ..Account::from(kind) }
}

/// Entries of a text: `c hello` the caller, `a hi` the agent, `t id` a call, `r id` its result.
pub(crate) fn entries(script: &str) -> Vec<Entry> {
    let entry = |line: &str| {
        let (kind, text) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let arguments = "{\"id\":7}".into();
        match kind {
            "a" => Entry::Agent(text.into()),
            "c" => Entry::Caller(text.into()),
            "t" => Entry::ToolCall(ToolCall { call_id: text.to_owned(), name: "lookup".to_owned(), arguments }),
            _ => Entry::ToolResult { call_id: text.to_owned(), output: format!("out {text}").as_str().into() },
        }
    };
    script.split('|').filter(|line| !line.trim().is_empty()).map(entry).collect()
}

/// Where a request goes, and its body.
pub(crate) fn json_of(target: Target) -> (String, Value) {
    match target.protocol {
        Protocol::Http { body: Body::Json(body), .. } => (target.url, serde_json::from_str(body.as_str()).unwrap_or_default()),
        other => panic!("not JSON: {other:?}"),
    }
}

/// The request for an answer to a script, with the tool `lookup` unless `choice` is absent.
pub(crate) fn asked(responder: &dyn Responder, script: &str, choice: Option<ToolChoice>) -> (String, Value) {
    let parameters = json!({ "type": "object" });
    let tool = Tool { name: "lookup".to_owned(), description: "Find an order".to_owned(), parameters };
    let tools = if choice.is_some() { vec![tool] } else { Vec::new() };
    let entries = entries(script);
    let tool_choice = choice.unwrap_or_default();
    let conversation = Conversation { instructions: "Be brief.", entries: &entries, tools: &tools, tool_choice };
    json_of(responder.request(&conversation).unwrap_or_else(|error| panic!("{error}")))
}

/// What is read of an answer whose events have these data, a line each.
pub(crate) fn read(responder: &dyn Responder, events: &str) -> String {
    let mut reader = responder.reader();
    let mut told = Vec::new();
    for data in events.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut out = Vec::new();
        let handled = reader.handle(data, &mut out);
        told.extend(out.iter().map(|said| match said {
            Responded::Done(stop) => format!("done {stop:?}"),
            Responded::Text(words) => words.as_str().to_owned(),
            Responded::ToolCall(call) => format!("call {} {} {}", call.call_id, call.name, call.arguments.as_str()),
            Responded::Used(usage) => format!("used {}({}) {}", usage.input_text, usage.input_cached, usage.output_text),
        }));
        if let Err(error) = handled {
            told.push(format!("{}: {error}", error.kind()));
            break;
        }
    }
    told.join("|")
}

/// What a transcriber makes of texts, a line each.
pub(crate) fn heard(transcriber: &mut dyn Transcriber, texts: &str) -> String {
    let mut told = Vec::new();
    for text in texts.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut out = Vec::new();
        let handled = transcriber.handle(&LinkInput::Text(text.into()), &mut out);
        told.extend(out.iter().map(|said| match said {
            Transcribed::Final(words) => format!("final {}", words.as_str()),
            Transcribed::Language(language) => format!("language {language}"),
            Transcribed::Interim(words) => format!("interim {}", words.as_str()),
            Transcribed::Used(duration) => format!("used {} ms", duration.as_millis()),
            other => format!("{other:?}"),
        }));
        if let Err(error) = handled {
            told.push(format!("{}: {error}", error.kind()));
            break;
        }
    }
    told.join("|")
}

/// A frame as text.
pub(crate) fn framed(frame: Option<Frame>) -> String {
    match frame {
        Some(Frame::Binary(octets)) => format!("{} octets", octets.len()),
        Some(Frame::Text(text)) => text.into_string(),
        None => "nothing".to_owned(),
    }
}

/// The frames that ask for a piece.
pub(crate) fn spoken(synthesizer: &mut dyn Synthesizer, speech: u64, text: &str) -> String {
    let mut out = Vec::new();
    synthesizer.speak(SpeechId(speech), &text.into(), &mut out);
    out.into_iter().map(|frame| framed(Some(frame))).collect::<Vec<_>>().join("|")
}

/// The frames that give a piece up.
pub(crate) fn cancelled(synthesizer: &mut dyn Synthesizer, speech: u64) -> String {
    let mut out = Vec::new();
    synthesizer.cancel(SpeechId(speech), &mut out);
    out.into_iter().map(|frame| framed(Some(frame))).collect::<Vec<_>>().join("|")
}

/// What a synthesizer makes of what its socket says, a line each: a text, or `#3` for three octets.
pub(crate) fn spoke(synthesizer: &mut dyn Synthesizer, lines: &str) -> String {
    let mut told = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let octets = line.strip_prefix('#').and_then(|count| count.parse::<u8>().ok());
        let input = match octets {
            Some(count) => LinkInput::Binary(Bytes::from(vec![0xFF; count.into()])),
            None => LinkInput::Text(line.into()),
        };
        let mut out = Vec::new();
        let handled = synthesizer.handle(None, &input, &mut out);
        told.extend(out.iter().map(|said| match said {
            Synthesized::Aligned { speech, at, text } => format!("{} at {} {}", speech.0, at.as_millis(), text.as_str()),
            Synthesized::Audio { speech, audio } => format!("{} audio {}", speech.0, audio.len()),
            Synthesized::Done { speech } => format!("{} done", speech.0),
            Synthesized::Failed { speech, error } => format!("{} failed {}: {error}", speech.0, error.kind()),
        }));
        if let Err(error) = handled {
            told.push(format!("{}: {error}", error.kind()));
            break;
        }
    }
    told.join("|")
}
