//! A sender and a jitter buffer joined by a seeded network: real speech, exact counts.

#![allow(clippy::unwrap_used)]

mod emulator;

use emulator::{Heard, Network};
use media::codec::Codec;
use media::frame::FrameOrigin;
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
    let network = Network { seed: 6, loss_percent: 10, duplicate_percent: 5, jitter_ms: 80, stall_ms: Some((5_000, 5_400)) };
    check(network, "received 513 lost 60 late 1 duplicate 23 dropped 8 concealed 80 shortened 16 lengthened 0 restarts 0");
}
