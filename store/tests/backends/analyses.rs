//! The queue of analyses, and what they found.

use std::time::Duration;

use store::*;

use crate::sample::*;

pub const LEASE: Duration = Duration::from_secs(60);

/// A call that was answered and has ended, with a turn of the caller and one of the agent.
pub async fn ended_call(store: &Store, node: &str, from: &str) -> CallId {
    let call = NewCall { from: PhoneNumber::new(from), ..new_call(node) };
    let id = call.id;
    let caller = Turn { role: Role::Caller, ..turn(id, 0, "hello?") };
    let writes = [
        StoreWrite::CallCreated(call),
        StoreWrite::CallAnswered { call: id, at: at(1) },
        StoreWrite::TurnAdded(caller),
        StoreWrite::TurnAdded(turn(id, 1, "Hello.")),
        ended(id, HangupCause::CallerHangup),
    ];
    store.write_batch(&writes).await.unwrap();
    id
}

/// When `ended_call` ended, and a little more.
pub fn after(seconds: i64) -> WallTime {
    at(9_000_000 + seconds * 1_000_000)
}

pub async fn claim_one(store: &Store) -> AnalysisClaim {
    let jobs = store.claim_analyses("a", after(0), LEASE, 1).await.unwrap();
    assert_eq!(jobs.len(), 1);
    jobs[0].claim
}

pub async fn the_end_of_a_call_queues_its_analysis_in_the_same_batch(url: String) {
    let store = Store::open(&url).await.unwrap();
    let id = ended_call(&store, "a", "+1").await;
    let queued = store.analysis(id).await.unwrap().unwrap();
    assert_eq!((queued.state, queued.attempts, queued.queued_at), (AnalysisState::Pending, 0, after(0)));
    assert_eq!((queued.finished_at, queued.findings, queued.reason), (None, None, None));

    // The same end again, as after a batch whose outcome is not known, queues nothing more.
    store.write_batch(&[ended(id, HangupCause::Failed)]).await.unwrap();
    let jobs = store.claim_analyses("a", after(1), LEASE, 9).await.unwrap();
    let [job] = &jobs[..] else { panic!("{jobs:?}") };
    assert_eq!((job.claim.call, job.claim.attempt, job.assistant.as_str(), job.caller_turns), (id, 1, "demo", 1));
    store.write_batch(&[ended(id, HangupCause::Failed)]).await.unwrap();
    assert_eq!(store.claim_analyses("a", after(1), LEASE, 9).await.unwrap(), []);

    // A batch that is refused leaves neither end nor job; a call that nobody answered has none.
    let (open, mut writes) = batch("a", 0);
    writes.push(StoreWrite::CallAnswered { call: open, at: at(1) });
    store.write_batch(&writes).await.unwrap();
    let bad = [ended(open, HangupCause::CallerHangup), ended(CallId::generate(), HangupCause::Failed)];
    store.write_batch(&bad).await.unwrap_err();
    assert_eq!(store.analysis(open).await.unwrap(), None);
    let (unanswered, mut writes) = batch("a", 0);
    writes.push(ended(unanswered, HangupCause::Cancelled));
    store.write_batch(&writes).await.unwrap();
    assert_eq!(store.analysis(unanswered).await.unwrap(), None);
}

pub async fn a_call_that_a_crash_closed_is_queued_too(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (ringing, writes) = batch("a", 0);
    store.write_batch(&writes).await.unwrap();
    let (open, mut writes) = batch("a", 1);
    writes.push(StoreWrite::CallAnswered { call: open, at: at(1) });
    store.write_batch(&writes).await.unwrap();
    store.close_lost("a", HangupCause::NodeLost, at(50)).await.unwrap();
    store.close_lost("a", HangupCause::NodeLost, at(60)).await.unwrap();
    let queued = store.analysis(open).await.unwrap().unwrap();
    assert_eq!((queued.state, queued.queued_at), (AnalysisState::Pending, at(50)));
    assert_eq!(store.analysis(ringing).await.unwrap(), None);
}

pub async fn a_claim_is_one_node_s_until_its_lease_is_over(url: String) {
    let store = Store::open(&url).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(ended_call(&store, "a", "+1").await);
    }
    assert_eq!(store.claim_analyses("a", after(-1), LEASE, 9).await.unwrap(), [], "not due yet");
    let first = store.claim_analyses("a", after(0), LEASE, 2).await.unwrap();
    assert_eq!(first.iter().map(|job| job.claim.call).collect::<Vec<_>>(), ids[..2]);

    // Whoever asks at the same moment gets the others, each once.
    let nodes = ["b", "c", "d"].map(|node| {
        let store = store.clone();
        tokio::spawn(async move { store.claim_analyses(node, after(1), LEASE, 9).await.unwrap() })
    });
    let mut others = Vec::new();
    for node in nodes {
        others.extend(node.await.unwrap().iter().map(|job| job.claim.call));
    }
    others.sort();
    assert_eq!(others, ids[2..]);

    let again = store.claim_analyses("b", after(60), LEASE, 9).await.unwrap();
    let mut calls: Vec<CallId> = again.iter().map(|job| job.claim.call).collect();
    calls.sort();
    assert_eq!(calls, ids[..2], "the dead node's, once the lease is over");
    assert!(again.iter().all(|job| job.claim.attempt == 2 && job.claim.number == 2), "{again:?}");
}

pub async fn a_start_opens_the_claims_of_the_process_before(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (ours, theirs) = (ended_call(&store, "a", "+1").await, ended_call(&store, "b", "+1").await);
    let claimed = store.claim_analyses("a", after(0), LEASE, 1).await.unwrap();
    store.claim_analyses("b", after(0), LEASE, 1).await.unwrap();
    assert_eq!(claimed[0].claim.call, ours);
    store.release_analyses("a", after(1)).await.unwrap();
    let again = store.claim_analyses("a", after(1), LEASE, 9).await.unwrap();
    assert_eq!(again.iter().map(|job| (job.claim.call, job.claim.attempt)).collect::<Vec<_>>(), [(ours, 2)], "not {theirs}");
    // What the process before would still write is not taken.
    let late = (claimed[0].claim, AnalysisEnd::Failed { reason: "late".to_owned() });
    assert_eq!(store.end_analyses(&[late], after(2)).await.unwrap(), 0);
}

pub fn findings() -> Findings {
    Findings {
        provider: "openai".to_owned(),
        model: "gpt".to_owned(),
        input_tokens: 700,
        output_tokens: u64::MAX,
        summary: Some(Transcript::new("They talked about a pizza 🍕.\0")),
        sentiment: Some(SentimentScore { label: Sentiment::Negative, score: -0.25 }),
        success: Some(SuccessVerdict { passed: false, reason: Transcript::new("No pizza was ordered.") }),
        fields: Some(Transcript::new(r#"{"topping":null}"#)),
        lead: Some(LeadScore { score: 100, reasons: vec![Transcript::new("hungry"), Transcript::new("\"near\"")] }),
    }
}

pub async fn every_end_reads_back(url: String) {
    let store = Store::open(&url).await.unwrap();
    let kept = Findings {
        output_tokens: i64::MAX.unsigned_abs(),
        summary: Some(Transcript::new("They talked about a pizza 🍕.\u{fffd}")),
        ..findings()
    };
    let bare = Findings { provider: "p".to_owned(), model: "m".to_owned(), ..Findings::default() };
    let done = |findings: Findings| AnalysisEnd::Done { findings: Box::new(findings), learned: Learned::default() };
    let reason = "because".to_owned();
    let cases = [
        (done(findings()), AnalysisState::Done, Some(kept)),
        (done(bare.clone()), AnalysisState::Done, Some(bare)),
        (AnalysisEnd::Failed { reason: reason.clone() }, AnalysisState::Failed, None),
        (AnalysisEnd::Skipped { reason: reason.clone() }, AnalysisState::Skipped, None),
        (AnalysisEnd::Retry { reason: reason.clone(), due: after(30) }, AnalysisState::Pending, None),
    ];
    for (end, state, found) in cases {
        let id = ended_call(&store, "a", "+1").await;
        let claim = claim_one(&store).await;
        assert_eq!(store.end_analyses(&[(claim, end)], after(5)).await.unwrap(), 1);
        let read = store.analysis(id).await.unwrap().unwrap();
        let reason = (state != AnalysisState::Done).then(|| reason.clone());
        let finished = (state != AnalysisState::Pending).then(|| after(5));
        assert_eq!((read.state, read.findings, read.reason, read.finished_at), (state, found, reason, finished));
    }
    // Only the one that is to be tried again comes again, at its time.
    assert_eq!(store.claim_analyses("a", after(29), LEASE, 9).await.unwrap(), []);
    let again = store.claim_analyses("a", after(30), LEASE, 9).await.unwrap();
    assert_eq!((again.len(), again[0].claim.attempt), (1, 2));
}

pub async fn a_claim_that_is_over_changes_nothing(url: String) {
    let store = Store::open(&url).await.unwrap();
    let id = ended_call(&store, "a", "+1").await;
    let old = claim_one(&store).await;
    let new = store.claim_analyses("b", after(60), LEASE, 1).await.unwrap()[0].claim;
    let end = |reason: &str| AnalysisEnd::Skipped { reason: reason.to_owned() };
    let ends = [(old, end("old")), (new, end("new")), (new, end("twice"))];
    assert_eq!(store.end_analyses(&ends, after(61)).await.unwrap(), 1);
    assert_eq!(store.analysis(id).await.unwrap().unwrap().reason.as_deref(), Some("new"));
    assert_eq!(store.claim_analyses("a", after(999), LEASE, 9).await.unwrap(), []);
}
