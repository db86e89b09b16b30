//! Twilio Media Streams as it goes over a WebSocket, for both ends of it.
//!
//! ```text
//! Twilio (or Offhook before a bot)                     Offhook (or a bot)
//!   StreamEvent      connected, start, media*, dtmf, mark, stop  ->
//!                    <-  media*, mark, clear             StreamCommand
//! ```
//!
//! One text frame holds one JSON object. Parsing borrows from the frame and is lenient: numbers may be strings, unknown
//! fields are skipped, unknown events are told as such. Audio is G.711 mu-law at 8 kHz, base64, without any header.

mod command;
mod event;

use std::borrow::Cow;

pub use command::{CommandWriter, StreamCommand};
pub use event::{EventWriter, Media, Start, StreamEvent, Track};

use crate::json::{Field, decode_base64, line};

/// The longest frame that is parsed, in bytes: a minute of audio is 640 kB, and bots do send whole prompts at once.
pub const MAX_FRAME: usize = 1 << 20;

/// Why a frame was not understood. The peer's fault; the stream lives on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A field has a value that cannot be.
    #[error("field {field} is not valid")]
    Invalid {
        /// Its path.
        field: &'static str,
    },
    /// The frame is not a JSON object of the right shape.
    #[error("not a message: {reason}")]
    Json {
        /// What the parser says, with the place.
        reason: String,
    },
    /// A field that must be there is not.
    #[error("field {field} is missing")]
    Missing {
        /// Its path.
        field: &'static str,
    },
    /// The frame is too long.
    #[error("frame of {length} bytes is over {MAX_FRAME}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The stream is not mu-law at 8 kHz, mono.
    #[error("field {field} is not audio/x-mulaw, 8000 Hz, 1 channel")]
    Unsupported {
        /// Path of the field that says so.
        field: &'static str,
    },
}

/// Audio of one message, still in base64.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Payload<'a>(Cow<'a, str>);

impl Payload<'_> {
    /// Appends the mu-law octets to `out`.
    ///
    /// # Errors
    /// [`StreamError::Invalid`] when it is not base64; `out` is as it was.
    pub fn decode_into(&self, out: &mut Vec<u8>) -> Result<(), StreamError> {
        decode_base64(&self.0, out).ok_or(StreamError::Invalid { field: "media.payload" })
    }
}

fn bounded(text: &str) -> Result<&str, StreamError> {
    let length = text.len();
    if length > MAX_FRAME { Err(StreamError::TooLong { length }) } else { Ok(text) }
}

fn parse<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, StreamError> {
    serde_json::from_str(bounded(text)?).map_err(|error| StreamError::Json { reason: line(&error.to_string()) })
}

fn required<'a>(field: Field<'a>, path: &'static str) -> Result<Cow<'a, str>, StreamError> {
    match field {
        Field::Text(text) => Ok(text),
        Field::Number(number) => Ok(Cow::Owned(number.to_string())),
        Field::Absent => Err(StreamError::Missing { field: path }),
        Field::Other => Err(StreamError::Invalid { field: path }),
    }
}

#[cfg(test)]
mod tests;
