//! RTP packets in and out (RFC 3550 §5, RFC 3551).

use bytes::Bytes;
use rand::Rng;
use rtp::header::Header;
use webrtc_util::marshal::{Marshal, Unmarshal};

use crate::dtmf::EventPacket;
use crate::error::Error;
use crate::line::LineCodec;
use crate::units::{FRAME, FRAME_SAMPLES, RtpTime, SampleRate, SeqNo};

/// Largest datagram read: one Ethernet frame; no RTP of ours or of a sane peer is larger.
pub const MAX_DATAGRAM: usize = 1_500;

/// Payload type of comfort noise (RFC 3389) at 8 kHz, sent by many who never negotiated it.
pub const COMFORT_NOISE: u8 = 13;

/// Octets of a header without CSRC list and extension.
pub(crate) const FIXED_HEADER: usize = 12;
const MAX_HEADER: usize = FIXED_HEADER + 15 * 4;

/// One packet as it came from the wire; `payload` shares the datagram's memory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RtpPacket {
    /// 0 to 127; see [`PayloadTypes::kind`].
    pub payload_type: u8,
    /// First packet after silence, or of a DTMF event.
    pub marker: bool,
    /// 16 bits; extended by whoever follows the stream.
    pub sequence: u16,
    /// Time of the first sample.
    pub timestamp: RtpTime,
    /// The stream this packet belongs to.
    pub ssrc: u32,
    /// What follows header, CSRC list and extension, without padding; may be empty.
    pub payload: Bytes,
}

impl RtpPacket {
    /// Reads one datagram. CSRC list and header extension are skipped.
    ///
    /// The `rtp` crate reads only the fixed header and CSRC list here: its reader of header extensions panics on a
    /// length that passes the end, and takes what follows a reserved id for payload.
    ///
    /// # Errors
    /// `TooShort`, `TooLong`, `Version`, `Truncated` or `Padding`, whatever is wrong first.
    pub fn parse(mut datagram: Bytes) -> Result<Self, Error> {
        let length = datagram.len();
        let needed = fixed_length(&datagram)?;
        let header = read_header(&datagram, needed).ok_or(Error::Truncated { needed, length })?;
        let start = payload_start(&datagram, needed)?;
        let end = length - padding(&datagram, start)?;
        datagram.truncate(end);
        Ok(Self {
            payload_type: header.payload_type,
            marker: header.marker,
            sequence: header.sequence_number,
            timestamp: RtpTime(header.timestamp),
            ssrc: header.ssrc,
            payload: datagram.split_off(start),
        })
    }
}

/// Whether a datagram on a port shared by both is RTCP (RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [_, 192..=223, ..])
}

/// Octets before the payload: header, CSRC list and extension.
pub(crate) fn header_length(datagram: &[u8]) -> Result<usize, Error> {
    let (needed, length) = (fixed_length(datagram)?, datagram.len());
    if needed > length {
        return Err(Error::Truncated { needed, length });
    }
    payload_start(datagram, needed)
}

/// Octets of header and CSRC list, which need not all be there.
fn fixed_length(datagram: &[u8]) -> Result<usize, Error> {
    let length = datagram.len();
    if length > MAX_DATAGRAM {
        return Err(Error::TooLong { length });
    }
    if length < FIXED_HEADER {
        return Err(Error::TooShort { length, minimum: FIXED_HEADER });
    }
    let version = datagram[0] >> 6;
    if version != 2 {
        return Err(Error::Version { version });
    }
    Ok(FIXED_HEADER + usize::from(datagram[0] & 0xF) * 4)
}

fn read_header(datagram: &[u8], needed: usize) -> Option<Header> {
    let mut header = [0; MAX_HEADER];
    let header = &mut header[..needed];
    header.copy_from_slice(datagram.get(..needed)?);
    header[0] &= !0x10; // the extension bit: see `RtpPacket::parse`
    Header::unmarshal(&mut &*header).ok()
}

fn payload_start(datagram: &[u8], header: usize) -> Result<usize, Error> {
    if datagram[0] & 0x10 == 0 {
        return Ok(header);
    }
    let length = datagram.len();
    let Some(&[_, _, high, low]) = datagram.get(header..header + 4) else {
        return Err(Error::Truncated { needed: header + 4, length });
    };
    let needed = header + 4 + usize::from(u16::from_be_bytes([high, low])) * 4;
    if needed > length {
        return Err(Error::Truncated { needed, length });
    }
    Ok(needed)
}

fn padding(datagram: &[u8], start: usize) -> Result<usize, Error> {
    if datagram[0] & 0x20 == 0 {
        return Ok(0);
    }
    let length = datagram.len() - start;
    let padding = datagram[start..].last().map_or(0, |&octets| usize::from(octets));
    if padding == 0 || padding > length {
        return Err(Error::Padding { padding, length });
    }
    Ok(padding)
}

/// What a packet's payload is, by what was negotiated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PayloadKind {
    /// Speech in the leg's codec.
    Audio,
    /// A DTMF event (RFC 4733).
    TelephoneEvent,
    /// Comfort noise (RFC 3389): the peer is silent on purpose.
    ComfortNoise,
    /// Nothing that was negotiated: refused and counted as `payload_type`.
    Unknown,
}

/// The payload types that offer and answer agreed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PayloadTypes {
    /// The leg's codec.
    pub codec: LineCodec,
    /// Payload type of that codec.
    pub audio: u8,
    /// Payload type of telephone-event, if agreed.
    pub telephone_event: Option<u8>,
    /// Payload type of comfort noise, if agreed; [`COMFORT_NOISE`] is understood without.
    pub comfort_noise: Option<u8>,
}

impl PayloadTypes {
    /// `codec` under its usual payload type, without telephone-event.
    pub fn of(codec: impl Into<LineCodec>) -> Self {
        let codec = codec.into();
        Self { codec, audio: codec.row().payload_type, telephone_event: None, comfort_noise: None }
    }

    /// What a packet of this payload type carries.
    pub fn kind(&self, payload_type: u8) -> PayloadKind {
        if payload_type == self.audio {
            PayloadKind::Audio
        } else if Some(payload_type) == self.telephone_event {
            PayloadKind::TelephoneEvent
        } else if payload_type == COMFORT_NOISE || Some(payload_type) == self.comfort_noise {
            PayloadKind::ComfortNoise
        } else {
            PayloadKind::Unknown
        }
    }
}

/// The sending half of a stream: one SSRC, its sequence and its clock.
///
/// Call exactly one of `next_audio`, `next_event` and `skip` for each 20 ms: each moves the RTP clock by what it lasts, so the clock keeps
/// step with real time whether or not a packet goes out. Audio in longer or shorter packets moves it by as much on the whole.
#[derive(Debug)]
pub struct RtpSender {
    types: PayloadTypes,
    ssrc: u32,
    sequence: SeqNo,
    time: RtpTime,
    /// Behind the last packet that was passed on.
    passed: Option<RtpTime>,
    silent: bool,
    packets: u32,
    octets: u32,
    buffer: Vec<u8>,
}

impl RtpSender {
    /// A stream with random SSRC, first sequence number and first timestamp (RFC 3550 §5.1).
    pub fn new(types: PayloadTypes, random: &mut impl Rng) -> Self {
        Self {
            types,
            ssrc: random.next_u32(),
            sequence: first_sequence(random),
            time: RtpTime(random.next_u32()),
            passed: None,
            silent: true,
            packets: 0,
            octets: 0,
            buffer: Vec::with_capacity(FIXED_HEADER + FRAME_SAMPLES),
        }
    }

    /// One packet of audio in the leg's codec, which lasts `ticks` of the RTP clock; the stream's first packet, and the first after a gap,
    /// has the marker.
    pub fn next_audio(&mut self, payload: &[u8], ticks: u32) -> &[u8] {
        let time = self.time();
        let marker = std::mem::take(&mut self.silent);
        self.time = time.after(ticks);
        let head = Head { payload_type: self.types.audio, marker, sequence: self.sequence, time };
        self.write(head, payload)
    }

    /// One packet of a DTMF event, at the event's own timestamp; `None` when telephone-event was not agreed.
    pub fn next_event(&mut self, event: &EventPacket) -> Option<&[u8]> {
        self.skip();
        let payload_type = self.types.telephone_event?;
        let head = Head { payload_type, marker: event.marker, sequence: self.sequence, time: event.timestamp };
        Some(self.write(head, &event.payload))
    }

    /// One packet of somebody else's stream, under numbers of this one; what we send ourselves later comes behind it.
    pub(crate) fn pass_on(&mut self, head: Head, payload: &[u8]) -> &[u8] {
        let behind = head.time.after(self.rate().samples_in(FRAME) as u32);
        if behind.since(self.time()) > 0 {
            self.passed = Some(behind);
        }
        self.silent = true;
        self.write(head, payload)
    }

    /// Number of the next packet.
    pub(crate) fn sequence(&self) -> SeqNo {
        self.sequence
    }

    /// The payload type under which the peer takes this; `None`: not at all.
    pub(crate) fn payload_type(&self, kind: PayloadKind) -> Option<u8> {
        match kind {
            PayloadKind::Audio => Some(self.types.audio),
            PayloadKind::TelephoneEvent => self.types.telephone_event,
            PayloadKind::ComfortNoise => Some(self.types.comfort_noise.unwrap_or(COMFORT_NOISE)),
            PayloadKind::Unknown => None,
        }
    }

    /// Lets one frame of time pass without a packet.
    pub fn skip(&mut self) {
        self.pass(self.rate().samples_in(FRAME) as u32);
    }

    /// Lets time pass without a packet.
    pub fn pass(&mut self, ticks: u32) {
        self.time = self.time.after(ticks);
        self.silent = true;
    }

    /// A stream of its own from now on, on the same clock: under another key, the numbers of the one before must not come again
    /// (RFC 3711 §9.1).
    pub fn begin_anew(&mut self, random: &mut impl Rng) {
        self.ssrc = random.next_u32();
        self.sequence = first_sequence(random);
        (self.silent, self.packets, self.octets) = (true, 0, 0);
    }

    /// New payload types after a re-INVITE; the stream goes on.
    pub fn renegotiate(&mut self, types: PayloadTypes) {
        self.types = types;
    }

    /// Timestamp of the next audio packet.
    pub fn time(&self) -> RtpTime {
        self.passed.filter(|passed| passed.since(self.time) > 0).unwrap_or(self.time)
    }

    /// This stream's SSRC.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets and payload octets sent, as a sender report carries them (RFC 3550 §6.4.1); both wrap.
    pub fn sent(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// Rate of [`Self::time`].
    pub fn rate(&self) -> SampleRate {
        self.types.codec.row().clock
    }

    fn write(&mut self, head: Head, payload: &[u8]) -> &[u8] {
        let Head { payload_type, marker, sequence, time } = head;
        let header = Header {
            version: 2,
            marker,
            payload_type,
            sequence_number: sequence.wire(),
            timestamp: time.0,
            ssrc: self.ssrc,
            ..Header::default()
        };
        self.buffer.clear();
        self.buffer.resize(FIXED_HEADER, 0);
        header.marshal_to(&mut self.buffer).expect("a header without CSRC and extension takes 12 octets");
        self.buffer.extend_from_slice(payload);
        self.sequence = self.sequence.max(sequence.next());
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        &self.buffer
    }
}

/// What a packet says of its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: SeqNo,
    pub(crate) time: RtpTime,
}

/// In the lower half, so that a peer that misses the first packets does not take one after the wrap for one before it (RFC 3711 §3.3.1).
fn first_sequence(random: &mut impl Rng) -> SeqNo {
    SeqNo::first(random.next_u32() as u16 & 0x7fff)
}

#[cfg(test)]
mod tests;
