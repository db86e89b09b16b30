//! The sending direction of an RTP leg: a frame a tick, in packets of the peer's liking, to where media comes from.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use media::codec::Codec;
use media::dtmf::{Digit, DtmfSender, DtmfTick};
use media::line::packer::{Packed, Packer};
use media::line::{LineCodec, OpusWishes};
use media::relay::Relay;
use media::rtcp::{NtpTime, SenderInfo};
use media::rtp::{PayloadKind, RtpPacket, RtpSender};
use media::srtp::{MasterKey, Sealer};
use media::units::FRAME_SAMPLES;
use sip::sdp::Negotiated;

use super::{event_clock, keys, payload_types};
use crate::leg::codec_of;

/// One stream of ours.
pub(super) struct Sending {
    sender: RtpSender,
    /// In which frames come.
    law: Codec,
    /// `None` where a frame is a packet as it is.
    packer: Option<Packer>,
    /// What it was made for.
    packing: Packing,
    dtmf: DtmfSender,
    relay: Relay,
    /// `None`: packets go out as they are.
    sealer: Option<Sealer>,
    /// Nothing goes out before a handshake has given the key.
    awaits_key: bool,
    remote: SocketAddr,
    /// The peer listens, as far as it says.
    heard: bool,
    /// False while the peer holds the call, or it is not known where to send, or under which key.
    open: bool,
}

/// What our reports say of what we send.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) ssrc: u32,
    pub(super) info: Option<SenderInfo>,
}

impl Sending {
    pub(super) fn new(negotiated: &Negotiated, law: Codec) -> Self {
        let sender = RtpSender::new(payload_types(negotiated), &mut rand::rng());
        let dtmf = DtmfSender::new(event_clock(negotiated));
        let packing = Packing::of(negotiated);
        let packer = packing.packer(law);
        let sealer = keys(negotiated).map(|(local, _)| Sealer::new(local));
        let mut new = Self {
            sender,
            law,
            packer,
            packing,
            dtmf,
            relay: Relay::new(),
            sealer,
            remote: negotiated.remote_rtp,
            awaits_key: false,
            heard: false,
            open: false,
        };
        new.awaits_key = negotiated.dtls.is_some();
        new.aim(negotiated);
        new
    }

    /// One tick: a DTMF packet if a digit is being sent, else this audio, if there is any. How many packets went out.
    pub(super) fn send(&mut self, socket: &UdpSocket, audio: Option<&[u8; FRAME_SAMPLES]>) -> u32 {
        let audio = audio.filter(|_| self.open);
        // A digit begins where the audio ends, so what waits for a whole packet goes first.
        let rest = if self.dtmf.is_idle() && audio.is_some() { 0 } else { self.end_packet(socket) };
        rest + match (self.dtmf.next_tick(self.sender.time()), audio) {
            (DtmfTick::Idle, Some(audio)) => match &mut self.packer {
                None => transmit(socket, self.sealer.as_mut(), self.sender.next_audio(audio, FRAME_SAMPLES as u32), self.remote),
                Some(packer) => {
                    packer.push(audio);
                    self.send_packed(socket)
                }
            },
            (DtmfTick::Packet(event), _) => {
                let bytes = self.sender.next_event(&event).filter(|_| self.open);
                bytes.map_or(0, |bytes| transmit(socket, self.sealer.as_mut(), bytes, self.remote))
            }
            (DtmfTick::Idle | DtmfTick::Gap, _) => {
                self.sender.skip();
                0
            }
        }
    }

    /// A packet of another leg, sent on as it is. How many packets went out.
    pub(super) fn pass_on(&mut self, socket: &UdpSocket, kind: PayloadKind, packet: &RtpPacket) -> u32 {
        if !self.open {
            return 0;
        }
        let passed = self.relay.pass_on(kind, packet, &mut self.sender);
        passed.map_or(0, |bytes| transmit(socket, self.sealer.as_mut(), bytes, self.remote))
    }

    /// Sends what waits for the rest of its packet, or lets its time pass on a call that is held.
    fn end_packet(&mut self, socket: &UdpSocket) -> u32 {
        let Some(packer) = &mut self.packer else { return 0 };
        packer.finish();
        self.send_packed(socket)
    }

    fn send_packed(&mut self, socket: &UdpSocket) -> u32 {
        let Self { packer, sender, sealer, remote, open, .. } = self;
        let mut sent = 0;
        while let Some(Packed { payload, ticks }) = packer.as_mut().and_then(Packer::poll_packet) {
            // An empty one: the codec sends nothing in silence.
            if *open && !payload.is_empty() {
                sent += transmit(socket, sealer.as_mut(), sender.next_audio(payload, ticks), *remote);
            } else {
                sender.pass(ticks);
            }
        }
        sent
    }

    /// A digit to be sent after those before it. False when 32 wait already.
    pub(super) fn push_dtmf(&mut self, digit: Digit) -> bool {
        self.dtmf.push(digit)
    }

    /// Of 256 packets of ours as many were lost lately, if a report has just told: the codec gives as much for it as that is worth.
    pub(super) fn expect_loss(&mut self, lost: Option<u8>) {
        if let (Some(packer), Some(lost)) = (&mut self.packer, lost) {
            packer.expect_loss(lost);
        }
    }

    /// Media comes from here, so it goes there.
    pub(super) fn aim_at(&mut self, source: SocketAddr) {
        self.remote = source;
        self.judge();
    }

    /// The handshake gave our key: another stream begins with it.
    pub(super) fn handle_key(&mut self, key: MasterKey) {
        self.sealer = Some(Sealer::new(key));
        self.awaits_key = false;
        self.sender.begin_anew(&mut rand::rng());
        self.judge();
    }

    /// A re-INVITE changed hold, address, codec or payload types.
    pub(super) fn renegotiate(&mut self, socket: &UdpSocket, negotiated: &Negotiated) {
        // A codec that remembers goes on through a hold.
        let packing = Packing::of(negotiated);
        if packing != self.packing {
            // What waits for the rest of its packet goes out as it was agreed before.
            self.end_packet(socket);
            self.packer = packing.packer(self.law);
            self.packing = packing;
        }
        self.sender.renegotiate(payload_types(negotiated));
        self.dtmf.renegotiate(event_clock(negotiated));
        if negotiated.dtls.is_some() {
            // What a handshake gave goes on until another one gives another key.
            self.awaits_key |= self.sealer.is_none();
            return self.aim(negotiated);
        }
        self.awaits_key = false;
        self.aim(negotiated);
        let key = keys(negotiated).map(|(local, _)| local);
        if self.sealer.as_ref().map(Sealer::key) != key.as_ref() {
            self.sealer = key.map(Sealer::new);
            self.sender.begin_anew(&mut rand::rng());
        }
    }

    /// Sends a report of ours, which is encrypted as audio is.
    pub(super) fn send_report(&mut self, socket: &UdpSocket, report: &[u8], remote: SocketAddr) {
        let sent = match &mut self.sealer {
            None if self.awaits_key => return,
            None => socket.send_to(report, remote),
            Some(sealer) => match sealer.seal_rtcp(report) {
                Some(sealed) => socket.send_to(&sealed, remote),
                None => return,
            },
        };
        if let Err(error) = sent {
            tracing::trace!(%error, "an RTCP report was not sent");
        }
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
        self.heard = negotiated.direction.sends();
        self.judge();
    }

    fn judge(&mut self) {
        let reachable = !self.remote.ip().is_unspecified() && self.remote.port() != 0;
        self.open = self.heard && reachable && !self.awaits_key;
    }
}

/// What frames become.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Packing {
    codec: LineCodec,
    ptime: Duration,
    wishes: OpusWishes,
}

impl Packing {
    fn of(negotiated: &Negotiated) -> Self {
        Self { codec: codec_of(negotiated.codec), ptime: negotiated.send_ptime, wishes: opus_wishes(negotiated) }
    }

    fn packer(self, law: Codec) -> Option<Packer> {
        Packer::of_law(self.codec, self.ptime, self.wishes, law)
    }
}

/// What the peer wants of Opus.
pub(super) fn opus_wishes(negotiated: &Negotiated) -> OpusWishes {
    let sip::sdp::OpusWishes { fec, dtx, cbr, bitrate_max } = negotiated.opus;
    OpusWishes { fec, dtx, cbr, bitrate_max }
}

/// The time of day that it was then.
pub(super) fn wall_clock(then: Instant) -> NtpTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    NtpTime::from_unix(now.saturating_sub(then.elapsed()))
}

/// Sends at once: one packet, or none. What the kernel cannot take is lost, like anything on the way; waiting would make the next frame late too.
fn transmit(socket: &UdpSocket, sealer: Option<&mut Sealer>, bytes: &[u8], remote: SocketAddr) -> u32 {
    let sent = match sealer {
        None => socket.send_to(bytes, remote),
        Some(sealer) => match sealer.seal(bytes) {
            Some(sealed) => socket.send_to(&sealed, remote),
            None => return 0,
        },
    };
    if let Err(error) = &sent {
        tracing::trace!(%error, "an RTP packet was not sent");
    }
    u32::from(sent.is_ok())
}
