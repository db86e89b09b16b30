//! Tests of RTCP: reports on the wire, and what reception counts.

use bytes::Bytes;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::xr::{Delay, VoipMetrics};
use super::*;
use crate::rtp::RtpPacket;
use crate::testing::epoch;
use crate::units::SampleRate;

const BLOCK_OF_BEEF: ReceptionReport = ReceptionReport {
    ssrc: 0xBEEF,
    fraction_lost: 64,
    lost: -2,
    highest: 0x1_0003,
    jitter: 17,
    last_sender_report: 0x0001_8000,
    delay: 0x8000,
};

fn hex(octets: &[u8]) -> String {
    let words = octets.chunks(4).map(|word| word.iter().map(|octet| format!("{octet:02x}")).collect::<String>());
    words.collect::<Vec<_>>().join(" ")
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> RtpPacket {
    RtpPacket { payload_type: 0, marker: false, sequence, timestamp: RtpTime(timestamp), ssrc, payload: Bytes::new() }
}

/// Counts packets given as `ms:sequence@timestamp`, reporting at each `report`.
fn check(script: &str, expected: &str) {
    let start = epoch();
    let mut reception = Reception::new(SampleRate::HZ_8000);
    let mut reports = Vec::new();
    for word in script.split_whitespace() {
        if word == "report" {
            let report = reception.report(start).unwrap();
            reports.push(format!(
                "{}/256 lost {} highest {:x} jitter {}",
                report.fraction_lost, report.lost, report.highest, report.jitter
            ));
            continue;
        }
        let (at, rest) = word.split_once(':').unwrap();
        let (sequence, timestamp) = rest.split_once('@').unwrap();
        let packet = packet(1, sequence.parse().unwrap(), timestamp.parse().unwrap());
        reception.handle_packet(start + Duration::from_millis(at.parse().unwrap()), &packet);
    }
    assert_eq!(reports.join("; "), expected);
}

#[test]
fn a_receiver_report_is_written_as_the_rfc_draws_it() {
    let report = Report { ssrc: 0xCAFE, receptions: vec![BLOCK_OF_BEEF], ..Report::default() };
    let mut out = vec![1, 2, 3];
    report.write("ab", &mut out);
    assert_eq!(
        hex(&out),
        "81c90007 0000cafe 0000beef 40fffffe 00010003 00000011 00018000 00008000 \
         81ca0003 0000cafe 01026162 00000000"
    );
    assert_eq!(Report::parse(&out), Ok(report));
}

#[test]
fn a_sender_report_with_bye_is_read_back() {
    let report = Report {
        ssrc: 0xCAFE,
        sender: Some(SenderInfo { ntp: NtpTime(0x0102_0304_0506_0708), time: RtpTime(9), packets: 10, octets: 1_600 }),
        receptions: Vec::new(),
        extended: Extended::default(),
        bye: Some(0xCAFE),
    };
    let mut out = Vec::new();
    report.write("a", &mut out);
    assert_eq!(
        hex(&out),
        "80c80006 0000cafe 01020304 05060708 00000009 0000000a 00000640 \
         81ca0002 0000cafe 01016100 81cb0001 0000cafe"
    );
    assert_eq!(Report::parse(&out), Ok(report));
}

#[test]
fn at_most_31_blocks_and_255_octets_of_name_are_written() {
    let report = Report { ssrc: 1, receptions: vec![BLOCK_OF_BEEF; 40], ..Report::default() };
    let mut out = Vec::new();
    report.write(&"n".repeat(300), &mut out);
    assert_eq!(out.len() % 4, 0);
    assert_eq!(Report::parse(&out).unwrap().receptions.len(), 31);
}

#[test]
fn unknown_types_and_padding_are_skipped() {
    // APP, then a BYE alone with padding; RFC 5506 allows both without a report before.
    let compound = unhex("80cc0001 0000cafe a1cb0002 0000cafe 00000004");
    let report = Report::parse(&compound).unwrap();
    assert_eq!(report, Report { bye: Some(0xCAFE), ..Report::default() });
}

#[test]
fn each_fault_is_named() {
    for (datagram, expected) in [
        ("", "packet of 0 octets is below 4"),
        ("80c9", "packet of 2 octets is below 4"),
        ("40c90001 0000cafe", "version 1 is not 2"),
        ("80c90002 0000cafe", "header takes 12 octets of 8"),
        ("81c90001 0000cafe", "header takes 28 octets of 4"),
        ("80c80001 0000cafe", "header takes 24 octets of 4"),
        ("81cb0000", "header takes 4 octets of 0"),
        ("a0c90001 00000000", "padding of 0 octets in 4"),
        ("a0c90001 00000005", "padding of 5 octets in 4"),
        ("80c90001 0000cafe 80", "packet of 1 octets is below 4"),
    ] {
        let error = Report::parse(&unhex(datagram)).unwrap_err();
        assert_eq!(error.to_string(), expected, "{datagram}");
    }
    let long = Report::parse(&[0x80; MAX_DATAGRAM + 4]);
    assert_eq!(long, Err(Error::TooLong { length: 1_504 }));
}

#[test]
fn loss_is_counted_from_report_to_report() {
    check(
        "0:1@0 20:2@160 60:4@480 report 80:5@640 100:6@800 report",
        "64/256 lost 1 highest 4 jitter 0; 0/256 lost 1 highest 6 jitter 0",
    );
}

#[test]
fn duplicates_make_loss_negative_but_no_fraction() {
    check("0:1@0 20:2@160 21:2@160 22:2@160 report", "0/256 lost -2 highest 2 jitter 0");
}

#[test]
fn the_highest_number_counts_its_cycles() {
    check("0:65534@0 20:65535@160 40:0@320 60:1@480 report", "0/256 lost 0 highest 10001 jitter 0");
    // What came before the first counts as received, not as expected (A.3).
    check("0:1@160 0:0@160 report", "0/256 lost -1 highest 1 jitter 0");
}

#[test]
fn a_jump_of_the_sequence_counts_afresh() {
    check("0:1@0 20:3@320 40:9000@480 report", "0/256 lost 0 highest 2328 jitter 0");
}

#[test]
fn jitter_follows_appendix_a_8() {
    // |D| is 80 ticks each time; in sixteenths 80, 80 + 80 - 5, 155 + 80 - 10.
    check(
        "0:1@0 30:2@160 report 40:3@320 report 70:4@480 report",
        "0/256 lost 0 highest 2 jitter 5; 0/256 lost 0 highest 3 jitter 9; 0/256 lost 0 highest 4 jitter 14",
    );
}

#[test]
fn packets_of_one_dtmf_event_are_no_jitter() {
    check("0:1@0 20:2@160 40:3@160 60:4@160 80:5@640 report", "0/256 lost 0 highest 5 jitter 0");
}

#[test]
fn the_round_trip_is_what_is_left_of_the_time() {
    let sent = NtpTime(0x0000_0001_8000_0000);
    assert_eq!(sent.middle(), BLOCK_OF_BEEF.last_sender_report);
    // Sent at 1.5 s, held for 0.5 s, back at 2.25 s.
    let back = NtpTime(0x0000_0002_4000_0000);
    assert_eq!(BLOCK_OF_BEEF.round_trip(back), Some(Duration::from_millis(250)));
    assert_eq!(BLOCK_OF_BEEF.round_trip(sent), None);
    let never = ReceptionReport { last_sender_report: 0, ..BLOCK_OF_BEEF };
    assert_eq!(never.round_trip(back), None);
}

#[test]
fn the_delay_since_the_last_sender_report_is_told() {
    let start = epoch();
    let mut reception = Reception::new(SampleRate::HZ_8000);
    assert_eq!(reception.report(start), None);
    reception.handle_packet(start, &packet(7, 1, 0));
    let ntp = NtpTime(0x0000_0001_8000_0000);
    let sender = Some(SenderInfo { ntp, time: RtpTime(0), packets: 0, octets: 0 });
    reception.handle_report(start, &Report { ssrc: 8, sender, ..Report::default() });
    assert_eq!(reception.report(start).unwrap().last_sender_report, 0);
    reception.handle_report(start, &Report { ssrc: 7, sender, ..Report::default() });
    let report = reception.report(start + Duration::from_millis(500)).unwrap();
    assert_eq!((report.last_sender_report, report.delay), (ntp.middle(), 32_768));
    reception.handle_packet(start, &packet(9, 1, 0));
    assert_eq!(reception.report(start).unwrap().last_sender_report, 0);
}

#[test]
fn totals_are_of_the_present_stream() {
    let start = epoch();
    let mut reception = Reception::new(SampleRate::HZ_8000);
    assert_eq!((reception.received(), reception.lost(), reception.jitter()), (0, 0, Duration::ZERO));
    for sequence in [1, 2, 5] {
        reception.handle_packet(start, &packet(1, sequence, 0));
    }
    assert_eq!((reception.received(), reception.lost()), (3, 2));
    reception.handle_packet(start, &packet(2, 5, 0));
    assert_eq!((reception.received(), reception.lost()), (1, 0));
}

#[test]
fn ntp_time_counts_from_1900() {
    let time = NtpTime::from_unix(Duration::from_millis(1_500));
    assert_eq!(time, NtpTime(2_208_988_801 << 32 | 0x8000_0000));
}

#[test]
fn reports_are_due_as_the_rfc_says() {
    let mut random = StdRng::seed_from_u64(1);
    let range = |schedule: &Schedule, random: &mut StdRng| {
        let intervals: Vec<_> = (0..4_000).map(|_| schedule.interval(random).as_millis()).collect();
        let mean = intervals.iter().sum::<u128>() / 4_000;
        (*intervals.iter().min().unwrap() / 10, mean / 100, *intervals.iter().max().unwrap() / 10)
    };
    let mut schedule = Schedule::default();
    // 2.5 s, spread and divided by 1.22; then 5.
    assert_eq!(range(&schedule, &mut random), (102, 20, 307));
    schedule.handle_report(120);
    assert_eq!(range(&schedule, &mut random), (205, 40, 615));
    // Only reports as long as a datagram would take more than their share.
    (0..200).for_each(|_| schedule.handle_report(1_400));
    assert_eq!(range(&schedule, &mut random).2, 878);
}

const VOIP: VoipMetrics = VoipMetrics {
    ssrc: 0xBEEF,
    loss_rate: 13,
    discard_rate: 2,
    burst_density: 128,
    gap_density: 3,
    burst_ms: 160,
    gap_ms: 4_000,
    round_trip_ms: 80,
    end_system_ms: 60,
    rating: 84,
    listening: 43,
    conversational: 42,
    buffer_ms: 40,
    buffer_max_ms: 200,
};

#[test]
fn an_extended_report_is_written_as_the_rfc_draws_it() {
    let extended = Extended {
        reference: Some(NtpTime(0x0102_0304_0506_0708)),
        delay: Some(Delay { ssrc: 0xBEEF, last_reference: 0x0304_0506, delay: 0x8000 }),
        voip: Some(VOIP),
    };
    let report = Report { ssrc: 0xCAFE, extended, ..Report::default() };
    let mut out = Vec::new();
    report.write("ab", &mut out);
    assert_eq!(
        hex(&out[24..]),
        "80cf0011 0000cafe 04000002 01020304 05060708 05000003 0000beef 03040506 00008000 \
         07000008 0000beef 0d028003 00a00fa0 0050003c 7f7f7f10 547f2b2a b0000028 00c800c8"
    );
    assert_eq!(Report::parse(&out), Ok(report));
}

#[test]
fn blocks_of_other_types_and_lengths_are_skipped_and_broken_ones_refused() {
    // Loss RLE of two words, a VoIP block that is too short, then a reference time twice.
    let known =
        "80cf000d 0000cafe 01000002 0000beef 00010002 07000001 0000beef 04000002 00000001 00000002 04000002 00000003 00000004";
    let report = Report::parse(&unhex(known)).unwrap_err();
    assert_eq!(report.to_string(), "header takes 56 octets of 52");
    let known = known.replace("80cf000d", "80cf000c");
    let extended = Report::parse(&unhex(&known)).unwrap().extended;
    assert_eq!(extended, Extended { reference: Some(NtpTime(1 << 32 | 2)), ..Extended::default() });
    for (broken, expected) in [
        ("80cf0000", "header takes 4 octets of 0"),
        ("80cf0002 0000cafe 04000002", "header takes 8 octets of 0"),
        ("80cf0003 0000cafe 07000008 00000000", "header takes 32 octets of 4"),
    ] {
        assert_eq!(Report::parse(&unhex(broken)).unwrap_err().to_string(), expected, "{broken}");
    }
}

#[test]
fn a_receiver_learns_the_round_trip_too() {
    let delay = Delay { ssrc: 1, last_reference: NtpTime(0x0000_0001_8000_0000).middle(), delay: 0x8000 };
    assert_eq!(delay.round_trip(NtpTime(0x0000_0002_4000_0000)), Some(Duration::from_millis(250)));
    assert_eq!(Delay { last_reference: 0, ..delay }.round_trip(NtpTime(1 << 40)), None);
}

#[test]
fn a_stream_that_said_bye_is_reported_on_no_more() {
    let start = epoch();
    let mut reception = Reception::new(SampleRate::HZ_8000);
    reception.handle_packet(start, &packet(7, 1, 0));
    reception.handle_report(start, &Report { ssrc: 8, bye: Some(8), ..Report::default() });
    assert!(reception.report(start).is_some());
    reception.handle_report(start, &Report { ssrc: 7, bye: Some(7), ..Report::default() });
    assert_eq!(reception.report(start), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 198u8..209) {
        let _ = Report::parse(&bytes);
        if let [first, second, high, low, ..] = &mut bytes[..] {
            *first = *first & 0x3F | 0x80;
            *second = kind;
            *high = 0;
            *low %= 40;
        }
        let _ = Report::parse(&bytes);
    }

    #[test]
    fn reception_takes_whatever_comes(packets in prop::collection::vec((any::<u16>(), any::<u32>(), 0u64..100), 1..100)) {
        let mut now = epoch();
        let mut reception = Reception::new(SampleRate::HZ_8000);
        for (sequence, timestamp, wait) in packets {
            now += Duration::from_millis(wait);
            reception.handle_packet(now, &packet(1, sequence, timestamp));
            prop_assert!(reception.report(now).is_some());
        }
    }
}
