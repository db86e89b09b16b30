//! The media thread: all calls' RTP by one clock in four phases.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sip::sdp::Negotiated;

use super::SipLoad;
use super::line::{Anchor, Line, Tape};
use crate::arrivals::Arrivals;
use crate::caller::Caller;
use crate::ear::Ear;
use crate::impair::{Impairments, Path};
use crate::mouth::Mouth;
use crate::narrate::Narrator;
use crate::report::Measures;
use crate::rtp::{KeyEar, Sender};
use crate::speech;

/// Calls send in this many phases, so that they do not all burst at once.
const PHASES: u32 = 4;
const PHASE: Duration = Duration::from_millis(20 / PHASES as u64);
/// A frame of ours this late shows that the machine had no time for anybody.
const STALL: Duration = Duration::from_millis(5);
/// Packets that come this shortly after a stall are not held against the server.
const STALL_ECHO: Duration = Duration::from_millis(200);
/// A call that was up this long without a packet had no audio.
const SILENT_AFTER: Duration = Duration::from_secs(1);

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
    pub socket: std::net::UdpSocket,
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
    lines: Vec<Line>,
    outcome: Outcome,
    stalled: Option<Instant>,
}

impl Media {
    pub(super) fn new(start: Instant, load: &SipLoad) -> Self {
        Self {
            start,
            caller: load.caller.clone(),
            impairments: load.impairments,
            seed: load.plan.seed,
            narrate: load.plan.narrate,
            save_wav: load.save_wav.clone(),
            lines: Vec::new(),
            outcome: Outcome::default(),
            stalled: None,
        }
    }

    /// Runs until signalling has dropped its end.
    pub(super) fn run(mut self, inbox: &Receiver<Command>) -> anyhow::Result<Outcome> {
        let mut due = Instant::now();
        for tick in 0_u64.. {
            loop {
                match inbox.try_recv() {
                    Ok(Command::Start(answered)) => self.add(*answered),
                    Ok(Command::Stop(number)) => self.remove(number)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(self.outcome),
                }
            }
            self.tick(due, tick % u64::from(PHASES));
            due += PHASE;
            sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(self.outcome)
    }

    fn tick(&mut self, due: Instant, phase: u64) {
        let Outcome { measures, .. } = &mut self.outcome;
        for line in &mut self.lines {
            if line.number % u64::from(PHASES) != phase {
                line.send_delayed(Instant::now());
                continue;
            }
            let anchor = Anchor::now();
            let lateness = anchor.instant.saturating_duration_since(due);
            measures.generator.send_lateness_ms.record(lateness);
            if lateness > STALL {
                self.stalled = Some(anchor.instant);
            }
            let excused = self.stalled.is_some_and(|stalled| anchor.instant < stalled + STALL_ECHO);
            line.send(anchor.instant);
            let late = line.arrivals.late;
            line.receive(anchor, measures);
            if !excused {
                measures.packets.late_by_server += line.arrivals.late - late;
            }
        }
    }

    fn add(&mut self, answered: Answered) {
        let Answered { number, at, socket, negotiated } = answered;
        let codec = match negotiated.codec {
            sip::sdp::Codec::Pcma => media::codec::Codec::Pcma,
            sip::sdp::Codec::Pcmu => media::codec::Codec::Pcmu,
        };
        let keys = self.caller.keys(at);
        let Caller { voice, manner, marks, .. } = self.caller.clone();
        // Starts that differ by call and are the same for the same seed.
        let ssrc = (self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15)) as u32;
        let tape = self.save_wav.is_some().then(Tape::default);
        self.lines.push(Line {
            number,
            socket,
            remote: negotiated.remote_rtp,
            codec,
            payload_type: negotiated.payload_type,
            telephone_event: negotiated.telephone_event,
            answered: at,
            mouth: Mouth::new(voice, codec, manner, marks, number as usize),
            ear: Ear::default(),
            sender: Sender::new(negotiated.payload_type, ssrc, ssrc as u16, ssrc.rotate_left(16)),
            path: Path::new(self.impairments, self.seed, number),
            arrivals: Arrivals::default(),
            keys,
            key_ear: KeyEar::default(),
            tape,
            narrator: self.narrate.then(|| Narrator::new(self.start)),
            sent: 0,
            heard: false,
        });
    }

    fn remove(&mut self, number: u64) -> anyhow::Result<()> {
        let Some(index) = self.lines.iter().position(|line| line.number == number) else {
            return Ok(());
        };
        let mut line = self.lines.swap_remove(index);
        let anchor = Anchor::now();
        line.receive(anchor, &mut self.outcome.measures);
        line.finish(&mut self.outcome.measures);
        let silent = line.arrivals.received == 0 && anchor.instant >= line.answered + SILENT_AFTER;
        self.outcome.silent += u64::from(silent);
        if let (Some(path), Some(tape)) = (&self.save_wav, &line.tape) {
            speech::write_wav(path, &[&tape.caller, &tape.agent])?;
        }
        Ok(())
    }
}
