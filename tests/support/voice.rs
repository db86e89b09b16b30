//! One end of a call whose SIP is another program's: a socket that says a tone to whoever sends to it, and keeps what it hears.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::codec::Codec;
use media::units::{FRAME, FRAME_SAMPLES};

use crate::talker::amplitude;

/// Amplitude of the voice.
pub const LOUD: f64 = 6_000.0;

/// Frames in which a tone is looked for: 0.4 s.
const LOOKED_AT: usize = 20;

#[derive(Default)]
struct Shared {
    /// Frames in the order in which they came.
    heard: Mutex<Vec<Vec<i16>>>,
    /// Hertz of the voice; 0 is silence.
    tone: AtomicU64,
    over: AtomicBool,
}

/// A telephone's mouth, in PCMU, and its ear, in both laws.
pub struct Voice {
    pub port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Voice {
    /// Silent at first; it speaks to whoever has spoken to it.
    pub fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let (port, shared) = (socket.local_addr().unwrap().port(), Arc::new(Shared::default()));
        let its = Arc::clone(&shared);
        let thread = std::thread::spawn(move || run(&socket, &its));
        Self { port, shared, thread: Some(thread) }
    }

    /// Says a tone; 0 falls silent.
    pub fn say(&self, hertz: u64) {
        self.shared.tone.store(hertz, Relaxed);
    }

    /// Frames that came so far.
    pub fn frames(&self) -> usize {
        self.shared.heard.lock().unwrap().len()
    }

    /// How loud a tone was at most since that many frames had come.
    pub fn loudest(&self, hertz: u64, since: usize) -> f64 {
        let heard = self.shared.heard.lock().unwrap();
        let level = |part: &[Vec<i16>]| amplitude(&part.concat(), hertz);
        heard.get(since..).unwrap_or_default().chunks(LOOKED_AT).map(level).fold(0.0, f64::max)
    }

    /// Whether it hears a tone now.
    pub fn hears(&self, hertz: u64) -> bool {
        let frames = self.frames();
        frames >= LOOKED_AT && self.loudest(hertz, frames - LOOKED_AT) > LOUD / 2.0
    }

    /// Waits until it hears a tone.
    pub fn wait_hears(&self, hertz: u64) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.hears(hertz) {
            assert!(Instant::now() < deadline, "{hertz} Hz are not heard in {} frames", self.frames());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.shared.over.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _it_panicked_for_itself = thread.join();
        }
    }
}

fn run(socket: &UdpSocket, shared: &Shared) {
    let (mut room, mut due, mut to) = ([0; 2_048], Instant::now(), None);
    for count in 0_u32.. {
        while let Ok((length, from)) = socket.recv_from(&mut room) {
            let law = match room[1] & 0x7F {
                0 => Codec::Pcmu,
                8 => Codec::Pcma,
                _ => continue,
            };
            if length > 12 {
                to = Some(from);
                let mut samples = Vec::new();
                law.decode(&room[12..length], &mut samples);
                shared.heard.lock().unwrap().push(samples);
            }
        }
        if let Some(to) = to {
            say(socket, to, count, shared.tone.load(Relaxed));
        }
        if shared.over.load(Relaxed) {
            return;
        }
        due += FRAME;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// Sends one frame.
fn say(socket: &UdpSocket, to: SocketAddr, count: u32, hertz: u64) {
    let first = u64::from(count) * FRAME_SAMPLES as u64;
    let turn = std::f64::consts::TAU * hertz as f64 / 8_000.0;
    let sample = |index: u64| (LOUD * (turn * (first + index) as f64).sin()) as i16;
    let samples: Vec<i16> = (0..FRAME_SAMPLES as u64).map(sample).collect();
    let mut packet = vec![0x80, 0];
    packet.extend((count as u16).to_be_bytes());
    packet.extend((first as u32).to_be_bytes());
    packet.extend(7_u32.to_be_bytes());
    Codec::Pcmu.encode(&samples, &mut packet);
    // A node that has ended hears nothing.
    let _refused = socket.send_to(&packet, to);
}
