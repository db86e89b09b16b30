//! A message being taken.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::units::SampleRate;

use super::config::Mailbox;
use super::hearing::POST_ROLL;

/// The message, in the octets of the leg.
///
/// At most [`Mailbox::longest`], so 2.4 MB at the longest allowed; the call is told when it is reached.
pub(super) struct Recording {
    mailbox: Mailbox,
    began: Option<Instant>,
    octets: Vec<u8>,
    /// Nobody speaks since then; `None` while somebody does.
    silent_since: Option<Instant>,
    spoken: bool,
}

impl Recording {
    /// A recording that waits for the tone to be over.
    pub fn new(mailbox: Mailbox) -> Self {
        Self { mailbox, began: None, octets: Vec::new(), silent_since: None, spoken: false }
    }

    /// The tone is over. `past` belongs to the message: the start of a caller who did not wait.
    pub fn begin(&mut self, now: Instant, past: &[u8], speaking: bool) {
        self.began = Some(now);
        self.spoken = speaking;
        self.silent_since = (!speaking).then_some(now);
        self.handle_audio(past);
    }

    /// 20 ms more; dropped before the tone and beyond the longest message.
    pub fn handle_audio(&mut self, octets: &[u8]) {
        if self.began.is_some() {
            let room = self.capacity().saturating_sub(self.octets.len());
            self.octets.extend_from_slice(&octets[..octets.len().min(room)]);
        }
    }

    pub fn caller_started(&mut self) {
        self.spoken |= self.began.is_some();
        self.silent_since = None;
    }

    pub fn caller_finished(&mut self, last_speech_at: Instant) {
        self.silent_since = Some(last_speech_at);
    }

    /// When the message is over if nothing else happens; `None` before the tone.
    pub fn deadline(&self) -> Option<Instant> {
        let longest = self.began? + self.mailbox.longest;
        let silent = self.silent_since.map(|since| since + self.mailbox.silence);
        Some(silent.map_or(longest, |silent| silent.min(longest)))
    }

    /// The message without the silence that ended it; `None` if nobody spoke.
    pub fn take(&mut self, now: Instant) -> Option<Bytes> {
        if !self.spoken {
            return None;
        }
        if let Some(since) = self.silent_since
            && self.octets.len() < self.capacity()
        {
            let silence = now.saturating_duration_since(since + POST_ROLL);
            let words = self.octets.len().saturating_sub(octets_in(silence));
            self.octets.truncate(words);
        }
        self.spoken = false;
        Some(std::mem::take(&mut self.octets).into())
    }

    pub fn thanks(&self) -> &str {
        &self.mailbox.thanks
    }

    fn capacity(&self) -> usize {
        octets_in(self.mailbox.longest)
    }
}

/// G.711 is one octet a sample.
fn octets_in(duration: Duration) -> usize {
    SampleRate::HZ_8000.samples_in(duration)
}
