//! The draft of a call's record: each fact goes to the Store as it happens, so that a crash loses none of them.

use std::borrow::Cow;

use ai::engine::{EngineError, Past, Words};
use ai::language::Language;
use ai::redact::Redaction;
use ai::tools::Source;
use serde_json::json;
use store::{
    CallId, Citation, HangupCause, Incident, IncidentKind, RecordingFormat, Role, StoreWrite, Transcript, Usage, WallTime,
};

use crate::conference::{RoomEvent, RoomNews};
use crate::config::Assistant;
use crate::jitter_buffer::Received;
use crate::kind::ActorKind;
use crate::recorder::RecordingEvent;
use crate::shared::Shared;
use crate::store::StoreMsg;
use crate::trace::CallEvent;
use crate::turn::{Counted, TurnReport};

use super::meter::Meter;
use super::trace::CallTracer;

/// Turns and uses of tools kept for an engine that must be started again with what was said: about ten minutes of talk.
const HISTORY_MAX: usize = 64;

/// Bytes of text in them: what an engine keeps itself.
const HISTORY_BYTES_MAX: usize = 128 * 1024;

/// Passages kept for the agent's next turn: what one search of the knowledge base gives.
const SOURCES_MAX: usize = 20;

/// What the Call actor remembers for the record.
pub(super) struct Draft {
    id: CallId,
    node: String,
    /// What is taken out of what was said before it is kept.
    redaction: Redaction,
    /// Whose errors the engine reports.
    provider: String,
    turns: u32,
    usage: Usage,
    meter: Meter,
    /// The latest turns and uses of tools, oldest first.
    pub(super) history: Vec<Past>,
    /// What tools found since the agent last spoke: its next turn is based on it.
    sources: Vec<Source>,
    /// Where the recording begins on the media clock.
    pub(super) first_tick: Option<u64>,
    /// A recording was opened and not closed.
    recording: bool,
    pub(super) received: Option<Box<Received>>,
    pub(super) ended: Option<(HangupCause, Option<String>, WallTime)>,
    pub(super) trace: CallTracer,
}

impl Draft {
    pub(super) fn new(id: CallId, node: &str, assistant: Option<&Assistant>, trace: CallTracer) -> Self {
        Self {
            id,
            node: node.to_owned(),
            redaction: assistant.map(|assistant| assistant.redaction).unwrap_or_default(),
            provider: assistant.map_or("", |assistant| assistant.engine.provider()).to_owned(),
            turns: 0,
            usage: Usage::default(),
            meter: Meter::default(),
            history: Vec::new(),
            sources: Vec::new(),
            first_tick: None,
            recording: false,
            received: None,
            ended: None,
            trace,
        }
    }

    pub(super) fn node(&self) -> String {
        self.node.clone()
    }

    pub(super) fn turn_taken(&mut self, report: TurnReport, shared: &Shared) {
        let number = self.turns;
        self.trace.turn(number, &report);
        let mut turn = report.into_turn(self.id, number);
        self.turns += 1;
        let role = match turn.role {
            Role::Agent => ai::engine::Role::Agent,
            Role::Caller => ai::engine::Role::Caller,
        };
        self.remember(Past::Said(role, Words::from(turn.text.reveal())));
        if let Cow::Owned(text) = self.redaction.text(turn.text.reveal()) {
            turn.text = Transcript::new(text);
        }
        shared.store.tell(StoreMsg::Write(StoreWrite::TurnAdded(turn)));
        metrics::counter!("offhook_turns_total").increment(1);
        self.write_used(shared);
        if role == ai::engine::Role::Agent {
            self.cite(number, shared);
        }
    }

    /// A tool found passages, which the agent is about to speak of.
    pub(super) fn found(&mut self, sources: Vec<Source>) {
        self.sources.extend(sources);
        self.sources.truncate(SOURCES_MAX);
    }

    fn cite(&mut self, turn: u32, shared: &Shared) {
        for (place, source) in (0..).zip(self.sources.drain(..)) {
            let Source { chunk, document, heading, score, text } = source;
            let citation = Citation { call: self.id, turn, place, chunk, document, heading, score: score.into(), text };
            shared.store.tell(StoreMsg::Write(StoreWrite::ChunkCited(citation)));
        }
    }

    /// Keeps something for an engine that must be started again.
    pub(super) fn remember(&mut self, past: Past) {
        self.history.push(past);
        let mut bytes: usize = self.history.iter().map(Past::bytes).sum();
        while self.history.len() > HISTORY_MAX || bytes > HISTORY_BYTES_MAX {
            bytes -= self.history.remove(0).bytes();
        }
    }

    /// Adds up what the sessions of the call used; each counts from its own beginning.
    pub(super) fn usage_counted(&mut self, counted: &Counted, shared: &Shared) {
        self.meter.add(&counted.used, &self.provider);
        let used = &counted.tokens;
        if *used == Usage::default() {
            return;
        }
        let total = &mut self.usage;
        total.input_text_tokens += used.input_text_tokens;
        total.input_audio_tokens += used.input_audio_tokens;
        total.cached_tokens += used.cached_tokens;
        total.output_text_tokens += used.output_text_tokens;
        total.output_audio_tokens += used.output_audio_tokens;
        self.trace.used(self.usage);
        shared.store.tell(StoreMsg::Write(StoreWrite::UsageCounted { call: self.id, usage: self.usage }));
    }

    /// Writes what providers did since the last turn; with each turn, and with the end of the call.
    pub(super) fn write_used(&mut self, shared: &Shared) {
        let (call, at) = (self.id, WallTime::now());
        for used in self.meter.take_changed() {
            shared.store.tell(StoreMsg::Write(StoreWrite::ProviderUsed { call, at, used }));
        }
    }

    /// The caller speaks this language.
    pub(super) fn language_heard(&self, language: Language, shared: &Shared) {
        let language = language.to_string();
        tracing::info!(call = %self.id, language, "the caller's language is known");
        shared.store.tell(StoreMsg::Write(StoreWrite::LanguageHeard { call: self.id, language }));
    }

    /// A provider failed: the one of this name, or the engine's only one.
    pub(super) fn provider_failed(&mut self, provider: Option<&str>, error: &EngineError, shared: &Shared) {
        tracing::warn!(call = %self.id, %error, "provider failed");
        self.trace.event(CallEvent::ProviderFailed(error.kind()));
        let provider = provider.unwrap_or(&self.provider);
        metrics::counter!("offhook_provider_errors_total", "provider" => provider.to_owned(), "kind" => error.kind())
            .increment(1);
        self.incident(IncidentKind::ProviderFailed, provider, error.to_string(), shared);
    }

    pub(super) fn fell_back(&mut self, reason: String, shared: &Shared) {
        self.trace.event(CallEvent::FellBack);
        metrics::counter!("offhook_provider_fallbacks_total").increment(1);
        self.incident(IncidentKind::FellBack, "offline", reason, shared);
    }

    pub(super) fn restarted(&mut self, actor: ActorKind, reason: &str, shared: &Shared) {
        tracing::warn!(call = %self.id, actor = actor.name(), reason, "actor restarted");
        self.trace.event(CallEvent::ActorRestarted(actor));
        self.incident(IncidentKind::ActorRestarted, actor.name(), reason.to_owned(), shared);
    }

    pub(super) fn recording(&mut self, event: RecordingEvent, shared: &Shared) {
        let write = match event {
            RecordingEvent::Opened { path } => {
                self.recording = true;
                StoreWrite::RecordingOpened { call: self.id, path, format: RecordingFormat::Wav, at: WallTime::now() }
            }
            RecordingEvent::Began { first_tick } => {
                self.first_tick = Some(first_tick);
                return;
            }
            RecordingEvent::Faulted { reason } => {
                tracing::warn!(call = %self.id, reason, "recording fault");
                self.trace.event(CallEvent::RecordingFault);
                metrics::counter!("offhook_recording_faults_total").increment(1);
                self.incident(IncidentKind::RecordingFault, ActorKind::Recorder.name(), reason, shared);
                return;
            }
            RecordingEvent::Closed { path, state, duration, bytes, note } => {
                self.recording = false;
                StoreWrite::RecordingClosed { call: self.id, path, state, duration, bytes, note }
            }
        };
        shared.store.tell(StoreMsg::Write(write));
    }

    /// Somebody came into the call's conference, or left it.
    pub(super) fn room_news(&mut self, news: &RoomNews, shared: &Shared) {
        let (kind, event, detail) = match news.event {
            RoomEvent::Joined(attendance) => {
                (IncidentKind::BridgeJoined, CallEvent::BridgeJoined, attendance.party.as_str().to_owned())
            }
            RoomEvent::Left => (IncidentKind::BridgeLeft, CallEvent::BridgeLeft, "left".to_owned()),
            RoomEvent::Lost => (IncidentKind::BridgeLeft, CallEvent::BridgeLeft, "lost".to_owned()),
        };
        self.trace.event(event);
        self.incident(kind, &news.call.to_string(), detail, shared);
    }

    fn incident(&self, kind: IncidentKind, source: &str, detail: String, shared: &Shared) {
        let incident = Incident { call: self.id, at: WallTime::now(), kind, source: source.to_owned(), detail };
        shared.store.tell(StoreMsg::Write(StoreWrite::IncidentSeen(incident)));
    }

    /// A recording was opened, and its Recorder has not closed it.
    pub(super) fn records(&self) -> bool {
        self.recording
    }

    /// Why the call ends, once it does.
    pub(super) fn cause(&self) -> Option<HangupCause> {
        self.ended.as_ref().map(|(cause, ..)| *cause)
    }

    /// Media figures of the whole call, for the record.
    pub(super) fn stats(&self) -> serde_json::Value {
        let Some(Received { totals: received, mos }) = self.received.as_deref() else { return serde_json::Value::Null };
        json!({
            "received": received.received,
            "lost": received.lost,
            "late": received.late,
            "concealed": received.concealed,
            "mos": mos.map(|mos| (mos * 100.0).round() / 100.0),
        })
    }
}
