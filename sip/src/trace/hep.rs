//! HEP3, the packets in which Homer collects messages (the HEP protocol, revision 36).
//!
//! ```text
//! "HEP3" length │ chunk: vendor 0, type, length, value │ chunk │ ...
//! ```

use std::net::{IpAddr, SocketAddr};
use std::time::UNIX_EPOCH;

use super::Step;
use crate::flow::Transport;

/// The longest payload: what fits into a datagram with everything around it.
pub const PAYLOAD_MAX: usize = 60_000;

/// Types of chunks.
mod chunk {
    pub const FAMILY: u16 = 1;
    pub const PROTOCOL: u16 = 2;
    pub const SOURCE_V4: u16 = 3;
    pub const TARGET_V4: u16 = 4;
    pub const SOURCE_V6: u16 = 5;
    pub const TARGET_V6: u16 = 6;
    pub const SOURCE_PORT: u16 = 7;
    pub const TARGET_PORT: u16 = 8;
    pub const SECONDS: u16 = 9;
    pub const MICROSECONDS: u16 = 10;
    pub const KIND: u16 = 11;
    pub const AGENT: u16 = 12;
    pub const KEY: u16 = 14;
    pub const PAYLOAD: u16 = 15;
    pub const CORRELATION: u16 = 17;
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IP_TCP: u8 = 6;
const IP_UDP: u8 = 17;
const KIND_SIP: u8 = 1;

/// The step as one datagram for a collector: `agent` says who captured it, `key` is what the collector wants to see, empty for none,
/// `correlation` is the call's id. A payload above [`PAYLOAD_MAX`] is cut.
pub fn packet(step: &Step, agent: u32, key: &str, correlation: &str) -> Vec<u8> {
    let mut packet = b"HEP3\0\0".to_vec();
    let (source, target) = step.ends();
    let family = if source.is_ipv4() { AF_INET } else { AF_INET6 };
    let protocol = if step.transport == Transport::Udp { IP_UDP } else { IP_TCP };
    let since = step.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    push(&mut packet, chunk::FAMILY, &[family]);
    push(&mut packet, chunk::PROTOCOL, &[protocol]);
    push_address(&mut packet, source, [chunk::SOURCE_V4, chunk::SOURCE_V6]);
    push_address(&mut packet, target, [chunk::TARGET_V4, chunk::TARGET_V6]);
    push(&mut packet, chunk::SOURCE_PORT, &source.port().to_be_bytes());
    push(&mut packet, chunk::TARGET_PORT, &target.port().to_be_bytes());
    // Seconds are 32 bits there, until 2106.
    push(&mut packet, chunk::SECONDS, &(since.as_secs() as u32).to_be_bytes());
    push(&mut packet, chunk::MICROSECONDS, &since.subsec_micros().to_be_bytes());
    push(&mut packet, chunk::KIND, &[KIND_SIP]);
    push(&mut packet, chunk::AGENT, &agent.to_be_bytes());
    if !key.is_empty() {
        push(&mut packet, chunk::KEY, key.as_bytes());
    }
    if !correlation.is_empty() {
        push(&mut packet, chunk::CORRELATION, correlation.as_bytes());
    }
    push(&mut packet, chunk::PAYLOAD, &step.message[..step.message.len().min(PAYLOAD_MAX)]);
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    packet[4..6].copy_from_slice(&length.to_be_bytes());
    packet
}

fn push_address(packet: &mut Vec<u8>, address: SocketAddr, [v4, v6]: [u16; 2]) {
    match address.ip() {
        IpAddr::V4(ip) => push(packet, v4, &ip.octets()),
        IpAddr::V6(ip) => push(packet, v6, &ip.octets()),
    }
}

fn push(packet: &mut Vec<u8>, kind: u16, value: &[u8]) {
    const HEAD: usize = 6;
    let length = u16::try_from(HEAD + value.len()).unwrap_or(u16::MAX);
    packet.extend_from_slice(&0_u16.to_be_bytes());
    packet.extend_from_slice(&kind.to_be_bytes());
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_step_becomes_the_chunks_of_the_protocol() {
        let step = Step {
            at: UNIX_EPOCH + Duration::from_micros(1_500_000),
            sent: false,
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "192.0.2.2:5070".parse().unwrap(),
            message: b"BYE".to_vec(),
        };
        let packet = packet(&step, 7, "key", "id");
        assert_eq!(packet[..4], *b"HEP3");
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
        let (mut rest, mut chunks) = (&packet[6..], Vec::new());
        while let [0, 0, 0, kind, high, low, ..] = *rest {
            let length = usize::from(u16::from_be_bytes([high, low]));
            chunks.push(format!("{kind}={:?}", &rest[6..length]));
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
        let expected = "1=[2] 2=[17] 3=[192, 0, 2, 2] 4=[192, 0, 2, 1] 7=[19, 206] 8=[19, 196] 9=[0, 0, 0, 1] \
                        10=[0, 7, 161, 32] 11=[1] 12=[0, 0, 0, 7] 14=[107, 101, 121] 17=[105, 100] 15=[66, 89, 69]";
        assert_eq!(chunks.join(" "), expected);
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_other_family_is_told() {
        let step = Step {
            at: UNIX_EPOCH,
            sent: true,
            transport: Transport::Tls,
            local: "[2001:db8::1]:5061".parse().unwrap(),
            remote: "[2001:db8::2]:5061".parse().unwrap(),
            message: vec![b'x'; 100_000],
        };
        let packet = packet(&step, 1, "", "");
        assert!(packet.len() < 65_507 && packet.len() > PAYLOAD_MAX);
        assert_eq!(packet[12], AF_INET6);
    }
}
