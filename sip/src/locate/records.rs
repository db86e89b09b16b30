//! Questions to the DNS and what comes back, as far as SIP needs it.

use std::net::IpAddr;

use rand::{Rng, RngExt as _};

/// One question. Names are in lower case, without the last dot.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Question {
    /// IPv4 addresses of a host.
    A(String),
    /// IPv6 addresses of a host.
    Aaaa(String),
    /// Which services a domain has (RFC 3403).
    Naptr(String),
    /// Which hosts serve a service (RFC 2782).
    Srv(String),
}

/// The answer to one question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Records {
    /// Of [`Question::A`] and [`Question::Aaaa`].
    Addresses(Vec<IpAddr>),
    /// Of [`Question::Naptr`].
    Naptr(Vec<Naptr>),
    /// There is nothing of the kind, or nobody could say.
    Nothing,
    /// Of [`Question::Srv`].
    Srv(Vec<Srv>),
}

impl Records {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Addresses(addresses) => addresses.is_empty(),
            Self::Naptr(rows) => rows.is_empty(),
            Self::Nothing => true,
            Self::Srv(rows) => rows.is_empty(),
        }
    }
}

/// A NAPTR record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Naptr {
    /// Lower ones must be tried first.
    pub order: u16,
    /// Among equal orders, lower ones should be.
    pub preference: u16,
    /// `s`: the replacement is the name of SRV records; RFC 3263 knows no other.
    pub flags: String,
    /// `SIP+D2U`, `SIP+D2T` or `SIPS+D2T`; others are not ours.
    pub service: String,
    /// What to ask next.
    pub replacement: String,
}

/// An SRV record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Srv {
    /// Lower ones must be tried first.
    pub priority: u16,
    /// The share among equal priorities.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `.` or nothing: the service is not offered.
    pub target: String,
}

/// The order in which to try SRV records (RFC 2782): by priority, and by chance within one, in proportion to the weights.
pub(super) fn in_order<'a>(rows: Vec<&'a Srv>, random: &mut impl Rng) -> Vec<&'a Srv> {
    let mut left = rows;
    // Those without weight first, so that they have a small chance and not none.
    left.sort_by_key(|row| (row.priority, row.weight));
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let group = left.iter().take_while(|row| row.priority == first.priority);
        let sum: u32 = group.clone().map(|row| u32::from(row.weight)).sum();
        let drawn = random.random_range(0..=sum);
        let mut running = 0;
        let chosen = group.map(|row| {
            running += u32::from(row.weight);
            running
        });
        let chosen = chosen.into_iter().position(|running| running >= drawn).unwrap_or_default();
        ordered.push(left.remove(chosen));
    }
    ordered
}
