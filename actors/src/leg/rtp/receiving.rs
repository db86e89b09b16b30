//! The receiving direction of a SIP leg: what is not media of our peer is dropped here and counted, and goes no further.

use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use bytes::BytesMut;
use media::dtmf::{DtmfEvent, DtmfReceiver};
use media::rtcp::{Reception, Report, report_interval};
use media::rtp::{PayloadKind, PayloadTypes, RtpPacket, is_rtcp};
use media::source::{Source, SourcePin, SourceRule};
use media::srtp::{Opener, Sealers};
use sip::locate::Family;
use sip::sdp::Negotiated;

use super::inbox::{self, Arrived};
use super::sending::{Sent, wall_clock};
use super::{event_clock, keys, payload_types};
use crate::call::CallPorts;
use crate::jitter_buffer::JitterMsg;
use crate::leg::LegMsg;
use crate::leg::bridged::Onward;
use crate::leg::peer_reports::PeerReports;

/// One stream of the peer.
pub(super) struct Receiving {
    /// Of both sockets, and of the peer's addresses.
    family: Family,
    rtcp_remote: SocketAddr,
    rtcp_mux: bool,
    /// What decrypts, and what encrypts our reports.
    opener: Option<Opener>,
    sealers: Sealers,
    types: PayloadTypes,
    pin: SourcePin,
    learned: Option<SocketAddr>,
    dtmf: DtmfReceiver,
    reception: Reception,
    peer: PeerReports,
    /// What we had sent at the last beat of RTCP.
    sent: Option<Sent>,
    next_report: Instant,
    room: BytesMut,
    /// Datagrams that were not taken, by reason, since the last flush; there are few reasons.
    rejected: Vec<(&'static str, u64)>,
    onward: Onward,
    /// When the last packet came that went to another leg.
    last_passed: Instant,
    /// Packets that went to another leg, since the last flush.
    passed: u64,
    ports: CallPorts,
}

impl Receiving {
    pub(super) fn new(negotiated: &Negotiated, ports: CallPorts) -> Self {
        let types = payload_types(negotiated);
        let mut new = Self {
            family: Family::of(negotiated.remote_rtp.ip()),
            rtcp_remote: negotiated.remote_rtcp,
            rtcp_mux: negotiated.rtcp_mux,
            opener: None,
            sealers: Sealers::new(),
            types,
            pin: SourcePin::new(SourceRule::Any),
            learned: None,
            dtmf: DtmfReceiver::new(event_clock(negotiated)),
            reception: Reception::new(types.codec.row().clock),
            peer: PeerReports::default(),
            sent: None,
            next_report: Instant::now() + report_interval(&mut rand::rng()),
            room: BytesMut::new(),
            rejected: Vec::new(),
            onward: Onward::Here,
            last_passed: Instant::now(),
            passed: 0,
            ports,
        };
        new.encrypt(negotiated);
        new
    }

    /// Streams go on under keys that stay: what came before is known as such.
    fn encrypt(&mut self, negotiated: &Negotiated) {
        let (local, remote) = keys(negotiated).unzip();
        if self.opener.as_ref().map(Opener::key) != remote.as_ref() {
            self.opener = remote.map(Opener::new);
        }
        self.sealers.choose(local);
    }

    /// Where the packets go from now on.
    pub(super) fn set_onward(&mut self, onward: Onward) {
        if matches!(onward, Onward::To(_)) {
            self.last_passed = Instant::now();
        }
        self.onward = onward;
    }

    /// Whether packets go to the jitter buffer.
    pub(super) fn keeps_packets(&self) -> bool {
        !matches!(self.onward, Onward::To(_))
    }

    /// When the last packet came that went to another leg, or when they began to go there.
    pub(super) fn last_passed(&self) -> Instant {
        self.last_passed
    }

    /// Whether RTP and RTCP share a port.
    pub(super) fn rtcp_mux(&self) -> bool {
        self.rtcp_mux
    }

    /// The source that was pinned since the last call.
    pub(super) fn take_learned(&mut self) -> Option<SocketAddr> {
        self.learned.take()
    }

    /// A re-INVITE changed the payload types; the source may then be a new one too.
    pub(super) fn renegotiate(&mut self, negotiated: &Negotiated) {
        self.types = payload_types(negotiated);
        self.rtcp_remote = negotiated.remote_rtcp;
        self.encrypt(negotiated);
        self.ports.jitter.tell(JitterMsg::Renegotiated(self.types));
        self.pin.relearn(SourceRule::Any);
    }

    /// Hands on the media that has come.
    pub(super) fn read_rtp(&mut self, now: Instant, socket: &UdpSocket) {
        let mut room = std::mem::take(&mut self.room);
        inbox::read(socket, self.family, now, &mut room, |arrived| self.handle_rtp(arrived));
        self.room = room;
        if self.dtmf.poll_timeout().is_some_and(|due| due <= now) {
            self.dtmf.handle_timeout(now);
            self.tell_digits();
        }
    }

    /// Takes the reports that have come on their own port.
    pub(super) fn read_rtcp(&mut self, now: Instant, socket: &UdpSocket) {
        let mut room = std::mem::take(&mut self.room);
        inbox::read(socket, self.family, now, &mut room, |arrived| self.handle_rtcp(arrived));
        self.room = room;
    }

    /// Sends a report when one is due.
    pub(super) fn report(&mut self, now: Instant, sent: Sent, socket: &UdpSocket) {
        self.sent = Some(sent);
        if now < self.next_report {
            return;
        }
        self.next_report = now + report_interval(&mut rand::rng());
        let receptions = self.reception.report(now).into_iter().collect();
        let report = Report { ssrc: sent.ssrc, sender: sent.info, receptions, bye: false };
        let mut bytes = Vec::with_capacity(128);
        report.write("offhook", &mut bytes);
        let sent = match self.sealers.current() {
            None => socket.send_to(&bytes, self.rtcp_remote),
            Some(sealer) => match sealer.seal_rtcp(&bytes) {
                Some(sealed) => socket.send_to(&sealed, self.rtcp_remote),
                None => return,
            },
        };
        if let Err(error) = sent {
            tracing::trace!(%error, "an RTCP report was not sent");
        }
    }

    /// Writes out what was counted.
    pub(super) fn flush(&mut self) {
        for (reason, count) in self.rejected.drain(..) {
            metrics::counter!("offhook_rtp_rejected_total", "reason" => reason).increment(count);
        }
        metrics::counter!("offhook_rtp_passed_total").increment(std::mem::take(&mut self.passed));
    }

    fn handle_rtp(&mut self, arrived: Arrived) {
        // Where RTP and RTCP share a port, the packet type tells them apart (RFC 5761 §4).
        if self.rtcp_mux && is_rtcp(&arrived.datagram) {
            return self.handle_rtcp(arrived);
        }
        let Arrived { at, from, mut datagram } = arrived;
        if let Some(opener) = &mut self.opener {
            // Strangers are not worth the arithmetic.
            if self.pin.pinned().is_some_and(|source| source != from) {
                return self.reject("source");
            }
            datagram = match opener.open(&datagram) {
                Ok(opened) => opened,
                Err(error) => return self.reject(error.reason()),
            };
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
            Source::Learned => self.learned = Some(from),
            Source::Known => {}
        }
        self.reception.handle_packet(at, &packet);
        match &self.onward {
            // Keys too go as they are; to the other leg, nobody else is there.
            Onward::To(leg) => {
                self.last_passed = at;
                self.passed += 1;
                return leg.tell(LegMsg::Passed(kind, packet));
            }
            // Keys are told from here on; packet for packet they would come twice.
            Onward::AlsoTo(leg) if kind != PayloadKind::TelephoneEvent => leg.tell(LegMsg::Passed(kind, packet.clone())),
            Onward::AlsoTo(_) | Onward::Here => {}
        }
        if kind == PayloadKind::TelephoneEvent {
            self.dtmf.handle_packet(at, &packet);
            self.tell_digits();
        }
        // Events and comfort noise too: the jitter buffer must know that nothing was lost.
        self.ports.jitter.tell(JitterMsg::Packet { at, packet });
    }

    fn handle_rtcp(&mut self, arrived: Arrived) {
        let Arrived { at, from, mut datagram } = arrived;
        // Reports come from the peer's host; a stranger's would only spoil our figures.
        if self.pin.pinned().is_some_and(|source| source.ip() != from.ip()) {
            return self.reject("source");
        }
        if let Some(opener) = &mut self.opener {
            datagram = match opener.open_rtcp(&datagram) {
                Ok(opened) => opened,
                Err(error) => return self.reject(error.reason()),
            };
        }
        match Report::parse(&datagram) {
            Ok(report) => {
                self.rtcp_remote = from;
                self.reception.handle_report(at, &report);
                let ours =
                    |sent: Sent| Some((report.receptions.iter().find(|block| block.ssrc == sent.ssrc)?, sent.info?.packets));
                if let Some((block, packets)) = self.sent.and_then(ours) {
                    self.peer.handle(block, packets, wall_clock(at));
                }
            }
            Err(_) => self.reject("rtcp"),
        }
    }

    fn tell_digits(&mut self) {
        while let Some(event) = self.dtmf.poll_event() {
            if let DtmfEvent::Pressed(digit) = event {
                self.ports.digit(digit);
            }
        }
    }

    /// Counts a packet that goes no further.
    fn reject(&mut self, reason: &'static str) {
        match self.rejected.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.rejected.push((reason, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sip::sdp::{Codec, Direction};
    use store::CallId;

    use super::*;

    fn receiving() -> Receiving {
        let remote = SocketAddr::from(([127, 0, 0, 1], 4_000));
        let negotiated = Negotiated {
            codec: Codec::Pcmu,
            payload_type: 0,
            crypto: None,
            opus: sip::sdp::OpusWishes::default(),
            telephone_event: Some(101),
            event_clock: 8_000,
            comfort_noise: None,
            ptime: Duration::from_millis(20),
            send_ptime: Duration::from_millis(20),
            remote_rtp: remote,
            remote_rtcp: remote,
            rtcp_mux: false,
            direction: Direction::SendRecv,
        };
        Receiving::new(&negotiated, CallPorts::new(CallId::generate()))
    }

    /// An event packet (RFC 4733): sequence, RTP time and key.
    fn key(sequence: u8, time: u8, event: u8) -> Arrived {
        let octets = [0x80, 101, 0, sequence, 0, 0, time, 0, 1, 2, 3, 4, event, 0x0A, 0, 160];
        let from = SocketAddr::from(([127, 0, 0, 1], 4_000));
        Arrived { at: Instant::now(), from, datagram: octets.to_vec().into() }
    }

    #[test]
    fn keys_that_come_in_one_batch_are_told_one_by_one() {
        let mut receiving = receiving();
        for arrived in [key(1, 1, 5), key(2, 9, 11), key(3, 17, 5)] {
            receiving.handle_rtp(arrived);
            assert_eq!(receiving.dtmf.poll_event(), None);
        }
        assert!(receiving.dtmf.is_pressed() && receiving.rejected.is_empty());
    }

    #[test]
    fn what_is_not_taken_is_counted_by_reason() {
        let mut receiving = receiving();
        receiving.handle_rtp(key(1, 1, 5));
        let stranger = Arrived { from: SocketAddr::from(([127, 0, 0, 2], 4_000)), ..key(2, 1, 5) };
        let short = Arrived { datagram: vec![0x80].into(), ..key(3, 1, 5) };
        for arrived in [stranger, short, Arrived { datagram: vec![0x80].into(), ..key(4, 1, 5) }] {
            receiving.handle_rtp(arrived);
        }
        assert_eq!(receiving.rejected, [("source", 1), ("too_short", 2)]);
        assert_eq!(receiving.take_learned(), Some(SocketAddr::from(([127, 0, 0, 1], 4_000))));
    }
}
