//! Symmetric RTP: whose packets a leg takes, and where it sends its own.

use std::net::{IpAddr, SocketAddr};

/// Whom a leg may be pinned to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceRule {
    /// Whoever comes first: the peer may be behind NAT, so its SDP need not tell.
    Any,
    /// Whoever comes first from this address: a trunk known to send from where its SDP says. The port stays open, NAT
    /// or not.
    Host(IpAddr),
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// The first one: its source is pinned from now on; send there.
    Learned,
    /// From the pinned source.
    Known,
    /// From anyone else: drop it; counted as `source` in `rtp_rejected_total`.
    Stranger,
}

/// Pins a leg to the first valid source and keeps strangers out (RFC 4961; against RTP bleed).
///
/// Feed it only packets that parsed and whose payload type was negotiated, so that a stray datagram pins nothing.
/// An SSRC change is no concern of it. Only [`Self::relearn`] unpins.
#[derive(Debug)]
pub struct SourcePin {
    rule: SourceRule,
    pinned: Option<SocketAddr>,
    strangers: u64,
}

impl SourcePin {
    /// Not pinned yet.
    pub fn new(rule: SourceRule) -> Self {
        Self { rule, pinned: None, strangers: 0 }
    }

    /// Judges the source of one valid packet.
    pub fn handle_packet(&mut self, from: SocketAddr) -> Source {
        let allowed = match self.rule {
            SourceRule::Any => true,
            SourceRule::Host(host) => host.to_canonical() == from.ip().to_canonical(),
        };
        match self.pinned {
            Some(pinned) if pinned == from => Source::Known,
            None if allowed => {
                self.pinned = Some(from);
                Source::Learned
            }
            _ => {
                self.strangers += 1;
                Source::Stranger
            }
        }
    }

    /// The pinned source; before there is one, send to the address in the SDP.
    pub fn pinned(&self) -> Option<SocketAddr> {
        self.pinned
    }

    /// Forgets the source after a re-INVITE that moved the peer's media.
    pub fn relearn(&mut self, rule: SourceRule) {
        self.rule = rule;
        self.pinned = None;
    }

    /// Packets of strangers since the leg began.
    pub fn strangers(&self) -> u64 {
        self.strangers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: SourceRule, sources: &str, expected: &str) {
        let mut pin = SourcePin::new(rule);
        let judged: Vec<String> = sources
            .split_whitespace()
            .map(|source| match source {
                "relearn" => {
                    pin.relearn(rule);
                    format!("relearn/{}", pin.strangers())
                }
                source => format!("{:?}", pin.handle_packet(source.parse().unwrap())),
            })
            .collect();
        assert_eq!(judged.join(" "), expected);
    }

    #[test]
    fn the_first_source_wins_and_strangers_are_counted() {
        check(
            SourceRule::Any,
            "1.1.1.1:10 1.1.1.1:10 2.2.2.2:10 1.1.1.1:12 1.1.1.1:10 relearn 2.2.2.2:10",
            "Learned Known Stranger Stranger Known relearn/2 Learned",
        );
    }

    #[test]
    fn an_expected_host_keeps_others_from_being_first() {
        check(
            SourceRule::Host("1.1.1.1".parse().unwrap()),
            "2.2.2.2:10 1.1.1.1:99 1.1.1.1:99 2.2.2.2:10 [::ffff:1.1.1.1]:99",
            "Stranger Learned Known Stranger Stranger",
        );
        check(SourceRule::Host("1.1.1.1".parse().unwrap()), "[::ffff:1.1.1.1]:99", "Learned");
    }

    #[test]
    fn nothing_is_pinned_before_the_first_packet() {
        let mut pin = SourcePin::new(SourceRule::Any);
        assert_eq!(pin.pinned(), None);
        let from = "1.1.1.1:10".parse().unwrap();
        pin.handle_packet(from);
        assert_eq!(pin.pinned(), Some(from));
    }
}
