//! For tests: what a client sends to a core or an endpoint, and what comes back, as text and in virtual time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use media::codec::Codec;
use serde_json::Value;

use super::faults::Fault;
use super::provider::Provider;
use super::query::Query;
use super::route::{Ask, Asked, Open};
use super::script::Script;
use super::server::Shared;
use super::socket::{Core, Output};
use crate::speech;

/// Who asks, and of which simulator.
pub(super) struct Client {
    pub shared: Arc<Shared>,
    pub provider: Provider,
    pub headers: &'static [(&'static str, &'static str)],
    pub fault: Option<Fault>,
}

/// A session in progress.
pub(super) struct Story {
    begin: Instant,
    now: Instant,
    core: Box<dyn Core>,
    tell: fn(&Value) -> String,
    told: Vec<String>,
    closed: bool,
}

impl Client {
    pub(super) fn new(provider: Provider, script: &str) -> Self {
        let script = Script::parse(script).expect("the test's script is good");
        Self { shared: Arc::new(Shared::of(script)), provider, headers: &[("xi-api-key", "x")], fault: None }
    }

    fn asked<T>(&self, query: &str, body: &[u8], ask: impl FnOnce(&Asked) -> T) -> T {
        let header =
            |(name, value): &(&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let headers: HeaderMap = self.headers.iter().map(header).collect();
        let (shared, provider, fault) = (&self.shared, self.provider, self.fault);
        ask(&Asked { shared, provider, headers: &headers, query: Query::parse(query), body, fault, now: Instant::now() })
    }

    /// Opens a session; `tell` makes a word or two of a message. `Err` is the status and the message of a refusal.
    pub(super) fn open(&self, open: Open, query: &str, tell: fn(&Value) -> String) -> Result<Story, String> {
        self.asked(query, b"", |asked| {
            let core = open(asked).map_err(|refused| format!("{} {}", refused.status, refused.story()))?;
            Ok(Story { begin: asked.now, now: asked.now, core, tell, told: Vec::new(), closed: false })
        })
    }

    /// Asks an endpoint; the answer's parts with their times, or its status where that is not 200.
    pub(super) fn ask(&self, ask: Ask, query: &str, body: &str) -> String {
        match self.asked(query, body.as_bytes(), ask) {
            Ok(answer) => answer.story(),
            Err(refused) => format!("{} {}", refused.status, refused.story()),
        }
    }
}

impl Story {
    /// What the client does, one action a line: `speak N` and `quiet N` send N ms of audio in packets of 20 ms as they
    /// would arrive, `+N` lets N ms pass, `binary` sends an empty binary message; anything else is sent as text.
    /// What came back since the last action that was told, as `at:word`.
    pub(super) fn run(&mut self, actions: &str) -> String {
        self.told.clear();
        self.drain();
        for action in actions.lines().map(str::trim).filter(|action| !action.is_empty()) {
            let count = |text: &str| text.trim().parse::<u64>().expect("the test's count is a number");
            match action.split_at_checked(6) {
                Some(("speak ", ms)) => self.send_audio(3_000, count(ms)),
                Some(("quiet ", ms)) => self.send_audio(0, count(ms)),
                Some(("binary", _)) => self.core.handle_binary(self.now, b""),
                _ if action.starts_with('+') => self.pass(count(&action[1..])),
                _ => self.core.handle_text(self.now, action),
            }
            self.drain();
        }
        self.told.join(" ")
    }

    fn send_audio(&mut self, sample: i16, ms: u64) {
        let packet = speech::encode(Codec::Pcmu, &[sample; 160]);
        for _ in 0..ms / 20 {
            self.pass(20);
            self.core.handle_binary(self.now, &packet);
            self.drain();
        }
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(due) = self.core.poll_timeout().filter(|due| *due <= end && !self.closed) {
            self.now = self.now.max(due);
            self.core.handle_timeout(self.now);
            if self.drain() == 0 && self.core.poll_timeout() == Some(due) {
                panic!("a timeout that is due for ever");
            }
        }
        self.now = end;
    }

    fn drain(&mut self) -> usize {
        let mut count = 0;
        while let Some(output) = self.core.poll_output() {
            count += 1;
            let word = match output {
                Output::Text(text) | Output::Answer(text) => {
                    (self.tell)(&serde_json::from_str(&text).expect("what is sent is JSON"))
                }
                Output::Audio(audio) => format!("{}B", audio.len()),
                Output::Close(code, _) => {
                    self.closed = true;
                    format!("CLOSE {code}")
                }
                other => format!("{other:?}"),
            };
            self.told.push(format!("{}:{word}", (self.now - self.begin).as_millis()));
        }
        count
    }
}
