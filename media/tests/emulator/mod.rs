//! A seeded network between an RTP sender and a jitter buffer, in virtual time.

// Each test binary uses its part of it.
#![allow(dead_code)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::frame::SharedFrame;
use media::jitter::{JitterBuffer, JitterConfig};
use media::line::packer::Packer;
use media::line::{LineCodec, OpusWishes};
use media::rtp::{PayloadTypes, RtpPacket, RtpSender};
use media::units::{FRAME, FRAME_SAMPLES};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How packets fare on their way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network {
    /// Seed of all that is random.
    pub seed: u64,
    /// Of 100 packets, this many are lost.
    pub loss_percent: u32,
    /// Packets that are lost one after the other, on the mean (Gilbert's model); none of it: each by itself.
    pub burst: Option<f64>,
    /// Of 100 packets, this many come twice.
    pub duplicate_percent: u32,
    /// Delay of each packet beyond the fastest, evenly from 0 to this.
    pub jitter_ms: u32,
    /// A time in which nothing arrives: all of it comes at its end.
    pub stall_ms: Option<(u64, u64)>,
}

/// One direction of a call: what arrived and what was played.
pub struct Heard {
    /// The buffer after the last tick.
    pub buffer: JitterBuffer,
    /// Its output, a frame a tick.
    pub frames: Vec<SharedFrame>,
    /// Time of the last tick.
    pub end: Instant,
    /// Which of the packets sent never came.
    pub lost: Vec<usize>,
}

/// Sends `audio` one frame each 20 ms over the network, and plays it on ticks 7 ms out of phase with the sender.
pub fn call(network: Network, types: PayloadTypes, audio: &[u8]) -> Heard {
    let mut random = StdRng::seed_from_u64(network.seed);
    let mut sender = RtpSender::new(types, &mut random);
    let (mut arrivals, mut lost) = (Vec::new(), Vec::new());
    let mut path = Path::new(network);
    for (index, payload) in audio.chunks_exact(FRAME_SAMPLES).enumerate() {
        let packet = Bytes::copy_from_slice(sender.next_audio(payload, FRAME_SAMPLES as u32));
        let sent = FRAME * index as u32;
        let copies = path.copies(&mut random);
        lost.extend((copies == 0).then_some(index));
        for _ in 0..copies {
            arrivals.push((network.arrival(sent, &mut random), packet.clone()));
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    Heard { lost, ..play(arrivals, types, audio.len() / FRAME_SAMPLES + 15) }
}

/// Sends `audio`, octets in the call's law, in packets of a codec, Opus with FEC, and of a packet time, and plays it.
pub fn packed(network: Network, codec: LineCodec, ptime: Duration, audio: &[u8]) -> Heard {
    wished(network, (codec, OpusWishes { fec: true, ..OpusWishes::default() }), ptime, audio)
}

/// The same in Opus as the peer wishes it.
pub fn wished(network: Network, (codec, wishes): (LineCodec, OpusWishes), ptime: Duration, audio: &[u8]) -> Heard {
    let mut random = StdRng::seed_from_u64(network.seed);
    let types = PayloadTypes::of(codec);
    let mut sender = RtpSender::new(types, &mut StdRng::seed_from_u64(1));
    let mut packer = Packer::new(codec, ptime, wishes);
    let mut path = Path::new(network);
    let (mut arrivals, mut lost, mut sent) = (Vec::new(), Vec::new(), 0);
    for (index, frame) in audio.as_chunks::<FRAME_SAMPLES>().0.iter().enumerate() {
        let at = FRAME * index as u32;
        let mut packets = Vec::new();
        match &mut packer {
            None => packets.push(Bytes::copy_from_slice(sender.next_audio(frame, FRAME_SAMPLES as u32))),
            Some(packer) => {
                packer.push(frame);
                while let Some(packed) = packer.poll_packet() {
                    packets.push(Bytes::copy_from_slice(sender.next_audio(packed.payload, packed.ticks)));
                }
            }
        }
        for packet in packets {
            let copies = path.copies(&mut random);
            lost.extend((copies == 0).then_some(sent));
            sent += 1;
            for _ in 0..copies {
                arrivals.push((network.arrival(at, &mut random), packet.clone()));
            }
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    Heard { lost, ..play(arrivals, types, audio.len() / FRAME_SAMPLES + 15) }
}

/// Feeds packets at their times and plays `ticks` frames.
pub fn play(arrivals: Vec<(Duration, Bytes)>, types: PayloadTypes, ticks: usize) -> Heard {
    let start = epoch();
    let mut buffer = JitterBuffer::new(JitterConfig::default(), types);
    let mut arrivals = arrivals.into_iter().peekable();
    let mut end = start;
    let frames = (0..ticks)
        .map(|tick| {
            let at = Duration::from_millis(7) + FRAME * tick as u32;
            while let Some((arrival, packet)) = arrivals.next_if(|(arrival, _)| *arrival <= at) {
                let packet = RtpPacket::parse(packet).expect("our own packet");
                buffer.handle_packet(start + arrival, &packet);
            }
            end = start + at;
            buffer.playout(end)
        })
        .collect();
    Heard { buffer, frames, end, lost: Vec::new() }
}

/// The network while packets go over it.
pub struct Path {
    network: Network,
    /// In a burst of loss.
    bad: bool,
}

impl Path {
    /// Nothing lost yet.
    pub fn new(network: Network) -> Self {
        Self { network, bad: false }
    }

    /// How often the next packet arrives.
    pub fn copies(&mut self, random: &mut StdRng) -> u32 {
        let lost = self.loses(random);
        let twice = random.random_range(0..100) < self.network.duplicate_percent;
        u32::from(!lost) * (1 + u32::from(twice))
    }

    fn loses(&mut self, random: &mut StdRng) -> bool {
        let Some(burst) = self.network.burst else {
            return random.random_range(0..100) < self.network.loss_percent;
        };
        // From bad to good once a mean burst; from good to bad as often as makes the share of bad ones right.
        let loss = f64::from(self.network.loss_percent) / 100.0;
        let end = 1.0 / burst;
        let begin = end * loss / (1.0 - loss);
        self.bad = if self.bad { random.random_range(0.0..1.0) >= end } else { random.random_range(0.0..1.0) < begin };
        self.bad
    }
}

impl Network {
    /// When a packet that was sent then arrives.
    pub fn arrival(&self, sent: Duration, random: &mut StdRng) -> Duration {
        let jitter = random.random_range(0..=self.jitter_ms * 1_000);
        let at = sent + Duration::from_micros(jitter.into());
        match self.stall_ms {
            Some((from, to)) if (from..to).contains(&(at.as_millis() as u64)) => Duration::from_millis(to),
            _ => at,
        }
    }
}

/// Where virtual time starts.
#[allow(clippy::disallowed_methods)]
pub fn epoch() -> Instant {
    Instant::now()
}
