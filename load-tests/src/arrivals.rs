//! Judges a received RTP stream by its arrival times: loss, lateness, spacing, jitter.
//!
//! ```text
//! RTP time    0    160   320          480          the sender's clock, 20 ms apart
//! arrival     |     |     .....|       |
//!                         late by      lateness = arrival - RTP time, above the least so far
//! ```

use std::time::{Duration, Instant};

/// A packet this much later than the promptest one so far is late: a whole frame.
pub const LATE: Duration = Duration::from_millis(20);
/// A step of the sequence number beyond this is a new stream, not loss (RFC 3550 appendix A.1 says 3000).
const SEQUENCE_JUMP_MAX: i64 = 3_000;
/// Ticks of the RTP clock in a second.
const CLOCK: f64 = 8_000.0;

/// What came of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// Not seen before.
    Fresh {
        /// How far behind its due time it came.
        lateness: Duration,
        /// Time since its neighbour; none for the first of a stream.
        spacing: Option<Duration>,
    },
    /// A copy.
    Duplicate,
}

/// The identifying fields of a packet and when the kernel received it.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Receive time.
    pub at: Instant,
    /// Synchronisation source.
    pub ssrc: u32,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP time.
    pub time: u32,
    /// A telephone event: it keeps the time at which its key went down (RFC 4733 §2.5.1.1), so only its number counts.
    pub event: bool,
    /// First packet of a talk spurt: lateness is counted anew from here, since the sender's clock may have paused.
    pub marker: bool,
}

/// Statistics over one call's received stream.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// Packets that were not duplicates.
    pub received: u64,
    /// Copies.
    pub duplicates: u64,
    /// Packets behind a later one.
    pub reordered: u64,
    /// Packets more than [`LATE`] behind their due time.
    pub late: u64,
    expected_before: u64,
    stream: Option<Stream>,
    jitter: f64,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    first: i64,
    highest: i64,
    /// Bit n: the packet n behind the highest was seen.
    seen: u64,
    last: Instant,
    origin: Packet,
    transit_least: f64,
    transit_last: f64,
}

impl Arrivals {
    /// Takes the next packet in order of arrival.
    pub fn handle_packet(&mut self, packet: Packet) -> Arrival {
        let step = self.stream.as_ref().map(|stream| stream.step(packet));
        let (Some(stream), Some(step)) = (&mut self.stream, step) else {
            return self.start(packet);
        };
        if stream.ssrc != packet.ssrc || step.abs() > SEQUENCE_JUMP_MAX {
            return self.start(packet);
        }
        if !stream.see(step) {
            self.duplicates += 1;
            return Arrival::Duplicate;
        }
        self.received += 1;
        self.reordered += u64::from(step < 0);
        let spacing = Some(packet.at.saturating_duration_since(stream.last));
        stream.last = packet.at;
        if packet.event {
            return Arrival::Fresh { lateness: Duration::ZERO, spacing };
        }
        if packet.marker && step > 0 {
            stream.restart_clock(packet);
        }
        let transit = stream.transit(packet);
        self.jitter += ((transit - stream.transit_last).abs() - self.jitter) / 16.0;
        stream.transit_last = transit;
        stream.transit_least = stream.transit_least.min(transit);
        let lateness = Duration::from_secs_f64(transit - stream.transit_least);
        self.late += u64::from(lateness > LATE);
        Arrival::Fresh { lateness, spacing }
    }

    /// Packets that the sequence numbers promise and that never came.
    pub fn lost(&self) -> u64 {
        let now = self.stream.as_ref().map_or(0, Stream::expected);
        (self.expected_before + now).saturating_sub(self.received)
    }

    /// Share of packets lost, 0-1.
    pub fn loss(&self) -> f64 {
        self.lost() as f64 / (self.lost() + self.received).max(1) as f64
    }

    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub fn jitter(&self) -> Duration {
        Duration::from_secs_f64(self.jitter)
    }

    fn start(&mut self, packet: Packet) -> Arrival {
        self.expected_before += self.stream.as_ref().map_or(0, Stream::expected);
        self.received += 1;
        let sequence = i64::from(packet.sequence);
        self.stream = Some(Stream {
            ssrc: packet.ssrc,
            first: sequence,
            highest: sequence,
            seen: 1,
            last: packet.at,
            origin: packet,
            transit_least: 0.0,
            transit_last: 0.0,
        });
        Arrival::Fresh { lateness: Duration::ZERO, spacing: None }
    }
}

impl Stream {
    fn step(&self, packet: Packet) -> i64 {
        i64::from(packet.sequence.wrapping_sub(self.highest as u16).cast_signed())
    }

    /// Notes a packet `step` from the highest; false if it was seen or is too old to tell.
    fn see(&mut self, step: i64) -> bool {
        if step > 0 {
            self.seen = if step < 64 { self.seen << step | 1 } else { 1 };
            self.highest += step;
            return true;
        }
        let bit = if step > -64 { 1 << -step } else { 0 };
        let fresh = self.seen & bit == 0 && bit != 0;
        self.seen |= bit;
        fresh
    }

    fn expected(&self) -> u64 {
        (self.highest - self.first + 1).unsigned_abs()
    }

    fn restart_clock(&mut self, packet: Packet) {
        self.origin = packet;
        self.transit_least = 0.0;
        self.transit_last = 0.0;
    }

    /// Seconds on the way, less those of the origin.
    fn transit(&self, packet: Packet) -> f64 {
        let ticks = packet.time.wrapping_sub(self.origin.time).cast_signed();
        let arrival = packet.at.saturating_duration_since(self.origin.at).as_secs_f64();
        arrival - f64::from(ticks) / CLOCK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each word is `sequence@arrival ms`, with `m` for a marker, `s` for a new source, `e` for an event at RTP time 0.
    fn check(packets: &str, want: &str) {
        let start = Instant::now();
        let mut arrivals = Arrivals::default();
        let mut worst = Duration::ZERO;
        for word in packets.split_whitespace() {
            let (sequence, at) = word.trim_end_matches(['e', 'm', 's']).split_once('@').unwrap_or(("0", "0"));
            let sequence: u32 = sequence.parse().unwrap_or(0);
            let arrival = arrivals.handle_packet(Packet {
                at: start + Duration::from_millis(at.parse().unwrap_or(0)),
                ssrc: u32::from(word.ends_with('s')),
                sequence: sequence as u16,
                time: if word.ends_with('e') { 0 } else { sequence.wrapping_mul(160) },
                marker: word.ends_with('m'),
                event: word.ends_with('e'),
            });
            if let Arrival::Fresh { lateness, .. } = arrival {
                worst = worst.max(lateness);
            }
        }
        let Arrivals { received, duplicates, reordered, late, .. } = arrivals;
        let (lost, worst) = (arrivals.lost(), worst.as_millis());
        let got = format!("{received} in, {lost} lost, {duplicates} double, {reordered} behind, {late} late by {worst}");
        assert_eq!(got, want, "{packets}");
    }

    #[test]
    fn a_steady_stream_is_clean() {
        check("1@0 2@20 3@40 4@60", "4 in, 0 lost, 0 double, 0 behind, 0 late by 0");
    }

    #[test]
    fn holes_copies_and_swaps_are_told_apart() {
        check("1@0 2@20 5@80", "3 in, 2 lost, 0 double, 0 behind, 0 late by 0");
        check("1@0 2@20 2@21 3@40", "3 in, 0 lost, 1 double, 0 behind, 0 late by 0");
        check("1@0 3@40 2@41 4@60", "4 in, 0 lost, 0 double, 1 behind, 1 late by 21");
    }

    #[test]
    fn sequence_numbers_wrap() {
        check("65534@0 65535@20 65536@40 65537@60", "4 in, 0 lost, 0 double, 0 behind, 0 late by 0");
    }

    #[test]
    fn a_slow_first_packet_does_not_hide_later_ones() {
        check("1@10 2@20 3@61", "3 in, 0 lost, 0 double, 0 behind, 1 late by 21");
    }

    #[test]
    fn a_talk_spurt_restarts_the_clock() {
        check("1@0 2@20 3@540m 4@560", "4 in, 0 lost, 0 double, 0 behind, 0 late by 0");
    }

    #[test]
    fn events_keep_their_time_and_are_not_late() {
        check("1@0 2@20e 3@40e 4@60e 5@80", "5 in, 0 lost, 0 double, 0 behind, 0 late by 0");
    }

    #[test]
    fn a_new_source_is_a_new_stream() {
        check("1@0 2@20 9000@40s 9001@60s", "4 in, 0 lost, 0 double, 0 behind, 0 late by 0");
        check("1@0 2@20 9000@40 9001@60", "4 in, 0 lost, 0 double, 0 behind, 0 late by 0");
    }

    #[test]
    fn jitter_follows_rfc_3550() {
        let start = Instant::now();
        let mut arrivals = Arrivals::default();
        for index in 0..200_u16 {
            let wobble = u64::from(index % 2) * 8;
            let at = start + Duration::from_millis(u64::from(index) * 20 + wobble);
            let time = u32::from(index) * 160;
            arrivals.handle_packet(Packet { at, ssrc: 1, sequence: index, time, marker: false, event: false });
        }
        // Every difference is 8 ms, to which the running mean converges.
        assert_eq!(arrivals.jitter().as_millis(), 7);
    }
}
