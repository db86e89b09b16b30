//! Traces of real calls as a collector gets them, and the lines of the log that belong to them.
#![allow(clippy::unwrap_used)]

#[path = "support/collector.rs"]
mod collector;
#[path = "support/node.rs"]
mod node;
#[path = "support/peer.rs"]
mod peer;
mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actors::fault::Fault;
use actors::kind::ActorKind;
use actors::trace::{CallTrace, Trace, TracePart, TraceSink};
use collector::{Collector, Span};
use node::{Node, talkback, wait};
use peer::Peer;
use serde_json::Value;
use store::{CallId, HangupCause, Role, Turn};
use support::{EndedCall, Server, Simulator, free_address, load, rtp_range, speech};

const CALLER: &str = "+4915112345678";
const CALLED: &str = "+498912345678";

fn server(endpoint: &str, ratio: f64, more: &str, environment: &[(&str, &str)]) -> Server {
    let toml = format!(
        "{more}\n[rtp]\nport_range = \"{}\"\n[node]\nname = \"node-7\"\nmax_calls = 16\n\
         [telemetry]\nlog_format = \"json\"\nlog_level = \"debug\"\notlp_endpoint = \"{endpoint}\"\ntrace_ratio = {ratio:?}\n",
        rtp_range(16)
    );
    Server::start_with(&toml, environment)
}

/// One call that goes well.
fn call(server: &Server, seconds: u64) {
    let (target, hold, speech) = (server.sip.to_string(), seconds.to_string(), speech().display().to_string());
    let arguments =
        ["sip", "--target", &target, "--hold", &hold, "--audio", &speech, "--from", CALLER, "--to", CALLED, "--allow-failures"];
    let report = load(&arguments).1;
    assert_eq!(
        (&report["answered"], &report["failed"], &report["packets"]["lost"]),
        (&1.into(), &0.into(), &0.into()),
        "{report:#}"
    );
}

/// Ends the server as an operator does: what is queued is sent by then.
fn stop(server: &mut Server) -> Duration {
    let begun = Instant::now();
    server.process.signal("-TERM");
    assert!(server.process.wait(Duration::from_secs(30)).success(), "{}", server.log());
    begun.elapsed()
}

/// Whether an interval lies within another.
fn within(inner: &Span, outer: &Span) -> bool {
    outer.start <= inner.start && inner.start <= inner.end && inner.end <= outer.end
}

fn nanos(span: &Span) -> u64 {
    span.end - span.start
}

#[test]
fn a_call_is_one_trace_with_a_span_a_turn_and_its_stages_under_it() {
    let (simulator, collector) = (Simulator::start(&[]), Collector::start(Duration::ZERO));
    let assistant = format!(
        "[providers.acme]\nkind = \"openai\"\napi_key_env = \"ACME_KEY\"\nbase_url = \"{}\"\n\
         [[assistants]]\nname = \"demo\"\nfirst_message = \"Hello.\"\n\
         [assistants.engine]\nkind = \"realtime\"\nprovider = \"acme\"\n",
        simulator.base_url
    );
    let environment = [("ACME_KEY", "sk-test"), ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer open-sesame")];
    let mut server = server(&format!("http://{}", collector.address), 1.0, &assistant, &environment);
    call(&server, 14);
    let ended = server.ended_calls(1).remove(0);
    stop(&mut server);

    let spans = collector.spans();
    assert_tree(&spans, ended.call.call.id);
    assert_root(&spans, &ended);
    let agent: Vec<&Turn> = ended.turns.iter().filter(|turn| turn.role == Role::Agent).collect();
    let answers = agent.iter().filter(|turn| !turn.timings.is_null()).count();
    assert!(answers >= 2 && agent.len() > answers, "no greeting, or too few answers: {:#?}", ended.turns);
    for turn in &ended.turns {
        assert_turn(&spans, turn);
    }
    assert_private(&collector, &ended);
    for request in collector.requests() {
        assert!(request.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", request.head);
        assert!(request.head.to_lowercase().contains("\r\nauthorization: bearer open-sesame\r\n"), "{}", request.head);
    }
    let log = server.log();
    assert_eq!(log.matches("open-sesame").count(), 0, "a secret in the log");
    assert_log(&log, ended.call.call.id);
}

/// All spans are of one trace, whose id is the call's, and each lies under and within a parent that was sent too.
fn assert_tree(spans: &[Span], id: CallId) {
    let roots: Vec<&Span> = spans.iter().filter(|span| span.parent.is_empty()).collect();
    let [root] = roots[..] else { panic!("want one root: {spans:#?}") };
    assert_eq!((root.name.as_str(), root.kind, root.status), ("call", 2, 0));
    for span in spans {
        assert_eq!(span.trace, id.to_string().replace('-', ""), "{span:?}");
        assert_eq!(spans.iter().filter(|other| other.id == span.id).count(), 1, "{span:?}");
        assert_eq!(span.resource["service.name"], "offhook");
        assert_eq!(span.resource["service.instance.id"], "node-7");
        if !span.parent.is_empty() {
            let parent = spans.iter().find(|other| other.id == span.parent).unwrap_or_else(|| panic!("no parent: {span:?}"));
            assert!(within(span, parent), "{span:?} is not within {parent:?}");
        }
    }
}

fn children<'a>(spans: &'a [Span], parent: &Span) -> Vec<&'a Span> {
    let mut children: Vec<&Span> = spans.iter().filter(|span| span.parent == parent.id).collect();
    children.sort_by_key(|span| span.start);
    children
}

fn names(spans: &[&Span]) -> Vec<String> {
    spans.iter().map(|span| span.name.clone()).collect()
}

fn assert_root(spans: &[Span], ended: &EndedCall) {
    let root = spans.iter().find(|span| span.parent.is_empty()).unwrap();
    let told = |key: &str| root.attributes[key].as_str();
    assert_eq!(told("offhook.call.id"), ended.call.call.id.to_string());
    assert_eq!((told("offhook.leg"), told("offhook.direction"), told("offhook.codec")), ("sip", "inbound", "PCMU"));
    assert_eq!((told("offhook.assistant"), told("offhook.engine")), ("demo", "realtime"));
    assert_eq!((told("offhook.cause"), told("offhook.outcome")), ("caller_hangup", "completed"));
    assert_eq!(told("offhook.turns"), ended.turns.len().to_string());
    // A busy machine makes packets late, which lowers it.
    assert!((1.0..4.5).contains(&told("offhook.mos").parse::<f64>().unwrap()), "{root:?}");
    assert!(told("offhook.usage.output_tokens").parse::<u64>().unwrap() > 0, "{root:?}");
    // The record and the trace read the clock apart, a call of 14 s in both.
    let (record, seconds) = (&ended.call, told("offhook.duration_s").parse::<f64>().unwrap());
    let recorded = record.ended_at.unwrap().since(record.answered_at.unwrap()).as_secs_f64();
    assert!((seconds - recorded).abs() < 0.5, "{seconds} s traced, {recorded} s recorded");
    assert_eq!(root.events, ["hang-up"]);
    let setup = children(spans, root).into_iter().find(|span| span.name == "set-up").unwrap();
    let steps = children(spans, setup);
    assert_eq!(names(&steps), ["prepare", "ring", "confirm"]);
    assert_eq!(steps.iter().map(|step| nanos(step)).sum::<u64>(), nanos(setup), "the steps lie end to end");
}

/// The span of a turn of the record: its stages, whose first three are the record's response gap.
fn assert_turn(spans: &[Span], turn: &Turn) {
    let number = turn.number.to_string();
    let mut found = spans.iter().filter(|span| span.attributes.get("offhook.turn") == Some(&number));
    let (Some(span), None) = (found.next(), found.next()) else { panic!("want one span of turn {number}: {spans:#?}") };
    assert_eq!(span.name, format!("turn {}", turn.role.as_str()));
    let below = children(spans, span);
    let (made, stages): (Vec<&Span>, Vec<&Span>) = below.into_iter().partition(|span| span.name.starts_with("generate_content"));
    if turn.role == Role::Caller {
        assert_eq!((names(&made), names(&stages)), (vec![], vec![]));
        return;
    }
    for pair in stages.windows(2) {
        assert_eq!(pair[0].end, pair[1].start, "a gap between {} and {}", pair[0].name, pair[1].name);
    }
    assert_eq!((stages[0].start, stages[stages.len() - 1].end), (span.start, span.end));
    match turn.timings["response_gap_ms"].as_u64() {
        Some(gap) => {
            assert_eq!(names(&stages), ["endpointing", "engine", "sendout", "playing"]);
            // The record rounds down, and so do we.
            assert_eq!(stages[..3].iter().map(|stage| nanos(stage)).sum::<u64>() / 1_000_000, gap);
            for (stage, key) in stages.iter().zip(["endpointing_ms", "engine_ms", "sendout_ms"]) {
                assert_eq!(Some(nanos(stage) / 1_000_000), turn.timings[key].as_u64(), "{key}");
            }
        }
        None => assert_eq!(names(&stages), ["engine", "sendout", "playing"], "the greeting"),
    }
    assert_eq!(turn.interrupted.is_some(), span.events == ["interrupted"], "{span:?}");
    let [made] = made[..] else { panic!("what made turn {number}? {made:#?}") };
    assert_eq!((made.name.as_str(), made.kind, made.status), ("generate_content gpt-realtime", 3, 0));
    let told = |key: &str| made.attributes[key].as_str();
    assert_eq!((told("gen_ai.operation.name"), told("gen_ai.provider.name")), ("generate_content", "openai"));
    assert_eq!((told("gen_ai.request.model"), told("offhook.provider")), ("gpt-realtime", "acme"));
    let (input, output) = (told("gen_ai.usage.input_tokens"), told("gen_ai.usage.output_tokens"));
    assert!(input.parse::<u64>().unwrap() > 0 && output.parse::<u64>().unwrap() > 0, "{made:?}");
}

/// Nothing that was sent has a number, or a word that was said.
fn assert_private(collector: &Collector, ended: &EndedCall) {
    let sent: Vec<u8> = collector.requests().into_iter().flat_map(|request| request.body).collect();
    let said = |text: &str| sent.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()));
    assert!(said("generate_content"), "the search finds what is there");
    let words = ended.turns.iter().flat_map(|turn| turn.text.reveal().split(|c: char| !c.is_alphanumeric()));
    let words: Vec<&str> = words.filter(|word| word.len() > 3).collect();
    assert!(words.contains(&"understood") && words.contains(&"Americans"), "{words:?}");
    for secret in words.into_iter().chain([&CALLER[1..], &CALLED[1..], "sk-test"]) {
        assert!(!said(secret), "{secret} was sent to the collector");
    }
}

/// Every line of an actor of a call says which call, and which trace.
fn assert_log(log: &str, id: CallId) {
    let of_calls =
        ["actors::ai_session", "actors::call", "actors::jitter_buffer", "actors::leg", "actors::recorder", "actors::vad"];
    let lines = log.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_call = |line: &Value| {
        of_calls.iter().any(|module| {
            let target = line["target"].as_str().unwrap();
            target == *module || target.starts_with(&format!("{module}::"))
        })
    };
    let lines: Vec<Value> = lines.filter(of_call).collect();
    for message in ["a call begins", "turn", "call ends"] {
        assert!(lines.iter().any(|line| line["message"] == message), "no line {message:?}: {log}");
    }
    for line in &lines {
        assert_eq!(line["call"], id.to_string(), "{line}");
        assert_eq!(line["trace_id"], id.to_string().replace('-', ""), "{line}");
    }
}

#[test]
fn nobody_is_traced_at_ratio_0() {
    let collector = Collector::start(Duration::ZERO);
    let mut server = server(&format!("http://{}", collector.address), 0.0, "", &[]);
    call(&server, 3);
    server.ended_calls(1);
    assert_eq!(server.metric("offhook_trace_spans_total", ""), 0.0);
    stop(&mut server);
    assert_eq!(collector.requests().len(), 0);
}

#[test]
fn a_collector_that_is_away_costs_a_call_nothing_and_what_is_lost_is_counted() {
    let mut server = server(&format!("http://{}", free_address()), 1.0, "", &[]);
    call(&server, 4);
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.call.cause, Some(HangupCause::CallerHangup));
    // At least the root, the set-up with its three steps, and the greeting with its two stages.
    let lost = support::wait_for(Duration::from_secs(20), "spans counted as lost", || {
        Some(server.metric("offhook_trace_spans_total", "outcome=\"failed\"")).filter(|lost| *lost >= 8.0)
    });
    assert_eq!(lost, server.metric("offhook_trace_spans_total", ""), "and none as sent");
    assert_eq!(server.log().matches("the collector did not take traces").count(), 1, "once a minute: {}", server.log());
    stop(&mut server);
}

#[test]
fn a_collector_that_never_answers_does_not_keep_the_process() {
    let collector = Collector::start(Duration::from_secs(60));
    let mut server = server(&format!("http://{}", collector.address), 1.0, "", &[]);
    call(&server, 3);
    server.ended_calls(1);
    stop(&mut server);
    // On a machine so slow that the request was given up before the end, it is said otherwise.
    let said = ["the last traces are lost", "the collector did not take traces"];
    assert!(said.iter().any(|line| server.log().contains(line)), "{}", server.log());
}

/// Keeps the ends of calls.
#[derive(Debug, Default)]
struct Ends(Mutex<Vec<(CallId, CallTrace)>>);

impl TraceSink for Ends {
    fn wants(&self, _: CallId) -> bool {
        true
    }

    fn take(&self, trace: Trace) {
        if let TracePart::Call(end) = trace.part {
            self.0.lock().unwrap().push((trace.call.id, *end));
        }
    }
}

#[test]
fn a_call_that_crashes_has_its_root_span_too() {
    let ends = Arc::new(Ends::default());
    let node = Node::start_traced(talkback(), Some(Arc::clone(&ends) as Arc<dyn TraceSink>));
    let ended = |id: CallId| {
        let ends = ends.0.lock().unwrap();
        let of_call: Vec<CallTrace> = ends.iter().filter(|(call, _)| *call == id).map(|(_, end)| end.clone()).collect();
        assert!(of_call.len() <= 1, "told twice: {of_call:?}");
        of_call.into_iter().next()
    };
    let mut peers = Vec::new();
    for (name, actor) in [("call", Some(ActorKind::Call)), ("calls", None)] {
        peers.push(Peer::call(node.sip, name));
        let id = node.call_from(name);
        wait("audio", || node.record(id).answered_at.is_some());
        match actor {
            Some(actor) => node.inject(id, actor, Fault::Panic),
            // Its supervisor dies, and all calls with it.
            None => node.handle.inject(ActorKind::Calls, Fault::Panic),
        }
        wait("the end of its trace", || ended(id).is_some());
        let trace = ended(id).unwrap();
        assert_eq!(trace.ended, None, "{name}");
        assert!(trace.setup.up.is_some() && trace.finished > trace.setup.up.unwrap(), "{name}: {trace:?}");
        assert_eq!(node.ended(id).cause, Some(HangupCause::Crashed), "{name}");
    }
    // One that ends in good order is told once, with its cause.
    let mut peer = Peer::call(node.sip, "whole");
    let id = node.call_from("whole");
    peer.hang_up();
    wait("the end of its trace", || ended(id).is_some());
    assert_eq!(ended(id).unwrap().ended.map(|(_, cause)| cause), Some(HangupCause::CallerHangup));
}
