//! What moving audio costs a leg.

#![allow(missing_docs, clippy::disallowed_methods)]

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use divan::{AllocProfiler, Bencher};
use media::codec::Codec;
use media::frame::SharedFrame;
use media::jitter::{JitterBuffer, JitterConfig};
use media::rtp::{PayloadTypes, RtpPacket, RtpSender};
use media::sendout::{PromptId, Sendout, SentFrame};
use media::source::{SourcePin, SourceRule};
use media::units::{FRAME, FRAME_SAMPLES};
use rand::SeedableRng;
use rand::rngs::StdRng;

// Shows that a warm frame allocates nothing.
#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Octets of real speech, a frame each: 550, 11 s.
fn speech() -> Vec<Vec<u8>> {
    let wav = include_bytes!("../tests/data/jfk_8k.wav");
    let samples: Vec<i16> = wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let frames = samples.chunks_exact(FRAME_SAMPLES);
    frames
        .map(|samples| {
            let mut octets = Vec::new();
            Codec::Pcmu.encode(samples, &mut octets);
            octets
        })
        .collect()
}

// Budget: one G.711 frame encoded: 150 ns.
#[divan::bench(args = [Codec::Pcma, Codec::Pcmu])]
fn g711_encode(bencher: Bencher, codec: &Codec) {
    let samples: Vec<i16> = (0..FRAME_SAMPLES as i16).map(|index| index * 200).collect();
    let mut octets = Vec::with_capacity(FRAME_SAMPLES);
    bencher.bench_local(|| {
        octets.clear();
        codec.encode(divan::black_box(&samples), &mut octets);
    });
}

// Budget: one G.711 frame decoded: 150 ns.
#[divan::bench(args = [Codec::Pcma, Codec::Pcmu])]
fn g711_decode(bencher: Bencher, codec: &Codec) {
    let octets: Vec<u8> = (0..FRAME_SAMPLES).map(|index| index as u8).collect();
    let mut samples = Vec::with_capacity(FRAME_SAMPLES);
    bencher.bench_local(|| {
        samples.clear();
        codec.decode(divan::black_box(&octets), &mut samples);
    });
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
            pin: SourcePin::new(SourceRule::Any),
            jitter: JitterBuffer::new(JitterConfig::default(), types),
            sendout: Sendout::new(Codec::Pcmu),
            peer: RtpSender::new(types, &mut random),
            sender: RtpSender::new(types, &mut random),
            datagrams: BytesMut::with_capacity(64 * 1_024),
            now: Instant::now(),
        }
    }

    fn datagram(&mut self, payload: &[u8]) -> Bytes {
        self.datagrams.extend_from_slice(self.peer.next_audio(payload));
        self.datagrams.split().freeze()
    }

    fn receive(&mut self, payload: &[u8]) -> SharedFrame {
        let datagram = self.datagram(payload);
        self.now += FRAME;
        if let Ok(packet) = RtpPacket::parse(datagram) {
            self.pin.handle_packet(([127, 0, 0, 1], 4_000).into());
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
            SentFrame::Audio(_) => self.sender.next_audio(&frame).len(),
            _ => 0,
        }
    }
}

// Budget: 11 s of one leg, 550 packets parsed, pinned, pushed and played: 1.1 ms, 2 us each.
#[divan::bench]
fn jitter_push_and_pop_11_s(bencher: Bencher) {
    let frames = speech();
    let mut leg = Leg::new();
    bencher.bench_local(|| {
        for frame in &frames {
            divan::black_box(leg.receive(frame));
        }
    });
}

// Budget: 11 s of one leg with every tenth packet lost: 2.2 ms, so a concealed frame may take 22 us.
#[divan::bench]
fn jitter_with_10_percent_loss_11_s(bencher: Bencher) {
    let frames = speech();
    let mut leg = Leg::new();
    bencher.bench_local(|| {
        for (index, frame) in frames.iter().enumerate() {
            match index % 10 {
                9 => divan::black_box(leg.lose()),
                _ => divan::black_box(leg.receive(frame)),
            };
        }
    });
}

// Budget: 100 legs, one 20 ms tick, both directions, one core: 400 us, 4 us a leg, 0.02 % of a core a call.
#[divan::bench]
fn leg_tick_of_100_legs(bencher: Bencher) {
    let frames = speech();
    let mut legs: Vec<Leg> = (0..100).map(|_| Leg::new()).collect();
    let mut tick = 0;
    bencher.bench_local(|| {
        for leg in &mut legs {
            let frame = &frames[tick % frames.len()];
            if leg.sendout.waiting() < FRAME * 2 {
                let _ = leg.sendout.push(PromptId(1), frame);
                let _ = leg.sendout.push(PromptId(1), frame);
            }
            divan::black_box(leg.receive(frame));
            divan::black_box(leg.send());
        }
        tick += 1;
    });
}
