//! Frames of Media Streams, which anybody may send who finds the port.

use ai::media_streams::{StreamCommand, StreamEvent};

/// Any bytes as a frame of a Media Stream, from Twilio and to it.
pub fn twilio(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut audio = Vec::new();
    if let Ok(StreamEvent::Media(media)) = StreamEvent::parse(&text) {
        let _refused = media.payload.decode_into(&mut audio);
    }
    if let Ok(StreamCommand::Media { payload }) = StreamCommand::parse(&text, "MZ1") {
        let _refused = payload.decode_into(&mut audio);
    }
    assert!(audio.len() <= text.len() * 2, "base64 does not grow");
}
