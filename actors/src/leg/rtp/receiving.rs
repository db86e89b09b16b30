//! The receiving direction of an RTP leg: what is not media of our peer is dropped here and counted, and goes no further.

mod guarded;

use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use bytes::BytesMut;
use media::dtls::Identity;
use media::dtmf::{DtmfEvent, DtmfReceiver};
use media::rtcp::xr::{Delay, Extended, VoipMetrics};
use media::rtcp::{Reception, Report, Schedule};
use media::rtp::{PayloadKind, PayloadTypes, RtpPacket, is_rtcp};
use media::source::{Source, SourcePin, SourceRule};
use media::srtp::Openers;
use sip::locate::Family;
use sip::sdp::Negotiated;

use super::inbox::{self, Arrived};
use super::secure::Secure;
use super::sending::{Sent, wall_clock};
use super::{coding, event_clock, keys, payload_types};
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
    openers: Openers,
    /// Only legs whose keys come from a handshake have one.
    pub(super) secure: Option<Box<Secure>>,
    types: PayloadTypes,
    /// In another codec, once the first packet of it comes: what the peer sent before it heard of the change is still heard.
    next: Option<PayloadTypes>,
    pin: SourcePin,
    learned: Option<SocketAddr>,
    dtmf: DtmfReceiver,
    reception: Reception,
    peer: PeerReports,
    /// Of 256 packets of ours that a report just told of, as many are lost.
    loss: Option<u8>,
    /// What we had sent at the last beat of RTCP.
    sent: Option<Sent>,
    /// The peer's latest reference time, and when it came.
    reference: Option<(Delay, Instant)>,
    /// How the peer sounds, by the JitterBuffer.
    quality: Option<VoipMetrics>,
    schedule: Schedule,
    next_report: Instant,
    room: BytesMut,
    /// Datagrams that were not taken, by reason, since the last flush; there are few reasons.
    rejected: Vec<(&'static str, u64)>,
    onward: Onward,
    /// When the last packet came that went to another leg.
    last_passed: Instant,
    /// Packets that went to another leg, since the last flush.
    passed: u64,
    /// Those of them that the JitterBuffer was not told of.
    untold: u64,
    ports: CallPorts,
}

impl Receiving {
    pub(super) fn new(negotiated: &Negotiated, secure: Option<Secure>, ports: CallPorts) -> Self {
        let types = payload_types(negotiated);
        let mut new = Self {
            family: Family::of(negotiated.remote_rtp.ip()),
            rtcp_remote: negotiated.remote_rtcp,
            rtcp_mux: negotiated.rtcp_mux,
            openers: Openers::new(),
            secure: secure.map(Box::new),
            types,
            next: None,
            pin: SourcePin::new(SourceRule::Expect(negotiated.remote_rtp)),
            learned: None,
            dtmf: DtmfReceiver::new(event_clock(negotiated)),
            reception: Reception::new(types.codec.row().clock),
            peer: PeerReports::new(coding(negotiated)),
            loss: None,
            sent: None,
            reference: None,
            quality: None,
            schedule: Schedule::default(),
            next_report: Instant::now() + Schedule::default().interval(&mut rand::rng()),
            room: BytesMut::new(),
            rejected: Vec::new(),
            onward: Onward::Here,
            last_passed: Instant::now(),
            passed: 0,
            untold: 0,
            ports,
        };
        new.openers.choose(keys(negotiated).map(|(_, remote)| remote));
        new
    }

    /// Where the packets go from now on.
    pub(super) fn set_onward(&mut self, onward: Onward) {
        let passes = matches!(onward, Onward::To(_));
        if passes {
            self.last_passed = Instant::now();
        }
        // What waits in the jitter buffer would be taken for audio of now, once it is asked again; and what was passed counts.
        if passes || !self.keeps_packets() {
            self.tell_passed();
        }
        self.onward = onward;
    }

    /// Whether packets go to the jitter buffer.
    pub(super) fn keeps_packets(&self) -> bool {
        !matches!(self.onward, Onward::To(_))
    }

    /// Tells the jitter buffer of the packets that went to another leg.
    pub(super) fn tell_passed(&mut self) {
        let packets = std::mem::take(&mut self.untold);
        self.ports.jitter.tell(JitterMsg::PassedOn { last: self.last_passed, packets });
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
    pub(super) fn renegotiate(&mut self, negotiated: &Negotiated, identity: &Identity) {
        let types = payload_types(negotiated);
        (self.rtcp_remote, self.rtcp_mux) = (negotiated.remote_rtcp, negotiated.rtcp_mux);
        match &mut self.secure {
            Some(secure) if negotiated.dtls.is_some() => secure.renegotiate(Instant::now(), negotiated),
            secure => {
                *secure = Secure::new(Instant::now(), negotiated, identity).map(Box::new);
                if let Some(secure) = secure {
                    secure.start(Instant::now());
                }
                self.openers.choose(keys(negotiated).map(|(_, remote)| remote));
            }
        }
        self.dtmf.renegotiate(event_clock(negotiated));
        self.next = None;
        if types.codec != self.types.codec && types.audio != self.types.audio {
            self.next = Some(types);
        } else {
            self.change(types);
        }
        self.peer.renegotiate(coding(negotiated));
        self.pin.relearn(SourceRule::Expect(negotiated.remote_rtp));
    }

    /// Packets carry this from now on.
    fn change(&mut self, types: PayloadTypes) {
        let clock = types.codec.row().clock;
        if clock != self.types.codec.row().clock {
            self.reception = Reception::new(clock);
        }
        self.types = types;
        self.ports.jitter.tell(JitterMsg::Renegotiated(types));
    }

    /// Hands on the media that has come.
    pub(super) fn read_rtp(&mut self, now: Instant, socket: Option<&UdpSocket>) {
        if let Some(socket) = socket {
            let mut room = std::mem::take(&mut self.room);
            inbox::read(socket, self.family, now, &mut room, |arrived| self.handle_rtp(arrived));
            self.room = room;
        }
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

    /// Our report, when one is due, and where it goes.
    pub(super) fn report(&mut self, now: Instant, sent: Sent) -> Option<(Vec<u8>, SocketAddr)> {
        self.sent = Some(sent);
        if now < self.next_report {
            return None;
        }
        let report = self.write_report(now, sent, None);
        self.schedule.handle_report(report.len());
        self.next_report = now + self.schedule.interval(&mut rand::rng());
        self.ports.jitter.tell(JitterMsg::Reported(self.peer.round_trip()));
        Some((report, self.rtcp_remote))
    }

    /// Our last report, which says that our stream is over; `None` when the peer never heard of it (RFC 3550 §6.3.7).
    pub(super) fn goodbye(&mut self, now: Instant, sent: Sent) -> Option<(Vec<u8>, SocketAddr)> {
        sent.info.is_some().then(|| (self.write_report(now, sent, Some(sent.ssrc)), self.rtcp_remote))
    }

    /// Of 256 packets of ours as many are lost by the peer's last report, if one came since the last call.
    pub(super) fn take_loss(&mut self) -> Option<u8> {
        self.loss.take()
    }

    /// How the peer sounds, for the next report.
    pub(super) fn handle_quality(&mut self, quality: VoipMetrics) {
        self.quality = Some(quality);
    }

    fn write_report(&mut self, now: Instant, sent: Sent, bye: Option<u32>) -> Vec<u8> {
        let reception = self.reception.report(now);
        let answer = |(reference, at): (Delay, Instant)| {
            let since = now.saturating_duration_since(at).as_micros();
            Delay { delay: (since * 65_536 / 1_000_000) as u32, ..reference }
        };
        let extended = Extended {
            // Who sends learns the round trip from the answers to its sender reports.
            reference: sent.info.is_none().then(|| wall_clock(now)),
            delay: self.reference.map(answer),
            voip: self.quality.zip(reception).map(|(quality, reception)| VoipMetrics { ssrc: reception.ssrc, ..quality }),
        };
        let report = Report { ssrc: sent.ssrc, sender: sent.info, receptions: reception.into_iter().collect(), extended, bye };
        let mut bytes = Vec::with_capacity(192);
        report.write("offhook", &mut bytes);
        bytes
    }

    /// What the peer tells of our stream, and asks.
    fn handle_report(&mut self, at: Instant, report: &Report) {
        self.reception.handle_report(at, report);
        let Extended { reference, delay, voip } = report.extended;
        if let Some(time) = reference {
            self.reference = Some((Delay { ssrc: report.ssrc, last_reference: time.middle(), delay: 0 }, at));
        }
        let Some(sent) = self.sent else { return };
        if let Some(delay) = delay.filter(|delay| delay.ssrc == sent.ssrc) {
            self.peer.handle_round_trip(delay.round_trip(wall_clock(at)));
        }
        if let Some(voip) = voip.filter(|voip| voip.ssrc == sent.ssrc) {
            self.peer.handle_metrics(voip);
        }
        let block = report.receptions.iter().find(|block| block.ssrc == sent.ssrc);
        if let Some((block, info)) = block.zip(sent.info) {
            self.loss = Some(block.fraction_lost);
            self.peer.handle(block, info.packets, wall_clock(at));
        }
    }

    /// Writes out what was counted.
    pub(super) fn flush(&mut self) {
        for (reason, count) in self.rejected.drain(..) {
            metrics::counter!("offhook_rtp_rejected_total", "reason" => reason).increment(count);
        }
        metrics::counter!("offhook_rtp_passed_total").increment(std::mem::take(&mut self.passed));
    }

    /// A datagram of the port of media.
    pub(super) fn handle_rtp(&mut self, arrived: Arrived) {
        if !self.is_media(&arrived) {
            return;
        }
        // Where RTP and RTCP share a port, the packet type tells them apart (RFC 5761 §4).
        if self.rtcp_mux && is_rtcp(&arrived.datagram) {
            return self.handle_rtcp(arrived);
        }
        let Arrived { at, from, mut datagram } = arrived;
        if let Some(opener) = self.openers.current() {
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
        if self.next.is_some_and(|next| next.audio == packet.payload_type)
            && let Some(next) = self.next.take()
        {
            self.change(next);
        }
        let kind = self.types.kind(packet.payload_type);
        if kind == PayloadKind::Unknown {
            return self.reject("payload_type");
        }
        match self.pin.handle_packet(at, from, &packet) {
            Source::Stranger => return self.reject("source"),
            Source::Learned => {
                // By ICE it is the peer who chooses.
                self.learned = self.secure.as_ref().is_none_or(|secure| !secure.has_ice()).then_some(from);
                // Reports that share the port go the same way (RFC 5761 §5.1.1), whatever SDP says of it.
                if self.rtcp_mux && self.learned.is_some() {
                    self.rtcp_remote = from;
                }
            }
            Source::Known => {}
        }
        self.reception.handle_packet(at, &packet);
        match &self.onward {
            // Keys too go as they are; to the other leg, nobody else is there.
            Onward::To(leg) => {
                self.last_passed = at;
                self.passed += 1;
                self.untold += 1;
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
        if self.secure.is_some() && self.openers.current().is_none() {
            return self.reject("srtp");
        }
        if let Some(opener) = self.openers.current() {
            datagram = match opener.open_rtcp(&datagram) {
                Ok(opened) => opened,
                Err(error) => return self.reject(error.reason()),
            };
        }
        match Report::parse(&datagram) {
            Ok(report) => {
                // From where media comes, or from where it was said to come: a late report of the address before leads nowhere.
                if self.pin.pinned().is_some() || from.ip() == self.rtcp_remote.ip() {
                    self.rtcp_remote = from;
                }
                self.schedule.handle_report(datagram.len());
                self.handle_report(at, &report);
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

    thread_local! {
        static IDENTITY: Identity = Identity::generate();
    }

    impl Receiving {
        fn agree(&mut self, negotiated: &Negotiated) {
            IDENTITY.with(|identity| self.renegotiate(negotiated, identity));
        }
    }

    fn receiving() -> Receiving {
        Receiving::new(&negotiated(), None, CallPorts::new(CallId::generate()))
    }

    fn negotiated() -> Negotiated {
        let remote = SocketAddr::from(([127, 0, 0, 1], 4_000));
        Negotiated {
            codec: Codec::Pcmu,
            payload_type: 0,
            crypto: None,
            dtls: None,
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
        }
    }

    /// A packet of audio: payload type and sequence.
    fn audio(payload_type: u8, sequence: u8) -> Arrived {
        let mut octets = vec![0x80, payload_type, 0, sequence, 0, 0, sequence, 0, 1, 2, 3, 4];
        octets.resize(172, 0xFF);
        Arrived { datagram: octets.into(), ..key(sequence, 1, 5) }
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
    fn another_codec_begins_with_its_first_packet() {
        let mut receiving = receiving();
        receiving.handle_rtp(audio(0, 1));
        receiving.agree(&Negotiated { codec: Codec::Pcma, payload_type: 8, ..negotiated() });
        for arrived in [audio(0, 2), audio(0, 3), audio(8, 4), audio(8, 5)] {
            receiving.handle_rtp(arrived);
            assert!(receiving.rejected.is_empty(), "the peer did not know yet");
        }
        receiving.handle_rtp(audio(0, 6));
        assert_eq!(receiving.rejected, [("payload_type", 1)]);
        receiving.agree(&Negotiated { codec: Codec::Opus, payload_type: 111, event_clock: 48_000, ..negotiated() });
        receiving.agree(&negotiated());
        receiving.handle_rtp(audio(111, 7));
        assert_eq!(receiving.rejected, [("payload_type", 2)], "what was offered in between is forgotten");
    }

    #[test]
    fn reports_go_where_the_last_offer_says_until_media_comes_from_there() {
        let report = |from: [u8; 4]| {
            let mut bytes = Vec::new();
            Report { ssrc: 9, sender: None, receptions: Vec::new(), extended: Default::default(), bye: None }
                .write("peer", &mut bytes);
            Arrived { at: Instant::now(), from: SocketAddr::from((from, 4_001)), datagram: bytes.into() }
        };
        let mut receiving = receiving();
        let moved = SocketAddr::from(([127, 0, 0, 2], 5_000));
        receiving.agree(&Negotiated { remote_rtp: moved, remote_rtcp: moved, ..negotiated() });
        receiving.handle_rtcp(report([127, 0, 0, 1]));
        assert_eq!(receiving.rtcp_remote, moved, "a late report of the address before");
        receiving.handle_rtcp(report([127, 0, 0, 2]));
        assert_eq!(receiving.rtcp_remote.port(), 4_001, "the port that it is sent from");
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
