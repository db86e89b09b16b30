//! For the tests of engines: a script of what happens goes in, what the session does comes out, in virtual time.
//!
//! Each line of a script is a command, with `+MS ` before it when time passes first. `audio N` takes N frames of 20 ms, and `wait MS` lets
//! timeouts fire when they are due. All other commands are the engine's own.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::codec::Codec;
use media::frame::PcmFrame;

use super::{Engine, Input, Output};

/// What an engine's tests know of it.
pub(crate) trait Scripted: Sized {
    /// The engine.
    type Session: Engine;

    /// Whether timeouts fire before a command with `+MS ` and between frames; else time jumps, as it does for an actor that is late.
    const FIRES: bool;

    /// What a command is.
    fn input(run: &mut Run<Self>, command: &str) -> Input;

    /// An output in a line; `None` of what is not looked at.
    fn show(run: &mut Run<Self>, output: Output) -> Option<String>;

    /// Keeps the line of an output.
    fn note(log: &mut Vec<String>, ms: u64, line: String) {
        log.push(format!("{ms} {line}"));
    }
}

/// A session on its way through a script. What the tests of its engine know besides is reached through it.
pub(crate) struct Run<S: Scripted> {
    pub(crate) session: S::Session,
    pub(crate) start: Instant,
    /// Since the start.
    pub(crate) ms: u64,
    pub(crate) log: Vec<String>,
    own: S,
}

impl<S: Scripted> Deref for Run<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.own
    }
}

impl<S: Scripted> DerefMut for Run<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.own
    }
}

impl<S: Scripted> Run<S> {
    pub(crate) fn begin(session: S::Session, own: S) -> Self {
        // Far from the clock's zero, so that instants before the start exist.
        let start = Instant::now() + Duration::from_secs(3_600);
        Self { session, start, ms: 0, log: Vec::new(), own }
    }

    pub(crate) fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.ms)
    }

    /// An instant in milliseconds since the start.
    pub(crate) fn since_start(&self, at: Option<Instant>) -> String {
        at.map_or("-".to_owned(), |at| at.saturating_duration_since(self.start).as_millis().to_string())
    }

    pub(crate) fn play(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (passes, command) = match line.strip_prefix('+') {
                Some(line) => line.split_once(' ').unwrap_or((line, "")),
                None => ("0", line),
            };
            self.pass(number(passes));
            match command.split_once(' ').unwrap_or((command, "")) {
                ("", _) => {}
                ("audio", count) => (0..number(count)).for_each(|_| self.frame(Codec::Pcmu)),
                ("wait", ms) => self.wait(number(ms)),
                _ => {
                    let input = S::input(self, command);
                    self.handle(input);
                }
            }
        }
    }

    /// Compares what came out.
    pub(crate) fn expect(&self, expected: &str) {
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(self.log, expected, "\ncame out:\n{}", self.log.join("\n"));
    }

    pub(crate) fn frame(&mut self, codec: Codec) {
        self.pass(20);
        self.handle(Input::Audio(Arc::new(PcmFrame::silence(codec))));
    }

    fn pass(&mut self, ms: u64) {
        if S::FIRES { self.wait(ms) } else { self.ms += ms }
    }

    /// Time passes; timeouts fire when they are due.
    pub(crate) fn wait(&mut self, ms: u64) {
        let end = self.ms + ms;
        while let Some(at) = self.session.poll_timeout() {
            let due = u64::try_from(at.saturating_duration_since(self.start).as_nanos().div_ceil(1_000_000))
                .expect("a script is short");
            if due > end {
                break;
            }
            self.ms = self.ms.max(due);
            self.session.handle_timeout(self.now());
            self.drain();
            assert_ne!(self.session.poll_timeout(), Some(at), "a timeout that was handled stays; {:?}", self.log);
        }
        self.ms = end;
    }

    pub(crate) fn handle(&mut self, input: Input) {
        self.session.handle_input(self.now(), input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            if let Some(line) = S::show(self, output) {
                S::note(&mut self.log, self.ms, line);
            }
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}
