//! The wire of a SIP leg: RTP and RTCP sockets, one task that reads both, and the sending side in the leg's own hands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use media::dtmf::{Digit, DtmfEvent, DtmfReceiver, DtmfSender, DtmfTick};
use media::rtcp::{NtpTime, Reception, Report, SenderInfo, report_interval};
use media::rtp::{MAX_DATAGRAM, PayloadKind, PayloadTypes, RtpPacket, RtpSender, is_rtcp};
use media::source::{Source, SourcePin, SourceRule};
use media::units::{RtpTime, SampleRate};
use sip::sdp::Negotiated;
use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::{LegMsg, codec_of};
use crate::ai_session::AiMsg;
use crate::alarm::Owned;
use crate::call::CallPorts;
use crate::jitter_buffer::JitterMsg;
use crate::leg::ports::RtpSockets;
use crate::mailbox::Mailbox;

/// What a SIP leg is made of.
#[derive(Debug)]
pub struct RtpWire {
    /// Open sockets.
    pub sockets: RtpSockets,
    /// What offer and answer agreed on.
    pub negotiated: Negotiated,
}

/// The reader takes from the socket in pieces of this: one allocation for about three seconds of packets.
const READ_CHUNK: usize = 32 * 1024;

/// The payload types that were agreed.
pub(crate) fn payload_types(negotiated: &Negotiated) -> PayloadTypes {
    PayloadTypes {
        codec: codec_of(negotiated.codec),
        audio: negotiated.payload_type,
        telephone_event: negotiated.telephone_event,
    }
}

/// What the sending side has done, for the sender reports that the reader writes.
#[derive(Debug, Default)]
struct Sent {
    packets: AtomicU32,
    octets: AtomicU32,
    time: AtomicU32,
}

/// The sending side.
pub(super) struct RtpOut {
    socket: Arc<UdpSocket>,
    sender: RtpSender,
    sent: Arc<Sent>,
    dtmf: DtmfSender,
    remote: SocketAddr,
    /// False while the peer holds the call, or has not said where to send.
    open: bool,
    changes: watch::Sender<PayloadTypes>,
    _reader: Owned,
}

impl RtpOut {
    /// Starts the reader and the sending side.
    pub(super) fn start(wire: RtpWire, ports: CallPorts, me: &Mailbox<LegMsg>) -> Self {
        let RtpWire { sockets: RtpSockets { rtp, rtcp, port: _ }, negotiated } = wire;
        let socket = Arc::new(rtp);
        let types = payload_types(&negotiated);
        let sender = RtpSender::new(types, &mut rand::rng());
        let sent = Arc::new(Sent::default());
        let (changes, changed) = watch::channel(types);
        let reader = Reader {
            changed,
            rtp: Arc::clone(&socket),
            rtcp,
            rtcp_remote: negotiated.remote_rtcp,
            rtcp_mux: negotiated.rtcp_mux,
            types,
            pin: SourcePin::new(SourceRule::Any),
            dtmf: DtmfReceiver::new(),
            reception: Reception::new(SampleRate::HZ_8000),
            ssrc: sender.ssrc(),
            sent: Arc::clone(&sent),
            ports,
            leg: me.clone(),
        };
        let mut out = Self {
            socket,
            sender,
            sent,
            dtmf: DtmfSender::new(),
            remote: negotiated.remote_rtp,
            open: false,
            changes,
            _reader: Owned(tokio::spawn(reader.run())),
        };
        out.aim(&negotiated);
        out
    }

    /// One tick: a DTMF packet if a digit is being sent, else this audio. True when a packet went out.
    pub(super) fn send(&mut self, audio: &[u8]) -> bool {
        let sent = match self.dtmf.next_tick(self.sender.time()) {
            DtmfTick::Idle => self.transmit_audio(audio),
            DtmfTick::Packet(event) => {
                let bytes = self.sender.next_event(&event).filter(|_| self.open);
                bytes.is_some_and(|bytes| transmit(&self.socket, bytes, self.remote))
            }
            DtmfTick::Gap => {
                self.sender.skip();
                false
            }
        };
        let (packets, octets) = self.sender.sent();
        self.sent.packets.store(packets, Relaxed);
        self.sent.octets.store(octets, Relaxed);
        self.sent.time.store(self.sender.time().0, Relaxed);
        sent
    }

    fn transmit_audio(&mut self, audio: &[u8]) -> bool {
        if self.open {
            return transmit(&self.socket, self.sender.next_audio(audio), self.remote);
        }
        self.sender.skip();
        false
    }

    /// A digit to be sent after those before it. False when 32 wait already.
    pub(super) fn push_dtmf(&mut self, digit: Digit) -> bool {
        self.dtmf.push(digit)
    }

    /// Symmetric RTP (RFC 4961): media goes back to where media comes from.
    pub(super) fn handle_source(&mut self, source: SocketAddr) {
        self.remote = source;
    }

    /// A re-INVITE changed hold, address or payload types.
    pub(super) fn renegotiate(&mut self, negotiated: &Negotiated) {
        self.sender.renegotiate(payload_types(negotiated));
        self.changes.send_replace(payload_types(negotiated));
        self.aim(negotiated);
    }

    fn aim(&mut self, negotiated: &Negotiated) {
        self.remote = negotiated.remote_rtp;
        let reachable = !negotiated.remote_rtp.ip().is_unspecified() && negotiated.remote_rtp.port() != 0;
        self.open = negotiated.direction.sends() && reachable;
    }
}

/// Sends at once. What the kernel cannot take is lost, like anything on the way; waiting would make the next frame late too.
fn transmit(socket: &UdpSocket, bytes: &[u8], remote: SocketAddr) -> bool {
    let sent = socket.try_send_to(bytes, remote);
    if let Err(error) = &sent {
        tracing::trace!(%error, "an RTP packet was not sent");
    }
    sent.is_ok()
}

/// The receiving side: what is not media of our peer is dropped here and counted, and goes no further.
struct Reader {
    /// Payload types after a re-INVITE; the source may then be a new one too.
    changed: watch::Receiver<PayloadTypes>,
    rtp: Arc<UdpSocket>,
    rtcp: UdpSocket,
    rtcp_remote: SocketAddr,
    rtcp_mux: bool,
    types: PayloadTypes,
    pin: SourcePin,
    dtmf: DtmfReceiver,
    reception: Reception,
    ssrc: u32,
    sent: Arc<Sent>,
    ports: CallPorts,
    leg: Mailbox<LegMsg>,
}

impl Reader {
    async fn run(mut self) {
        let mut buffer = BytesMut::with_capacity(READ_CHUNK);
        let mut report = [0; MAX_DATAGRAM];
        let mut next_report = Instant::now() + report_interval(&mut rand::rng());
        loop {
            buffer.reserve(MAX_DATAGRAM + 1);
            let due = self.dtmf.poll_timeout().map_or(next_report, |dtmf| dtmf.min(next_report));
            tokio::select! {
                read = self.rtp.recv_buf_from(&mut buffer) => if let Ok((_, from)) = read {
                    let datagram = buffer.split().freeze();
                    self.handle_rtp(Instant::now(), datagram, from);
                },
                read = self.rtcp.recv_from(&mut report) => if let Ok((length, from)) = read {
                    self.handle_rtcp(Instant::now(), &report[..length], from);
                },
                Ok(()) = self.changed.changed() => {
                    self.types = *self.changed.borrow_and_update();
                    self.ports.jitter.tell(JitterMsg::Renegotiated(self.types));
                    self.pin.relearn(SourceRule::Any);
                }
                () = tokio::time::sleep_until(due.into()) => {
                    let now = Instant::now();
                    self.dtmf.handle_timeout(now);
                    if now >= next_report {
                        next_report = now + report_interval(&mut rand::rng());
                        self.send_report(now);
                    }
                }
            }
            self.tell_digits();
        }
    }

    fn handle_rtp(&mut self, now: Instant, datagram: bytes::Bytes, from: SocketAddr) {
        // Where RTP and RTCP share a port, the packet type tells them apart (RFC 5761 §4).
        if self.rtcp_mux && is_rtcp(&datagram) {
            return self.handle_rtcp(now, &datagram, from);
        }
        let packet = match RtpPacket::parse(datagram) {
            Ok(packet) => packet,
            Err(error) => return self.reject(error.reason()),
        };
        let kind = self.types.kind(packet.payload_type);
        if kind == PayloadKind::Unknown {
            return self.reject("payload_type");
        }
        match self.pin.handle_packet(from) {
            Source::Stranger => return self.reject("source"),
            Source::Learned => {
                let _leg_ended = self.leg.send(LegMsg::SourceLearned(from));
            }
            Source::Known => {}
        }
        self.reception.handle_packet(now, &packet);
        if kind == PayloadKind::TelephoneEvent {
            self.dtmf.handle_packet(now, &packet);
        }
        // Events and comfort noise too: the jitter buffer must know that nothing was lost.
        self.ports.jitter.tell(JitterMsg::Packet { at: now, packet });
    }

    /// Counts a packet that goes no further. A flood of them costs the count and nothing else.
    fn reject(&self, reason: &'static str) {
        metrics::counter!("offhook_rtp_rejected_total", "reason" => reason).increment(1);
    }

    fn handle_rtcp(&mut self, now: Instant, datagram: &[u8], from: SocketAddr) {
        // Reports come from the peer's host; a stranger's would only spoil our figures.
        if self.pin.pinned().is_some_and(|source| source.ip() != from.ip()) {
            return self.reject("source");
        }
        match Report::parse(datagram) {
            Ok(report) => {
                self.rtcp_remote = from;
                self.reception.handle_report(now, &report);
            }
            Err(_) => self.reject("rtcp"),
        }
    }

    fn send_report(&mut self, now: Instant) {
        let packets = self.sent.packets.load(Relaxed);
        let sender = (packets > 0).then(|| SenderInfo {
            ntp: NtpTime::from_unix(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            time: RtpTime(self.sent.time.load(Relaxed)),
            packets,
            octets: self.sent.octets.load(Relaxed),
        });
        let receptions = self.reception.report(now).into_iter().collect();
        let report = Report { ssrc: self.ssrc, sender, receptions, bye: false };
        let mut bytes = Vec::with_capacity(128);
        report.write("offhook", &mut bytes);
        let socket = if self.rtcp_mux { &*self.rtp } else { &self.rtcp };
        if let Err(error) = socket.try_send_to(&bytes, self.rtcp_remote) {
            tracing::trace!(%error, "an RTCP report was not sent");
        }
    }

    fn tell_digits(&mut self) {
        while let Some(event) = self.dtmf.poll_event() {
            if let DtmfEvent::Pressed(digit) = event {
                self.ports.ai.tell(AiMsg::Dtmf(digit));
            }
        }
    }
}
