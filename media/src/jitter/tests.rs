//! Tests of the jitter buffer, packet by packet.

use proptest::prelude::*;

use super::*;
use crate::codec::Codec;
use crate::line::LineCodec;
use crate::testing::epoch;
use crate::units::RtpTime;

const TYPES: PayloadTypes =
    PayloadTypes { codec: LineCodec::G711(Codec::Pcmu), audio: 0, telephone_event: Some(101), comfort_noise: None };
/// Two frames at first, so that scripts have room for what comes late.
const CONFIG: JitterConfig =
    JitterConfig { min: Duration::from_millis(20), initial: Duration::from_millis(40), max: Duration::from_millis(200) };
const FIRST_OCTET: u8 = 0x90;

/// A packet whose octets all tell its number.
fn packet(number: u16, time: u32, samples: usize) -> RtpPacket {
    RtpPacket {
        payload_type: 0,
        marker: false,
        sequence: number,
        timestamp: RtpTime(time),
        ssrc: 1,
        payload: vec![FIRST_OCTET + (number % 100) as u8; samples].into(),
    }
}

/// Plays `ticks` frames at 7, 27, 47 ms, and writes each as the numbers of the packets in it, `c` for concealed and `.`
/// for silence, `~2` for one blended into packet 2; then the counters that are not zero.
fn play(mut arrivals: Vec<(u64, RtpPacket)>, ticks: u64) -> String {
    let start = epoch();
    let mut buffer = JitterBuffer::new(CONFIG, TYPES);
    arrivals.sort_by_key(|(at, _)| *at);
    let mut arrivals = arrivals.into_iter().peekable();
    let mut text = Vec::new();
    for tick in 0..ticks {
        let at = 7 + tick * 20;
        while let Some((arrival, packet)) = arrivals.next_if(|(arrival, _)| *arrival <= at) {
            buffer.handle_packet(start + Duration::from_millis(arrival), &packet);
        }
        text.push(frame_text(&buffer.playout(start + Duration::from_millis(at))));
    }
    text.push(stats_text(&buffer.stats(start)));
    text.join(" ")
}

fn frame_text(frame: &SharedFrame) -> String {
    assert_eq!((frame.samples.len(), frame.encoded.len()), (FRAME_SAMPLES, FRAME_SAMPLES));
    match frame.origin {
        FrameOrigin::Silence => ".".to_owned(),
        FrameOrigin::Concealed => "c".to_owned(),
        FrameOrigin::Received => {
            let mut numbers = frame.encoded.clone();
            numbers.dedup();
            let numbers: Vec<String> = numbers.iter().map(|octet| format!("{}", octet.wrapping_sub(FIRST_OCTET))).collect();
            // A blend passes through many values on the way to its last.
            match &numbers[..] {
                [_, _, _, .., last] => format!("~{last}"),
                short => short.join("+"),
            }
        }
    }
}

fn stats_text(stats: &JitterStats) -> String {
    let counters = [
        ("lost", stats.lost),
        ("late", stats.late),
        ("duplicate", stats.duplicate),
        ("dropped", stats.dropped),
        ("concealed", stats.concealed),
        ("shortened", stats.shortened),
        ("lengthened", stats.lengthened),
        ("restarts", stats.restarts),
        ("misses", stats.pool_misses),
    ];
    let counters = counters.iter().filter(|(_, count)| *count > 0);
    counters.fold("|".to_owned(), |text, (name, count)| format!("{text} {name} {count}"))
}

/// Plays a script of `ms:number@time`, with `xsamples`, `sssrc` and `ptype` where they are not 160, 1 and 0.
fn check(script: &str, ticks: u64, expected: &str) {
    let arrivals = script.split_whitespace().map(scripted).collect();
    assert_eq!(play(arrivals, ticks), expected);
}

fn scripted(word: &str) -> (u64, RtpPacket) {
    let (at, word) = word.split_once(':').unwrap();
    let (number, rest) = word.split_once('@').unwrap();
    let (time, options) = rest.split_at(rest.find(|key: char| key.is_alphabetic()).unwrap_or(rest.len()));
    let option = |key: char| {
        let from = options.find(key)? + 1;
        let value = &options[from..];
        value[..value.find(|key: char| key.is_alphabetic()).unwrap_or(value.len())].parse().ok()
    };
    let mut packet = packet(number.parse().unwrap(), time.parse().unwrap(), option('x').unwrap_or(160));
    packet.ssrc = option('s').unwrap_or(1) as u32;
    packet.payload_type = option('p').unwrap_or(0) as u8;
    (at.parse().unwrap(), packet)
}

/// Packets `from..to`, one each 20 ms, `late` ms after their time.
fn steady(from: u16, to: u16, late: u64) -> impl Iterator<Item = (u64, RtpPacket)> {
    (from..to).map(move |number| {
        let index = u32::from(number);
        (u64::from(index) * 20 + late, packet(number, index * 160, 160))
    })
}

#[test]
fn packets_in_time_are_played_as_they_came() {
    check("0:1@0 20:2@160 40:3@320", 5, ". 1 2 3 c | concealed 1");
}

#[test]
fn packets_out_of_order_are_put_in_order() {
    check("0:1@0 40:2@160 40:3@320 41:5@640 42:4@480", 6, ". 1 2 3 4 5 |");
}

#[test]
fn a_lost_packet_is_concealed_and_blended() {
    check("0:1@0 40:3@320 60:4@480", 5, ". 1 c ~3 4 | lost 1 concealed 1");
}

#[test]
fn a_second_copy_is_dropped() {
    check("0:1@0 1:1@0 20:2@160 39:1@0", 4, ". 1 2 c | duplicate 2 concealed 1");
}

#[test]
fn a_packet_after_its_place_is_late() {
    check("0:1@0 40:3@320 68:2@160 70:4@480", 5, ". 1 c ~3 4+3+4 | late 1 concealed 1 lengthened 1");
}

#[test]
fn a_frame_that_comes_one_tick_late_is_not_worth_more_delay() {
    check("0:1@0 50:2@160 51:3@320 60:4@480", 5, ". 1 c ~3 3+4 | late 1 concealed 1 lengthened 1");
}

#[test]
fn after_a_stall_all_that_was_held_up_is_played() {
    check(
        "0:1@0 20:2@160 140:3@320 140:4@480 140:5@640 140:6@800 140:7@960 140:8@1120 160:9@1280",
        15,
        ". 1 2 c c c . 3 4 5 6 7 8 9 c | concealed 4",
    );
}

#[test]
fn sequence_and_timestamp_wrap() {
    check("0:65534@4294967136 20:65535@0 40:0@160 60:1@320", 5, ". 34 35 0 1 |");
}

#[test]
fn another_ssrc_starts_afresh() {
    check("0:1@0 20:2@160 40:50@99000s2 60:51@99160s2 80:52@99320s2", 7, ". 1 c ~50 51 52 c | dropped 1 concealed 2 restarts 1");
}

#[test]
fn a_jump_of_the_timestamps_starts_afresh() {
    check("0:1@0 20:2@160 40:3@90000 60:4@90160 80:5@90320", 7, ". 1 c ~3 4 5 c | dropped 1 concealed 2 restarts 1");
}

#[test]
fn a_jump_of_the_sequence_takes_two_packets() {
    check("0:1@0 20:2@160 40:30003@320 60:30004@480 80:30005@640", 7, ". 1 2 c ~4 5 c | dropped 1 concealed 2 restarts 1");
}

#[test]
fn a_pause_of_the_sender_keeps_the_delay() {
    check("0:1@0 20:2@160 300:3@2400 320:4@2560", 19, ". 1 2 c c c . . . . . . . . . . 3 4 c | concealed 4");
}

#[test]
fn comfort_noise_and_digits_explain_a_gap() {
    for other in ["13", "101"] {
        check(&format!("0:1@0 20:2@160 40:3@320x4p{other} 300:4@2400 320:5@2560"), 18, ". 1 2 c c c . . . . . . . . . . 4 5 |");
    }
}

/// Each frame's origin, and its level in dBov to the next 5 if it is not quite silent, of packets of 20 ms of digital silence; `n50` is
/// comfort noise of that level.
fn levels(script: &str, ticks: u64) -> String {
    let start = epoch();
    let mut buffer = JitterBuffer::new(CONFIG, TYPES);
    let arrival = |(number, step): (usize, &str)| {
        let mut packet = packet(number as u16, number as u32 * 160, 160);
        match step.strip_prefix('n') {
            Some(level) => (packet.payload_type, packet.payload) = (13, vec![level.parse().unwrap()].into()),
            None if step == "-" => return None,
            None => packet.payload = vec![0xFF; 160].into(),
        }
        Some((number as u64 * 20, packet))
    };
    let mut arrivals = script.split_whitespace().enumerate().filter_map(arrival).peekable();
    let mut text = Vec::new();
    for at in (0..ticks).map(|tick| 7 + tick * 20) {
        while let Some((arrival, packet)) = arrivals.next_if(|(arrival, _)| *arrival <= at) {
            buffer.handle_packet(start + Duration::from_millis(arrival), &packet);
        }
        let frame = buffer.playout(start + Duration::from_millis(at));
        let mut octets = Vec::new();
        Codec::Pcmu.encode(&frame.samples, &mut octets);
        assert_eq!(octets, frame.encoded);
        let level = crate::units::Dbov::of(&frame.samples).0;
        let level = if level > -100.0 { format!("{:.0}", (level / 5.0).round() * 5.0) } else { String::new() };
        text.push(format!("{:?}{level}", frame.origin));
    }
    text.join(" ").replace("Silence", ".").replace("Received", "r").replace("Concealed", "c")
}

#[test]
fn a_pause_sounds_as_the_peer_says() {
    assert_eq!(levels("a n50 - - - - - a", 9), ". r c-50 c-50 c-50 .-50 .-50 .-50 r");
    // What is lost after the pause is no pause.
    assert_eq!(levels("a n50 a - - - - -", 9), ". r c-50 r c c c . .");
}

#[test]
fn g722_is_played_and_framed_in_the_calls_law() {
    let start = epoch();
    let mut buffer = JitterBuffer::new(CONFIG, PayloadTypes::of(LineCodec::G722));
    for (at, mut packet) in steady(0, 10, 0) {
        packet.payload_type = 9;
        buffer.handle_packet(start + Duration::from_millis(at), &packet);
        let frame = buffer.playout(start + Duration::from_millis(at + 7));
        let mut octets = Vec::new();
        Codec::Pcmu.encode(&frame.samples, &mut octets);
        assert_eq!((frame.samples.len(), &octets), (160, &frame.encoded));
    }
    let stats = buffer.stats(start + Duration::from_millis(187));
    assert_eq!((stats.received, stats.concealed, stats.lost, stats.depth), (10, 0, 0, Duration::from_millis(20)));
}

#[test]
fn after_a_second_of_nothing_the_delay_is_as_at_the_start() {
    let mut arrivals: Vec<_> = steady(0, 2, 0).collect();
    arrivals.extend(steady(100, 103, 15));
    // Played at 2,047 ms: in the phase of the ticks, not of the stream before.
    let text = play(arrivals, 106);
    assert_eq!(text.replace(" .", ""), ". 0 1 c c c 0 1 2 c | lost 98 concealed 4");
}

#[test]
fn any_ptime_is_played() {
    let tens = "0:1@0x80 10:2@80x80 20:3@160x80 30:4@240x80 40:5@320x80 50:6@400x80";
    check(tens, 4, ". 1+2 3+4 5+6 |");
    check("0:1@0x240 30:2@240x240", 4, ". 1 1+2 2 |");
    check("0:1@0x320 40:2@320x320", 5, ". 1 1 2 2 |");
    check("0:1@0x480 60:2@480x480 120:3@960x480", 8, ". 1 1 1 2 2 2 3 |");
}

#[test]
fn overlapping_packets_are_trimmed() {
    check("0:1@0x240 20:2@160x240 40:3@320x240", 5, ". 1 1+2 2+3 c | concealed 1");
}

#[test]
fn the_sixty_fifth_packet_pushes_the_oldest_out() {
    let burst: Vec<_> = (0..70_u16).map(|number| (5, packet(number, u32::from(number) * 80, 80))).collect();
    let text = play(burst, 1);
    assert_eq!(text, ". | dropped 6");
}

#[test]
fn packets_of_2_ms_and_a_half_may_wait_as_long_as_any() {
    // Opus, SILK apart: CELT in narrow band at 2.5 ms, silent.
    const SHORTEST: [u8; 3] = [0x80, 0xFF, 0xFE];
    let start = epoch();
    let mut buffer = JitterBuffer::new(CONFIG, PayloadTypes::of(LineCodec::Opus));
    let mut waiting = 0;
    for number in 0..300_u16 {
        let packet =
            RtpPacket { payload_type: 111, payload: SHORTEST.to_vec().into(), ..packet(number, u32::from(number) * 120, 0) };
        buffer.handle_packet(start, &packet);
        waiting = waiting.max(buffer.waiting.len());
    }
    let stats = buffer.stats(start);
    assert_eq!((waiting, stats.dropped, stats.depth), (256, 300 - 256, Duration::from_millis(640)));
}

#[test]
fn another_stream_does_not_pause_like_the_one_before() {
    let start = epoch();
    let mut buffer = JitterBuffer::new(CONFIG, TYPES);
    let at = |ms: u64| start + Duration::from_millis(ms);
    let mut noise = RtpPacket { payload_type: 13, payload: vec![40].into(), ..packet(1, 160, 0) };
    buffer.handle_packet(at(0), &RtpPacket { payload: vec![0xFF; 160].into(), ..packet(0, 0, 160) });
    buffer.handle_packet(at(20), &noise);
    let level = |buffer: &mut JitterBuffer, ticks: std::ops::Range<u64>| {
        let frames = ticks.map(|tick| buffer.playout(at(tick * 20 + 7)));
        frames.map(|frame| crate::units::Dbov::of(&frame.samples).0).fold(-200.0, f32::max)
    };
    assert!(level(&mut buffer, 0..10) > -45.0);
    // A digit explains the gap, but this stream never said what its silence sounds like.
    let mut first = RtpPacket { ssrc: 2, payload: vec![0xFF; 160].into(), ..packet(100, 9_000, 160) };
    buffer.handle_packet(at(200), &first);
    (noise.ssrc, noise.sequence, noise.payload_type) = (2, 101, 101);
    buffer.handle_packet(at(220), &noise);
    assert_eq!(level(&mut buffer, 10..30), -127.0);
    assert!(buffer.comfort.is_none());
    // Nor does another codec.
    (noise.sequence, noise.payload_type) = (102, 13);
    buffer.handle_packet(at(600), &noise);
    assert!(buffer.comfort.is_some());
    buffer.renegotiate(PayloadTypes::of(LineCodec::G722));
    assert!(buffer.comfort.is_none());
    (first.payload_type, first.ssrc) = (9, 3);
    buffer.handle_packet(at(620), &first);
    assert!(level(&mut buffer, 31..33) < -60.0);
}

#[test]
fn another_stream_is_not_waited_for_like_the_one_before() {
    let start = epoch();
    let mut buffer = JitterBuffer::new(JitterConfig::default(), PayloadTypes::of(LineCodec::Opus));
    let opus = |number: u16, ssrc| RtpPacket {
        payload_type: 111,
        ssrc,
        payload: vec![0x08, 0, 0, 0].into(),
        ..packet(number, u32::from(number) * 960, 0)
    };
    for number in (0..20).filter(|number| number % 10 < 7) {
        buffer.handle_packet(start + Duration::from_millis(u64::from(number) * 20), &opus(number, 1));
    }
    (0..20).for_each(|tick| drop(buffer.playout(start + Duration::from_millis(tick * 20 + 7))));
    assert!(buffer.reserve.0 > 0, "{:?}", buffer.stats);
    buffer.handle_packet(start + Duration::from_millis(400), &opus(500, 2));
    assert_eq!(buffer.reserve, NO_RESERVE);
}

#[test]
fn a_delay_above_the_longest_is_cut() {
    let mut arrivals: Vec<_> = steady(0, 10, 0).collect();
    arrivals.extend(steady(10, 40, 0).map(|(at, packet)| (at.max(800), packet)));
    arrivals.extend(steady(40, 50, 0));
    let text = play(arrivals, 51);
    assert!(text.ends_with(" . . 30 31 32 33 34 35 36 37 38 39 40 | dropped 20 concealed 3"), "{text}");
}

#[test]
fn a_way_that_became_longer_is_the_new_normal() {
    let mut arrivals: Vec<_> = steady(0, 10, 0).collect();
    arrivals.extend(steady(10, 60, 300));
    let text = play(arrivals, 76);
    assert!(text.contains(" 9 c c c . . . . . . . . . . . 10 11 12 "), "{text}");
    assert!(text.ends_with(" 57 58 59 c | concealed 4"), "{text}");
}

#[test]
fn a_clock_that_drifts_is_followed_for_ten_minutes() {
    for (sender_ms, expected) in [(20.01, "lengthened 70"), (19.99, "shortened 71")] {
        let count = 30_000_u32;
        let arrivals = (0..count).map(|index| {
            let at = (f64::from(index) * sender_ms) as u64;
            (at, packet((index & 0xFFFF) as u16, index.wrapping_mul(160), 160))
        });
        let text = play(arrivals.collect(), 29_900);
        let (_, stats) = text.split_once("| ").unwrap();
        assert_eq!(stats, expected);
    }
}

#[test]
fn another_codec_drops_what_waits() {
    let now = epoch();
    let mut buffer = JitterBuffer::new(CONFIG, TYPES);
    buffer.handle_packet(now, &packet(1, 0, 160));
    buffer.renegotiate(PayloadTypes { telephone_event: None, ..TYPES });
    assert_eq!(buffer.stats(now).depth, Duration::from_millis(20));
    buffer.renegotiate(PayloadTypes::of(Codec::Pcma));
    assert_eq!((buffer.stats(now).depth, buffer.stats(now).dropped), (Duration::ZERO, 1));
    assert_eq!(buffer.playout(now).encoded, [0xFF; 160], "the call's law stays");
}

/// A tone in 20 ms packets, in one law and from packet 10 on in the other, changed `late` ticks after the last of the old was heard of.
#[test]
fn a_stream_goes_on_in_another_codec_without_a_gap() {
    let start = epoch();
    let mut buffer = JitterBuffer::new(CONFIG, TYPES);
    let tone: Vec<i16> = (0..20 * 160).map(|at| ((f64::from(at) * 0.3).sin() * 8_000.0) as i16).collect();
    let mut frames = Vec::new();
    for (index, samples) in tone.chunks(160).enumerate() {
        let now = start + Duration::from_millis(20 * index as u64);
        let law = if index < 10 { Codec::Pcmu } else { Codec::Pcma };
        if index == 10 {
            buffer.renegotiate(PayloadTypes::of(Codec::Pcma));
        }
        let mut octets = Vec::new();
        law.encode(samples, &mut octets);
        let mut next = packet(index as u16, 160 * index as u32, 160);
        (next.payload, next.payload_type) = (octets.into(), PayloadTypes::of(law).audio);
        buffer.handle_packet(now, &next);
        frames.push(buffer.playout(now + Duration::from_millis(1)));
    }
    let heard: Vec<i16> = frames.iter().flat_map(|frame| frame.samples.iter().copied()).collect();
    let first = heard.iter().position(|sample| *sample != 0).unwrap() / 160;
    assert!(first <= 2, "plays from frame {first}");
    let stats = buffer.stats(start + Duration::from_millis(400));
    assert_eq!((stats.concealed, stats.dropped, stats.restarts), (0, 0, 0));
    for (index, frame) in frames.iter().enumerate().skip(first + 1) {
        let level = frame.samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!((7_500..8_500).contains(&level), "frame {index}: {level}");
        let mut mu = Vec::new();
        Codec::Pcmu.encode(&frame.samples, &mut mu);
        assert_eq!(frame.encoded, mu, "frame {index} is in the call's law");
    }
}

#[test]
fn frames_of_the_pool_are_used_again() {
    let start = epoch();
    let mut buffer = JitterBuffer::new(CONFIG, TYPES);
    let first = std::sync::Arc::as_ptr(&buffer.playout(start));
    assert_eq!(std::sync::Arc::as_ptr(&buffer.playout(start)), first);
}

#[test]
fn an_empty_packet_is_nothing() {
    check("0:1@0x0 1:2@0", 3, ". 2 c | concealed 1");
}

proptest! {
    #[test]
    fn every_tick_has_its_frame_whatever_comes(
        packets in prop::collection::vec(
            (any::<u16>(), 0u32..20_000, 0usize..1_400, 0u32..3, 0u64..300, 0u16..40), 0..200)
    ) {
        let start = epoch();
        let mut now = start;
        let mut buffer = JitterBuffer::new(CONFIG, TYPES);
        for (wild, time, samples, kind, wait, near) in packets {
            let sequence = if kind == 0 { wild } else { near };
            let mut packet = packet(sequence, time, samples);
            packet.payload_type = [0, 0, 13][kind as usize];
            if wild % 50 == 0 {
                packet.ssrc = 2;
                packet.timestamp = RtpTime(time.wrapping_mul(1_000_003));
            }
            buffer.handle_packet(now, &packet);
            now += Duration::from_millis(wait / 10);
            if wait % 3 == 0 {
                let frame = buffer.playout(now);
                prop_assert_eq!((frame.samples.len(), frame.encoded.len()), (160, 160));
            }
            let stats = buffer.stats(now);
            prop_assert!(buffer.waiting.len() <= JitterBuffer::CAPACITY);
            prop_assert!(stats.received >= stats.late + stats.duplicate + stats.dropped);
        }
    }
}
