//! What codecs other than G.711, and encryption, cost a leg: a packet of 20 ms each.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use media::codec::Codec;
use media::line::packer::Packer;
use media::line::unpacker::Unpacker;
use media::line::{LineCodec, OpusWishes};
use media::rtp::{PayloadTypes, RtpSender};
use media::srtp::{MasterKey, Opener, Sealer, Suite};
use media::units::{FRAME, FRAME_SAMPLES};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::speech;
use crate::workload::{Step, Workload};

pub const WORKLOADS: &[Workload] = &[
    // A leg that speaks anything but G.711 may cost 1 % of a core: 200 us a frame, of which Opus takes the most.
    Workload {
        name: "g722_encode",
        what: "one frame to G.722",
        budget: Duration::from_micros(40),
        counted: 550,
        start: || encode(LineCodec::G722),
    },
    Workload {
        name: "g722_decode",
        what: "one frame of G.722",
        budget: Duration::from_micros(20),
        counted: 550,
        start: || decode(LineCodec::G722),
    },
    Workload {
        name: "opus_encode",
        what: "one frame to Opus, with FEC",
        budget: Duration::from_micros(150),
        counted: 550,
        start: || encode(LineCodec::Opus),
    },
    Workload {
        name: "opus_decode",
        what: "one frame of Opus",
        budget: Duration::from_micros(50),
        counted: 550,
        start: || decode(LineCodec::Opus),
    },
    // A packet each way each 20 ms: 0.02 % of a core a call.
    Workload {
        name: "srtp_cm_seal",
        what: "one packet of G.711 sealed, AES_CM_128_HMAC_SHA1_80",
        budget: Duration::from_micros(2),
        counted: 1_000,
        start: || seal(Suite::AesCm128Sha1_80),
    },
    Workload {
        name: "srtp_cm_open",
        what: "the same opened",
        budget: Duration::from_micros(2),
        counted: 1_000,
        start: || open(Suite::AesCm128Sha1_80),
    },
    Workload {
        name: "srtp_gcm_seal",
        what: "one packet of G.711 sealed, AEAD_AES_128_GCM",
        budget: Duration::from_micros(2),
        counted: 1_000,
        start: || seal(Suite::AeadAes128Gcm),
    },
    Workload {
        name: "srtp_gcm_open",
        what: "the same opened",
        budget: Duration::from_micros(2),
        counted: 1_000,
        start: || open(Suite::AeadAes128Gcm),
    },
];

/// Packets opened under one key before it begins anew, since none is taken twice.
const PACKETS: usize = 4_096;

fn packer(codec: LineCodec) -> Packer {
    let wishes = OpusWishes { fec: true, ..OpusWishes::default() };
    Packer::new(codec, FRAME, wishes).expect("neither is G.711")
}

fn frames() -> Vec<[u8; FRAME_SAMPLES]> {
    speech::octets().iter().map(|octets| *octets.as_array().expect("a frame is whole")).collect()
}

fn encode(codec: LineCodec) -> Step {
    let (frames, mut packer, mut next) = (frames(), packer(codec), 0);
    Box::new(move || {
        packer.push(black_box(&frames[next % frames.len()]));
        black_box(packer.poll_packet());
        next += 1;
    })
}

fn decode(codec: LineCodec) -> Step {
    let mut packer = packer(codec);
    let mut pack = |frame: &[u8; FRAME_SAMPLES]| {
        packer.push(frame);
        packer.poll_packet().expect("a frame is a packet").payload.to_vec()
    };
    let packets: Vec<Vec<u8>> = frames().iter().map(&mut pack).collect();
    let (mut unpacker, mut samples, mut next) = (Unpacker::new(codec), Vec::with_capacity(FRAME_SAMPLES), 0);
    Box::new(move || {
        samples.clear();
        unpacker.decode(black_box(&packets[next % packets.len()]), &mut samples);
        black_box(&samples);
        next += 1;
    })
}

fn key(suite: Suite) -> MasterKey {
    MasterKey::new(suite, &vec![7; suite.key_length()]).expect("it is as long as the suite's")
}

fn sender() -> RtpSender {
    RtpSender::new(PayloadTypes::of(Codec::Pcmu), &mut StdRng::seed_from_u64(1))
}

fn seal(suite: Suite) -> Step {
    let (mut sealer, mut sender) = (Sealer::new(key(suite)), sender());
    Box::new(move || {
        black_box(sealer.seal(sender.next_audio(&[0x55; FRAME_SAMPLES], FRAME_SAMPLES as u32)));
    })
}

fn open(suite: Suite) -> Step {
    let (mut sealer, mut sender) = (Sealer::new(key(suite)), sender());
    let mut packet = || {
        let packet = sender.next_audio(&[0x55; FRAME_SAMPLES], FRAME_SAMPLES as u32);
        sealer.seal(packet).expect("a key seals more than these").freeze()
    };
    let packets: Vec<Bytes> = (0..PACKETS).map(|_| packet()).collect();
    let (mut opener, mut next) = (Opener::new(key(suite)), 0);
    Box::new(move || {
        if next == PACKETS {
            (opener, next) = (Opener::new(key(suite)), 0);
        }
        black_box(opener.open(&packets[next]).expect("it is authentic and new"));
        next += 1;
    })
}
