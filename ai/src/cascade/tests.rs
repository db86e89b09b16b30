//! A cascade as a transcript: a script of what happens goes in, what the session does comes out, in virtual time.
//!
//! Each line of a script is a command, with `+MS ` before it when time passes first: timeouts fire when they are due. A line that begins
//! with a provider's name is what its newest link says; `open NAME` and `closed NAME` are its ends. `tts1 audio 3 500` is half a second
//! of speech of piece 3.

#![allow(clippy::unwrap_used)]

mod fake;
mod faults;
mod happy;
mod languages;
mod remarks;
mod speculation;

use std::collections::HashMap;
use std::sync::Arc;

use media::codec::Codec;
use media::frame::PcmFrame;
use media::turn::TurnHint;

use super::*;
use crate::engine::TurnTimings;
use crate::link::{Body, Frame, Protocol};

/// One provider a stage, no first message, no filler.
fn single() -> CascadeConfig {
    fake::config(&["stt1"], &["llm1"], &["tts1"])
}

/// Two a stage, and a filler.
fn double() -> CascadeConfig {
    CascadeConfig { filler: Some("One moment.".into()), ..fake::config(&["stt1", "stt2"], &["llm1", "llm2"], &["tts1", "tts2"]) }
}

/// Runs `script` from the start of a session whose sockets are open, and compares what came out after that.
fn check(config: CascadeConfig, script: &str, expected: &str) {
    let mut run = Run::new(config);
    run.play("started\nopen stt1\nopen tts1");
    run.log.clear();
    run.play(script);
    run.expect(expected);
}

struct Run {
    session: CascadeSession,
    links: HashMap<String, LinkId>,
    names: HashMap<LinkId, String>,
    start: Instant,
    ms: u64,
    log: Vec<String>,
    /// What words said of the turn.
    hints: Vec<String>,
}

impl Run {
    fn new(config: CascadeConfig) -> Self {
        Self::of(CascadeSession::new(config, 7))
    }

    fn of(session: CascadeSession) -> Self {
        // Far from the clock's zero, so that instants before the start exist.
        let start = Instant::now() + Duration::from_secs(3_600);
        let (links, names) = (HashMap::new(), HashMap::new());
        Self { session, links, names, start, ms: 0, log: Vec::new(), hints: Vec::new() }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.ms)
    }

    fn play(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (wait, command) = match line.strip_prefix('+') {
                Some(line) => line.split_once(' ').unwrap_or((line, "")),
                None => ("0", line),
            };
            self.wait(wait.parse().unwrap());
            if !command.is_empty() {
                self.command(command);
            }
        }
    }

    fn expect(&self, expected: &str) {
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(self.log, expected, "\ncame out:\n{}", self.log.join("\n"));
    }

    /// Whether the caller heard anything by `ms`.
    fn first_audio(&self) -> Option<u64> {
        let line = self.log.iter().find(|line| line.contains(" audio ") && !line.contains('>'))?;
        line.split(' ').next()?.parse().ok()
    }

    fn command(&mut self, command: &str) {
        let words: Vec<&str> = command.splitn(3, ' ').collect();
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        let number = |index: usize| word(index).split(' ').next().unwrap().parse::<u64>().unwrap();
        let ms = |index: usize| Duration::from_millis(number(index));
        let input = match word(0) {
            "audio" => return (0..number(1)).for_each(|_| self.frame()),
            "ringing" => Input::Ringing,
            "started" => Input::Started,
            "starts" => Input::CallerStarted { at: self.now() - ms(1) },
            "pauses" => Input::CallerPaused { last_speech_at: self.now() - ms(1) },
            "resumes" => Input::CallerResumed,
            "finishes" => Input::CallerFinished { last_speech_at: self.now() - ms(1), speech: ms(2) },
            "barge" => Input::BargeInCommitted { prompt: PromptId(number(1)), heard: ms(2) },
            "heard" => Input::PromptFinished { prompt: PromptId(number(1)) },
            "remark" => Input::Remark(crate::remark::scripted(&words[1..].join(" "))),
            "say" => Input::Say(words[1..].join(" ").into()),
            "key" => Input::Dtmf(word(1).chars().next().unwrap()),
            "result" => Input::ToolResult { call_id: word(1).to_owned(), output: word(2).into() },
            "spoken" => Input::Synthesized { request: number(1), result: Ok(Bytes::from(vec![1; number(2) as usize * 8])) },
            "cached" => {
                let audio = Some(number(2)).filter(|ms| *ms > 0).map(|ms| Bytes::from(vec![2; ms as usize * 8]));
                Input::Cached { key: self.session.mouth.key_of(&word(1).replace('_', " ")), audio }
            }
            "ended" => Input::Ended { heard: None },
            "open" => Input::Link { link: self.links[word(1)], input: LinkInput::Opened },
            "closed" => {
                let error = EngineError::Closed { code: None, reason: String::new() };
                Input::Link { link: self.links[word(1)], input: LinkInput::Closed { error } }
            }
            "limited" => {
                let error = EngineError::RateLimited { retry_after: None };
                Input::Link { link: self.links[word(1)], input: LinkInput::Closed { error } }
            }
            "over" => Input::Link { link: self.links[word(1)], input: LinkInput::Ended },
            name => {
                let text = command.split_once(' ').unwrap().1;
                Input::Link { link: self.links[name], input: LinkInput::Text(text.into()) }
            }
        };
        self.session.handle_input(self.now(), input);
        self.drain();
    }

    fn frame(&mut self) {
        self.wait(20);
        self.session.handle_input(self.now(), Input::Audio(Arc::new(PcmFrame::silence(Codec::Pcmu))));
        self.drain();
    }

    /// Time passes; timeouts fire when they are due.
    fn wait(&mut self, ms: u64) {
        let end = self.ms + ms;
        while let Some(at) = self.session.poll_timeout() {
            let due = u64::try_from(at.saturating_duration_since(self.start).as_nanos().div_ceil(1_000_000)).unwrap();
            if due > end {
                break;
            }
            self.ms = self.ms.max(due);
            self.session.handle_timeout(self.now());
            self.drain();
            assert_ne!(self.session.poll_timeout(), Some(at), "a timeout that was handled stays; {:?}", self.log);
        }
        self.ms = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            if let Some(shown) = self.show(output) {
                self.log.push(format!("{} {shown}", self.ms));
            }
        }
    }

    fn name(&self, link: LinkId) -> &str {
        &self.names[&link]
    }

    fn show(&mut self, output: Output) -> Option<String> {
        let at = |instant: Option<Instant>| {
            instant.map_or("-".to_owned(), |at| (at.saturating_duration_since(self.start).as_millis()).to_string())
        };
        Some(match output {
            Output::Audio { prompt, audio } => format!("audio {} {}", prompt.0, audio.len() / 8),
            Output::PromptEnd { prompt } => format!("end {}", prompt.0),
            Output::Open { link, target } => {
                self.links.insert(target.provider.to_string(), link);
                self.names.insert(link, target.provider.to_string());
                match target.protocol {
                    Protocol::Http { body: Body::Json(words), .. } => format!("ask {}: {}", target.provider, words.as_str()),
                    _ => format!("connect {}", target.provider),
                }
            }
            Output::Close(link) => format!("close {}", self.name(link)),
            Output::Send { link, frame: Frame::Text(text) } => format!("> {} {}", self.name(link), text.as_str()),
            Output::Send { link, frame: Frame::Binary(audio) } => format!("> {} {} octets", self.name(link), audio.len()),
            Output::Failed { error } => format!("failed {error}"),
            Output::ProviderFailed { provider, stage, replaced, error } => {
                format!("{stage} {provider} {}{}", error.kind(), if replaced { ", replaced" } else { "" })
            }
            Output::TurnHint(hint @ (TurnHint::Completeness(_) | TurnHint::Words(_))) => {
                self.hints.push(format!("{hint:?}"));
                return None;
            }
            Output::Transcript { is_final: false, .. } | Output::ProviderTook { .. } | Output::Usage(_) | Output::Warm { .. } => {
                return None;
            }
            Output::Transcript { role, prompt, text, .. } => {
                let prompt = prompt.map_or(String::new(), |prompt| format!(" {}", prompt.0));
                format!("{role:?}{prompt} = {}", text.as_str())
            }
            Output::TurnDone { outcome, timings, .. } => {
                let TurnTimings { last_speech_at, committed, transcribed, requested, created, first_audio, done } = timings;
                let marks = [last_speech_at, committed, transcribed, requested, created, first_audio, done].map(at);
                format!("turn {outcome:?} {}", marks.join(" "))
            }
            Output::Speculated { used } => format!("early {}", if used { "used" } else { "wasted" }),
            Output::ToolCall { call_id, name, .. } => format!("tool {call_id} {name}"),
            Output::CacheGet(key) => format!("look {}", key.0.lines().last().unwrap()),
            Output::CachePut { key, audio } => format!("keep {} {}", key.0.lines().last().unwrap(), audio.len() / 8),
            Output::Synthesize { request, text } => format!("synthesize {request} {}", text.as_str()),
            Output::Language(language) => format!("language {language}"),
            Output::TurnHint(hint) => format!("hint {hint:?}"),
            other => panic!("not of this engine: {other:?}"),
        })
    }
}
