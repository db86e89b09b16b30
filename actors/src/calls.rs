//! Calls: admission, and the parent of every call and conference. Owns the count and the children; nothing else.

mod rooms;
mod spending;
mod succession;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ai::engine::Words;
use ractor::ActorId;
use sip::dialog::DialogId;
use sip::endpoint::Flow;
use sip::message::{Request, StatusCode};
use store::{CallId, Direction, HangupCause, LegKind, SpentMinute, StoreWrite, WallTime};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::alarm::Alarm;
use crate::bridge::{RoomId, RoomOrder};
use crate::call::finish::{count_end, reason_of};
use crate::call::{Arrival, Call, CallArgs, CallMsg, CallOut, LegClosed, Placing, Purpose, SessionCall};
use crate::conference::Roster;
use crate::config::{Assistant, RecordingMode};
use crate::jitter_buffer::LiveMedia;
use crate::kind::ActorKind;
use crate::leg::twilio::{StreamIo, TwilioCall};
use crate::mailbox::{Lane, Letter, Mailbox};
use crate::media_threads::Seat;
use crate::recovery::close_recording;
use crate::route::{CallTerms, NoRoute, PlaceCall, Route, route};
use crate::shared::Shared;
use crate::sip_endpoint::SipMsg;
use crate::spend::{Fare, Purse, Talk, Unaffordable};
use crate::store::StoreMsg;
use crate::trunk::config::TrunkConfig;
use crate::trunk::gate::{Full, Gate};
use crate::webrtc::BadOffer;
use crate::worker::{Ended, Failure, Worker, spawn};
use rooms::Rooms;
pub use rooms::{BridgeRefusal, Guest, PlaceFor};
use spending::Bill;
pub use succession::PlaceInstead;

/// What Calls is told.
#[derive(Debug)]
pub enum CallsMsg {
    /// By the SipEndpoint: an INVITE for a new call. When full the endpoint answers 503.
    SipInvited {
        /// The dialog it would make.
        dialog: DialogId,
        /// The request.
        invite: Box<Request>,
        /// Where it came from.
        flow: Flow,
        /// Whose it is, if a trunk's.
        trunk: Option<Arc<TrunkConfig>>,
    },
    /// By the HTTP side: place a call. Answered by the call itself, when its record is safe. When full whoever asks is told so.
    Place(Box<PlaceCall>, oneshot::Sender<Result<CallId, PlaceRefusal>>),
    /// By the HTTP side: end this call. False when no such call is up.
    HangUp(CallId, oneshot::Sender<bool>),
    /// By the HTTP side: Twilio asks who answers. When full Twilio gets spoken words.
    TwilioIncoming(TwilioCall, oneshot::Sender<Result<CallId, Refusal>>),
    /// By the HTTP side: the media stream of a call is here. When it is not taken, the stream is closed.
    TwilioStream(CallId, StreamIo, oneshot::Sender<Result<(), StreamRefusal>>),
    /// By the HTTP side: Twilio says that the call with this CallSid has ended.
    TwilioEnded(String),
    /// By the HTTP side: somebody has connected to a session. When it is not taken, whoever it is is told so.
    Session(CallId, Box<SessionCall>, oneshot::Sender<Result<(), Refusal>>),
    /// By the HTTP side: the browser of a session makes another offer. Not answered when it is not up, or has no WebRTC.
    Offered(CallId, Vec<u8>, oneshot::Sender<Result<String, BadOffer>>),
    /// By the HTTP side: the browser of a session ends it. False when it is not up.
    Left(CallId, oneshot::Sender<bool>),
    /// By the HTTP side: somebody who is not at its socket types into this session. False when it is not up, or takes no text.
    Typed(CallId, Words, oneshot::Sender<bool>),
    /// By the HTTP side: how is the media of this call. Not answered when it is not up, or has none.
    Media(CallId, oneshot::Sender<LiveMedia>),
    /// By the alarm: calls that cost something are up.
    SpendDue,
    /// By the node: the SipEndpoint was restarted, and calls must hand it their dialogs again.
    SipRestarted,
    /// By the node: take no new calls, and tell when the last has ended.
    Drain(oneshot::Sender<()>),
    /// By the node when the drain time is over: end what is left.
    EndAll,
    /// By the HTTP side and tests: these calls are to talk with each other.
    Bridge(Vec<Guest>, Option<RoomId>, oneshot::Sender<Result<RoomId, BridgeRefusal>>),
    /// By the HTTP side and tests: a call is to do something else in its conference. False when no such call is up.
    Room(CallId, RoomOrder, oneshot::Sender<bool>),
    /// By the HTTP side and tests: somebody is to be called for this call. False when no such call is up.
    Consult(CallId, Box<CallOut>, oneshot::Sender<bool>),
    /// By a call: somebody is to be called for it.
    PlaceFor(Box<PlaceFor>),
    /// By a call: its peer wants its agent to go on with somebody else.
    PlaceInstead(Box<PlaceInstead>),
    /// By tests and whoever asks: who is in which conference.
    Rooms(oneshot::Sender<Vec<(RoomId, Roster)>>),
    /// By tests: make one actor of a call fail.
    #[cfg(feature = "fault-injection")]
    Inject(CallId, ActorKind, crate::fault::Fault),
    /// By tests and health: the ids of the calls that are up.
    List(oneshot::Sender<Vec<CallId>>),
}

impl Letter for CallsMsg {
    const KIND: ActorKind = ActorKind::Calls;
    const AUDIO_MAX: u32 = 0;
    /// Two seconds of 250 call attempts a second; past it, new ones are told to come back.
    const SIGNALS_MAX: u32 = 512;

    fn lane(&self) -> Lane {
        Lane::Signal
    }
}

/// What the start of a call may take; it is a matter of microseconds, unless its media thread stands still. Other calls wait meanwhile.
const START_MAX: Duration = Duration::from_secs(1);

/// A target that is down is asked every few seconds whether it is up again.
const TRUNK_DOWN_RETRY: Duration = Duration::from_secs(30);

/// Why a new call is not taken. It is counted under its label, and explained to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `node.max_calls` are up.
    #[error("the node has as many calls as it takes")]
    AtCapacity,
    /// The machine's cores are busier than `limits.cpu_percent`: one more call would be at the cost of all.
    #[error("the node has no CPU time for more calls")]
    CpuBusy,
    /// The node takes no new calls.
    #[error("the node takes no new calls")]
    Draining,
    /// The call could not be set up.
    #[error("the call could not be set up")]
    Failed,
    /// Its trunk has as many calls as it may.
    #[error("{0}")]
    Trunk(Full),
    /// No target of its trunk answers.
    #[error("all targets of the trunk are down")]
    TrunkDown,
    /// There is no money for it.
    #[error("{0}")]
    Spend(Unaffordable),
    /// Nobody answers the called number.
    #[error("nobody answers the called number")]
    UnknownNumber,
    /// The usage of its organization is at the hard limit.
    #[error("the usage of this month is at its hard limit")]
    UsageLimit,
}

impl Refusal {
    /// The `reason` label of `offhook_calls_rejected_total`.
    pub fn label(self) -> &'static str {
        match self {
            Self::AtCapacity => "at_capacity",
            Self::CpuBusy => "cpu_busy",
            Self::Draining => "draining",
            Self::Failed => "failed",
            Self::Spend(reason) => reason.label(),
            Self::Trunk(full) => full.label(),
            Self::TrunkDown => "trunk_down",
            Self::UnknownNumber => "unknown_number",
            Self::UsageLimit => "usage_limit",
        }
    }

    /// The SIP answer, and when to try again.
    pub fn status(self) -> (StatusCode, Option<Duration>) {
        match self {
            Self::AtCapacity | Self::CpuBusy => (StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(5))),
            Self::Draining => (StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(60))),
            Self::Failed => (StatusCode::SERVER_INTERNAL_ERROR, None),
            Self::Spend(reason) => (StatusCode::SERVICE_UNAVAILABLE, Some(reason.retry_after())),
            Self::Trunk(full) => (StatusCode::SERVICE_UNAVAILABLE, Some(full.retry_after())),
            Self::TrunkDown => (StatusCode::SERVICE_UNAVAILABLE, Some(TRUNK_DOWN_RETRY)),
            Self::UnknownNumber => (StatusCode::NOT_FOUND, None),
            Self::UsageLimit => (StatusCode::FORBIDDEN, None),
        }
    }
}

/// Why a call is not placed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PlaceRefusal {
    /// It cannot be placed as it was asked for.
    #[error("{0}")]
    Asked(NoRoute),
    /// The node takes no call now.
    #[error("{0}")]
    Node(Refusal),
}

/// Why a media stream is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamRefusal {
    /// The call has its stream; Twilio allows no second.
    AlreadyAttached,
    /// The call takes no messages any more.
    Failed,
    /// No such call is up.
    UnknownCall,
}

/// What Calls remembers of a call, enough to end it when it has crashed.
struct Child {
    id: CallId,
    mailbox: Mailbox<CallMsg>,
    leg: LegKind,
    direction: Direction,
    /// Its place on a media thread, for a conference that it is the first guest of.
    seat: Arc<Seat>,
    call_sid: Option<String>,
    attached: bool,
    trunk: Option<Arc<str>>,
    /// Of a call of ours, where spending is capped.
    bill: Option<Bill>,
}

/// What Calls is made from.
pub struct CallsArgs {
    /// The node's.
    pub shared: Arc<Shared>,
    /// What calls of ours cost before.
    pub spent: Vec<SpentMinute>,
}

/// The actor.
pub struct Calls {
    shared: Arc<Shared>,
    children: HashMap<ActorId, Child>,
    rooms: Rooms,
    /// The calls of each trunk.
    gates: HashMap<Arc<str>, Gate>,
    purse: Purse,
    /// For the calls that cost something.
    alarm: Alarm,
    drained: Option<oneshot::Sender<()>>,
    draining: bool,
}

/// A call of ours that may be made: its money and its places are taken.
struct Admitted {
    assistant: Arc<Assistant>,
    route: Route,
    /// `None`: it costs nothing here.
    fare: Option<Fare>,
    terms: CallTerms,
}

impl Worker for Calls {
    type Msg = CallsMsg;
    type Args = CallsArgs;

    async fn start(CallsArgs { shared, spent }: CallsArgs, _: &Mailbox<CallsMsg>) -> Result<Self, Failure> {
        let (draining, purse) = (shared.draining(), Purse::new(shared.config.spend.clone(), spent));
        let (children, gates, rooms, alarm) = (HashMap::new(), HashMap::new(), Rooms::default(), Alarm::default());
        Ok(Self { shared, children, rooms, gates, purse, alarm, drained: None, draining })
    }

    async fn handle(&mut self, message: CallsMsg, me: &Mailbox<CallsMsg>) -> Result<(), Failure> {
        match message {
            CallsMsg::SipInvited { dialog, invite, flow, trunk } => {
                self.handle_invited(Arrival::Sip { dialog, invite, flow, trunk }, me).await;
            }
            CallsMsg::Place(asked, reply) => self.handle_place(&asked, reply, me).await,
            CallsMsg::HangUp(id, reply) => {
                let _asker_left = reply.send(self.tell_one(id, CallMsg::HangUp(HangupCause::OperatorHangup)));
            }
            CallsMsg::Bridge(guests, room, reply) => {
                let _asker_left = reply.send(self.bridge(guests, room, None, me).await);
            }
            CallsMsg::Room(id, order, reply) => {
                let _asker_left = reply.send(self.tell_one(id, CallMsg::Room(order)));
            }
            CallsMsg::Consult(id, asked, reply) => {
                let _asker_left = reply.send(self.tell_one(id, CallMsg::CallOut(asked)));
            }
            CallsMsg::PlaceFor(asked) => self.place_for(*asked, me).await,
            CallsMsg::PlaceInstead(asked) => self.place_instead(*asked, me).await,
            CallsMsg::Rooms(reply) => self.rooms.list(reply),
            CallsMsg::TwilioIncoming(call, reply) => {
                let _asker_left = reply.send(self.handle_twilio(call, me).await);
            }
            CallsMsg::TwilioStream(id, stream, reply) => {
                let _asker_left = reply.send(self.handle_stream(id, stream));
            }
            CallsMsg::TwilioEnded(call_sid) => {
                if let Some(child) = self.by_call_sid(&call_sid) {
                    drop(child.mailbox.send(CallMsg::TwilioEnded));
                }
            }
            CallsMsg::Session(id, session, reply) => {
                let _asker_left = reply.send(self.handle_session(id, session, me).await);
            }
            CallsMsg::Offered(id, offer, reply) => {
                self.tell_one(id, CallMsg::Offered(offer, reply));
            }
            CallsMsg::Left(id, reply) => {
                let _asker_left = reply.send(self.tell_one(id, CallMsg::LegClosed(LegClosed::ByPeer)));
            }
            CallsMsg::Typed(id, words, reply) => {
                let reads = self.children.values().any(|child| child.id == id && child.leg.is_session());
                let _asker_left = reply.send(reads && self.tell_one(id, CallMsg::Typed(words)));
            }
            CallsMsg::Media(id, reply) => {
                self.tell_one(id, CallMsg::MediaAsked(reply));
            }
            CallsMsg::SpendDue => self.count_spending(me),
            CallsMsg::SipRestarted => self.tell_all(|| CallMsg::SipRestarted),
            CallsMsg::Drain(drained) => {
                self.draining = true;
                self.drained = Some(drained);
                self.check_drained();
            }
            CallsMsg::EndAll => self.tell_all(|| CallMsg::HangUp(HangupCause::Drained)),
            #[cfg(feature = "fault-injection")]
            CallsMsg::Inject(id, actor, fault) => self.inject(id, actor, fault),
            CallsMsg::List(reply) => {
                let _asker_left = reply.send(self.children.values().map(|child| child.id).collect());
            }
        }
        Ok(())
    }

    async fn handle_ended(&mut self, child: ActorId, ended: Ended, me: &Mailbox<CallsMsg>) -> Result<(), Failure> {
        let Some(mut child) = self.children.remove(&child) else {
            self.handle_room_ended(child, ended, me).await;
            return Ok(());
        };
        if let Some(trunk) = &child.trunk {
            self.leave_trunk(trunk);
        }
        self.settle(child.id, child.bill.take());
        if let Ended::Failed(reason) = ended {
            self.rooms.tell_lost(child.id);
            self.tell_all(|| CallMsg::CallLost(child.id));
            self.bury(&child, reason);
        }
        self.publish_count();
        self.check_drained();
        Ok(())
    }
}

impl Calls {
    #[cfg(feature = "fault-injection")]
    fn inject(&self, id: CallId, actor: ActorKind, fault: crate::fault::Fault) {
        let Some(child) = self.children.values().find(|child| child.id == id) else { return };
        match actor {
            ActorKind::Conference => self.rooms.inject(fault),
            ActorKind::Call => child.mailbox.inject(fault),
            other => drop(child.mailbox.send(CallMsg::Inject(other, fault))),
        }
    }

    async fn handle_invited(&mut self, arrival: Arrival, me: &Mailbox<CallsMsg>) {
        let Arrival::Sip { dialog, trunk, .. } = &arrival else { return };
        let (dialog, trunk) = (dialog.clone(), trunk.clone());
        let result = match self.admit_by(trunk.as_deref(), Direction::Inbound) {
            Ok(()) => self.start_call(CallId::generate(), arrival, me).await.map(drop),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = result {
            self.count_by(trunk.as_deref(), refusal);
            let (status, retry_after) = refusal.status();
            self.shared.sip.tell(SipMsg::Refuse { dialog, status, retry_after });
        }
    }

    async fn handle_place(
        &mut self,
        asked: &PlaceCall,
        reply: oneshot::Sender<Result<CallId, PlaceRefusal>>,
        me: &Mailbox<CallsMsg>,
    ) {
        match self.within_limit(asked).and_then(|()| self.admit_route(asked)) {
            // One that cannot be started drops the reply with it.
            Ok(admitted) => drop(self.start_placed(admitted, Purpose::Own, reply, me).await),
            Err(refusal) => {
                let _asker_left = reply.send(Err(refusal));
            }
        }
    }

    /// A call of its own is refused where its organization has used what it may; one for a call that is up goes out.
    fn within_limit(&self, asked: &PlaceCall) -> Result<(), PlaceRefusal> {
        let directory = self.shared.directory.load();
        let assistant = asked.assistant.as_ref().map_or(directory.default.clone(), |name| directory.named(name));
        if !assistant.is_some_and(|assistant| self.shared.is_over_limit(&assistant.organization)) {
            return Ok(());
        }
        self.count(Refusal::UsageLimit);
        Err(PlaceRefusal::Node(Refusal::UsageLimit))
    }

    /// Who talks, where the call goes, money for its first minute, and a place for it here and with its trunk. What stands in the way is
    /// counted.
    fn admit_route(&mut self, asked: &PlaceCall) -> Result<Admitted, PlaceRefusal> {
        let (assistant, route) = self.route(asked).inspect_err(|refusal| match refusal {
            // Whoever asks is told what to mend.
            PlaceRefusal::Asked(_) => metrics::counter!("offhook_calls_rejected_total", "reason" => "no_route").increment(1),
            PlaceRefusal::Node(refusal) => self.count(*refusal),
        })?;
        let trunk = route.trunk.clone();
        let fare = self.afford(asked, trunk.as_deref())?;
        if let Err(refusal) = self.admit_by(trunk.as_deref(), Direction::Outbound) {
            self.give_back(fare);
            self.count_by(trunk.as_deref(), refusal);
            return Err(PlaceRefusal::Node(refusal));
        }
        Ok(Admitted { assistant, route, fare, terms: asked.terms.clone() })
    }

    /// Starts a call of ours, for what it is. One that cannot be started is counted, and costs nothing.
    async fn start_placed(
        &mut self,
        Admitted { assistant, route, fare, terms }: Admitted,
        purpose: Purpose,
        placed: oneshot::Sender<Result<CallId, PlaceRefusal>>,
        me: &Mailbox<CallsMsg>,
    ) -> Result<CallId, Refusal> {
        let (trunk, talk) = (route.trunk.clone(), Arc::new(Talk::default()));
        let id = terms.id.unwrap_or_else(CallId::generate);
        let placing = Placing { assistant, route, talk: Arc::clone(&talk), placed, purpose, terms };
        let started = self.start_call(id, Arrival::Placed(Box::new(placing)), me).await;
        match started {
            Ok(call) => self.bill(call, fare, talk, me),
            Err(refusal) => {
                self.give_back(fare);
                self.count_by(trunk.as_deref(), refusal);
            }
        }
        started
    }

    /// Who talks, and where the call goes.
    fn route(&self, asked: &PlaceCall) -> Result<(Arc<Assistant>, Route), PlaceRefusal> {
        let directory = self.shared.directory.load();
        let assistant = match &asked.assistant {
            Some(name) => directory.named(name).ok_or_else(|| format!("there is no assistant {name:?}")),
            None => directory.default.clone().ok_or_else(|| "must be set: there is no routing.default_assistant".to_owned()),
        };
        let assistant = assistant.map_err(|reason| PlaceRefusal::Asked(NoRoute::new("assistant_id", reason)))?;
        Ok((assistant, route(&self.shared.config.sip, &self.shared.trunks, asked)?))
    }

    async fn handle_twilio(&mut self, call: TwilioCall, me: &Mailbox<CallsMsg>) -> Result<CallId, Refusal> {
        // Twilio asks again when our answer was slow: the same call, not a second one.
        if let Some(child) = self.by_call_sid(&call.call_sid) {
            return Ok(child.id);
        }
        let answering = self.shared.answering(call.to.reveal(), None);
        let result = match self.admit() {
            Ok(()) if answering.assistant.is_none() => Err(Refusal::UnknownNumber),
            Ok(()) if self.shared.is_over_limit(&answering.organization) => Err(Refusal::UsageLimit),
            Ok(()) => self.start_call(CallId::generate(), Arrival::Twilio(call), me).await,
            Err(refusal) => Err(refusal),
        };
        result.inspect_err(|refusal| self.count(*refusal))
    }

    async fn handle_session(&mut self, id: CallId, session: Box<SessionCall>, me: &Mailbox<CallsMsg>) -> Result<(), Refusal> {
        let result = match self.admit() {
            Ok(()) if self.shared.is_over_limit(&session.organization) => Err(Refusal::UsageLimit),
            Ok(()) => self.start_call(id, Arrival::Session(session), me).await.map(drop),
            Err(refusal) => Err(refusal),
        };
        result.inspect_err(|refusal| self.count(*refusal))
    }

    fn handle_stream(&mut self, id: CallId, stream: StreamIo) -> Result<(), StreamRefusal> {
        let child = self.children.values_mut().find(|child| child.id == id).ok_or(StreamRefusal::UnknownCall)?;
        if std::mem::replace(&mut child.attached, true) {
            return Err(StreamRefusal::AlreadyAttached);
        }
        child.mailbox.send(CallMsg::TwilioStream(stream)).map_err(|_| StreamRefusal::Failed)
    }

    /// Takes a channel of a trunk, until [`leave_trunk`](Self::leave_trunk).
    fn enter_trunk(&mut self, trunk: &TrunkConfig, direction: Direction) -> Result<(), Refusal> {
        let gate = self.gates.entry(Arc::clone(&trunk.name)).or_default();
        gate.admit(Instant::now(), &trunk.limits, direction).map_err(Refusal::Trunk)?;
        let labels = [("trunk", trunk.name.to_string()), ("direction", direction.as_str().to_owned())];
        metrics::counter!("offhook_trunk_calls_total", &labels).increment(1);
        metrics::gauge!("offhook_trunk_calls_active", "trunk" => trunk.name.to_string()).set(gate.channels());
        Ok(())
    }

    fn leave_trunk(&mut self, trunk: &Arc<str>) {
        if let Some(gate) = self.gates.get_mut(trunk) {
            gate.release();
            metrics::gauge!("offhook_trunk_calls_active", "trunk" => trunk.to_string()).set(gate.channels());
        }
    }

    fn admit(&self) -> Result<(), Refusal> {
        if self.draining {
            return Err(Refusal::Draining);
        }
        if self.children.len() >= self.shared.config.max_calls {
            return Err(Refusal::AtCapacity);
        }
        if self.shared.cpu_busy() > self.shared.config.cpu_max {
            return Err(Refusal::CpuBusy);
        }
        Ok(())
    }

    /// A call that takes a channel of its trunk if it has one, which whoever starts it gives back when that fails.
    fn admit_by(&mut self, trunk: Option<&TrunkConfig>, direction: Direction) -> Result<(), Refusal> {
        self.admit()?;
        trunk.map_or(Ok(()), |trunk| self.enter_trunk(trunk, direction))
    }

    async fn start_call(&mut self, id: CallId, arrival: Arrival, me: &Mailbox<CallsMsg>) -> Result<CallId, Refusal> {
        let (leg, direction, call_sid, trunk) = match &arrival {
            Arrival::Sip { trunk, .. } => (LegKind::Sip, Direction::Inbound, None, trunk.as_ref()),
            Arrival::Placed(placing) => (LegKind::Sip, Direction::Outbound, None, placing.route.trunk.as_ref()),
            Arrival::Session(session) => (session.leg_kind(), Direction::Inbound, None, None),
            Arrival::Twilio(call) => (LegKind::Twilio, Direction::Inbound, Some(call.call_sid.clone()), None),
        };
        let trunk = trunk.map(|trunk| Arc::clone(&trunk.name));
        let seat = Arc::new(self.shared.media.seat());
        let thread = seat.runtime.clone();
        let args = CallArgs { id, shared: Arc::clone(&self.shared), seat: Arc::clone(&seat), arrival, arrived: Instant::now() };
        // What a call starts, starts where the call was started: its whole tree is on one media thread.
        let started = timeout(START_MAX, thread.spawn(spawn::<Call>(args, me.cell()))).await;
        let started =
            started.map_or_else(|late| Err(late.to_string()), |ended| ended.unwrap_or_else(|panic| Err(panic.to_string())));
        let mailbox = match started {
            Ok(mailbox) => mailbox,
            Err(reason) => {
                tracing::error!(call = %id, reason, "a call could not be started");
                trunk.iter().for_each(|trunk| self.leave_trunk(trunk));
                return Err(Refusal::Failed);
            }
        };
        self.children
            .insert(mailbox.id(), Child { id, mailbox, leg, direction, seat, call_sid, attached: false, trunk, bill: None });
        self.publish_count();
        Ok(id)
    }

    /// Ends what a crashed call left: its legs are hung up, and its record says so. Its actors died with it.
    fn bury(&self, child: &Child, reason: String) {
        tracing::error!(call = %child.id, reason, "a call crashed");
        count_end(child.leg, child.direction, HangupCause::Crashed);
        if child.leg == LegKind::Sip {
            self.shared.sip.tell(SipMsg::HangUpOf(child.mailbox.id(), reason_of(HangupCause::Crashed)));
        }
        self.shared.store.tell(StoreMsg::Write(StoreWrite::CallEnded {
            call: child.id,
            at: WallTime::now(),
            cause: HangupCause::Crashed,
            detail: Some(reason),
            stats: serde_json::Value::Null,
        }));
        if self.shared.config.recording == RecordingMode::Always {
            close_recording(&self.shared, child.id);
        }
    }

    fn by_call_sid(&self, call_sid: &str) -> Option<&Child> {
        self.children.values().find(|child| child.call_sid.as_deref() == Some(call_sid))
    }

    /// Tells one call; false when it is not up, or takes nothing more.
    fn tell_one(&self, id: CallId, message: CallMsg) -> bool {
        self.children.values().find(|child| child.id == id).is_some_and(|child| child.mailbox.send(message).is_ok())
    }

    fn tell_all(&self, message: impl Fn() -> CallMsg) {
        for child in self.children.values() {
            drop(child.mailbox.send(message()));
        }
    }

    fn count(&self, refusal: Refusal) {
        metrics::counter!("offhook_calls_rejected_total", "reason" => refusal.label()).increment(1);
    }

    fn count_by(&self, trunk: Option<&TrunkConfig>, refusal: Refusal) {
        self.count(refusal);
        if let Some(trunk) = trunk {
            trunk.count_refused(refusal.label());
        }
    }

    fn publish_count(&self) {
        self.shared.publish_calls(self.children.len());
    }

    fn check_drained(&mut self) {
        if self.children.is_empty()
            && let Some(drained) = self.drained.take()
        {
            let _node_left = drained.send(());
        }
    }
}
