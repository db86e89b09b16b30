//! RTCP: reports in and out, and what they count (RFC 3550 §6, A.3, A.8; extended reports of RFC 3611 in `xr`).
//!
//! Written here and not taken from the `rtcp` crate: as of 0.17.2 that one ends an SDES chunk with a padding count
//! where RFC 3550 §6.5 wants zeros, reads padding as a profile extension, counts loss without its sign, and brings
//! parsers for feedback we never negotiate.

mod reception;
pub mod xr;

use std::time::Duration;

use rand::Rng;

use crate::error::Error;
use crate::rtp::MAX_DATAGRAM;
use crate::units::RtpTime;
pub(crate) use reception::MAX_DROPOUT;
pub use reception::Reception;
use xr::Extended;

/// Wall-clock time as RTCP carries it: seconds since 1900 in 32.32 fixed point.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From time since 1970-01-01 UTC.
    pub fn from_unix(since_epoch: Duration) -> Self {
        const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
        let seconds = since_epoch.as_secs().wrapping_add(SECONDS_1900_TO_1970);
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000;
        Self(seconds << 32 | fraction)
    }

    /// The middle 32 bits: seconds and fraction in 16.16.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// What a sender report says of its sender (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SenderInfo {
    /// Wall clock when the report was written.
    pub ntp: NtpTime,
    /// The same moment on the stream's RTP clock.
    pub time: RtpTime,
    /// Packets sent since the stream began; wraps.
    pub packets: u32,
    /// Payload octets sent since the stream began; wraps.
    pub octets: u32,
}

/// How one stream arrived, as its receiver tells its sender (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReceptionReport {
    /// The stream reported on.
    pub ssrc: u32,
    /// Packets lost since the last report, of 256.
    pub fraction_lost: u8,
    /// Packets lost since the stream began, -2^23 to 2^23 - 1; negative when duplicates outnumber losses.
    pub lost: i32,
    /// Highest sequence number received, with its cycles in the upper 16 bits.
    pub highest: u32,
    /// Interarrival jitter in RTP clock ticks.
    pub jitter: u32,
    /// [`NtpTime::middle`] of the last sender report; 0 before the first.
    pub last_sender_report: u32,
    /// Time since that report arrived, in 1/65,536 s.
    pub delay: u32,
}

impl ReceptionReport {
    /// Round-trip time when this report arrives at `now`; `None` before our first sender report, or when clocks were
    /// set back.
    pub fn round_trip(&self, now: NtpTime) -> Option<Duration> {
        round_trip(self.last_sender_report, self.delay, now)
    }
}

/// Time since we wrote what the peer read then and answered after `delay`.
fn round_trip(written: u32, delay: u32, now: NtpTime) -> Option<Duration> {
    if written == 0 {
        return None;
    }
    let ticks = now.middle().wrapping_sub(written.wrapping_add(delay)) as i32;
    let ticks = u32::try_from(ticks).ok()?;
    Some(Duration::from_nanos((u64::from(ticks) * 1_000_000_000) >> 16))
}

/// A compound packet: one sender or receiver report, CNAME, perhaps an extended report and a BYE.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Who reports.
    pub ssrc: u32,
    /// Set when the reporter sends; makes this a sender report.
    pub sender: Option<SenderInfo>,
    /// Streams the reporter receives; 31 at most are written.
    pub receptions: Vec<ReceptionReport>,
    /// What the reporter tells besides (RFC 3611).
    pub extended: Extended,
    /// The stream that is over (RFC 3550 §6.6); of several the first.
    pub bye: Option<u32>,
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const EXTENDED: u8 = 207;
const CNAME: u8 = 1;
const SENDER_INFO: usize = 20;
const BLOCK: usize = 24;

impl Report {
    /// Reads one datagram. SDES is checked and dropped (a CNAME may hold a phone number), other types are skipped.
    ///
    /// # Errors
    /// `TooShort`, `TooLong`, `Version`, `Truncated` or `Padding`, of the first packet in the compound that is wrong.
    pub fn parse(datagram: &[u8]) -> Result<Self, Error> {
        let length = datagram.len();
        if length > MAX_DATAGRAM {
            return Err(Error::TooLong { length });
        }
        let mut report = Self::default();
        let mut rest = datagram;
        loop {
            let (packet, after) = split_packet(rest)?;
            report.take(packet)?;
            if after.is_empty() {
                return Ok(report);
            }
            rest = after;
        }
    }

    /// Writes this report over `out`, with `cname` cut to 255 octets.
    pub fn write(&self, cname: &str, out: &mut Vec<u8>) {
        out.clear();
        let blocks = &self.receptions[..self.receptions.len().min(31)];
        let (kind, sender) = match self.sender {
            Some(_) => (SENDER_REPORT, SENDER_INFO),
            None => (RECEIVER_REPORT, 0),
        };
        write_header(out, blocks.len() as u8, kind, 4 + sender + blocks.len() * BLOCK);
        out.extend(self.ssrc.to_be_bytes());
        if let Some(sender) = self.sender {
            out.extend(sender.ntp.0.to_be_bytes());
            for word in [sender.time.0, sender.packets, sender.octets] {
                out.extend(word.to_be_bytes());
            }
        }
        for block in blocks {
            write_block(out, block);
        }
        let cname = &cname.as_bytes()[..cname.len().min(255)];
        let chunk = (4 + 2 + cname.len() + 1).next_multiple_of(4);
        write_header(out, 1, SOURCE_DESCRIPTION, chunk);
        let end = out.len() + chunk;
        out.extend(self.ssrc.to_be_bytes());
        out.extend([CNAME, cname.len() as u8]);
        out.extend(cname);
        out.resize(end, 0);
        self.extended.write(self.ssrc, out);
        if let Some(ssrc) = self.bye {
            write_header(out, 1, BYE, 4);
            out.extend(ssrc.to_be_bytes());
        }
    }

    fn take(&mut self, packet: Packet<'_>) -> Result<(), Error> {
        let Packet { count, kind, body } = packet;
        match kind {
            SENDER_REPORT | RECEIVER_REPORT => {
                let sender = if kind == SENDER_REPORT { SENDER_INFO } else { 0 };
                let blocks = 4 + sender;
                let needed = blocks + count * BLOCK;
                if needed > body.len() {
                    return Err(Error::Truncated { needed, length: body.len() });
                }
                self.ssrc = word(body, 0);
                if kind == SENDER_REPORT {
                    self.sender = Some(SenderInfo {
                        ntp: NtpTime(u64::from(word(body, 4)) << 32 | u64::from(word(body, 8))),
                        time: RtpTime(word(body, 12)),
                        packets: word(body, 16),
                        octets: word(body, 20),
                    });
                }
                let read = body[blocks..needed].chunks_exact(BLOCK).map(read_block);
                self.receptions.extend(read);
            }
            BYE => {
                let needed = count * 4;
                if needed > body.len() {
                    return Err(Error::Truncated { needed, length: body.len() });
                }
                self.bye = body.first_chunk().filter(|_| count > 0).map(|ssrc| u32::from_be_bytes(*ssrc));
            }
            EXTENDED => self.extended.take(body)?,
            _ => {}
        }
        Ok(())
    }
}

struct Packet<'a> {
    count: usize,
    kind: u8,
    body: &'a [u8],
}

fn split_packet(bytes: &[u8]) -> Result<(Packet<'_>, &[u8]), Error> {
    let length = bytes.len();
    let &[first, kind, high, low, ..] = bytes else {
        return Err(Error::TooShort { length, minimum: 4 });
    };
    let version = first >> 6;
    if version != 2 {
        return Err(Error::Version { version });
    }
    let needed = 4 + usize::from(u16::from_be_bytes([high, low])) * 4;
    if needed > length {
        return Err(Error::Truncated { needed, length });
    }
    let (packet, after) = bytes.split_at(needed);
    let mut body = &packet[4..];
    if first & 0x20 != 0 {
        let padding = body.last().map_or(0, |&octets| usize::from(octets));
        let length = body.len();
        if padding == 0 || padding > length {
            return Err(Error::Padding { padding, length });
        }
        body = &body[..length - padding];
    }
    let count = usize::from(first & 0x1F);
    Ok((Packet { count, kind, body }, after))
}

fn write_header(out: &mut Vec<u8>, count: u8, kind: u8, body: usize) {
    let [high, low] = ((body / 4) as u16).to_be_bytes();
    out.extend([0x80 | count, kind, high, low]);
}

fn write_block(out: &mut Vec<u8>, block: &ReceptionReport) {
    let lost = block.lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
    let words = [
        block.ssrc,
        u32::from(block.fraction_lost) << 24 | lost,
        block.highest,
        block.jitter,
        block.last_sender_report,
        block.delay,
    ];
    for word in words {
        out.extend(word.to_be_bytes());
    }
}

fn read_block(block: &[u8]) -> ReceptionReport {
    let loss = word(block, 4);
    ReceptionReport {
        ssrc: word(block, 0),
        fraction_lost: (loss >> 24) as u8,
        lost: (loss << 8) as i32 >> 8,
        highest: word(block, 8),
        jitter: word(block, 12),
        last_sender_report: word(block, 16),
        delay: word(block, 20),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |word, &octet| word << 8 | u32::from(octet))
}

/// When reports are due (RFC 3550 §6.2, A.7): both parties send, and 5 % of what they may send is for reports, but none is sooner than 5 s
/// after the last on the mean, the first 2.5 s. Spread from half to one and a half times that, so that calls do not report in step.
#[derive(Debug)]
pub struct Schedule {
    /// Octets of a report, with the headers below it, on the mean.
    size: f64,
    first: bool,
}

/// Octets a second for reports: 5 % of what G.711 takes. Codecs that take less leave the shortest interval to be longer than this asks for.
const REPORTS: f64 = 400.0;
/// Octets of IP and UDP headers.
const BELOW: usize = 28;
/// Both parties.
const MEMBERS: f64 = 2.0;
/// The shortest mean interval in seconds.
const INTERVAL: f64 = 5.0;
/// What makes up for members who wait again when others came: e - 3/2.
const COMPENSATION: f64 = std::f64::consts::E - 1.5;

impl Default for Schedule {
    fn default() -> Self {
        Self { size: 128.0, first: true }
    }
}

impl Schedule {
    /// A report of so many octets was sent or came.
    pub fn handle_report(&mut self, octets: usize) {
        self.size += ((octets + BELOW) as f64 - self.size) / 16.0;
        self.first = false;
    }

    /// Pause until the next report of ours: 2 to 6.2 s, the first 1 to 3.1.
    pub fn interval(&self, random: &mut impl Rng) -> Duration {
        let shortest = if self.first { INTERVAL / 2.0 } else { INTERVAL };
        let mean = (self.size * MEMBERS / REPORTS).max(shortest);
        let spread = 0.5 + f64::from(random.next_u32()) / f64::from(u32::MAX);
        Duration::from_secs_f64(mean * spread / COMPENSATION)
    }
}

#[cfg(test)]
mod tests;
