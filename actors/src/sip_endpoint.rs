//! SipEndpoint: the sockets of SIP, and the pure endpoint over them. Knows which call owns which dialog, and nothing about calls.

mod tcp;
mod udp;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::dialog::DialogId;
use sip::endpoint::{DialogSnapshot, Endpoint, Event, Flow, MessageDirection, Rejection, Stats, Transmit, Transport};
use sip::message::StatusCode;

use store::HangupCause;

use crate::alarm::Alarm;
use crate::call::CallMsg;
use crate::call::finish::reason_of;
use crate::calls::CallsMsg;
use crate::config::SipConfig;
use crate::kind::ActorKind;
use crate::mailbox::{Lane, Letter, Mailbox, Port};
use crate::worker::{Failure, Worker};

/// What the SipEndpoint is told.
#[derive(Debug)]
pub enum SipMsg {
    /// By a transport: one whole message came. When the mailbox is half full it is dropped over UDP, where the
    /// peer sends it again, and past that a TCP connection is closed.
    Received {
        /// Where it came from.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// By the TCP listener: a peer connected. When full the connection is closed.
    ConnectionOpened(tcp::Connection),
    /// By a connection: it is closed.
    ConnectionClosed(Flow),
    /// By a transport: it cannot go on, so neither can this actor.
    TransportFailed(String),
    /// By the alarm: a timer is due.
    TimerDue,
    /// By a call: it takes the dialog, and what happened in it so far is delivered. When full the call ends.
    Own(DialogId, Mailbox<CallMsg>),
    /// By a call: 180 Ringing.
    Ring(DialogId),
    /// By a call: 200 OK with this SDP.
    Answer(DialogId, String),
    /// By a call or by Calls: a final refusal.
    Refuse {
        /// The INVITE's dialog.
        dialog: DialogId,
        /// 3xx-6xx.
        status: StatusCode,
        /// For 503: when to try again.
        retry_after: Option<Duration>,
    },
    /// By a call, or by Calls for one that crashed: end it as its state demands.
    HangUp(DialogId, &'static str),
    /// By a call after this actor was restarted.
    Restore(Box<DialogSnapshot>, Mailbox<CallMsg>),
    /// By the node while draining: refuse new INVITEs with 503.
    StopAccepting,
    /// By the node when Calls died: no dialog has an owner now.
    HangUpAll,
    /// By the node each second.
    FlushStats,
}

impl Letter for SipMsg {
    const KIND: ActorKind = ActorKind::SipEndpoint;
    const AUDIO_MAX: u32 = 0;
    /// About 5 s of 200 calls/s that bring one message each while the actor is held up.
    const SIGNALS_MAX: u32 = 1024;

    fn lane(&self) -> Lane {
        Lane::Signal
    }
}

/// Events kept for a dialog until its call takes it; INVITE, CANCEL and BYE are all that can come before.
const EVENTS_BEFORE_OWNER_MAX: usize = 8;

/// What callers are told while the node drains: by then another one, or this one anew, takes calls.
const DRAIN_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Who is told of a dialog's events.
enum Owner {
    /// Calls has been told; its call has not answered yet.
    Awaited(Vec<Event>),
    Call(Mailbox<CallMsg>),
}

/// What a SipEndpoint is made from.
pub struct SipEndpointArgs {
    /// Addresses and limits.
    pub config: SipConfig,
    /// Who is told of new calls.
    pub calls: Port<CallsMsg>,
}

/// The actor.
pub struct SipEndpoint {
    calls: Port<CallsMsg>,
    endpoint: Endpoint,
    udp: udp::Udp,
    tcp: tcp::Tcp,
    owners: HashMap<DialogId, Owner>,
    alarm: Alarm,
}

impl Worker for SipEndpoint {
    type Msg = SipMsg;
    type Args = SipEndpointArgs;

    async fn start(args: SipEndpointArgs, me: &Mailbox<SipMsg>) -> Result<Self, Failure> {
        let SipEndpointArgs { config, calls } = args;
        let udp = udp::Udp::bind(config.listen, me)?;
        let tcp = tcp::Tcp::bind(config.listen, config.connections_max, me)?;
        let endpoint = Endpoint::new(config.endpoint(), rand::random());
        Ok(Self { calls, endpoint, udp, tcp, owners: HashMap::new(), alarm: Alarm::default() })
    }

    async fn handle(&mut self, message: SipMsg, me: &Mailbox<SipMsg>) -> Result<(), Failure> {
        let now = Instant::now();
        match message {
            SipMsg::Received { flow, bytes } => self.endpoint.handle_receive(now, flow, &bytes),
            SipMsg::ConnectionOpened(connection) => self.tcp.handle_opened(connection),
            SipMsg::ConnectionClosed(flow) => {
                self.tcp.handle_closed(&flow);
                self.endpoint.handle_transport_error(now, &flow);
            }
            SipMsg::TransportFailed(reason) => return Err(reason.into()),
            SipMsg::TimerDue => {
                self.alarm.rang();
                self.endpoint.handle_timeout(now);
            }
            SipMsg::Own(dialog, call) => self.handle_own(dialog, call),
            SipMsg::Ring(dialog) => self.endpoint.ring(now, &dialog),
            SipMsg::Answer(dialog, sdp) => {
                self.endpoint.answer(now, &dialog, sdp);
                self.tell_answered(&dialog);
            }
            SipMsg::Refuse { dialog, status, retry_after } => self.endpoint.refuse(now, &dialog, status, retry_after),
            SipMsg::HangUp(dialog, reason) => self.endpoint.hang_up(now, &dialog, Some(reason)),
            SipMsg::Restore(snapshot, call) => {
                let dialog = self.endpoint.restore(*snapshot);
                self.owners.insert(dialog, Owner::Call(call));
            }
            SipMsg::StopAccepting => self.endpoint.set_accepting(false, Some(DRAIN_RETRY_AFTER)),
            SipMsg::HangUpAll => {
                for dialog in self.owners.keys() {
                    self.endpoint.hang_up(now, dialog, Some(reason_of(HangupCause::Crashed)));
                }
            }
            SipMsg::FlushStats => flush(&self.endpoint.take_stats()),
        }
        self.drain(me);
        Ok(())
    }
}

impl SipEndpoint {
    /// Carries out what the endpoint wants: messages first, since peers wait for them. An event that nobody takes makes more.
    fn drain(&mut self, me: &Mailbox<SipMsg>) {
        loop {
            while let Some(Transmit { flow, bytes }) = self.endpoint.poll_transmit() {
                match flow.transport {
                    Transport::Udp => self.udp.send(flow.remote, &bytes),
                    Transport::Tcp | Transport::Tls => self.tcp.send(&flow, bytes),
                }
            }
            match self.endpoint.poll_event() {
                Some(event) => self.dispatch(event),
                None => break,
            }
        }
        self.alarm.set(self.endpoint.poll_timeout(), me, || SipMsg::TimerDue);
    }

    /// What the call needs to take its dialog to another endpoint, should this one die before the ACK.
    fn tell_answered(&self, dialog: &DialogId) {
        if let (Some(Owner::Call(call)), Some(snapshot)) = (self.owners.get(dialog), self.endpoint.snapshot(dialog)) {
            let _call_ended_already = call.send(CallMsg::AnswerSent(Box::new(snapshot)));
        }
    }

    fn dispatch(&mut self, event: Event) {
        if let Event::Invited { dialog, invite, flow } = event {
            self.owners.insert(dialog.clone(), Owner::Awaited(Vec::new()));
            if self.calls.send(CallsMsg::SipInvited { dialog: dialog.clone(), invite, flow }).is_err() {
                self.endpoint.refuse(Instant::now(), &dialog, StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(1)));
            }
            return;
        }
        let dialog = dialog_of(&event).clone();
        let ended = matches!(event, Event::Terminated { .. });
        let snapshot = matches!(event, Event::Confirmed { .. }).then(|| self.endpoint.snapshot(&dialog)).flatten().map(Box::new);
        match self.owners.get_mut(&dialog) {
            Some(Owner::Awaited(events)) if events.len() < EVENTS_BEFORE_OWNER_MAX => events.push(event),
            Some(Owner::Call(call)) => {
                let undelivered = call.send(CallMsg::Sip { event, snapshot }).is_err();
                if undelivered && !ended {
                    self.endpoint.hang_up(Instant::now(), &dialog, Some(reason_of(HangupCause::Crashed)));
                }
            }
            Some(Owner::Awaited(_)) | None => tracing::debug!(?event, "event of a dialog that no call owns"),
        }
        if ended {
            self.owners.remove(&dialog);
        }
    }

    fn handle_own(&mut self, dialog: DialogId, call: Mailbox<CallMsg>) {
        match self.owners.insert(dialog.clone(), Owner::Call(call.clone())) {
            Some(Owner::Awaited(events)) => {
                for event in events {
                    let snapshot = self.endpoint.snapshot(&dialog).map(Box::new);
                    let _call_ended_already = call.send(CallMsg::Sip { event, snapshot });
                }
            }
            Some(Owner::Call(_)) => tracing::warn!("a dialog was owned twice"),
            None => {
                // It ended before its call came for it.
                self.owners.remove(&dialog);
                let _call_ended_already = call.send(CallMsg::Sip { event: Event::Terminated { dialog }, snapshot: None });
            }
        }
    }
}

/// Which dialog an event is of; calls of ours are named as they were placed.
fn dialog_of(event: &Event) -> &DialogId {
    match event {
        Event::Invited { dialog, .. }
        | Event::Cancelled { dialog }
        | Event::Confirmed { dialog, .. }
        | Event::AckTimedOut { dialog }
        | Event::Reinvited { dialog, .. }
        | Event::HungUp { dialog, .. }
        | Event::Info { dialog, .. }
        | Event::Ringing { dialog, .. }
        | Event::Answered { early: dialog, .. }
        | Event::Refused { dialog, .. }
        | Event::TimedOut { dialog }
        | Event::Terminated { dialog } => dialog,
    }
}

/// Writes out what the endpoint counted.
fn flush(stats: &Stats) {
    let direction = |direction: MessageDirection| match direction {
        MessageDirection::Received => "received",
        MessageDirection::Sent => "sent",
    };
    for ((method, way), count) in &stats.requests {
        metrics::counter!("offhook_sip_requests_total", "method" => *method, "direction" => direction(*way)).increment(*count);
    }
    for ((code, way), count) in &stats.responses {
        let code = code.to_string();
        metrics::counter!("offhook_sip_responses_total", "code" => code, "direction" => direction(*way)).increment(*count);
    }
    metrics::counter!("offhook_sip_retransmissions_total").increment(stats.retransmissions);
    for (reason, count) in &stats.rejected {
        let reason = match reason {
            Rejection::Malformed => "sip_malformed",
            Rejection::Merged => "sip_merged",
            Rejection::NotAccepting => "draining",
            Rejection::Overloaded => "sip_overloaded",
            Rejection::Unmatched => "sip_unmatched",
            Rejection::Unsupported => "sip_unsupported",
        };
        metrics::counter!("offhook_calls_rejected_total", "reason" => reason).increment(*count);
    }
}

/// Why a listener is not there, in the operator's words: the key first.
pub(crate) fn listen_error(key: &str, address: SocketAddr, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => format!("{key}: {address} is in use"),
        ErrorKind::AddrNotAvailable => format!("{key}: {address} is not an address of this machine"),
        ErrorKind::PermissionDenied => format!("{key}: {address} needs more rights (ports below 1024)"),
        _ => format!("{key}: {address}: {error}"),
    }
}
