//! Decoded audio on its way out: the last of what was played, then what plays next.

use super::stretch::{self, BLEND, Join, LONGEST};
use crate::codec::Codec;
use crate::conceal::Concealer;
use crate::frame::PcmFrame;
use crate::noise::ComfortNoise;
use crate::units::{Dbov, FRAME_SAMPLES};

/// Samples and the octets of the same samples, side by side.
#[derive(Debug)]
pub(super) struct Ready {
    samples: Vec<i16>,
    octets: Vec<u8>,
    past: usize, // samples at the start that were played
}

impl Ready {
    pub(super) fn new() -> Self {
        // A frame, the longest join and a packet of 60 ms.
        let capacity = LONGEST + FRAME_SAMPLES * 5;
        Self { samples: Vec::with_capacity(capacity), octets: Vec::with_capacity(capacity), past: 0 }
    }

    /// Samples that wait to be played.
    pub(super) fn upcoming(&self) -> usize {
        self.samples.len() - self.past
    }

    /// Adds audio that arrived; its octets stay as they came but where a gap is blended out.
    pub(super) fn push(&mut self, codec: Codec, octets: &[u8], concealer: &mut Concealer) {
        let start = self.samples.len();
        codec.decode(octets, &mut self.samples);
        self.octets.extend_from_slice(octets);
        let blended = concealer.hear(&mut self.samples[start..]);
        self.encode(codec, start, start + blended);
    }

    /// Adds audio that `decode` puts there, but for its first `past` samples: in a codec that remembers, those are decoded too.
    pub(super) fn decode(&mut self, law: Codec, decode: impl FnOnce(&mut Vec<i16>), past: usize, concealer: &mut Concealer) {
        let start = self.samples.len();
        decode(&mut self.samples);
        let past = past.min(self.samples.len() - start);
        self.samples.drain(start..start + past);
        concealer.hear(&mut self.samples[start..]);
        law.encode(&self.samples[start..], &mut self.octets);
    }

    /// Level of the last frame's worth of what waits.
    pub(super) fn level(&self) -> Dbov {
        Dbov::of(&self.samples[self.samples.len().saturating_sub(FRAME_SAMPLES)..])
    }

    /// Adds audio for a gap: invented from what was heard, and over it the noise of a pause.
    pub(super) fn invent(&mut self, codec: Codec, samples: usize, concealer: &mut Concealer, comfort: Option<&mut ComfortNoise>) {
        let start = self.samples.len();
        self.samples.resize(start + samples, 0);
        concealer.conceal(&mut self.samples[start..]);
        if let Some(noise) = comfort {
            noise.add(&mut self.samples[start..]);
        }
        codec.encode(&self.samples[start..], &mut self.octets);
    }

    /// Moves the next frame out.
    pub(super) fn take(&mut self, frame: &mut PcmFrame) {
        let end = self.past + FRAME_SAMPLES;
        frame.samples.extend_from_slice(&self.samples[self.past..end]);
        frame.encoded.extend_from_slice(&self.octets[self.past..end]);
        let forget = end.saturating_sub(LONGEST);
        self.samples.drain(..forget);
        self.octets.drain(..forget);
        self.past = end - forget;
    }

    /// Drops what waits.
    pub(super) fn clear(&mut self) {
        self.samples.truncate(self.past);
        self.octets.truncate(self.past);
    }

    /// Leaves a pitch period out at the start of the next frame; `None` when there is too little audio, or no place
    /// where nobody would hear it.
    pub(super) fn shorten(&mut self, codec: Codec) -> Option<Join> {
        let upcoming = &mut self.samples[self.past..];
        if upcoming.len() < FRAME_SAMPLES + LONGEST {
            return None;
        }
        let join = stretch::find_shorter(upcoming)?;
        let (start, rest) = upcoming.split_at_mut(BLEND);
        let mut into = [0; BLEND];
        for (index, into) in into.iter_mut().enumerate() {
            let at = index + join.shift;
            *into = if at < BLEND { start[at] } else { rest[at - BLEND] };
        }
        stretch::blend(start, &into);
        let seam = self.past + BLEND;
        self.samples.drain(seam..seam + join.shift);
        self.octets.drain(seam..seam + join.shift);
        self.encode(codec, self.past, seam);
        Some(join)
    }

    /// Plays the last pitch period once more; `None` as for [`Self::shorten`].
    pub(super) fn lengthen(&mut self, codec: Codec) -> Option<Join> {
        if self.past < LONGEST || self.upcoming() < BLEND {
            return None;
        }
        let join = stretch::find_longer(&self.samples, self.past)?;
        let (start, seam) = (self.past - LONGEST, self.past + BLEND);
        let mut sound = [0; LONGEST + BLEND];
        sound.copy_from_slice(&self.samples[start..seam]);
        let again = LONGEST - join.shift;
        stretch::blend(&mut self.samples[self.past..seam], &sound[again..again + BLEND]);
        let repeated = &sound[again + BLEND..];
        self.samples.splice(seam..seam, repeated.iter().copied());
        self.octets.splice(seam..seam, repeated.iter().map(|_| 0));
        self.encode(codec, self.past, seam + join.shift);
        Some(join)
    }

    fn encode(&mut self, codec: Codec, from: usize, to: usize) {
        codec.encode_over(&self.samples[from..to], &mut self.octets[from..to]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: usize = 64;

    /// Ready to play: a tone with a frame of it played already.
    fn tone(samples: usize) -> Ready {
        let step = std::f32::consts::TAU / PERIOD as f32;
        let audio: Vec<i16> = (0..samples).map(|index| ((index as f32 * step).sin() * 8_000.0) as i16).collect();
        let mut octets = Vec::new();
        Codec::Pcmu.encode(&audio, &mut octets);
        let mut ready = Ready::new();
        ready.push(Codec::Pcmu, &octets, &mut Concealer::new());
        take(&mut ready);
        ready
    }

    fn take(ready: &mut Ready) -> PcmFrame {
        let mut frame = PcmFrame::silence(Codec::Pcmu);
        frame.samples.clear();
        frame.encoded.clear();
        ready.take(&mut frame);
        frame
    }

    /// Largest step between neighbours, over what was played and what is next.
    fn roughness(ready: &Ready) -> u16 {
        let steps = ready.samples.windows(2).map(|pair| pair[0].abs_diff(pair[1]));
        steps.max().unwrap_or(0)
    }

    fn octets_match(ready: &Ready) -> bool {
        let mut octets = Vec::new();
        Codec::Pcmu.encode(&ready.samples, &mut octets);
        octets == ready.octets
    }

    #[test]
    fn a_tone_is_shortened_and_lengthened_without_a_seam() {
        let smooth = roughness(&tone(640));
        let mut shorter = tone(640);
        let join = shorter.shorten(Codec::Pcmu).unwrap();
        assert_eq!((join.shift, shorter.upcoming()), (PERIOD, 480 - PERIOD));
        assert!(roughness(&shorter) <= smooth + 100 && octets_match(&shorter));
        let mut longer = tone(640);
        let join = longer.lengthen(Codec::Pcmu).unwrap();
        assert_eq!((join.shift, longer.upcoming()), (PERIOD, 480 + PERIOD));
        assert!(roughness(&longer) <= smooth + 100 && octets_match(&longer));
    }

    #[test]
    fn too_little_audio_is_left_alone() {
        assert_eq!(tone(160 + 279).shorten(Codec::Pcmu), None);
        assert_eq!(tone(160 + 79).lengthen(Codec::Pcmu), None);
        let mut ready = Ready::new();
        ready.push(Codec::Pcmu, &[0x90; 160], &mut Concealer::new());
        assert_eq!(ready.lengthen(Codec::Pcmu), None);
    }

    #[test]
    fn frames_leave_in_order_and_the_past_stays_short() {
        let mut ready = tone(800);
        let next = ready.samples[ready.past..ready.past + 3].to_vec();
        assert_eq!((ready.past, &take(&mut ready).samples[..3]), (LONGEST, &next[..]));
        ready.clear();
        assert_eq!((ready.upcoming(), ready.samples.len()), (0, LONGEST));
    }
}
