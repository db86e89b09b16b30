//! What moving audio costs a leg.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use media::codec::Codec;
use media::frame::SharedFrame;
use media::jitter::{JitterBuffer, JitterConfig};
use media::rtp::{PayloadTypes, RtpPacket, RtpSender};
use media::sendout::{PromptId, Sendout, SentFrame};
use media::source::{SourcePin, SourceRule};
use media::units::{FRAME, FRAME_SAMPLES};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::speech;
use crate::workload::{Step, Workload};

pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "pcmu_encode",
        what: "one frame to mu-law",
        budget: Duration::from_nanos(150),
        counted: 1_000,
        start: || encode(Codec::Pcmu),
    },
    Workload {
        name: "pcma_encode",
        what: "one frame to A-law",
        budget: Duration::from_nanos(150),
        counted: 1_000,
        start: || encode(Codec::Pcma),
    },
    Workload {
        name: "pcmu_decode",
        what: "one frame of mu-law",
        budget: Duration::from_nanos(150),
        counted: 1_000,
        start: || decode(Codec::Pcmu),
    },
    Workload {
        name: "pcma_decode",
        what: "one frame of A-law",
        budget: Duration::from_nanos(150),
        counted: 1_000,
        start: || decode(Codec::Pcma),
    },
    // 2 us a packet: parsed, pinned, pushed and played.
    Workload {
        name: "jitter_push_and_pop_11_s",
        what: "550 packets of a leg in and out",
        budget: Duration::from_micros(1_100),
        counted: 4,
        start: jitter_push_and_pop,
    },
    // A concealed frame may take 22 us.
    Workload {
        name: "jitter_with_10_percent_loss_11_s",
        what: "the same, every tenth lost",
        budget: Duration::from_micros(2_200),
        counted: 4,
        start: jitter_with_loss,
    },
    // 4 us a leg, 0.02 % of a core a call.
    Workload {
        name: "leg_tick_of_100_legs",
        what: "one tick of 100 legs, both directions",
        budget: Duration::from_micros(400),
        counted: 100,
        start: leg_tick,
    },
];

fn encode(codec: Codec) -> Step {
    let samples: Vec<i16> = (0..FRAME_SAMPLES as i16).map(|index| index * 200).collect();
    let mut octets = Vec::with_capacity(FRAME_SAMPLES);
    Box::new(move || {
        octets.clear();
        codec.encode(black_box(&samples), &mut octets);
        black_box(&octets);
    })
}

fn decode(codec: Codec) -> Step {
    let octets: Vec<u8> = (0..FRAME_SAMPLES).map(|index| index as u8).collect();
    let mut samples = Vec::with_capacity(FRAME_SAMPLES);
    Box::new(move || {
        samples.clear();
        codec.decode(black_box(&octets), &mut samples);
        black_box(&samples);
    })
}

/// One leg as the actors drive it, without sockets.
struct Leg {
    pin: SourcePin,
    jitter: JitterBuffer,
    sendout: Sendout,
    peer: RtpSender,
    sender: RtpSender,
    datagrams: BytesMut,
    now: Instant,
}

impl Leg {
    fn new() -> Self {
        let types = PayloadTypes::of(Codec::Pcmu);
        let mut random = StdRng::seed_from_u64(1);
        Self {
            pin: SourcePin::new(SourceRule::Expect(([127, 0, 0, 1], 4_000).into())),
            jitter: JitterBuffer::new(JitterConfig::default(), types),
            sendout: Sendout::new(Codec::Pcmu),
            peer: RtpSender::new(types, &mut random),
            sender: RtpSender::new(types, &mut random),
            datagrams: BytesMut::with_capacity(64 * 1_024),
            now: Instant::now(),
        }
    }

    fn datagram(&mut self, payload: &[u8]) -> Bytes {
        self.datagrams.extend_from_slice(self.peer.next_audio(payload, FRAME_SAMPLES as u32));
        self.datagrams.split().freeze()
    }

    fn receive(&mut self, payload: &[u8]) -> SharedFrame {
        let datagram = self.datagram(payload);
        self.now += FRAME;
        if let Ok(packet) = RtpPacket::parse(datagram) {
            self.pin.handle_packet(self.now, ([127, 0, 0, 1], 4_000).into(), &packet);
            self.jitter.handle_packet(self.now, &packet);
        }
        self.jitter.playout(self.now)
    }

    fn lose(&mut self) -> SharedFrame {
        self.peer.skip();
        self.now += FRAME;
        self.jitter.playout(self.now)
    }

    fn send(&mut self) -> usize {
        let mut frame = [0; FRAME_SAMPLES];
        let sent = self.sendout.next_frame(&mut frame);
        while self.sendout.poll_event().is_some() {}
        match sent {
            SentFrame::Audio(_) => self.sender.next_audio(&frame, FRAME_SAMPLES as u32).len(),
            _ => 0,
        }
    }
}

fn jitter_push_and_pop() -> Step {
    let frames = speech::octets();
    let mut leg = Leg::new();
    Box::new(move || {
        for frame in &frames {
            black_box(leg.receive(frame));
        }
    })
}

fn jitter_with_loss() -> Step {
    let frames = speech::octets();
    let mut leg = Leg::new();
    Box::new(move || {
        for (index, frame) in frames.iter().enumerate() {
            match index % 10 {
                9 => black_box(leg.lose()),
                _ => black_box(leg.receive(frame)),
            };
        }
    })
}

fn leg_tick() -> Step {
    let frames = speech::octets();
    let mut legs: Vec<Leg> = (0..100).map(|_| Leg::new()).collect();
    let mut tick = 0;
    Box::new(move || {
        for leg in &mut legs {
            let frame = &frames[tick % frames.len()];
            if leg.sendout.waiting() < FRAME * 2 {
                let _ = leg.sendout.push(PromptId(1), frame);
                let _ = leg.sendout.push(PromptId(1), frame);
            }
            black_box(leg.receive(frame));
            black_box(leg.send());
        }
        tick += 1;
    })
}
