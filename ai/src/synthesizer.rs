//! Words to speech: the port of a cascade's third stage.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::codec::Codec;
use media::units::SampleRate;

use crate::engine::{EngineError, Words};
use crate::link::{Frame, LinkInput, Target};

/// One call's synthesizer: what goes over its links, and what comes back; a value without a clock or a socket.
///
/// A piece of speech is a sentence or so, cut by the engine; pieces are spoken in the order they were asked for.
pub trait Synthesizer: Send {
    /// The provider's name in the configuration.
    fn provider(&self) -> &Arc<str>;

    /// What its audio is. A provider that has the leg's own codec is asked for that.
    fn format(&self) -> AudioFormat;

    /// The socket that carries all pieces; `None`: each is a request.
    ///
    /// # Errors
    /// What the operator must mend: the URL, the key.
    fn socket(&self) -> Result<Option<Target>, EngineError>;

    /// The request for one piece, where there is no socket.
    ///
    /// # Errors
    /// As [`socket`](Self::socket).
    fn request(&self, text: &Words) -> Result<Target, EngineError>;

    /// Asks for a piece over the open socket.
    fn speak(&mut self, speech: SpeechId, text: &Words, out: &mut Vec<Frame>);

    /// A piece is not wanted any more; its late audio is swallowed by `handle`.
    fn cancel(&mut self, speech: SpeechId, out: &mut Vec<Frame>);

    /// What follows is in this language, an ISO 639-1 code. True when that holds only from the next socket on. A provider that is not told,
    /// or finds out by itself, does nothing.
    fn set_language(&mut self, _code: &str) -> bool {
        false
    }

    /// How many pieces may be asked for ahead of the one whose audio comes; at least 1.
    fn pieces_ahead(&self) -> usize;

    /// What keeps the socket open when nothing else is sent, and how often.
    fn keep_alive(&self) -> Option<(Duration, Frame)>;

    /// A new socket is open: what was asked for on the one before is forgotten.
    fn reset(&mut self);

    /// Reads what came: of the socket (`None`), or of the answer to a piece's request.
    ///
    /// # Errors
    /// The provider failed, or broke its protocol so that nothing more can be expected of this link.
    fn handle(&mut self, request: Option<SpeechId>, input: &LinkInput, out: &mut Vec<Synthesized>) -> Result<(), EngineError>;
}

/// A piece of speech, numbered by the engine, growing.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SpeechId(pub u64);

/// What a synthesizer's audio is, without any header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AudioFormat {
    /// 16-bit little-endian samples, mono.
    Pcm(SampleRate),
    /// Octets of a telephone's codec at 8 kHz.
    Telephone(Codec),
}

/// What a synthesizer gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Synthesized {
    /// Text of a piece that is spoken from a time on, counted from the piece's beginning; in order, and may come after its audio.
    Aligned {
        /// Of which piece.
        speech: SpeechId,
        /// When it begins.
        at: Duration,
        /// A character, or a word.
        text: Words,
    },
    /// The next audio of a piece, in [`Synthesizer::format`]; of any length, odd ones too.
    Audio {
        /// Of which piece.
        speech: SpeechId,
        /// The octets.
        audio: Bytes,
    },
    /// A piece is complete.
    Done {
        /// Which.
        speech: SpeechId,
    },
    /// One piece cannot be had; others can.
    Failed {
        /// Which.
        speech: SpeechId,
        /// Why.
        error: EngineError,
    },
}
