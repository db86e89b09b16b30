//! What Twilio obeys: writing it, and reading it as Twilio does.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Payload, StreamError, parse, required};
use crate::json::{Field, push_string, with_base64};

/// A message of the agent's side.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StreamCommand<'a> {
    /// Drop the audio that waits, and echo the marks in it at once.
    Clear,
    /// Echo this when all audio sent before it was heard.
    Mark {
        /// Any text.
        name: Cow<'a, str>,
    },
    /// Audio to play after what waits; of any length.
    Media {
        /// The audio.
        payload: Payload<'a>,
    },
    /// A command this version does not know; to be counted and ignored.
    Unknown {
        /// Its name.
        event: Cow<'a, str>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a message as an object")]
struct Wire<'a> {
    #[serde(borrow, default)]
    event: Field<'a>,
    #[serde(borrow, default)]
    stream_sid: Field<'a>,
    #[serde(borrow)]
    media: Option<MediaWire<'a>>,
    #[serde(borrow)]
    mark: Option<MarkWire<'a>>,
}

#[derive(Deserialize)]
#[serde(expecting = "field media as an object")]
struct MediaWire<'a> {
    #[serde(borrow, default)]
    payload: Field<'a>,
}

#[derive(Deserialize)]
#[serde(expecting = "field mark as an object")]
struct MarkWire<'a> {
    #[serde(borrow, default)]
    name: Field<'a>,
}

impl<'a> StreamCommand<'a> {
    /// Reads one text frame for the stream `stream_sid`.
    ///
    /// # Errors
    /// A [`StreamError`] that names the field; any text gives a command or an error. A frame for another stream is
    /// [`StreamError::Invalid`], as it is to Twilio.
    pub fn parse(text: &'a str, stream_sid: &str) -> Result<Self, StreamError> {
        let wire: Wire<'a> = parse(text)?;
        let event = required(wire.event, "event")?;
        if required(wire.stream_sid, "streamSid")? != stream_sid {
            return Err(StreamError::Invalid { field: "streamSid" });
        }
        Ok(match &*event {
            "clear" => Self::Clear,
            "mark" => {
                let mark = wire.mark.ok_or(StreamError::Missing { field: "mark" })?;
                Self::Mark { name: required(mark.name, "mark.name")? }
            }
            "media" => {
                let media = wire.media.ok_or(StreamError::Missing { field: "media" })?;
                Self::Media { payload: Payload(required(media.payload, "media.payload")?) }
            }
            _ => Self::Unknown { event },
        })
    }
}

/// Writes the agent's side of one stream. What repeats in every frame is made once.
#[derive(Clone, Debug)]
pub struct CommandWriter {
    media_head: String,
    stream_sid: String,
}

impl CommandWriter {
    /// For the stream of [`Start`](super::Start).
    pub fn new(stream_sid: &str) -> Self {
        let mut quoted = String::with_capacity(stream_sid.len() + 2);
        push_string(&mut quoted, stream_sid);
        Self { media_head: format!(r#"{{"event":"media","streamSid":{quoted},"media":{{"payload":""#), stream_sid: quoted }
    }

    /// Agent audio, mu-law at 8 kHz. Small pieces, 20-100 ms, make a later clear cheap.
    pub fn media(&self, audio: &[u8]) -> String {
        with_base64(&self.media_head, audio, r#""}}"#)
    }

    /// A mark after the audio sent so far.
    pub fn mark(&self, name: &str) -> String {
        let mut out = format!(r#"{{"event":"mark","streamSid":{},"mark":{{"name":"#, self.stream_sid);
        push_string(&mut out, name);
        out.push_str("}}");
        out
    }

    /// Silence at once.
    pub fn clear(&self) -> String {
        format!(r#"{{"event":"clear","streamSid":{}}}"#, self.stream_sid)
    }
}
