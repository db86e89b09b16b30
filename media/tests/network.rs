//! A sender and a jitter buffer joined by a seeded network: real speech, exact counts.

#![allow(clippy::unwrap_used)]

mod emulator;

use emulator::{Heard, Network};
use media::codec::Codec;
use media::frame::FrameOrigin;
use media::jitter::JitterStats;
use media::line::LineCodec;
use media::rtp::PayloadTypes;
use media::wav;

/// 11 s of speech as the codec's octets, whole frames only.
fn speech(codec: Codec) -> Vec<u8> {
    let file = include_bytes!("data/jfk_8k.wav");
    let header = wav::read_header(file).unwrap();
    let samples: Vec<i16> =
        file[header.data_start..].chunks_exact(2).map(|octets| i16::from_le_bytes([octets[0], octets[1]])).collect();
    let mut octets = Vec::new();
    codec.encode(&samples[..samples.len() / 160 * 160], &mut octets);
    octets
}

fn call(network: Network) -> Heard {
    emulator::call(network, PayloadTypes::of(Codec::Pcmu), &speech(Codec::Pcmu))
}

/// What the counters say after the call, the state of the moment left out.
fn check(network: Network, expected: &str) {
    let mut heard = call(network);
    let stats = heard.buffer.stats(heard.end);
    let text = format!(
        "received {} lost {} late {} duplicate {} dropped {} concealed {} shortened {} lengthened {} restarts {}",
        stats.received,
        stats.lost,
        stats.late,
        stats.duplicate,
        stats.dropped,
        stats.concealed,
        stats.shortened,
        stats.lengthened,
        stats.restarts
    );
    assert_eq!(text, expected, "{network:?}");
}

#[test]
fn a_clean_path_gives_back_every_octet_after_a_fixed_delay() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let audio = speech(codec);
        let heard = emulator::call(Network::default(), PayloadTypes::of(codec), &audio);
        let octets: Vec<u8> = heard.frames.iter().flat_map(|frame| frame.encoded.clone()).collect();
        // The first tick is 7 ms after the first packet: soon enough, and not too soon for a quiet network.
        assert!(octets[..audio.len()] == audio[..]);
        let mut samples = Vec::new();
        codec.decode(&audio, &mut samples);
        let heard: Vec<i16> = heard.frames.iter().flat_map(|frame| frame.samples.clone()).collect();
        assert!(heard[..samples.len()] == samples[..]);
    }
}

#[test]
fn random_loss_is_concealed_frame_by_frame() {
    // Three frames more than were lost: the fading after the last packet.
    let network = Network { seed: 1, loss_percent: 5, ..Network::default() };
    check(network, "received 521 lost 29 late 0 duplicate 0 dropped 0 concealed 32 shortened 0 lengthened 0 restarts 0");
    let heard = call(network);
    let concealed = heard.frames.iter().filter(|frame| frame.origin == FrameOrigin::Concealed);
    assert_eq!(concealed.count(), 32);
}

#[test]
fn duplicates_change_nothing() {
    let network = Network { seed: 2, duplicate_percent: 30, ..Network::default() };
    check(network, "received 704 lost 0 late 0 duplicate 154 dropped 0 concealed 3 shortened 0 lengthened 0 restarts 0");
}

#[test]
fn jitter_is_learnt_and_then_kept_out() {
    check(
        Network { seed: 3, jitter_ms: 60, ..Network::default() },
        "received 550 lost 0 late 1 duplicate 0 dropped 0 concealed 6 shortened 0 lengthened 1 restarts 0",
    );
    check(
        Network { seed: 4, jitter_ms: 15, ..Network::default() },
        "received 550 lost 0 late 0 duplicate 0 dropped 0 concealed 3 shortened 0 lengthened 0 restarts 0",
    );
}

#[test]
fn a_stall_delays_and_loses_nothing() {
    check(
        Network { seed: 5, stall_ms: Some((3_000, 3_150)), ..Network::default() },
        "received 550 lost 0 late 0 duplicate 0 dropped 0 concealed 7 shortened 28 lengthened 0 restarts 0",
    );
}

#[test]
fn a_bad_network_is_survived() {
    let network =
        Network { seed: 6, loss_percent: 10, duplicate_percent: 5, jitter_ms: 80, stall_ms: Some((5_000, 5_400)), burst: None };
    check(network, "received 513 lost 60 late 1 duplicate 23 dropped 8 concealed 80 shortened 16 lengthened 0 restarts 0");
}

/// How much of what was said is heard, sample by sample at the best delay: 1 is all of it.
fn alike(said: &[i16], heard: &[i16]) -> f64 {
    let product = |left: &[i16], right: &[i16]| -> f64 {
        left.iter().zip(right).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum()
    };
    let at = |delay: usize| {
        let (left, right) = (&said[..80_000], &heard[delay..delay + 80_000]);
        product(left, right) / (product(left, left) * product(right, right)).sqrt()
    };
    (0..1_600).map(at).fold(-1.0, f64::max)
}

/// Speech in this codec and packet time: how like it is what was played, and what came of the packets.
fn spoken(network: Network, codec: LineCodec, ptime_ms: u64) -> (f64, JitterStats) {
    let said = speech(codec.row().law);
    let mut heard = emulator::packed(network, codec, std::time::Duration::from_millis(ptime_ms), &said);
    let stats = heard.buffer.stats(heard.end);
    let mut samples = Vec::new();
    codec.row().law.decode(&said, &mut samples);
    let played: Vec<i16> = heard.frames.iter().flat_map(|frame| frame.samples.clone()).collect();
    (alike(&samples, &played), stats)
}

#[test]
fn every_codec_is_understood_in_packets_of_every_length() {
    for codec in [LineCodec::G711(Codec::Pcma), LineCodec::G722, LineCodec::Opus] {
        for ptime_ms in [10, 20, 30, 40, 50, 60] {
            let (alike, stats) = spoken(Network::default(), codec, ptime_ms);
            let faults = stats.lost + stats.late + stats.dropped + stats.restarts + stats.shortened;
            assert!(alike > 0.9 && faults == 0, "{codec:?} in {ptime_ms} ms: {alike}, {stats:?}");
        }
    }
}

#[test]
fn opus_packets_that_are_lost_come_again_with_the_next() {
    let network = Network { seed: 1, loss_percent: 5, ..Network::default() };
    let (alike, stats) = spoken(network, LineCodec::Opus, 20);
    let (pcmu_alike, pcmu) = spoken(network, LineCodec::G711(Codec::Pcmu), 20);
    assert_eq!((stats.lost, pcmu.recovered), (pcmu.lost, 0));
    // The first losses come before the buffer waits for the next packet, and of two in a row only the second comes again.
    assert!(stats.recovered * 2 > stats.lost && stats.concealed < pcmu.concealed, "{stats:?}");
    assert!(alike > 0.85, "{alike} in Opus, {pcmu_alike} in PCMU");
}
