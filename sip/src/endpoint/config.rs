//! How an endpoint presents itself and what it will hold at most.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::flow::Transport;
use crate::locate::Family;
use crate::transaction::Times;
use crate::uri::Host;

/// Server and client transactions held at once: two per call for 32 s, so about 500 calls a second.
pub const MAX_TRANSACTIONS: usize = 32_768;
/// Dialogs held at once: far above the calls one machine can serve, so admission says no first.
pub const MAX_DIALOGS: usize = 16_384;
/// Second and later answers of a forked INVITE that are acknowledged and ended; further ones are ignored.
pub const MAX_FORKS: usize = 8;
/// What a caller is told to wait when a table is full or an overlapping INVITE comes.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// One of our sockets that peers may reach.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    /// What is spoken there.
    pub transport: Transport,
    /// Its address, as it is in the [`Flow`](super::Flow)s over it. Its port is the one that peers are told.
    pub local: SocketAddr,
    /// The host that peers are told in Via and Contact: the public address behind a NAT.
    pub host: Host,
}

/// Settings of an [`Endpoint`](super::Endpoint).
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// What we speak besides the flows that come in or are given, the preferred first. Without any, names are not looked up and
    /// no other transport is taken; a flow that is in no row is told by its own address.
    pub listeners: Vec<Listener>,
    /// Value of Server and User-Agent.
    pub user_agent: String,
    /// T1, T2 and T4.
    pub times: Times,
    /// How long a session may go without a refresh, as we ask for it (RFC 4028 Session-Expires); `None`: only peers ask. Default 1800 s.
    pub session_expires: Option<Duration>,
    /// The least that a peer may ask for; less is refused with 422 (RFC 4028 Min-SE). Default 90 s, which is the least of all.
    pub session_min: Duration,
    /// Default [`MAX_TRANSACTIONS`]. When full, requests get 503 statelessly; a new INVITE already at 7/8 of it,
    /// so that calls under way can end.
    pub max_transactions: usize,
    /// Default [`MAX_DIALOGS`]. When full, a new INVITE gets 503.
    pub max_dialogs: usize,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            user_agent: concat!("Offhook/", env!("CARGO_PKG_VERSION")).to_owned(),
            times: Times::default(),
            session_expires: Some(Duration::from_secs(1_800)),
            session_min: Duration::from_secs(90),
            max_transactions: MAX_TRANSACTIONS,
            max_dialogs: MAX_DIALOGS,
        }
    }
}

impl EndpointConfig {
    /// The socket for a transport and family, on the address `near` if there is one.
    pub(super) fn listener(&self, transport: Transport, family: Family, near: IpAddr) -> Option<&Listener> {
        let fits = |listener: &&Listener| listener.transport == transport && Family::of(listener.local.ip()) == family;
        let all = || self.listeners.iter().filter(fits);
        all().find(|listener| listener.local.ip() == near).or_else(|| all().next())
    }
}
