//! The first stage: the caller's audio to words, by one transcriber of a chain.
//!
//! ```text
//! begin(at)        pause             resume / finish
//!   audio, audio...  audio, flush      audio...
//!        <- Interim, Final       <- Final, Flushed: settled
//! ```
//! Audio of the turn is kept until its words are taken, so that another provider can be given all of it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::turn::{TurnHint, words};

use super::chain::Chain;
use super::config::{CascadeConfig, MakeTranscriber};
use super::ports::{Ports, Wire};
use super::post::Post;
use super::tongue::Tongue;
use crate::engine::{EngineError, Output, Role, Stage, TRANSCRIBER, Usage, Words};
use crate::language::Language;
use crate::link::{LinkId, LinkInput};
use crate::transcriber::{Intake, Transcribed, Transcriber};
use crate::uplink::{OCTETS_PER_MS, Uplink};

/// Bytes of one turn's words: twenty minutes of talk. What is over is not taken down.
const MAX_WORDS: usize = 16 * 1024;

/// Speech of at least this length gives words; a provider that then gives neither words nor the end of a flush has stalled. Coughs are
/// shorter.
const SURELY_SPEECH: Duration = Duration::from_millis(500);

/// Final words after which no more came for this long are all: not every provider says so.
const QUIET: Duration = Duration::from_millis(300);

/// The transcribing stage.
pub(super) struct Ears {
    post: Post<dyn MakeTranscriber, dyn Transcriber>,
    uplink: Uplink,
    limit: Duration,
    /// Of the caller, for what words say of a turn.
    language: String,
    tongue: Tongue,
    finals: String,
    interim: String,
    /// The provider thinks that the caller has finished.
    ended: bool,
    /// When the words of all audio so far were asked for.
    asked: Option<Instant>,
    /// No more words will come of the audio so far.
    settled: bool,
    /// Flushes that were not answered.
    flushes: u32,
    /// When words came after they were asked for.
    worded: Option<Instant>,
    /// The words were taken for all that will come, and were not said to be.
    forced: bool,
    /// Words of a turn that was given up waiting for still come.
    stale: bool,
    /// The request of a whole turn.
    request: Option<LinkId>,
    /// The caller waits for the words of a turn since then.
    needed: Option<Instant>,
    used: Used,
}

/// What the provider made words of. Some tell it, late or never; so it counts as much as they were sent at least.
#[derive(Default)]
struct Used {
    /// Octets.
    sent: usize,
    told: Duration,
    /// What of it was counted.
    counted: Duration,
}

impl Ears {
    pub(super) fn new(chain: Chain<dyn MakeTranscriber>, config: &CascadeConfig) -> Self {
        Self {
            post: Post::new(chain, config.codec),
            uplink: Uplink::default(),
            limit: config.timeouts.transcript,
            language: config.speakable.language.clone(),
            tongue: Tongue::new(config.language),
            finals: String::new(),
            interim: String::new(),
            ended: false,
            asked: None,
            settled: false,
            flushes: 0,
            worded: None,
            forced: false,
            stale: false,
            request: None,
            needed: None,
            used: Used::default(),
        }
    }

    /// Gets ready: while it rings, or when nobody could be asked before.
    pub(super) fn prepare(&mut self, now: Instant, ports: &mut Ports) {
        if self.post.chain.choose(now) {
            self.begin_with(now, ports);
        }
    }

    /// Begins with the provider that is chosen now.
    fn begin_with(&mut self, now: Instant, ports: &mut Ports) {
        self.post.remake();
        self.connect(now, ports);
    }

    fn connect(&mut self, now: Instant, ports: &mut Ports) {
        match self.post.connect(now, ports) {
            // Over a socket as soon as it is open.
            Ok(()) if self.intake() == Intake::Utterances && self.asked.is_some() && !self.settled => self.ask(now, ports),
            Ok(()) => {}
            Err(error) => self.fail(now, error, ports),
        }
    }

    fn intake(&self) -> Intake {
        self.post.part.intake()
    }

    /// Whether a turn waits for its words and nobody can give any. What there is of them must do then.
    pub(super) fn is_dead(&self) -> bool {
        let waits = |since: &Instant| !self.settled && self.post.chain.is_hopeless(*since) && self.text().is_empty();
        self.needed.as_ref().is_some_and(waits)
    }

    pub(super) fn error(&self, now: Instant, ports: &mut Ports) -> EngineError {
        self.post.chain.exhausted(now, ports)
    }

    /// What was understood of the turn so far.
    pub(super) fn text(&self) -> String {
        let (finals, interim) = (self.finals.trim(), self.interim.trim());
        let gap = if finals.is_empty() || interim.is_empty() { "" } else { " " };
        format!("{finals}{gap}{interim}")
    }

    /// The caller's language, when it is found or has changed.
    pub(super) fn take_language(&mut self) -> Option<Language> {
        let language = self.tongue.take_news()?;
        language.code()?.clone_into(&mut self.language);
        Some(language)
    }

    /// Whether these are all words of the audio so far.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// When the last words came.
    pub(super) fn worded(&self) -> Option<Instant> {
        self.worded
    }

    /// Whether an answer to the words may be begun: none of them may still change.
    pub(super) fn is_firm(&self) -> bool {
        self.settled || self.ended || (self.interim.is_empty() && self.worded.is_some())
    }

    /// Whether the provider thinks that the caller has finished.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn audio(&mut self, now: Instant, frame: &[u8], ports: &mut Ports) {
        self.uplink.push(now, frame);
        if !self.post.wire.is_up() {
            return;
        }
        match self.intake() {
            Intake::Continuous => {
                self.used.sent += frame.len();
                if let Some(frame) = self.post.part.audio(Bytes::copy_from_slice(frame)) {
                    self.post.wire.send(now, frame, ports);
                }
            }
            Intake::Turns => {
                while let Some(audio) = self.uplink.take_append() {
                    self.used.sent += audio.len();
                    if let Some(frame) = self.post.part.audio(Bytes::copy_from_slice(audio)) {
                        self.post.wire.send(now, frame, ports);
                    }
                }
            }
            Intake::Utterances => {}
        }
    }

    /// The caller's turn began, or goes on.
    pub(super) fn begin(&mut self, now: Instant, at: Instant, ports: &mut Ports) {
        if matches!(self.post.wire, Wire::Down) && !self.post.chain.is_absent() && self.intake() == Intake::Turns {
            self.connect(now, ports);
        }
        self.uplink.open(at);
        self.stale = false;
        self.resume(ports);
    }

    /// The caller goes on after a pause.
    pub(super) fn resume(&mut self, ports: &mut Ports) {
        self.asked = None;
        self.settled = false;
        self.worded = None;
        self.ended = false;
        self.needed = None;
        if let Some(link) = self.request.take() {
            ports.push(Output::Close(link));
        }
    }

    /// The caller has probably finished: the words of all audio are wanted.
    pub(super) fn pause(&mut self, now: Instant, ports: &mut Ports) {
        if self.asked.is_none() {
            self.asked = Some(now);
            self.ask(now, ports);
        }
    }

    /// The caller has finished.
    pub(super) fn finish(&mut self, now: Instant, ports: &mut Ports) {
        self.needed = Some(now);
        if self.post.chain.is_absent() {
            self.prepare(now, ports);
        }
        self.pause(now, ports);
        self.uplink.close();
    }

    fn ask(&mut self, now: Instant, ports: &mut Ports) {
        if self.post.chain.is_absent() {
            // Who comes is given all of it.
            return;
        }
        match self.intake() {
            Intake::Utterances => match self.post.part.request(self.post.codec, self.uplink.utterance()) {
                Ok(target) => {
                    self.used.sent += self.uplink.utterance().len();
                    self.request = Some(ports.open(target));
                }
                Err(error) => self.fail(now, error, ports),
            },
            Intake::Turns | Intake::Continuous if self.post.wire.is_up() => {
                if self.intake() == Intake::Turns {
                    self.send_rest(now, ports);
                }
                match self.post.part.flush() {
                    Some(frame) => {
                        self.flushes += 1;
                        self.post.wire.send(now, frame, ports);
                    }
                    // It says by itself when the turn is over.
                    None if self.ended => self.settle(now, ports),
                    None => {}
                }
            }
            // As soon as the socket is open.
            Intake::Turns | Intake::Continuous => {}
        }
    }

    /// Sends all audio of the turn that was not sent yet.
    fn send_rest(&mut self, now: Instant, ports: &mut Ports) {
        let Some(audio) = self.uplink.take_rest() else { return };
        self.used.sent += audio.len();
        if let Some(frame) = self.post.part.audio(Bytes::copy_from_slice(audio)) {
            self.post.wire.send(now, frame, ports);
        }
    }

    /// The words are taken; the next turn begins from nothing. The caller's turn must be closed.
    pub(super) fn take(&mut self, ports: &mut Ports) {
        self.count_sent(ports);
        self.stale = std::mem::take(&mut self.forced);
        self.finals.clear();
        self.interim.clear();
        self.asked = None;
        self.settled = false;
        self.worded = None;
        self.ended = false;
        self.needed = None;
        self.flushes = if self.stale { self.flushes } else { 0 };
        self.uplink.settle();
    }

    /// Counts what was sent and not told of.
    fn count_sent(&mut self, ports: &mut Ports) {
        let sent = Duration::from_millis((self.used.sent / OCTETS_PER_MS) as u64);
        self.count(sent, ports);
    }

    /// Counts up to `total`, from the beginning of the call.
    fn count(&mut self, total: Duration, ports: &mut Ports) {
        let transcribed = total.saturating_sub(self.used.counted);
        if !transcribed.is_zero() {
            self.used.counted = total;
            ports.used(self.post.chain.provider(), TRANSCRIBER, Usage { transcribed, ..Usage::default() });
        }
    }

    /// Time for the last words is up: what there is must do. False when another provider is to be waited for: there is nothing of so much
    /// speech that this one must be taken for stalled, or it has not answered the turn's request and another may.
    pub(super) fn give_up(&mut self, now: Instant, speech: Duration, ports: &mut Ports) -> bool {
        let drips = self.request.is_some() && self.post.chain.has_other(now);
        let late = speech >= SURELY_SPEECH && (self.text().is_empty() || drips);
        if !late {
            self.settled = true;
            self.forced = true;
        } else if !self.post.chain.is_absent() {
            self.fail(now, EngineError::Late { stage: Stage::Transcript, limit: self.limit }, ports);
        }
        !late
    }

    /// Whether the link is this stage's; then it was handled.
    pub(super) fn handle(&mut self, now: Instant, link: LinkId, input: &LinkInput, ports: &mut Ports) -> bool {
        if self.request == Some(link) {
            self.handle_request(now, input, ports);
        } else if self.post.wire.link() == Some(link) {
            self.handle_socket(now, input, ports);
        } else {
            return false;
        }
        true
    }

    fn handle_request(&mut self, now: Instant, input: &LinkInput, ports: &mut Ports) {
        match input {
            LinkInput::Closed { error } => {
                self.request = None;
                return self.fail(now, error.clone(), ports);
            }
            LinkInput::Ended => self.request = None,
            _ => {}
        }
        if self.read(now, input, ports) && self.request.is_none() {
            self.settle(now, ports);
        }
    }

    fn handle_socket(&mut self, now: Instant, input: &LinkInput, ports: &mut Ports) {
        match input {
            LinkInput::Opened => {
                self.post.wire.opened(now);
                self.post.part.reset();
                self.replay(now, ports);
            }
            LinkInput::Closed { .. } | LinkInput::Ended if self.is_idle() => self.post.wire = Wire::Down,
            LinkInput::Closed { error } => {
                self.post.wire = Wire::Down;
                self.fail(now, error.clone(), ports);
            }
            LinkInput::Ended => {
                self.post.wire = Wire::Down;
                self.fail(now, EngineError::Closed { code: None, reason: "end of stream".to_owned() }, ports);
            }
            LinkInput::Binary(_) | LinkInput::Text(_) => {
                self.read(now, input, ports);
            }
        }
    }

    /// Whether an open socket has nothing to do: its end harms nobody, and another is opened with the next turn.
    fn is_idle(&self) -> bool {
        self.post.wire.is_up() && !self.uplink.is_open() && self.asked.is_none() && self.intake() == Intake::Turns
    }

    /// A new socket is given the turn from its beginning, in place of what the one before understood of it.
    fn replay(&mut self, now: Instant, ports: &mut Ports) {
        self.uplink.reset();
        self.flushes = 0;
        self.finals.clear();
        self.interim.clear();
        self.settled = false;
        self.stale = false;
        self.send_rest(now, ports);
        if self.asked.is_some() {
            self.ask(now, ports);
        }
    }

    /// Reads what a provider says; false when it failed.
    fn read(&mut self, now: Instant, input: &LinkInput, ports: &mut Ports) -> bool {
        let mut said = Vec::new();
        let result = self.post.part.handle(input, &mut said);
        for said in said {
            self.understood(now, said, ports);
        }
        match result {
            Ok(()) => true,
            Err(error) => {
                if let Some(link) = self.request.take() {
                    ports.push(Output::Close(link));
                }
                self.fail(now, error, ports);
                false
            }
        }
    }

    fn understood(&mut self, now: Instant, said: Transcribed, ports: &mut Ports) {
        match said {
            Transcribed::Used(transcribed) => {
                self.used.told += transcribed;
                self.count(self.used.told, ports);
            }
            Transcribed::Flushed if self.stale => {
                self.flushes = 0;
                self.stale = false;
            }
            _ if self.stale => {}
            // One before a pause that was none: the words of the last one are still to come.
            Transcribed::Flushed if self.flushes > 1 => self.flushes -= 1,
            Transcribed::Final(words) => {
                self.goes_on(words.as_str(), ports);
                self.interim.clear();
                self.add(words.as_str());
                self.hint(ports);
                self.tell(words.as_str(), ports);
                if self.asked.is_some() {
                    self.worded = Some(now);
                    if self.ended {
                        self.settle(now, ports);
                    }
                }
            }
            Transcribed::Language(language) => self.tongue.heard(language, self.finals.split_whitespace().count()),
            Transcribed::Interim(words) => {
                self.goes_on(words.as_str(), ports);
                self.interim = words.into_string();
                self.hint(ports);
            }
            Transcribed::Flushed => {
                self.flushes = 0;
                if self.asked.is_some() {
                    self.settle(now, ports);
                }
            }
            Transcribed::EagerEnd | Transcribed::EndOfTurn => {
                self.ended = true;
                ports.push(Output::TurnHint(TurnHint::ProviderEnded));
                self.worded = Some(now);
                if self.asked.is_some() {
                    self.settle(now, ports);
                }
            }
            Transcribed::Resumed => {
                self.ended = false;
                ports.push(Output::TurnHint(TurnHint::ProviderResumed));
            }
            Transcribed::SpeechStarted => {}
        }
    }

    /// Tells turn-taking what the words so far say.
    fn hint(&self, ports: &mut Ports) {
        let text = self.text();
        if !text.is_empty() {
            ports.push(Output::TurnHint(TurnHint::Completeness(words::completeness(&text, &self.language))));
            ports.push(Output::TurnHint(TurnHint::Words(words::classify(&text, &self.language))));
        }
    }

    /// Words after the end that the provider told of, before ours: there was none.
    fn goes_on(&mut self, words: &str, ports: &mut Ports) {
        if self.ended && self.asked.is_none() && !words.trim().is_empty() {
            self.ended = false;
            ports.push(Output::TurnHint(TurnHint::ProviderResumed));
        }
    }

    fn settle(&mut self, now: Instant, ports: &mut Ports) {
        if self.settled {
            return;
        }
        self.settled = true;
        self.post.chain.succeeded();
        if let Some(asked) = self.asked {
            ports.took(self.post.chain.provider(), "transcript", now.saturating_duration_since(asked));
        }
    }

    fn add(&mut self, words: &str) {
        let words = words.trim();
        if !self.finals.is_empty() && !words.is_empty() {
            self.finals.push(' ');
        }
        let room = MAX_WORDS.saturating_sub(self.finals.len());
        self.finals.push_str(&words[..words.floor_char_boundary(room)]);
    }

    fn tell(&self, words: &str, ports: &mut Ports) {
        if !words.trim().is_empty() {
            let (role, prompt, text) = (Role::Caller, None, Words::from(words));
            ports.push(Output::Transcript { role, prompt, text, is_final: false });
        }
    }

    fn fail(&mut self, now: Instant, error: EngineError, ports: &mut Ports) {
        if let Some(link) = self.request.take() {
            ports.push(Output::Close(link));
        }
        self.count_sent(ports);
        if self.post.failed(now, error, ports) {
            self.begin_with(now, ports);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, ports: &mut Ports) {
        if self.quiet_at().is_some_and(|at| now >= at) {
            self.settle(now, ports);
        }
        if self.post.must_look(now) {
            self.prepare(now, ports);
        }
        if let Some(error) = self.post.wire.is_late(now) {
            return self.fail(now, error, ports);
        }
        if self.post.is_due(now) {
            self.connect(now, ports);
        }
        self.post.keep_alive(now, ports);
    }

    /// When the last words are taken for all, of a provider that does not say so.
    fn quiet_at(&self) -> Option<Instant> {
        self.worded.filter(|_| !self.settled && self.asked.is_some() && self.interim.is_empty()).map(|at| at + QUIET)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.post.poll_timeout(), self.quiet_at()].into_iter().flatten().min()
    }

    /// The call is over.
    pub(super) fn end(&mut self, now: Instant, ports: &mut Ports) {
        self.count_sent(ports);
        if let Some(frame) = self.post.part.farewell() {
            self.post.wire.send(now, frame, ports);
        }
        self.post.wire.close(ports);
        if let Some(link) = self.request.take() {
            ports.push(Output::Close(link));
        }
    }
}
