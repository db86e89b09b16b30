//! What is found out about a call after its end: by one request to a model, from a queue in the database, off the call's way.
//!
//! ```text
//! call ends -> analyses (pending) -> [Runner] claims -> [Analyst] asks [Model] -> findings, memories -> analyses (done)
//!                   ^------------- again later, five times in an hour -------'
//! ```
//!
//! A call's words are data: they are framed for the model (`prompt`), and what the model answers is taken for nothing until it has
//! been checked (`answer`).

mod answer;
mod model;
mod prompt;
mod questions;
mod runner;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ai::engine::{EngineError, Words};
use ai::responder::{Entry, Stop};
use arc_swap::ArcSwap;
use store::{
    AnalysisEnd, AnalysisJob, CallRecord, Caller, Findings, Learned, Memory, MemorySource, NewMemory, Store, StoreError,
    Transcript, Turn, WallTime,
};

use self::answer::Answer;

pub use self::model::{ANSWER_BYTES_MAX, ANSWER_TIME_MAX, Model, Reply, ResponderModel};
pub use self::questions::{FIELDS_BYTES_MAX, FieldSchema, Questions};
pub use self::runner::{CONCURRENT_MAX, Runner};

/// Tries of one analysis. With `RETRY_AFTER` they are spread over an hour: longer than a provider's bad quarter of an hour.
pub const TRIES_MAX: u32 = 5;

/// Wait after the first, second, third and fourth try; a fifth of it more or less, so that calls that ended together do not come back
/// together.
const RETRY_AFTER: [Duration; TRIES_MAX as usize - 1] =
    [Duration::from_secs(30), Duration::from_secs(2 * 60), Duration::from_secs(12 * 60), Duration::from_secs(45 * 60)];

/// The longest wait that a provider can ask for: past it the next try may as well be made.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Findings about the calls of one assistant.
#[derive(Clone)]
pub struct Plan {
    /// Who is asked.
    pub model: Arc<dyn Model>,
    /// What is asked.
    pub questions: Questions,
    /// A call in which the caller spoke less often is not looked at.
    pub min_turns: u32,
}

/// Looks at calls. Shared by all who work at the queue.
pub struct Analyst {
    store: Store,
    /// By the assistant's name.
    plans: ArcSwap<HashMap<String, Plan>>,
}

/// Why there are no findings.
enum Trouble {
    /// Another try may bring some, not before the provider says.
    Later(String, Option<Duration>),
    /// None will.
    Never(String),
    /// There is nothing to look at.
    Nothing(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        if error.is_transient() { Self::Later(error.to_string(), None) } else { Self::Never(error.to_string()) }
    }
}

impl Analyst {
    /// Looks at calls of these assistants; those of others are skipped.
    pub fn new(store: Store, plans: HashMap<String, Plan>) -> Self {
        Self { store, plans: ArcSwap::from_pointee(plans) }
    }

    /// Looks at calls of these assistants from now on; a look that has begun goes on as it was.
    pub fn set_plans(&self, plans: HashMap<String, Plan>) {
        self.plans.store(Arc::new(plans));
    }

    /// How a job ends that needs no look at the call; `None`: it needs one.
    pub fn end_unseen(&self, job: &AnalysisJob) -> Option<AnalysisEnd> {
        let skipped = |reason: String| Some(AnalysisEnd::Skipped { reason });
        let plans = self.plans.load();
        let Some(plan) = plans.get(&job.assistant) else {
            return skipped(format!("no analysis is configured for assistant {}", job.assistant));
        };
        if job.caller_turns < u64::from(plan.min_turns) {
            let (turns, least) = (job.caller_turns, plan.min_turns);
            return skipped(format!("too short: the caller spoke {turns} times, fewer than min_turns, {least}"));
        }
        if job.claim.attempt > TRIES_MAX {
            let reason = format!("given up: {TRIES_MAX} tries came to no end");
            return Some(AnalysisEnd::Failed { reason });
        }
        None
    }

    /// Looks at a call, and says how its job ends. Takes two requests to the model at most.
    pub async fn look(&self, job: &AnalysisJob, now: WallTime) -> AnalysisEnd {
        let plans = self.plans.load_full();
        let Some(plan) = plans.get(&job.assistant) else {
            return AnalysisEnd::Skipped { reason: "its assistant is gone".to_owned() };
        };
        let begun = Instant::now();
        let found = self.find_out(plan, job, now).await;
        metrics::histogram!("offhook_analysis_seconds").record(begun.elapsed().as_secs_f64());
        match found {
            Ok((findings, learned)) => AnalysisEnd::Done { findings: Box::new(findings), learned },
            Err(Trouble::Nothing(reason)) => AnalysisEnd::Skipped { reason },
            Err(Trouble::Never(reason)) => AnalysisEnd::Failed { reason },
            Err(Trouble::Later(reason, _)) if job.claim.attempt >= TRIES_MAX => {
                AnalysisEnd::Failed { reason: format!("given up after {TRIES_MAX} tries: {reason}") }
            }
            Err(Trouble::Later(reason, asked)) => {
                let wait = retry_after(job.claim.attempt, asked, rand::random());
                let due = WallTime::from_micros(now.micros() + wait.as_micros() as i64);
                AnalysisEnd::Retry { reason, due }
            }
        }
    }

    async fn find_out(&self, plan: &Plan, job: &AnalysisJob, now: WallTime) -> Result<(Findings, Learned), Trouble> {
        let id = job.claim.call;
        let call = self.store.call(id).await?.ok_or_else(|| Trouble::Never("the call is gone".to_owned()))?;
        let turns = self.store.turns(id).await?;
        let caller = call.call.caller().filter(|_| plan.questions.retention.is_some());
        let known = match &caller {
            Some(caller) => self.store.memories(&self.store.organization_of(id).await?, caller, now).await?,
            None => Vec::new(),
        };
        let questions = match caller {
            Some(_) => plan.questions.clone(),
            None => Questions { retention: None, ..plan.questions.clone() },
        };
        if questions.is_empty() {
            return Err(Trouble::Nothing("only memories were asked for, and the caller withheld the number".to_owned()));
        }
        let mut findings =
            Findings { provider: plan.model.provider().to_owned(), model: plan.model.name().to_owned(), ..Findings::default() };
        let answer = ask(plan, &questions, &Seen { call: &call, turns: &turns, known: &known }, &mut findings).await?;
        let learned = learned(&answer, &call, caller, &known, questions.retention, now);
        Ok((answer.into_findings(findings), learned))
    }
}

/// What the model is shown.
struct Seen<'a> {
    call: &'a CallRecord,
    turns: &'a [Turn],
    known: &'a [Memory],
}

/// Asks, and asks once more when the answer cannot be used: the model is told why.
async fn ask(plan: &Plan, questions: &Questions, seen: &Seen<'_>, findings: &mut Findings) -> Result<Answer, Trouble> {
    let instructions = prompt::instructions(questions);
    let mut said = vec![Entry::Caller(prompt::evidence(seen.call, seen.turns, seen.known).into())];
    let mut reason = String::new();
    for _ in 0..2 {
        let reply = plan.model.ask(&instructions, &said).await.map_err(|error| provider_failed(plan, &error))?;
        findings.input_tokens += reply.usage.input_text;
        findings.output_tokens += reply.usage.output_text;
        reason = match reply.stop {
            Stop::Refused => return Err(Trouble::Never("the model declines to answer".to_owned())),
            Stop::Length => "it was cut off at its longest length".to_owned(),
            Stop::Complete | Stop::ToolCalls => match Answer::parse(reply.text.as_str(), questions, seen.known.len()) {
                Ok(answer) => return Ok(answer),
                Err(reason) => reason,
            },
        };
        if !reply.text.as_str().trim().is_empty() {
            said.push(Entry::Agent(reply.text));
        }
        said.push(Entry::Caller(Words::from(prompt::again(&reason))));
    }
    Err(Trouble::Never(format!("the model's answer cannot be used, twice: {reason}")))
}

fn provider_failed(plan: &Plan, error: &EngineError) -> Trouble {
    let provider = plan.model.provider().to_owned();
    metrics::counter!("offhook_provider_errors_total", "provider" => provider, "kind" => error.kind()).increment(1);
    let asked = match error {
        EngineError::RateLimited { retry_after } => *retry_after,
        _ => None,
    };
    Trouble::Later(error.to_string(), asked)
}

fn learned(
    answer: &Answer,
    call: &CallRecord,
    caller: Option<Caller>,
    known: &[Memory],
    retention: Option<Duration>,
    now: WallTime,
) -> Learned {
    let (Some(caller), Some(retention)) = (caller, retention) else { return Learned::default() };
    let new = answer.memories.iter().map(|text| NewMemory {
        organization: call.call.organization.clone(),
        caller: caller.clone(),
        text: Transcript::new(text.clone()),
        call: call.call.id,
        assistant: call.call.assistant.clone(),
        source: MemorySource::Analysis,
        at: now,
        expires_at: WallTime::from_micros(now.micros() + retention.as_micros() as i64),
    });
    let outdated = answer.outdated.iter().filter_map(|number| known.get(number - 1));
    Learned { new: new.collect(), outdated: outdated.map(|memory| memory.id).collect() }
}

/// How long to wait after try `attempt` (from 1); `chance` is 0 to 1.
fn retry_after(attempt: u32, asked: Option<Duration>, chance: f32) -> Duration {
    let wait = RETRY_AFTER[(attempt.max(1) as usize - 1).min(RETRY_AFTER.len() - 1)];
    let asked = asked.unwrap_or_default().min(RETRY_AFTER_MAX);
    wait.mul_f32(0.8 + 0.4 * chance).max(asked)
}
