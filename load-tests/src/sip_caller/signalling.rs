//! Places the calls, hangs them up, and counts what becomes of each.

use std::collections::{BTreeSet, HashMap};
use std::net::UdpSocket;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sip::endpoint::{DialogId, Endpoint, EndpointConfig, Event, OutboundInvite};
use sip::sdp::{self, LocalMedia, Negotiated, SessionDescription};
use sip::uri::{Host, NameAddr, Uri};

use super::SipLoad;
use super::line;
use super::media::{Answered, Command};
use super::wire::Wire;
use crate::narrate::Narrator;
use crate::process::Watch;
use crate::report::Report;

/// The server's process is looked at this often.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);
/// A call that its peer ends this shortly before its time has not failed.
const EARLY: Duration = Duration::from_millis(200);

pub(super) struct Signalling {
    load: SipLoad,
    wire: Wire,
    commands: Sender<Command>,
    watch: Option<Watch>,
    narrator: Option<Narrator>,
    endpoint: Endpoint,
    random: StdRng,
    start: Instant,
    next_sample: Instant,
    launched: u64,
    calls: HashMap<u64, Call>,
    numbers: HashMap<DialogId, u64>,
    /// When which call is hung up.
    ends: BTreeSet<(Instant, u64)>,
    report: Report,
}

struct Call {
    placed: Instant,
    dialog: DialogId,
    local: LocalMedia,
    socket: Option<UdpSocket>,
    answered: Option<Instant>,
    /// Why it failed, if it did; the first cause counts.
    failure: Option<String>,
    hung_up: bool,
}

/// What woke the loop.
enum Woken {
    Message(Vec<u8>),
    Time,
    Interrupted,
}

impl Signalling {
    pub(super) fn new(load: &SipLoad, wire: Wire, commands: Sender<Command>, watch: Option<Watch>) -> Self {
        let start = Instant::now();
        let config = EndpointConfig { user_agent: "offhook-load".to_owned(), ..EndpointConfig::default() };
        let report = Report {
            kind: "sip".to_owned(),
            target: load.target.to_string(),
            seed: load.plan.seed,
            asked: load.plan.calls,
            ..Report::default()
        };
        Self {
            load: load.clone(),
            wire,
            commands,
            watch,
            narrator: load.plan.narrate.then(|| Narrator::new(start)),
            // Call-IDs and tags must differ from run to run, so they do not come from the run's seed.
            endpoint: Endpoint::new(config, rand::random()),
            random: StdRng::seed_from_u64(load.plan.seed),
            start,
            next_sample: start + SAMPLE_INTERVAL,
            launched: 0,
            calls: HashMap::new(),
            numbers: HashMap::new(),
            ends: BTreeSet::new(),
            report,
        }
    }

    pub(super) async fn run(mut self) -> anyhow::Result<Report> {
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let mut interrupted = false;
        let flow = self.wire.flow();
        while self.launched < self.load.plan.calls || !self.calls.is_empty() {
            let now = Instant::now();
            self.do_what_is_due(now).await?;
            let due = self.next_due();
            let woken = tokio::select! {
                message = self.wire.receive() => Woken::Message(message.context("the connection to the server broke")?),
                () = tokio::time::sleep_until(due.into()) => Woken::Time,
                _ = &mut interrupt, if !interrupted => Woken::Interrupted,
            };
            match woken {
                Woken::Message(bytes) => self.endpoint.handle_receive(Instant::now(), flow, &bytes),
                Woken::Time => {}
                Woken::Interrupted => {
                    interrupted = true;
                    self.end_all(Instant::now()).await?;
                }
            }
            self.drain().await?;
        }
        self.report.seconds = self.start.elapsed().as_secs_f64();
        self.report.server = self.watch.as_ref().and_then(Watch::finish);
        Ok(self.report)
    }

    /// One input to the endpoint at a time, then drain.
    async fn do_what_is_due(&mut self, now: Instant) -> anyhow::Result<()> {
        if self.endpoint.poll_timeout().is_some_and(|due| due <= now) {
            self.endpoint.handle_timeout(now);
            self.drain().await?;
        }
        while self.may_launch() && self.start + self.load.plan.launch(self.launched) <= now {
            self.launch(now)?;
            self.drain().await?;
        }
        while let Some((_, number)) = self.ends.first().copied().filter(|(due, _)| *due <= now) {
            self.ends.pop_first();
            self.hang_up(now, number);
            self.drain().await?;
        }
        if self.next_sample <= now {
            self.next_sample = now + SAMPLE_INTERVAL;
            let up = self.ends.len() as u64;
            if let Some(watch) = &mut self.watch {
                watch.sample(up);
            }
        }
        Ok(())
    }

    fn next_due(&self) -> Instant {
        let launch = self.may_launch().then(|| self.start + self.load.plan.launch(self.launched));
        let end = self.ends.first().map(|(due, _)| *due);
        [launch, end, self.endpoint.poll_timeout()].into_iter().flatten().fold(self.next_sample, Instant::min)
    }

    fn may_launch(&self) -> bool {
        self.launched < self.load.plan.calls && (self.calls.len() as u64) < self.load.plan.concurrency
    }

    fn launch(&mut self, now: Instant) -> anyhow::Result<()> {
        let number = self.launched;
        self.launched += 1;
        let socket = line::open(self.wire.address()).context("cannot open an RTP socket")?;
        let local = LocalMedia::new(self.wire.address(), socket.local_addr()?.port(), self.random.random::<u32>().into());
        let target = self.load.target;
        let callee = Uri::sip(Some(&self.load.to), Host::from(target.ip()), Some(target.port()));
        let caller = Uri::sip(Some(&self.load.from), Host::from(self.wire.address()), None);
        self.narrate(now, &format!("dials {callee}"));
        let invite = OutboundInvite {
            flow: self.wire.flow(),
            request_uri: callee.clone(),
            from: NameAddr::new(caller),
            to: NameAddr::new(callee),
            sdp: sdp::offer(&local),
        };
        let dialog = self.endpoint.invite(now, invite);
        self.numbers.insert(dialog.clone(), number);
        let call = Call { placed: now, dialog, local, socket: Some(socket), answered: None, failure: None, hung_up: false };
        self.calls.insert(number, call);
        Ok(())
    }

    /// Sends and handles until nothing is left; handling an event may bring more of both.
    async fn drain(&mut self) -> anyhow::Result<()> {
        loop {
            while let Some(transmit) = self.endpoint.poll_transmit() {
                let sent = self.wire.send(&transmit).await;
                sent.context("cannot send to the server")?;
            }
            match self.endpoint.poll_event() {
                Some(event) => self.handle_event(Instant::now(), event),
                None => return Ok(()),
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Answered { early, dialog, sdp } => {
                self.handle_answer(now, &early, dialog, sdp.as_deref());
            }
            Event::Ringing { .. } => self.narrate(now, "ringing"),
            Event::Refused { dialog, status, reason } => {
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
        match negotiate(sdp, &call.local) {
            Ok(negotiated) => {
                call.answered = Some(now);
                self.report.answered += 1;
                self.report.setup_ms.record(setup);
                let codec = negotiated.codec.row().name;
                if let Some(socket) = call.socket.take() {
                    let answered = Answered { number, at: now, socket, negotiated };
                    // The media thread outlives this end of the channel; a send can only fail after it panicked.
                    let _ = self.commands.send(Command::Start(Box::new(answered)));
                }
                self.ends.insert((now + self.load.plan.hold, number));
                self.report.concurrent = self.report.concurrent.max(self.ends.len() as u64);
                let ms = setup.as_secs_f64() * 1_000.0;
                self.narrate(now, &format!("answered after {ms:.1} ms, {codec}"));
            }
            Err(error) => {
                call.failure = Some(format!("answered with bad SDP: {error}"));
                self.hang_up(now, number);
            }
        }
    }

    fn handle_hang_up(&mut self, now: Instant, dialog: &DialogId) {
        let Some(&number) = self.numbers.get(dialog) else {
            return;
        };
        let due = self.ends.iter().find(|(_, ending)| *ending == number).map(|(due, _)| *due);
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
        let _ = self.commands.send(Command::Stop(number));
        self.endpoint.hang_up(now, &dialog, None);
        self.narrate(now, "caller hangs up");
    }

    fn handle_end(&mut self, now: Instant, dialog: &DialogId) {
        let Some(number) = self.numbers.remove(dialog) else {
            return;
        };
        self.numbers.retain(|_, other| *other != number);
        let Some(call) = self.calls.remove(&number) else {
            return;
        };
        self.ends.retain(|(_, ending)| *ending != number);
        if !call.hung_up {
            let _ = self.commands.send(Command::Stop(number));
        }
        if let Some(answered) = call.answered {
            self.report.call_seconds += now.saturating_duration_since(answered).as_secs_f64();
        }
        let failure = match (call.failure, call.answered) {
            (None, None) => Some("ended before an answer".to_owned()),
            (failure, _) => failure,
        };
        if let Some(failure) = failure {
            self.report.fail(failure);
        }
    }

    fn fail(&mut self, dialog: &DialogId, cause: String) {
        if let Some(call) = self.numbers.get(dialog).and_then(|number| self.calls.get_mut(number)) {
            call.failure.get_or_insert(cause);
        }
    }

    /// No new calls, and an end to all that are up.
    async fn end_all(&mut self, now: Instant) -> anyhow::Result<()> {
        self.report.asked = self.launched;
        self.load.plan.calls = self.launched;
        for number in self.calls.keys().copied().collect::<Vec<_>>() {
            self.hang_up(now, number);
            self.drain().await?;
        }
        Ok(())
    }

    fn narrate(&self, now: Instant, what: &str) {
        if let Some(narrator) = &self.narrator {
            println!("{}", narrator.line(now, what));
        }
    }
}

fn negotiate(sdp: Option<&[u8]>, local: &LocalMedia) -> Result<Negotiated, String> {
    let answer = SessionDescription::parse(sdp.ok_or("none")?).map_err(|error| error.to_string())?;
    sdp::accept(&answer, local).map_err(|error| error.to_string())
}
