//! What a jitter buffer counts.

use std::time::Duration;

use crate::bursts::Bursts;

/// What happened since the buffer was made, and how it stands now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct JitterStats {
    /// Packets taken in, whatever became of them.
    pub received: u64,
    /// Packets that never came, by their sequence numbers.
    pub lost: u64,
    /// Packets that came after their audio had been concealed.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets left out: buffer full, delay above its maximum, or strays.
    pub dropped: u64,
    /// Frames with invented audio, pauses of the peer apart.
    pub concealed: u64,
    /// Gaps that the packet after them filled (Opus with FEC).
    pub recovered: u64,
    /// Times a pitch period was left out to lower the delay.
    pub shortened: u64,
    /// Times a pitch period was put in to raise the delay.
    pub lengthened: u64,
    /// Times the stream began anew: SSRC, sequence or timestamps jumped.
    pub restarts: u64,
    /// Which packets were missing when they were due, lost or late.
    pub bursts: Bursts,
    /// Frames allocated outside the pool ([`FramePool::misses`](crate::frame::FramePool::misses)).
    pub pool_misses: u64,
    /// Audio waiting now.
    pub depth: Duration,
    /// From the arrival of the fastest packets to their playout, now.
    pub delay: Duration,
    /// Delay that 97 % of the packets keep, relative to the fastest.
    pub jitter: Duration,
}
