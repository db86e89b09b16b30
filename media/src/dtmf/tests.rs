//! Tests of telephone events, both ways.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::testing::epoch;

fn packet(ssrc: u32, timestamp: u32, marker: bool, payload: &[u8]) -> RtpPacket {
    RtpPacket {
        payload_type: 101,
        marker,
        sequence: 0,
        timestamp: RtpTime(timestamp),
        ssrc,
        payload: Bytes::copy_from_slice(payload),
    }
}

/// Feeds `ms:key@timestamp+duration` with `M` first for the marker and `E` last for the end, or `ms:-` for a timeout.
fn check(script: &str, expected: &str) {
    let start = epoch();
    let mut receiver = DtmfReceiver::new(SampleRate::HZ_8000);
    let mut heard = Vec::new();
    for step in script.split_whitespace() {
        let (at, what) = step.split_once(':').unwrap();
        let now = start + Duration::from_millis(at.parse().unwrap());
        match what {
            "-" => receiver.handle_timeout(now),
            _ => receiver.handle_packet(now, &scripted(what)),
        }
        while let Some(event) = receiver.poll_event() {
            heard.push(match event {
                DtmfEvent::Pressed(digit) => format!("{at}:+{}", digit.to_char()),
                DtmfEvent::Released { digit, held } => {
                    format!("{at}:-{}/{}", digit.to_char(), held.as_millis())
                }
            });
        }
    }
    assert_eq!(heard.join(" "), expected);
}

fn scripted(what: &str) -> RtpPacket {
    let (what, marker) = what.strip_prefix('M').map_or((what, false), |rest| (rest, true));
    let (what, end) = what.strip_suffix('E').map_or((what, 0), |rest| (rest, END));
    let (key, times) = what.split_once('@').unwrap();
    let (timestamp, duration) = times.split_once('+').unwrap();
    let [high, low] = duration.parse::<u16>().unwrap().to_be_bytes();
    let event = match key {
        "flash" => 16,
        key => Digit::from_char(key.chars().next().unwrap()).unwrap().0,
    };
    packet(1, timestamp.parse().unwrap(), marker, &[event, end | 10, high, low])
}

#[test]
fn a_digit_is_heard_once_however_often_its_end_comes() {
    check("0:M5@0+160 20:5@0+320 40:5@0+480E 41:5@0+480E 42:5@0+480E", "0:+5 40:-5/60");
}

#[test]
fn two_equal_digits_are_two() {
    check("0:M5@0+160 20:5@0+320E 100:M5@800+160 120:5@800+320E", "0:+5 20:-5/40 100:+5 120:-5/40");
}

#[test]
fn lost_first_and_last_packets_are_made_good() {
    check("20:5@0+320 40:5@0+480 60:M6@480+160 80:6@480+320 140:-", "20:+5 60:-5/60 60:+6 140:-6/40");
}

#[test]
fn an_event_ends_three_intervals_after_its_last_packet() {
    check("0:*@0+160 20:*@0+320 79:- 80:-", "0:+* 80:-*/40");
    // One packet does not tell the interval.
    check("0:#@0+160 149:- 150:-", "0:+# 150:-#/20");
    check("0:A@0+400 50:A@0+800 199:- 200:-", "0:+A 200:-A/100");
}

#[test]
fn a_late_packet_of_an_ended_event_is_stale() {
    check("0:1@800+160E 10:1@800+80 20:9@0+400 30:2@1600+160E", "0:+1 0:-1/20 30:+2 30:-2/20");
}

#[test]
fn a_single_end_packet_is_a_digit() {
    check("0:D@0+800E", "0:+D 0:-D/100");
}

#[test]
fn other_events_are_ignored() {
    check("0:flash@0+160 20:flash@0+320E", "");
}

#[test]
fn a_key_held_for_long_is_one_digit() {
    check("0:M7@0+65535 20:7@65535+160 40:7@65535+320E", "0:+7 40:-7/8231");
}

#[test]
fn short_payloads_are_ignored_and_a_new_stream_starts_afresh() {
    let now = epoch();
    let mut receiver = DtmfReceiver::new(SampleRate::HZ_8000);
    receiver.handle_packet(now, &packet(1, 800, true, &[5, 10, 0]));
    assert_eq!(receiver.poll_event(), None);
    receiver.handle_packet(now, &packet(1, 800, true, &[5, END, 0, 160]));
    while receiver.poll_event().is_some() {}
    receiver.handle_packet(now, &packet(2, 640, true, &[5, 10, 0, 160]));
    assert_eq!(receiver.poll_event(), Some(DtmfEvent::Pressed(Digit(5))));
    assert!(receiver.is_pressed());
}

#[test]
fn the_sender_keeps_its_timing_chart() {
    let mut sender = DtmfSender::new(SampleRate::HZ_8000);
    assert!(sender.push(Digit::from_char('9').unwrap()) && sender.push(Digit::from_char('d').unwrap()));
    let ticks: Vec<String> = (0..17)
        .map(|tick| match sender.next_tick(RtpTime(1_000 + tick * 160)) {
            DtmfTick::Idle => "idle".to_owned(),
            DtmfTick::Gap => "gap".to_owned(),
            DtmfTick::Packet(EventPacket { timestamp, marker, payload }) => {
                assert_eq!(payload[1] & 0x7F, 10);
                let duration = u16::from_be_bytes([payload[2], payload[3]]);
                let marker = if marker { "M" } else { "" };
                let end = if payload[1] & END != 0 { "E" } else { "" };
                format!("{marker}{}@{}+{duration}{end}", payload[0], timestamp.0)
            }
        })
        .collect();
    assert_eq!(
        ticks.join(" "),
        "M9@1000+160 9@1000+320 9@1000+480 9@1000+640 9@1000+800E 9@1000+800E 9@1000+800E gap \
         M15@2280+160 15@2280+320 15@2280+480 15@2280+640 15@2280+800E 15@2280+800E 15@2280+800E gap idle"
    );
}

#[test]
fn events_are_timed_by_the_clock_of_the_codec() {
    let mut sender = DtmfSender::new(SampleRate::HZ_48000);
    assert!(sender.push(Digit::from_char('1').unwrap()));
    let mut receiver = DtmfReceiver::new(SampleRate::HZ_48000);
    let (mut now, mut heard, mut durations) = (epoch(), Vec::new(), Vec::new());
    for tick in 0..8 {
        if let DtmfTick::Packet(EventPacket { timestamp, marker, payload }) = sender.next_tick(RtpTime(tick * 960)) {
            durations.push(u16::from_be_bytes([payload[2], payload[3]]));
            receiver.handle_packet(now, &packet(1, timestamp.0, marker, &payload));
        }
        heard.extend(std::iter::from_fn(|| receiver.poll_event()));
        now += FRAME;
    }
    assert_eq!(durations, [960, 1_920, 2_880, 3_840, 4_800, 4_800, 4_800]);
    assert_eq!(heard, [DtmfEvent::Pressed(Digit(1)), DtmfEvent::Released { digit: Digit(1), held: FRAME * 5 }]);
}

#[test]
fn the_thirty_third_digit_is_refused() {
    let mut sender = DtmfSender::new(SampleRate::HZ_8000);
    for _ in 0..DtmfSender::CAPACITY {
        assert!(sender.push(Digit(0)));
    }
    assert!(!sender.push(Digit(0)));
    sender.next_tick(RtpTime(0));
    assert!(sender.push(Digit(0)));
}

#[test]
fn keys_have_characters_and_hide_from_debug() {
    for code in 0..16 {
        let digit = Digit::from_event(code).unwrap();
        assert_eq!(Digit::from_char(digit.to_char()), Some(digit));
        assert_eq!(format!("{digit:?}"), "Digit(_)");
    }
    assert_eq!((Digit::from_event(16), Digit::from_char('x')), (None, None));
}

proptest! {
    #[test]
    fn every_press_is_released_whatever_comes(
        packets in prop::collection::vec((any::<u16>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..6)), 0..50)
    ) {
        let mut now = epoch();
        let mut receiver = DtmfReceiver::new(SampleRate::HZ_8000);
        let mut down = 0;
        let mut drain = |receiver: &mut DtmfReceiver| {
            while let Some(event) = receiver.poll_event() {
                down += if matches!(event, DtmfEvent::Pressed(_)) { 1 } else { -1 };
            }
            down
        };
        for (timestamp, marker, payload) in packets {
            receiver.handle_packet(now, &packet(1, timestamp.into(), marker, &payload));
            let down = drain(&mut receiver);
            prop_assert_eq!(down, i32::from(receiver.is_pressed()));
            now += Duration::from_millis(20);
        }
        receiver.handle_timeout(now + Duration::from_secs(1));
        prop_assert_eq!(drain(&mut receiver), 0);
    }
}
