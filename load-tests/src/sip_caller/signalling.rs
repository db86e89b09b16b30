//! Places the calls, hangs them up, and counts what becomes of each.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sip::endpoint::{DialogId, Endpoint, EndpointConfig, Event, OutboundInvite};
use sip::sdp::{self, LocalKeys, LocalMedia, Negotiated, SessionDescription, SrtpPolicy};
use sip::uri::{Host, NameAddr, Uri};

use super::SipLoad;
use super::media::{Answered, Command};
use super::ports::{Place, Ports};
use super::wire::Wire;
use crate::monitor::{Counts, Monitor};
use crate::narrate::Narrator;
use crate::report::Report;
use crate::schedule::{Launch, Schedule};
use crate::tally::Window;

/// A call that its peer ends this shortly before its time has not failed.
const EARLY: Duration = Duration::from_millis(200);
/// How a server says that it has no room for another call.
const FULL: u16 = 503;

pub(super) struct Signalling {
    load: SipLoad,
    wire: Wire,
    media: MediaEnds,
    monitor: Monitor,
    schedule: Schedule,
    ports: Ports,
    narrator: Option<Narrator>,
    endpoint: Endpoint,
    random: StdRng,
    start: Instant,
    calls: HashMap<u64, Call>,
    numbers: HashMap<DialogId, u64>,
    /// When which call is hung up.
    ends: BTreeSet<(Instant, u64)>,
    /// Until when which call may be unanswered, in the order in which they were placed.
    patience: VecDeque<(Instant, u64)>,
    window: Window,
    report: Report,
}

/// Both ends of the media thread's channels.
pub(super) struct MediaEnds {
    pub commands: Sender<Command>,
    pub heard: Receiver<Window>,
}

/// A run whose calls are over.
pub(super) struct Over {
    pub report: Report,
    monitor: Monitor,
    heard: Receiver<Window>,
    at: Instant,
}

struct Call {
    placed: Instant,
    hold: Duration,
    /// The dialog as it was placed, then as it was answered.
    placed_as: DialogId,
    dialog: DialogId,
    local: LocalMedia,
    place: Place,
    /// Where the server sends audio from; none before the answer.
    peer: Option<SocketAddr>,
    answered: Option<Instant>,
    /// When it is to be hung up; none before the answer.
    ends: Option<Instant>,
    /// What became of it, if that was not well; the first cause counts.
    failure: Option<Failure>,
    hung_up: bool,
}

enum Failure {
    Fault(String),
    Rejected(Duration),
}

/// What woke the loop.
enum Woken {
    Message(Vec<u8>),
    Time,
    Interrupted,
}

impl Signalling {
    pub(super) fn new(load: &SipLoad, start: Instant, wire: Wire, media: MediaEnds, monitor: Monitor) -> Self {
        let config = EndpointConfig { user_agent: "offhook-load".to_owned(), ..EndpointConfig::default() };
        let report =
            Report { kind: "sip".to_owned(), target: load.target.to_string(), seed: load.plan.seed, ..Report::default() };
        Self {
            load: load.clone(),
            ports: Ports::new(wire.address(), load.calls_per_socket),
            wire,
            media,
            monitor,
            schedule: Schedule::new(&load.plan),
            narrator: load.plan.narrate.then(|| Narrator::new(start)),
            // Call-IDs and tags must differ from run to run, so they do not come from the run's seed.
            endpoint: Endpoint::new(config, rand::random()),
            random: StdRng::seed_from_u64(load.plan.seed),
            start,
            calls: HashMap::new(),
            numbers: HashMap::new(),
            ends: BTreeSet::new(),
            patience: VecDeque::new(),
            window: Window::default(),
            report,
        }
    }

    pub(super) async fn run(mut self) -> anyhow::Result<Over> {
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let mut interrupted = false;
        let flow = self.wire.flow();
        while !self.schedule.is_over(self.start.elapsed()) || !self.calls.is_empty() {
            let now = Instant::now();
            self.do_what_is_due(now).await?;
            let due = self.next_due();
            let woken = tokio::select! {
                message = self.wire.receive() => Woken::Message(message.context("the connection to the server broke")?),
                () = tokio::time::sleep_until(due.into()) => Woken::Time,
                _ = &mut interrupt, if !interrupted => Woken::Interrupted,
            };
            match woken {
                Woken::Message(bytes) => {
                    self.endpoint.handle_receive(Instant::now(), flow, &bytes);
                    self.drain(refused_for_good(&bytes)).await?;
                }
                Woken::Time => {}
                Woken::Interrupted => {
                    interrupted = true;
                    self.end_all(Instant::now()).await?;
                }
            }
        }
        self.report.asked = self.schedule.launched();
        Ok(Over { report: self.report, monitor: self.monitor, heard: self.media.heard, at: Instant::now() })
    }

    /// One input to the endpoint at a time, then drain.
    async fn do_what_is_due(&mut self, now: Instant) -> anyhow::Result<()> {
        if self.endpoint.poll_timeout().is_some_and(|due| due <= now) {
            self.endpoint.handle_timeout(now);
            self.drain(false).await?;
        }
        // Before calls are placed: a step may end here, and the run with it.
        if self.monitor.due() <= now {
            self.monitor.handle_window(&std::mem::take(&mut self.window));
            for window in self.media.heard.try_iter() {
                self.monitor.handle_window(&window);
            }
            if !self.monitor.handle_time(now, self.counts()) {
                self.end_all(now).await?;
            }
        }
        let since = now.saturating_duration_since(self.start);
        while let Some(launch) = self.schedule.poll_launch(since, self.calls.len() as u64) {
            self.launch(now, launch)?;
            self.drain(false).await?;
        }
        while let Some((_, number)) = self.ends.first().copied().filter(|(due, _)| *due <= now) {
            self.ends.pop_first();
            self.hang_up(now, number);
            self.drain(false).await?;
        }
        while let Some((_, number)) = self.patience.pop_front_if(|(until, _)| *until <= now) {
            if let Some(call) = self.calls.get_mut(&number).filter(|call| call.answered.is_none() && !call.hung_up) {
                call.failure.get_or_insert_with(|| Failure::Fault("not answered in time".to_owned()));
                self.hang_up(now, number);
                self.drain(false).await?;
            }
        }
        Ok(())
    }

    fn counts(&self) -> Counts {
        counts(&self.report, self.ends.len())
    }

    fn next_due(&self) -> Instant {
        let launch = self.schedule.due(self.calls.len() as u64).map(|due| self.start + due);
        let end = self.ends.first().map(|(due, _)| *due);
        let patience = self.patience.front().map(|(until, _)| *until);
        [launch, end, patience, self.endpoint.poll_timeout()].into_iter().flatten().fold(self.monitor.due(), Instant::min)
    }

    fn launch(&mut self, now: Instant, launch: Launch) -> anyhow::Result<()> {
        let Launch { number, hold, lateness } = launch;
        self.report.measures.generator.launch_lateness_ms.record(lateness);
        let place = self.ports.take().context("cannot open an RTP socket")?;
        let port = place.socket.local_addr()?.port();
        let local = LocalMedia {
            codecs: self.load.offers[(number % self.load.offers.len() as u64) as usize].clone(),
            srtp: if self.load.srtp { SrtpPolicy::Required } else { SrtpPolicy::Off },
            // Not from the run's seed: two runs must not share keys.
            keys: LocalKeys::new(|octets| rand::rng().fill(octets)),
            ..LocalMedia::new(self.wire.address(), port, self.random.random::<u32>().into())
        };
        let target = self.load.target;
        let callee = Uri::sip(Some(&self.load.to), Host::from(target.ip()), Some(target.port()));
        let caller = Uri::sip(Some(&self.load.from), Host::from(self.wire.address()), None);
        self.narrate(now, &format!("dials {callee}"));
        let invite = OutboundInvite {
            flow: Some(self.wire.flow()),
            sdp: Some(sdp::offer(&local)),
            ..OutboundInvite::new(callee, NameAddr::new(caller))
        };
        let dialog = self.endpoint.invite(now, invite);
        self.numbers.insert(dialog.clone(), number);
        let call = Call {
            placed: now,
            hold,
            placed_as: dialog.clone(),
            dialog,
            local,
            place,
            peer: None,
            answered: None,
            ends: None,
            failure: None,
            hung_up: false,
        };
        self.calls.insert(number, call);
        self.patience.push_back((now + self.load.answer_within, number));
        Ok(())
    }

    /// Sends and handles until nothing is left; handling an event may bring more of both.
    /// `for_good`: what came is a refusal that does not say when to try again.
    async fn drain(&mut self, for_good: bool) -> anyhow::Result<()> {
        loop {
            while let Some(transmit) = self.endpoint.poll_transmit() {
                let sent = self.wire.send(&transmit).await;
                sent.context("cannot send to the server")?;
            }
            match self.endpoint.poll_event() {
                Some(event) => self.handle_event(Instant::now(), event, for_good),
                None => return Ok(()),
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event, for_good: bool) {
        match event {
            Event::Answered { early, dialog, sdp } => {
                self.handle_answer(now, &early, dialog, sdp.as_deref());
            }
            Event::Ringing { .. } => self.narrate(now, "ringing"),
            Event::Refused { dialog, status, .. } if status.code() == FULL => self.handle_rejection(now, &dialog, for_good),
            Event::Refused { dialog, status, reason, .. } => {
                self.fail(&dialog, format!("refused: {} {reason}", status.code()));
            }
            Event::TimedOut { dialog } => self.fail(&dialog, "no answer at all".to_owned()),
            Event::HungUp { dialog, .. } => self.handle_hang_up(now, &dialog),
            Event::Reinvited { dialog, .. } => {
                // A caller who holds a plain telephone does not change the call.
                self.endpoint.refuse(now, &dialog, sip::message::StatusCode::NOT_ACCEPTABLE_HERE, None);
            }
            Event::Invited { dialog, .. } => {
                self.endpoint.refuse(now, &dialog, sip::message::StatusCode::BUSY_HERE, None);
            }
            Event::Terminated { dialog } => self.handle_end(now, &dialog),
            _ => {}
        }
    }

    fn handle_answer(&mut self, now: Instant, early: &DialogId, dialog: DialogId, sdp: Option<&[u8]>) {
        let Some(&number) = self.numbers.get(early) else {
            return;
        };
        self.numbers.insert(dialog.clone(), number);
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        call.dialog = dialog;
        let setup = now.saturating_duration_since(call.placed);
        let negotiated = negotiate(sdp, &call.local).map_err(|error| format!("answered with bad SDP: {error}"));
        let told_apart = negotiated.and_then(|negotiated| {
            if self.load.calls_per_socket == 1 || self.ports.connect(&call.place, negotiated.remote_rtp) {
                Ok(negotiated)
            } else {
                Err("the server sends several calls' RTP from one port: use --calls-per-socket 1".to_owned())
            }
        });
        match told_apart {
            Ok(negotiated) => {
                call.answered = Some(now);
                call.ends = Some(now + call.hold);
                call.peer = Some(negotiated.remote_rtp);
                self.report.answered += 1;
                self.report.setup_ms.record(setup);
                self.window.setup.record(setup);
                let codec = negotiated.codec.row().name;
                let answered = Answered { number, at: now, place: call.place.clone(), negotiated };
                // The media thread outlives this end of the channel; a send can only fail after it panicked.
                let _ = self.media.commands.send(Command::Start(Box::new(answered)));
                self.ends.insert((now + call.hold, number));
                self.report.concurrent = self.report.concurrent.max(self.ends.len() as u64);
                let ms = setup.as_secs_f64() * 1_000.0;
                self.narrate(now, &format!("answered after {ms:.1} ms, {codec}"));
            }
            Err(failure) => {
                call.failure = Some(Failure::Fault(failure));
                self.hang_up(now, number);
            }
        }
    }

    fn handle_rejection(&mut self, now: Instant, dialog: &DialogId, for_good: bool) {
        self.report.rejected.without_retry_after += u64::from(for_good);
        if let Some(call) = self.numbers.get(dialog).and_then(|number| self.calls.get_mut(number)) {
            call.failure.get_or_insert(Failure::Rejected(now.saturating_duration_since(call.placed)));
        }
    }

    fn handle_hang_up(&mut self, now: Instant, dialog: &DialogId) {
        let Some(&number) = self.numbers.get(dialog) else {
            return;
        };
        let due = self.calls.get(&number).filter(|call| !call.hung_up).and_then(|call| call.ends);
        if due.is_some_and(|due| now + EARLY < due) {
            self.fail(dialog, "the server hung up early".to_owned());
        }
        self.narrate(now, "the server hangs up");
    }

    fn hang_up(&mut self, now: Instant, number: u64) {
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        call.hung_up = true;
        let dialog = call.dialog.clone();
        let _ = self.media.commands.send(Command::Stop(number));
        self.endpoint.hang_up(now, &dialog, None);
        self.narrate(now, "caller hangs up");
    }

    fn handle_end(&mut self, now: Instant, dialog: &DialogId) {
        let Some(number) = self.numbers.remove(dialog) else {
            return;
        };
        let Some(call) = self.calls.remove(&number) else {
            return;
        };
        self.numbers.remove(&call.placed_as);
        self.numbers.remove(&call.dialog);
        self.ports.give_back(&call.place, call.peer.filter(|_| self.load.calls_per_socket > 1));
        self.schedule.handle_end(now.saturating_duration_since(self.start));
        if let Some(due) = call.ends {
            self.ends.remove(&(due, number));
        }
        if !call.hung_up {
            let _ = self.media.commands.send(Command::Stop(number));
        }
        if let Some(answered) = call.answered {
            self.report.call_seconds += now.saturating_duration_since(answered).as_secs_f64();
        }
        match (call.failure, call.answered) {
            (Some(Failure::Rejected(after)), _) => {
                self.report.rejected.calls += 1;
                self.report.rejected.answer_ms.record(after);
            }
            (Some(Failure::Fault(cause)), _) => self.report.fail(cause),
            (None, None) => self.report.fail("ended before an answer"),
            (None, Some(_)) => {}
        }
    }

    fn fail(&mut self, dialog: &DialogId, cause: String) {
        if let Some(call) = self.numbers.get(dialog).and_then(|number| self.calls.get_mut(number)) {
            call.failure.get_or_insert(Failure::Fault(cause));
        }
    }

    /// No new calls, and an end to all that are up.
    async fn end_all(&mut self, now: Instant) -> anyhow::Result<()> {
        self.schedule.stop();
        self.ends.clear();
        for number in self.calls.keys().copied().collect::<Vec<_>>() {
            self.hang_up(now, number);
            self.drain(false).await?;
        }
        Ok(())
    }

    fn narrate(&self, now: Instant, what: &str) {
        if let Some(narrator) = &self.narrator {
            println!("{}", narrator.line(now, what));
        }
    }
}

impl Over {
    /// The report with what was watched.
    pub(super) fn finish(self) -> Report {
        let Self { mut report, mut monitor, heard, at } = self;
        heard.try_iter().for_each(|window| monitor.handle_window(&window));
        let counts = counts(&report, 0);
        monitor.finish(at, counts, &mut report);
        report
    }
}

fn counts(report: &Report, up: usize) -> Counts {
    let Report { answered, failed, rejected, .. } = report;
    Counts { up: up as u64, answered: *answered, failed: *failed, rejected: rejected.calls }
}

/// Whether a message is a 503 without Retry-After (RFC 3261 §21.5.4).
fn refused_for_good(message: &[u8]) -> bool {
    let header = |line: &[u8]| line.len() > 12 && line[..12].eq_ignore_ascii_case(b"retry-after:");
    message.starts_with(b"SIP/2.0 503") && !message.split(|byte| *byte == b'\n').any(header)
}

fn negotiate(sdp: Option<&[u8]>, local: &LocalMedia) -> Result<Negotiated, String> {
    let answer = SessionDescription::parse(sdp.ok_or("none")?).map_err(|error| error.to_string())?;
    sdp::accept(&answer, local).map_err(|error| error.to_string())
}
