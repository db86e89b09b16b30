//! The third stage: pieces of text to audio, by one synthesizer of a chain.
//!
//! Pieces are spoken in order. Those ahead are asked for while the first plays, but no further ahead than the caller can be: what is
//! cut by a barge-in was paid for.

mod language;
mod timeouts;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::sendout::PromptId;

use super::chain::Chain;
use super::config::{CascadeConfig, MakeSynthesizer, Timeouts};
use super::piece::{Piece, State};
use super::ports::{Ports, Wire};
use super::post::Post;
use super::said::{Said, add_mark};
use super::sound::Sound;
use crate::engine::{CacheKey, EngineError, Output, Usage, VOICE, Words};
use crate::link::{LinkId, LinkInput};
use crate::speakable::Speakable;
use crate::synthesizer::{SpeechId, Synthesized, Synthesizer};
use crate::uplink::OCTETS_PER_MS;

/// Audio given out ahead of what the caller can have heard; past it the next piece is not asked for.
const AHEAD: Duration = Duration::from_secs(10);

/// Audio of one piece, in octets: a minute of 16-bit samples at 48 kHz. A provider that sends more has lost its way.
const MAX_PIECE_AUDIO: usize = 60 * 96_000;

/// How a prompt plays.
struct Play {
    prompt: PromptId,
    since: Instant,
    given: Duration,
}

/// What is made to be kept, and not said: beyond every prompt's number.
pub(super) const KEPT: PromptId = PromptId(u64::MAX);

/// The speaking stage.
pub(super) struct Mouth {
    post: Post<dyn MakeSynthesizer, dyn Synthesizer>,
    timeouts: Timeouts,
    speakable: Speakable,
    /// The caller's language, once it was found.
    found: Option<String>,
    /// The socket speaks the language before; it is changed when nothing is asked of it.
    outdated: bool,
    pieces: VecDeque<Piece>,
    sound: Option<Sound>,
    play: Option<Play>,
    next: u64,
    kept: Option<Bytes>,
    /// Enough was given out until then.
    pace: Option<Instant>,
}

impl Mouth {
    pub(super) fn new(chain: Chain<dyn MakeSynthesizer>, config: &CascadeConfig) -> Self {
        Self {
            post: Post::new(chain, config.codec),
            timeouts: config.timeouts,
            speakable: config.speakable.clone(),
            found: None,
            outdated: false,
            pieces: VecDeque::new(),
            sound: None,
            play: None,
            next: 0,
            kept: None,
            pace: None,
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
        self.outdated = false;
        if let Some(code) = &self.found {
            self.post.part.set_language(code);
        }
        self.sound = None;
        self.connect(now, ports);
    }

    fn connect(&mut self, now: Instant, ports: &mut Ports) {
        if let Err(error) = self.post.connect(now, ports) {
            self.fail(now, error, ports);
        }
    }

    /// Whether something is to be said and nobody can say it. What is only to be kept harms nobody.
    pub(super) fn is_dead(&self) -> bool {
        let waits =
            |piece: &Piece| piece.state == State::Waiting && piece.prompt != KEPT && self.post.chain.is_hopeless(piece.asked);
        self.pieces.iter().any(waits)
    }

    pub(super) fn error(&self, now: Instant, ports: &mut Ports) -> EngineError {
        self.post.chain.exhausted(now, ports)
    }

    /// Whether pieces are still to be given out.
    pub(super) fn is_saying(&self) -> bool {
        self.pieces.iter().any(|piece| piece.prompt != KEPT)
    }

    /// What was made to be kept, once.
    pub(super) fn take_kept(&mut self) -> Option<Bytes> {
        self.kept.take()
    }

    /// Whether a piece of this prompt is still to be given out.
    pub(super) fn has(&self, prompt: PromptId) -> bool {
        self.pieces.iter().any(|piece| piece.prompt == prompt)
    }

    /// What was to be said as one prompt is said as another.
    pub(super) fn renumber(&mut self, from: PromptId, to: PromptId) {
        self.pieces.iter_mut().filter(|piece| piece.prompt == from).for_each(|piece| piece.prompt = to);
    }

    /// The key of speech of `spoken` by the present voice.
    pub(super) fn key_of(&self, spoken: &str) -> CacheKey {
        let found = self.found.as_deref().unwrap_or_default();
        CacheKey(format!("{}\n{:?}{found}\n{spoken}", self.post.chain.part().voice(), self.post.codec))
    }

    /// Adds a piece; `cached` when the same will be said in other calls.
    pub(super) fn say(&mut self, now: Instant, prompt: PromptId, text: String, cached: bool, ports: &mut Ports) {
        if self.pieces.front().is_some_and(|piece| piece.prompt == KEPT) {
            // Nobody waits for what is only to be kept.
            self.cancel(now, ports);
        }
        let spoken = self.speakable.speak(&text);
        let key = cached.then(|| self.key_of(&spoken));
        if let Some(key) = &key {
            ports.push(Output::CacheGet(key.clone()));
        }
        let speech = self.number();
        self.pieces.push_back(Piece::new(now, speech, prompt, (text, spoken), key));
    }

    fn number(&mut self) -> SpeechId {
        self.next += 1;
        SpeechId(self.next)
    }

    /// The cache has answered.
    pub(super) fn cached(&mut self, key: &CacheKey, audio: Option<Bytes>) {
        for piece in self.pieces.iter_mut().filter(|piece| piece.state == State::Cache && piece.key.as_ref() == Some(key)) {
            piece.state = match &audio {
                Some(audio) => {
                    piece.octets = audio.len();
                    piece.waiting.push_back(audio.clone());
                    State::Done { cached: true }
                }
                None => State::Waiting,
            };
        }
    }

    /// Nothing of what waits is to be said.
    pub(super) fn cancel(&mut self, now: Instant, ports: &mut Ports) {
        let mut frames = Vec::new();
        for piece in self.pieces.drain(..) {
            match piece.request {
                Some(link) => ports.push(Output::Close(link)),
                None if piece.state == State::Asked => self.post.part.cancel(piece.speech, &mut frames),
                None => {}
            }
        }
        self.sound = None;
        self.play = None;
        frames.into_iter().for_each(|frame| self.post.wire.send(now, frame, ports));
    }

    /// Asks for what may be asked for, and gives out what there is when the `gate` is open. True when the prompt's first audio went out.
    pub(super) fn advance(&mut self, now: Instant, gate: bool, said: &mut Said, ports: &mut Ports) -> bool {
        self.ask(now, ports);
        let mut first = false;
        while gate && let Some(piece) = self.pieces.front_mut() {
            let prompt = piece.prompt;
            let Some(raw) = piece.waiting.pop_front() else {
                let State::Done { cached } = piece.state else { break };
                self.end_piece(now, cached, said, ports);
                continue;
            };
            if !std::mem::replace(&mut piece.began, true) && prompt != KEPT {
                said.add_piece(prompt, piece.speech, &piece.text, &piece.spoken, &piece.marks);
            }
            let audio = match piece.state {
                State::Done { cached: true } => raw,
                _ => match self.convert(&raw) {
                    Ok(audio) => audio,
                    Err(error) => {
                        self.fail_again(now, error, said, ports);
                        break;
                    }
                },
            };
            first |= self.give(now, audio, said, ports);
        }
        self.ask(now, ports);
        first
    }

    fn give(&mut self, now: Instant, audio: Bytes, said: &mut Said, ports: &mut Ports) -> bool {
        let Some(piece) = self.pieces.front_mut() else { return false };
        if audio.is_empty() {
            return false;
        }
        let prompt = piece.prompt;
        if prompt == KEPT {
            piece.given.extend_from_slice(&audio);
            return false;
        }
        let length = Duration::from_micros(audio.len() as u64 * 1_000 / OCTETS_PER_MS as u64);
        said.add_audio(piece.speech, length);
        if piece.key.is_some() {
            piece.given.extend_from_slice(&audio);
        }
        let first = self.play.as_ref().is_none_or(|play| play.prompt != prompt);
        if first {
            self.play = Some(Play { prompt, since: now, given: Duration::ZERO });
        }
        if let Some(play) = &mut self.play {
            play.given += length;
        }
        ports.push(Output::Audio { prompt, audio });
        first
    }

    /// The piece in front is given out whole.
    fn end_piece(&mut self, now: Instant, cached: bool, said: &mut Said, ports: &mut Ports) {
        // Without a piece of the same prompt behind it, what the resampler holds is the end.
        let last = self.pieces.get(1).is_none_or(|next| next.prompt != self.pieces[0].prompt);
        let rest = match &mut self.sound {
            Some(sound) if last => sound.finish(),
            Some(sound) => {
                sound.end_piece();
                Vec::new()
            }
            None => Vec::new(),
        };
        self.give(now, Bytes::from(rest), said, ports);
        let Some(piece) = self.pieces.pop_front() else { return };
        said.end_piece(piece.speech);
        if piece.prompt == KEPT {
            self.kept = Some(Bytes::from(piece.given.clone()));
        }
        if let (Some(key), false) = (piece.key, cached || piece.given.is_empty()) {
            ports.push(Output::CachePut { key, audio: Bytes::from(piece.given) });
        }
        if let Some(next) = self.pieces.front_mut() {
            next.heard_of = next.heard_of.max(now);
        }
    }

    fn ask(&mut self, now: Instant, ports: &mut Ports) {
        let waits = self.pieces.iter().any(|piece| piece.state == State::Waiting);
        if waits && self.post.chain.is_absent() {
            self.prepare(now, ports);
        } else if waits && matches!(self.post.wire, Wire::Down) {
            self.connect(now, ports);
        }
        self.pace = None;
        self.follow_language(now, ports);
        while !self.outdated && !self.post.chain.is_absent() && self.post.wire.is_ready() {
            let under_way = self.pieces.iter().filter(|piece| piece.state == State::Asked).count();
            // What was not given out counts too: it is ahead of the caller.
            let waits = self.pieces.iter().skip(1).filter(|piece| matches!(piece.state, State::Done { .. })).count();
            if under_way + waits > self.post.part.pieces_ahead() {
                return;
            }
            // In order: one that the cache is asked about holds back those behind it.
            let Some(piece) = self.pieces.iter_mut().find(|piece| matches!(piece.state, State::Cache | State::Waiting)) else {
                return;
            };
            if piece.state == State::Cache {
                return;
            }
            if let Some(play) = self.play.as_ref().filter(|play| play.given > AHEAD && play.since + (play.given - AHEAD) > now) {
                self.pace = Some(play.since + (play.given - AHEAD));
                return;
            }
            (piece.asked, piece.heard_of) = (now, now);
            let text = Words::from(piece.spoken.as_str());
            if matches!(self.post.wire, Wire::Requests) {
                match self.post.part.request(&text) {
                    Ok(target) => piece.request = Some(ports.open(target)),
                    Err(error) => return self.fail(now, error, ports),
                }
            } else {
                let mut frames = Vec::new();
                self.post.part.speak(piece.speech, &text, &mut frames);
                frames.into_iter().for_each(|frame| self.post.wire.send(now, frame, ports));
            }
            piece.state = State::Asked;
            let characters = piece.spoken.chars().count() as u64;
            ports.used(self.post.chain.provider(), VOICE, Usage { characters, ..Usage::default() });
        }
    }

    /// Whether the link is this stage's; then it was handled.
    pub(super) fn handle(&mut self, now: Instant, link: LinkId, input: &LinkInput, said: &mut Said, ports: &mut Ports) -> bool {
        let piece = self.pieces.iter().position(|piece| piece.request == Some(link));
        let request = piece.map(|index| self.pieces[index].speech);
        let socket = self.post.wire.link() == Some(link);
        if request.is_none() && !socket {
            return false;
        }
        // The end of a socket that nothing was asked of harms nobody; another is opened for the next piece.
        let asked = self.pieces.iter().any(|piece| piece.state == State::Asked);
        let idle = !asked && self.post.wire.is_up();
        match input {
            LinkInput::Opened if socket => {
                self.post.wire.opened(now);
                self.post.part.reset();
                return true;
            }
            LinkInput::Closed { .. } if socket && idle => {
                self.forget(link);
                return true;
            }
            LinkInput::Closed { error } => {
                self.forget(link);
                self.fail_again(now, error.clone(), said, ports);
                return true;
            }
            LinkInput::Ended => self.forget(link),
            _ => {}
        }
        if socket && idle && matches!(input, LinkInput::Ended) {
            return true;
        }
        let mut out = Vec::new();
        let result = self.post.part.handle(request, input, &mut out);
        for synthesized in out {
            self.synthesized(now, synthesized, said, ports);
        }
        let ended = matches!(input, LinkInput::Ended);
        let incomplete = |piece: &Piece| Some(piece.speech) == request && piece.state == State::Asked;
        match result {
            Err(error) => self.fail_again(now, error, said, ports),
            Ok(()) if ended && (socket || self.pieces.iter().any(incomplete)) => {
                let reason = "ended before the speech was complete".to_owned();
                self.fail_again(now, EngineError::Closed { code: None, reason }, said, ports);
            }
            Ok(()) => {}
        }
        true
    }

    fn forget(&mut self, link: LinkId) {
        for piece in self.pieces.iter_mut().filter(|piece| piece.request == Some(link)) {
            piece.request = None;
        }
        if self.post.wire.link() == Some(link) {
            self.post.wire = Wire::Down;
        }
    }

    fn synthesized(&mut self, now: Instant, synthesized: Synthesized, said: &mut Said, ports: &mut Ports) {
        let (Synthesized::Aligned { speech, .. }
        | Synthesized::Audio { speech, .. }
        | Synthesized::Done { speech }
        | Synthesized::Failed { speech, .. }) = synthesized;
        let wanted = |piece: &&mut Piece| piece.speech == speech && piece.state == State::Asked;
        let Some(piece) = self.pieces.iter_mut().find(wanted) else {
            // Marks may come after the audio.
            if let Synthesized::Aligned { at, text, .. } = synthesized {
                said.mark(speech, at, text.as_str().len());
            }
            return;
        };
        match synthesized {
            Synthesized::Aligned { at, text, .. } => {
                add_mark(&mut piece.marks, at, text.as_str().len());
                said.mark(speech, at, text.as_str().len());
            }
            Synthesized::Audio { audio, .. } if audio.is_empty() => {}
            Synthesized::Audio { audio, .. } => {
                if piece.octets == 0 {
                    ports.took(self.post.chain.provider(), "first_audio", now.saturating_duration_since(piece.asked));
                }
                piece.octets += audio.len();
                piece.heard_of = now;
                piece.first.get_or_insert(now);
                piece.waiting.push_back(audio);
                if piece.octets > MAX_PIECE_AUDIO {
                    let reason = "speech without an end".to_owned();
                    self.fail_again(now, EngineError::Protocol { reason }, said, ports);
                }
            }
            Synthesized::Done { .. } if piece.octets == 0 && piece.spoken.chars().any(char::is_alphanumeric) => {
                let reason = "speech without audio".to_owned();
                self.fail_again(now, EngineError::Protocol { reason }, said, ports);
            }
            Synthesized::Done { .. } => {
                piece.state = State::Done { cached: false };
                self.post.chain.succeeded();
            }
            Synthesized::Failed { error, .. } => self.fail_again(now, error, said, ports),
        }
    }

    /// The provider failed: what was not said is said again, from the first piece that was not given out whole.
    fn fail_again(&mut self, now: Instant, error: EngineError, said: &mut Said, ports: &mut Ports) {
        let begun = self.pieces.front().is_some_and(|piece| piece.began && piece.state == State::Asked);
        if begun && let Some(mut piece) = self.pieces.pop_front() {
            // What came of it is given out; the rest is a piece of its own.
            if let Some(link) = piece.request.take() {
                ports.push(Output::Close(link));
            }
            let rest = said.cut_piece(piece.speech).unwrap_or_default();
            if rest.chars().any(char::is_alphanumeric) {
                let (speech, key, spoken) = (self.number(), None, self.speakable.speak(&rest));
                let (given, marks) = (Vec::new(), Vec::new());
                self.pieces.push_front(Piece { speech, text: rest, spoken, key, given, marks, began: false, ..piece });
            }
        }
        self.fail(now, error, ports);
    }

    fn fail(&mut self, now: Instant, error: EngineError, ports: &mut Ports) {
        for piece in &mut self.pieces {
            if let Some(link) = piece.request.take() {
                ports.push(Output::Close(link));
            }
            piece.ask_again();
        }
        if self.post.failed(now, error, ports) {
            self.begin_with(now, ports);
        }
    }

    /// The call is over.
    pub(super) fn end(&mut self, now: Instant, ports: &mut Ports) {
        self.cancel(now, ports);
        self.post.wire.close(ports);
    }

    /// Raw audio as the leg has it.
    fn convert(&mut self, raw: &[u8]) -> Result<Bytes, EngineError> {
        let sound = match &mut self.sound {
            Some(sound) => sound,
            none => none.insert(Sound::new(self.post.part.format(), self.post.codec)?),
        };
        Ok(Bytes::from(sound.push(raw)))
    }
}
