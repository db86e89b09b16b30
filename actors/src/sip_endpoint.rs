//! SipEndpoint: the sockets of SIP, and the pure endpoint over them. Knows which call owns which dialog, and nothing about calls.

mod connection;
mod dns;
mod places;
mod streams;
mod tls;
mod udp;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ractor::ActorId;
use sip::dialog::DialogId;
use sip::endpoint::{
    DialogSnapshot, Endpoint, EndpointConfig, Event, Flow, Listener, MessageDirection, OutboundInvite, Rejection, Stats,
    Transmit, Transport,
};
use sip::locate::{Question, Records};
use sip::message::StatusCode;

use store::HangupCause;

use crate::alarm::{Alarm, Owned};
use crate::call::CallMsg;
use crate::call::finish::reason_of;
use crate::calls::CallsMsg;
use crate::config::{SipConfig, SipListener, Speaks};
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
    /// By a listener: a peer connected. When full the connection is closed.
    ConnectionOpened(streams::Connection),
    /// By a connection: it is closed, or could not be opened. When full it is told again until it is taken.
    ConnectionClosed {
        /// Between whom it was.
        flow: Flow,
        /// Which of them it was.
        serial: u64,
    },
    /// By the DNS. When full it is lost, and the search goes on without.
    Resolved {
        /// What was asked.
        question: Question,
        /// What was answered.
        records: Records,
        /// For how long; zero when nobody could say.
        ttl: Duration,
    },
    /// By the node on SIGHUP: read the certificate again.
    ReloadCertificate,
    /// By a transport: it cannot go on, so neither can this actor.
    TransportFailed(String),
    /// By the alarm: a timer is due.
    TimerDue,
    /// By a call: it takes the dialog, and what happened in it so far is delivered. When full the call ends.
    Own(DialogId, Mailbox<CallMsg>),
    /// By a call of ours: send this INVITE, and tell the call its dialog. When full the call ends.
    Invite(Box<OutboundInvite>, Mailbox<CallMsg>),
    /// By a call: 180 Ringing.
    Ring(DialogId),
    /// By a call: 200 OK with this SDP.
    Answer(DialogId, String),
    /// By a call: 200 OK with this SDP to the UPDATE that waits.
    AnswerUpdate(DialogId, String),
    /// By a call: a refusal of the UPDATE that waits.
    RefuseUpdate(DialogId, StatusCode),
    /// By a call or by Calls: a final refusal.
    Refuse {
        /// The INVITE's dialog.
        dialog: DialogId,
        /// 3xx-6xx.
        status: StatusCode,
        /// For 503: when to try again.
        retry_after: Option<Duration>,
    },
    /// By a call: end it as its state demands.
    HangUp(DialogId, &'static str),
    /// By a call of ours that has not been told its dialog yet, or by Calls for one that crashed: end all dialogs of this call.
    HangUpOf(ActorId, &'static str),
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

/// How long a dialog waits for its call, which is started within a second. Past it, the refusal was lost with whoever had to tell it.
const OWNER_WAIT_MAX: Duration = Duration::from_secs(5);

/// What callers are told while the node drains: by then another one, or this one anew, takes calls.
const DRAIN_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Who is told of a dialog's events.
enum Owner {
    /// Calls has been told; its call has not answered yet.
    Awaited {
        since: Instant,
        events: Vec<Event>,
    },
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
    udp: HashMap<SocketAddr, udp::Udp>,
    streams: streams::Streams,
    tls: Option<(Arc<tls::Tls>, Owned)>,
    dns: dns::Dns,
    traffic: Traffic,
    owners: HashMap<DialogId, Owner>,
    alarm: Alarm,
}

impl Worker for SipEndpoint {
    type Msg = SipMsg;
    type Args = SipEndpointArgs;

    async fn start(args: SipEndpointArgs, me: &Mailbox<SipMsg>) -> Result<Self, Failure> {
        let SipEndpointArgs { config, calls } = args;
        let tls = config.tls.clone().map(tls::Tls::load).transpose()?;
        let places = places::Places::new(config.connections_max, config.connections_per_source_max);
        let mut streams = streams::Streams::new(places, tls.clone(), me.clone());
        let mut udp = HashMap::new();
        let mut listeners = Vec::new();
        for listener in &config.listeners {
            listeners.extend(listen(listener, &mut udp, &mut streams, me)?);
        }
        let endpoint = Endpoint::new(EndpointConfig { listeners, ..EndpointConfig::default() }, rand::random());
        let tls = tls.map(|tls| (Arc::clone(&tls), Owned(tokio::spawn(tls.watch()))));
        let (dns, traffic) = (dns::Dns::new(&config.dns_servers), Traffic::default());
        Ok(Self { calls, endpoint, udp, streams, tls, dns, traffic, owners: HashMap::new(), alarm: Alarm::default() })
    }

    async fn handle(&mut self, message: SipMsg, me: &Mailbox<SipMsg>) -> Result<(), Failure> {
        let now = Instant::now();
        match message {
            SipMsg::Received { flow, bytes } => {
                self.traffic.count(flow.transport, MessageDirection::Received);
                self.endpoint.handle_receive(now, flow, &bytes);
            }
            SipMsg::ConnectionOpened(connection) => self.streams.handle_opened(connection),
            SipMsg::ConnectionClosed { flow, serial } => {
                if self.streams.handle_closed(&flow, serial) {
                    self.endpoint.handle_transport_error(now, &flow);
                }
            }
            SipMsg::Resolved { question, records, ttl } => self.endpoint.handle_answer(now, question, records, ttl),
            SipMsg::ReloadCertificate => match &self.tls {
                Some((tls, _)) => tls.reload(),
                None => tracing::info!("there is no certificate to be read again"),
            },
            SipMsg::TransportFailed(reason) => return Err(reason.into()),
            SipMsg::TimerDue => {
                self.alarm.rang();
                self.endpoint.handle_timeout(now);
            }
            SipMsg::Own(dialog, call) => self.handle_own(dialog, call),
            SipMsg::Invite(invite, call) => self.place(now, *invite, call),
            SipMsg::Ring(dialog) => self.endpoint.ring(now, &dialog),
            SipMsg::Answer(dialog, sdp) => {
                self.endpoint.answer(now, &dialog, sdp);
                self.tell_answered(&dialog);
            }
            SipMsg::Refuse { dialog, status, retry_after } => self.endpoint.refuse(now, &dialog, status, retry_after),
            SipMsg::AnswerUpdate(dialog, sdp) => {
                self.endpoint.answer_update(now, &dialog, sdp);
                self.tell_answered(&dialog);
            }
            SipMsg::RefuseUpdate(dialog, status) => self.endpoint.refuse_update(now, &dialog, status),
            SipMsg::HangUp(dialog, reason) => self.endpoint.hang_up(now, &dialog, Some(reason)),
            SipMsg::HangUpOf(call, reason) => self.hang_up_of(now, call, reason),
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
            SipMsg::FlushStats => {
                self.refuse_unowned(now);
                flush(&self.endpoint.take_stats());
                self.traffic.flush();
                for transport in [Transport::Tcp, Transport::Tls] {
                    let count = self.streams.count(transport) as f64;
                    metrics::gauge!("offhook_sip_connections", "transport" => label(transport)).set(count);
                }
            }
        }
        self.drain(me);
        Ok(())
    }
}

impl SipEndpoint {
    /// Carries out what the endpoint wants: messages first, since peers wait for them. An event that nobody takes makes more, and so does
    /// a message that cannot go.
    fn drain(&mut self, me: &Mailbox<SipMsg>) {
        loop {
            let mut failed = Vec::new();
            while let Some(transmit) = self.endpoint.poll_transmit() {
                let flow = transmit.flow;
                if !self.transmit(transmit) && !failed.contains(&flow) {
                    failed.push(flow);
                }
            }
            for flow in &failed {
                self.endpoint.handle_transport_error(Instant::now(), flow);
            }
            if !failed.is_empty() {
                continue;
            }
            match self.endpoint.poll_event() {
                Some(event) => self.dispatch(event),
                None => break,
            }
        }
        while let Some(question) = self.endpoint.poll_question() {
            self.dns.ask(question, me);
        }
        self.alarm.set(self.endpoint.poll_timeout(), me, || SipMsg::TimerDue);
    }

    /// Sends one message, or queues it. False when there is no way for it.
    fn transmit(&mut self, transmit: Transmit) -> bool {
        let flow = transmit.flow;
        self.traffic.count(flow.transport, MessageDirection::Sent);
        match flow.transport {
            Transport::Udp => self.udp.get(&flow.local).is_some_and(|udp| udp.send(flow.remote, &transmit.bytes)),
            Transport::Tcp | Transport::Tls => self.streams.send(transmit),
        }
    }

    fn place(&mut self, now: Instant, invite: OutboundInvite, call: Mailbox<CallMsg>) {
        let dialog = self.endpoint.invite(now, invite);
        self.owners.insert(dialog.clone(), Owner::Call(call.clone()));
        if call.send(CallMsg::Dialing(dialog.clone())).is_err() {
            self.endpoint.hang_up(now, &dialog, Some(reason_of(HangupCause::Crashed)));
        }
    }

    /// Looks at every dialog, which is fine for something as rare as this.
    fn hang_up_of(&mut self, now: Instant, call: ActorId, reason: &'static str) {
        let owned = |owner: &Owner| matches!(owner, Owner::Call(owner) if owner.id() == call);
        for (dialog, _) in self.owners.iter().filter(|(_, owner)| owned(owner)) {
            self.endpoint.hang_up(now, dialog, Some(reason));
        }
    }

    /// What the call needs to take its dialog to another endpoint, should this one die before the ACK.
    fn tell_answered(&self, dialog: &DialogId) {
        if let (Some(Owner::Call(call)), Some(snapshot)) = (self.owners.get(dialog), self.endpoint.snapshot(dialog)) {
            let _call_ended_already = call.send(CallMsg::AnswerSent(Box::new(snapshot)));
        }
    }

    fn dispatch(&mut self, event: Event) {
        if let Event::Invited { dialog, invite, flow } = event {
            self.owners.insert(dialog.clone(), Owner::Awaited { since: Instant::now(), events: Vec::new() });
            if self.calls.send(CallsMsg::SipInvited { dialog: dialog.clone(), invite, flow }).is_err() {
                self.endpoint.refuse(Instant::now(), &dialog, StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(1)));
            }
            return;
        }
        let dialog = match &event {
            // The answer gives a call of ours its name.
            Event::Answered { early, dialog, .. } => {
                if let Some(owner) = self.owners.remove(early) {
                    self.owners.insert(dialog.clone(), owner);
                }
                dialog.clone()
            }
            other => other.dialog().clone(),
        };
        let ended = matches!(event, Event::Terminated { .. });
        let stands = matches!(event, Event::Confirmed { .. } | Event::Answered { .. } | Event::ReinviteAnswered { .. });
        let snapshot = stands.then(|| self.endpoint.snapshot(&dialog)).flatten().map(Box::new);
        match self.owners.get_mut(&dialog) {
            Some(Owner::Awaited { events, .. }) if events.len() < EVENTS_BEFORE_OWNER_MAX => events.push(event),
            Some(Owner::Call(call)) => {
                let undelivered = call.send(CallMsg::Sip { event, snapshot }).is_err();
                if undelivered && !ended {
                    self.endpoint.hang_up(Instant::now(), &dialog, Some(reason_of(HangupCause::Crashed)));
                }
            }
            Some(Owner::Awaited { .. }) | None => tracing::debug!("event of a dialog that no call owns"),
        }
        if ended {
            self.owners.remove(&dialog);
        }
    }

    /// Every INVITE gets an answer, also when those who should have given it are gone or were not heard.
    fn refuse_unowned(&mut self, now: Instant) {
        for (dialog, owner) in &self.owners {
            if matches!(owner, Owner::Awaited { since, .. } if now.saturating_duration_since(*since) > OWNER_WAIT_MAX) {
                tracing::error!("no call took an INVITE; it is refused");
                metrics::counter!("offhook_calls_rejected_total", "reason" => "failed").increment(1);
                self.endpoint.refuse(now, dialog, StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(1)));
            }
        }
    }

    fn handle_own(&mut self, dialog: DialogId, call: Mailbox<CallMsg>) {
        match self.owners.insert(dialog.clone(), Owner::Call(call.clone())) {
            Some(Owner::Awaited { events, .. }) => {
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

/// Opens the sockets of one listener, and says what they are to the endpoint.
fn listen(
    listener: &SipListener,
    udp: &mut HashMap<SocketAddr, udp::Udp>,
    streams: &mut streams::Streams,
    me: &Mailbox<SipMsg>,
) -> Result<Vec<Listener>, Failure> {
    let SipListener { speaks, listen, advertised } = *listener;
    let told = |transport, local| Listener { transport, local, host: advertised.into() };
    let wrong = |key: &'static str| move |error: std::io::Error| Failure::from(listen_error(key, listen, &error));
    match speaks {
        Speaks::Tls => {
            let local = streams.listen(Transport::Tls, listen).map_err(wrong("sip.tls_listen"))?;
            Ok(vec![told(Transport::Tls, local)])
        }
        Speaks::UdpAndTcp => {
            let (socket, local) = udp::Udp::bind(listen, me).map_err(wrong("sip.listen (UDP)"))?;
            udp.insert(local, socket);
            // The same port, if the system chose it.
            let tcp = streams.listen(Transport::Tcp, local).map_err(wrong("sip.listen (TCP)"))?;
            Ok(vec![told(Transport::Udp, local), told(Transport::Tcp, tcp)])
        }
    }
}

/// `[::]` would take the port of IPv4 too, which is a listener of its own.
fn separate_families(socket: &socket2::Socket, listen: SocketAddr) -> std::io::Result<()> {
    if listen.is_ipv6() { socket.set_only_v6(true) } else { Ok(()) }
}

/// Messages since the last flush, by transport and direction.
#[derive(Default)]
struct Traffic(HashMap<(Transport, &'static str), u64>);

impl Traffic {
    fn count(&mut self, transport: Transport, direction: MessageDirection) {
        *self.0.entry((transport, direction_label(direction))).or_default() += 1;
    }

    fn flush(&mut self) {
        for ((transport, direction), count) in self.0.drain() {
            let labels = [("transport", label(transport)), ("direction", direction)];
            metrics::counter!("offhook_sip_messages_total", &labels).increment(count);
        }
    }
}

/// A transport in metrics.
fn label(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Udp => "udp",
    }
}

fn direction_label(direction: MessageDirection) -> &'static str {
    match direction {
        MessageDirection::Received => "received",
        MessageDirection::Sent => "sent",
    }
}

/// Writes out what the endpoint counted.
fn flush(stats: &Stats) {
    for ((method, way), count) in &stats.requests {
        metrics::counter!("offhook_sip_requests_total", "method" => *method, "direction" => direction_label(*way))
            .increment(*count);
    }
    for ((code, way), count) in &stats.responses {
        let code = code.to_string();
        metrics::counter!("offhook_sip_responses_total", "code" => code, "direction" => direction_label(*way)).increment(*count);
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
