//! Trunk: one carrier. Owns its registration and what is known of its targets; the channels in use are counted by Calls, which knows
//! of their ends.
//!
//! What is decided is decided by `sip::registration` and `sip::keepalive`; this actor has their requests sent and publishes what it
//! knows. Everything about a call over a trunk is a function of the configuration and of that: [`door`], [`caller`], [`gate`], [`route`].

pub mod caller;
pub mod check;
pub mod config;
pub mod door;
pub mod gate;
pub mod number;
pub mod redirect;
pub mod route;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sip::endpoint::{AttemptFailure, OutboundRequest, Series};
use sip::keepalive::{Action, Keepalive};
use sip::message::{Method, Response, StatusCode, name};
use sip::registration::{Failure, Registration};
use sip::uri::{NameAddr, Uri};

pub use sip::keepalive::Health;
pub use table::{TrunkEntry, TrunkState, Trunks};

use crate::alarm::Alarm;
use crate::kind::ActorKind;
use crate::mailbox::{Lane, Letter, Mailbox, Port};
use crate::sip_endpoint::SipMsg;
use crate::worker::{Failure as WorkerFailure, Worker};
use config::TrunkConfig;

/// What a Trunk is told.
#[derive(Debug)]
pub enum TrunkMsg {
    /// By the alarm: something is due.
    TimerDue,
    /// By a Call: one came to nothing at the target at this place. When full it is lost: others will tell.
    CallFailed {
        /// Which.
        target: usize,
        /// Why.
        failure: AttemptFailure,
    },
    /// By the SipEndpoint: a request has ended. When full it is lost, and the trunk asks again when it is started anew.
    Ended {
        /// Which.
        errand: Errand,
        /// The final answer, if there was one.
        response: Option<Box<Response>>,
        /// For the next request.
        series: Box<Series>,
    },
    /// By the node: the SipEndpoint is new, and what was asked of the old one has no answer.
    SipRestarted,
    /// By the node while draining: the registrar is to lead no more calls here.
    Leave,
}

impl Letter for TrunkMsg {
    const KIND: ActorKind = ActorKind::Trunk;
    const AUDIO_MAX: u32 = 0;
    /// One for each target and a few more.
    const SIGNALS_MAX: u32 = 64;

    fn lane(&self) -> Lane {
        Lane::Signal
    }
}

/// What a request of a trunk is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Errand {
    /// OPTIONS to the target at this place.
    Keepalive(usize),
    /// REGISTER.
    Registration,
}

/// What a Trunk is made from.
pub struct TrunkArgs {
    /// Its place in the table.
    pub entry: Arc<TrunkEntry>,
    /// Who sends its requests.
    pub sip: Port<SipMsg>,
}

/// The actor.
pub struct Trunk {
    entry: Arc<TrunkEntry>,
    sip: Port<SipMsg>,
    registration: Option<Registration>,
    keepalives: Vec<Keepalive>,
    /// What the next request of each errand goes on with; the registration's is the last.
    series: Vec<Option<Box<Series>>>,
    random: StdRng,
    alarm: Alarm,
    state: TrunkState,
}

impl Worker for Trunk {
    type Msg = TrunkMsg;
    type Args = TrunkArgs;

    async fn start(TrunkArgs { entry, sip }: TrunkArgs, me: &Mailbox<TrunkMsg>) -> Result<Self, WorkerFailure> {
        let now = Instant::now();
        let config = &entry.config;
        let registration = config.registration.as_ref().map(|registration| Registration::new(now, registration.expires));
        let keepalives: Vec<Keepalive> = config.targets.iter().map(|_| Keepalive::new(now, config.keepalive)).collect();
        let series = vec![None; keepalives.len() + 1];
        let (random, alarm, state) = (StdRng::seed_from_u64(rand::random()), Alarm::default(), TrunkState::default());
        let mut trunk = Self { entry, sip, registration, keepalives, series, random, alarm, state };
        trunk.drive(now, me);
        Ok(trunk)
    }

    async fn handle(&mut self, message: TrunkMsg, me: &Mailbox<TrunkMsg>) -> Result<(), WorkerFailure> {
        let now = Instant::now();
        match message {
            TrunkMsg::TimerDue => {
                self.alarm.rang();
                if let Some(registration) = &mut self.registration {
                    registration.handle_timeout(now);
                }
                for keepalive in &mut self.keepalives {
                    keepalive.handle_timeout(now, &mut self.random);
                }
            }
            TrunkMsg::Ended { errand, response, series } => {
                *self.series_of(errand) = Some(series);
                self.handle_ended(now, errand, response.as_deref());
            }
            TrunkMsg::CallFailed { target, failure } => self.handle_call_failed(now, target, failure),
            TrunkMsg::SipRestarted => {
                for errand in (0..self.keepalives.len()).map(Errand::Keepalive).chain([Errand::Registration]) {
                    self.handle_ended(now, errand, None);
                }
            }
            TrunkMsg::Leave => {
                if let Some(registration) = &mut self.registration {
                    registration.leave();
                }
            }
        }
        self.drive(now, me);
        Ok(())
    }
}

impl Trunk {
    fn series_of(&mut self, errand: Errand) -> &mut Option<Box<Series>> {
        let place = match errand {
            Errand::Keepalive(target) => target,
            Errand::Registration => self.keepalives.len(),
        };
        &mut self.series[place]
    }

    fn handle_ended(&mut self, now: Instant, errand: Errand, response: Option<&Response>) {
        let name = self.entry.config.name.to_string();
        match (errand, &mut self.registration) {
            (Errand::Keepalive(target), _) => {
                let keepalive = &mut self.keepalives[target];
                match response {
                    Some(response) => {
                        if let Some(round_trip) = keepalive.handle_answer(now, response, &mut self.random) {
                            metrics::histogram!("offhook_trunk_options_seconds", "trunk" => name).record(round_trip);
                        }
                    }
                    None => keepalive.handle_unanswered(now, &mut self.random),
                }
            }
            (Errand::Registration, Some(registration)) => {
                match response {
                    Some(response) => {
                        registration.handle_answer(now, response, &self.entry.config.user, &mut self.random);
                    }
                    None => registration.handle_unanswered(now, &mut self.random),
                }
                match registration.failure() {
                    Some(Failure::Refused(status)) => {
                        tracing::warn!(trunk = name, status = status.code(), "the registrar refused us");
                    }
                    Some(Failure::Unanswered) => tracing::warn!(trunk = name, "the registrar did not answer"),
                    None => {}
                }
            }
            (Errand::Registration, None) => {}
        }
    }

    /// Silence, no way and 503 are the target's own; other refusals may be of the number that was called.
    fn handle_call_failed(&mut self, now: Instant, target: usize, failure: AttemptFailure) {
        let retry_after = match failure {
            AttemptFailure::Silent | AttemptFailure::Unreachable => None,
            AttemptFailure::Refused { status: StatusCode::SERVICE_UNAVAILABLE, retry_after } => retry_after,
            AttemptFailure::Refused { .. } => return,
        };
        if let Some(keepalive) = self.keepalives.get_mut(target) {
            keepalive.handle_call_failed(now, retry_after);
        }
    }

    /// Carries out what the cores want, and tells what they know.
    fn drive(&mut self, now: Instant, me: &Mailbox<TrunkMsg>) {
        if let Some(expires) = self.registration.as_mut().and_then(Registration::poll_register)
            && let Some(request) = register(&self.entry.config, Some(expires))
        {
            self.ask(now, Errand::Registration, request, me);
        }
        for target in 0..self.keepalives.len() {
            match self.keepalives[target].poll_action() {
                Some(Action::Ask) => {
                    let request = options(&self.entry.config, &self.entry.config.targets[target].uri);
                    self.ask(now, Errand::Keepalive(target), request, me);
                }
                Some(Action::Abandon) => self.sip.tell(SipMsg::Abandon(Errand::Keepalive(target), me.id())),
                None => {}
            }
        }
        self.publish(now);
        let due = self.keepalives.iter().filter_map(Keepalive::poll_timeout);
        let due = due.chain(self.registration.as_ref().and_then(Registration::poll_timeout)).min();
        self.alarm.set(due, me, || TrunkMsg::TimerDue);
    }

    fn ask(&mut self, now: Instant, errand: Errand, request: OutboundRequest, me: &Mailbox<TrunkMsg>) {
        let credentials = self.entry.config.credentials.clone();
        let series = self.series_of(errand).take().unwrap_or_else(|| Box::new(Series::new(credentials)));
        let asked = SipMsg::Ask { errand, request: Box::new(request), series, trunk: me.clone() };
        if self.sip.send(asked).is_err() {
            self.handle_ended(now, errand, None);
        }
    }

    fn publish(&mut self, now: Instant) {
        let state = TrunkState {
            registered: self.registration.as_ref().map(|registration| registration.is_registered(now)),
            health: self.keepalives.iter().map(Keepalive::health).collect(),
        };
        if state == self.state {
            return;
        }
        let name = self.entry.config.name.to_string();
        if state.registered != self.state.registered {
            let registered = state.registered == Some(true);
            tracing::info!(trunk = name, registered, "registration");
            metrics::gauge!("offhook_trunk_registered", "trunk" => name.clone()).set(f64::from(u8::from(registered)));
        }
        let before = |index: usize| self.state.health.get(index).copied().unwrap_or_default();
        for (index, (target, health)) in self.entry.config.targets.iter().zip(&state.health).enumerate() {
            if *health == Health::Unknown && before(index) == Health::Unknown {
                continue;
            }
            let up = f64::from(u8::from(*health >= Health::Unknown));
            metrics::gauge!("offhook_trunk_target_up", "trunk" => name.clone(), "target" => target.uri.to_string()).set(up);
        }
        self.entry.publish(state.clone());
        self.state = state;
    }
}

/// What a trunk knows us as: `sip:user@domain`, the domain being the host of `place` where none is named.
fn address_of_record(config: &TrunkConfig, place: &Uri) -> Option<NameAddr> {
    let domain = config.domain.as_ref().or(place.host())?;
    Some(NameAddr::new(Uri::sip(Some(&config.user), domain.clone(), None)))
}

/// The REGISTER of a trunk, or without a time the question who is registered; `None` for one without registration.
pub fn register(config: &TrunkConfig, expires: Option<Duration>) -> Option<OutboundRequest> {
    let registrar = &config.registration.as_ref()?.registrar;
    let ours = address_of_record(config, registrar)?;
    let mut request_uri = registrar.clone();
    if let (Uri::Sip(uri), Some(domain)) = (&mut request_uri, &config.domain) {
        (uri.host, uri.port) = (domain.clone(), None);
    }
    Some(OutboundRequest {
        method: Method::REGISTER,
        request_uri,
        next_hop: Some(registrar.clone()),
        from: ours.clone(),
        to: ours,
        contact: expires.map(|_| config.user.clone()),
        headers: expires.map(|expires| (name::EXPIRES, expires.as_secs().to_string())).into_iter().collect(),
    })
}

/// The OPTIONS to a target of a trunk.
pub fn options(config: &TrunkConfig, target: &Uri) -> OutboundRequest {
    let ours = address_of_record(config, target).unwrap_or_else(|| NameAddr::new(target.clone()));
    OutboundRequest {
        method: Method::OPTIONS,
        request_uri: target.clone(),
        next_hop: None,
        from: ours,
        to: NameAddr::new(target.clone()),
        contact: None,
        headers: vec![(name::ACCEPT, "application/sdp".to_owned())],
    }
}
