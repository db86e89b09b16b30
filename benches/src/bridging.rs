//! What it costs that calls talk with each other.
//!
//! A mixed call costs its leg and its share of the mixer; a call whose packets are passed on costs a rewritten header.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use media::codec::Codec;
use media::frame::{FrameOrigin, PcmFrame, SharedFrame};
use media::mixer::{Mixer, Role};
use media::relay::Relay;
use media::rtp::{PayloadKind, PayloadTypes, RtpPacket, RtpSender};
use media::units::FRAME_SAMPLES;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::speech;
use crate::workload::{Step, Workload};

pub const WORKLOADS: &[Workload] = &[
    // 0.002 % of a core a call.
    Workload {
        name: "relay_a_packet",
        what: "one packet passed on from leg to leg",
        budget: Duration::from_nanos(150),
        counted: 1_000,
        start: relay,
    },
    Workload {
        name: "mix_2",
        what: "one tick of a bridge that is mixed",
        budget: Duration::from_nanos(600),
        counted: 1_000,
        start: || mix(2),
    },
    // 0.01 % of a core a call.
    Workload {
        name: "mix_16",
        what: "one tick of sixteen who all talk",
        budget: Duration::from_micros(16),
        counted: 200,
        start: || mix(Mixer::MEMBERS),
    },
];

fn relay() -> Step {
    let mut random = StdRng::seed_from_u64(1);
    let types = PayloadTypes::of(Codec::Pcmu);
    let (mut relay, mut sender) = (Relay::new(), RtpSender::new(types, &mut random));
    let mut peer = RtpSender::new(types, &mut random);
    let first = peer.next_audio(&[0xFF; FRAME_SAMPLES], FRAME_SAMPLES as u32);
    let mut packet = RtpPacket::parse(Bytes::copy_from_slice(first)).expect("it is RTP");
    Box::new(move || {
        packet.sequence = packet.sequence.wrapping_add(1);
        packet.timestamp = packet.timestamp.after(FRAME_SAMPLES as u32);
        sender.skip();
        black_box(relay.pass_on(PayloadKind::Audio, black_box(&packet), &mut sender));
    })
}

fn mix(members: usize) -> Step {
    let mut mixer = Mixer::new();
    let ids: Vec<_> = (0..members).filter_map(|_| mixer.join(Role::Talker, Codec::Pcmu)).collect();
    let frames: Vec<SharedFrame> = speech::octets().iter().map(|octets| frame(octets)).collect();
    let mut tick = 0;
    Box::new(move || {
        for (number, id) in ids.iter().enumerate() {
            mixer.push(*id, SharedFrame::clone(&frames[(tick + 7 * number) % frames.len()]));
        }
        mixer.mix();
        for id in &ids {
            black_box(mixer.heard(*id));
        }
        tick += 1;
    })
}

fn frame(octets: &[u8]) -> SharedFrame {
    let mut frame = PcmFrame { samples: Vec::new(), encoded: octets.to_vec(), ..PcmFrame::silence(Codec::Pcmu) };
    Codec::Pcmu.decode(octets, &mut frame.samples);
    frame.origin = FrameOrigin::Received;
    SharedFrame::new(frame)
}
