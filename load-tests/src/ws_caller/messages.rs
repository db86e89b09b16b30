//! Messages of the session WebSocket as a client writes and reads them.

use std::borrow::Cow;

use anyhow::{Context, bail, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use media::codec::Codec;
use serde::Deserialize;

use crate::speech;

/// Sample rate of what callers send, Hz.
const RATE: u32 = 16_000;
/// Length of a WAV header without extras; the audio lies behind it.
const WAV_HEADER: usize = 44;

/// What a server sends that a caller acts on.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum FromServer {
    /// Agent audio as mu-law at 8 kHz, the form that playback buffers take.
    Audio(Bytes),
    /// The agent fell silent: what was not played is dropped.
    Interrupted,
    /// The server ended the session.
    Ended,
    /// Nothing to do: transcripts and the like.
    Other,
}

/// The session that a POST created.
#[derive(Debug, Deserialize, Eq, PartialEq)]
pub(super) struct Session {
    pub id: String,
    pub token: String,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    audio: Option<Audio<'a>>,
    #[serde(borrow, default)]
    code: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Audio<'a> {
    #[serde(borrow)]
    format: Cow<'a, str>,
    rate: u32,
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

/// Twenty milliseconds of audio, as base64.
pub(super) fn audio(payload: &str) -> String {
    format!("{{\"type\":\"audio\",\"payload\":\"{payload}\",\"rate\":{RATE}}}")
}

pub(super) const END_SESSION: &str = "{\"type\":\"end-session\"}";

/// Samples at 8 kHz as octets of PCM at 16 kHz, by straight lines: enough for speech that only has to be heard.
pub(super) fn wideband(samples: &[i16]) -> Vec<u8> {
    let next = samples.iter().skip(1).chain(samples.last());
    let doubled = samples.iter().zip(next).flat_map(|(&here, &next)| [here, here.midpoint(next)]);
    doubled.flat_map(i16::to_le_bytes).collect()
}

/// Reads a server's message.
pub(super) fn read(text: &str) -> anyhow::Result<FromServer> {
    let envelope: Envelope = serde_json::from_str(text).context("bad message")?;
    Ok(match (envelope.kind.as_ref(), envelope.audio) {
        ("assistant-message", Some(audio)) => FromServer::Audio(narrowband(&audio)?),
        ("interrupted", _) => FromServer::Interrupted,
        ("session-ended", _) => FromServer::Ended,
        ("error", _) => bail!("the server reports {}", envelope.code.unwrap_or_default()),
        ("connected" | "assistant-message" | "transcript" | "speech-started" | "speech-stopped", _) => FromServer::Other,
        (kind, _) => bail!("unknown message {kind:?}"),
    })
}

/// Agent audio thinned out to 8 kHz without a filter, since only its level is measured.
fn narrowband(audio: &Audio<'_>) -> anyhow::Result<Bytes> {
    let octets = BASE64_STANDARD.decode(audio.payload.as_bytes()).context("audio with bad base64")?;
    let pcm = match audio.format.as_ref() {
        "pcm16" => octets.as_slice(),
        "wav" => octets.get(WAV_HEADER..).context("a WAV without audio")?,
        other => bail!("audio in unknown format {other:?}"),
    };
    ensure!(audio.rate >= 8_000 && audio.rate.is_multiple_of(8_000), "audio at {} Hz is no multiple of 8 kHz", audio.rate);
    let step = (audio.rate / 8_000) as usize;
    let samples: Vec<i16> = pcm.chunks_exact(2).step_by(step).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok(speech::encode(Codec::Pcmu, &samples).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn audio_is_doubled_in_rate() {
        assert_eq!(wideband(&[0, 100, -100]), [0_i16, 50, 100, 0, -100, -100].map(i16::to_le_bytes).concat());
        let message: serde_json::Value = serde_json::from_str(&audio("AAA=")).unwrap();
        assert_eq!(message, serde_json::json!({"type": "audio", "payload": "AAA=", "rate": 16_000}));
    }

    #[test]
    fn what_a_server_may_send_is_read() {
        let check = |text: &str, want: &str| {
            let got = read(text).map_or_else(|error| format!("{error:#}"), |read| format!("{read:?}"));
            assert!(got.starts_with(want), "{text}: {got}");
        };
        let payload = BASE64_STANDARD.encode([[0_u8, 0], [9, 9], [0, 0], [9, 9]].concat());
        let message = |audio: &str| format!("{{\"type\":\"assistant-message\",\"turn_id\":1,\"text\":\"x\",\"audio\":{audio}}}");
        let pcm = |rate: u32| message(&format!("{{\"format\":\"pcm16\",\"rate\":{rate},\"payload\":\"{payload}\"}}"));
        // Every other sample is left out.
        check(&pcm(16_000), "Audio(b\"\\xff\\xff\")");
        check(&pcm(11_025), "audio at 11025 Hz is no multiple of 8 kHz");
        check(&message("null"), "Other");
        check(&message("{\"format\":\"mp3\",\"rate\":8000,\"payload\":\"\"}"), "audio in unknown format \"mp3\"");
        check(&message("{\"format\":\"wav\",\"rate\":8000,\"payload\":\"AAAA\"}"), "a WAV without audio");
        check(&message("{\"format\":\"pcm16\",\"rate\":8000,\"payload\":\"*\"}"), "audio with bad base64");
        check(r#"{"type":"interrupted","heard_ms":120}"#, "Interrupted");
        check(r#"{"type":"session-ended","reason":"hangup"}"#, "Ended");
        check(r#"{"type":"transcript","role":"user","text":"a","final":true}"#, "Other");
        check(r#"{"type":"error","code":"bad_frame","message":"x"}"#, "the server reports bad_frame");
        check(r#"{"type":"new"}"#, "unknown message \"new\"");
        check("{", "bad message");
    }
}
