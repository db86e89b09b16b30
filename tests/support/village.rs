//! A village of telephones behind one SIP address of the tests' own: who is called decides what happens, and every INVITE is counted.
//!
//! The last two digits of a number say who lives there: `1x` says a word, talks for a while and hangs up; `2x` is busy; `3x` rings for
//! ever; `4x` is a machine that talks on, beeps and listens.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::codec::Codec;
use media::units::{Dbov, FRAME, FRAME_SAMPLES};
use sip::endpoint::{DialogId, Endpoint, EndpointConfig, Event, Flow, Transport};
use sip::message::StatusCode;
use sip::sdp::{self, LocalMedia, SessionDescription};

use super::support::speech;

/// What was seen.
#[derive(Default)]
pub struct Seen {
    /// Numbers in the order of their INVITEs.
    pub invites: Vec<String>,
    /// Most calls at once that rang or were up.
    pub most: usize,
    /// Frames of voice that each machine heard after its beep.
    pub heard: HashMap<String, usize>,
}

pub struct Village {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Village {
    /// People who pick up stay for so long.
    pub fn start(stays: Duration) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let address = socket.local_addr().unwrap();
        let (seen, over) = (Arc::<Mutex<Seen>>::default(), Arc::new(AtomicBool::new(false)));
        let endpoint = Endpoint::new(EndpointConfig::default(), 7);
        let exchange = Exchange { socket, endpoint, address, stays, calls: HashMap::new(), seen: Arc::clone(&seen) };
        let stop = Arc::clone(&over);
        let thread = std::thread::spawn(move || exchange.run(&stop));
        Self { address, seen, over, thread: Some(thread) }
    }

    /// How often each number was called.
    pub fn invites(&self) -> HashMap<String, usize> {
        let seen = self.seen.lock().unwrap();
        let mut all = HashMap::new();
        seen.invites.iter().for_each(|number| *all.entry(number.clone()).or_default() += 1);
        all
    }

    pub fn most(&self) -> usize {
        self.seen.lock().unwrap().most
    }

    pub fn heard(&self, number: &str) -> usize {
        self.seen.lock().unwrap().heard.get(number).copied().unwrap_or_default()
    }
}

impl Drop for Village {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

struct Resident {
    dialog: DialogId,
    hangs_up: Option<Instant>,
    over: Arc<AtomicBool>,
}

struct Exchange {
    socket: UdpSocket,
    endpoint: Endpoint,
    address: SocketAddr,
    stays: Duration,
    /// By Call-ID.
    calls: HashMap<String, Resident>,
    seen: Arc<Mutex<Seen>>,
}

impl Exchange {
    fn run(mut self, over: &AtomicBool) {
        let mut buffer = [0; 65_535];
        while !over.load(Relaxed) {
            if let Ok((length, remote)) = self.socket.recv_from(&mut buffer) {
                let flow = Flow { transport: Transport::Udp, local: self.address, remote };
                self.endpoint.handle_receive(Instant::now(), flow, &buffer[..length]);
            }
            self.drain();
            let now = Instant::now();
            if self.endpoint.poll_timeout().is_some_and(|due| due <= now) {
                self.endpoint.handle_timeout(now);
                self.drain();
            }
            let late = self.calls.iter().filter(|(_, one)| one.hangs_up.is_some_and(|at| at <= now));
            let late: Vec<String> = late.map(|(id, _)| id.clone()).collect();
            for id in late {
                self.hang_up(&id, now);
            }
        }
    }

    fn hang_up(&mut self, id: &str, now: Instant) {
        if let Some(one) = self.calls.remove(id) {
            one.over.store(true, Relaxed);
            self.endpoint.hang_up(now, &one.dialog, None);
            self.drain();
        }
    }

    fn drain(&mut self) {
        loop {
            while let Some(transmit) = self.endpoint.poll_transmit() {
                let _server_is_away = self.socket.send_to(&transmit.bytes, transmit.flow.remote);
            }
            let Some(event) = self.endpoint.poll_event() else { return };
            match event {
                Event::Invited { dialog, invite, .. } => {
                    let number = invite.uri.user().unwrap_or_default().into_owned();
                    self.ring(dialog, &number, &invite.body);
                }
                Event::HungUp { dialog, .. } | Event::Cancelled { dialog, .. } | Event::AckTimedOut { dialog } => {
                    if let Some(one) = self.calls.remove(&*dialog.call_id) {
                        one.over.store(true, Relaxed);
                    }
                }
                _ => {}
            }
        }
    }

    fn ring(&mut self, dialog: DialogId, number: &str, offer: &[u8]) {
        let now = Instant::now();
        self.seen.lock().unwrap().invites.push(number.to_owned());
        let lives = number.as_bytes()[number.len() - 2];
        if lives == b'2' {
            return self.endpoint.refuse(now, &dialog, StatusCode::new(486).unwrap(), None);
        }
        let (over, id) = (Arc::new(AtomicBool::new(false)), dialog.call_id.to_string());
        self.endpoint.ring(now, &dialog);
        let mut hangs_up = None;
        if lives != b'3' {
            let offer = SessionDescription::parse(offer).unwrap();
            let audio = &offer.media[0];
            let remote = SocketAddr::new(audio.connection.or(offer.connection).unwrap(), audio.port);
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let local = LocalMedia::new(self.address.ip(), socket.local_addr().unwrap().port(), 1);
            let (answer, _) = sdp::answer(&offer, &local).unwrap();
            self.endpoint.answer(now, &dialog, answer);
            let is_machine = lives == b'4';
            hangs_up = (!is_machine).then(|| now + self.stays);
            let voice = Voice { number: number.to_owned(), socket, remote, is_machine };
            let (stop, seen) = (Arc::clone(&over), Arc::clone(&self.seen));
            std::thread::spawn(move || voice.talk(&stop, &seen));
        }
        self.calls.insert(id, Resident { dialog, hangs_up, over });
        let mut seen = self.seen.lock().unwrap();
        seen.most = seen.most.max(self.calls.len());
    }
}

struct Voice {
    number: String,
    socket: UdpSocket,
    remote: SocketAddr,
    is_machine: bool,
}

/// A machine talks for so long, then beeps.
const GREETING: u32 = 150;
const BEEP: u32 = 25;
/// A person's word.
const WORD: u32 = 30;

impl Voice {
    /// One packet each 20 ms, and an ear for what comes.
    fn talk(self, over: &AtomicBool, seen: &Mutex<Seen>) {
        let wav = std::fs::read(speech()).unwrap();
        let speech: Vec<i16> = wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        self.socket.set_nonblocking(true).unwrap();
        let began = Instant::now();
        for tick in 0_u32.. {
            if over.load(Relaxed) || tick > 3_000 {
                return;
            }
            let samples = self.sound(tick, &speech);
            let mut packet = vec![0x80, 0];
            packet.extend_from_slice(&(tick as u16).to_be_bytes());
            packet.extend_from_slice(&(tick * FRAME_SAMPLES as u32).to_be_bytes());
            packet.extend_from_slice(&7_u32.to_be_bytes());
            Codec::Pcmu.encode(&samples, &mut packet);
            let _server_is_away = self.socket.send_to(&packet, self.remote);
            let mut buffer = [0; 2_048];
            while let Ok(length) = self.socket.recv(&mut buffer) {
                let mut heard = Vec::new();
                Codec::Pcmu.decode(&buffer[12.min(length)..length], &mut heard);
                if self.is_machine && tick > 25 + GREETING + BEEP && Dbov::of(&heard).0 > -40.0 {
                    *seen.lock().unwrap().heard.entry(self.number.clone()).or_default() += 1;
                }
            }
            std::thread::sleep((began + FRAME * (tick + 1)).saturating_duration_since(Instant::now()));
        }
    }

    fn sound(&self, tick: u32, speech: &[i16]) -> Vec<i16> {
        // Half a second until the receiver is at the ear.
        let Some(tick) = tick.checked_sub(25) else { return vec![0; FRAME_SAMPLES] };
        let said = |from: usize| {
            let at = (from + tick as usize) * FRAME_SAMPLES % (speech.len() - FRAME_SAMPLES);
            speech[at..at + FRAME_SAMPLES].to_vec()
        };
        let beep = |n: usize| {
            let at = (tick as usize * FRAME_SAMPLES + n) as f32;
            (8_000.0 * (1_000.0 * std::f32::consts::TAU / 8_000.0 * at).sin()) as i16
        };
        match (self.is_machine, tick) {
            (false, 0..WORD) => said(20),
            (true, 0..GREETING) => said(0),
            (true, GREETING..) if tick < GREETING + BEEP => (0..FRAME_SAMPLES).map(beep).collect(),
            _ => vec![0; FRAME_SAMPLES],
        }
    }
}
