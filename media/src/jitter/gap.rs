//! What is played where packets are missing: what the next one tells of them, or what is invented.

use super::stream::Stream;
use super::{FRAME, JitterBuffer};
use crate::frame::FrameOrigin;
use crate::line::{Decoder, GAP_STEP, LONGEST_GAP};

/// Where packets repeat those before them, the delay after a loss: a packet and 10 ms, so that the next one is there in time.
const RESERVE: i64 = 80;
/// How long after a loss that is kept: 10 s.
const RESERVED: i64 = 80_000;

impl JitterBuffer {
    /// Fills the gap before the next packet with what that one tells of the packet before it, where the codec does such things.
    pub(super) fn recover(&mut self) -> bool {
        let (Some(cursor), Some(next), Some(decoder)) = (self.cursor, self.waiting.front(), &mut self.decoder) else {
            return false;
        };
        let paused = self.stream.as_ref().is_some_and(Stream::is_paused);
        let gap = usize::try_from(next.time - cursor).unwrap_or(0);
        // A gap that was begun to be invented is no whole packet any more.
        if paused || gap < next.samples as usize || gap > LONGEST_GAP || !gap.is_multiple_of(GAP_STEP) || !decoder.recovers() {
            return false;
        }
        self.ready.decode(self.law, |samples| decoder.recover(&next.payload, gap, samples), 0, &mut self.concealer);
        self.cursor = Some(next.time);
        self.stats.recovered += 1;
        if let Some(stream) = &mut self.stream {
            stream.explained += 1;
        }
        true
    }

    /// Fills the gap before the next packet, `missing` samples of it at most.
    pub(super) fn invent(&mut self, missing: usize) -> FrameOrigin {
        let mut samples = missing;
        if let Some(cursor) = &mut self.cursor {
            let next = self.waiting.front().map_or(i64::MAX, |next| next.time);
            samples = samples.min(next.saturating_sub(*cursor) as usize);
            *cursor += samples as i64;
            self.gap += samples as i64;
        }
        let origin = if self.concealer.is_silent() { FrameOrigin::Silence } else { FrameOrigin::Concealed };
        let paused = self.stream.as_ref().is_some_and(Stream::is_paused);
        let comfort = self.comfort.as_mut().filter(|_| paused);
        self.ready.invent(self.law, samples, &mut self.concealer, comfort);
        origin
    }

    pub(super) fn count_concealed(&mut self, now: i64, origin: FrameOrigin) {
        let explained = self.stream.as_ref().is_none_or(Stream::is_paused);
        if origin != FrameOrigin::Concealed || explained {
            return;
        }
        self.stats.concealed += 1;
        if self.decoder.as_ref().is_some_and(Decoder::recovers) {
            let packet = self.stream.as_ref().and_then(|stream| stream.last).map_or(FRAME, |last| last.samples);
            self.reserve = (packet + RESERVE, now + RESERVED);
        }
    }
}
