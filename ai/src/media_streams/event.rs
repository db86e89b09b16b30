//! What Twilio sends: reading it, and writing it as Twilio does.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Deserialize;

use super::{Payload, StreamError, parse, required};
use crate::engine::Words;
use crate::json::{Field, push_base64, push_number, push_string};

/// A message of the telephone's side.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StreamEvent<'a> {
    /// The WebSocket speaks the protocol; `start` follows.
    Connected,
    /// The caller pressed a key.
    Dtmf {
        /// 0-9, A-D, `*` or `#`.
        digit: char,
    },
    /// All audio sent before this mark was heard, or was cleared.
    Mark {
        /// As it was sent.
        name: Cow<'a, str>,
    },
    /// Audio of the call.
    Media(Media<'a>),
    /// The stream's identity; comes once, before any media.
    Start(Box<Start>),
    /// The stream is over.
    Stop,
    /// An event this version does not know; to be counted and ignored.
    Unknown {
        /// Its name.
        event: Cow<'a, str>,
    },
}

/// One piece of audio, by custom 20 ms.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Media<'a> {
    /// Whose audio.
    pub track: Track,
    /// Position in the track, from 1; `None` when the peer leaves it out.
    pub chunk: Option<u64>,
    /// Presentation time since the stream's start; `None` when the peer leaves it out.
    pub timestamp: Option<Duration>,
    /// The audio.
    pub payload: Payload<'a>,
}

/// Whose audio a message carries, seen from Twilio.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Track {
    /// The caller's.
    #[default]
    Inbound,
    /// What is played to the caller; only on one-way streams.
    Outbound,
}

/// What a stream is about. The format is always mu-law at 8 kHz, mono.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Start {
    /// `MZ` and 32 hexadecimal digits; every command must carry it.
    pub stream_sid: String,
    /// `CA` and 32 hexadecimal digits.
    pub call_sid: String,
    /// `AC` and 32 hexadecimal digits; may be empty.
    pub account_sid: String,
    /// From `<Parameter>` of the TwiML, by name; may hold phone numbers.
    pub custom_parameters: BTreeMap<String, Words>,
}

#[derive(Deserialize)]
#[serde(expecting = "a message as an object")]
struct Wire<'a> {
    #[serde(borrow, default)]
    event: Field<'a>,
    #[serde(borrow)]
    media: Option<MediaWire<'a>>,
    #[serde(borrow)]
    mark: Option<MarkWire<'a>>,
    #[serde(borrow)]
    dtmf: Option<DtmfWire<'a>>,
    #[serde(borrow)]
    start: Option<StartWire<'a>>,
}

#[derive(Deserialize)]
#[serde(expecting = "field media as an object")]
struct MediaWire<'a> {
    #[serde(borrow, default)]
    track: Field<'a>,
    #[serde(borrow, default)]
    chunk: Field<'a>,
    #[serde(borrow, default)]
    timestamp: Field<'a>,
    #[serde(borrow, default)]
    payload: Field<'a>,
}

#[derive(Deserialize)]
#[serde(expecting = "field mark as an object")]
struct MarkWire<'a> {
    #[serde(borrow, default)]
    name: Field<'a>,
}

#[derive(Deserialize)]
#[serde(expecting = "field dtmf as an object")]
struct DtmfWire<'a> {
    #[serde(borrow, default)]
    digit: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "field start as an object")]
struct StartWire<'a> {
    #[serde(borrow, default)]
    stream_sid: Field<'a>,
    #[serde(borrow, default)]
    call_sid: Field<'a>,
    #[serde(borrow, default)]
    account_sid: Field<'a>,
    #[serde(borrow)]
    custom_parameters: Option<BTreeMap<Cow<'a, str>, Field<'a>>>,
    #[serde(borrow)]
    media_format: Option<FormatWire<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "field start.mediaFormat as an object")]
struct FormatWire<'a> {
    #[serde(borrow, default)]
    encoding: Field<'a>,
    #[serde(borrow, default)]
    sample_rate: Field<'a>,
    #[serde(borrow, default)]
    channels: Field<'a>,
}

impl<'a> StreamEvent<'a> {
    /// Reads one text frame.
    ///
    /// # Errors
    /// A [`StreamError`] that names the field; any text gives an event or an error.
    pub fn parse(text: &'a str) -> Result<Self, StreamError> {
        let wire: Wire<'a> = parse(text)?;
        let event = required(wire.event, "event")?;
        Ok(match &*event {
            "connected" => Self::Connected,
            "dtmf" => Self::Dtmf { digit: wire.dtmf.ok_or(StreamError::Missing { field: "dtmf" })?.digit()? },
            "mark" => {
                let mark = wire.mark.ok_or(StreamError::Missing { field: "mark" })?;
                Self::Mark { name: required(mark.name, "mark.name")? }
            }
            "media" => Self::Media(wire.media.ok_or(StreamError::Missing { field: "media" })?.media()?),
            "start" => Self::Start(Box::new(wire.start.ok_or(StreamError::Missing { field: "start" })?.start()?)),
            "stop" => Self::Stop,
            _ => Self::Unknown { event },
        })
    }
}

impl<'a> MediaWire<'a> {
    fn media(self) -> Result<Media<'a>, StreamError> {
        let track = match self.track.text() {
            Some("outbound" | "outbound_track") => Track::Outbound,
            Some("inbound" | "inbound_track") | None => Track::Inbound,
            Some(_) => return Err(StreamError::Invalid { field: "media.track" }),
        };
        Ok(Media {
            track,
            chunk: optional(&self.chunk, "media.chunk")?,
            timestamp: optional(&self.timestamp, "media.timestamp")?.map(Duration::from_millis),
            payload: Payload(required(self.payload, "media.payload")?),
        })
    }
}

impl DtmfWire<'_> {
    fn digit(self) -> Result<char, StreamError> {
        let text = required(self.digit, "dtmf.digit")?;
        match *text.as_bytes() {
            [digit @ (b'0'..=b'9' | b'A'..=b'D' | b'a'..=b'd' | b'*' | b'#')] => Ok(digit.to_ascii_uppercase().into()),
            _ => Err(StreamError::Invalid { field: "dtmf.digit" }),
        }
    }
}

impl StartWire<'_> {
    fn start(self) -> Result<Start, StreamError> {
        if let Some(format) = self.media_format {
            format.check()?;
        }
        let parameters = self.custom_parameters.unwrap_or_default().into_iter();
        Ok(Start {
            stream_sid: required(self.stream_sid, "start.streamSid")?.into_owned(),
            call_sid: required(self.call_sid, "start.callSid")?.into_owned(),
            account_sid: self.account_sid.owned(),
            custom_parameters: parameters
                .filter_map(|(name, value)| Some((name.into_owned(), Words::from(required(value, "").ok()?.into_owned()))))
                .collect(),
        })
    }
}

impl FormatWire<'_> {
    fn check(&self) -> Result<(), StreamError> {
        let fits = |field: &Field<'_>, fits: bool, path| match field {
            Field::Absent => Ok(()),
            _ if fits => Ok(()),
            _ => Err(StreamError::Unsupported { field: path }),
        };
        fits(&self.encoding, self.encoding.text() == Some("audio/x-mulaw"), "start.mediaFormat.encoding")?;
        fits(&self.sample_rate, self.sample_rate.number() == Some(8_000), "start.mediaFormat.sampleRate")?;
        fits(&self.channels, self.channels.number() == Some(1), "start.mediaFormat.channels")
    }
}

fn optional(field: &Field<'_>, path: &'static str) -> Result<Option<u64>, StreamError> {
    match (field, field.number()) {
        (Field::Absent, _) => Ok(None),
        (_, Some(number)) => Ok(Some(number)),
        (_, None) => Err(StreamError::Invalid { field: path }),
    }
}

/// Writes the telephone's side of one stream as Twilio does, numbering messages and chunks from 1.
#[derive(Clone, Debug)]
pub struct EventWriter {
    stream_sid: String,
    sequence: u64,
    chunk: u64,
}

impl EventWriter {
    /// A stream that has sent nothing.
    pub fn new(stream_sid: &str) -> Self {
        let mut quoted = String::with_capacity(stream_sid.len() + 2);
        push_string(&mut quoted, stream_sid);
        Self { stream_sid: quoted, sequence: 0, chunk: 0 }
    }

    /// The first message.
    pub fn connected(&self) -> String {
        r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#.to_owned()
    }

    /// The second message.
    pub fn start(&mut self, start: &Start) -> String {
        let mut out = self.head("start");
        write(&mut out, format_args!(r#","start":{{"streamSid":{},"accountSid":"#, self.stream_sid));
        push_string(&mut out, &start.account_sid);
        out.push_str(r#","callSid":"#);
        push_string(&mut out, &start.call_sid);
        out.push_str(r#","tracks":["inbound"],"customParameters":{"#);
        for (index, (name, value)) in start.custom_parameters.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { "," });
            push_string(&mut out, name);
            out.push(':');
            push_string(&mut out, value.as_str());
        }
        out.push_str(r#"},"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}"#);
        out
    }

    /// Caller audio, mu-law at 8 kHz; `timestamp` is its presentation time since the stream's start.
    pub fn media(&mut self, timestamp: Duration, audio: &[u8]) -> String {
        self.sequence += 1;
        self.chunk += 1;
        let timestamp = u64::try_from(timestamp.as_millis()).unwrap_or(u64::MAX);
        let numbers = [self.sequence, self.chunk, timestamp];
        // Exactly what is needed: the text becomes a frame without another copy.
        let digits = numbers.map(|number| number.checked_ilog10().map_or(1, |log| log as usize + 1));
        let fixed = MEDIA.map(str::len).iter().sum::<usize>() + self.stream_sid.len();
        let length = fixed + digits.iter().sum::<usize>() + audio.len().div_ceil(3) * 4;
        let mut out = String::with_capacity(length);
        out.push_str(MEDIA[0]);
        push_number(&mut out, self.sequence);
        out.push_str(MEDIA[1]);
        out.push_str(&self.stream_sid);
        out.push_str(MEDIA[2]);
        push_number(&mut out, self.chunk);
        out.push_str(MEDIA[3]);
        push_number(&mut out, timestamp);
        out.push_str(MEDIA[4]);
        push_base64(&mut out, audio);
        out.push_str(MEDIA[5]);
        out
    }

    /// The caller pressed a key.
    pub fn dtmf(&mut self, digit: char) -> String {
        let mut out = self.head("dtmf");
        out.push_str(r#","dtmf":{"track":"inbound_track","digit":"#);
        push_string(&mut out, digit.encode_utf8(&mut [0; 4]));
        out.push_str("}}");
        out
    }

    /// A mark was reached, or cleared.
    pub fn mark(&mut self, name: &str) -> String {
        let mut out = self.head("mark");
        out.push_str(r#","mark":{"name":"#);
        push_string(&mut out, name);
        out.push_str("}}");
        out
    }

    /// The last message.
    pub fn stop(&mut self, start: &Start) -> String {
        let mut out = self.head("stop");
        out.push_str(r#","stop":{"accountSid":"#);
        push_string(&mut out, &start.account_sid);
        out.push_str(r#","callSid":"#);
        push_string(&mut out, &start.call_sid);
        out.push_str("}}");
        out
    }

    fn head(&mut self, event: &str) -> String {
        self.sequence += 1;
        let mut out = String::with_capacity(192);
        let (sequence, stream_sid) = (self.sequence, &self.stream_sid);
        write(&mut out, format_args!(r#"{{"event":"{event}","sequenceNumber":"{sequence}","streamSid":{stream_sid}"#));
        out
    }
}

/// What stands between the numbers, the stream and the audio of a `media` message.
const MEDIA: [&str; 6] = [
    r#"{"event":"media","sequenceNumber":""#,
    r#"","streamSid":"#,
    r#","media":{"track":"inbound","chunk":""#,
    r#"","timestamp":""#,
    r#"","payload":""#,
    r#""}}"#,
];

fn write(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("writing to a string cannot fail");
}
