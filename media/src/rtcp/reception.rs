//! How a stream arrives, as a report tells it.

use std::time::{Duration, Instant};

use super::{ReceptionReport, Report};
use crate::rtp::RtpPacket;
use crate::units::{RtpTime, SampleRate, SeqNo};

/// Counts how a stream arrives. Feed it every valid packet of the stream, whatever its payload type.
#[derive(Debug)]
pub struct Reception {
    rate: SampleRate,
    stream: Option<Stream>,
    sender_report: Option<(u32, Instant)>,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    first: SeqNo,
    highest: SeqNo,
    received: u64,
    reported: (u64, u64), // expected and received at the last report
    start: Instant,
    last: (RtpTime, u32), // timestamp and arrival of the last packet, in ticks
    jitter: u32,          // in 1/16 tick, as in A.8
}

/// Steps of the sequence beyond this are a restarted stream, not loss (RFC 3550 A.1).
pub(crate) const MAX_DROPOUT: u64 = 3_000;

impl Reception {
    /// Counts nothing yet; `rate` is that of the RTP clock.
    pub fn new(rate: SampleRate) -> Self {
        Self { rate, stream: None, sender_report: None }
    }

    /// Counts one packet. A new SSRC or a jump of the sequence starts the count afresh.
    pub fn handle_packet(&mut self, now: Instant, packet: &RtpPacket) {
        let rate = self.rate;
        let stream = match &mut self.stream {
            Some(stream) if stream.follows(packet) => stream,
            other => {
                self.sender_report = None;
                other.insert(Stream::start(now, packet))
            }
        };
        let sequence = stream.highest.extend(packet.sequence);
        stream.highest = stream.highest.max(sequence);
        stream.received += 1;
        let since = now.saturating_duration_since(stream.start);
        let arrival = rate.samples_in(since) as u32;
        let (last_time, last_arrival) = stream.last;
        // Packets of one DTMF event share a timestamp and say nothing of jitter.
        if packet.timestamp != last_time {
            let spacing = packet.timestamp.since(last_time);
            let drift = (arrival.wrapping_sub(last_arrival) as i32).wrapping_sub(spacing);
            let jitter = stream.jitter - ((stream.jitter + 8) >> 4);
            stream.jitter = jitter.saturating_add(drift.unsigned_abs().min(1 << 20));
            stream.last = (packet.timestamp, arrival);
        }
    }

    /// Remembers the peer's sender report for LSR and DLSR; a stream whose end it tells is reported on no more.
    pub fn handle_report(&mut self, now: Instant, report: &Report) {
        if report.bye.is_some() && self.stream.as_ref().map(|stream| stream.ssrc) == report.bye {
            self.stream = None;
            self.sender_report = None;
            return;
        }
        let known = self.stream.as_ref().is_some_and(|stream| stream.ssrc == report.ssrc);
        if let Some(sender) = report.sender.filter(|_| known) {
            self.sender_report = Some((sender.ntp.middle(), now));
        }
    }

    /// The block for our next report, `None` before the first packet. `fraction_lost` counts from the last call.
    pub fn report(&mut self, now: Instant) -> Option<ReceptionReport> {
        let stream = self.stream.as_mut()?;
        let (expected, received) = (stream.expected(), stream.received);
        let expected_since = expected - stream.reported.0;
        let lost_since = expected_since.saturating_sub(received - stream.reported.1);
        stream.reported = (expected, received);
        let (last_sender_report, delay) = self.sender_report.map_or((0, 0), |(middle, at)| {
            let since = now.saturating_duration_since(at).as_micros();
            (middle, (since * 65_536 / 1_000_000) as u32)
        });
        Some(ReceptionReport {
            ssrc: stream.ssrc,
            fraction_lost: (lost_since * 256).checked_div(expected_since).unwrap_or(0).min(255) as u8,
            lost: (expected as i64 - received as i64).clamp(-0x80_0000, 0x7F_FFFF) as i32,
            highest: (stream.highest.0 - 0x1_0000) as u32,
            jitter: stream.jitter >> 4,
            last_sender_report,
            delay,
        })
    }

    /// Packets counted of the present stream.
    pub fn received(&self) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.received)
    }

    /// Packets of the present stream that never came, so far.
    pub fn lost(&self) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.expected().saturating_sub(stream.received))
    }

    /// Interarrival jitter.
    pub fn jitter(&self) -> Duration {
        let ticks = self.stream.as_ref().map_or(0, |stream| stream.jitter >> 4);
        self.rate.duration_of(ticks.into())
    }
}

impl Stream {
    fn start(now: Instant, packet: &RtpPacket) -> Self {
        let first = SeqNo::first(packet.sequence);
        Self {
            ssrc: packet.ssrc,
            first,
            highest: first,
            received: 0,
            reported: (0, 0),
            start: now,
            last: (packet.timestamp, 0),
            jitter: 0,
        }
    }

    fn follows(&self, packet: &RtpPacket) -> bool {
        let sequence = self.highest.extend(packet.sequence);
        packet.ssrc == self.ssrc && sequence.0.abs_diff(self.highest.0) <= MAX_DROPOUT
    }

    fn expected(&self) -> u64 {
        self.highest.0 - self.first.0 + 1
    }
}
