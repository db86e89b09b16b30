//! What a datagram on a port is that STUN, DTLS and media share (RFC 7983 §7).

/// A protocol by the first octet of its packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// Records of a handshake, of alerts or of data.
    Dtls,
    /// RTP and RTCP, encrypted or not.
    Media,
    /// A check of ICE, or the answer to one.
    Stun,
    /// Nothing that we speak: ZRTP, a TURN channel, QUIC, or no octet at all.
    Other,
}

impl Protocol {
    /// Of a datagram.
    pub fn of(datagram: &[u8]) -> Self {
        match datagram.first() {
            Some(0..=3) => Self::Stun,
            Some(20..=63) => Self::Dtls,
            Some(128..=191) => Self::Media,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_octet_tells_protocols_apart() {
        let all: Vec<Protocol> = (0..=255).map(|first| Protocol::of(&[first, 0])).collect();
        let count = |protocol| all.iter().filter(|found| **found == protocol).count();
        assert_eq!((count(Protocol::Stun), count(Protocol::Dtls), count(Protocol::Media)), (4, 44, 64));
        assert_eq!([Protocol::of(&[]), Protocol::of(&[16]), Protocol::of(&[64])], [Protocol::Other; 3]);
        assert_eq!([0, 22, 0x80].map(|first| Protocol::of(&[first])), [Protocol::Stun, Protocol::Dtls, Protocol::Media]);
    }
}
