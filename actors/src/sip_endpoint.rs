//! SipEndpoint: the sockets of SIP, and the pure endpoint over them. Knows which call owns which dialog, and nothing about calls.

mod connection;
mod dispatch;
pub(crate) mod dns;
mod front;
mod owners;
mod places;
mod streams;
pub(crate) mod tls;
mod udp;
mod visitors;
mod watch;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ractor::ActorId;
use sip::dialog::DialogId;
use sip::digest::Credentials;
use sip::endpoint::{
    DialogSnapshot, Endpoint, EndpointConfig, Flow, Listener, MessageDirection, OutboundInvite, OutboundRequest, Refer,
    Rejection, RequestId, Series, Stats, Transmit, Transport,
};
use sip::locate::{Question, Records};
use sip::message::StatusCode;

use store::HangupCause;

use crate::alarm::{Alarm, Owned};
use crate::call::CallMsg;
use crate::call::finish::reason_of;
use crate::calls::CallsMsg;
use crate::config::{SipConfig, SipListener, Speaks, WatchConfig};
use crate::kind::ActorKind;
use crate::mailbox::{Lane, Letter, Mailbox, Port};
use crate::store::StoreMsg;
use crate::trunk::door::Door;
use crate::trunk::{Errand, TrunkMsg, Trunks};
use crate::worker::{Failure, Worker};
use owners::{Owner, Owners};

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
    /// By a transport: one INVITE came that is to be answered with 503, whatever it says. Lost like the others.
    Shed {
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
    /// By a call of ours: send this INVITE, answer challenges with these credentials, and tell the call its dialog. When full the call
    /// ends.
    Invite(Box<OutboundInvite>, Option<Box<Credentials>>, Mailbox<CallMsg>),
    /// By a call: 180 Ringing.
    Ring(DialogId),
    /// By a call: 200 OK with this SDP.
    Answer(DialogId, String),
    /// By a call: its answer to an offer in an UPDATE or PRACK, or the status that refuses it.
    AnswerUpdate(DialogId, Result<String, StatusCode>),
    /// By a call or by Calls: a final refusal.
    Refuse {
        /// The INVITE's dialog.
        dialog: DialogId,
        /// 3xx-6xx.
        status: StatusCode,
        /// For 503: when to try again.
        retry_after: Option<Duration>,
    },
    /// By a call: a final refusal, in words other than the usual.
    RefuseSaying(DialogId, StatusCode, &'static str),
    /// By a call: end it as its state demands.
    HangUp(DialogId, &'static str),
    /// By a call of ours that has not been told its dialog yet, or by Calls for one that crashed: end all dialogs of this call.
    HangUpOf(ActorId, &'static str),
    /// By a call: ask the peer to call somebody else in its place.
    Refer(DialogId, Box<Refer>),
    /// By a call: the peer's REFER is not followed.
    RefuseRefer(DialogId, StatusCode),
    /// By a call: the peer's REFER is followed.
    AcceptRefer(DialogId),
    /// By a call: how far the call is that the peer asked for.
    ReportRefer(DialogId, StatusCode),
    /// By a call after this actor was restarted.
    Restore(Box<DialogSnapshot>, Mailbox<CallMsg>),
    /// By a Trunk: send a request outside of dialogs, and tell it of the end. When full nothing is sent.
    Ask {
        /// What it is for.
        errand: Errand,
        /// The request.
        request: Box<OutboundRequest>,
        /// What it goes on with.
        series: Box<Series>,
        /// Who is told.
        trunk: Mailbox<TrunkMsg>,
    },
    /// By a Trunk: it does not wait any more.
    Abandon(Errand, ActorId),
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

/// What a SipEndpoint is made from.
pub struct SipEndpointArgs {
    /// Addresses and limits.
    pub config: SipConfig,
    /// Who is told of new calls.
    pub calls: Port<CallsMsg>,
    /// Who may call.
    pub trunks: Arc<Trunks>,
    /// What is kept and shown of the messages.
    pub watch: WatchConfig,
    /// Where it is kept.
    pub store: Port<StoreMsg>,
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
    watch: watch::Watch,
    owners: Owners,
    front: Arc<front::Front>,
    trunks: Arc<Trunks>,
    door: Door,
    /// Who waits for the end of a request outside of dialogs.
    asked: HashMap<RequestId, (Errand, Mailbox<TrunkMsg>)>,
    alarm: Alarm,
}

impl Worker for SipEndpoint {
    type Msg = SipMsg;
    type Args = SipEndpointArgs;

    async fn start(args: SipEndpointArgs, me: &Mailbox<SipMsg>) -> Result<Self, Failure> {
        let SipEndpointArgs { config, calls, trunks, watch, store } = args;
        let tls = config.tls.clone().map(tls::Tls::load).transpose()?;
        let places = places::Places::new(config.connections_max, config.connections_per_source_max);
        let front = front::Front::new(config.guard.clone());
        let shared = streams::Shared::new(places, tls.clone(), Arc::clone(&front), config.connection_quiet_max, me.clone());
        let mut sockets = Sockets { udp: HashMap::new(), streams: streams::Streams::new(shared), front: Arc::clone(&front) };
        let mut listeners = Vec::new();
        for listener in &config.listeners {
            listeners.extend(sockets.listen(listener, me)?);
        }
        let Sockets { udp, streams, .. } = sockets;
        let session_expires = config.session_expires;
        let endpoint = Endpoint::new(EndpointConfig { listeners, session_expires, ..EndpointConfig::default() }, rand::random());
        let tls = tls.map(|tls| (Arc::clone(&tls), Owned(tokio::spawn(tls.watch()))));
        let (dns, traffic) = (dns::Dns::new(&config.dns_servers), Traffic::default());
        let watch = watch::Watch::new(&watch, store).map_err(|error| format!("telemetry.hep_endpoint: {error}"))?;
        let owners = Owners::new(Arc::clone(&front));
        let door = Door::new(Instant::now(), rand::random(), config.accept_unknown);
        let (asked, alarm) = (HashMap::new(), Alarm::default());
        Ok(Self { calls, endpoint, udp, streams, tls, dns, traffic, watch, owners, front, trunks, door, asked, alarm })
    }

    async fn handle(&mut self, message: SipMsg, me: &Mailbox<SipMsg>) -> Result<(), Failure> {
        let now = Instant::now();
        match message {
            SipMsg::Received { flow, bytes } => {
                self.traffic.count(flow.transport, MessageDirection::Received);
                self.watch.saw(now, false, &flow, &bytes);
                self.endpoint.handle_receive(now, flow, &bytes);
            }
            SipMsg::Shed { flow, bytes } => {
                self.traffic.count(flow.transport, MessageDirection::Received);
                self.endpoint.shed(flow, &bytes);
            }
            SipMsg::ConnectionOpened(connection) => self.streams.handle_opened(connection),
            SipMsg::ConnectionClosed { flow, serial } if self.streams.handle_closed(&flow, serial) => {
                self.endpoint.handle_transport_error(now, &flow);
            }
            SipMsg::ConnectionClosed { .. } => {}
            SipMsg::Resolved { question, records, ttl } => self.endpoint.handle_answer(now, question, records, ttl),
            SipMsg::ReloadCertificate => self.reload_certificate(),
            SipMsg::TransportFailed(reason) => return Err(reason.into()),
            SipMsg::TimerDue => {
                self.alarm.rang();
                self.endpoint.handle_timeout(now);
            }
            SipMsg::Own(dialog, call) => self.handle_own(dialog, call),
            SipMsg::Invite(invite, credentials, call) => self.place(now, *invite, credentials, call),
            SipMsg::Ring(dialog) => self.endpoint.ring(now, &dialog),
            SipMsg::Answer(dialog, sdp) => {
                self.endpoint.answer(now, &dialog, sdp);
                self.tell_answered(&dialog);
            }
            SipMsg::AnswerUpdate(dialog, Ok(sdp)) => {
                self.endpoint.answer_update(now, &dialog, sdp);
                self.tell_answered(&dialog);
            }
            SipMsg::AnswerUpdate(dialog, Err(status)) => self.endpoint.refuse_update(now, &dialog, status),
            SipMsg::Refuse { dialog, status, retry_after } => self.refuse(now, &dialog, status, retry_after),
            SipMsg::RefuseSaying(dialog, status, phrase) => self.endpoint.refuse_saying(now, &dialog, status, phrase),
            SipMsg::HangUp(dialog, reason) => self.endpoint.hang_up(now, &dialog, Some(reason)),
            SipMsg::HangUpOf(call, reason) => self.hang_up_of(now, call, reason),
            SipMsg::Refer(dialog, refer) => {
                self.endpoint.refer(now, &dialog, *refer);
                // Its number in the dialog must not come twice.
                self.tell_answered(&dialog);
            }
            SipMsg::RefuseRefer(dialog, status) => self.endpoint.refuse_refer(now, &dialog, status),
            SipMsg::AcceptRefer(dialog) => self.endpoint.accept_refer(now, &dialog),
            SipMsg::ReportRefer(dialog, status) => self.endpoint.report_refer(now, &dialog, status),
            SipMsg::Restore(snapshot, call) => {
                let dialog = self.endpoint.restore(*snapshot);
                self.owners.insert(dialog, Owner::Call(call));
            }
            SipMsg::Ask { errand, request, series, trunk } => {
                let id = self.endpoint.request(now, *request, *series);
                self.asked.insert(id, (errand, trunk));
            }
            SipMsg::Abandon(errand, trunk) => self.abandon(errand, trunk),
            SipMsg::StopAccepting => {
                self.endpoint.set_accepting(false, Some(DRAIN_RETRY_AFTER));
                self.watch.hurry();
            }
            SipMsg::HangUpAll => self.hang_up_all(now),
            SipMsg::FlushStats => self.flush_stats(now),
        }
        self.drain(me);
        Ok(())
    }
}

impl SipEndpoint {
    fn reload_certificate(&self) {
        match &self.tls {
            Some((tls, _)) => tls.reload(),
            None => tracing::info!("there is no certificate to be read again"),
        }
    }

    /// Who asks for what is not there may be trying what is.
    fn refuse(&mut self, now: Instant, dialog: &DialogId, status: StatusCode, retry_after: Option<Duration>) {
        if let Some(Owner::Awaited { from, .. }) = self.owners.get(dialog).filter(|_| status == StatusCode::NOT_FOUND) {
            self.front.count_probe(*from);
        }
        self.endpoint.refuse(now, dialog, status, retry_after);
    }

    fn hang_up_all(&mut self, now: Instant) {
        for (dialog, _) in self.owners.iter() {
            self.endpoint.hang_up(now, dialog, Some(reason_of(HangupCause::Crashed)));
        }
    }

    /// By the second: what was counted, and what waited too long.
    fn flush_stats(&mut self, now: Instant) {
        self.refuse_unowned(now);
        self.watch.flush(now);
        flush(&self.endpoint.take_stats());
        self.traffic.flush();
        for transport in [Transport::Tcp, Transport::Tls] {
            let count = self.streams.count(transport) as f64;
            metrics::gauge!("offhook_sip_connections", "transport" => label(transport)).set(count);
        }
    }

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
        self.watch.saw(Instant::now(), true, &flow, &transmit.bytes);
        let sent = match flow.transport {
            Transport::Udp => self.udp.get(&flow.local).is_some_and(|udp| udp.send(flow.remote, &transmit.bytes)),
            Transport::Tcp | Transport::Tls => self.streams.send(transmit),
        };
        if sent {
            self.traffic.count(flow.transport, MessageDirection::Sent);
        }
        sent
    }

    fn place(&mut self, now: Instant, invite: OutboundInvite, credentials: Option<Box<Credentials>>, call: Mailbox<CallMsg>) {
        let dialog = self.endpoint.invite(now, invite);
        if let Some(credentials) = credentials {
            self.endpoint.authorize(&dialog, *credentials);
        }
        self.watch.begin(now, &dialog.call_id);
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
}

/// The sockets as they are opened.
struct Sockets {
    udp: HashMap<SocketAddr, udp::Udp>,
    streams: streams::Streams,
    front: Arc<front::Front>,
}

impl Sockets {
    /// Opens those of one listener, and says what they are to the endpoint.
    fn listen(&mut self, listener: &SipListener, me: &Mailbox<SipMsg>) -> Result<Vec<Listener>, Failure> {
        let SipListener { speaks, listen, advertised } = *listener;
        let told = |transport, local| Listener { transport, local, host: advertised.into() };
        let wrong = |key: &'static str| move |error: std::io::Error| Failure::from(listen_error(key, listen, &error));
        match speaks {
            Speaks::Tls => {
                let local = self.streams.listen(Transport::Tls, listen).map_err(wrong("sip.tls_listen"))?;
                Ok(vec![told(Transport::Tls, local)])
            }
            Speaks::UdpAndTcp => {
                let bound = udp::Udp::bind(listen, Arc::clone(&self.front), me);
                let (socket, local) = bound.map_err(wrong("sip.listen (UDP)"))?;
                self.udp.insert(local, socket);
                // The same port, if the system chose it.
                let tcp = self.streams.listen(Transport::Tcp, local).map_err(wrong("sip.listen (TCP)"))?;
                Ok(vec![told(Transport::Udp, local), told(Transport::Tcp, tcp)])
            }
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
