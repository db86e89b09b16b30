//! Extended reports (RFC 3611): round trips for those who only receive, and how a call sounded to its receiver.

use std::time::Duration;

use super::{EXTENDED, NtpTime, round_trip, word, write_header};
use crate::bursts::{GAP_MIN, Shape};
use crate::error::Error;

/// The blocks of one extended report; those of other types are skipped, and so are second ones of a type.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extended {
    /// When the reporter wrote this: whoever reads it answers with a [`Delay`].
    pub reference: Option<NtpTime>,
    /// The answer to the reference time of the stream's sender.
    pub delay: Option<Delay>,
    /// How the other's stream sounds.
    pub voip: Option<VoipMetrics>,
}

/// One sub-block of a DLRR block (§4.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Delay {
    /// Who is answered.
    pub ssrc: u32,
    /// [`NtpTime::middle`] of the reference time.
    pub last_reference: u32,
    /// Time since it came, in 1/65,536 s.
    pub delay: u32,
}

impl Delay {
    /// Round-trip time when this comes at `now`.
    pub fn round_trip(&self, now: NtpTime) -> Option<Duration> {
        round_trip(self.last_reference, self.delay, now)
    }
}

/// A VoIP metrics block (§4.7), in the units of the wire; levels of signal, noise and echo are never told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VoipMetrics {
    /// The stream it is about.
    pub ssrc: u32,
    /// Packets lost, of 256.
    pub loss_rate: u8,
    /// Packets that came too late, of 256.
    pub discard_rate: u8,
    /// Packets missing in bursts and in the gaps between them, of 256.
    pub burst_density: u8,
    /// See [`Self::burst_density`].
    pub gap_density: u8,
    /// Mean length in ms.
    pub burst_ms: u16,
    /// Mean length in ms.
    pub gap_ms: u16,
    /// Between the RTP interfaces, in ms; 0 when not known.
    pub round_trip_ms: u16,
    /// From our RTP interface to the listener and back, in ms.
    pub end_system_ms: u16,
    /// Transmission rating, 0 to 100; [`UNAVAILABLE`].
    pub rating: u8,
    /// Tenths of a mean opinion score by loss and codec, 10 to 50; [`UNAVAILABLE`].
    pub listening: u8,
    /// The same with delay.
    pub conversational: u8,
    /// What the jitter buffer holds now, in ms.
    pub buffer_ms: u16,
    /// What it ever may, in ms.
    pub buffer_max_ms: u16,
}

/// What a level, rating or score reads when it is not known.
pub const UNAVAILABLE: u8 = 127;

impl VoipMetrics {
    /// Sets densities and lengths from packets of this length.
    pub fn set_shape(&mut self, shape: Shape, packet: Duration) {
        let length = |packets: f64| (packets * packet.as_secs_f64() * 1_000.0).min(f64::from(u16::MAX)) as u16;
        (self.burst_density, self.gap_density) = (of_256(shape.burst_density), of_256(shape.gap_density));
        (self.burst_ms, self.gap_ms) = (length(shape.burst), length(shape.gap));
    }
}

/// A share as its wire has it.
pub fn of_256(share: f64) -> u8 {
    (share * 256.0).clamp(0.0, 255.0) as u8
}

const REFERENCE: u8 = 4;
const DELAYS: u8 = 5;
const VOIP: u8 = 7;
/// Octets of the contents of a VoIP metrics block.
const VOIP_LENGTH: usize = 32;
const HEADER: usize = 4;
/// Enhanced concealment, an adaptive buffer, at no told rate.
const RECEIVER: u8 = 0b1011_0000;

impl Extended {
    pub(super) fn write(&self, ssrc: u32, out: &mut Vec<u8>) {
        let lengths = [self.reference.map(|_| 8), self.delay.map(|_| 12), self.voip.map(|_| VOIP_LENGTH)];
        let blocks: usize = lengths.into_iter().flatten().map(|length| HEADER + length).sum();
        if blocks == 0 {
            return;
        }
        write_header(out, 0, EXTENDED, 4 + blocks);
        out.extend(ssrc.to_be_bytes());
        if let Some(NtpTime(time)) = self.reference {
            write_block_header(out, REFERENCE, 8);
            out.extend(time.to_be_bytes());
        }
        if let Some(Delay { ssrc, last_reference, delay }) = self.delay {
            write_block_header(out, DELAYS, 12);
            [ssrc, last_reference, delay].iter().for_each(|word| out.extend(word.to_be_bytes()));
        }
        if let Some(voip) = self.voip {
            write_block_header(out, VOIP, VOIP_LENGTH);
            voip.write(out);
        }
    }

    /// Reads what follows the header of the packet.
    pub(super) fn take(&mut self, body: &[u8]) -> Result<(), Error> {
        let mut rest = body.get(4..).ok_or(Error::Truncated { needed: 4, length: body.len() })?;
        while let [kind, _, high, low, after @ ..] = rest {
            let needed = usize::from(u16::from_be_bytes([*high, *low])) * 4;
            let contents = after.get(..needed).ok_or(Error::Truncated { needed, length: after.len() })?;
            rest = &after[needed..];
            match *kind {
                REFERENCE if needed == 8 => {
                    self.reference.get_or_insert(NtpTime(u64::from(word(contents, 0)) << 32 | u64::from(word(contents, 4))));
                }
                DELAYS if needed >= 12 => {
                    let [ssrc, last_reference, delay] = [0, 4, 8].map(|at| word(contents, at));
                    self.delay.get_or_insert(Delay { ssrc, last_reference, delay });
                }
                VOIP if needed == VOIP_LENGTH => {
                    self.voip.get_or_insert_with(|| VoipMetrics::read(contents));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl VoipMetrics {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.ssrc.to_be_bytes());
        out.extend([self.loss_rate, self.discard_rate, self.burst_density, self.gap_density]);
        for ms in [self.burst_ms, self.gap_ms, self.round_trip_ms, self.end_system_ms] {
            out.extend(ms.to_be_bytes());
        }
        out.extend([UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, GAP_MIN]);
        out.extend([self.rating, UNAVAILABLE, self.listening, self.conversational, RECEIVER, 0]);
        for ms in [self.buffer_ms, self.buffer_max_ms, self.buffer_max_ms] {
            out.extend(ms.to_be_bytes());
        }
    }

    fn read(contents: &[u8]) -> Self {
        let short = |at: usize| u16::from_be_bytes([contents[at], contents[at + 1]]);
        Self {
            ssrc: word(contents, 0),
            loss_rate: contents[4],
            discard_rate: contents[5],
            burst_density: contents[6],
            gap_density: contents[7],
            burst_ms: short(8),
            gap_ms: short(10),
            round_trip_ms: short(12),
            end_system_ms: short(14),
            rating: contents[20],
            listening: contents[22],
            conversational: contents[23],
            buffer_ms: short(26),
            buffer_max_ms: short(28),
        }
    }
}

fn write_block_header(out: &mut Vec<u8>, kind: u8, length: usize) {
    let [high, low] = ((length / 4) as u16).to_be_bytes();
    out.extend([kind, 0, high, low]);
}
