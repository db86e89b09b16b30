//! Calls: admission, and the parent of every call. Owns the count and the children; nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::ActorId;
use sip::dialog::DialogId;
use sip::endpoint::Flow;
use sip::message::{Request, StatusCode};
use store::{CallId, Direction, HangupCause, LegKind, StoreWrite, WallTime};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::call::finish::{count_end, reason_of};
use crate::call::{Arrival, Call, CallArgs, CallMsg};
use crate::config::RecordingMode;
use crate::kind::ActorKind;
use crate::leg::twilio::{StreamIo, TwilioCall};
use crate::mailbox::{Lane, Letter, Mailbox};
use crate::recovery::close_recording;
use crate::shared::Shared;
use crate::sip_endpoint::SipMsg;
use crate::store::StoreMsg;
use crate::trunk::config::TrunkConfig;
use crate::trunk::gate::{Full, Gate};
use crate::worker::{Ended, Failure, Worker, spawn};

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
    /// By the HTTP side: Twilio asks who answers. When full Twilio gets spoken words.
    TwilioIncoming(TwilioCall, oneshot::Sender<Result<CallId, Refusal>>),
    /// By the HTTP side: the media stream of a call is here. When it is not taken, the stream is closed.
    TwilioStream(CallId, StreamIo, oneshot::Sender<Result<(), StreamRefusal>>),
    /// By the HTTP side: Twilio says that the call with this CallSid has ended.
    TwilioEnded(String),
    /// By the node: the SipEndpoint was restarted, and calls must hand it their dialogs again.
    SipRestarted,
    /// By the node: take no new calls, and tell when the last has ended.
    Drain(oneshot::Sender<()>),
    /// By the node when the drain time is over: end what is left.
    EndAll,
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

/// Why a new call is not taken. It is counted under its label, and explained to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `node.max_calls` are up.
    AtCapacity,
    /// The machine's cores are busier than `limits.cpu_percent`: one more call would be at the cost of all.
    CpuBusy,
    /// The node takes no new calls.
    Draining,
    /// The call could not be set up.
    Failed,
    /// Its trunk has as many calls as it may.
    Trunk(Full),
    /// Nobody answers the called number.
    UnknownNumber,
}

impl Refusal {
    /// The `reason` label of `offhook_calls_rejected_total`.
    pub fn label(self) -> &'static str {
        match self {
            Self::AtCapacity => "at_capacity",
            Self::CpuBusy => "cpu_busy",
            Self::Draining => "draining",
            Self::Failed => "failed",
            Self::Trunk(full) => full.label(),
            Self::UnknownNumber => "unknown_number",
        }
    }

    /// The SIP answer, and when to try again.
    fn status(self) -> (StatusCode, Option<Duration>) {
        match self {
            Self::AtCapacity | Self::CpuBusy => (StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(5))),
            Self::Draining => (StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(60))),
            Self::Failed => (StatusCode::SERVER_INTERNAL_ERROR, None),
            Self::Trunk(full) => (StatusCode::SERVICE_UNAVAILABLE, Some(full.retry_after())),
            Self::UnknownNumber => (StatusCode::NOT_FOUND, None),
        }
    }
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
    dialog: Option<DialogId>,
    call_sid: Option<String>,
    attached: bool,
    trunk: Option<Arc<str>>,
}

/// The actor.
pub struct Calls {
    shared: Arc<Shared>,
    children: HashMap<ActorId, Child>,
    /// The calls of each trunk.
    gates: HashMap<Arc<str>, Gate>,
    drained: Option<oneshot::Sender<()>>,
    draining: bool,
}

impl Worker for Calls {
    type Msg = CallsMsg;
    type Args = Arc<Shared>;

    async fn start(shared: Arc<Shared>, _: &Mailbox<CallsMsg>) -> Result<Self, Failure> {
        let draining = shared.draining();
        Ok(Self { shared, children: HashMap::new(), gates: HashMap::new(), drained: None, draining })
    }

    async fn handle(&mut self, message: CallsMsg, me: &Mailbox<CallsMsg>) -> Result<(), Failure> {
        match message {
            CallsMsg::SipInvited { dialog, invite, flow, trunk } => {
                self.handle_invited(Arrival::Sip { dialog, invite, flow, trunk }, me).await;
            }
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
            CallsMsg::SipRestarted => self.tell_all(|| CallMsg::SipRestarted),
            CallsMsg::Drain(drained) => {
                self.draining = true;
                self.drained = Some(drained);
                self.check_drained();
            }
            CallsMsg::EndAll => self.tell_all(|| CallMsg::HangUp(HangupCause::Drained)),
            #[cfg(feature = "fault-injection")]
            CallsMsg::Inject(id, actor, fault) => {
                if let Some(child) = self.children.values().find(|child| child.id == id) {
                    match actor {
                        ActorKind::Call => child.mailbox.inject(fault),
                        other => drop(child.mailbox.send(CallMsg::Inject(other, fault))),
                    }
                }
            }
            CallsMsg::List(reply) => {
                let _asker_left = reply.send(self.children.values().map(|child| child.id).collect());
            }
        }
        Ok(())
    }

    async fn handle_ended(&mut self, child: ActorId, ended: Ended, _: &Mailbox<CallsMsg>) -> Result<(), Failure> {
        let Some(child) = self.children.remove(&child) else { return Ok(()) };
        if let Some(trunk) = &child.trunk {
            self.leave_trunk(trunk);
        }
        if let Ended::Failed(reason) = ended {
            self.bury(&child, reason);
        }
        self.publish_count();
        self.check_drained();
        Ok(())
    }
}

impl Calls {
    async fn handle_invited(&mut self, arrival: Arrival, me: &Mailbox<CallsMsg>) {
        let Arrival::Sip { dialog, trunk, .. } = &arrival else { return };
        let (dialog, trunk) = (dialog.clone(), trunk.clone());
        let admitted =
            self.admit().and_then(|()| trunk.as_ref().map_or(Ok(()), |trunk| self.enter_trunk(trunk, Direction::Inbound)));
        let result = match admitted {
            Ok(()) => self.start_call(arrival, me).await.map(drop).inspect_err(|_| {
                if let Some(trunk) = &trunk {
                    self.leave_trunk(&trunk.name);
                }
            }),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = result {
            self.count(refusal);
            if let Some(trunk) = &trunk {
                let labels = [("trunk", trunk.name.to_string()), ("reason", refusal.label().to_owned())];
                metrics::counter!("offhook_trunk_rejected_total", &labels).increment(1);
            }
            let (status, retry_after) = refusal.status();
            self.shared.sip.tell(SipMsg::Refuse { dialog, status, retry_after });
        }
    }

    async fn handle_twilio(&mut self, call: TwilioCall, me: &Mailbox<CallsMsg>) -> Result<CallId, Refusal> {
        // Twilio asks again when our answer was slow: the same call, not a second one.
        if let Some(child) = self.by_call_sid(&call.call_sid) {
            return Ok(child.id);
        }
        let result = match self.admit() {
            Ok(()) if self.shared.assistant_for(call.to.reveal()).is_none() => Err(Refusal::UnknownNumber),
            Ok(()) => self.start_call(Arrival::Twilio(call), me).await,
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

    async fn start_call(&mut self, arrival: Arrival, me: &Mailbox<CallsMsg>) -> Result<CallId, Refusal> {
        let id = CallId::generate();
        let (dialog, call_sid, trunk) = match &arrival {
            Arrival::Sip { dialog, trunk, .. } => {
                (Some(dialog.clone()), None, trunk.as_ref().map(|trunk| Arc::clone(&trunk.name)))
            }
            Arrival::Twilio(call) => (None, Some(call.call_sid.clone()), None),
        };
        let seat = self.shared.media.seat();
        let thread = seat.runtime.clone();
        let args = CallArgs { id, shared: Arc::clone(&self.shared), seat, arrival, arrived: Instant::now() };
        // What a call starts, starts where the call was started: its whole tree is on one media thread.
        let started = timeout(START_MAX, thread.spawn(spawn::<Call>(args, me.cell()))).await;
        let started =
            started.map_or_else(|late| Err(late.to_string()), |ended| ended.unwrap_or_else(|panic| Err(panic.to_string())));
        let mailbox = started.map_err(|reason| {
            tracing::error!(call = %id, reason, "a call could not be started");
            Refusal::Failed
        })?;
        self.children.insert(mailbox.id(), Child { id, mailbox, dialog, call_sid, attached: false, trunk });
        self.publish_count();
        Ok(id)
    }

    /// Ends what a crashed call left: its legs are hung up, and its record says so. Its actors died with it.
    fn bury(&self, child: &Child, reason: String) {
        tracing::error!(call = %child.id, reason, "a call crashed");
        let leg = if child.dialog.is_some() { LegKind::Sip } else { LegKind::Twilio };
        count_end(leg, HangupCause::Crashed);
        if let Some(dialog) = &child.dialog {
            self.shared.sip.tell(SipMsg::HangUp(dialog.clone(), reason_of(HangupCause::Crashed)));
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

    fn tell_all(&self, message: fn() -> CallMsg) {
        for child in self.children.values() {
            drop(child.mailbox.send(message()));
        }
    }

    fn count(&self, refusal: Refusal) {
        metrics::counter!("offhook_calls_rejected_total", "reason" => refusal.label()).increment(1);
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
