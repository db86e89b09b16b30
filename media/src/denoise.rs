//! The caller as the engine should hear him: without the noise around him, and as loud as others.
//!
//! ```text
//! 20 ms ──► blocks of 160 ──► spectrum, what of it is noise, less of that ──► gain ──► 20 ms, one overlap late
//! ```
//! The suppressor is WebRTC's, by sonora-ns: a Wiener filter over 129 bins, whose noise is learned in a second or two and followed as it
//! changes. It was made for blocks of 10 ms at 16 kHz. At 8 kHz it gets the same 160 samples, now 20 ms: a window of 32 ms is what speech
//! wants anyway, and the audio is neither doubled nor halved on the way. [`docs/background.md`] has what each way costs and gives.
//!
//! [`docs/background.md`]: https://github.com/offhook/offhook/blob/main/docs/background.md

use std::time::Duration;

use sonora_ns::config::{NS_FRAME_SIZE, NsConfig, OVERLAP_SIZE, SuppressionLevel};
use sonora_ns::noise_suppressor::NoiseSuppressor;

use crate::gain::GainControl;
use crate::units::SampleRate;

/// A rate at which nothing can be denoised.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot denoise audio of {hz} Hz: 8000 and 16000 Hz are known")]
pub struct UnknownRate {
    /// The rate.
    pub hz: u32,
}

/// Noise suppression and gain of one caller. A value with a memory of the noise and of the voice's level; allocates only in `new`.
///
/// Total: silence, clipping and direct current go through it, and what comes after them is treated as if they had not been.
pub struct Denoiser {
    block: [f32; NS_FRAME_SIZE],
    gain: GainControl,
    rate: SampleRate,
    suppressor: Box<NoiseSuppressor>,
}

impl Denoiser {
    /// How much of the noise goes at most. More is heard as a voice under water, and cost PESQ in the measurements.
    const LEVEL: SuppressionLevel = SuppressionLevel::K12dB;

    /// A denoiser that has heard nothing yet, for frames of this rate.
    ///
    /// # Errors
    /// [`UnknownRate`] of others than 8 and 16 kHz, the rates of telephone speech.
    pub fn new(rate: SampleRate) -> Result<Self, UnknownRate> {
        if ![SampleRate::HZ_8000, SampleRate::HZ_16000].contains(&rate) {
            return Err(UnknownRate { hz: rate.hz() });
        }
        let suppressor = Box::new(NoiseSuppressor::new(NsConfig { target_level: Self::LEVEL }));
        Ok(Self { block: [0.0; NS_FRAME_SIZE], gain: GainControl::new(), rate, suppressor })
    }

    /// The next 20 ms, in place: what comes back is [`Self::delay`] older than what went in.
    ///
    /// A frame that is no whole number of blocks is treated as if silence followed.
    pub fn handle_frame(&mut self, samples: &mut [i16]) {
        for samples in samples.chunks_mut(NS_FRAME_SIZE) {
            self.block.fill(0.0);
            for (to, &from) in self.block.iter_mut().zip(&*samples) {
                *to = f32::from(from);
            }
            self.suppressor.analyze(&self.block);
            self.suppressor.process(&mut self.block);
            for (to, from) in samples.iter_mut().zip(&self.block) {
                // `as` saturates.
                *to = from.round() as i16;
            }
        }
        self.gain.handle_frame(samples);
    }

    /// How much later than the input the output is: 12 ms at 8 kHz, 6 ms at 16 kHz.
    pub fn delay(&self) -> Duration {
        self.rate.duration_of(OVERLAP_SIZE as u64)
    }
}

#[cfg(test)]
mod tests;
