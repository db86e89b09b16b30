//! Jobs from the queue to their end, with a model that says what it was told to say.
#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use ai::engine::Usage;
use serde_json::{Value, json};
use store::{Analysis, AnalysisState, CallId, Direction, HangupCause, LegKind, NewCall, PhoneNumber, Role, StoreWrite};

use super::model::Asked;
use super::*;

const GOOD: &str = r#"{"summary":"A pizza was ordered.","sentiment":"positive","sentiment_score":0.75}"#;
const DAY: Duration = Duration::from_secs(86_400);

/// Answers in turn, and remembers what it was asked.
#[derive(Default)]
struct Scripted {
    answers: Mutex<Vec<Result<Reply, EngineError>>>,
    asked: Mutex<Vec<Vec<Entry>>>,
}

impl Model for Scripted {
    fn provider(&self) -> &str {
        "acme"
    }

    fn name(&self) -> &str {
        "judge-1"
    }

    fn ask<'a>(&'a self, _: &'a str, said: &'a [Entry]) -> Asked<'a> {
        self.asked.lock().unwrap().push(said.to_vec());
        let answer = self.answers.lock().unwrap().remove(0);
        Box::pin(async move { answer })
    }
}

fn says(text: &str) -> Result<Reply, EngineError> {
    stops(text, Stop::Complete)
}

fn stops(text: &str, stop: Stop) -> Result<Reply, EngineError> {
    Ok(Reply { text: text.into(), stop, usage: Usage { input_text: 700, output_text: 60, ..Usage::default() } })
}

fn at(seconds: i64) -> WallTime {
    WallTime::from_micros(1_700_000_000_000_000 + seconds * 1_000_000)
}

struct Bench {
    store: Store,
    model: Arc<Scripted>,
    analyst: Analyst,
}

impl Bench {
    async fn new(questions: Questions, answers: Vec<Result<Reply, EngineError>>) -> Self {
        Self::over(Store::open("sqlite::memory:").await.unwrap(), questions, answers)
    }

    fn over(store: Store, questions: Questions, answers: Vec<Result<Reply, EngineError>>) -> Self {
        let model = Arc::new(Scripted { answers: Mutex::new(answers), ..Scripted::default() });
        let plan = Plan { model: Arc::clone(&model) as Arc<dyn Model>, questions, min_turns: 1 };
        let analyst = Analyst::new(store.clone(), HashMap::from([("demo".to_owned(), plan)]));
        Self { store, model, analyst }
    }

    /// Works at what is due, one job after the other.
    async fn work(&self, now: WallTime) {
        let (_, jobs) = self.analyst.claim("a", 8, now).await.unwrap();
        for job in jobs {
            let end = self.analyst.look(&job, now).await;
            self.analyst.end(&[(job.claim, end)], now).await.unwrap();
        }
    }

    async fn analysis(&self, call: CallId) -> Analysis {
        self.store.analysis(call).await.unwrap().unwrap()
    }

    /// What the model was told in its last request, but for the record of the call.
    fn told_last(&self) -> Vec<String> {
        let asked = self.model.asked.lock().unwrap();
        let told = asked.last().unwrap()[1..].iter().map(|entry| match entry {
            Entry::Agent(words) | Entry::Caller(words) => words.as_str().to_owned(),
            other => panic!("{other:?}"),
        });
        told.collect()
    }
}

async fn ended_call(store: &Store, assistant: &str, from: &str, caller_turns: u32) -> CallId {
    let id = CallId::generate();
    let call = NewCall {
        id,
        organization: store::OrganizationId::operator(),
        node: "a".to_owned(),
        leg: LegKind::Sip,
        direction: Direction::Inbound,
        from: PhoneNumber::new(from),
        to: PhoneNumber::new("demo"),
        assistant: assistant.to_owned(),
        engine: "realtime".to_owned(),
        external_id: "x".to_owned(),
        created_at: at(-60),
    };
    let turn = |number| Turn {
        call: id,
        number,
        role: Role::Caller,
        text: Transcript::new("A pizza, please."),
        started_at: at(-50),
        ended_at: at(-40),
        interrupted: None,
        timings: Value::Null,
    };
    let mut writes = vec![StoreWrite::CallCreated(call), StoreWrite::CallAnswered { call: id, at: at(-59) }];
    writes.extend((0..caller_turns).map(|number| StoreWrite::TurnAdded(turn(number))));
    let cause = HangupCause::CallerHangup;
    writes.push(StoreWrite::CallEnded { call: id, at: at(0), cause, detail: None, stats: Value::Null });
    store.write_batch(&writes).await.unwrap();
    id
}

fn summary() -> Questions {
    Questions { summary: true, ..Questions::default() }
}

#[tokio::test]
async fn a_call_that_ends_gets_its_findings() {
    let bench = Bench::new(summary(), vec![says(GOOD)]).await;
    let call = ended_call(&bench.store, "demo", "+1", 1).await;
    bench.work(at(1)).await;
    let analysis = bench.analysis(call).await;
    assert_eq!((analysis.state, analysis.attempts, analysis.finished_at), (AnalysisState::Done, 1, Some(at(1))));
    let findings = analysis.findings.unwrap();
    assert_eq!(findings.summary.unwrap().reveal(), "A pizza was ordered.");
    assert_eq!((findings.provider.as_str(), findings.model.as_str()), ("acme", "judge-1"));
    assert_eq!((findings.input_tokens, findings.output_tokens), (700, 60));
    let asked = bench.model.asked.lock().unwrap();
    let [Entry::Caller(record)] = &asked[0][..] else { panic!("{asked:?}") };
    assert!(record.as_str().contains(r#""said":"A pizza, please.""#), "{}", record.as_str());
}

#[tokio::test]
async fn what_is_not_looked_at_says_why() {
    let bench = Bench::new(summary(), vec![]).await;
    let short = ended_call(&bench.store, "demo", "+1", 0).await;
    let other = ended_call(&bench.store, "other", "+1", 9).await;
    bench.work(at(1)).await;
    for (call, reason) in [
        (short, "too short: the caller spoke 0 times, fewer than min_turns, 1"),
        (other, "no analysis is configured for assistant other"),
    ] {
        let analysis = bench.analysis(call).await;
        assert_eq!((analysis.state, analysis.reason.as_deref()), (AnalysisState::Skipped, Some(reason)));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_is_asked_for_once_more() {
    let bad = r#"{"summary":"secret","sentiment":"glad","sentiment_score":0}"#;
    let bench = Bench::new(summary(), vec![says(bad), says(GOOD)]).await;
    let call = ended_call(&bench.store, "demo", "+1", 1).await;
    bench.work(at(1)).await;
    let reason = "sentiment is not one of positive, neutral, negative";
    let again = format!("Your answer cannot be used: {reason}. Answer again with the whole JSON object and nothing else.");
    assert_eq!(bench.told_last(), [bad.to_owned(), again]);
    let analysis = bench.analysis(call).await;
    assert_eq!((analysis.state, analysis.attempts), (AnalysisState::Done, 1));
    assert_eq!(analysis.findings.unwrap().input_tokens, 1_400, "both are paid for");
}

#[tokio::test]
async fn an_answer_that_stays_unusable_fails_with_its_reason() {
    let no_object = "there is no JSON object in it";
    let cases = [
        (vec![says("no"), says("")], no_object),
        (vec![says(""), says("[]")], no_object),
        (vec![stops(GOOD, Stop::Length), says(r#"{"summary":"4111"}"#)], "sentiment is missing"),
        (vec![says("x"), stops(GOOD, Stop::Length)], "it was cut off at its longest length"),
    ];
    for (answers, reason) in cases {
        let bench = Bench::new(summary(), answers).await;
        let call = ended_call(&bench.store, "demo", "+1", 1).await;
        bench.work(at(1)).await;
        let analysis = bench.analysis(call).await;
        let expected = format!("the model's answer cannot be used, twice: {reason}");
        assert_eq!((analysis.state, analysis.reason), (AnalysisState::Failed, Some(expected)));
    }
    let bench = Bench::new(summary(), vec![stops("", Stop::Refused)]).await;
    let call = ended_call(&bench.store, "demo", "+1", 1).await;
    bench.work(at(1)).await;
    assert_eq!(bench.analysis(call).await.reason.as_deref(), Some("the model declines to answer"));
}

#[tokio::test]
async fn fields_that_break_their_schema_fail_after_one_more_try() {
    let fields = r#"{"type":"object","properties":{"size":{"enum":["small"]}},"required":["size"]}"#.parse().unwrap();
    let questions = Questions { fields: Some(fields), ..Questions::default() };
    let bench = Bench::new(questions, vec![says(r#"{"fields":{}}"#), says(r#"{"fields":{"size":"4111"}}"#)]).await;
    let call = ended_call(&bench.store, "demo", "+1", 1).await;
    bench.work(at(1)).await;
    let analysis = bench.analysis(call).await;
    let reason = analysis.reason.unwrap();
    assert!(reason.starts_with("the model's answer cannot be used, twice: fields/size: "), "{reason}");
    assert!(!reason.contains("4111"), "{reason}");
    assert!(bench.told_last()[1].starts_with("Your answer cannot be used: fields: "));
}

#[tokio::test]
async fn a_provider_in_trouble_is_asked_again_later_and_not_for_ever() {
    let limited = |seconds| Err(EngineError::RateLimited { retry_after: Some(Duration::from_secs(seconds)) });
    let overloaded = || Err(EngineError::Overloaded { status: 503 });
    let answers = vec![limited(600), overloaded(), limited(0), overloaded(), limited(1)];
    let bench = Bench::new(summary(), answers).await;
    let call = ended_call(&bench.store, "demo", "+1", 1).await;
    // By the seconds before and after which the next try comes: four fifths and six fifths of the wait.
    let waits = [(600, 601), (96, 145), (576, 865), (2_160, 3_241)];
    let mut now = 1;
    for (try_, (earliest, latest)) in waits.into_iter().enumerate() {
        bench.work(at(now)).await;
        assert_eq!(bench.model.asked.lock().unwrap().len(), try_ + 1);
        let analysis = bench.analysis(call).await;
        assert_eq!((analysis.state, analysis.attempts), (AnalysisState::Pending, try_ as u32 + 1));
        assert!(analysis.reason.is_some());
        bench.work(at(now + earliest - 1)).await;
        assert_eq!(bench.model.asked.lock().unwrap().len(), try_ + 1, "too early");
        now += latest;
    }
    bench.work(at(now)).await;
    let analysis = bench.analysis(call).await;
    let reason = "given up after 5 tries: provider limits the rate";
    assert_eq!((analysis.state, analysis.reason.as_deref()), (AnalysisState::Failed, Some(reason)));
    bench.work(at(now + 10_000)).await;
    assert_eq!(bench.model.asked.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn a_kill_in_the_middle_costs_a_try_and_no_analysis() {
    let folder = std::env::temp_dir().join(format!("offhook-analysis-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let url = format!("sqlite://{}/a.db", folder.display());
    let store = Store::open(&url).await.unwrap();
    let call = ended_call(&store, "demo", "+1", 1).await;
    let before = Bench::over(store, summary(), vec![]);
    // Claimed, and the process is gone before anything was written.
    let (_, jobs) = before.analyst.claim("a", 8, at(1)).await.unwrap();
    assert_eq!(jobs.len(), 1);
    before.store.close().await;

    let bench = Bench::over(Store::open(&url).await.unwrap(), summary(), vec![says(GOOD)]);
    bench.work(at(2)).await;
    assert_eq!(bench.analysis(call).await.state, AnalysisState::Pending, "the claim is still held");
    bench.store.release_analyses("a", at(2)).await.unwrap();
    bench.work(at(2)).await;
    let analysis = bench.analysis(call).await;
    assert_eq!((analysis.state, analysis.attempts), (AnalysisState::Done, 2));
    bench.store.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_call_that_kills_its_process_each_time_is_given_up() {
    let bench = Bench::new(summary(), vec![]).await;
    let call = ended_call(&bench.store, "demo", "+1", 1).await;
    for try_ in 1..=i64::from(TRIES_MAX) {
        let (_, jobs) = bench.analyst.claim("a", 8, at(try_)).await.unwrap();
        assert_eq!(jobs.len(), 1);
        bench.store.release_analyses("a", at(try_)).await.unwrap();
    }
    bench.work(at(10)).await;
    let analysis = bench.analysis(call).await;
    let reason = "given up: 5 tries came to no end";
    assert_eq!((analysis.state, analysis.reason.as_deref()), (AnalysisState::Failed, Some(reason)));
}

#[tokio::test]
async fn what_the_caller_told_is_remembered_and_corrected() {
    let questions = Questions { retention: Some(DAY), ..Questions::default() };
    let first = r#"{"memories":["is called Ada","lives in Rome"],"outdated":[]}"#;
    let second = r#"{"memories":["lives in Bonn"],"outdated":[2]}"#;
    let bench = Bench::new(questions, vec![says(first), says(second)]).await;
    let caller = Caller::of(&PhoneNumber::new("+1")).unwrap();
    let told = async |seconds| {
        let memories = bench.store.memories(&store::OrganizationId::operator(), &caller, at(seconds)).await.unwrap();
        memories.iter().map(|memory| memory.text.reveal().to_owned()).collect::<Vec<_>>()
    };
    let call = ended_call(&bench.store, "demo", "+1", 1).await;
    bench.work(at(1)).await;
    // The newest is the first: what came second in the same call.
    assert_eq!(told(2).await, ["lives in Rome", "is called Ada"]);
    assert_eq!(bench.store.memories(&store::OrganizationId::operator(), &caller, at(2)).await.unwrap()[0].call, call);

    ended_call(&bench.store, "demo", "1", 1).await;
    bench.work(at(3)).await;
    let asked = bench.model.asked.lock().unwrap()[1].clone();
    let Entry::Caller(record) = &asked[0] else { panic!("{asked:?}") };
    assert!(record.as_str().contains(r#"{"known":"lives in Rome","number":1}"#), "{}", record.as_str());
    assert_eq!(told(4).await, ["lives in Bonn", "lives in Rome"], "the second of the list was wrong");
    assert_eq!(told(86_400 + 2).await, ["lives in Bonn"], "a day after the first");
}

#[tokio::test]
async fn nobody_is_remembered_who_withholds_the_number() {
    let memories_only = Questions { retention: Some(DAY), ..Questions::default() };
    let bench = Bench::new(memories_only.clone(), vec![]).await;
    let call = ended_call(&bench.store, "demo", "anonymous", 1).await;
    bench.work(at(1)).await;
    let analysis = bench.analysis(call).await;
    let reason = "only memories were asked for, and the caller withheld the number";
    assert_eq!((analysis.state, analysis.reason.as_deref()), (AnalysisState::Skipped, Some(reason)));

    // Asked for the rest, the model is not asked for memories, and those it gives are not taken.
    let mut answer: Value = serde_json::from_str(GOOD).unwrap();
    answer["memories"] = json!(["is called Ada"]);
    let bench = Bench::new(Questions { summary: true, ..memories_only }, vec![says(&answer.to_string())]).await;
    let call = ended_call(&bench.store, "demo", "anonymous", 1).await;
    bench.work(at(1)).await;
    assert_eq!(bench.analysis(call).await.state, AnalysisState::Done);
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for() {
    let bench = Bench::new(summary(), vec![]).await;
    ended_call(&bench.store, "demo", "+1", 1).await;
    let (_, jobs) = bench.analyst.claim("a", 8, at(1)).await.unwrap();
    bench.store.close().await;
    assert!(matches!(bench.analyst.look(&jobs[0], at(1)).await, AnalysisEnd::Retry { .. }));
    assert!(bench.analyst.claim("a", 8, at(1)).await.unwrap_err().is_transient());
}
