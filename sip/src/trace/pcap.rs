//! Capture files of classic pcap with raw IP packets (LINKTYPE_RAW), made up from the messages: what Wireshark and tcpdump read.
//!
//! A message over TCP or TLS becomes one segment in the clear, its numbers counted on in each direction.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::UNIX_EPOCH;

use super::Step;
use crate::flow::Transport;

const MAGIC: u32 = 0xa1b2_c3d4;
const LINKTYPE_RAW: u32 = 101;
/// Packets longer than this do not occur: an IP packet has 16 bits of length.
const SNAPLEN: u32 = 65_535;
/// The longest payload of one packet, headers left out.
const PAYLOAD_MAX: usize = 65_000;

const IP_TCP: u8 = 6;
const IP_UDP: u8 = 17;
const HOPS: u8 = 64;

/// The steps as a file.
pub fn file(steps: &[Step]) -> Vec<u8> {
    let mut file = Vec::with_capacity(24 + steps.iter().map(|step| step.message.len() + 80).sum::<usize>());
    file.extend_from_slice(&MAGIC.to_le_bytes());
    // Version 2.4, times in UTC, exact to the microsecond.
    for half in [2_u16, 4] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    for word in [0, 0, SNAPLEN, LINKTYPE_RAW] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    let mut numbers = HashMap::new();
    for step in steps {
        let packet = ip_packet(step, &mut numbers);
        let since = step.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let length = packet.len() as u32;
        for word in [since.as_secs() as u32, since.subsec_micros(), length, length] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&packet);
    }
    file
}

fn ip_packet(step: &Step, numbers: &mut HashMap<(SocketAddr, SocketAddr), u32>) -> Vec<u8> {
    let (source, target) = step.ends();
    let payload = &step.message[..step.message.len().min(PAYLOAD_MAX)];
    let (protocol, mut segment) = if step.transport == Transport::Udp {
        (IP_UDP, udp(source, target, payload))
    } else {
        let acknowledged = numbers.get(&(target, source)).copied().unwrap_or(1);
        let number = numbers.entry((source, target)).or_insert(1);
        let segment = tcp(source, target, [*number, acknowledged], payload);
        *number = number.wrapping_add(payload.len() as u32);
        (IP_TCP, segment)
    };
    // The sum is over addresses, protocol and length too; it stands behind two ports and a length, or at 16 in TCP.
    let at = if protocol == IP_UDP { 6 } else { 16 };
    let mut sum = Sum::default();
    let (source, target) = (source.ip(), target.ip());
    sum.add_ip(source);
    sum.add_ip(target);
    sum.add(&u16::from(protocol).to_be_bytes());
    sum.add(&(segment.len() as u16).to_be_bytes());
    sum.add(&segment);
    segment[at..at + 2].copy_from_slice(&sum.value().to_be_bytes());
    let mut packet = ip_head(source, target, protocol, segment.len());
    packet.extend_from_slice(&segment);
    packet
}

fn udp(source: SocketAddr, target: SocketAddr, payload: &[u8]) -> Vec<u8> {
    const HEAD: usize = 8;
    let mut segment = Vec::with_capacity(HEAD + payload.len());
    for half in [source.port(), target.port(), (HEAD + payload.len()) as u16, 0] {
        segment.extend_from_slice(&half.to_be_bytes());
    }
    segment.extend_from_slice(payload);
    segment
}

fn tcp(source: SocketAddr, target: SocketAddr, numbers: [u32; 2], payload: &[u8]) -> Vec<u8> {
    /// Five words of head, PSH and ACK.
    const LENGTH_AND_FLAGS: u16 = 0x5018;
    let mut segment = Vec::with_capacity(20 + payload.len());
    for half in [source.port(), target.port()] {
        segment.extend_from_slice(&half.to_be_bytes());
    }
    for word in numbers {
        segment.extend_from_slice(&word.to_be_bytes());
    }
    for half in [LENGTH_AND_FLAGS, u16::MAX, 0, 0] {
        segment.extend_from_slice(&half.to_be_bytes());
    }
    segment.extend_from_slice(payload);
    segment
}

fn ip_head(source: IpAddr, target: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            let total = (20 + length) as u16;
            let mut head = vec![0x45, 0];
            head.extend_from_slice(&total.to_be_bytes());
            head.extend_from_slice(&[0, 0, 0, 0, HOPS, protocol, 0, 0]);
            head.extend_from_slice(&source.octets());
            head.extend_from_slice(&target.octets());
            let mut sum = Sum::default();
            sum.add(&head);
            head[10..12].copy_from_slice(&sum.value().to_be_bytes());
            head
        }
        (source, target) => {
            let mut head = vec![0x60, 0, 0, 0];
            head.extend_from_slice(&(length as u16).to_be_bytes());
            head.extend_from_slice(&[protocol, HOPS]);
            for ip in [source, target] {
                let ip = match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                head.extend_from_slice(&ip.octets());
            }
            head
        }
    }
}

/// The sum of the internet (RFC 1071).
#[derive(Default)]
struct Sum(u64);

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks(2) {
            self.0 += u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        }
    }

    fn add_ip(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => self.add(&ip.octets()),
            IpAddr::V6(ip) => self.add(&ip.octets()),
        }
    }

    /// Zero would mean that there is none.
    fn value(&self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        match !(sum as u16) {
            0 => 0xffff,
            value => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn step(transport: Transport, sent: bool, message: &str) -> Step {
        Step {
            at: UNIX_EPOCH + Duration::from_micros(1_000_002),
            sent,
            transport,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "192.0.2.2:5070".parse().unwrap(),
            message: message.into(),
        }
    }

    /// What a receiver checks: all of it with its sum gives nothing.
    fn sums_up(packet: &[u8]) -> bool {
        let (head, segment) = packet.split_at(20);
        let mut ip = Sum::default();
        ip.add(head);
        let mut inner = Sum::default();
        inner.add(&head[12..20]);
        inner.add(&[0, head[9]]);
        inner.add(&(segment.len() as u16).to_be_bytes());
        inner.add(segment);
        [ip, inner].iter().all(|sum| sum.value() == 0xffff)
    }

    #[test]
    fn a_file_has_its_head_and_a_record_a_message() {
        let file = file(&[step(Transport::Udp, false, "BYE"), step(Transport::Udp, true, "OK!!")]);
        assert_eq!(file[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
        let record = &file[24..];
        assert_eq!(record[..16], [1, 0, 0, 0, 2, 0, 0, 0, 31, 0, 0, 0, 31, 0, 0, 0]);
        let (first, second) = (&record[16..47], &record[47 + 16..]);
        assert_eq!((first.len(), second.len()), (31, 32));
        assert!(sums_up(first) && sums_up(second));
        assert_eq!(first[12..20], [192, 0, 2, 2, 192, 0, 2, 1]);
        assert_eq!(first[28..], *b"BYE");
    }

    #[test]
    fn segments_of_a_connection_are_numbered_in_each_direction() {
        let file =
            file(&[step(Transport::Tcp, false, "one"), step(Transport::Tcp, true, "fourth"), step(Transport::Tls, false, "two")]);
        let mut rest = &file[24..];
        let mut numbers = Vec::new();
        while let [_, _, _, _, _, _, _, _, low, high, ..] = *rest {
            let packet = &rest[16..16 + usize::from(u16::from_le_bytes([low, high]))];
            assert!(sums_up(packet));
            numbers.push((packet[27], packet[31]));
            rest = &rest[16 + packet.len()..];
        }
        assert_eq!(numbers, [(1, 1), (1, 4), (4, 7)]);
    }
}
