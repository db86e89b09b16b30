//! The sockets of a leg: a pair of its own, or its place at the port that all WebRTC peers share.

use std::net::{SocketAddr, UdpSocket};

use sip::sdp::Negotiated;

use super::inbox::Arrived;
use crate::leg::ports::RtpSockets;
use crate::webrtc::{Knock, Membership};

/// What a leg sends and receives by.
#[derive(Debug)]
pub enum Way {
    /// A port for RTP, and the next one for RTCP.
    Own(RtpSockets),
    /// The shared port.
    Shared(SharedWay),
}

/// A place at the shared port.
#[derive(Debug)]
pub struct SharedWay {
    membership: Membership,
    /// Once the peer has chosen an address: what only that reaches.
    peer: Option<(SocketAddr, UdpSocket)>,
}

impl SharedWay {
    /// Of a peer that has not been heard of.
    pub(crate) fn new(membership: Membership) -> Self {
        Self { membership, peer: None }
    }
}

impl Way {
    /// What is sent by.
    pub(super) fn out(&self) -> &UdpSocket {
        match self {
            Self::Own(sockets) => &sockets.rtp,
            Self::Shared(shared) => shared.peer.as_ref().map_or_else(|| shared.membership.socket(), |(_, socket)| socket),
        }
    }

    /// What reports go out by.
    pub(super) fn reports_out(&self, shared_port: bool) -> &UdpSocket {
        match self {
            Self::Own(sockets) if !shared_port => &sockets.rtcp,
            _ => self.out(),
        }
    }

    /// What media is read from, if only this leg reads it.
    pub(super) fn own(&self) -> Option<&UdpSocket> {
        match self {
            Self::Own(sockets) => Some(&sockets.rtp),
            Self::Shared(shared) => shared.peer.as_ref().map(|(_, socket)| socket),
        }
    }

    /// What reports are read from, apart from media.
    pub(super) fn own_reports(&self) -> Option<&UdpSocket> {
        match self {
            Self::Own(sockets) => Some(&sockets.rtcp),
            Self::Shared(_) => None,
        }
    }

    /// The next datagram for this leg that came to no socket of its own.
    pub(super) fn poll_arrived(&self) -> Option<Arrived> {
        let Self::Shared(shared) = self else { return None };
        let Knock { at, from, datagram } = shared.membership.poll_knock()?;
        Some(Arrived { at, from, datagram })
    }

    /// Somebody there is the peer: all that comes from there is for this leg.
    pub(super) fn admit(&mut self, from: SocketAddr) {
        if let Self::Shared(shared) = self {
            shared.membership.admit(from);
        }
    }

    /// The peer has chosen this address.
    pub(super) fn select(&mut self, peer: SocketAddr) {
        let Self::Shared(shared) = self else { return };
        if shared.peer.as_ref().is_some_and(|(known, _)| *known == peer) {
            return;
        }
        shared.membership.admit(peer);
        // Else it goes on by way of the listener, as before.
        shared.peer = shared
            .membership
            .connect(peer)
            .inspect_err(|error| tracing::warn!(%error, "a peer gets no socket of its own"))
            .ok()
            .map(|socket| (peer, socket));
    }

    /// A later offer may have begun ICE anew.
    pub(super) fn renegotiate(&mut self, negotiated: &Negotiated) {
        let ice = negotiated.dtls.as_ref().and_then(|dtls| dtls.ice.as_ref());
        if let (Self::Shared(shared), Some(ice)) = (self, ice) {
            shared.membership.answer_to(&ice.local.ufrag);
        }
    }

    /// Whether the peer must show that it listens (RFC 7675): on the shared port all peers are browsers, which do.
    pub(super) fn wants_consent(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// What is sent by, for somebody who sends when the leg is gone.
    pub(super) fn last(&self) -> Option<UdpSocket> {
        match self {
            Self::Own(_) => None,
            Self::Shared(_) => self.out().try_clone().ok(),
        }
    }
}
