//! Speech to words: the port of a cascade's first stage.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::codec::Codec;

use crate::engine::{EngineError, Words};
use crate::language::Language;
use crate::link::{Frame, LinkInput, Target};

/// One call's transcriber: what goes over its links, and what comes back; a value without a clock or a socket.
///
/// The engine opens the links, feeds audio while it wants it transcribed, and decides what a silence means.
pub trait Transcriber: Send {
    /// The provider's name in the configuration.
    fn provider(&self) -> &Arc<str>;

    /// How it takes audio.
    fn intake(&self) -> Intake;

    /// The socket of a [`Intake::Turns`] or [`Intake::Continuous`] transcriber.
    ///
    /// # Errors
    /// What the operator must mend: the URL, the key.
    fn socket(&self) -> Result<Target, EngineError>;

    /// The request that transcribes `audio`, the octets of a whole turn, of an [`Intake::Utterances`] transcriber.
    ///
    /// # Errors
    /// As [`socket`](Self::socket).
    fn request(&self, codec: Codec, audio: &[u8]) -> Result<Target, EngineError>;

    /// Caller audio, octets of the leg's codec, as the socket takes it; `None` keeps it for the next frame, where the provider wants
    /// longer ones. [`flush`](Self::flush) sends what was kept.
    fn audio(&mut self, octets: Bytes) -> Option<Frame>;

    /// Asks for the words of all audio sent so far; `None` when the provider does so by itself. Answered by
    /// [`Transcribed::Flushed`], or not at all.
    fn flush(&mut self) -> Option<Frame>;

    /// What keeps the socket open when nothing else is sent, and how often.
    fn keep_alive(&self) -> Option<(Duration, Frame)>;

    /// What ends the session in good order.
    fn farewell(&mut self) -> Option<Frame>;

    /// A new socket is open: what was counted on the one before is forgotten.
    fn reset(&mut self);

    /// Reads what came, of a socket or of a request's answer.
    ///
    /// # Errors
    /// The provider failed, or broke its protocol so that nothing more can be expected of this link. What is merely unknown is not
    /// an error.
    fn handle(&mut self, input: &LinkInput, out: &mut Vec<Transcribed>) -> Result<(), EngineError>;
}

/// How a transcriber takes audio.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Intake {
    /// All audio of the call, silence too: it finds turns by itself.
    Continuous,
    /// The audio of turns, as it comes, over one socket.
    Turns,
    /// A whole turn, by one request.
    Utterances,
}

/// What a transcriber says.
#[derive(Clone, Debug, PartialEq)]
pub enum Transcribed {
    /// The provider thinks that the turn may be over; all words so far were told as final before. After
    /// [`Resumed`](Self::Resumed) more follow.
    EagerEnd,
    /// The provider thinks that the turn is over.
    EndOfTurn,
    /// The next words of the turn, which will not change; they come after the final ones before.
    Final(Words),
    /// All audio sent before the flush is transcribed.
    Flushed,
    /// The language of the final words before; only where the provider finds it out.
    Language(Language),
    /// Words after the final ones, which may still change; in place of the last interim ones.
    Interim(Words),
    /// The provider takes [`EagerEnd`](Self::EagerEnd) back.
    Resumed,
    /// The provider hears speech.
    SpeechStarted,
    /// Audio that was transcribed, for the bill.
    Used(Duration),
}
