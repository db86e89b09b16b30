//! Two endpoints joined by a seeded lossy network, in virtual time: whatever gets lost, doubled or overtaken, both ends
//! come to `Terminated` exactly once for each dialog and keep nothing.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sip::endpoint::{DialogId, Endpoint, EndpointConfig, Event, Flow, OutboundInvite, Transmit, Transport};
use sip::uri::NameAddr;

/// How bad the network is.
#[derive(Clone, Copy)]
struct Network {
    loss_percent: u64,
    duplicate_percent: u64,
    latency: Duration,
    /// Added at random to each packet, so that later ones overtake.
    spread: Duration,
}

const CLEAN: Network =
    Network { loss_percent: 0, duplicate_percent: 0, latency: Duration::from_millis(20), spread: Duration::ZERO };
const BAD: Network =
    Network { loss_percent: 25, duplicate_percent: 20, latency: Duration::from_millis(40), spread: Duration::from_millis(600) };
const DEAD: Network = Network { loss_percent: 100, ..CLEAN };

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Side {
    Caller,
    Callee,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    fn address(self) -> SocketAddr {
        match self {
            Self::Caller => "192.0.2.1:5060".parse().unwrap(),
            Self::Callee => "192.0.2.2:5060".parse().unwrap(),
        }
    }
}

/// What a side does when something happens, after a while.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Answer,
    HangUp,
    Refuse,
    Reinvite,
    Ring,
}

enum Due {
    Packet { to: Side, bytes: Vec<u8> },
    Deed { side: Side, dialog: DialogId, deed: Deed },
    Network(Network),
}

struct Pair {
    network: Network,
    random: StdRng,
    start: Instant,
    now: Instant,
    caller: Endpoint,
    callee: Endpoint,
    /// What is under way, by time and order.
    due: BTreeMap<(Instant, u64), Due>,
    order: u64,
    /// What each side saw: the name of each event.
    seen: Vec<(Side, &'static str)>,
    /// Dialogs that are over.
    over: HashSet<(Side, DialogId)>,
    /// What the sides do, as the test wants it: milliseconds after the event.
    script: fn(Side, &Event) -> Vec<(u64, Deed)>,
}

impl Pair {
    #[allow(clippy::disallowed_methods)]
    fn new(seed: u64, network: Network, script: fn(Side, &Event) -> Vec<(u64, Deed)>) -> Self {
        let start = Instant::now();
        Self {
            network,
            random: StdRng::seed_from_u64(seed),
            start,
            now: start,
            caller: Endpoint::new(EndpointConfig::default(), seed),
            callee: Endpoint::new(EndpointConfig::default(), seed + 1),
            due: BTreeMap::new(),
            order: 0,
            seen: Vec::new(),
            over: HashSet::new(),
            script,
        }
    }

    fn endpoint(&mut self, side: Side) -> &mut Endpoint {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    fn call(&mut self) -> DialogId {
        let from = NameAddr::new("sip:alice@192.0.2.1".parse().unwrap());
        let invite = OutboundInvite {
            flow: Some(flow(Side::Caller)),
            sdp: Some("v=0\r\n".into()),
            ..OutboundInvite::new("sip:bob@192.0.2.2".parse().unwrap(), from)
        };
        let dialog = self.caller.invite(self.now, invite);
        self.drain();
        dialog
    }

    fn hang_up_after(&mut self, milliseconds: u64, dialog: &DialogId) {
        let dialog = dialog.clone();
        self.schedule(milliseconds, Due::Deed { side: Side::Caller, dialog, deed: Deed::HangUp });
    }

    fn schedule(&mut self, milliseconds: u64, due: Due) {
        self.order += 1;
        self.due.insert((self.now + Duration::from_millis(milliseconds), self.order), due);
    }

    /// Steps from deadline to deadline until nothing is left to happen.
    fn run(&mut self) {
        for _ in 0..100_000 {
            let timers = [self.caller.poll_timeout(), self.callee.poll_timeout()];
            let next_due = self.due.keys().next().map(|(at, _)| *at);
            let Some(next) = timers.into_iter().chain([next_due]).flatten().min() else {
                return;
            };
            self.now = next.max(self.now);
            if next_due == Some(next) {
                let ((..), due) = self.due.pop_first().unwrap();
                self.happen(due);
            } else if timers[0] == Some(next) {
                self.caller.handle_timeout(self.now);
            } else {
                self.callee.handle_timeout(self.now);
            }
            self.drain();
        }
        panic!("no end after {:?}", self.now - self.start);
    }

    fn happen(&mut self, due: Due) {
        let now = self.now;
        match due {
            Due::Network(network) => self.network = network,
            Due::Packet { to, bytes } => self.endpoint(to).handle_receive(now, flow(to), &bytes),
            Due::Deed { side, dialog, deed } => {
                let endpoint = self.endpoint(side);
                match deed {
                    Deed::Answer => endpoint.answer(now, &dialog, "v=0\r\n".into()),
                    Deed::HangUp => endpoint.hang_up(now, &dialog, None),
                    Deed::Refuse => {
                        endpoint.refuse(now, &dialog, sip::message::StatusCode::BUSY_HERE, None);
                    }
                    Deed::Reinvite => endpoint.reinvite(now, &dialog, Some("v=1\r\n".into())),
                    Deed::Ring => endpoint.ring(now, &dialog),
                }
            }
        }
    }

    fn drain(&mut self) {
        for side in [Side::Caller, Side::Callee] {
            while let Some(transmit) = self.endpoint(side).poll_transmit() {
                self.send(side, &transmit);
            }
            while let Some(event) = self.endpoint(side).poll_event() {
                self.observe(side, &event);
            }
        }
    }

    fn send(&mut self, from: Side, transmit: &Transmit) {
        assert_eq!(transmit.flow.remote, from.other().address());
        let copies = 1 + u64::from(self.chance(self.network.duplicate_percent));
        for _ in 0..copies {
            if !self.chance(self.network.loss_percent) {
                let spread = u64::try_from(self.network.spread.as_millis()).unwrap();
                let latency = u64::try_from(self.network.latency.as_millis()).unwrap();
                let delay = latency + self.random.next_u64() % (spread + 1);
                self.schedule(delay, Due::Packet { to: from.other(), bytes: transmit.bytes.to_vec() });
            }
        }
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.random.next_u64() % 100 < percent
    }

    fn observe(&mut self, side: Side, event: &Event) {
        let (name, dialog) = describe(event);
        assert!(!self.over.contains(&(side, dialog.clone())), "{name} after Terminated");
        self.seen.push((side, name));
        if name == "Terminated" {
            self.over.insert((side, dialog.clone()));
        }
        for (milliseconds, deed) in (self.script)(side, event) {
            self.schedule(milliseconds, Due::Deed { side, dialog: dialog.clone(), deed });
        }
    }

    fn count(&self, side: Side, name: &str) -> usize {
        self.seen.iter().filter(|seen| **seen == (side, name)).count()
    }

    fn text(&self, side: Side) -> String {
        let names = self.seen.iter().filter(|(at, _)| *at == side).map(|(_, name)| *name);
        names.collect::<Vec<_>>().join(" ")
    }

    /// Every dialog is over, once, and nothing is kept.
    fn assert_over(&self, seed: u64) {
        assert_eq!(self.count(Side::Caller, "Terminated"), 1, "seed {seed}: {:?}", self.seen);
        let invited = self.count(Side::Callee, "Invited");
        assert_eq!(self.count(Side::Callee, "Terminated"), invited, "seed {seed}: {:?}", self.seen);
        assert!(self.caller.is_idle(), "seed {seed}: {:?}", self.caller);
        assert!(self.callee.is_idle(), "seed {seed}: {:?}", self.callee);
    }
}

fn flow(side: Side) -> Flow {
    Flow { transport: Transport::Udp, local: side.address(), remote: side.other().address() }
}

/// The name of an event, and its dialog as it is from then on.
fn describe(event: &Event) -> (&'static str, &DialogId) {
    match event {
        Event::Answered { dialog, .. } => (event.name(), dialog),
        _ => (event.name(), event.dialog().expect("no requests outside of dialogs")),
    }
}

/// The callee answers after 2 s; the caller hangs up 3 s after that.
fn answered_then_caller_hangs_up(side: Side, event: &Event) -> Vec<(u64, Deed)> {
    match (side, event) {
        (Side::Callee, Event::Invited { .. }) => vec![(100, Deed::Ring), (2000, Deed::Answer)],
        (Side::Caller, Event::Answered { .. }) => vec![(3000, Deed::HangUp)],
        _ => Vec::new(),
    }
}

fn answered_then_callee_hangs_up(side: Side, event: &Event) -> Vec<(u64, Deed)> {
    match (side, event) {
        (Side::Callee, Event::Invited { .. }) => vec![(50, Deed::Answer), (60, Deed::HangUp)],
        _ => Vec::new(),
    }
}

fn answered_then_both_hang_up(side: Side, event: &Event) -> Vec<(u64, Deed)> {
    match (side, event) {
        (Side::Callee, Event::Invited { .. }) => vec![(50, Deed::Answer)],
        (Side::Callee, Event::Confirmed { .. }) => vec![(1000, Deed::HangUp)],
        (Side::Caller, Event::Answered { .. }) => vec![(1020, Deed::HangUp)],
        _ => Vec::new(),
    }
}

fn refused(side: Side, event: &Event) -> Vec<(u64, Deed)> {
    match (side, event) {
        (Side::Callee, Event::Invited { .. }) => vec![(100, Deed::Ring), (700, Deed::Refuse)],
        _ => Vec::new(),
    }
}

#[test]
fn clean_call_is_seen_alike_on_both_sides() {
    let mut pair = Pair::new(1, CLEAN, answered_then_caller_hangs_up);
    pair.call();
    pair.run();
    pair.assert_over(1);
    assert_eq!(pair.text(Side::Caller), "Ringing Answered Terminated");
    assert_eq!(pair.text(Side::Callee), "Invited Confirmed HungUp Terminated");
    assert_eq!(pair.caller.take_stats().retransmissions + pair.callee.take_stats().retransmissions, 0);
}

#[test]
fn dead_network_ends_in_timer_b() {
    let mut pair = Pair::new(1, DEAD, answered_then_caller_hangs_up);
    pair.call();
    pair.run();
    pair.assert_over(1);
    assert_eq!(pair.text(Side::Caller), "AttemptFailed TimedOut Terminated");
    assert_eq!(pair.now - pair.start, Duration::from_secs(32));
}

#[test]
fn bad_networks_end_every_call_once() {
    for seed in 0..100 {
        for script in [answered_then_caller_hangs_up, answered_then_callee_hangs_up, answered_then_both_hang_up, refused] {
            let mut pair = Pair::new(seed, BAD, script);
            pair.call();
            pair.run();
            pair.assert_over(seed);
        }
    }
}

#[test]
fn cancel_at_any_time_ends_every_call_once() {
    for seed in 0..100 {
        // From before the first 100 to after the answer at 2 s.
        let mut pair = Pair::new(seed, BAD, answered_then_caller_hangs_up);
        let dialog = pair.call();
        pair.hang_up_after(seed * 50, &dialog);
        pair.run();
        pair.assert_over(seed);
    }
}

#[test]
fn moderate_loss_still_connects_every_call() {
    let network = Network { loss_percent: 10, duplicate_percent: 5, spread: Duration::from_millis(100), ..CLEAN };
    for seed in 0..100 {
        let mut pair = Pair::new(seed, network, answered_then_caller_hangs_up);
        pair.call();
        pair.run();
        pair.assert_over(seed);
        assert_eq!(pair.count(Side::Caller, "Answered"), 1, "seed {seed}: {:?}", pair.seen);
        assert_eq!(pair.count(Side::Callee, "Confirmed"), 1, "seed {seed}: {:?}", pair.seen);
    }
}

#[test]
fn network_that_dies_in_mid_call_ends_both_sides() {
    let mut pair = Pair::new(1, CLEAN, |side, event| match (side, event) {
        (Side::Callee, Event::Invited { .. }) => vec![(50, Deed::Answer)],
        (Side::Callee, Event::Confirmed { .. }) => vec![(40_000, Deed::HangUp)],
        (Side::Caller, Event::Answered { .. }) => vec![(3000, Deed::HangUp)],
        _ => Vec::new(),
    });
    pair.call();
    pair.schedule(1000, Due::Network(DEAD));
    pair.run();
    pair.assert_over(1);
    assert_eq!(pair.text(Side::Caller), "Answered Terminated");
    assert_eq!(pair.text(Side::Callee), "Invited Confirmed Terminated");
}

#[test]
fn answer_into_a_dead_network_times_out() {
    let mut pair = Pair::new(1, CLEAN, answered_then_caller_hangs_up);
    let dialog = pair.call();
    pair.schedule(1000, Due::Network(DEAD));
    pair.hang_up_after(5000, &dialog);
    pair.run();
    pair.assert_over(1);
    assert_eq!(pair.text(Side::Caller), "Ringing Terminated");
    assert_eq!(pair.text(Side::Callee), "Invited AckTimedOut Terminated");
}

/// Both sides change the call at once; the caller hangs up when that has long been over.
fn both_change_the_call(side: Side, event: &Event) -> Vec<(u64, Deed)> {
    match (side, event) {
        (Side::Callee, Event::Invited { .. }) => vec![(50, Deed::Answer)],
        (Side::Callee, Event::Confirmed { sdp: None, .. }) => vec![(1_000, Deed::Reinvite)],
        (Side::Caller, Event::Answered { .. }) => vec![(1_020, Deed::Reinvite), (60_000, Deed::HangUp)],
        (_, Event::Reinvited { .. }) => vec![(10, Deed::Answer)],
        _ => Vec::new(),
    }
}

#[test]
fn two_changes_that_meet_are_both_made() {
    for seed in 0..20 {
        let mut pair = Pair::new(seed, CLEAN, both_change_the_call);
        pair.call();
        pair.run();
        pair.assert_over(seed);
        // The callee's comes again first; the caller's, which is old by then, is told of.
        assert!(pair.count(Side::Callee, "ReinviteAnswered") >= 1, "seed {seed}: {:?}", pair.seen);
        assert!(pair.count(Side::Caller, "ReinviteRefused") <= 1, "seed {seed}: {:?}", pair.seen);
        assert_eq!(pair.count(Side::Callee, "ReinviteRefused"), 0, "seed {seed}: {:?}", pair.seen);
    }
}

#[test]
fn changes_over_bad_networks_end_every_call_once() {
    for seed in 0..100 {
        let mut pair = Pair::new(seed, BAD, both_change_the_call);
        pair.call();
        pair.run();
        pair.assert_over(seed);
    }
}

/// Nobody ever hangs up.
fn answered_for_good(side: Side, event: &Event) -> Vec<(u64, Deed)> {
    match (side, event) {
        (Side::Callee, Event::Invited { .. }) => vec![(50, Deed::Answer)],
        _ => Vec::new(),
    }
}

#[test]
fn the_session_ends_what_a_dead_network_left() {
    let mut pair = Pair::new(1, CLEAN, answered_for_good);
    pair.call();
    // Three refreshes go well.
    pair.schedule(3_000_000, Due::Network(DEAD));
    pair.run();
    pair.assert_over(1);
    assert_eq!(pair.text(Side::Caller), "Answered ReinviteRefused Terminated", "its refresh was not answered");
    assert_eq!(pair.text(Side::Callee), "Invited Confirmed SessionExpired Terminated");
    let (last, end) = (Duration::from_secs(2_700), pair.now - pair.start);
    let expected = last + Duration::from_secs(1_800 - 32 + 32);
    assert!(
        end > expected && end < expected + Duration::from_secs(1),
        "{end:?}: the last refresh, its session, and 64*T1 of the BYE"
    );
}
