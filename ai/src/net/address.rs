//! Where an IP address leads, by IANA's registries of special-purpose addresses (RFC 6890) and by what clouds put where.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// A host of the Internet.
    Internet,
    /// This machine, or a private network.
    Local,
    /// Where a cloud tells a machine its own keys, and all else that is link-local: nothing that anyone could mean is there.
    Metadata,
    /// No host: multicast, documentation, tunnels, and what is nobody's.
    Reserved,
}

impl Place {
    /// Where `address` leads. One that holds an IPv4 address leads where that does.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => embedded_v4(address).map_or_else(|| of_v6(address), of_v4),
        }
    }
}

/// A network: its first address, the length of its prefix in bits (1 or more), and where it leads.
type Network<A> = (A, u32, Place);

/// The first row that has an address counts; one in none is of the Internet.
const V4: &[Network<Ipv4Addr>] = &[
    // Alibaba Cloud; the platform's own address in Azure.
    (Ipv4Addr::new(100, 100, 100, 200), 32, Place::Metadata),
    (Ipv4Addr::new(168, 63, 129, 16), 32, Place::Metadata),
    // "This network", which Linux takes for this machine: RFC 1122 §3.2.1.3.
    (Ipv4Addr::new(0, 0, 0, 0), 8, Place::Reserved),
    // Private: RFC 1918.
    (Ipv4Addr::new(10, 0, 0, 0), 8, Place::Local),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Place::Local),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Place::Local),
    // Shared by a carrier's customers: RFC 6598.
    (Ipv4Addr::new(100, 64, 0, 0), 10, Place::Local),
    // Loopback: RFC 1122 §3.2.1.3.
    (Ipv4Addr::new(127, 0, 0, 0), 8, Place::Local),
    // Link-local, RFC 3927: the metadata services of nearly all clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16, Place::Metadata),
    // Protocol assignments: RFC 6890 §2.1. Oracle's older cloud has 192.0.0.192.
    (Ipv4Addr::new(192, 0, 0, 0), 24, Place::Reserved),
    // Documentation: RFC 5737.
    (Ipv4Addr::new(192, 0, 2, 0), 24, Place::Reserved),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Place::Reserved),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Place::Reserved),
    // Relays of 6to4, given up: RFC 7526.
    (Ipv4Addr::new(192, 88, 99, 0), 24, Place::Reserved),
    // Benchmarks: RFC 2544.
    (Ipv4Addr::new(198, 18, 0, 0), 15, Place::Reserved),
    // Multicast: RFC 5771. Kept for later, and broadcast: RFC 1112 §4, RFC 919.
    (Ipv4Addr::new(224, 0, 0, 0), 4, Place::Reserved),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Place::Reserved),
];

/// The first row that has an address counts; one in none is nobody's. Addresses that hold an IPv4 one are not asked here.
const V6: &[Network<Ipv6Addr>] = &[
    // The services of AWS for its machines; Google Cloud, Oracle, Linode, Alibaba Cloud, Scaleway.
    (Ipv6Addr::new(0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0), 32, Place::Metadata),
    (Ipv6Addr::new(0xFD20, 0xCE, 0, 0, 0, 0, 0, 0x254), 128, Place::Metadata),
    (Ipv6Addr::new(0xFD00, 0xC1, 0, 0, 0, 0, 0xA9FE, 0xA9FE), 128, Place::Metadata),
    (Ipv6Addr::new(0xFD00, 0xA9FE, 0xA9FE, 0, 0, 0, 0, 1), 128, Place::Metadata),
    (Ipv6Addr::new(0xFD00, 0x100, 0, 0, 0, 0, 0x100, 0x200), 128, Place::Metadata),
    (Ipv6Addr::new(0xFD00, 0x42, 0, 0, 0, 0, 0, 0x42), 128, Place::Metadata),
    // Loopback: RFC 4291 §2.5.3.
    (Ipv6Addr::LOCALHOST, 128, Place::Local),
    // Unique local: RFC 4193.
    (Ipv6Addr::new(0xFC00, 0, 0, 0, 0, 0, 0, 0), 7, Place::Local),
    // Link-local: RFC 4291 §2.5.6.
    (Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 0), 10, Place::Metadata),
    // Protocol assignments: RFC 2928; with Teredo (RFC 4380), benchmarks (RFC 5180), ORCHIDv2 (RFC 7343).
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Place::Reserved),
    // Documentation: RFC 3849, RFC 9637; the rest of the second's /16 is nobody's.
    (Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 0), 32, Place::Reserved),
    (Ipv6Addr::new(0x3FFF, 0, 0, 0, 0, 0, 0, 0), 16, Place::Reserved),
    // All that is routed: RFC 4291 §2.4. Beyond it are multicast, site-local (RFC 3879), discard-only (RFC 6666), translation within
    // a network (RFC 8215), segment identifiers (RFC 9602), and addresses that held an IPv4 one in ways nobody uses.
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Place::Internet),
];

fn of_v4(address: Ipv4Addr) -> Place {
    let differs = |network: Ipv4Addr, length: u32| (address.to_bits() ^ network.to_bits()) >> (u32::BITS - length);
    V4.iter().find(|(network, length, _)| differs(*network, *length) == 0).map_or(Place::Internet, |(_, _, place)| *place)
}

fn of_v6(address: Ipv6Addr) -> Place {
    let differs = |network: Ipv6Addr, length: u32| (address.to_bits() ^ network.to_bits()) >> (u128::BITS - length);
    V6.iter().find(|(network, length, _)| differs(*network, *length) == 0).map_or(Place::Reserved, |(_, _, place)| *place)
}

/// The IPv4 address that this one leads to: mapped (RFC 4291 §2.5.5.2), translated (NAT64, RFC 6052 §2.1), 6to4 (RFC 3056), and an
/// ISATAP interface, whatever its prefix (RFC 5214 §6.1), unless that address is public: then it is the prefix that counts.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xFFFF, high, low] | [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x2000..=0x3FFF, _, _, _, 0 | 0x200, 0x5EFE, high, low] => {
            Some(v4(high, low)).filter(|embedded| of_v4(*embedded) != Place::Internet)
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Each of `addresses` leads to `place`.
    fn check(addresses: &str, place: Place) {
        for text in addresses.split_whitespace() {
            assert_eq!(Place::of(text.parse().unwrap()), place, "{text}");
        }
    }

    /// The first and the last address of each range that a document sets apart, and where they lead.
    #[test]
    fn every_range_leads_where_its_document_says() {
        use Place::{Internet, Local, Metadata, Reserved};
        let ranges = [
            ("RFC 1122 §3.2.1.3: this network", "0.0.0.0 0.255.255.255", Reserved),
            ("RFC 1918", "10.0.0.0 10.255.255.255", Local),
            ("RFC 1918", "172.16.0.0 172.31.255.255", Local),
            ("RFC 1918", "192.168.0.0 192.168.255.255", Local),
            ("RFC 6598: shared", "100.64.0.0 100.127.255.255", Local),
            ("RFC 1122 §3.2.1.3: loopback", "127.0.0.0 127.255.255.255", Local),
            ("RFC 3927: link-local", "169.254.0.0 169.254.169.254 169.254.170.2 169.254.255.255", Metadata),
            ("RFC 6890 §2.1: protocols", "192.0.0.0 192.0.0.192 192.0.0.255", Reserved),
            ("RFC 5737: documentation", "192.0.2.0 192.0.2.255", Reserved),
            ("RFC 5737: documentation", "198.51.100.0 198.51.100.255", Reserved),
            ("RFC 5737: documentation", "203.0.113.0 203.0.113.255", Reserved),
            ("RFC 7526: relays of 6to4", "192.88.99.0 192.88.99.255", Reserved),
            ("RFC 2544: benchmarks", "198.18.0.0 198.19.255.255", Reserved),
            ("RFC 5771: multicast", "224.0.0.0 239.255.255.255", Reserved),
            ("RFC 1112 §4: kept for later", "240.0.0.0 255.255.255.254", Reserved),
            ("RFC 919: broadcast", "255.255.255.255", Reserved),
            ("RFC 4291 §2.5.2: unspecified", "::", Reserved),
            ("RFC 4291 §2.5.3: loopback", "::1", Local),
            ("RFC 4291 §2.5.5.1: IPv4-compatible, given up", "::2 ::127.0.0.1 ::8.8.8.8 ::255.255.255.255", Reserved),
            ("RFC 2765 §2.1: IPv4-translated", "::ffff:0:7f00:1 ::ffff:0:808:808", Reserved),
            ("RFC 8215: translation within a network", "64:ff9b:1:: 64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("RFC 6666: discard only", "100:: 100::ffff:ffff:ffff:ffff", Reserved),
            ("RFC 4291 §2.4: global unicast", "2003:: 3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Internet),
            ("RFC 2928: protocols", "2001:: 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("RFC 4380: Teredo", "2001::1 2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("RFC 5180: benchmarks", "2001:2:: 2001:2:0:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("RFC 7343: ORCHIDv2", "2001:20:: 2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("RFC 3849: documentation", "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("RFC 9637: documentation", "3fff:: 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("RFC 9602: segments", "5f00:: 5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("RFC 4193: unique local", "fc00:: fd00::1 fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Local),
            ("RFC 4291 §2.5.6: link-local", "fe80:: fe80::a9fe:a9fe febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Metadata),
            ("RFC 3879: site-local, given up", "fec0:: feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("RFC 4291 §2.7: multicast", "ff00:: ff02::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("RFC 4291 §4: nobody's", "4000:: fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 1fff::1", Reserved),
        ];
        for (document, addresses, place) in ranges {
            println!("{document}");
            check(addresses, place);
        }
    }

    #[test]
    fn what_stands_beside_a_range_is_the_internet() {
        check("1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0", Place::Internet);
        check("169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.1.255 192.0.3.0", Place::Internet);
        check(
            "191.255.255.255 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0",
            Place::Internet,
        );
        check(
            "198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 168.63.129.15 168.63.129.17",
            Place::Internet,
        );
        check("2001:200:: 2001:db7:: 2001:db9:: 2606:4700::1111 2001:4860:4860::8888 2620:4f:8000::1", Place::Internet);
    }

    #[test]
    fn metadata_services_are_known_outside_link_local_too() {
        check("100.100.100.200 168.63.129.16 ::ffff:100.100.100.200 64:ff9b::6464:64c8", Place::Metadata);
        check("fd00:ec2::254 fd00:ec2::23 fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff fd20:ce::254", Place::Metadata);
        check("fd00:c1::a9fe:a9fe fd00:a9fe:a9fe::1 fd00:100::100:200 fd00:42::42", Place::Metadata);
        check("100.100.100.199 100.100.100.201 fd00:ec1::254 fd00:ec3::254 fd20:ce::255 fd00:42::43", Place::Local);
    }

    #[test]
    fn an_address_within_another_counts() {
        for (first, last) in [("::ffff:", ""), ("64:ff9b::", ""), ("2002:", "::1"), ("2001:db9::200:5efe:", "")] {
            let within = |address: &str| {
                let [a, b, c, d] = address.parse::<Ipv4Addr>().unwrap().octets();
                format!("{first}{a:x}{b:02x}:{c:x}{d:02x}{last}")
            };
            check(&within("8.8.8.8"), Place::Internet);
            check(&format!("{} {}", within("127.0.0.1"), within("10.1.2.3")), Place::Local);
            check(&within("169.254.169.254"), Place::Metadata);
            check(&within("192.88.99.1"), Place::Reserved);
        }
        check("2001:db9::5efe:7f00:1 2001:db9::5efe:10.0.0.1", Place::Local);
        check("fe80::5efe:808:808", Place::Metadata);
        check("2001:db8::5efe:808:808", Place::Reserved);
    }
}
