//! A leg's wire over loopback, through re-INVITEs: what a peer on a socket gets.

use std::net::UdpSocket;
use std::time::Duration;

use bytes::Bytes;
use media::dtls::Failure;
use media::rtcp::Report;
use media::rtp::{RtpPacket, RtpSender};
use media::srtp::{Opener, Sealer};
use sip::sdp::{IceCredentials, LocalDtls, LocalKeys, LocalMedia, SessionDescription, SrtpPolicy, answer};
use store::CallId;

use super::*;
use crate::leg::ports::RtpPorts;

/// What we and a peer at this port agree on when it offers audio with these lines.
fn negotiated(port: u16, lines: &str) -> Negotiated {
    let profile = if lines.contains("crypto") { "RTP/SAVP" } else { "RTP/AVP" };
    let offer =
        format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} {profile} 0\r\n{lines}");
    let mut local = LocalMedia::new([127, 0, 0, 1].into(), 28_200, 1);
    (local.srtp, local.keys) = (SrtpPolicy::Optional, LocalKeys::new(|octets| octets.fill(7)));
    answer(&SessionDescription::parse(offer.as_bytes()).expect("it is SDP"), &local).expect("it has audio").1
}

/// A telephone that shakes hands.
struct Secret {
    socket: UdpSocket,
    line: RtpLine,
    session: media::dtls::Session,
}

impl Secret {
    /// Calls with this certificate, and with these lines more in its offer, whose fingerprint is `named`.
    fn new(port: u16, lines: &str, own: &Identity, named: &Identity) -> Self {
        let sockets = RtpPorts::new(port..=port + 1).open([127, 0, 0, 1].into()).expect("a free pair");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_nonblocking(true).expect("it need not wait");
        let identity = Identity::generate();
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} UDP/TLS/RTP/SAVP 0\r\na=rtcp-mux\r\n\
             a=setup:actpass\r\na=fingerprint:{}\r\n{lines}",
            socket.local_addr().expect("it is bound").port(),
            named.fingerprint(),
        );
        let mut local = LocalMedia::new([127, 0, 0, 1].into(), port, 1);
        local.srtp = SrtpPolicy::Dtls;
        local.dtls = Some(LocalDtls::new(identity.fingerprint().to_string(), IceCredentials::new([7; 32])));
        let (_, negotiated) =
            answer(&SessionDescription::parse(offer.as_bytes()).expect("it is SDP"), &local).expect("it has audio");
        let ports = CallPorts::new(CallId::generate());
        let known = [identity.fingerprint().clone()];
        let line =
            RtpLine::new(RtpWire { way: Way::Own(sockets), negotiated, identity, talk: None }, media::codec::Codec::Pcmu, ports);
        Self { socket, line, session: media::dtls::Session::new(Instant::now(), media::dtls::Role::Active, own, &known) }
    }

    /// As long as one of both has something to say; why there will be no media.
    fn shake(&mut self) -> Option<LegClosed> {
        let (target, mut room) = (self.line.way.out().local_addr().expect("it is bound"), [0; 1_500]);
        let mut failed = None;
        while let Some(datagram) = self.session.poll_transmit() {
            self.socket.send_to(&datagram, target).expect("loopback takes it");
            failed = failed.or(self.line.receive(1, true));
            while let Ok((length, _)) = self.socket.recv_from(&mut room) {
                self.session.handle_datagram(Instant::now(), &room[..length]);
            }
        }
        failed
    }
}

#[test]
fn nothing_is_sent_or_taken_before_the_handshake_and_then_by_its_keys() {
    let own = Identity::generate();
    let mut peer = Secret::new(28_222, "", &own, &own);
    assert_eq!(peer.line.send(Some(&[0xFF; FRAME_SAMPLES])), 0, "there is no key");
    peer.line.finish();
    let mut sender = RtpSender::new(PayloadTypes::of(media::codec::Codec::Pcmu), &mut rand::rng());
    let target = peer.line.way.out().local_addr().expect("it is bound");
    let plain = sender.next_audio(&[0xFF; FRAME_SAMPLES], FRAME_SAMPLES as u32).to_vec();
    peer.socket.send_to(&plain, target).expect("loopback takes it");
    assert_eq!(peer.shake(), None);
    let media::dtls::State::Connected(keys) = peer.session.state().clone() else { panic!("{:?}", peer.session) };
    assert_eq!(peer.line.send(Some(&[0xFF; FRAME_SAMPLES])), 1);
    let mut room = [0; 1_500];
    let (length, _) = peer.socket.recv_from(&mut room).expect("the first packet comes");
    let packet = Opener::new(keys.remote).open(&Bytes::copy_from_slice(&room[..length])).expect("it is sealed with the key");
    assert_eq!(RtpPacket::parse(packet).expect("it is RTP").payload.len(), FRAME_SAMPLES);
    let sealed = Sealer::new(keys.local).seal(&plain).expect("a new key");
    peer.socket.send_to(&sealed, target).expect("loopback takes it");
    peer.socket.send_to(&plain, target).expect("loopback takes it");
    assert_eq!(peer.line.receive(1, true), None);
    // Before the handshake and after it what is plain is nobody's.
    assert_eq!(peer.line.receiving.rejected(), [("srtp", 2)]);
    assert_eq!(peer.line.receiving.pinned(), peer.socket.local_addr().ok());
}

#[test]
fn another_certificate_is_the_end_of_it() {
    let mut peer = Secret::new(28_226, "", &Identity::generate(), &Identity::generate());
    assert_eq!(peer.shake(), Some(LegClosed::Unprotected(Failure::Fingerprint)));
    assert_eq!(peer.line.send(Some(&[0xFF; FRAME_SAMPLES])), 0);
}

#[test]
fn who_has_not_shown_itself_by_ice_shakes_no_hands() {
    let own = Identity::generate();
    let ice = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n";
    let mut peer = Secret::new(28_230, ice, &own, &own);
    assert_eq!(peer.shake(), None);
    assert_eq!(peer.session.state(), &media::dtls::State::Handshaking);
    assert_eq!(peer.line.receiving.rejected(), [("source", 1)]);
}

/// An `a=crypto` line, whose key is all of this digit.
fn crypto(suite: &str, digits: usize, digit: &str) -> String {
    format!("a=crypto:1 {suite} inline:{}\r\n", digit.repeat(digits))
}

struct Peer {
    socket: UdpSocket,
    line: RtpLine,
}

impl Peer {
    /// A call with a peer that offers these lines.
    fn new(port: u16, lines: &str) -> Self {
        let sockets = RtpPorts::new(port..=port + 1).open([127, 0, 0, 1].into()).expect("a free pair");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("it can wait");
        let negotiated = negotiated(socket.local_addr().expect("it is bound").port(), lines);
        let line = RtpLine::new(
            RtpWire { way: Way::Own(sockets), negotiated, identity: Identity::generate(), talk: None },
            media::codec::Codec::Pcmu,
            CallPorts::new(CallId::generate()),
        );
        Self { socket, line }
    }

    fn renegotiate(&mut self, lines: &str) -> Negotiated {
        let negotiated = negotiated(self.socket.local_addr().expect("it is bound").port(), lines);
        self.line.renegotiate(&negotiated);
        negotiated
    }

    fn sent(&mut self) -> Bytes {
        assert_eq!(self.line.send(Some(&[0xFF; FRAME_SAMPLES])), 1);
        self.read()
    }

    fn read(&self) -> Bytes {
        let mut room = [0; 1_500];
        let (length, _) = self.socket.recv_from(&mut room).expect("something comes");
        Bytes::copy_from_slice(&room[..length])
    }
}

#[test]
fn another_key_begins_another_stream_and_the_same_key_none() {
    let (one, other) = (crypto("AES_CM_128_HMAC_SHA1_80", 40, "A"), crypto("AES_CM_128_HMAC_SHA1_32", 40, "B"));
    let mut peer = Peer::new(28_210, &one);
    let mut streams = Vec::new();
    for lines in [&one, &one, &other, &one] {
        let negotiated = peer.renegotiate(lines);
        let (ours, _) = keys(&negotiated).expect("it is encrypted");
        let sealed = peer.sent();
        let plain = Opener::new(ours).open(&sealed).expect("it is sealed with our key");
        let packet = RtpPacket::parse(plain).expect("it is RTP");
        assert!(packet.sequence < 1 << 15);
        streams.push(packet.ssrc);
    }
    assert_eq!(streams[0], streams[1]);
    assert!(streams[1] != streams[2] && streams[2] != streams[3] && streams[3] != streams[0], "{streams:?}");
}

#[test]
fn another_packet_time_takes_no_time_from_the_clock() {
    let mut peer = Peer::new(28_214, "a=ptime:30\r\n");
    let (mut times, mut ended) = (Vec::new(), 0);
    // 30 ms are sent after two frames, and 10 ms wait.
    assert_eq!(peer.line.send(Some(&[0xFF; FRAME_SAMPLES])), 0);
    for lines in ["a=ptime:30\r\n", "a=ptime:20\r\n"] {
        peer.renegotiate(lines);
        let packet = RtpPacket::parse(peer.sent()).expect("it is RTP");
        times.push(packet.timestamp.since(media::units::RtpTime(0)).wrapping_sub(ended));
        ended = packet.timestamp.since(media::units::RtpTime(0));
    }
    // What waited goes out as it was agreed before: 30 ms after the packet before it, and the next one 10 ms after that.
    assert_eq!(times[1], 240);
    let next = RtpPacket::parse(peer.sent()).expect("it is RTP");
    assert_eq!(next.timestamp.since(media::units::RtpTime(0)).wrapping_sub(ended), 80);
}

#[test]
fn reports_over_a_shared_port_follow_the_media_and_the_last_says_bye() {
    let mut peer = Peer::new(28_218, "a=rtcp-mux\r\n");
    // SDP told another port than the one that media comes from, as behind NAT.
    peer.line.renegotiate(&negotiated(9, "a=rtcp-mux\r\n"));
    let mut sender = RtpSender::new(PayloadTypes::of(media::codec::Codec::Pcmu), &mut rand::rng());
    let target = peer.line.way.out().local_addr().expect("it is bound");
    peer.socket.send_to(sender.next_audio(&[0xFF; FRAME_SAMPLES], FRAME_SAMPLES as u32), target).expect("loopback takes it");
    assert_eq!(peer.line.receive(0, true), None);
    let stream = RtpPacket::parse(peer.sent()).expect("it is RTP").ssrc;
    peer.line.finish();
    let report = Report::parse(&peer.read()).expect("it is RTCP");
    assert_eq!((report.ssrc, report.bye), (stream, Some(stream)));
    assert_eq!(report.receptions.len(), 1);
    // Without the attribute reports go where SDP says.
    peer.renegotiate("");
    assert!(!peer.line.receiving.rtcp_mux());
}
