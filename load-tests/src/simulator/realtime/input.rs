//! The input audio buffer: what the caller appended, and the server's own voice activity detection over it.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::settings::{Refusal, ServerVad};
use super::voice::AudioFormat;
use crate::speech;

/// Most audio kept for a commit: five minutes; the oldest goes first. The real service's bound is the context.
const BUFFER_MS_MAX: u64 = 300_000;
/// Least audio that may be committed, as the real service says.
const COMMIT_MS_MIN: u64 = 100;
/// Level above which audio is speech, dBov: between line noise (-60) and a quiet voice (-35).
const SPEECH_DBOV: f32 = -42.0;
/// Speech this long starts a turn: shorter sounds are clicks.
const ONSET_MS: u64 = 60;

#[derive(Debug, Default)]
pub(super) struct InputBuffer {
    audio: Vec<u8>,
    /// All audio of the session, which is the time base of `audio_start_ms`.
    total_ms: u64,
    voiced_ms: u64,
    silent_ms: u64,
    speaking: bool,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) enum Activity {
    None,
    Started { audio_start_ms: u64 },
    Stopped { audio_end_ms: u64 },
}

impl InputBuffer {
    /// Takes one append; gives its bytes back.
    pub(super) fn append(&mut self, base64: &str, format: AudioFormat) -> Result<Vec<u8>, Refusal> {
        let bytes = BASE64_STANDARD.decode(base64).map_err(|_| {
            let message = "Invalid 'audio'. Expected base64-encoded audio bytes but got an invalid value.";
            Refusal::new("invalid_value", "audio", message)
        })?;
        self.total_ms += (bytes.len() / format.bytes_per_ms()) as u64;
        self.audio.extend_from_slice(&bytes);
        let most = usize::try_from(BUFFER_MS_MAX).unwrap_or(usize::MAX) * format.bytes_per_ms();
        if self.audio.len() > most {
            self.audio.drain(..self.audio.len() - most);
        }
        Ok(bytes)
    }

    /// Judges the audio of one append.
    pub(super) fn detect(&mut self, bytes: &[u8], format: AudioFormat, vad: &ServerVad) -> Activity {
        let ms = (bytes.len() / format.bytes_per_ms()) as u64;
        if speech::level(&format.decode(bytes)) > SPEECH_DBOV {
            self.silent_ms = 0;
            self.voiced_ms += ms;
            if !self.speaking && self.voiced_ms >= ONSET_MS {
                self.speaking = true;
                let lead = self.voiced_ms + vad.prefix_padding_ms;
                return Activity::Started { audio_start_ms: self.total_ms.saturating_sub(lead) };
            }
        } else {
            self.voiced_ms = 0;
            self.silent_ms += ms;
            if self.speaking && self.silent_ms >= vad.silence_duration_ms {
                self.speaking = false;
                return Activity::Stopped { audio_end_ms: self.total_ms };
            }
        }
        Activity::None
    }

    /// Takes what was appended since the last commit or clear.
    pub(super) fn commit(&mut self, format: AudioFormat) -> Result<Vec<u8>, Refusal> {
        let ms = (self.audio.len() / format.bytes_per_ms()) as u64;
        if ms < COMMIT_MS_MIN {
            let message = format!(
                "Error committing input audio buffer: buffer too small. Expected at least {COMMIT_MS_MIN}ms of audio, \
                 but buffer only has {ms}.00ms of audio."
            );
            return Err(Refusal::new("input_audio_buffer_commit_empty", "", message));
        }
        Ok(std::mem::take(&mut self.audio))
    }

    pub(super) fn clear(&mut self) {
        self.audio.clear();
        self.voiced_ms = 0;
        self.speaking = false;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const VAD: ServerVad =
        ServerVad { prefix_padding_ms: 100, silence_duration_ms: 200, create_response: true, interrupt_response: true };

    /// A letter is 20 ms: `s` speech, `.` silence.
    fn check(audio: &str, want: &str) {
        let mut buffer = InputBuffer::default();
        let mut got = String::new();
        for letter in audio.chars() {
            let sample = if letter == 's' { 3_000 } else { 0 };
            let bytes = AudioFormat::Pcmu.encode(&[sample; 160]);
            let bytes = buffer.append(&BASE64_STANDARD.encode(bytes), AudioFormat::Pcmu).unwrap();
            match buffer.detect(&bytes, AudioFormat::Pcmu, &VAD) {
                Activity::None => {}
                Activity::Started { audio_start_ms } => {
                    got += &format!("started {audio_start_ms} ");
                }
                Activity::Stopped { audio_end_ms } => got += &format!("stopped {audio_end_ms} "),
            }
        }
        assert_eq!(got.trim(), want, "{audio}");
    }

    #[test]
    fn speech_starts_and_stops_a_turn() {
        check("..........sssss..........", "started 100 stopped 500");
    }

    #[test]
    fn a_click_is_not_speech() {
        check("..........ss..........", "");
    }

    #[test]
    fn the_buffer_forgets_its_oldest_audio_when_full() {
        let mut buffer = InputBuffer::default();
        let second = BASE64_STANDARD.encode(vec![0xFF; 8_000]);
        for _ in 0..310 {
            buffer.append(&second, AudioFormat::Pcmu).unwrap();
        }
        assert_eq!(buffer.commit(AudioFormat::Pcmu).unwrap().len(), 300 * 8_000);
        assert_eq!(buffer.total_ms, 310_000);
    }

    #[test]
    fn an_empty_commit_and_bad_base64_are_refused() {
        let mut buffer = InputBuffer::default();
        assert_eq!(buffer.commit(AudioFormat::Pcmu).unwrap_err().code, "input_audio_buffer_commit_empty");
        assert_eq!(buffer.append("not base64!", AudioFormat::Pcmu).unwrap_err().code, "invalid_value");
    }
}
