//! RTP as a virtual caller speaks it: a second writing of RFC 3550 headers and RFC 4733 events, apart from the server's.

use std::time::Instant;

use crate::arrivals::Packet;

/// Length of a header without extensions and contributing sources.
pub const HEADER: usize = 12;
/// Ticks of the RTP clock in a 20 ms frame, at 8 kHz.
const FRAME_TICKS: u32 = 160;
/// Frames that a DTMF key is held down: 100 ms, the least that all receivers take.
const KEY_FRAMES: u16 = 5;
/// Copies of the packet that ends a key (RFC 4733 §2.5.1.4).
const KEY_END_COPIES: u16 = 3;
/// Power level of an event, -dBm0.
const KEY_VOLUME: u8 = 10;

/// Writes the packets of one sent stream.
#[derive(Debug)]
pub struct Sender {
    ssrc: u32,
    sequence: u16,
    time: u32,
    payload_type: u8,
    frame_ticks: u32,
    key: Option<Key>,
    packet: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    event: u8,
    payload_type: u8,
    started: u32,
    frames: u16,
}

/// The parts of a received packet that a caller needs.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// What its arrival is judged by.
    pub packet: Packet,
    /// RTP payload type.
    pub payload_type: u8,
    /// The audio.
    pub payload: &'a [u8],
}

impl Sender {
    /// A stream with these random starts (RFC 3550 §5.1).
    pub fn new(payload_type: u8, ssrc: u32, sequence: u16, time: u32) -> Self {
        Self { ssrc, sequence, time, payload_type, frame_ticks: FRAME_TICKS, key: None, packet: Vec::new() }
    }

    /// The same on a clock with so many ticks in 20 ms, which is 160 otherwise.
    pub fn at_clock(self, frame_ticks: u32) -> Self {
        Self { frame_ticks, ..self }
    }

    /// Starts a DTMF key; it takes the place of audio for 160 ms. False while another is held or for no DTMF character.
    pub fn press(&mut self, key: char, payload_type: u8) -> bool {
        let Some(event) = event(key).filter(|_| self.key.is_none()) else {
            return false;
        };
        self.key = Some(Key { event, payload_type, started: self.time, frames: 0 });
        true
    }

    /// The packet for the next 20 ms.
    pub fn next_packet(&mut self, audio: &[u8]) -> &[u8] {
        match self.key.take() {
            Some(key) => self.write_key(key),
            None => {
                self.write_header(self.payload_type, false, self.time);
                self.packet.extend_from_slice(audio);
            }
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.time = self.time.wrapping_add(self.frame_ticks);
        &self.packet
    }

    fn write_key(&mut self, mut key: Key) {
        key.frames += 1;
        let end = key.frames > KEY_FRAMES;
        self.write_header(key.payload_type, key.frames == 1, key.started);
        let ticks = key.frames.min(KEY_FRAMES) * self.frame_ticks as u16;
        self.packet.extend_from_slice(&[key.event, u8::from(end) << 7 | KEY_VOLUME]);
        self.packet.extend_from_slice(&ticks.to_be_bytes());
        if key.frames < KEY_FRAMES + KEY_END_COPIES {
            self.key = Some(key);
        }
    }

    fn write_header(&mut self, payload_type: u8, marker: bool, time: u32) {
        self.packet.clear();
        self.packet.extend_from_slice(&[0x80, u8::from(marker) << 7 | payload_type]);
        self.packet.extend_from_slice(&self.sequence.to_be_bytes());
        self.packet.extend_from_slice(&time.to_be_bytes());
        self.packet.extend_from_slice(&self.ssrc.to_be_bytes());
    }
}

/// Reads a packet; `event_type` is the payload type of telephone events. None for RTCP (RFC 5761 §4) and for what is no RTP.
pub fn read(at: Instant, bytes: &[u8], event_type: Option<u8>) -> Option<Received<'_>> {
    let (head, rest) = bytes.split_first_chunk::<HEADER>()?;
    let rtcp = (192..=223).contains(&head[1]);
    if head[0] >> 6 != 2 || rtcp {
        return None;
    }
    let mut payload = rest.get(usize::from(head[0] & 0x0F) * 4..)?;
    if head[0] & 0x10 != 0 {
        let words = u16::from_be_bytes([*payload.get(2)?, *payload.get(3)?]);
        payload = payload.get(4 + usize::from(words) * 4..)?;
    }
    if head[0] & 0x20 != 0 {
        let padding = usize::from(*payload.last()?);
        payload = &payload[..payload.len().checked_sub(padding)?];
    }
    let packet = Packet {
        at,
        ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
        sequence: u16::from_be_bytes([head[2], head[3]]),
        time: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        marker: head[1] & 0x80 != 0,
        event: event_type == Some(head[1] & 0x7F),
    };
    Some(Received { packet, payload_type: head[1] & 0x7F, payload })
}

/// The keys of a telephone in the order of their event codes (RFC 4733 §3.2).
const KEYS: &str = "0123456789*#ABCD";

fn event(key: char) -> Option<u8> {
    KEYS.find(key.to_ascii_uppercase()).and_then(|index| u8::try_from(index).ok())
}

/// Keys heard at most in a call; more are not told.
const KEYS_HEARD_MAX: usize = 64;

/// Hears the DTMF keys of one received stream.
#[derive(Debug, Default)]
pub struct KeyEar {
    keys: String,
    /// RTP time of the key heard last: all packets of a key carry the same (RFC 4733 §2.5.1.1).
    last: Option<u32>,
}

impl KeyEar {
    /// Takes a telephone event packet.
    pub fn handle_event(&mut self, received: &Received<'_>) {
        let key = received.payload.first().and_then(|code| KEYS.chars().nth(usize::from(*code)));
        if self.last != Some(received.packet.time)
            && self.keys.len() < KEYS_HEARD_MAX
            && let Some(key) = key
        {
            self.last = Some(received.packet.time);
            self.keys.push(key);
        }
    }

    /// The keys so far.
    pub fn keys(&self) -> &str {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(packet: &[u8], want: &str) {
        let hex: String = packet.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, want);
    }

    #[test]
    fn audio_packets_count_up() {
        let mut sender = Sender::new(8, 0x0102_0304, 0xFFFF, 0xFFFF_FFFF);
        check(sender.next_packet(&[0xD5]), "8008ffffffffffff01020304d5");
        check(sender.next_packet(&[0xD5]), "800800000000009f01020304d5");
    }

    #[test]
    fn a_key_keeps_its_time_and_ends_three_times() {
        let mut sender = Sender::new(0, 1, 0, 0);
        assert!(sender.press('#', 101) && !sender.press('1', 101));
        let ends = ["0b0a00a0", "0b0a0140", "0b0a01e0", "0b0a0280", "0b0a0320", "0b8a0320", "0b8a0320", "0b8a0320"];
        for (index, event) in ends.iter().enumerate() {
            let kind = if index == 0 { "e5" } else { "65" };
            check(sender.next_packet(&[]), &format!("80{kind}{index:04x}0000000000000001{event}"));
        }
        check(sender.next_packet(&[7]), "80000008000005000000000107");
        assert!(!sender.press('x', 101));
    }

    #[test]
    fn a_key_is_heard_once_however_many_packets_tell_it() {
        let (mut sender, mut ear) = (Sender::new(0, 1, 0, 0), KeyEar::default());
        for key in ['5', '5', '#'] {
            assert!(sender.press(key, 101));
            for _ in 0..8 {
                let packet = sender.next_packet(&[]);
                ear.handle_event(&read(Instant::now(), packet, Some(101)).unwrap());
            }
        }
        assert_eq!(ear.keys(), "55#");
        let beyond = [0x80, 101, 0, 1, 0, 0, 0, 9, 0, 0, 0, 3, 16, 0, 0, 0];
        ear.handle_event(&read(Instant::now(), &beyond, Some(101)).unwrap());
        assert_eq!(ear.keys(), "55#");
    }

    #[test]
    fn extensions_and_padding_are_left_out() {
        let mut bytes = vec![0xB1, 0x00, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 0xBE, 0xDE, 0, 1, 5, 5, 5, 5];
        bytes.extend_from_slice(&[42, 0, 2]);
        assert_eq!(read(Instant::now(), &bytes, None).unwrap().payload, [42]);
    }

    #[test]
    fn what_is_no_rtp_is_not_read() {
        for bytes in [&[][..], &[0x80; 11], &[0x00; 12], &[0x80, 200, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(read(Instant::now(), bytes, None).is_none());
        }
        let padded = [0xA0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 200];
        assert!(read(Instant::now(), &padded, None).is_none());
    }
}
