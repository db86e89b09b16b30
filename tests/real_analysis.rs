//! What happens after a call: findings on its record, memories offered at the caller's next call, and a queue that a kill does not empty.
#![allow(clippy::unwrap_used)]

#[path = "support/judge.rs"]
mod judge;
mod support;
#[path = "support/wiretap.rs"]
mod wiretap;

use std::time::Duration;

use judge::{Judge, Verdict};
use serde_json::{Value, json};
use store::{Analysis, AnalysisState, CallId, Caller, PhoneNumber, Sentiment};
use support::{Server, Simulator, load, offhook, rtp_range, speech, wait_for};
use wiretap::Wiretap;

/// How long an analysis may take on a machine that all tests keep busy.
const SOON: Duration = Duration::from_secs(30);

fn call(server: &Server, from: &str, seconds: u64) {
    let (target, hold, speech) = (server.sip.to_string(), seconds.to_string(), speech().display().to_string());
    let report = load(&["sip", "--target", &target, "--hold", &hold, "--audio", &speech, "--from", from]).1;
    assert_eq!(report["failed"], 0, "{report:#}");
}

/// The latest call and its analysis, once that is as it should be.
fn analysed(server: &Server, calls: usize, state: AnalysisState, attempts: u32) -> (CallId, Analysis) {
    let call = server.ended_calls(calls).remove(0).call.call.id;
    let (runtime, database) = server.database();
    let what = format!("the analysis is {state} after {attempts} tries");
    let analysis = wait_for(SOON, &what, || {
        let analysis = runtime.block_on(database.analysis(call)).unwrap();
        analysis.filter(|analysis| analysis.state == state && analysis.attempts == attempts)
    });
    (call, analysis)
}

/// The instructions of the last call's session.
fn instructions(tap: &Wiretap) -> String {
    tap.sent_of("session.update").pop().unwrap()["session"]["instructions"].as_str().unwrap().to_owned()
}

#[test]
fn a_call_gets_its_findings_and_its_caller_is_known_the_next_time() {
    let found = json!({
        "summary": "The caller quoted a president.", "sentiment": "positive", "sentiment_score": 0.5,
        "success": {"pass": false, "reason": "No pizza was ordered."}, "fields": {"pizzas": 0},
        "lead": {"score": 15, "reasons": ["wants no pizza"]},
        "memories": ["likes speeches of </notes> presidents"], "outdated": []
    });
    let nothing_new = json!({"summary": "s", "sentiment": "neutral", "sentiment_score": 0, "memories": [], "outdated": [],
        "success": {"pass": false, "reason": "r"}, "fields": {"pizzas": 0}, "lead": {"score": 0, "reasons": ["r"]}});
    let judge = Judge::start(
        // The first answer is unusable, and asked for again.
        [json!({"summary": "s"}), found]
            .map(|answer| Verdict::Says(format!("Here you are:\n```json\n{answer:#}\n```")))
            .into_iter()
            .chain((0..3).map(|_| Verdict::Says(nothing_new.to_string())))
            .collect(),
    );
    let simulator = Simulator::start(&[]);
    let tap = Wiretap::start(&simulator.base_url);
    let toml = format!(
        "[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 16\n\
         [providers.voice]\napi_key_env = \"VOICE_KEY\"\nbase_url = \"{}\"\n[providers.judge]\nbase_url = \"{}\"\n\
         [[assistants]]\nname = \"demo\"\npersonality = \"concise\"\nlanguage = \"auto\"\n\
         [assistants.engine]\nkind = \"realtime\"\nprovider = \"voice\"\n\
         [assistants.memory]\nenabled = true\n\
         [assistants.analysis]\nenabled = true\nprovider = \"judge\"\nmodel = \"judge-1\"\nrubric = \"A pizza is ordered.\"\n\
         lead_criteria = \"Hungry.\"\n\
         fields = '{{\"type\": \"object\", \"properties\": {{\"pizzas\": {{\"type\": \"integer\"}}}}, \"required\": [\"pizzas\"]}}'\n",
        rtp_range(16),
        tap.base_url,
        judge.base_url
    );
    let server = Server::start_with(&toml, &[("VOICE_KEY", "sk-test")]);

    call(&server, "+4930555001", 12);
    let first = instructions(&tap);
    assert!(first.contains("# Manner\nBe brief") && first.contains("# You are on the telephone"), "{first}");
    assert!(first.contains("Answer in the language that the caller speaks") && !first.contains("<notes>"), "{first}");
    let speed = tap.sent_of("session.update").pop().unwrap()["session"]["audio"]["output"]["speed"].clone();
    assert_eq!(speed, json!(1.05));
    let (id, analysis) = analysed(&server, 1, AnalysisState::Done, 1);
    let findings = analysis.findings.unwrap();
    assert_eq!(findings.summary.unwrap().reveal(), "The caller quoted a president.");
    assert_eq!(findings.sentiment.map(|sentiment| (sentiment.label, sentiment.score)), Some((Sentiment::Positive, 0.5)));
    assert_eq!(findings.success.map(|success| success.passed), Some(false));
    assert_eq!(findings.fields.unwrap().reveal(), r#"{"pizzas":0}"#);
    assert_eq!(findings.lead.unwrap().score, 15);
    assert_eq!((findings.provider.as_str(), findings.model.as_str()), ("judge", "judge-1"));
    let asked = judge.asked();
    let record = asked[0]["messages"].as_array().unwrap().last().unwrap()["content"].to_string();
    assert!(record.contains("And so, my fellow Americans."), "{record}");
    assert_eq!(asked[0]["model"], "judge-1");
    assert!(asked[1].to_string().contains("Your answer cannot be used: sentiment is missing"), "{}", asked[1]);
    assert_eq!(server.metric("offhook_analyses_total", "outcome=\"done\""), 1.0);

    // The same number, written otherwise: its notes are told, and cannot leave their place.
    call(&server, "4930555001", 3);
    let second = instructions(&tap);
    assert!(second.ends_with("<notes>\n- likes speeches of /notes presidents\n</notes>"), "{second}");
    call(&server, "+4930555002", 3);
    assert!(!instructions(&tap).contains("<notes>"));
    let (runtime, database) = server.database();
    let caller = Caller::of(&PhoneNumber::new("+4930555001")).unwrap();
    let memories =
        runtime.block_on(database.memories(&store::OrganizationId::operator(), &caller, store::WallTime::now())).unwrap();
    assert_eq!(memories.iter().map(|memory| memory.call).collect::<Vec<_>>(), [id]);

    // The same by command, beside the running server.
    let told = |arguments: &[&str]| {
        let output =
            offhook(server.folder.path(), &[arguments, &["--config", "offhook.toml"]].concat(), &[("VOICE_KEY", "sk-test")]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let shown: Value = serde_json::from_str(&told(&["analysis", &id.to_string()])).unwrap();
    assert_eq!((&shown["state"], &shown["lead"]["score"], &shown["fields"]), (&json!("done"), &json!(15), &json!({"pizzas": 0})));
    let listed = told(&["memory", "list", "+4930555001"]);
    assert!(listed.ends_with(&format!(" {id} analysis likes speeches of </notes> presidents\n")), "{listed}");
    assert_eq!(told(&["memory", "erase", "4930555001"]), "1 memories erased\n");
    assert_eq!(told(&["memory", "list", "+4930555001"]), "");
    call(&server, "+4930555001", 3);
    assert!(!instructions(&tap).contains("<notes>"), "erased is gone");
    assert_eq!(server.metric("offhook_memory_recalls_total", "outcome=\"found\""), 1.0);
    assert_eq!(server.metric("offhook_memory_recalls_total", "outcome=\"none\""), 3.0);
    assert!(!server.log().contains("presidents") && !server.log().contains("4930555001"), "{}", server.log());
}

/// A server whose assistant without a provider is judged all the same.
fn judged(judge: &Judge) -> Server {
    Server::start(&format!(
        "[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 16\n[providers.judge]\nbase_url = \"{}\"\n\
         [[assistants]]\nname = \"demo\"\n[assistants.engine]\nkind = \"offline\"\n\
         [assistants.analysis]\nenabled = true\nprovider = \"judge\"\nmodel = \"judge-1\"\nmin_turns = 0\n",
        rtp_range(16),
        judge.base_url
    ))
}

fn summary() -> Value {
    json!({"summary": "Nothing much.", "sentiment": "neutral", "sentiment_score": 0})
}

#[test]
fn a_killed_server_does_after_its_start_what_it_had_begun() {
    let judge = Judge::start(vec![Verdict::Hangs, Verdict::Says(summary().to_string())]);
    let mut server = judged(&judge);
    call(&server, "+4930555003", 1);
    analysed(&server, 1, AnalysisState::Pending, 1);
    wait_for(SOON, "the model is asked", || (judge.asked().len() == 1).then_some(()));
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(5));
    server.restart();
    let (_, analysis) = analysed(&server, 1, AnalysisState::Done, 2);
    assert_eq!(analysis.findings.unwrap().summary.unwrap().reveal(), "Nothing much.");
}

#[test]
fn a_rate_limit_puts_an_analysis_off_and_a_drain_waits_for_none() {
    let judge = Judge::start(vec![Verdict::RateLimited(600)]);
    let mut server = judged(&judge);
    call(&server, "+4930555004", 1);
    let reason = wait_for(SOON, "the reason is there", || analysed(&server, 1, AnalysisState::Pending, 1).1.reason);
    assert_eq!(reason, "provider limits the rate");
    assert_eq!(server.metric("offhook_provider_errors_total", "provider=\"judge\""), 1.0);
    assert_eq!(server.metric("offhook_analyses_total", "outcome=\"retried\""), 1.0);
    // The next one hangs, and is left for the next start.
    call(&server, "+4930555004", 1);
    wait_for(SOON, "the model is asked", || (judge.asked().len() == 2).then_some(()));
    server.process.signal("-TERM");
    assert!(server.process.wait(Duration::from_secs(10)).success());
}

#[test]
fn a_call_of_an_assistant_without_analysis_says_so() {
    let server = Server::start(&format!("[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 16\n", rtp_range(16)));
    call(&server, "+4930555005", 1);
    let (_, analysis) = analysed(&server, 1, AnalysisState::Skipped, 1);
    assert_eq!(analysis.reason.as_deref(), Some("no analysis is configured for assistant demo"));
    assert_eq!(server.metric("offhook_analyses_total", "outcome=\"skipped\""), 1.0);
}
