//! Where messages come from and go to.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::uri::Host;

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
    pub fn via_name(self) -> &'static str {
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

/// A way between us and a peer; over TCP and TLS it is the latest connection between the two.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Flow {
    /// Which transport.
    pub transport: Transport,
    /// Our listening socket's address, of a connection that we opened too. Its port is the one we tell in Via and Contact.
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
    /// Over TCP and TLS: `None` needs a connection that is open; else one may be opened, and over TLS the other side must show that
    /// it is this host (RFC 5922). Where neither can be, that is an error of the transport.
    pub peer: Option<Host>,
}

impl Transmit {
    /// Bytes for a flow that is there.
    pub fn back(flow: Flow, bytes: Bytes) -> Self {
        Self { flow, bytes, peer: None }
    }
}

/// Without the bytes: they hold phone numbers.
impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes to {:?}", self.bytes.len(), self.flow)
    }
}
