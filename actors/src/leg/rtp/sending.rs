//! The sending direction of a SIP leg: one packet a tick to where media comes from.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use media::dtmf::{Digit, DtmfSender, DtmfTick};
use media::rtcp::{NtpTime, SenderInfo};
use media::rtp::RtpSender;
use sip::sdp::Negotiated;

use super::payload_types;

/// One stream of ours.
pub(super) struct Sending {
    sender: RtpSender,
    dtmf: DtmfSender,
    remote: SocketAddr,
    /// False while the peer holds the call, or has not said where to send.
    open: bool,
}

/// What our reports say of what we send.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) ssrc: u32,
    pub(super) info: Option<SenderInfo>,
}

impl Sending {
    pub(super) fn new(negotiated: &Negotiated) -> Self {
        let sender = RtpSender::new(payload_types(negotiated), &mut rand::rng());
        let mut new = Self { sender, dtmf: DtmfSender::new(), remote: negotiated.remote_rtp, open: false };
        new.aim(negotiated);
        new
    }

    /// One tick: a DTMF packet if a digit is being sent, else this audio. True when a packet went out.
    pub(super) fn send(&mut self, socket: &UdpSocket, audio: &[u8]) -> bool {
        match self.dtmf.next_tick(self.sender.time()) {
            DtmfTick::Idle if self.open => transmit(socket, self.sender.next_audio(audio), self.remote),
            DtmfTick::Packet(event) => {
                let bytes = self.sender.next_event(&event).filter(|_| self.open);
                bytes.is_some_and(|bytes| transmit(socket, bytes, self.remote))
            }
            DtmfTick::Idle | DtmfTick::Gap => {
                self.sender.skip();
                false
            }
        }
    }

    /// A digit to be sent after those before it. False when 32 wait already.
    pub(super) fn push_dtmf(&mut self, digit: Digit) -> bool {
        self.dtmf.push(digit)
    }

    /// Media comes from here, so it goes there.
    pub(super) fn aim_at(&mut self, source: SocketAddr) {
        self.remote = source;
    }

    /// A re-INVITE changed hold, address or payload types.
    pub(super) fn renegotiate(&mut self, negotiated: &Negotiated) {
        self.sender.renegotiate(payload_types(negotiated));
        self.aim(negotiated);
    }

    /// What a report of this moment says.
    pub(super) fn report(&self) -> Sent {
        let (packets, octets) = self.sender.sent();
        let info =
            (packets > 0).then(|| SenderInfo { ntp: wall_clock(Instant::now()), time: self.sender.time(), packets, octets });
        Sent { ssrc: self.sender.ssrc(), info }
    }

    fn aim(&mut self, negotiated: &Negotiated) {
        self.remote = negotiated.remote_rtp;
        let reachable = !negotiated.remote_rtp.ip().is_unspecified() && negotiated.remote_rtp.port() != 0;
        self.open = negotiated.direction.sends() && reachable;
    }
}

/// The time of day that it was then.
pub(super) fn wall_clock(then: Instant) -> NtpTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    NtpTime::from_unix(now.saturating_sub(then.elapsed()))
}

/// Sends at once. What the kernel cannot take is lost, like anything on the way; waiting would make the next frame late too.
fn transmit(socket: &UdpSocket, bytes: &[u8], remote: SocketAddr) -> bool {
    let sent = socket.send_to(bytes, remote);
    if let Err(error) = &sent {
        tracing::trace!(%error, "an RTP packet was not sent");
    }
    sent.is_ok()
}
