//! Media Streams messages as Twilio writes and reads them.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Writes one stream's messages.
pub(super) struct Writer {
    stream_sid: String,
    call_sid: String,
    account_sid: String,
    sequence: u64,
    chunk: u64,
}

/// What a server sends.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum FromServer {
    Media(Bytes),
    Mark(String),
    Clear,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, rename = "streamSid")]
    stream_sid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    media: Option<Media<'a>>,
    mark: Option<Mark>,
}

#[derive(Deserialize)]
struct Media<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Mark {
    name: String,
}

impl Writer {
    pub(super) fn new(stream_sid: String, call_sid: String, account_sid: String) -> Self {
        Self { stream_sid, call_sid, account_sid, sequence: 0, chunk: 0 }
    }

    pub(super) fn connected() -> String {
        json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}).to_string()
    }

    pub(super) fn start(&mut self, parameters: &[(String, String)]) -> String {
        let pairs = parameters.iter().map(|(name, value)| (name.clone(), Value::from(value.clone())));
        let start = json!({"streamSid": self.stream_sid, "accountSid": self.account_sid, "callSid": self.call_sid,
            "tracks": ["inbound"], "customParameters": pairs.collect::<Map<_, _>>(),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}});
        self.numbered("start", &start)
    }

    /// Twenty milliseconds of audio, as base64.
    pub(super) fn media(&mut self, payload: &str) -> String {
        self.sequence += 1;
        self.chunk += 1;
        let Self { stream_sid, sequence, chunk, .. } = self;
        let timestamp = (*chunk - 1) * 20;
        format!(
            "{{\"event\":\"media\",\"sequenceNumber\":\"{sequence}\",\"media\":{{\"track\":\"inbound\",\"chunk\":\"{chunk}\",\
             \"timestamp\":\"{timestamp}\",\"payload\":\"{payload}\"}},\"streamSid\":\"{stream_sid}\"}}"
        )
    }

    pub(super) fn mark(&mut self, name: &str) -> String {
        self.numbered("mark", &json!({ "name": name }))
    }

    pub(super) fn dtmf(&mut self, digit: char) -> String {
        self.numbered("dtmf", &json!({"track": "inbound_track", "digit": digit.to_string()}))
    }

    pub(super) fn stop(&mut self) -> String {
        self.numbered("stop", &json!({"accountSid": self.account_sid, "callSid": self.call_sid}))
    }

    fn numbered(&mut self, event: &str, body: &Value) -> String {
        self.sequence += 1;
        let sequence = self.sequence.to_string();
        json!({"event": event, "sequenceNumber": sequence, "streamSid": self.stream_sid, event: body}).to_string()
    }

    /// Reads a server's message as strictly as Twilio's debugger does.
    pub(super) fn read(&self, text: &str) -> Result<FromServer, String> {
        let envelope: Envelope = serde_json::from_str(text).map_err(|error| format!("bad message: {error}"))?;
        if envelope.stream_sid.as_deref() != Some(self.stream_sid.as_str()) {
            return Err(format!("{} with a wrong streamSid", envelope.event));
        }
        match (envelope.event.as_ref(), envelope.media, envelope.mark) {
            ("media", Some(media), _) => BASE64_STANDARD
                .decode(media.payload.as_bytes())
                .map(|audio| FromServer::Media(audio.into()))
                .map_err(|_| "media with bad base64".to_owned()),
            ("mark", _, Some(mark)) => Ok(FromServer::Mark(mark.name)),
            ("clear", ..) => Ok(FromServer::Clear),
            (event, ..) => Err(format!("unknown or incomplete event {event:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn writer() -> Writer {
        Writer::new("MZ1".to_owned(), "CA1".to_owned(), "AC1".to_owned())
    }

    fn check(written: &str, want: Value) {
        assert_eq!(serde_json::from_str::<Value>(written).unwrap(), want);
    }

    #[test]
    fn messages_are_numbered_from_start() {
        let mut writer = writer();
        let start = writer.start(&[("call".to_owned(), "7".to_owned())]);
        check(
            &start,
            json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {"streamSid": "MZ1",
                "accountSid": "AC1", "callSid": "CA1", "tracks": ["inbound"], "customParameters": {"call": "7"},
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}}),
        );
        writer.media("/w==");
        check(
            &writer.media("/38="),
            json!({"event": "media", "sequenceNumber": "3", "streamSid": "MZ1",
                "media": {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": "/38="}}),
        );
        check(
            &writer.dtmf('#'),
            json!({"event": "dtmf", "sequenceNumber": "4", "streamSid": "MZ1",
                "dtmf": {"track": "inbound_track", "digit": "#"}}),
        );
        check(&writer.mark("a"), json!({"event": "mark", "sequenceNumber": "5", "streamSid": "MZ1", "mark": {"name": "a"}}));
        check(
            &writer.stop(),
            json!({"event": "stop", "sequenceNumber": "6", "streamSid": "MZ1",
                "stop": {"accountSid": "AC1", "callSid": "CA1"}}),
        );
        check(&Writer::connected(), json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}));
    }

    #[test]
    fn what_a_server_may_send_is_read_strictly() {
        let check = |text: &str, want: Result<FromServer, &str>| {
            assert_eq!(writer().read(text), want.map_err(str::to_owned), "{text}");
        };
        check(
            r#"{"event":"media","streamSid":"MZ1","media":{"payload":"/38="}}"#,
            Ok(FromServer::Media(vec![0xFF, 0x7F].into())),
        );
        check(r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"a\"b"}}"#, Ok(FromServer::Mark("a\"b".to_owned())));
        check(r#"{"event":"clear","streamSid":"MZ1"}"#, Ok(FromServer::Clear));
        check(r#"{"event":"clear","streamSid":"MZ2"}"#, Err("clear with a wrong streamSid"));
        check(r#"{"event":"clear"}"#, Err("clear with a wrong streamSid"));
        check(r#"{"event":"media","streamSid":"MZ1","media":{"payload":"*"}}"#, Err("media with bad base64"));
        check(r#"{"event":"media","streamSid":"MZ1"}"#, Err("unknown or incomplete event \"media\""));
        assert!(writer().read("{").unwrap_err().starts_with("bad message"));
    }
}
