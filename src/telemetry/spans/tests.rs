//! Parts of a trace in; out a line a span, with its times in milliseconds from the call's arrival, indented under its parent.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::SystemTime;

use actors::config::{Assistant, OfflineVoice, TurnConfig};
use actors::kind::ActorKind;
use actors::trace::SetupTrace;
use actors::turn::Waterfall;
use ai::offline::OfflineConfig;
use ai::openai::RealtimeEndpoint;
use ai::prompt::Prompt;
use ai::realtime::RealtimeConfig;
use ai::remark::Phrases;
use ai::tools::toolbox::Toolbox;
use media::codec::Codec;
use store::{CallId, Direction, LegKind};

use super::*;

const ID: &str = "018f6b1e-0000-7000-8000-0000000000ab";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn realtime() -> EngineConfig {
    EngineConfig::Realtime {
        session: Box::new(RealtimeConfig {
            endpoint: RealtimeEndpoint { provider: "acme".into(), ..RealtimeEndpoint::default() },
            ..RealtimeConfig::default()
        }),
        fallback: OfflineConfig::default(),
    }
}

/// A call of engine `realtime` that arrived now.
fn call(leg: LegKind) -> Arc<TracedCall> {
    let offline_voice = OfflineVoice { name: "en-us".to_owned(), words_per_minute: 160 };
    let assistant = Assistant {
        name: "demo".to_owned(),
        organization: store::OrganizationId::operator(),
        engine: realtime(),
        prompt: Prompt::default(),
        remembers: false,
        tools: Toolbox::default(),
        turn: TurnConfig::default(),
        phrases: Phrases::default(),
        offline_voice,
        recording: None,
        background_denoising: false,
        ambience: None,
        redaction: actors::config::Redaction::default(),
    };
    let id: CallId = ID.parse().unwrap();
    let (arrived, arrived_at) = (Instant::now(), SystemTime::now());
    Arc::new(TracedCall { id, leg, direction: Direction::Inbound, assistant: Some(Arc::new(assistant)), arrived, arrived_at })
}

fn drawn(call: &Arc<TracedCall>, part: TracePart) -> Vec<SpanData> {
    draw(&Trace { call: Arc::clone(call), part })
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a KeyValue> {
    attributes.iter().find(|attribute| attribute.key.as_str() == key)
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    value(attributes, key).map_or("-".to_owned(), |attribute| attribute.value.to_string())
}

/// A line a span, in the order of drawing; a span under one that was drawn here stands two columns further in.
fn check(call: &TracedCall, spans: &[SpanData], expected: &str) {
    let since = |at: SystemTime| at.duration_since(call.arrived_at).unwrap().as_millis();
    let parent = |span: &SpanData| spans.iter().find(|other| other.span_context.span_id() == span.parent_span_id);
    let lines: Vec<String> = spans
        .iter()
        .map(|span| {
            let depth = std::iter::successors(parent(span), |span| parent(span)).count();
            let failed = if matches!(span.status, Status::Error { .. }) { " failed" } else { "" };
            format!("{:1$}{2} {3}-{4}{failed}", "", depth * 2, span.name, since(span.start_time), since(span.end_time))
        })
        .collect();
    assert_eq!(lines.join("\n"), expected);
    for span in spans {
        assert_eq!(span.span_context.trace_id().to_string(), ID.replace('-', ""));
        assert!(span.span_context.is_sampled() && span.span_context.span_id() != SpanId::INVALID);
        if let Some(parent) = parent(span) {
            assert!(parent.start_time <= span.start_time && span.end_time <= parent.end_time, "{}", span.name);
        }
    }
}

fn turn(call: &TracedCall, role: Role, from: u64, to: u64) -> TurnTrace {
    TurnTrace {
        number: 2,
        role,
        engine: "realtime",
        spoken: (call.arrived + ms(from), call.arrived + ms(to)),
        interrupted: None,
        first_audio: None,
        waterfall: None,
        generation: None,
    }
}

/// An answer: last speech at 1,000, decided at 1,600, first audio at 1,950, on the wire at 1,960, heard until 5,000.
fn answer(call: &TracedCall) -> TurnTrace {
    let at = |millis| call.arrived + ms(millis);
    let usage =
        Usage { input_audio_tokens: 30, input_text_tokens: 4, output_audio_tokens: 50, cached_tokens: 7, ..Usage::default() };
    TurnTrace {
        first_audio: Some(at(1_950)),
        waterfall: Some(Waterfall { endpointing: ms(600), engine: ms(350), stages: None, sendout: ms(10) }),
        generation: Some(Generation {
            transcribed: None,
            created: None,
            requested: at(1_600),
            first_audio: at(1_950),
            done: at(2_700),
            outcome: TurnOutcome::Completed,
            usage,
        }),
        ..turn(call, Role::Agent, 1_960, 5_000)
    }
}

#[test]
fn the_stages_of_an_answer_lie_end_to_end() {
    let call = call(LegKind::Sip);
    let spans = drawn(&call, TracePart::Turn(Box::new(answer(&call))));
    check(
        &call,
        &spans,
        "turn agent 1000-5000\n  \
           endpointing 1000-1600\n  \
           engine 1600-1950\n  \
           sendout 1950-1960\n  \
           playing 1960-5000\n  \
           generate_content gpt-realtime 1600-2700",
    );
    assert_eq!(spans[0].parent_span_id, root_of(&call));
    assert_eq!(text(&spans[0].attributes, "offhook.response_gap_s"), "0.96");
    let generation = &spans[5];
    assert_eq!(generation.span_kind, SpanKind::Client);
    let told = |key: &str| text(&generation.attributes, key);
    assert_eq!((told("gen_ai.operation.name"), told("gen_ai.provider.name")), ("generate_content".into(), "openai".into()));
    assert_eq!((told("gen_ai.request.model"), told("offhook.provider")), ("gpt-realtime".into(), "acme".into()));
    assert_eq!((told("gen_ai.usage.input_tokens"), told("gen_ai.usage.output_tokens")), ("34".into(), "50".into()));
    assert_eq!(told("gen_ai.usage.cache_read.input_tokens"), "7");
    assert_eq!((told("gen_ai.response.time_to_first_chunk"), told("gen_ai.conversation.id")), ("0.35".into(), ID.into()));
}

#[test]
fn a_greeting_answers_nobody() {
    let call = call(LegKind::Sip);
    let greeting = TurnTrace { waterfall: None, ..answer(&call) };
    let expected = "turn agent 1600-5000\n  \
           engine 1600-1950\n  \
           sendout 1950-1960\n  \
           playing 1960-5000\n  \
           generate_content gpt-realtime 1600-2700";
    check(&call, &drawn(&call, TracePart::Turn(Box::new(greeting))), expected);
}

#[test]
fn what_was_cut_says_how_much_was_heard() {
    let call = call(LegKind::Sip);
    let cut = TurnTrace { interrupted: Some(ms(3_040)), generation: None, ..answer(&call) };
    let spans = drawn(&call, TracePart::Turn(Box::new(cut)));
    let [event] = &spans[0].events[..] else { panic!("{:?}", spans[0].events) };
    assert_eq!((&*event.name, text(&event.attributes, "offhook.heard_s")), ("interrupted", "3.04".to_owned()));
    assert_eq!(event.timestamp, spans[0].end_time);
}

#[test]
fn what_was_cut_before_its_first_frame_never_played() {
    let call = call(LegKind::Sip);
    let at = |millis| call.arrived + ms(millis);
    let unheard =
        TurnTrace { first_audio: Some(at(1_950)), interrupted: Some(Duration::ZERO), ..turn(&call, Role::Agent, 1_950, 2_000) };
    check(&call, &drawn(&call, TracePart::Turn(Box::new(unheard))), "turn agent 1950-2000\n  sendout 1950-2000");
}

#[test]
fn an_answer_that_broke_off_failed() {
    let call = call(LegKind::Sip);
    let mut broken = answer(&call);
    broken.generation = broken.generation.map(|it| Generation { outcome: TurnOutcome::Failed, usage: Usage::default(), ..it });
    let spans = drawn(&call, TracePart::Turn(Box::new(broken)));
    assert_eq!(spans[5].status, Status::error("the answer broke off"));
    assert!(value(&spans[5].attributes, "gen_ai.usage.input_tokens").is_none(), "a count that nobody made");
}

#[test]
fn a_callers_turn_has_no_stages() {
    let call = call(LegKind::Sip);
    let spoken = turn(&call, Role::Caller, 100, 900);
    check(&call, &drawn(&call, TracePart::Turn(Box::new(spoken))), "turn caller 100-900");
}

/// A call that was up from 12 ms to 9 s.
fn over(call: &TracedCall) -> CallTrace {
    let at = |millis| call.arrived + ms(millis);
    CallTrace {
        setup: SetupTrace { ringing: Some(at(3)), answered: Some(at(10)), up: Some(at(12)) },
        codec: Some(Codec::Pcma.into()),
        ended: Some((at(9_012), HangupCause::CallerHangup)),
        finished: at(9_020),
        mos: Some(4.38),
        turns: 3,
        usage: Usage { input_text_tokens: 1, ..Usage::default() },
        events: Vec::new(),
    }
}

#[test]
fn a_call_is_the_root_of_its_trace() {
    let call = call(LegKind::Sip);
    let spans = drawn(&call, TracePart::Call(Box::new(over(&call))));
    let expected = "call 0-9020\n  set-up 0-12\n    prepare 0-3\n    ring 3-10\n    confirm 10-12";
    check(&call, &spans, expected);
    let root = &spans[0];
    assert_eq!((root.parent_span_id, root.span_context.span_id()), (SpanId::INVALID, root_of(&call)));
    assert_eq!((&root.span_kind, &root.status), (&SpanKind::Server, &Status::Unset));
    let told = |key: &str| text(&root.attributes, key);
    assert_eq!((told("offhook.call.id"), told("offhook.leg"), told("offhook.codec")), (ID.into(), "sip".into(), "PCMA".into()));
    assert_eq!((told("offhook.cause"), told("offhook.outcome")), ("caller_hangup".into(), "completed".into()));
    assert_eq!((told("offhook.duration_s"), told("offhook.mos"), told("offhook.turns")), ("9".into(), "4.38".into(), "3".into()));
    assert_eq!((told("offhook.assistant"), told("offhook.engine")), ("demo".into(), "realtime".into()));
    assert_eq!((told("offhook.usage.input_tokens"), told("error.type")), ("1".into(), "-".into()));
}

#[test]
fn what_happened_beside_the_conversation_is_on_the_root() {
    let call = call(LegKind::Sip);
    let happened = [
        CallEvent::ToolCalled { name: Some("send_dtmf".into()), outcome: "ok", took: ms(20) },
        CallEvent::ToolCalled { name: None, outcome: "refused", took: ms(0) },
        CallEvent::ProviderFailed("network"),
        CallEvent::FellBack,
        CallEvent::ActorRestarted(ActorKind::Vad),
        CallEvent::RecordingFault,
    ];
    let events = happened.map(|event| (call.arrived + ms(100), event)).to_vec();
    let spans = drawn(&call, TracePart::Call(Box::new(CallTrace { events, ..over(&call) })));
    let told = spans[0].events.iter().map(|event| {
        let first = event.attributes.first().map_or(String::new(), |attribute| format!(" {}", attribute.value));
        format!("{}{first}", event.name)
    });
    let told: Vec<String> = told.collect();
    assert_eq!(
        told,
        [
            "tool called send_dtmf",
            "tool called unknown",
            "provider failed network",
            "fallback offline",
            "actor restarted vad",
            "recording fault",
            "hang-up caller_hangup",
        ]
    );
}

#[test]
fn a_call_that_crashed_or_failed_says_so() {
    let call = call(LegKind::Sip);
    let crashed = CallTrace { ended: None, ..over(&call) };
    let lost = CallTrace { ended: Some((call.arrived + ms(40), HangupCause::MediaTimeout)), ..over(&call) };
    for (trace, cause) in [(crashed, "crashed"), (lost, "media_timeout")] {
        let root = drawn(&call, TracePart::Call(Box::new(trace))).remove(0);
        assert_eq!(root.status, Status::error(cause));
        assert_eq!(text(&root.attributes, "error.type"), cause);
    }
}

#[test]
fn a_set_up_that_was_given_up_ends_in_the_step_it_was_at() {
    let call = call(LegKind::Sip);
    let setup = SetupTrace { ringing: Some(call.arrived + ms(3)), ..SetupTrace::default() };
    let ended = Some((call.arrived + ms(500), HangupCause::Cancelled));
    let spans = drawn(&call, TracePart::Call(Box::new(CallTrace { setup, ended, ..over(&call) })));
    check(&call, &spans, "call 0-9020\n  set-up 0-500\n    prepare 0-3\n    ring 3-500 failed");
}

#[test]
fn a_twilio_call_waits_for_its_stream() {
    let call = call(LegKind::Twilio);
    let at = |millis| Some(call.arrived + ms(millis));
    let setup = SetupTrace { ringing: at(1), answered: None, up: at(700) };
    let spans = drawn(&call, TracePart::Call(Box::new(CallTrace { setup, ..over(&call) })));
    check(&call, &spans, "call 0-9020\n  set-up 0-700\n    prepare 0-1\n    await stream 1-700");
}
