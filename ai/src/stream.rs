//! External bots as a pure core: Twilio Media Streams over one WebSocket, with us in Twilio's place.
//!
//! ```text
//! Ringing   Open, connected
//! Started           start
//! Audio             media               <- media   Audio
//! Dtmf              dtmf                <- mark    Mark ... Marked -> mark
//! Ended             stop                <- clear   Clear, and all marks that wait -> mark
//! ```
//!
//! - The bot decides when to speak and when to fall silent: nothing here pauses or cuts its audio.
//! - A mark is echoed when all audio before it went out to the caller (on a Twilio leg: when Twilio says that it was
//!   played), in order, and each once; a clear echoes all that wait at once.
//! - The bot always gets and gives mu-law; A-law legs are recoded by table.
//! - A dropped connection is made again once a minute: the caller hears hold music, and the bot a new `start` with the
//!   same `callSid`, a new `streamSid` and the parameter `reconnect`. What it had queued is dropped, for a bot that
//!   begins anew would talk behind its own words.
//! - A socket that the bot closes in good order is the end of the call, once what waits was heard.

mod config;
mod signature;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::codec::Codec;
use media::hold::HoldMusic;
use media::sendout::{PromptId, Sendout};
use media::units::{FRAME, FRAME_SAMPLES};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub use config::{Bot, PARAMETER_CHARS_MAX, StreamConfig};

use crate::engine::{Engine, EngineError, Input, Output};
use crate::link::{Frame, LinkId, LinkInput};
use crate::media_streams::{EventWriter, Start, StreamCommand, StreamError};

/// How long a dropped connection is held against a bot: a second one within it is the end of the bot.
const WINDOW: Duration = Duration::from_secs(60);

/// Wait before the new connection, at least and at most: spread, so that the calls of a bot that was started again do not
/// all come back in the same moment.
const RETRY_MS: std::ops::Range<u64> = 100..600;

/// Frames of silence before the hold music: 400 ms. A shorter gap needs none.
const SILENCE_FRAMES: u32 = 20;

/// Marks that wait at most: as many as the sendout takes. More are refused and counted.
const MARKS_MAX: usize = Sendout::MARKS;

/// Longest name of a mark, in bytes; longer ones are refused and counted.
const MARK_NAME_MAX: usize = 512;

/// Messages that may be wrong beyond those that are right: then the bot does not speak the protocol.
const WRONG_MAX: u32 = 64;

/// One call's session with an external bot. See [`Engine`] for the contract.
pub struct StreamSession {
    config: StreamConfig,
    phase: Phase,
    line: Line,
    socket: LinkId,
    start: Start,
    writer: EventWriter,
    /// The call is answered.
    answered: bool,
    /// A `start` was sent, over this socket or one before.
    introduced: bool,
    retried_at: Option<Instant>,
    /// Frames sent since the `start`.
    frames: u32,
    /// Frames since the call was answered in which there was no bot.
    away: u32,
    music: HoldMusic,
    prompt: PromptId,
    /// Audio of the prompt was given.
    spoken: bool,
    marks: VecDeque<(u64, String)>,
    next_mark: u64,
    wrong: u32,
    recoded: Vec<u8>,
    outputs: VecDeque<Output>,
    rng: StdRng,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Live,
    New,
    Over,
}

/// The connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Line {
    /// The bot closed it in good order before the call was answered.
    Closed,
    Connecting,
    /// Open, and `start` not sent yet.
    Open,
    /// `start` was sent.
    Streaming,
    Waiting {
        until: Instant,
    },
}

impl StreamSession {
    /// A session that waits for [`Input::Ringing`] or [`Input::Started`]. The seed makes the ids of streams, and jitters
    /// the wait before a connection is made again.
    pub fn new(config: StreamConfig, seed: u64) -> Self {
        Self {
            phase: Phase::New,
            line: Line::Connecting,
            socket: LinkId(0),
            start: Start::default(),
            writer: EventWriter::new(""),
            answered: false,
            introduced: config.resumed,
            retried_at: None,
            frames: 0,
            away: 0,
            music: HoldMusic::default(),
            prompt: config.first_prompt,
            spoken: false,
            marks: VecDeque::new(),
            // Of a range of its own, so that a mark which a session before left in the leg is not taken for one of ours.
            next_mark: config.first_prompt.0,
            wrong: 0,
            recoded: Vec::new(),
            outputs: VecDeque::new(),
            rng: StdRng::seed_from_u64(seed),
            config,
        }
    }

    fn begin(&mut self) {
        self.phase = Phase::Live;
        if self.config.resumed {
            // What the session before left to be said, as after a lost socket.
            self.outputs.push_back(Output::Clear);
        }
        for _ in 0..self.config.too_long() {
            self.reject("parameter");
        }
        self.open();
    }

    /// Opens a new socket for a new stream.
    fn open(&mut self) {
        self.line = Line::Connecting;
        self.socket = LinkId(self.socket.0 + 1);
        let stream_sid = format!("MZ{:032x}", self.rng.random::<u128>());
        self.writer = EventWriter::new(&stream_sid);
        self.start = self.config.start(stream_sid);
        self.frames = 0;
        self.wrong = 0;
        let target = Box::new(self.config.bot.target());
        self.outputs.push_back(Output::Open { link: self.socket, target });
    }

    fn handle_live(&mut self, now: Instant, input: Input) {
        match input {
            Input::Audio(frame) if self.line == Line::Streaming => self.caller_frame(&frame.encoded),
            Input::Audio(_) => self.hold(),
            Input::Dtmf(key) if self.line == Line::Streaming => {
                let text = self.writer.dtmf(key);
                self.send(text);
            }
            Input::Ended { .. } => self.end(),
            Input::Link { link, input } if link == self.socket => self.handle_socket(now, input),
            Input::Marked { mark } => self.echo_until(mark),
            Input::Started => self.answer(),
            // Late words of a socket before, keys that nobody waits for, and what our own turn-taking would say: the bot
            // has its own.
            _ => {}
        }
    }

    fn answer(&mut self) {
        self.answered = true;
        match self.line {
            Line::Open => self.introduce(),
            Line::Closed => self.hang_up(),
            Line::Connecting | Line::Streaming | Line::Waiting { .. } => {}
        }
    }

    fn handle_socket(&mut self, now: Instant, input: LinkInput) {
        if matches!(self.line, Line::Closed | Line::Waiting { .. }) {
            return;
        }
        match input {
            LinkInput::Opened => {
                self.line = Line::Open;
                let text = self.writer.connected();
                self.send(text);
                if self.answered {
                    self.introduce();
                }
            }
            LinkInput::Text(text) => match StreamCommand::parse(text.as_str(), &self.start.stream_sid) {
                Ok(command) => self.obey(now, command),
                Err(error) => self.wrong(now, label(&error)),
            },
            LinkInput::Binary(_) => self.wrong(now, "binary"),
            // 1000, or none given: what libraries send when the program says `close()` (RFC 6455 §7.4).
            LinkInput::Closed { error: EngineError::Closed { code: Some(1000 | 1005), .. } } => self.closed(),
            LinkInput::Closed { error } => self.lost(now, error),
            LinkInput::Ended => self.lost(now, EngineError::Closed { code: None, reason: "end of stream".to_owned() }),
        }
    }

    /// The stream begins: the caller is there.
    fn introduce(&mut self) {
        if self.away > SILENCE_FRAMES {
            self.drop_audio();
        }
        self.away = 0;
        if self.introduced {
            self.start.custom_parameters.insert("reconnect".to_owned(), "1".into());
        }
        self.introduced = true;
        self.line = Line::Streaming;
        let text = self.writer.start(&self.start);
        self.send(text);
    }

    fn caller_frame(&mut self, octets: &[u8]) {
        let timestamp = FRAME * self.frames;
        self.frames += 1;
        let text = match self.config.codec {
            Codec::Pcmu => self.writer.media(timestamp, octets),
            codec => {
                self.recoded.clear();
                self.recoded.extend_from_slice(octets);
                codec.recode(&mut self.recoded, Codec::Pcmu);
                self.writer.media(timestamp, &self.recoded)
            }
        };
        self.send(text);
    }

    /// A frame's time without a bot.
    fn hold(&mut self) {
        if !self.answered {
            return;
        }
        self.away += 1;
        if self.away > SILENCE_FRAMES {
            let mut frame = [0; FRAME_SAMPLES];
            self.music.next_frame(self.config.codec, &mut frame);
            self.say(Bytes::copy_from_slice(&frame));
        }
    }

    fn obey(&mut self, now: Instant, command: StreamCommand<'_>) {
        match command {
            StreamCommand::Clear => {
                self.drop_audio();
                self.echo_until(u64::MAX);
            }
            StreamCommand::Mark { name } if self.marks.len() < MARKS_MAX && name.len() <= MARK_NAME_MAX => {
                self.marks.push_back((self.next_mark, name.into_owned()));
                self.outputs.push_back(Output::Mark { mark: self.next_mark });
                self.next_mark += 1;
            }
            StreamCommand::Mark { .. } => self.reject("mark"),
            StreamCommand::Media { payload } => {
                let mut audio = Vec::new();
                if let Err(error) = payload.decode_into(&mut audio) {
                    return self.wrong(now, label(&error));
                }
                if self.config.codec != Codec::Pcmu {
                    Codec::Pcmu.recode(&mut audio, self.config.codec);
                }
                if !audio.is_empty() {
                    self.say(audio.into());
                }
            }
            StreamCommand::Unknown { .. } => self.reject("unknown_event"),
        }
        self.wrong = self.wrong.saturating_sub(1);
    }

    /// A message that cannot be obeyed. Twilio passes over those too; but a peer that sends nothing else is no bot.
    fn wrong(&mut self, now: Instant, reason: &'static str) {
        self.reject(reason);
        self.wrong += 1;
        if self.wrong == WRONG_MAX {
            self.outputs.push_back(Output::Close(self.socket));
            self.lost(now, EngineError::Protocol { reason: format!("{WRONG_MAX} messages more wrong than right") });
        }
    }

    fn say(&mut self, audio: Bytes) {
        self.spoken = true;
        self.outputs.push_back(Output::Audio { prompt: self.prompt, audio });
    }

    /// Drops what waits to be heard. The next audio is of a new prompt.
    fn drop_audio(&mut self) {
        if std::mem::take(&mut self.spoken) {
            self.prompt = PromptId(self.prompt.0 + 1);
            self.outputs.push_back(Output::Clear);
        }
    }

    /// Echoes the marks up to this one: they are reached in order.
    fn echo_until(&mut self, mark: u64) {
        while let Some((_, name)) = self.marks.pop_front_if(|(waiting, _)| *waiting <= mark) {
            let text = self.writer.mark(&name);
            self.send(text);
        }
    }

    fn lost(&mut self, now: Instant, error: EngineError) {
        self.marks.clear();
        self.drop_audio();
        let again = self.retried_at.is_none_or(|at| now >= at + WINDOW);
        if !again || !error.is_temporary() {
            self.phase = Phase::Over;
            self.outputs.push_back(Output::Failed { error });
            return;
        }
        self.retried_at = Some(now);
        self.line = Line::Waiting { until: now + Duration::from_millis(self.rng.random_range(RETRY_MS)) };
        self.outputs.push_back(Output::Warning { error });
    }

    /// The bot has ended it.
    fn closed(&mut self) {
        if self.answered {
            self.hang_up();
        } else {
            self.line = Line::Closed;
        }
    }

    fn hang_up(&mut self) {
        self.phase = Phase::Over;
        if self.spoken {
            self.outputs.push_back(Output::PromptEnd { prompt: self.prompt });
        }
        self.outputs.push_back(Output::Hangup { reason: "bot_closed" });
    }

    /// The call is over.
    fn end(&mut self) {
        self.phase = Phase::Over;
        if self.line == Line::Streaming {
            let text = self.writer.stop(&self.start);
            self.send(text);
        }
        self.outputs.push_back(Output::Close(self.socket));
    }

    fn send(&mut self, text: String) {
        self.outputs.push_back(Output::Send { link: self.socket, frame: Frame::Text(text.into()) });
    }

    fn reject(&mut self, reason: &'static str) {
        self.outputs.push_back(Output::Rejected { reason });
    }
}

/// A message's fault as a label of metrics.
fn label(error: &StreamError) -> &'static str {
    match error {
        StreamError::Invalid { field: "streamSid" } | StreamError::Missing { field: "streamSid" } => "stream_sid",
        StreamError::TooLong { .. } => "too_long",
        _ => "malformed",
    }
}

impl Engine for StreamSession {
    fn handle_input(&mut self, now: Instant, input: Input) {
        debug_assert!(self.outputs.is_empty(), "poll_output must be drained after every input");
        match (self.phase, input) {
            (Phase::Live, input) => self.handle_live(now, input),
            (Phase::New, Input::Ringing) => self.begin(),
            (Phase::New, Input::Started) => {
                self.begin();
                self.answer();
            }
            (Phase::New | Phase::Over, _) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let (Phase::Live, Line::Waiting { until }) = (self.phase, self.line)
            && now >= until
        {
            self.open();
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match (self.phase, self.line) {
            (Phase::Live, Line::Waiting { until }) => Some(until),
            _ => None,
        }
    }

    fn next_prompt(&self) -> PromptId {
        PromptId(self.prompt.0 + 1)
    }

    /// Nobody knows what a bot is about to say.
    fn is_busy(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
