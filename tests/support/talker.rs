//! A caller with a voice of one tone and an ear that tells tones apart: who hears whom shows in what it receives.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::codec::Codec;
use media::dtmf::{Digit, DtmfEvent, DtmfReceiver, DtmfSender, DtmfTick};
use media::rtp::{PayloadKind, PayloadTypes, RtpPacket};
use media::units::{FRAME, FRAME_SAMPLES, RtpTime, SampleRate};
use sip::endpoint::Event;
use sip::sdp::{self, Direction, LocalMedia, SessionDescription};

use crate::peer::Peer;

/// What it received, and what it is to do.
#[derive(Default)]
struct Shared {
    /// Packets in the order in which they came.
    heard: Mutex<Vec<RtpPacket>>,
    /// Payloads sent, in order.
    said: Mutex<Vec<Vec<u8>>>,
    keys: Mutex<Vec<Digit>>,
    pressed: Mutex<String>,
    /// Hertz of its voice; 0 is silence.
    tone: AtomicU64,
    /// An offer to be sent.
    offer: Mutex<Option<String>>,
    hang_up: AtomicBool,
    /// The other side hung up.
    over: AtomicBool,
}

/// A call that is up.
pub struct Talker {
    pub name: String,
    /// Its side of the media.
    local: Mutex<LocalMedia>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Amplitude of the voice.
const LOUD: f64 = 6_000.0;

const TYPES: PayloadTypes =
    PayloadTypes { codec: media::line::LineCodec::G711(Codec::Pcmu), audio: 0, telephone_event: Some(101), comfort_noise: None };

impl Talker {
    /// Calls from this user, and says this tone from then on.
    pub fn call(target: SocketAddr, name: &str, hertz: u64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let local = socket.local_addr().unwrap();
        let mut media = LocalMedia::new(local.ip(), local.port(), 1);
        let offer = sdp::offer(&media);
        media.previous = Some(offer.clone());
        let (peer, answer) = Peer::call_with(target, name, offer);
        let answer = SessionDescription::parse(&answer).unwrap();
        let audio = &answer.media[0];
        let remote = SocketAddr::new(audio.connection.or(answer.connection).unwrap(), audio.port);
        let shared = Arc::new(Shared { tone: AtomicU64::new(hertz), ..Shared::default() });
        let (mouth, its) = (Mouth::new(socket, remote, local.port().into()), Arc::clone(&shared));
        let thread = std::thread::spawn(move || mouth.run(peer, &its));
        Self { name: name.to_owned(), local: Mutex::new(media), shared, thread: Some(thread) }
    }

    /// Says another tone; 0 falls silent.
    pub fn say(&self, hertz: u64) {
        self.shared.tone.store(hertz, Relaxed);
    }

    /// Holds the call, or takes it back, by a re-INVITE.
    pub fn offer(&self, direction: Direction) {
        let mut local = self.local.lock().unwrap();
        local.direction = direction;
        let offer = sdp::offer(&local);
        local.previous = Some(offer.clone());
        *self.shared.offer.lock().unwrap() = Some(offer);
    }

    pub fn press(&self, key: char) {
        self.shared.keys.lock().unwrap().push(Digit::from_char(key).unwrap());
    }

    /// Keys that it was sent so far.
    pub fn pressed(&self) -> String {
        self.shared.pressed.lock().unwrap().clone()
    }

    /// Packets that came so far.
    pub fn heard(&self) -> Vec<RtpPacket> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// Payloads that it sent so far.
    pub fn said(&self) -> Vec<Vec<u8>> {
        self.shared.said.lock().unwrap().clone()
    }

    /// How loud a tone is in the last so many frames that came, as an amplitude.
    pub fn hears(&self, hertz: u64, frames: usize) -> f64 {
        let heard = self.shared.heard.lock().unwrap();
        let audio = heard.iter().filter(|packet| packet.payload_type == TYPES.audio);
        let mut samples = Vec::new();
        let last: Vec<_> = audio.rev().take(frames).collect();
        last.iter().rev().for_each(|packet| Codec::Pcmu.decode(&packet.payload, &mut samples));
        amplitude(&samples, hertz)
    }

    /// Waits until it hears these tones and none of the others.
    pub fn wait_hears(&self, tones: &[u64], silent: &[u64]) {
        let loud = |hertz: &u64| self.hears(*hertz, 20) > LOUD / 2.0;
        let deadline = Instant::now() + Duration::from_secs(20);
        while !tones.iter().all(loud) || silent.iter().any(loud) {
            let levels: Vec<f64> = tones.iter().chain(silent).map(|hertz| self.hears(*hertz, 20)).collect();
            assert!(Instant::now() < deadline, "{} does not hear {tones:?} without {silent:?}: {levels:?}", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn is_over(&self) -> bool {
        self.shared.over.load(Relaxed)
    }

    pub fn hang_up(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.hang_up.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _it_panicked_for_itself = thread.join();
        }
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.end();
    }
}

/// How much of a tone there is (Goertzel), as the amplitude of a sine.
pub fn amplitude(samples: &[i16], hertz: u64) -> f64 {
    let turn = std::f64::consts::TAU * hertz as f64 / 8_000.0;
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        real += f64::from(*sample) * (turn * index as f64).cos();
        imaginary += f64::from(*sample) * (turn * index as f64).sin();
    }
    2.0 * f64::hypot(real, imaginary) / samples.len().max(1) as f64
}

/// What runs in the caller's thread.
struct Mouth {
    socket: UdpSocket,
    remote: SocketAddr,
    ssrc: u32,
    sequence: u16,
    dtmf: DtmfSender,
    ear: DtmfReceiver,
    sample: u64,
}

impl Mouth {
    fn new(socket: UdpSocket, remote: SocketAddr, ssrc: u32) -> Self {
        let (dtmf, ear) = (DtmfSender::new(SampleRate::HZ_8000), DtmfReceiver::new(SampleRate::HZ_8000));
        Self { socket, remote, ssrc, sequence: 0, dtmf, ear, sample: 0 }
    }

    fn run(mut self, mut peer: Peer, shared: &Shared) {
        let mut due = Instant::now();
        while !shared.hang_up.load(Relaxed) && !shared.over.load(Relaxed) {
            if let Some(offer) = shared.offer.lock().unwrap().take() {
                peer.offer(offer);
            }
            self.speak(shared);
            self.listen(shared);
            due += FRAME;
            while Instant::now() < due {
                if peer.step().iter().any(|event| matches!(event, Event::HungUp { .. })) {
                    shared.over.store(true, Relaxed);
                }
            }
        }
        if !shared.over.load(Relaxed) {
            peer.hang_up();
        }
    }

    fn speak(&mut self, shared: &Shared) {
        for digit in std::mem::take(&mut *shared.keys.lock().unwrap()) {
            assert!(self.dtmf.push(digit));
        }
        let turn = std::f64::consts::TAU * shared.tone.load(Relaxed) as f64 / 8_000.0;
        let samples: Vec<i16> =
            (0..FRAME_SAMPLES as u64).map(|index| (LOUD * (turn * (self.sample + index) as f64).sin()) as i16).collect();
        let now = RtpTime(self.sample as u32);
        self.sample += FRAME_SAMPLES as u64;
        let mut octets = Vec::new();
        Codec::Pcmu.encode(&samples, &mut octets);
        match self.dtmf.next_tick(now) {
            DtmfTick::Idle => {
                self.send(TYPES.audio, now, &octets);
                shared.said.lock().unwrap().push(octets);
            }
            DtmfTick::Packet(event) => self.send(101, event.timestamp, &event.payload),
            DtmfTick::Gap => {}
        }
    }

    fn send(&mut self, payload_type: u8, time: RtpTime, payload: &[u8]) {
        let mut bytes = vec![0x80, payload_type];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(time.0.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        bytes.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send_to(&bytes, self.remote).unwrap();
    }

    fn listen(&mut self, shared: &Shared) {
        let mut buffer = [0; 1_500];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let Ok(packet) = RtpPacket::parse(buffer[..length].to_vec().into()) else { continue };
            if TYPES.kind(packet.payload_type) == PayloadKind::TelephoneEvent {
                self.ear.handle_packet(Instant::now(), &packet);
                while let Some(event) = self.ear.poll_event() {
                    if let DtmfEvent::Pressed(digit) = event {
                        shared.pressed.lock().unwrap().push(digit.to_char());
                    }
                }
            }
            shared.heard.lock().unwrap().push(packet);
        }
    }
}
