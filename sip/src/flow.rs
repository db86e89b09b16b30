//! Where messages come from and go to.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

/// The transport below a message.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Transport {
    /// A connection; nothing is retransmitted below the dialog.
    Tcp,
    /// A connection under TLS.
    Tls,
    /// Datagrams, which are retransmitted until answered.
    Udp,
}

impl Transport {
    /// True when the transport itself repeats what is lost: timers A, E and G stay off.
    pub fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// The name in a Via: `UDP`.
    pub(crate) fn via_name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Udp => "UDP",
        }
    }

    /// The value of a URI's transport parameter: `udp`.
    pub(crate) fn uri_name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Udp => "udp",
        }
    }

    /// The port meant when none is said.
    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::Tls => 5061,
            Self::Tcp | Self::Udp => 5060,
        }
    }
}

/// A way between us and a peer; over TCP and TLS it is one connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Flow {
    /// Which transport.
    pub transport: Transport,
    /// Our socket's address. Its port is the one we advertise in Via and Contact.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

/// Bytes to be sent: one datagram, or one message on the connection.
#[derive(Clone, Eq, PartialEq)]
pub struct Transmit {
    /// Where to.
    pub flow: Flow,
    /// One whole message.
    pub bytes: Bytes,
}

/// Without the bytes: they hold phone numbers.
impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes to {:?}", self.bytes.len(), self.flow)
    }
}
