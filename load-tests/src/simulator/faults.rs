//! What goes wrong, where, and how a socket is broken in the middle of an answer.

use std::sync::atomic::{AtomicU64, Ordering};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::provider::Provider;
use super::socket::Output;

/// Parts of an answer that go out before it is broken: enough that it has begun.
const PARTS_BEFORE: u32 = 3;

/// What the provider does wrong.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The connection is reset in the middle of the answer.
    Reset,
    /// Nothing more is sent in the middle of the answer, and the connection stays open.
    Stall,
    /// The request is refused for its rate, with `retry-after`: HTTP 429; in mid-session a failed response or a closed
    /// socket.
    #[serde(rename = "429")]
    #[value(name = "429")]
    RateLimited,
    /// Broken JSON, unknown events and invalid audio, and then the answer as usual; instead of it where it is one body.
    Garbage,
    /// A character of text, or a byte of audio, each 200 ms.
    Drip,
    /// HTTP 500 (Anthropic: 529 overloaded); in mid-session as `429`.
    #[serde(rename = "500")]
    #[value(name = "500")]
    ServerError,
    /// The answer ends in its middle in good order: an error event where the protocol has one, then the end.
    Close,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Speech to text.
    Stt,
    /// The language model.
    Llm,
    /// Text to speech.
    Tts,
    /// Speech to speech.
    Realtime,
    /// Embeddings.
    Embed,
    /// Usage for a bill.
    Billing,
}

/// A fault for sessions: a session is a WebSocket, or a single HTTP request.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// What goes wrong: in the first response of a session; `429` and `500` at its beginning.
    pub fault: Fault,
    /// In how many of the sessions that `stage` and `provider` mean, counted from the first; later ones are well.
    #[serde(default = "always")]
    pub sessions: u64,
    /// Where; everywhere when not given.
    #[serde(default)]
    pub stage: Option<Stage>,
    /// At whom; at all when not given.
    #[serde(default)]
    pub provider: Option<Provider>,
}

/// Plans and how often each has struck.
#[derive(Debug)]
pub(super) struct Plans(Vec<(FaultPlan, AtomicU64)>);

fn always() -> u64 {
    u64::MAX
}

impl FaultPlan {
    /// A fault of every session everywhere.
    pub fn new(fault: Fault) -> Self {
        Self { fault, sessions: always(), stage: None, provider: None }
    }
}

impl Fault {
    /// Whether it refuses a session at its beginning, and with which status.
    pub(super) fn refusal(self, provider: Provider) -> Option<u16> {
        match (self, provider) {
            (Self::RateLimited, _) => Some(429),
            (Self::ServerError, Provider::Anthropic) => Some(529),
            (Self::ServerError, _) => Some(500),
            _ => None,
        }
    }
}

impl Plans {
    pub(super) fn new(plans: impl IntoIterator<Item = FaultPlan>) -> Self {
        Self(plans.into_iter().map(|plan| (plan, AtomicU64::new(0))).collect())
    }

    /// The fault of a session that begins now.
    pub(super) fn strike(&self, provider: Provider, stage: Stage) -> Option<Fault> {
        let meant = |plan: &FaultPlan| plan.stage.is_none_or(|it| it == stage) && plan.provider.is_none_or(|it| it == provider);
        let due = |(plan, count): &(FaultPlan, AtomicU64)| meant(plan) && count.fetch_add(1, Ordering::Relaxed) < plan.sessions;
        self.0.iter().find(|plan| due(plan)).map(|(plan, _)| plan.fault)
    }
}

/// Breaks what a core sends, between it and its socket.
#[derive(Debug)]
pub(super) struct Injector {
    fault: Option<Fault>,
    parts: u32,
    stalled: bool,
}

impl Injector {
    pub(super) fn new(fault: Option<Fault>) -> Self {
        Self { fault, parts: 0, stalled: false }
    }

    /// Whether the session says and does nothing any more.
    pub(super) fn stalled(&self) -> bool {
        self.stalled
    }

    /// What goes out instead of `output`; `garbage` is what is nonsense in this protocol.
    pub(super) fn pass(&mut self, output: Output, garbage: impl FnOnce() -> Vec<String>) -> Vec<Output> {
        if self.stalled {
            return Vec::new();
        }
        match output {
            Output::Arm(fault) => {
                (self.fault, self.parts) = (Some(fault), 0);
                return Vec::new();
            }
            Output::Answer(_) | Output::Audio(_) => self.parts += 1,
            other => return vec![other],
        }
        let broken = self.parts > PARTS_BEFORE;
        let instead = match self.fault {
            Some(Fault::RateLimited | Fault::ServerError) => vec![Output::Close(1011, "internal error".to_owned())],
            Some(Fault::Garbage) => nonsense(garbage()).chain([output]).collect(),
            Some(Fault::Reset) if broken => vec![Output::Reset],
            Some(Fault::Close) if broken => vec![Output::Close(1011, "going away".to_owned())],
            Some(Fault::Stall) if broken => {
                self.stalled = true;
                Vec::new()
            }
            _ => return vec![output],
        };
        self.fault = None;
        instead
    }
}

fn nonsense(special: Vec<String>) -> impl Iterator<Item = Output> {
    let general = ["{\"type\":\"", "[1,2,3]", "{\"type\":\"surprise\",\"item\":7}", "{}"];
    special.into_iter().chain(general.map(str::to_owned)).map(Output::Text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Six parts of an answer; what comes through.
    fn check(fault: Fault, want: &str) {
        let mut injector = Injector::new(Some(fault));
        let mut got = Vec::new();
        for part in 0..6 {
            for output in injector.pass(Output::Answer(part.to_string()), || vec!["BAD".to_owned()]) {
                got.push(match output {
                    Output::Answer(text) | Output::Text(text) => text,
                    Output::Close(code, _) => code.to_string(),
                    other => format!("{other:?}"),
                });
            }
        }
        assert_eq!(got.join(" "), want, "{fault:?}");
    }

    #[test]
    fn an_answer_is_broken_in_its_middle() {
        check(Fault::Reset, "0 1 2 Reset 4 5");
        check(Fault::Close, "0 1 2 1011 4 5");
        check(Fault::Stall, "0 1 2");
        check(Fault::RateLimited, "1011 1 2 3 4 5");
        check(Fault::Garbage, "BAD {\"type\":\" [1,2,3] {\"type\":\"surprise\",\"item\":7} {} 0 1 2 3 4 5");
        check(Fault::Drip, "0 1 2 3 4 5");
    }

    #[test]
    fn a_plan_strikes_whom_it_means_and_as_often_as_it_says() {
        let stt = FaultPlan { sessions: 2, stage: Some(Stage::Stt), ..FaultPlan::new(Fault::Reset) };
        let groq = FaultPlan { provider: Some(Provider::Groq), ..FaultPlan::new(Fault::Drip) };
        let plans = Plans::new([stt, groq]);
        let got = [
            plans.strike(Provider::Deepgram, Stage::Llm),
            plans.strike(Provider::Deepgram, Stage::Stt),
            plans.strike(Provider::Groq, Stage::Stt),
            plans.strike(Provider::Groq, Stage::Stt),
            plans.strike(Provider::Deepgram, Stage::Stt),
        ];
        assert_eq!(got, [None, Some(Fault::Reset), Some(Fault::Reset), Some(Fault::Drip), None]);
    }
}
