//! The wire of a SIP or WebRTC leg: RTP and RTCP sockets, read once a frame and written once a frame, both in the leg's own hands.

mod inbox;
mod receiving;
mod secure;
mod sending;
mod talk;
mod way;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::codec::Codec;
use media::dtls::Identity;
use media::dtmf::Digit;
use media::line::LineCodec;
use media::quality::Coding;
use media::relay::RelayTerms;
use media::rtcp::xr::VoipMetrics;
use media::rtp::{PayloadKind, PayloadTypes, RtpPacket};
use media::srtp::{MasterKey, Suite};
use media::units::{FRAME_SAMPLES, SampleRate};
use sip::sdp::{CryptoKey, CryptoSuite, Negotiated};

use self::receiving::Receiving;
use self::secure::{Change, Secure};
use self::sending::Sending;
use self::talk::Talk;
pub use self::talk::TalkIo;
pub use self::way::{SharedWay, Way};
use super::bridged::Onward;
use super::codec_of;
use crate::call::{CallPorts, LegClosed};

/// What a SIP or WebRTC leg is made of.
#[derive(Debug)]
pub struct RtpWire {
    /// Open sockets.
    pub way: Way,
    /// What offer and answer agreed on.
    pub negotiated: Negotiated,
    /// Who we are in a handshake, if that gives the keys.
    pub identity: Identity,
    /// What the peer is told over a data channel, if it may be.
    pub talk: Option<TalkIo>,
}

/// The payload types that were agreed.
pub(crate) fn payload_types(negotiated: &Negotiated) -> PayloadTypes {
    PayloadTypes {
        codec: codec_of(negotiated.codec),
        audio: negotiated.payload_type,
        telephone_event: negotiated.telephone_event,
        comfort_noise: negotiated.comfort_noise,
    }
}

/// What another leg must have alike to get the packets of this one as they are.
pub(crate) fn relay_terms(negotiated: &Negotiated) -> RelayTerms {
    RelayTerms {
        codec: codec_of(negotiated.codec),
        ptime: negotiated.send_ptime,
        opus: sending::opus_wishes(negotiated),
        events: negotiated.telephone_event.map(|_| event_clock(negotiated)),
    }
}

/// The keys of what we send and of what we receive, if they were agreed.
fn keys(negotiated: &Negotiated) -> Option<(MasterKey, MasterKey)> {
    let crypto = negotiated.crypto.as_ref()?;
    let suite = match crypto.suite {
        CryptoSuite::AesCm128Sha1_32 => Suite::AesCm128Sha1_32,
        CryptoSuite::AesCm128Sha1_80 => Suite::AesCm128Sha1_80,
        CryptoSuite::AeadAes128Gcm => Suite::AeadAes128Gcm,
        CryptoSuite::AeadAes256Gcm => Suite::AeadAes256Gcm,
    };
    let key = |key: &CryptoKey| MasterKey::new(suite, key.reveal()).expect("SDP takes only keys as long as the suite's");
    Some((key(&crypto.local), key(&crypto.remote)))
}

/// How what we send bears loss, of which the peer's reports tell before it recovers any.
fn coding(negotiated: &Negotiated) -> Coding {
    match codec_of(negotiated.codec) {
        LineCodec::Opus if negotiated.opus.fec => Coding::OPUS_FEC,
        codec => Coding::of(codec),
    }
}

/// The clock of the events that were agreed.
fn event_clock(negotiated: &Negotiated) -> SampleRate {
    SampleRate::from_hz(negotiated.event_clock).unwrap_or(SampleRate::HZ_8000)
}

/// RTCP is read and its reports are written this often, in ticks: 100 ms is nothing to reports that are seconds apart, and their
/// arrival is the kernel's time, not ours.
const TICKS_PER_RTCP: u64 = 5;

/// Without a word that it listens a peer is gone (RFC 7675 §5.1); it says so each 5 s.
const CONSENT_MAX: Duration = Duration::from_secs(30);

/// The sockets and both directions over them.
pub(super) struct RtpLine {
    way: Way,
    receiving: Receiving,
    sending: Sending,
    /// Of legs with data channels.
    talk: Option<Box<Talk>>,
    /// Of legs whose keys come from a handshake, or whose peer is found by ICE.
    identity: Identity,
    stagger: u64,
}

impl RtpLine {
    /// Nothing is sent before the first [`Self::send`].
    pub(super) fn new(wire: RtpWire, law: Codec, ports: CallPorts) -> Self {
        let RtpWire { way, negotiated, identity, talk } = wire;
        let stagger = ports.stagger();
        let secure = Secure::new(Instant::now(), &negotiated, &identity);
        let talk = talk.map(|io| Box::new(Talk::new(io, &negotiated, ports.clone())));
        let (receiving, sending) = (Receiving::new(&negotiated, secure, ports), Sending::new(&negotiated, law));
        Self { way, receiving, sending, talk, identity, stagger }
    }

    /// One tick: takes what has come since the last one. How the leg has ended, if it has: only once the call is `answered` is it certain
    /// that the peer knows of us.
    pub(super) fn receive(&mut self, tick: u64, answered: bool) -> Option<LegClosed> {
        let now = Instant::now();
        self.receiving.read_rtp(now, self.way.own());
        while let Some(arrived) = self.way.poll_arrived() {
            let from = arrived.from;
            self.receiving.handle_rtp(arrived);
            if self.receiving.secure.as_ref().is_some_and(|secure| secure.takes_from(from)) {
                self.way.admit(from);
            }
        }
        if (tick + self.stagger).is_multiple_of(TICKS_PER_RTCP) {
            if let Some(rtcp) = self.way.own_reports() {
                self.receiving.read_rtcp(now, rtcp);
            }
            let report = self.receiving.report(now, self.sending.report());
            self.send_report(report);
            self.sending.expect_loss(self.receiving.take_loss());
        }
        // Symmetric RTP (RFC 4961): media goes back to where media comes from.
        if let Some(source) = self.receiving.take_learned() {
            self.sending.aim_at(source);
        }
        self.secure(now, answered)
    }

    /// The same for handshakes and checks, on legs that have them.
    fn secure(&mut self, now: Instant, answered: bool) -> Option<LegClosed> {
        let secure = self.receiving.secure.as_deref_mut()?;
        if answered {
            secure.start(now);
        }
        secure.handle_timeout(now);
        let mut closed = self.talk.as_mut().and_then(|talk| talk.handle_tick(now, secure));
        if self.way.wants_consent() {
            closed = closed.or_else(|| secure.left(now, CONSENT_MAX));
        }
        for change in secure.take_changes() {
            match change {
                // Before anything is answered: what the peer sends then finds a socket of its own.
                Change::Selected(to) => {
                    self.way.select(to);
                    self.receiving.follow(to);
                    self.sending.aim_at(to);
                }
                Change::Keyed(keys) => {
                    self.receiving.handle_keys(now, keys.remote);
                    self.sending.handle_key(keys.local);
                }
                Change::Failed(failure) => closed = Some(LegClosed::Unprotected(failure)),
            }
        }
        self.receiving.secure.as_deref_mut()?.transmit(self.way.out());
        closed
    }

    /// One tick: a DTMF packet if a digit is being sent, else this audio, or nothing. How many packets went out.
    pub(super) fn send(&mut self, audio: Option<&[u8; FRAME_SAMPLES]>) -> u32 {
        self.sending.send(self.way.out(), audio)
    }

    /// A packet of another leg, sent on as it is. How many went out: none when it is not to be sent here.
    pub(super) fn pass_on(&mut self, kind: PayloadKind, packet: &RtpPacket) -> u32 {
        self.sending.pass_on(self.way.out(), kind, packet)
    }

    /// Where the packets that come go from now on.
    pub(super) fn set_onward(&mut self, onward: Onward) {
        self.receiving.set_onward(onward);
    }

    /// Whether packets go to the jitter buffer.
    pub(super) fn keeps_packets(&self) -> bool {
        self.receiving.keeps_packets()
    }

    /// Tells a jitter buffer that gets no packets of those that went elsewhere.
    pub(super) fn tell_passed(&mut self) {
        self.receiving.tell_passed();
    }

    /// A digit to be sent after those before it. False when 32 wait already.
    pub(super) fn push_dtmf(&mut self, digit: Digit) -> bool {
        self.sending.push_dtmf(digit)
    }

    /// A re-INVITE changed hold, address, codec or payload types.
    pub(super) fn renegotiate(&mut self, negotiated: &Negotiated) {
        self.way.renegotiate(negotiated);
        self.sending.renegotiate(self.way.out(), negotiated);
        self.receiving.renegotiate(negotiated, &self.identity);
        if let Some(selected) = self.receiving.secure.as_ref().and_then(|secure| secure.selected()) {
            self.receiving.follow(selected);
            self.sending.aim_at(selected);
        }
    }

    /// How the peer sounds, for the next report.
    pub(super) fn handle_quality(&mut self, metrics: VoipMetrics) {
        self.receiving.handle_quality(metrics);
    }

    /// Nothing more is sent: the peer is told, in a last report.
    pub(super) fn finish(&mut self) {
        let report = self.receiving.goodbye(Instant::now(), self.sending.report());
        self.send_report(report);
        if let (Some(socket), Some(secure)) = (self.way.last(), self.receiving.secure.take()) {
            talk::say_goodbye(socket, secure, self.talk.take());
        }
    }

    fn send_report(&mut self, report: Option<(Vec<u8>, SocketAddr)>) {
        let socket = self.way.reports_out(self.receiving.rtcp_mux());
        if let Some((report, remote)) = report.filter(|(_, remote)| !remote.ip().is_unspecified()) {
            self.sending.send_report(socket, &report, remote);
        }
    }

    /// Writes out what was counted.
    pub(super) fn flush(&mut self) {
        self.receiving.flush();
        if let Some(talk) = &self.talk {
            talk.flush();
        }
    }
}

#[cfg(test)]
mod tests;
