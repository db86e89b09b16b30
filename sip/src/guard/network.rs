//! An address with those beside it: `192.0.2.0/24`, `2001:db8::/32`, `192.0.2.7`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text is no address and no `address/bits`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is no address (192.0.2.7) and no network (192.0.2.0/24)")]
pub struct NotANetwork;

impl Network {
    /// The first `prefix` bits of this address; more bits than it has are all of them.
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        Self { address, prefix: prefix.min(bits(address)) }
    }

    /// How narrow it is: the bits that count.
    pub fn bits(&self) -> u8 {
        self.prefix
    }

    /// Whether an address begins like it. An IPv4 address is the same when it is written as an IPv6 one.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differ = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            _ => return false,
        };
        differ >= u32::from(self.prefix)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let prefix = prefix.map_or(Ok(bits(address)), str::parse).map_err(|_| NotANetwork)?;
        // 192.0.2.7/24 may mean the one or the other.
        let rest = match address {
            IpAddr::V4(address) => address.to_bits().checked_shl(prefix.into()).unwrap_or(0) != 0,
            IpAddr::V6(address) => address.to_bits().checked_shl(prefix.into()).unwrap_or(0) != 0,
        };
        if prefix > bits(address) || rest { Err(NotANetwork) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}
