//! The wire of a session's leg: a WebSocket of a browser or a program, typed or spoken. The API holds the socket; here is what is said
//! over it.
//!
//! Audio is PCM, 16 bit, at the client's rate, and G.711 at 8 kHz inside, as in every call. What the agent says is paced by our own clock,
//! one frame a tick, so the client's buffer stays nearly empty: a barge-in is silent at once, and what was sent is what was heard. What
//! the client says may come in any pieces, a whole sentence at once too: it is heard one frame a tick.

mod client;
mod ear;
mod protocol;

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::codec::Codec;
use media::resample::Resampler;
use media::sendout::PromptId;
use media::units::{FRAME_SAMPLES, SampleRate};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub use self::client::{Client, News};
use self::ear::{Ear, Waiting};
use self::protocol::Bad;
pub(super) use self::protocol::{ClientFrame, read as read_message};
use super::LegMsg;
use crate::ai_session::AiMsg;
use crate::alarm::Owned;
use crate::call::{CallPorts, LegClosed};
use crate::mailbox::Mailbox;
use crate::webrtc::Agreed;

/// Samples a second that clients may send, and be sent.
pub const SESSION_RATES: [u32; 4] = [8_000, 16_000, 24_000, 48_000];

/// Longest text that is typed at once: as much as a caller is heard to say in one turn.
pub const TYPED_BYTES_MAX: usize = 16 * 1024;

/// A client that sends nothing for this long has forgotten its session.
const QUIET_MAX: Duration = Duration::from_secs(15 * 60);

/// What audio goes over a session's socket: PCM, 16 bit, little-endian, mono.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionAudio {
    /// Samples a second of the client's binary frames, and of others that do not say; one of [`SESSION_RATES`].
    pub in_hz: u32,
    /// Samples a second of what the client is sent; one of [`SESSION_RATES`].
    pub out_hz: u32,
    /// How it is sent.
    pub out: AudioOut,
}

/// How a client is sent audio.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AudioOut {
    /// As binary frames.
    Binary,
    /// As base64 in JSON.
    Json,
    /// Not at all.
    Nothing,
}

/// What carries a session.
#[derive(Debug)]
pub enum SessionWire {
    /// A WebSocket.
    Socket(Box<SessionIo>),
    /// WebRTC, as it was agreed on.
    WebRtc(Box<Agreed>),
}

/// The two directions of a session's socket.
#[derive(Debug)]
pub struct SessionIo {
    /// What goes over it.
    pub audio: SessionAudio,
    /// What the client sends. Its end is that of a socket that broke. When it is full the API drops audio and counts it; all else waits
    /// and holds the socket up.
    pub incoming: mpsc::Receiver<SessionIn>,
    /// What goes to the client. Dropping it without [`SessionOut::End`] means that the call crashed.
    pub outgoing: mpsc::Sender<SessionOut>,
}

/// What a client sends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SessionIn {
    /// Audio.
    Binary(Bytes),
    /// The socket was closed in good order.
    Closed,
    /// A message, JSON if the client does as it should.
    Text(String),
    /// A message of so many bytes, which nobody looked at.
    TooLong(usize),
}

/// What a client is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SessionOut {
    /// Audio.
    Binary(Bytes),
    /// The last message; the socket is closed behind it.
    End(String),
    /// A message.
    Text(String),
}

/// Both directions of a session's leg.
pub(super) struct SessionLine {
    client: Client,
    out: AudioOut,
    rate: u32,
    law: Codec,
    /// To the client's rate; `None`: it is ours.
    resampler: Option<Resampler>,
    samples: Vec<i16>,
    heard: Waiting,
    /// The client has been told that too much waits; once is enough.
    ahead: bool,
    _reader: Owned,
}

impl SessionLine {
    /// Starts the reader and the sending side. `client` writes to the same socket.
    pub(super) fn start(io: SessionIo, client: Client, law: Codec, ports: CallPorts, me: &Mailbox<LegMsg>) -> Self {
        let SessionIo { audio, incoming, outgoing: _ } = io;
        let ear = Ear::new(law, audio.in_hz);
        let reader = Reader { client: client.clone(), ear, ports, leg: me.clone(), typing: Typing::default() };
        Self {
            client,
            out: audio.out,
            rate: audio.out_hz,
            law,
            resampler: resampler(SampleRate::HZ_8000.hz(), audio.out_hz),
            samples: Vec::with_capacity(FRAME_SAMPLES),
            ahead: false,
            heard: Waiting::new(law),
            _reader: Owned(tokio::spawn(reader.read(incoming))),
        }
    }

    /// One frame that the client is to hear: of a prompt, or of somebody else.
    pub(super) fn send(&mut self, prompt: Option<PromptId>, octets: &[u8]) {
        if self.out == AudioOut::Nothing {
            return;
        }
        self.samples.clear();
        self.law.decode(octets, &mut self.samples);
        let mut pcm = Vec::with_capacity(2 * self.rate as usize / 50);
        match &mut self.resampler {
            None => pcm.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes())),
            Some(resampler) => {
                // `as` saturates: what overshoots is clipped and not wrapped.
                let resampled = resampler.handle_frame(&self.samples).iter().map(|sample| (sample * 32_768.0).round() as i16);
                pcm.extend(resampled.flat_map(i16::to_le_bytes));
            }
        }
        let frame = match self.out {
            AudioOut::Json => SessionOut::Text(protocol::audio(prompt, self.rate, &pcm)),
            AudioOut::Binary | AudioOut::Nothing => SessionOut::Binary(pcm.into()),
        };
        self.client.send_audio(frame);
    }

    /// What the client said: to be heard as time goes on. Past a minute of it the rest is dropped, and the client told once.
    pub(super) fn push_heard(&mut self, octets: &[u8]) {
        let fits = self.heard.push(octets);
        if !fits && !self.ahead {
            self.refuse("audio_ahead", "more than a minute of audio waits to be heard; send it as it is spoken");
        }
        self.ahead = !fits;
    }

    /// A frame of the client that is to be heard in this tick; asked until there is none.
    pub(super) fn next_heard(&mut self, tick: u64) -> Option<[u8; FRAME_SAMPLES]> {
        self.heard.next_frame(tick)
    }

    /// Tells the client what it did wrong.
    pub(super) fn refuse(&self, code: &'static str, message: &str) {
        self.client.tell(&News::Error { code, message });
    }

    /// Writes out what was dropped since the last time.
    pub(super) fn flush(&mut self) {
        metrics::counter!("offhook_mailbox_dropped_total", "actor" => "leg").increment(self.client.take_dropped());
    }

    /// Whether the client takes nothing any more.
    pub(super) fn is_lost(&self) -> bool {
        self.client.is_lost()
    }
}

fn resampler(from: u32, to: u32) -> Option<Resampler> {
    let (from, to) = (SampleRate::from_hz(from)?, SampleRate::from_hz(to)?);
    (from != to).then(|| Resampler::new(from, to).ok()).flatten()
}

/// What reads the client's messages.
struct Reader {
    client: Client,
    ear: Ear,
    ports: CallPorts,
    leg: Mailbox<LegMsg>,
    typing: Typing,
}

impl Reader {
    async fn read(mut self, mut incoming: mpsc::Receiver<SessionIn>) {
        let how = loop {
            let Ok(next) = timeout(QUIET_MAX, incoming.recv()).await else {
                break LegClosed::Lost("the client was silent for too long".into());
            };
            let done = match next {
                None => break LegClosed::Lost("the socket broke off".into()),
                Some(SessionIn::Closed) => break LegClosed::ByPeer,
                Some(SessionIn::Binary(audio)) => protocol::pcm(&audio).map(|samples| self.hear(self.ear.rate(), &samples)),
                Some(SessionIn::Text(text)) => match protocol::read(&text) {
                    Ok(ClientFrame::EndSession) => break LegClosed::ByPeer,
                    Ok(ClientFrame::Audio { rate, samples }) => {
                        self.hear(rate.unwrap_or(self.ear.rate()), &samples);
                        Ok(())
                    }
                    Ok(ClientFrame::Typed(words)) => self.typing.take(words, &self.ports),
                    Err(bad) => Err(bad),
                },
                Some(SessionIn::TooLong(bytes)) => Err(Bad::new("too_long", format!("a message of {bytes} bytes is too long"))),
            };
            if let Err(Bad { code, message }) = done {
                tracing::debug!(call = %self.ports.id, code, "a message of the client was not understood");
                // A client that sends nonsense without end waits for its answers.
                self.client.answer(&News::Error { code, message: &message }).await;
            }
            // Other calls of this thread come first: a client may send all at once.
            tokio::task::yield_now().await;
        };
        let _the_leg_has_ended = self.leg.send(LegMsg::Closed(how));
    }

    fn hear(&mut self, rate: u32, samples: &[i16]) {
        let octets = self.ear.hear(rate, samples);
        if !octets.is_empty() {
            let _counted_by_the_mailbox = self.leg.send(LegMsg::CallerQueued(octets));
        }
    }
}

/// Texts of a client in [`TYPED_SPAN`]: more are no person's, and each is paid for.
const TYPED_MAX: u32 = 20;
const TYPED_SPAN: Duration = Duration::from_secs(10);

/// What a client types, as often as it may.
#[derive(Default)]
pub(super) struct Typing {
    /// Texts since then.
    typed: u32,
    since: Option<Instant>,
}

impl Typing {
    /// Hands a text to the engine.
    pub(super) fn take(&mut self, words: ai::engine::Words, ports: &CallPorts) -> Result<(), Bad> {
        if self.since.is_none_or(|since| since.elapsed() > TYPED_SPAN) {
            (self.since, self.typed) = (Some(Instant::now()), 0);
        }
        self.typed += 1;
        if self.typed > TYPED_MAX {
            let (most, span) = (TYPED_MAX, TYPED_SPAN.as_secs());
            return Err(Bad::new("busy", format!("more than {most} texts within {span} s; wait a little")));
        }
        let busy = |_| Bad::new("busy", "the agent has not read what was typed before".to_owned());
        ports.ai.send(AiMsg::Typed(words)).map_err(busy)
    }
}
