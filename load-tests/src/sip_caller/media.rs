//! The media thread: all calls' RTP by one clock in four phases, in batches.
//!
//! ```text
//! every 5 ms:  read all sockets -> ears | a quarter of the calls: mouth -> packet | one sendmmsg a socket
//! ```

use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sip::sdp::Negotiated;

use super::SipLoad;
use super::carriage::Carriage;
use super::line::{Line, Tape};
use super::lines::{Lines, Peer};
use super::ports::Place;
use crate::arrivals::Arrivals;
use crate::caller::Caller;
use crate::datagrams::{Anchor, Incoming, Outgoing};
use crate::ear::Ear;
use crate::impair::{Impairments, Path};
use crate::mouth::Mouth;
use crate::narrate::Narrator;
use crate::report::Measures;
use crate::rtp::{self, KeyEar};
use crate::speech;
use crate::tally::{Tally, Window};

/// Calls send in this many phases, so that they do not all burst at once.
pub(super) const PHASES: usize = 4;
const PHASE: Duration = Duration::from_millis(20 / PHASES as u64);
/// A frame of ours this late shows that the machine had no time for anybody.
const STALL: Duration = Duration::from_millis(5);
/// Packets that come this shortly after a stall are not held against the server.
const STALL_ECHO: Duration = Duration::from_millis(200);
/// A call that was up this long without a packet had no audio.
const SILENT_AFTER: Duration = Duration::from_secs(1);
/// How often the windows are handed over: the shortest time between two points of the timeline.
const WINDOW: Duration = Duration::from_millis(500);

/// What signalling tells the media thread.
#[derive(Debug)]
pub(super) enum Command {
    /// A call was answered.
    Start(Box<Answered>),
    /// A call is over, however it ended.
    Stop(u64),
}

/// An answered call.
#[derive(Debug)]
pub(super) struct Answered {
    pub number: u64,
    pub at: Instant,
    pub place: Place,
    pub negotiated: Negotiated,
}

/// What the thread gives back at the end.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub measures: Measures,
    /// Answered calls without a single packet.
    pub silent: u64,
}

#[derive(Debug)]
pub(super) struct Media {
    start: Instant,
    caller: Caller,
    impairments: Impairments,
    seed: u64,
    narrate: bool,
    save_wav: Option<PathBuf>,
    /// Whether calls share sockets, so that packets are told apart by who sent them.
    shared: bool,
    sockets: Vec<Wire>,
    lines: Lines,
    tally: Tally,
    silent: u64,
    stalled: Option<Instant>,
    incoming: Incoming,
    scratch: Vec<i16>,
    windows: Sender<Window>,
    next_window: Instant,
}

/// A socket and what waits to be sent from it.
#[derive(Debug)]
struct Wire {
    socket: Arc<UdpSocket>,
    outgoing: Outgoing,
    /// Frames of its calls in this phase.
    frames: u64,
    overflow: u32,
}

impl Media {
    pub(super) fn new(start: Instant, load: &SipLoad, windows: Sender<Window>) -> Self {
        Self {
            start,
            caller: load.caller.clone(),
            impairments: load.impairments,
            seed: load.plan.seed,
            narrate: load.plan.narrate,
            save_wav: load.save_wav.clone(),
            shared: load.calls_per_socket > 1,
            sockets: Vec::new(),
            lines: Lines::default(),
            tally: Tally::default(),
            silent: 0,
            stalled: None,
            incoming: Incoming::default(),
            scratch: Vec::new(),
            windows,
            next_window: start + WINDOW,
        }
    }

    /// Runs until signalling has dropped its end.
    pub(super) fn run(mut self, inbox: &Receiver<Command>) -> anyhow::Result<Outcome> {
        let mut due = Instant::now();
        for tick in 0_usize.. {
            loop {
                match inbox.try_recv() {
                    Ok(Command::Start(answered)) => self.add(*answered),
                    Ok(Command::Stop(number)) => self.remove(number)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(self.outcome()),
                }
            }
            self.receive();
            self.send(due, tick % PHASES);
            self.hand_over_window();
            due += PHASE;
            sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(self.outcome())
    }

    fn outcome(mut self) -> Outcome {
        self.tally.measures.generator.overflow = self.sockets.iter().map(|wire| u64::from(wire.overflow)).sum();
        Outcome { measures: self.tally.measures, silent: self.silent }
    }

    /// Reads what came on all sockets.
    fn receive(&mut self) {
        let Self { sockets, lines, tally, incoming, scratch, stalled, shared, .. } = self;
        let anchor = Anchor::now();
        let excused = stalled.is_some_and(|stalled| anchor.instant < stalled + STALL_ECHO);
        let mut late = 0;
        for (index, wire) in sockets.iter_mut().enumerate() {
            let overflow = incoming.receive(&wire.socket, anchor, |datagram| {
                let peer = (index, shared.then_some(datagram.from));
                if let Some(line) = lines.find(peer, datagram.at, datagram.bytes) {
                    late += u64::from(line.handle_datagram(datagram.at, datagram.bytes, tally, scratch));
                }
            });
            wire.overflow = overflow.unwrap_or(wire.overflow);
        }
        if !excused {
            tally.measures.packets.late_by_server += late;
            tally.window.late_by_server += late;
        }
    }

    /// Says one frame of each call of a phase; all of a socket leave together.
    fn send(&mut self, due: Instant, phase: usize) {
        let Self { sockets, lines, tally, stalled, impairments, .. } = self;
        let now = Instant::now();
        for line in lines.in_phase(phase) {
            let wire = &mut sockets[line.peer.0];
            wire.frames += 1;
            line.listen(now, tally);
            line.speak(now, &mut wire.outgoing);
        }
        if !impairments.is_none() {
            for line in lines.all() {
                line.speak_delayed(now, &mut sockets[line.peer.0].outgoing);
            }
        }
        for wire in sockets {
            tally.measures.generator.unsent += wire.outgoing.send(&wire.socket);
            let frames = std::mem::take(&mut wire.frames);
            if frames == 0 {
                continue;
            }
            let sent = Instant::now();
            let lateness = sent.saturating_duration_since(due);
            tally.record_sends(lateness, frames);
            if lateness > STALL {
                *stalled = Some(sent);
            }
        }
    }

    fn hand_over_window(&mut self) {
        let now = Instant::now();
        if now < self.next_window {
            return;
        }
        self.next_window = now + WINDOW;
        for line in self.lines.all() {
            line.tell_loss(&mut self.tally);
        }
        // Signalling drops its end only when the run is over.
        let _ = self.windows.send(self.tally.take_window());
    }

    fn add(&mut self, answered: Answered) {
        let Answered { number, at, place, negotiated } = answered;
        let carriage = Carriage::new(&negotiated);
        let peer: Peer = (place.index, self.shared.then_some(negotiated.remote_rtp));
        if place.index == self.sockets.len() {
            self.sockets.push(Wire { socket: place.socket, outgoing: Outgoing::default(), frames: 0, overflow: 0 });
        }
        let Caller { voice, manner, marks, .. } = self.caller.clone();
        // Starts that differ by call and are the same for the same seed.
        let ssrc = (self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15)) as u32;
        let line = Line {
            number,
            peer,
            remote: negotiated.remote_rtp,
            payload_type: negotiated.payload_type,
            telephone_event: negotiated.telephone_event,
            answered: at,
            mouth: Mouth::new(voice, carriage.law(), manner, marks, number as usize),
            ear: Ear::new(marks),
            sender: rtp::Sender::new(negotiated.payload_type, ssrc, ssrc as u16, ssrc.rotate_left(16))
                .at_clock(carriage.frame_ticks()),
            carriage,
            path: Path::new(self.impairments, self.seed, number),
            arrivals: Arrivals::default(),
            keys: self.caller.keys(at),
            key_ear: KeyEar::default(),
            tape: self.save_wav.is_some().then(Tape::default),
            narrator: self.narrate.then(|| Narrator::new(self.start)),
            heard: false,
            lost_told: 0,
        };
        let Self { lines, tally, scratch, .. } = self;
        lines.add(Box::new(line), |line, at, bytes| {
            line.handle_datagram(at, bytes, tally, scratch);
        });
    }

    fn remove(&mut self, number: u64) -> anyhow::Result<()> {
        self.receive();
        let Some(mut line) = self.lines.remove(number) else {
            return Ok(());
        };
        let now = Instant::now();
        line.listen(now, &mut self.tally);
        line.finish(&mut self.tally);
        let silent = line.arrivals.received == 0 && now >= line.answered + SILENT_AFTER;
        self.silent += u64::from(silent);
        if let (Some(path), Some(tape)) = (&self.save_wav, &line.tape) {
            speech::write_wav(path, &[&tape.caller, &tape.agent])?;
        }
        Ok(())
    }
}
