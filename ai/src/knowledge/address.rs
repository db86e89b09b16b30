//! Which addresses lie in the public internet, and which are private: a URL that a stranger gave must not reach these.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `address` is public: no loopback, private, link-local (a cloud's metadata service), shared, multicast, reserved or
/// documentation address (RFC 6890), and no IPv6 address that carries one of these.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Whether `address` is where clouds tell a machine its own keys: link-local addresses, and those that some clouds use beside
/// them. No document is there, so that nothing permits them.
#[must_use]
pub fn is_metadata(address: IpAddr) -> bool {
    const OTHERS: [IpAddr; 2] =
        [IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254))];
    let address = address.to_canonical();
    OTHERS.contains(&address)
        || match address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let reserved = match a {
        0 | 10 | 127 | 224..=255 => true,
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        // IETF protocols, documentation, the old 6to4 relays.
        192 => b == 168 || (b == 0 && (c == 0 || c == 2)) || (b == 88 && c == 99),
        // Benchmarks, documentation.
        198 => b == 18 || b == 19 || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !reserved
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let parts = v6.segments();
    let embedded = |high: u16, low: u16| is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match parts {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            embedded(high, low)
        }
        // Teredo, benchmarks, ORCHID and documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, ..] => false,
        // All that is routed lies in 2000::/3.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(addresses: &str, public: bool) {
        for text in addresses.split_whitespace() {
            assert_eq!(is_public(text.parse().unwrap()), public, "{text}");
        }
    }

    #[test]
    fn public_addresses_pass() {
        check("1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 100.63.0.1 192.0.1.1 2606:4700::1111 2001:4860:4860::8888", true);
        check("::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1", true);
    }

    #[test]
    fn private_addresses_do_not() {
        check("0.0.0.0 10.1.2.3 127.0.0.1 127.255.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1", false);
        check("100.64.0.1 100.127.0.1 192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1", false);
        check("255.255.255.255 :: ::1 fc00::1 fd00:ec2::254 fe80::1 ff02::1 2001::1 2001:db8::1 fec0::1", false);
    }

    #[test]
    fn addresses_that_hand_out_keys_are_known() {
        for (text, expected) in [("169.254.169.254", true), ("::ffff:169.254.0.1", true), ("fe80::1", true), ("10.0.0.1", false)]
        {
            assert_eq!(is_metadata(text.parse().unwrap()), expected, "{text}");
        }
        assert!(is_metadata("fd00:ec2::254".parse().unwrap()) && is_metadata("100.100.100.200".parse().unwrap()));
    }

    #[test]
    fn a_private_address_inside_another_is_seen() {
        check("::ffff:127.0.0.1 ::ffff:169.254.169.254 64:ff9b::a00:1 2002:7f00:1::1 ::127.0.0.1", false);
    }
}
