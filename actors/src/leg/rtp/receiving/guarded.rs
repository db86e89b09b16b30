//! What a leg receives whose keys come from a handshake, or whose peer is found by ICE.

use std::net::SocketAddr;
use std::time::Instant;

use media::demux::Protocol;
use media::source::SourceRule;
use media::srtp::MasterKey;
use sip::locate::Family;

use super::Receiving;
use crate::leg::rtp::inbox::Arrived;
use crate::leg::rtp::secure;

impl Receiving {
    /// Media comes from there, and reports go there: the peer has shown that it is there.
    pub(in crate::leg::rtp) fn follow(&mut self, peer: SocketAddr) {
        self.rtcp_remote = peer;
        self.family = Family::of(peer.ip());
        if self.pin.pinned() != Some(peer) {
            self.pin.relearn(SourceRule::Expect(peer));
        }
    }

    /// The handshake gave the peer's key.
    pub(in crate::leg::rtp) fn handle_keys(&mut self, now: Instant, key: MasterKey) {
        self.openers.choose(Some(key));
        if let Some(secure) = &self.secure {
            secure::count("connected");
            tracing::info!(call = %self.ports.id, waited = ?secure.waited(now), "media is encrypted by a handshake");
        }
    }

    /// Whether a datagram of a leg with a handshake is media that can be read, from a place that may be the peer's; else what it is is
    /// done, or it is counted.
    pub(super) fn is_media(&mut self, arrived: &Arrived) -> bool {
        let Some(secure) = &mut self.secure else { return true };
        let protocol = Protocol::of(&arrived.datagram);
        let refused = match protocol {
            Protocol::Media if !secure.takes_from(arrived.from) => Err("source"),
            Protocol::Media if self.openers.current().is_none() => Err("srtp"),
            Protocol::Media => {
                // Of ICE's valid addresses any is the peer's.
                if secure.has_ice() && self.pin.pinned() != Some(arrived.from) {
                    self.pin.relearn(SourceRule::Expect(arrived.from));
                }
                return true;
            }
            _ => secure.handle(protocol, arrived),
        };
        if let Err(reason) = refused {
            self.reject(reason);
        }
        false
    }
}

#[cfg(test)]
impl Receiving {
    pub(in crate::leg::rtp) fn rejected(&self) -> &[(&'static str, u64)] {
        &self.rejected
    }

    pub(in crate::leg::rtp) fn pinned(&self) -> Option<SocketAddr> {
        self.pin.pinned()
    }
}
