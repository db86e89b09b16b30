//! The jitter buffer under any order of packets, ticks and pauses.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use media::codec::Codec;
use media::jitter::{JitterBuffer, JitterConfig};
use media::line::LineCodec;
use media::rtp::{MAX_DATAGRAM, PayloadTypes, RtpPacket};
use media::units::{FRAME, FRAME_SAMPLES, RtpTime};

use crate::epoch;

/// Steps of one run at most: twenty seconds of a call.
const STEPS_MAX: usize = 1_000;

#[derive(Arbitrary, Debug)]
enum Step {
    /// The next packet of the stream as a sender makes it.
    Next { octets: u8 },
    /// A packet from anywhere in it, or from another stream.
    Packet { ahead: i16, time: i32, stream: Stream, payload_type: Payload, octets: u16, fill: u8 },
    /// A packet that came before, once more.
    Again,
    /// A frame is played, on time or late.
    Playout { late_ms: u8 },
    /// Nothing happens for a while.
    Pause { ms: u16 },
    /// The call changes its codec.
    Renegotiate { codec: u8 },
}

#[derive(Arbitrary, Debug)]
enum Stream {
    Same,
    Other(u8),
}

#[derive(Arbitrary, Debug)]
enum Payload {
    Audio,
    Event,
    Noise,
    Any(u8),
}

/// One of the codecs of the wire.
pub(crate) fn codec(number: u8) -> LineCodec {
    [LineCodec::G711(Codec::Pcmu), LineCodec::G711(Codec::Pcma), LineCodec::G722, LineCodec::Opus][usize::from(number % 4)]
}

/// Any steps: each tick gives one whole frame, and no more waits than packets may.
pub fn jitter(bytes: &[u8]) {
    let mut data = Unstructured::new(bytes);
    let types = |number| PayloadTypes { telephone_event: Some(101), ..PayloadTypes::of(codec(number)) };
    let mut agreed = types(data.arbitrary().unwrap_or(0));
    let mut now = epoch();
    let mut buffer = JitterBuffer::new(JitterConfig::default(), agreed);
    let mut last = packet(0, 0, agreed.audio, 160, 0);
    for _ in 0..STEPS_MAX {
        if data.is_empty() {
            break;
        }
        let Ok(step) = data.arbitrary::<Step>() else { break };
        match step {
            Step::Next { octets } => {
                let time = last.timestamp.0.wrapping_add(u32::from(octets));
                last = packet(last.sequence.wrapping_add(1), time, agreed.audio, octets.into(), 0x55);
                buffer.handle_packet(now, &last);
            }
            Step::Packet { ahead, time, stream, payload_type, octets, fill } => {
                let payload_type = match payload_type {
                    Payload::Audio => agreed.audio,
                    Payload::Event => 101,
                    Payload::Noise => 13,
                    Payload::Any(number) => number & 127,
                };
                let time = last.timestamp.0.wrapping_add_signed(time);
                let sequence = last.sequence.wrapping_add_signed(ahead);
                last = packet(sequence, time, payload_type, usize::from(octets) % MAX_DATAGRAM, fill);
                if let Stream::Other(number) = stream {
                    last.ssrc = number.into();
                }
                buffer.handle_packet(now, &last);
            }
            Step::Again => buffer.handle_packet(now, &last),
            Step::Playout { late_ms } => {
                now += FRAME + Duration::from_millis(u64::from(late_ms));
                let frame = buffer.playout(now);
                assert_eq!((frame.samples.len(), frame.encoded.len()), (FRAME_SAMPLES, FRAME_SAMPLES));
            }
            Step::Pause { ms } => now += Duration::from_millis(u64::from(ms)),
            Step::Renegotiate { codec } => {
                agreed = types(codec);
                buffer.renegotiate(agreed);
            }
        }
        let (depth, most) = (buffer.stats(now).depth, LONGEST * (JitterBuffer::CAPACITY as u32 + 2));
        assert!(depth <= most, "{depth:?} wait");
    }
}

/// More than a datagram of G.711 or a packet of Opus holds.
const LONGEST: Duration = Duration::from_millis(200);

fn packet(sequence: u16, time: u32, payload_type: u8, octets: usize, fill: u8) -> RtpPacket {
    let payload = Bytes::from(vec![fill; octets]);
    RtpPacket { payload_type, marker: false, sequence, timestamp: RtpTime(time), ssrc: 0x1234, payload }
}
