//! Change of sample rate: frame by frame as audio streams, or a whole prompt at once.

use std::time::Duration;

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};

use crate::units::{FRAME, SampleRate};

/// Why two rates cannot be converted into each other.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResampleError {
    /// 20 ms of one of the rates is not a whole number of samples, so frames would have changing lengths.
    #[error("cannot resample {source_hz} Hz to {target_hz} Hz: 20 ms is not a whole number of samples in both")]
    Rates {
        /// Rate of the input.
        source_hz: u32,
        /// Rate of the output.
        target_hz: u32,
    },
}

/// Streaming resampler: one 20 ms frame in, one 20 ms frame out, nothing allocated after `new`.
///
/// Delay: 5 ms where both rates divide into blocks of 10 ms (8, 16, 24, 48 kHz), else 10 ms (22.05 kHz). The short
/// block goes with the Hann2 window: with BlackmanHarris2 a block this short loses 11 dB at 3.4 kHz.
pub struct Resampler {
    fft: Fft<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
    target: SampleRate,
}

impl Resampler {
    /// A resampler from `source` to `target`, its memory silent.
    ///
    /// # Errors
    /// [`ResampleError::Rates`] when 20 ms of a rate is not a whole number of samples, as with 11.025 kHz.
    pub fn new(source: SampleRate, target: SampleRate) -> Result<Self, ResampleError> {
        let frame = source.samples_in(FRAME);
        let blocks = if common(source, target)? % 100 == 0 { 2 } else { 1 };
        let fft = build(source, target, frame / blocks, WindowFunction::Hann2);
        Ok(Self { fft, input: vec![0.0; frame], output: vec![0.0; target.samples_in(FRAME)], target })
    }

    /// The next 20 ms at the target rate, in -1 to 1 (ripple may reach past both ends by a few percent).
    ///
    /// `samples` is one frame at the source rate. A shorter one is filled up with silence, a longer one is cut.
    pub fn handle_frame(&mut self, samples: &[i16]) -> &[f32] {
        self.input.fill(0.0);
        for (to, &from) in self.input.iter_mut().zip(samples) {
            *to = to_float(from);
        }
        let (block_in, block_out) = (self.fft.fft_size_in(), self.fft.fft_size_out());
        for (from, to) in self.input.chunks_exact(block_in).zip(self.output.chunks_exact_mut(block_out)) {
            process(&mut self.fft, from, to);
        }
        &self.output
    }

    /// How much later than the input the output is.
    pub fn delay(&self) -> Duration {
        self.target.duration_of(self.fft.output_delay() as u64)
    }
}

/// A whole prompt at another rate; as long in time as `samples`, with no delay in front.
///
/// Allocates; for synthesized speech, not for the tick. Blocks are long (40 ms) and the stop band is below -100 dB.
///
/// # Errors
/// [`ResampleError::Rates`] when 20 ms of a rate is not a whole number of samples, as with 11.025 kHz.
pub fn convert(samples: &[i16], source: SampleRate, target: SampleRate) -> Result<Vec<i16>, ResampleError> {
    common(source, target)?;
    if source == target {
        return Ok(samples.to_vec());
    }
    let block = source.samples_in(2 * FRAME);
    let mut fft = build(source, target, block, WindowFunction::BlackmanHarris2);
    let length = (samples.len() as u64 * u64::from(target.hz())).div_ceil(u64::from(source.hz())) as usize;
    let delay = fft.output_delay();
    let (mut input, mut output) = (vec![0.0; block], vec![0.0; fft.fft_size_out()]);
    let mut blocks = samples.chunks(block);
    let mut converted = Vec::with_capacity(delay + length + output.len());
    while converted.len() < delay + length {
        input.fill(0.0);
        for (to, &from) in input.iter_mut().zip(blocks.next().unwrap_or_default()) {
            *to = to_float(from);
        }
        process(&mut fft, &input, &mut output);
        converted.extend(output.iter().map(|&sample| to_int(sample)));
    }
    converted.drain(..delay);
    converted.truncate(length);
    Ok(converted)
}

/// Greatest common divisor of the rates; 20 ms is whole in both when it is a multiple of 50.
fn common(source: SampleRate, target: SampleRate) -> Result<u32, ResampleError> {
    let (mut left, mut right) = (source.hz(), target.hz());
    while right != 0 {
        (left, right) = (right, left % right);
    }
    match left % 50 {
        0 => Ok(left),
        _ => Err(ResampleError::Rates { source_hz: source.hz(), target_hz: target.hz() }),
    }
}

fn build(source: SampleRate, target: SampleRate, block: usize, window: WindowFunction) -> Fft<f32> {
    let (source, target) = (source.hz() as usize, target.hz() as usize);
    Fft::new_custom(source, target, block, 1, 1, window, FixedSync::Both)
        .expect("rates and block are above zero, the only things refused")
}

fn process(fft: &mut Fft<f32>, input: &[f32], output: &mut [f32]) {
    let (read, write) = (input.len(), output.len());
    let from = SequentialSlice::new(input, 1, read).expect("one channel as long as the slice");
    let mut to = SequentialSlice::new_mut(output, 1, write).expect("one channel as long as the slice");
    let none: Option<&Indexing> = None;
    fft.process_into_buffer(&from, &mut to, none).expect("both slices are one block long");
}

fn to_float(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

fn to_int(sample: f32) -> i16 {
    // `as` saturates, so what overshoots is clipped and not wrapped.
    (sample * 32_768.0).round() as i16
}

#[cfg(test)]
mod tests;
