//! What a client says: from its rate to G.711, and from its pieces to one frame a tick.

use std::collections::VecDeque;

use bytes::Bytes;
use media::codec::Codec;
use media::resample::Resampler;
use media::units::{FRAME, FRAME_SAMPLES, SampleRate};

use super::resampler;

/// What may wait to be heard: a minute, the longest turn that an engine keeps.
const WAITING_MAX: usize = 60 * 8_000;

/// Frames that may wait before the client counts as ahead: 300 ms, more than a network holds up.
const AHEAD: usize = 15;

/// What is ahead is heard a tenth faster, by a second frame each tenth tick: a client's clock may be faster than ours, or it may send a
/// sentence at once.
const CATCH_UP: u64 = 10;

/// Ticks without a frame after which the person is silent, and not held up: turns end with silence.
const SILENT_AFTER: u32 = 5;

/// To octets of the call's law. Made anew when the client changes its rate.
pub(super) struct Ear {
    law: Codec,
    rate: u32,
    /// `None`: the rate is ours.
    resampler: Option<Resampler>,
    /// Of the client's rate, not a whole frame yet.
    rest: Vec<i16>,
    narrow: Vec<i16>,
}

impl Ear {
    /// For a client that sends at `rate`.
    pub(super) fn new(law: Codec, rate: u32) -> Self {
        Self { law, rate, resampler: resampler(rate, SampleRate::HZ_8000.hz()), rest: Vec::new(), narrow: Vec::new() }
    }

    /// The rate of today.
    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    /// More of the client; what is whole frames of it by now.
    pub(super) fn hear(&mut self, rate: u32, samples: &[i16]) -> Bytes {
        if rate != self.rate {
            *self = Self::new(self.law, rate);
        }
        let mut octets = Vec::with_capacity(samples.len());
        let Some(resampler) = &mut self.resampler else {
            self.law.encode(samples, &mut octets);
            return octets.into();
        };
        self.rest.extend_from_slice(samples);
        let frame = SampleRate::from_hz(rate).map_or(FRAME_SAMPLES, |rate| rate.samples_in(FRAME));
        let mut frames = self.rest.chunks_exact(frame);
        for frame in frames.by_ref() {
            self.narrow.clear();
            // `as` saturates: what overshoots is clipped and not wrapped.
            self.narrow.extend(resampler.handle_frame(frame).iter().map(|sample| (sample * 32_768.0).round() as i16));
            self.law.encode(&self.narrow, &mut octets);
        }
        let left = frames.remainder().len();
        self.rest.drain(..self.rest.len() - left);
        octets.into()
    }
}

/// What waits to be heard.
pub(super) struct Waiting {
    silence: u8,
    octets: VecDeque<u8>,
    /// Something was said: from then on the person is there, silent or not.
    began: bool,
    /// Ticks without a frame.
    empty: u32,
    /// The tick that was last asked for, and frames that it may still have.
    tick: u64,
    left: u32,
}

impl Waiting {
    pub(super) fn new(law: Codec) -> Self {
        Self { silence: law.row().silence, octets: VecDeque::new(), began: false, empty: 0, tick: 0, left: 0 }
    }

    /// False when there is no room for it.
    pub(super) fn push(&mut self, octets: &[u8]) -> bool {
        let fits = self.octets.len() + octets.len() <= WAITING_MAX;
        if fits {
            self.octets.extend(octets);
            self.began = true;
        }
        fits
    }

    /// A frame of this tick, until there is none.
    pub(super) fn next_frame(&mut self, tick: u64) -> Option<[u8; FRAME_SAMPLES]> {
        if tick != self.tick {
            self.tick = tick;
            let ahead = self.octets.len() > AHEAD * FRAME_SAMPLES && tick.is_multiple_of(CATCH_UP);
            self.left = 1 + u32::from(ahead);
        }
        if self.left == 0 || !self.began {
            return None;
        }
        self.left -= 1;
        let mut frame = [self.silence; FRAME_SAMPLES];
        if self.octets.len() < FRAME_SAMPLES {
            self.empty += 1;
            if self.empty < SILENT_AFTER {
                return None;
            }
        } else {
            self.empty = 0;
        }
        for (to, from) in frame.iter_mut().zip(self.octets.drain(..self.octets.len().min(FRAME_SAMPLES))) {
            *to = from;
        }
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is heard tick by tick: the first octet of each frame, `.` for none, `_` for silence.
    fn heard(waiting: &mut Waiting, ticks: std::ops::Range<u64>) -> String {
        let mut told = String::new();
        for tick in ticks {
            let frames: String = std::iter::from_fn(|| waiting.next_frame(tick))
                .map(|frame| if frame[0] == 0xFF { '_' } else { char::from(frame[0]) })
                .collect();
            told += if frames.is_empty() { "." } else { &frames };
            told.push(' ');
        }
        told.trim_end().to_owned()
    }

    fn frames(letters: &str) -> Vec<u8> {
        letters.bytes().flat_map(|letter| [letter; FRAME_SAMPLES]).collect()
    }

    #[test]
    fn what_is_sent_at_once_is_heard_as_time_goes_on_and_then_there_is_silence() {
        let mut waiting = Waiting::new(Codec::Pcmu);
        assert_eq!(heard(&mut waiting, 1..4), ". . .", "nothing before the first word");
        assert!(waiting.push(&frames("abc")) && waiting.push(&[b'd'; 80]));
        assert_eq!(heard(&mut waiting, 4..13), "a b c . . . . d _");
        assert!(waiting.push(&frames("e")));
        assert_eq!(heard(&mut waiting, 13..15), "e .");
    }

    #[test]
    fn who_is_ahead_is_heard_a_tenth_faster() {
        let mut waiting = Waiting::new(Codec::Pcmu);
        assert!(waiting.push(&frames(&"x".repeat(200))));
        let told = heard(&mut waiting, 1..101);
        assert_eq!((told.matches('x').count(), told.matches("xx").count()), (110, 10));
        assert!(!waiting.push(&vec![0; WAITING_MAX]), "a minute and no more");
    }

    #[test]
    fn every_rate_becomes_whole_frames_of_ours() {
        for rate in super::super::SESSION_RATES {
            let mut ear = Ear::new(Codec::Pcmu, 16_000);
            // A second in pieces that are no frames.
            let samples = vec![8_000_i16; rate as usize];
            let octets: usize = samples.chunks(317).map(|piece| ear.hear(rate, piece).len()).sum();
            assert_eq!(octets, 8_000, "{rate}");
        }
    }
}
