//! Whatever a network and a peer do to a stream, in virtual time: what is heard, in which order, how late, and that speech comes back.

#![allow(clippy::unwrap_used)]

mod emulator;
mod peer;

use std::time::Duration;

use emulator::Network;
use media::codec::Codec;
use media::frame::FrameOrigin;
use peer::{Event, Heard, Script};
use proptest::prelude::*;

const CLEAN: Network = Network { seed: 1, loss_percent: 0, burst: None, duplicate_percent: 0, jitter_ms: 0, stall_ms: None };

fn script(network: Network, seconds: u64) -> Script {
    Script { network, drift_ppm: 0, events: Vec::new(), length: Duration::from_secs(seconds) }
}

/// The counters that are not zero, then the least and the longest delay from sending to playing, in ms.
fn text(heard: &mut Heard) -> String {
    let stats = heard.buffer.stats(heard.end);
    let counters = [
        ("lost", stats.lost),
        ("late", stats.late),
        ("duplicate", stats.duplicate),
        ("dropped", stats.dropped),
        ("concealed", stats.concealed),
        ("shortened", stats.shortened),
        ("lengthened", stats.lengthened),
        ("restarts", stats.restarts),
    ];
    let counters = counters.iter().filter(|(_, count)| *count > 0);
    let counters = counters.fold(format!("received {}", stats.received), |text, (name, count)| format!("{text} {name} {count}"));
    let delays = heard.delays();
    format!(
        "{counters} | {} to {} ms",
        delays.iter().map(|(_, ms)| ms).min().unwrap(),
        delays.iter().map(|(_, ms)| ms).max().unwrap()
    )
}

/// Plays a script; what was played must be in order and no later than the buffer may hold it.
fn check(script: Script, expected: &str) -> Heard {
    let mut heard = script.play();
    heard.assert_order();
    assert_eq!(text(&mut heard), expected);
    heard
}

#[test]
fn a_clock_200_ppm_off_is_followed_for_half_an_hour() {
    for (drift_ppm, expected) in
        [(200, "received 89982 lengthened 90 | 3 to 23 ms"), (-200, "received 90018 shortened 86 | 7 to 46 ms")]
    {
        let heard = check(Script { drift_ppm, ..script(CLEAN, 1_800) }, expected);
        assert!(heard.mean_delay(1_500..1_800) <= heard.mean_delay(300..600) + 5);
    }
}

#[test]
fn bursts_of_loss_are_counted_and_nothing_grows() {
    let network = Network { loss_percent: 10, burst: Some(4.0), ..CLEAN };
    let heard = check(script(network, 300), "received 13563 lost 1437 concealed 817 | 7 to 7 ms");
    assert!(heard.mean_delay(200..300) <= heard.mean_delay(0..100) + 10);
}

#[test]
fn jitter_reordering_and_duplicates_are_kept_out() {
    // Packets 20 ms apart that take up to 60 ms longer overtake each other.
    let network = Network { jitter_ms: 60, duplicate_percent: 10, ..CLEAN };
    let heard = check(script(network, 300), "received 16508 duplicate 1509 concealed 3 lengthened 3 | 47 to 87 ms");
    assert!(heard.mean_delay(200..300) <= heard.mean_delay(0..100) + 10);
}

/// One event at 5 s of ten: the frames that are not heard as they came, and how long after the event speech is back.
fn event(event: Event, expected: &str) {
    let mut heard = Script { events: vec![(5_000, event)], ..script(CLEAN, 10) }.play();
    heard.assert_order();
    let counters = text(&mut heard);
    let gap = heard.gap_after(5_000, event.lasts());
    assert_eq!(format!("{counters} | {gap}"), expected, "{event:?}");
}

#[test]
fn another_stream_is_heard_at_once() {
    event(Event::NewStream, "received 500 restarts 1 | 7 to 7 ms | 0 frames missing, back after 7 ms");
}

#[test]
fn what_was_overtaken_by_another_stream_does_not_bring_the_one_before_back() {
    let network = Network { jitter_ms: 90, ..CLEAN };
    let events = (1..6).map(|second| (second * 5_000, Event::NewStream)).collect();
    check(
        Script { events, ..script(network, 30) },
        "received 1498 lost 1 late 9 dropped 13 concealed 52 shortened 23 lengthened 6 restarts 5 | 47 to 147 ms",
    );
}

#[test]
fn jumps_of_the_timestamps_are_no_gaps() {
    for (ticks, expected) in [
        (160_i32, "received 500 concealed 1 shortened 1 | 7 to 27 ms | 1 frames missing, back after 27 ms"),
        (1_000_000, "received 500 restarts 1 | 7 to 7 ms | 0 frames missing, back after 7 ms"),
        (-1_000_000, "received 500 restarts 1 | 7 to 7 ms | 0 frames missing, back after 7 ms"),
        (i32::MAX, "received 500 restarts 1 | 7 to 7 ms | 0 frames missing, back after 7 ms"),
        (-320, "received 500 | 7 to 7 ms | 0 frames missing, back after 7 ms"),
        (24_000, "received 500 restarts 1 | 7 to 7 ms | 0 frames missing, back after 7 ms"),
    ] {
        event(Event::ClockJump(ticks), expected);
    }
}

#[test]
fn jumps_of_the_sequence_are_no_loss_of_hours() {
    for (packets, expected) in [
        (20, "received 500 lost 20 | 7 to 7 ms | 0 frames missing, back after 7 ms"),
        (2_000, "received 500 lost 2000 | 7 to 7 ms | 0 frames missing, back after 7 ms"),
        (20_000, "received 500 dropped 1 concealed 1 restarts 1 | 7 to 7 ms | 1 frames missing, back after 27 ms"),
        (40_000, "received 500 dropped 1 concealed 1 restarts 1 | 7 to 7 ms | 1 frames missing, back after 27 ms"),
    ] {
        event(Event::SequenceJump(packets), expected);
    }
}

#[test]
fn a_payload_type_and_a_codec_may_change_in_mid_call() {
    event(Event::PayloadType(96), "received 500 | 7 to 7 ms | 0 frames missing, back after 7 ms");
    event(Event::Codec(Codec::Pcma), "received 500 | 7 to 7 ms | 0 frames missing, back after 7 ms");
}

#[test]
fn silence_suppression_is_no_loss() {
    event(
        Event::Silence { ms: 1_500, noise: Some(60) },
        "received 432 concealed 3 | 7 to 7 ms | 75 frames missing, back after 7 ms",
    );
    event(Event::Silence { ms: 1_500, noise: None }, "received 425 concealed 3 | 7 to 7 ms | 75 frames missing, back after 7 ms");
    event(Event::Silence { ms: 400, noise: None }, "received 480 concealed 3 | 7 to 7 ms | 20 frames missing, back after 7 ms");
}

#[test]
fn a_pause_of_seconds_is_no_delay() {
    for (ms, expected) in [
        (200, "received 490 concealed 3 | 7 to 7 ms | 10 frames missing, back after 7 ms"),
        (900, "received 455 concealed 3 | 7 to 7 ms | 45 frames missing, back after 7 ms"),
        (3_000, "received 350 concealed 3 | 7 to 7 ms | 150 frames missing, back after 7 ms"),
    ] {
        event(Event::Pause { ms, clock_runs: true }, expected);
    }
    for (ms, expected) in [
        (200, "received 490 concealed 3 | 7 to 7 ms | 10 frames missing, back after 7 ms"),
        (900, "received 455 concealed 3 | 7 to 7 ms | 45 frames missing, back after 7 ms"),
        (3_000, "received 350 concealed 3 | 7 to 7 ms | 150 frames missing, back after 7 ms"),
    ] {
        event(Event::Pause { ms, clock_runs: false }, expected);
    }
}

#[test]
fn a_wrap_of_sequence_and_clock_is_nothing() {
    event(Event::Wrap, "received 500 restarts 1 | 7 to 7 ms | 0 frames missing, back after 7 ms");
}

#[test]
fn everything_in_one_call() {
    let network = Network {
        seed: 7,
        loss_percent: 3,
        burst: Some(2.0),
        duplicate_percent: 2,
        jitter_ms: 40,
        stall_ms: Some((90_000, 90_600)),
    };
    let events = vec![
        (10_000, Event::NewStream),
        (20_000, Event::ClockJump(5_000_000)),
        (30_000, Event::Silence { ms: 2_000, noise: Some(55) }),
        (40_000, Event::Wrap),
        (50_000, Event::Codec(Codec::Pcma)),
        (60_000, Event::Pause { ms: 4_000, clock_runs: false }),
        (70_000, Event::PayloadType(100)),
        (80_000, Event::SequenceJump(30_000)),
        (100_000, Event::Silence { ms: 3_000, noise: None }),
    ];
    let heard = check(
        Script { drift_ppm: 150, events, ..script(network, 120) },
        "received 5479 lost 189 duplicate 109 dropped 18 concealed 302 shortened 38 lengthened 6 restarts 4 | 39 to 214 ms",
    );
    assert!(heard.mean_delay(110..120) <= 120);
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::NewStream),
        any::<i32>().prop_map(Event::ClockJump),
        any::<u16>().prop_map(Event::SequenceJump),
        (96_u8..128).prop_map(Event::PayloadType),
        Just(Event::Codec(Codec::Pcma)),
        Just(Event::Wrap),
        (20_u64..4_000, prop::option::of(0_u8..128)).prop_map(|(ms, noise)| Event::Silence { ms, noise }),
        (20_u64..4_000, any::<bool>()).prop_map(|(ms, clock_runs)| Event::Pause { ms, clock_runs }),
    ]
}

prop_compose! {
    fn any_network()(seed: u64, loss_percent in 0_u32..25, burst in prop::option::of(1.0..6.0), duplicate_percent in 0_u32..20,
        jitter_ms in 0_u32..120) -> Network {
        Network { seed, loss_percent, burst, duplicate_percent, jitter_ms, stall_ms: None }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in the first 20 s, what is heard is in order; and of the clean network from 25 s on, the end is heard whole.
    #[test]
    fn speech_comes_back_after_anything(
        network in any_network(), drift_ppm in -200_i32..=200, events in prop::collection::vec((0_u64..20_000, any_event()), 0..6)
    ) {
        let mut events = events;
        events.sort_by_key(|(at, _)| *at);
        let script = Script { drift_ppm, events, ..script(network, 60) };
        let mut heard = script.play_clean_from(Duration::from_secs(25));
        heard.assert_order();
        let stats = heard.buffer.stats(heard.end);
        prop_assert_eq!(stats.received, heard.arrived);
        prop_assert!(stats.late + stats.duplicate + stats.dropped <= stats.received);
        let end = &heard.frames[55 * 50..58 * 50];
        prop_assert!(end.iter().all(|frame| frame.origin == FrameOrigin::Received), "{:?}", stats);
        prop_assert!(heard.mean_delay(55..58) <= 60, "{:?}", heard.mean_delay(55..58));
    }
}
