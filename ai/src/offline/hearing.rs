//! What was heard of the caller: the recent past, and the turn that is being spoken.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::codec::Codec;
use media::units::{Dbov, FRAME, FRAME_SAMPLES};

/// Audio before the start of a turn that belongs to it: soft first sounds, which no detector is sure of.
pub(super) const PRE_ROLL: Duration = Duration::from_millis(300);

/// Audio after the last speech of a turn that belongs to it, for the same reason.
pub(super) const POST_ROLL: Duration = Duration::from_millis(300);

/// Quiet that stays before the first sound of a turn that is played back: the caller waits through the rest of the pre-roll.
const LEAD: Duration = Duration::from_millis(40);

/// A frame of the pre-roll that stands this far out of its quietest one is a sound, dB.
const SOUND_OVER_QUIETEST_DB: f32 = 6.0;

/// A frame of the pre-roll above this is a sound, however loud the others are.
const SOUND: Dbov = Dbov(-40.0);

/// The past that is kept between turns: the pre-roll, and the 3 s that a barge-in may take to be committed, and slack.
const PAST: usize = 4 * 8_000;

/// The longest turn that is kept: 60 s, half of what a sendout holds. The rest of a longer one is forgotten.
const TURN: usize = 60 * 8_000;

/// The caller's octets, as they were received.
#[derive(Default)]
pub(super) struct Hearing {
    /// All of the turn, or the past if none is open.
    octets: Vec<u8>,
    in_turn: bool,
    /// When the newest octet was received.
    until: Option<Instant>,
}

impl Hearing {
    /// 20 ms more.
    pub fn handle_audio(&mut self, now: Instant, octets: &[u8]) {
        self.until = Some(now);
        if self.in_turn {
            let room = TURN.saturating_sub(self.octets.len());
            self.octets.extend_from_slice(&octets[..octets.len().min(room)]);
            return;
        }
        self.octets.extend_from_slice(octets);
        // Twice the past, so that octets are moved once in 4 s and not on every frame.
        if self.octets.len() >= 2 * PAST {
            self.octets.drain(..self.octets.len() - PAST);
        }
    }

    /// A turn began at `at`.
    pub fn start_turn(&mut self, at: Instant) {
        let newest = self.until.unwrap_or(at);
        let wanted = octets_in(newest.saturating_duration_since(at) + PRE_ROLL);
        self.octets.drain(..self.octets.len().saturating_sub(wanted.min(PAST)));
        self.in_turn = true;
    }

    /// Whether a turn is open.
    pub fn in_turn(&self) -> bool {
        self.in_turn
    }

    /// What a recording that begins now should have of the past: the open turn, or the pre-roll.
    pub fn past(&self) -> &[u8] {
        let start = match self.in_turn {
            true => 0,
            false => self.octets.len().saturating_sub(octets_in(PRE_ROLL)),
        };
        &self.octets[start..]
    }

    /// The turn is over: its audio, without the silence that ended it and all but [`LEAD`] of that before it.
    pub fn end_turn(&mut self, last_speech_at: Instant, codec: Codec) -> Bytes {
        self.in_turn = false;
        let newest = self.until.unwrap_or(last_speech_at);
        let silence = newest.saturating_duration_since(last_speech_at + POST_ROLL);
        let words = match self.octets.len() {
            TURN => TURN,
            length => length.saturating_sub(octets_in(silence)),
        };
        let words = Bytes::copy_from_slice(&self.octets[quiet_lead(&self.octets[..words], codec)..words]);
        self.octets.drain(..self.octets.len().saturating_sub(PAST));
        words
    }
}

/// Octets of quiet at the start that nobody needs to hear.
fn quiet_lead(words: &[u8], codec: Codec) -> usize {
    let roll = &words[..words.len().min(octets_in(PRE_ROLL))];
    let mut samples = Vec::with_capacity(FRAME_SAMPLES);
    let levels = roll.chunks_exact(FRAME_SAMPLES).map(|frame| {
        samples.clear();
        codec.decode(frame, &mut samples);
        Dbov::of(&samples).0
    });
    let levels: Vec<f32> = levels.collect();
    let quietest = levels.iter().copied().fold(0.0, f32::min);
    let quiet_below = SOUND.0.min(quietest + SOUND_OVER_QUIETEST_DB);
    let quiet = levels.iter().take_while(|level| **level < quiet_below).count();
    (quiet * FRAME_SAMPLES).saturating_sub(octets_in(LEAD))
}

/// Whole frames that hold `duration`, in octets.
fn octets_in(duration: Duration) -> usize {
    duration.as_millis().div_ceil(FRAME.as_millis()) as usize * FRAME_SAMPLES
}

#[cfg(test)]
impl Hearing {
    pub fn held(&self) -> usize {
        self.octets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turn that was told of at frame 20 of these levels, as mu-law octets; how many frames of it are played back.
    fn check(octets: &[(usize, u8)], expected: usize) {
        let start = Instant::now();
        let mut hearing = Hearing::default();
        let frames = octets.iter().flat_map(|&(frames, octet)| std::iter::repeat_n(octet, frames));
        for (index, octet) in frames.enumerate() {
            let now = start + FRAME * (index as u32 + 1);
            hearing.handle_audio(now, &[octet; FRAME_SAMPLES]);
            if index == 20 {
                hearing.start_turn(now.checked_sub(FRAME).unwrap_or(now));
            }
        }
        let end = hearing.until.unwrap_or(start);
        assert_eq!(hearing.end_turn(end, Codec::Pcmu).len() / FRAME_SAMPLES, expected, "{octets:?}");
    }

    #[test]
    fn the_caller_does_not_wait_through_the_quiet_of_the_pre_roll() {
        let (silence, hiss, soft, loud) = (0xFF, 0xF0, 0x60, 0x10);
        check(&[(20, silence), (30, loud)], 32);
        check(&[(20, hiss), (30, loud)], 32);
        // A soft first sound begins five frames early.
        check(&[(15, silence), (5, soft), (30, loud)], 37);
        check(&[(15, hiss), (5, soft), (30, loud)], 37);
        // No quiet at all.
        check(&[(50, loud)], 45);
    }
}
