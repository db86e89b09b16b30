//! Tests of RTP packets in and out.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::codec::Codec;

const TYPES: PayloadTypes =
    PayloadTypes { codec: LineCodec::G711(Codec::Pcmu), audio: 0, telephone_event: Some(101), comfort_noise: Some(98) };

fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn check(datagram: &str, expected: &str) {
    let text = match RtpPacket::parse(hex(datagram)) {
        Ok(packet) => format!(
            "{}{} {} {} {:x} {:x}",
            packet.payload_type,
            if packet.marker { "M" } else { "" },
            packet.sequence,
            packet.timestamp.0,
            packet.ssrc,
            packet.payload
        ),
        Err(error) => format!("{}: {error}", error.reason()),
    };
    assert_eq!(text, expected);
}

fn text(packet: &[u8]) -> String {
    let packet = RtpPacket::parse(Bytes::copy_from_slice(packet)).unwrap();
    let marker = if packet.marker { "M" } else { "" };
    format!("{}{marker} {} {}", packet.payload_type, packet.sequence, packet.timestamp.0)
}

fn sender() -> RtpSender {
    let mut sender = RtpSender::new(TYPES, &mut StdRng::seed_from_u64(1));
    sender.sequence = SeqNo::first(65_535);
    sender.time = RtpTime(u32::MAX - 159);
    sender
}

#[test]
fn packets_are_read() {
    check("80 00 0001 00000002 deadbeef aabb", "0 1 2 deadbeef aabb");
    check("80 88 0001 00000002 deadbeef aabb", "8M 1 2 deadbeef aabb");
    check("80 00 0001 00000002 deadbeef", "0 1 2 deadbeef ");
}

#[test]
fn contributors_and_extensions_are_skipped() {
    check("82 00 0001 00000002 deadbeef 00000007 00000008 aa", "0 1 2 deadbeef aa");
    check("90 00 0001 00000002 deadbeef bede 0001 10aa0000 bb", "0 1 2 deadbeef bb");
    check("90 00 0001 00000002 deadbeef 1234 0000 bb", "0 1 2 deadbeef bb");
    // A one-octet element that claims 16 octets of an extension of 4, and the reserved id.
    check("90 00 0001 00000002 deadbeef bede 0001 1f000000", "0 1 2 deadbeef ");
    check("90 00 0001 00000002 deadbeef bede 0001 f0000000 bb", "0 1 2 deadbeef bb");
}

#[test]
fn padding_is_taken_off() {
    check("a0 00 0001 00000002 deadbeef aabb 000003", "0 1 2 deadbeef aabb");
    check("a0 00 0001 00000002 deadbeef 00000004", "0 1 2 deadbeef ");
}

#[test]
fn each_fault_is_named() {
    check("", "too_short: packet of 0 octets is below 12");
    check("80 00 0001", "too_short: packet of 4 octets is below 12");
    check(&"80".repeat(1_501), "too_long: packet of 1501 octets is above 1500");
    check("40 00 0001 00000002 deadbeef aa", "version: version 1 is not 2");
    check("82 00 0001 00000002 deadbeef aa", "truncated: header takes 20 octets of 13");
    check("90 00 0001 00000002 deadbeef aa", "truncated: header takes 16 octets of 13");
    check("90 00 0001 00000002 deadbeef bede 0002 00000000", "truncated: header takes 24 octets of 20");
    check("a0 00 0001 00000002 deadbeef 00", "padding: padding of 0 octets in 1");
    check("a0 00 0001 00000002 deadbeef 0003", "padding: padding of 3 octets in 2");
    check("a0 00 0001 00000002 deadbeef", "padding: padding of 0 octets in 0");
}

#[test]
fn rtcp_is_told_from_rtp() {
    assert!(is_rtcp(&[0x80, 200]) && is_rtcp(&[0x81, 203, 0]));
    assert!(!is_rtcp(&[0x80, 0]) && !is_rtcp(&[0x80, 0x80 | 101]) && !is_rtcp(&[0x80]));
}

#[test]
fn payload_types_are_what_was_negotiated() {
    let kinds = [0, 101, 13, 98, 8].map(|payload_type| TYPES.kind(payload_type));
    use PayloadKind::*;
    assert_eq!(kinds, [Audio, TelephoneEvent, ComfortNoise, ComfortNoise, Unknown]);
    assert_eq!(PayloadTypes::of(Codec::Pcma).kind(101), Unknown);
}

#[test]
fn sequence_and_clock_wrap_and_gaps_set_the_marker() {
    let mut sender = sender();
    assert_eq!(text(sender.next_audio(&[0; 160], 160)), "0M 65535 4294967136");
    assert_eq!(text(sender.next_audio(&[0; 160], 160)), "0 0 0");
    sender.skip();
    sender.skip();
    assert_eq!(text(sender.next_audio(&[0; 160], 160)), "0M 1 480");
    assert_eq!((sender.sent(), sender.time()), ((3, 480), RtpTime(640)));
}

#[test]
fn events_keep_their_own_timestamp_while_the_clock_runs() {
    let mut sender = sender();
    let event = EventPacket { timestamp: RtpTime(7), marker: true, payload: [5, 10, 0, 160] };
    assert_eq!(text(sender.next_event(&event).unwrap()), "101M 65535 7");
    assert_eq!(text(sender.next_audio(&[0; 160], 160)), "0M 0 0");
    sender.renegotiate(PayloadTypes::of(Codec::Pcma));
    assert_eq!(sender.next_event(&event), None);
    assert_eq!(text(sender.next_audio(&[0; 160], 160)), "8M 1 320");
}

#[test]
fn seeds_make_streams_repeatable_and_different() {
    let ssrc = |seed| RtpSender::new(TYPES, &mut StdRng::seed_from_u64(seed)).ssrc();
    assert_eq!(ssrc(1), ssrc(1));
    assert_ne!(ssrc(1), ssrc(2));
}

#[test]
fn a_stream_begins_in_the_lower_half_of_its_numbers() {
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut sender = RtpSender::new(TYPES, &mut random);
        assert!(sender.sequence.wire() < 1 << 15);
        sender.begin_anew(&mut random);
        assert!(sender.sequence.wire() < 1 << 15);
    }
}

#[test]
fn a_stream_begun_anew_is_another_on_the_same_clock() {
    let mut random = StdRng::seed_from_u64(1);
    let mut sender = RtpSender::new(TYPES, &mut random);
    sender.next_audio(&[0; 160], 160);
    let (ssrc, sequence, time) = (sender.ssrc(), sender.sequence, sender.time());
    sender.begin_anew(&mut random);
    assert_eq!((sender.sent(), sender.time()), ((0, 0), time));
    assert!(sender.ssrc() != ssrc && sender.sequence != sequence.next());
    let packet = RtpPacket::parse(Bytes::copy_from_slice(sender.next_audio(&[0; 160], 160))).unwrap();
    assert_eq!((packet.ssrc, packet.marker, packet.timestamp), (sender.ssrc(), true, time));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), first in 0x80u8..=0xBF) {
        let mut bytes = bytes;
        let _ = RtpPacket::parse(Bytes::from(bytes.clone()));
        if let Some(octet) = bytes.first_mut() {
            *octet = first;
        }
        let length = bytes.len();
        if let Ok(packet) = RtpPacket::parse(Bytes::from(bytes)) {
            prop_assert!(packet.payload.len() + FIXED_HEADER <= length);
        }
    }

    #[test]
    fn what_is_sent_is_what_is_read(payload in prop::collection::vec(any::<u8>(), 1..480)) {
        let mut sender = sender();
        let packet = RtpPacket::parse(Bytes::copy_from_slice(sender.next_audio(&payload, payload.len() as u32))).unwrap();
        prop_assert_eq!(&packet.payload[..], &payload[..]);
    }
}
