//! Units carried by types: sample rate, RTP time, sequence number, level.

use std::time::Duration;

/// Length of one frame, and of one tick of the media clock: 20 ms, the ptime every G.711 peer speaks.
pub const FRAME: Duration = Duration::from_millis(20);

/// Samples in one [`FRAME`] at 8 kHz; also its octets in G.711.
pub const FRAME_SAMPLES: usize = 160;

/// Samples a second, 1 to 192,000.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SampleRate(u32);

impl SampleRate {
    /// 8 kHz: the telephone network.
    pub const HZ_8000: Self = Self(8_000);
    /// 16 kHz: wide band, and the rate of the voice activity detector.
    pub const HZ_16000: Self = Self(16_000);
    /// 22.05 kHz: what espeak-ng speaks.
    pub const HZ_22050: Self = Self(22_050);
    /// 24 kHz: what most speech providers speak.
    pub const HZ_24000: Self = Self(24_000);
    /// 48 kHz: full band.
    pub const HZ_48000: Self = Self(48_000);

    /// A rate read from a file or a message; `None` outside 1 to 192,000 Hz.
    pub const fn from_hz(hz: u32) -> Option<Self> {
        match hz {
            1..=192_000 => Some(Self(hz)),
            _ => None,
        }
    }

    /// Samples a second.
    pub const fn hz(self) -> u32 {
        self.0
    }

    /// Whole samples in `duration`, rounded down.
    pub const fn samples_in(self, duration: Duration) -> usize {
        (duration.as_nanos() * self.0 as u128 / 1_000_000_000) as usize
    }

    /// How long `samples` last, rounded down to a nanosecond.
    pub const fn duration_of(self, samples: u64) -> Duration {
        let nanos = samples as u128 * 1_000_000_000 / self.0 as u128;
        Duration::from_nanos(nanos as u64)
    }
}

/// Ticks of the RTP clock (RFC 3550 §5.1); wraps at 32 bits, 8,000 a second for G.711.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// This time moved forward by `ticks`, wrapping.
    pub const fn after(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// Ticks from `earlier` to `self`; negative when `self` is the earlier, right within 2^31 ticks.
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }
}

/// Sequence number of an RTP packet: 16 bits on the wire, extended to 64 here so that it never wraps.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SeqNo(pub u64);

impl SeqNo {
    /// The first number of a stream. One cycle is added so that packets older than it do not go below zero.
    pub const fn first(wire: u16) -> Self {
        Self(0x1_0000 + wire as u64)
    }

    /// The number nearest to `self` that reads `wire` on the wire (RFC 3550 A.1).
    pub const fn extend(self, wire: u16) -> Self {
        let step = wire.wrapping_sub(self.wire()) as i16;
        Self(self.0.saturating_add_signed(step as i64))
    }

    /// The 16 bits sent on the wire.
    pub const fn wire(self) -> u16 {
        self.0 as u16
    }

    /// The next number.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Level in dB relative to overload (RFC 6464): 0 is a full-scale square wave, -127 is silence.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Dbov(pub f32);

impl Dbov {
    /// Digital silence, and the lowest level there is.
    pub const SILENCE: Self = Self(-127.0);

    /// Root-mean-square level of `samples`; silence when there are none.
    pub fn of(samples: &[i16]) -> Self {
        let energy: i64 = samples.iter().map(|&s| i64::from(s) * i64::from(s)).sum();
        if energy == 0 {
            return Self::SILENCE;
        }
        let mean = energy as f32 / samples.len() as f32;
        let level = 10.0 * (mean / (32_768.0 * 32_768.0)).log10();
        Self(level.max(Self::SILENCE.0))
    }

    /// Root mean square of samples at this level: what [`Self::of`] makes a level of, from 0 to 32768.
    pub fn rms(self) -> f32 {
        32_768.0 * 10_f32.powf(self.0 / 20.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_160_samples_at_8_khz() {
        assert_eq!(SampleRate::HZ_8000.samples_in(FRAME), FRAME_SAMPLES);
        assert_eq!(SampleRate::HZ_8000.duration_of(160), FRAME);
        assert_eq!(SampleRate::HZ_22050.samples_in(FRAME), 441);
    }

    #[test]
    fn rates_out_of_range_are_refused() {
        assert_eq!(SampleRate::from_hz(0), None);
        assert_eq!(SampleRate::from_hz(192_001), None);
        assert_eq!(SampleRate::from_hz(8_000), Some(SampleRate::HZ_8000));
    }

    #[test]
    fn rtp_time_wraps_both_ways() {
        let before = RtpTime(u32::MAX - 79);
        let after = before.after(160);
        assert_eq!(after, RtpTime(80));
        assert_eq!((after.since(before), before.since(after)), (160, -160));
    }

    #[test]
    fn sequence_extends_over_the_wrap_and_back() {
        let last = SeqNo::first(65_535);
        let next = last.extend(0);
        assert_eq!((next, next.wire()), (last.next(), 0));
        assert_eq!(next.extend(65_534), SeqNo(last.0 - 1));
    }

    #[test]
    fn level_of_known_waves() {
        assert_eq!(Dbov::of(&[]), Dbov::SILENCE);
        assert_eq!(Dbov::of(&[0; 160]), Dbov::SILENCE);
        assert_eq!(Dbov::of(&[i16::MIN; 160]), Dbov(0.0));
        let half = Dbov::of(&[16_384, -16_384]);
        assert!((half.0 + 6.02).abs() < 0.01, "{half:?}");
    }
}
