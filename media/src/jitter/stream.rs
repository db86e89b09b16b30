//! One received stream: its order, its clock, and what of it was played.

use super::sequence::{Arrival, Sequence};
use crate::rtp::RtpPacket;
use crate::units::{RtpTime, SeqNo};

/// The stream being received. Times are samples at 8 kHz, extended to 64 bits.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) ssrc: u32,
    sequence: Sequence,
    /// SSRC of the stream before this one.
    before: Option<u32>,
    /// When a packet came last.
    heard: i64,
    /// First arrival since nothing plays.
    pub(super) first_arrival: Option<i64>,
    /// The audio packet that arrived last.
    pub(super) last: Option<LastPacket>,
    /// Newest packet that was played.
    pub(super) played: Option<SeqNo>,
    /// Packets since then that are no audio, or were recovered: they are not missing.
    pub(super) explained: u64,
    /// Newest packet that was no audio: it explains a gap.
    pub(super) pause: Option<SeqNo>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct LastPacket {
    pub(super) sequence: SeqNo,
    pub(super) wire_time: RtpTime,
    pub(super) time: i64,
    pub(super) samples: i64,
    pub(super) transit: i64,
}

/// A transit this far from the others is a clock that jumped: 200 ms from the packet before it, 2 s from any.
const CLOCK_STEP: i64 = 1_600;
const CLOCK_JUMP: i64 = 16_000;
/// A stream without a packet for this long has ended, if another one comes: 200 ms, longer than a network holds most packets up.
const ENDED: i64 = 1_600;

impl Stream {
    pub(super) fn new(now: i64, packet: &RtpPacket) -> Self {
        Self {
            ssrc: packet.ssrc,
            sequence: Sequence::new(packet.sequence),
            before: None,
            heard: now,
            first_arrival: None,
            last: None,
            played: None,
            explained: 0,
            pause: None,
        }
    }

    /// Begins anew with a packet that does not go on with this one.
    pub(super) fn succeed(&self, now: i64, packet: &RtpPacket) -> Self {
        let before = if packet.ssrc == self.ssrc { self.before } else { Some(self.ssrc) };
        Self { before, ..Self::new(now, packet) }
    }

    /// A packet is played; how many before it are missing.
    pub(super) fn play(&mut self, sequence: SeqNo) -> u64 {
        let skipped = self.played.map_or(0, |played| sequence.0.saturating_sub(played.0 + 1));
        self.played = self.played.max(Some(sequence));
        skipped.saturating_sub(std::mem::take(&mut self.explained))
    }

    /// Takes note of a packet of this stream.
    pub(super) fn hear(&mut self, now: i64, packet: &RtpPacket, lost: &mut u64) -> Arrival {
        self.heard = now;
        self.sequence.handle_packet(packet.sequence, lost)
    }

    /// Whether a packet is one of the stream before that was overtaken by this one. That stream may come back when this one has ended.
    pub(super) fn overtook(&self, now: i64, packet: &RtpPacket) -> bool {
        self.before == Some(packet.ssrc) && packet.ssrc != self.ssrc && now - self.heard < ENDED
    }

    /// Whether the newest packet that was played is followed by the peer's word that it is silent on purpose.
    pub(super) fn is_paused(&self) -> bool {
        self.pause.is_some() && self.pause >= self.played
    }

    /// A packet of so many samples on our clock, of which the wire's has `scale` ticks in one of ours.
    pub(super) fn timed(&self, now: i64, (sequence, samples): (SeqNo, usize), packet: &RtpPacket, scale: u32) -> LastPacket {
        let since = |last: LastPacket| match (packet.timestamp.since(last.wire_time), scale) {
            (ticks, 1) => ticks,
            (ticks, scale) => ticks / scale as i32,
        };
        let time = self.last.map_or(0, |last| last.time + i64::from(since(last)));
        LastPacket { sequence, wire_time: packet.timestamp, time, samples: samples as i64, transit: now - time }
    }

    /// Whether a packet's timestamp belongs to another clock than those before it. Loss and stalls leave the timestamps
    /// in step with the sequence; silence suppression leaves them in step with time.
    pub(super) fn clock_jumped(&self, packet: &LastPacket, base: i64) -> bool {
        let Some(last) = self.last else {
            return false;
        };
        let next = packet.sequence == last.sequence.next();
        let in_step = packet.time - last.time == last.samples;
        let stepped = packet.transit.abs_diff(last.transit) > CLOCK_STEP as u64;
        (next && !in_step && stepped) || packet.transit.abs_diff(base) > CLOCK_JUMP as u64
    }
}
