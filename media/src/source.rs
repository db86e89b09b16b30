//! Symmetric RTP: whose packets a leg takes, and where it sends its own.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::rtcp::MAX_DROPOUT;
use crate::rtp::RtpPacket;

/// Whom a leg may be pinned to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceRule {
    /// Whoever comes from the host of this address of the peer's SDP, at once. The peer may be behind NAT, so anybody else is taken too,
    /// after [`PROBATION`], as long as that host is silent.
    Expect(SocketAddr),
    /// Whoever comes from this host and nobody else: a trunk known to send from where its SDP says. The port stays open, NAT or not.
    Host(IpAddr),
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// The first one of its source, which is pinned from now on; send there.
    Learned,
    /// From the pinned source.
    Known,
    /// From anyone else: drop it; counted as `source` in `rtp_rejected_total`.
    Stranger,
}

/// Packets of one stream, in order and without a gap, by which somebody whom nobody announced shows that it is no stray: 80 ms of a
/// caller behind NAT are not heard. Who only tries ports (RTP bleed) has to stay with each of them.
pub const PROBATION: u32 = 5;

/// After this long without a packet the pinned host may come from another port: its NAT has forgotten it, or it began anew.
pub const REBIND_SILENCE: Duration = Duration::from_millis(500);

/// Strangers on probation at once; one more takes the place of who came first.
const CANDIDATES_MAX: usize = 4;

/// Pins a leg to one source and keeps strangers out (RFC 4961; against RTP bleed and injection).
///
/// ```text
/// nobody pinned    from the SDP's host: pinned at once     else: pinned after PROBATION
/// pinned           another host: a stranger, except the SDP's own host, which takes over from any other after PROBATION
///                  its own host, another port: after half a second of silence, at once if it goes on with the stream, else after
///                  PROBATION
/// ```
/// Feed it only packets that parsed and whose payload type was negotiated, so that a stray datagram pins nothing. An SSRC change of the
/// pinned source is no concern of it. Only [`Self::relearn`] unpins.
#[derive(Debug)]
pub struct SourcePin {
    rule: SourceRule,
    pinned: Option<Pinned>,
    candidates: Vec<Candidate>,
    strangers: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pinned {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    last: Instant,
}

/// A stream that nobody announced.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    packets: u32,
}

impl SourcePin {
    /// Not pinned yet.
    pub fn new(rule: SourceRule) -> Self {
        Self { rule, pinned: None, candidates: Vec::new(), strangers: 0 }
    }

    /// Judges the source of one valid packet.
    pub fn handle_packet(&mut self, now: Instant, from: SocketAddr, packet: &RtpPacket) -> Source {
        let (ssrc, sequence) = (packet.ssrc, packet.sequence);
        if let Some(pinned) = self.pinned.as_mut().filter(|pinned| pinned.from == from) {
            *pinned = Pinned { from, ssrc, sequence, last: now };
            return Source::Known;
        }
        if self.may_be_pinned(now, from, packet) {
            self.pinned = Some(Pinned { from, ssrc, sequence, last: now });
            self.candidates.clear();
            return Source::Learned;
        }
        self.strangers += 1;
        Source::Stranger
    }

    fn may_be_pinned(&mut self, now: Instant, from: SocketAddr, packet: &RtpPacket) -> bool {
        let announced = match self.rule {
            SourceRule::Expect(address) => same_host(from, address.ip()),
            SourceRule::Host(host) if !same_host(from, host) => return false,
            SourceRule::Host(_) => true,
        };
        match self.pinned {
            None => announced || self.passes_probation(from, packet),
            Some(pinned) if same_host(from, pinned.from.ip()) => {
                let silent = now.saturating_duration_since(pinned.last) >= REBIND_SILENCE;
                silent && (pinned.goes_on_with(packet) || self.passes_probation(from, packet))
            }
            Some(_) => announced && self.passes_probation(from, packet),
        }
    }

    /// True for the packet that ends it well.
    fn passes_probation(&mut self, from: SocketAddr, packet: &RtpPacket) -> bool {
        let (ssrc, sequence) = (packet.ssrc, packet.sequence);
        let candidates = &mut self.candidates;
        let Some(candidate) = candidates.iter_mut().find(|candidate| candidate.from == from && candidate.ssrc == ssrc) else {
            if candidates.len() == CANDIDATES_MAX {
                candidates.remove(0);
            }
            candidates.push(Candidate { from, ssrc, sequence, packets: 1 });
            return false;
        };
        let in_order = sequence == candidate.sequence.wrapping_add(1);
        candidate.packets = if in_order { candidate.packets + 1 } else { 1 };
        candidate.sequence = sequence;
        candidate.packets >= PROBATION
    }

    /// The pinned source; before there is one, send to the address in the SDP.
    pub fn pinned(&self) -> Option<SocketAddr> {
        self.pinned.map(|pinned| pinned.from)
    }

    /// After a re-INVITE: forgets the source if it moved the peer's media. If it did not, whoever is pinned stays, and strangers gain
    /// nothing by a hold.
    pub fn relearn(&mut self, rule: SourceRule) {
        if rule != self.rule {
            self.rule = rule;
            self.pinned = None;
            self.candidates.clear();
        }
    }

    /// Packets of strangers since the leg began.
    pub fn strangers(&self) -> u64 {
        self.strangers
    }
}

impl Pinned {
    /// The same stream, a little further on: what nobody knows who did not see it.
    fn goes_on_with(&self, packet: &RtpPacket) -> bool {
        let ahead = packet.sequence.wrapping_sub(self.sequence);
        packet.ssrc == self.ssrc && (1..=MAX_DROPOUT).contains(&u64::from(ahead))
    }
}

fn same_host(from: SocketAddr, host: IpAddr) -> bool {
    from.ip().to_canonical() == host.to_canonical()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::units::RtpTime;

    fn packet(ssrc: u32, sequence: u16) -> RtpPacket {
        let timestamp = RtpTime(0);
        RtpPacket { payload_type: 0, marker: false, sequence, timestamp, ssrc, payload: Bytes::from_static(&[0; 160]) }
    }

    /// Steps: `ADDRESS/SSRC/FIRST-LAST` are packets of a stream, 20 ms apart; `+MS` goes by; `sdp=ADDRESS` is a re-INVITE. Equal
    /// verdicts in a row are counted.
    #[track_caller]
    #[allow(clippy::disallowed_methods)]
    fn check(rule: SourceRule, steps: &str, expected: &str) -> SourcePin {
        let (mut pin, mut now) = (SourcePin::new(rule), Instant::now());
        let mut judged: Vec<(String, u32)> = Vec::new();
        for step in steps.split_whitespace() {
            if let Some(milliseconds) = step.strip_prefix('+') {
                now += Duration::from_millis(milliseconds.parse().unwrap());
                continue;
            }
            if let Some(address) = step.strip_prefix("sdp=") {
                pin.relearn(SourceRule::Expect(address.parse().unwrap()));
                continue;
            }
            let mut parts = step.split('/');
            let (from, ssrc) = (parts.next().unwrap().parse().unwrap(), parts.next().unwrap_or("1").parse().unwrap());
            let (first, last) = parts.next().unwrap_or("1-1").split_once('-').unwrap();
            for sequence in first.parse::<u16>().unwrap()..=last.parse().unwrap() {
                let verdict = format!("{:?}", pin.handle_packet(now, from, &packet(ssrc, sequence)));
                now += Duration::from_millis(20);
                match judged.last_mut().filter(|(name, _)| *name == verdict) {
                    Some((_, times)) => *times += 1,
                    None => judged.push((verdict, 1)),
                }
            }
        }
        let text: Vec<_> = judged.iter().map(|(name, times)| format!("{times} {name}")).collect();
        assert_eq!(text.join(", "), expected, "steps {steps:?}");
        pin
    }

    fn sdp() -> SourceRule {
        SourceRule::Expect("203.0.113.1:4000".parse().unwrap())
    }

    #[test]
    fn the_host_of_the_sdp_is_taken_at_once_from_any_port() {
        let pin = check(sdp(), "203.0.113.1:9 203.0.113.1:9/1/2-5 198.51.100.6:10/9/1-90", "1 Learned, 4 Known, 90 Stranger");
        assert_eq!((pin.pinned(), pin.strangers()), (Some("203.0.113.1:9".parse().unwrap()), 90));
        check(sdp(), "[::ffff:203.0.113.1]:9", "1 Learned");
    }

    #[test]
    fn a_caller_behind_nat_is_taken_after_its_probation() {
        check(sdp(), "198.51.100.6:10/1/1-6", "4 Stranger, 1 Learned, 1 Known");
        // A gap begins it anew, and so does another stream.
        check(sdp(), "198.51.100.6:10/1/1-4 198.51.100.6:10/1/6-10", "8 Stranger, 1 Learned");
        check(sdp(), "198.51.100.6:10/1/1-4 198.51.100.6:10/2/5-8 198.51.100.6:10/2/9-9", "8 Stranger, 1 Learned");
    }

    #[test]
    fn whoever_sprays_ports_is_not_first_and_does_not_stay() {
        // One packet to each port.
        check(sdp(), "192.0.2.66:5 192.0.2.66:6 203.0.113.1:9/1/1-2 192.0.2.66:5", "2 Stranger, 1 Learned, 1 Known, 1 Stranger");
        // It stayed, and was taken for a caller behind NAT until the right one came.
        check(
            sdp(),
            "192.0.2.66:5/7/1-200 203.0.113.1:9/1/1-6 192.0.2.66:5/7/201-300",
            "4 Stranger, 1 Learned, 195 Known, 4 Stranger, 1 Learned, 1 Known, 100 Stranger",
        );
        // Among others on probation the right one is still found.
        check(sdp(), "192.0.2.66:5/7/1-4 192.0.2.67:5/7/1-4 192.0.2.68:5/7/1-4 198.51.100.6:10/1/1-5", "16 Stranger, 1 Learned");
    }

    #[test]
    fn a_pinned_caller_behind_nat_is_not_replaced_by_another_host() {
        check(sdp(), "198.51.100.6:10/1/1-6 +60000 192.0.2.66:5/1/7-90", "4 Stranger, 1 Learned, 1 Known, 84 Stranger");
    }

    #[test]
    fn a_nat_that_forgot_is_followed_with_the_stream_or_after_probation() {
        check(sdp(), "203.0.113.1:9/1/1-2 +480 203.0.113.1:8/1/3-4", "1 Learned, 1 Known, 1 Learned, 1 Known");
        // While the old port speaks, nobody takes its place.
        check(sdp(), "203.0.113.1:9/1/1-2 203.0.113.1:8/1/3-22 203.0.113.1:9/1/3-3", "1 Learned, 1 Known, 20 Stranger, 1 Known");
        // Another stream, or one far away, has to show itself.
        check(sdp(), "203.0.113.1:9/1/1-2 +480 203.0.113.1:8/2/1-5", "1 Learned, 1 Known, 4 Stranger, 1 Learned");
        check(sdp(), "203.0.113.1:9/1/5-6 +480 203.0.113.1:8/1/1-5", "1 Learned, 1 Known, 4 Stranger, 1 Learned");
    }

    #[test]
    fn only_a_re_invite_that_moves_the_media_unpins() {
        check(sdp(), "203.0.113.1:9 sdp=203.0.113.1:4000 203.0.113.1:8 203.0.113.1:9", "1 Learned, 1 Stranger, 1 Known");
        check(sdp(), "203.0.113.1:9 sdp=203.0.113.1:4002 203.0.113.1:8", "2 Learned");
        check(sdp(), "203.0.113.1:9 sdp=198.51.100.7:4000 203.0.113.1:9 198.51.100.7:4000", "1 Learned, 1 Stranger, 1 Learned");
    }

    #[test]
    fn a_host_rule_keeps_all_others_out_for_ever() {
        let rule = SourceRule::Host("203.0.113.1".parse().unwrap());
        check(
            rule,
            "198.51.100.6:10/1/1-50 203.0.113.1:99/1/1-2 [::ffff:203.0.113.1]:99",
            "50 Stranger, 1 Learned, 1 Known, 1 Stranger",
        );
    }
}
