//! One frame of audio, shared without copying, and the pool that reuses it.

use std::sync::Arc;

use crate::codec::Codec;
use crate::units::{FRAME_SAMPLES, SampleRate};

/// Where the audio of a frame came from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FrameOrigin {
    /// Sent by the peer.
    Received,
    /// Invented, at least in part, for a frame that was lost.
    Concealed,
    /// Nothing was sent: before the first packet, in silence suppression, or long after a loss.
    #[default]
    Silence,
}

/// Audio of one ptime at a stated rate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PcmFrame {
    /// Samples a second of `samples`.
    pub rate: SampleRate,
    /// Mono, 16 bit; [`FRAME_SAMPLES`] of them on an 8 kHz leg.
    pub samples: Vec<i16>,
    /// The same audio in the call's law, one octet a sample. For audio received in G.711 the very octets of the peer.
    pub encoded: Vec<u8>,
    /// Where the audio came from.
    pub origin: FrameOrigin,
}

impl PcmFrame {
    /// One frame of silence at 8 kHz.
    pub fn silence(codec: Codec) -> Self {
        Self {
            rate: SampleRate::HZ_8000,
            samples: vec![0; FRAME_SAMPLES],
            encoded: vec![codec.row().silence; FRAME_SAMPLES],
            origin: FrameOrigin::Silence,
        }
    }

    fn empty() -> Self {
        Self {
            rate: SampleRate::HZ_8000,
            samples: Vec::with_capacity(FRAME_SAMPLES),
            encoded: Vec::with_capacity(FRAME_SAMPLES),
            origin: FrameOrigin::Silence,
        }
    }
}

/// A frame many actors read at once.
pub type SharedFrame = Arc<PcmFrame>;

/// Frames used again once nobody reads them, so that a warm path allocates nothing.
///
/// It grows with the readers' needs to [`FramePool::CAPACITY`]; beyond, frames are allocated and counted in
/// [`FramePool::misses`], and freed by their last reader.
#[derive(Debug, Default)]
pub struct FramePool {
    slots: Vec<SharedFrame>,
    next: usize,
    misses: u64,
}

impl FramePool {
    /// Frames one pool keeps: 1.28 s, above what the readers' mailboxes can hold between them.
    pub const CAPACITY: usize = 64;

    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// A frame written by `fill`, which gets it with empty `samples` and `encoded`, 8 kHz, origin silence.
    pub fn take(&mut self, fill: impl FnOnce(&mut PcmFrame)) -> SharedFrame {
        let count = self.slots.len();
        let free = (0..count).map(|step| (self.next + step) % count).find(|&index| Arc::strong_count(&self.slots[index]) == 1);
        let index = match free {
            Some(index) => index,
            None if count < Self::CAPACITY => {
                self.slots.push(Arc::new(PcmFrame::empty()));
                count
            }
            None => {
                self.misses += 1;
                let mut frame = PcmFrame::empty();
                fill(&mut frame);
                return Arc::new(frame);
            }
        };
        self.next = (index + 1) % self.slots.len();
        let slot = &mut self.slots[index];
        if let Some(frame) = Arc::get_mut(slot) {
            frame.rate = SampleRate::HZ_8000;
            frame.samples.clear();
            frame.encoded.clear();
            frame.origin = FrameOrigin::Silence;
            fill(frame);
        }
        Arc::clone(slot)
    }

    /// Frames allocated because all [`Self::CAPACITY`] were still being read.
    pub fn misses(&self) -> u64 {
        self.misses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_nobody_reads_is_used_again() {
        let mut pool = FramePool::new();
        let first = pool.take(|frame| frame.samples.push(1));
        let address = Arc::as_ptr(&first);
        drop(first);
        let second = pool.take(|frame| frame.samples.push(2));
        assert_eq!(Arc::as_ptr(&second), address);
        assert_eq!((second.samples.as_slice(), pool.misses()), (&[2][..], 0));
    }

    #[test]
    fn a_frame_being_read_is_left_alone() {
        let mut pool = FramePool::new();
        let first = pool.take(|frame| frame.samples.push(1));
        let second = pool.take(|frame| frame.samples.push(2));
        assert_eq!((first.samples[0], second.samples[0]), (1, 2));
    }

    #[test]
    fn when_full_it_allocates_and_counts() {
        let mut pool = FramePool::new();
        let held: Vec<_> =
            (0..FramePool::CAPACITY as i16 + 3).map(|value| pool.take(|frame| frame.samples.push(value))).collect();
        assert_eq!(pool.misses(), 3);
        for (value, frame) in held.iter().enumerate() {
            assert_eq!(frame.samples, [value as i16]);
        }
    }

    #[test]
    fn silence_decodes_to_itself() {
        for codec in [Codec::Pcma, Codec::Pcmu] {
            let frame = PcmFrame::silence(codec);
            assert_eq!((frame.samples.len(), frame.encoded.len()), (160, 160));
        }
    }
}
