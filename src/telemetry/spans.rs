//! Turns and calls drawn as spans: the trace's id is the call's, and what every span is called, holds and lies under is decided here.
//!
//! ```text
//! call ──────────────────────────────────────────────────────────────────────────────
//!  ├ set-up ───                     prepare, ring, confirm; of a call of ours: dial, ring, confirm
//!  ├ turn agent      ────────       sendout, playing
//!  ├ turn caller             ────
//!  └ turn agent                  ──────────────────────────
//!     ├ endpointing              ───
//!     ├ engine                      ──────
//!     ├ sendout                           ─
//!     ├ playing                            ────────────────
//!     └ generate_content …          ────────────
//! ```

use std::borrow::Cow;
use std::time::{Duration, Instant};

use actors::config::EngineConfig;
use actors::trace::{CallEvent, CallTrace, Generation, Trace, TracePart, TracedCall, TurnTrace};
use ai::engine::TurnOutcome;
use opentelemetry::trace::{Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use store::{Direction, HangupCause, LegKind, Outcome, Role, Usage};

/// What a realtime provider does in the words of the `gen_ai` conventions: it makes content of several kinds. They have no word for a
/// conversation of speech yet.
const OPERATION: &str = "generate_content";

/// Who speaks the protocol of engine `realtime`, in the words of the same conventions.
const PROVIDER: &str = "openai";

/// The spans of a part of a trace.
pub(super) fn draw(trace: &Trace) -> Vec<SpanData> {
    let mut pencil = Pencil { call: &trace.call, spans: Vec::new() };
    match &trace.part {
        TracePart::Call(call) => pencil.call(call),
        TracePart::Turn(turn) => pencil.turn(turn),
    }
    pencil.spans
}

/// The root's span id. Known before the root is drawn, so that turns need not wait for the end of the call; never zero, since these
/// bits of a UUID hold its variant.
fn root_of(call: &TracedCall) -> SpanId {
    SpanId::from(call.id.to_bits() as u64)
}

struct Pencil<'a> {
    call: &'a TracedCall,
    spans: Vec<SpanData>,
}

impl Pencil<'_> {
    fn call(&mut self, trace: &CallTrace) {
        let (call, root) = (self.call, root_of(self.call));
        let span = self.span(SpanId::INVALID, "call", (call.arrived, trace.finished));
        span.span_context = context(span.span_context.trace_id(), root);
        span.span_kind = match call.direction {
            Direction::Inbound => SpanKind::Server,
            Direction::Outbound => SpanKind::Client,
        };
        span.attributes = call_attributes(call, trace);
        span.events.events = call_events(call, trace);
        span.status = match trace.ended.map(|(_, cause)| cause) {
            None => Status::error(HangupCause::Crashed.as_str()),
            Some(cause) if cause.outcome() == Outcome::Failed => Status::error(cause.as_str()),
            Some(_) => Status::Unset,
        };
        self.setup(root, trace);
    }

    /// From the INVITE or the webhook until audio flows. A call that did not come so far has the step that it was at as its last.
    fn setup(&mut self, root: SpanId, trace: &CallTrace) {
        let (arrived, setup) = (self.call.arrived, &trace.setup);
        let given_up = trace.ended.map_or(trace.finished, |(at, _)| at);
        let over = setup.up.unwrap_or(given_up);
        let parent = self.span(root, "set-up", (arrived, over)).span_context.span_id();
        let steps: &[(&'static str, Option<Instant>)] = match (self.call.leg, self.call.direction) {
            (_, Direction::Outbound) => &[("dial", setup.ringing), ("ring", setup.answered), ("confirm", setup.up)],
            (LegKind::Sip, _) => &[("prepare", setup.ringing), ("ring", setup.answered), ("confirm", setup.up)],
            (LegKind::Webrtc | LegKind::Ws, _) => &[("prepare", setup.up)],
            (LegKind::Twilio, _) => &[("prepare", setup.ringing), ("await stream", setup.up)],
        };
        let mut begun = arrived;
        for (name, done) in steps.iter().copied() {
            let span = self.span(parent, name, (begun, done.unwrap_or(over)));
            let Some(done) = done else {
                span.status = Status::error("not done");
                return;
            };
            begun = done;
        }
    }

    fn turn(&mut self, turn: &TurnTrace) {
        let (started, ended) = turn.spoken;
        let begun = stages(turn).first().map_or(started, |stage| stage.1);
        let name = match turn.role {
            Role::Agent => "turn agent",
            Role::Caller => "turn caller",
        };
        let interrupted = turn.interrupted.map(|heard| {
            let heard = KeyValue::new("offhook.heard_s", heard.as_secs_f64());
            Event::new("interrupted", self.call.at(ended), vec![heard], 0)
        });
        let root = root_of(self.call);
        let span = self.span(root, name, (begun, ended));
        span.attributes = turn_attributes(turn);
        span.events.events.extend(interrupted);
        let parent = span.span_context.span_id();
        for (name, from, to) in stages(turn) {
            self.span(parent, name, (from, to));
        }
        if let Some(generation) = &turn.generation {
            self.generation(parent, generation, (begun, ended));
        }
    }

    /// What the provider did, from the request to the last of the answer; most of that is made while the beginning is being heard.
    fn generation(&mut self, parent: SpanId, generation: &Generation, (begun, ended): (Instant, Instant)) {
        let call = self.call;
        let Some(EngineConfig::Realtime { session, .. }) = call.assistant.as_deref().map(|it| &it.engine) else {
            return;
        };
        let endpoint = &session.endpoint;
        let name = format!("{OPERATION} {}", endpoint.model);
        let span = self.span(parent, name, (generation.requested.max(begun), generation.done.min(ended)));
        span.span_kind = SpanKind::Client;
        let wait = generation.first_audio.saturating_duration_since(generation.requested);
        span.attributes = vec![
            KeyValue::new("gen_ai.operation.name", OPERATION),
            KeyValue::new("gen_ai.provider.name", PROVIDER),
            KeyValue::new("gen_ai.request.model", endpoint.model.clone()),
            KeyValue::new("gen_ai.request.stream", true),
            KeyValue::new("gen_ai.output.type", "speech"),
            KeyValue::new("gen_ai.conversation.id", call.id.to_string()),
            KeyValue::new("gen_ai.response.time_to_first_chunk", wait.as_secs_f64()),
            KeyValue::new("offhook.provider", endpoint.provider.to_string()),
        ];
        if generation.usage != Usage::default() {
            span.attributes.extend(usage("gen_ai.usage", &generation.usage));
        }
        if generation.outcome == TurnOutcome::Failed {
            span.attributes.push(KeyValue::new("error.type", "failed"));
            span.status = Status::error("the answer broke off");
        }
    }

    /// A new span of the call, without attributes.
    fn span(&mut self, parent: SpanId, name: impl Into<Cow<'static, str>>, (from, to): (Instant, Instant)) -> &mut SpanData {
        let id = RandomIdGenerator::default().new_span_id();
        let trace_id = TraceId::from(self.call.id.to_bits());
        self.spans.push(SpanData {
            span_context: context(trace_id, id),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: self.call.at(from),
            end_time: self.call.at(to.max(from)),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        });
        let last = self.spans.len() - 1;
        &mut self.spans[last]
    }
}

fn context(trace: TraceId, span: SpanId) -> SpanContext {
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default())
}

/// The stages of an agent's turn: each begins where the one before ends, the first is the beginning of the turn and the last its end.
/// Up to the first frame on the wire they are the response gap.
fn stages(turn: &TurnTrace) -> Vec<(&'static str, Instant, Instant)> {
    let (started, ended) = turn.spoken;
    let Some(first_audio) = turn.first_audio else { return Vec::new() };
    let mut stages = Vec::with_capacity(6);
    let asked = turn.generation.map(|generation| generation.requested.min(first_audio));
    let last_speech = turn.waterfall.and_then(|waterfall| started.checked_sub(waterfall.response_gap()));
    match (turn.waterfall, last_speech) {
        (Some(waterfall), Some(last_speech)) => {
            let decided = last_speech + waterfall.endpointing;
            stages.push(("endpointing", last_speech, decided));
            match waterfall.stages {
                None => stages.push(("engine", decided, first_audio)),
                Some(parts) => {
                    let transcribed = decided + parts.transcript;
                    let token = transcribed + parts.first_token;
                    stages.extend([
                        ("transcript", decided, transcribed),
                        ("first token", transcribed, token),
                        ("first audio", token, first_audio),
                    ]);
                }
            }
        }
        // Nobody was answered: the agent began by itself.
        _ => stages.extend(asked.map(|asked| ("engine", asked, first_audio))),
    }
    if turn.interrupted == Some(Duration::ZERO) {
        // Cut before its first frame.
        stages.push(("sendout", first_audio, ended));
    } else {
        stages.push(("sendout", first_audio, started));
        stages.push(("playing", started, ended));
    }
    stages
}

fn call_attributes(call: &TracedCall, trace: &CallTrace) -> Vec<KeyValue> {
    let cause = trace.ended.map_or(HangupCause::Crashed, |(_, cause)| cause);
    let mut attributes = vec![
        KeyValue::new("offhook.call.id", call.id.to_string()),
        KeyValue::new("offhook.leg", call.leg.as_str()),
        KeyValue::new("offhook.direction", call.direction.as_str()),
        KeyValue::new("offhook.cause", cause.as_str()),
        KeyValue::new("offhook.outcome", cause.outcome().as_str()),
        KeyValue::new("offhook.turns", i64::from(trace.turns)),
    ];
    if let Some(assistant) = &call.assistant {
        attributes.push(KeyValue::new("offhook.assistant", assistant.name.clone()));
        attributes.push(KeyValue::new("offhook.engine", assistant.engine.label()));
    }
    attributes.extend(trace.codec.map(|codec| KeyValue::new("offhook.codec", codec.row().name)));
    attributes.extend(trace.setup.up.map(|up| {
        let over = trace.ended.map_or(trace.finished, |(at, _)| at);
        KeyValue::new("offhook.duration_s", over.saturating_duration_since(up).as_secs_f64())
    }));
    attributes.extend(trace.mos.map(|mos| KeyValue::new("offhook.mos", mos)));
    if trace.usage != Usage::default() {
        attributes.extend(usage("offhook.usage", &trace.usage));
    }
    if cause.outcome() == Outcome::Failed {
        attributes.push(KeyValue::new("error.type", cause.as_str()));
    }
    attributes
}

fn call_events(call: &TracedCall, trace: &CallTrace) -> Vec<Event> {
    let mut events: Vec<Event> = trace.events.iter().map(|(at, event)| call_event(call, *at, event)).collect();
    events.extend(trace.ended.map(|(at, cause)| {
        let cause = KeyValue::new("offhook.cause", cause.as_str());
        Event::new("hang-up", call.at(at), vec![cause], 0)
    }));
    events
}

fn call_event(call: &TracedCall, at: Instant, event: &CallEvent) -> Event {
    let (name, attributes) = match event {
        CallEvent::BridgeJoined => ("bridge joined", Vec::new()),
        CallEvent::BridgeLeft => ("bridge left", Vec::new()),
        CallEvent::ActorRestarted(actor) => ("actor restarted", vec![KeyValue::new("offhook.actor", actor.name())]),
        CallEvent::FellBack => ("fallback", vec![KeyValue::new("offhook.engine", "offline")]),
        CallEvent::ProviderFailed(kind) => ("provider failed", vec![KeyValue::new("error.type", *kind)]),
        CallEvent::RecordingFault => ("recording fault", Vec::new()),
        CallEvent::ToolCalled { name, outcome, took } => {
            let name = name.as_deref().unwrap_or("unknown").to_owned();
            let took = KeyValue::new("offhook.duration_s", took.as_secs_f64());
            let outcome = KeyValue::new("offhook.outcome", *outcome);
            ("tool called", vec![KeyValue::new("gen_ai.tool.name", name), outcome, took])
        }
    };
    Event::new(name, call.at(at), attributes, 0)
}

fn turn_attributes(turn: &TurnTrace) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("offhook.turn", i64::from(turn.number)),
        KeyValue::new("offhook.role", turn.role.as_str()),
        KeyValue::new("offhook.engine", turn.engine),
    ];
    let gap = turn.waterfall.map(|waterfall| waterfall.response_gap().as_secs_f64());
    attributes.extend(gap.map(|gap| KeyValue::new("offhook.response_gap_s", gap)));
    attributes
}

/// Token counts under `prefix`; the cached ones are among those read.
fn usage(prefix: &str, usage: &Usage) -> [KeyValue; 3] {
    let count = |name: &str, tokens: u64| KeyValue::new(format!("{prefix}.{name}"), i64::try_from(tokens).unwrap_or(i64::MAX));
    [
        count("input_tokens", usage.input_text_tokens.saturating_add(usage.input_audio_tokens)),
        count("output_tokens", usage.output_text_tokens.saturating_add(usage.output_audio_tokens)),
        count("cache_read.input_tokens", usage.cached_tokens),
    ]
}

#[cfg(test)]
mod tests;
