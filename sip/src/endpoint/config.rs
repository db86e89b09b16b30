//! How an endpoint presents itself and what it will hold at most.

use std::time::Duration;

use crate::transaction::Times;

/// Server and client transactions held at once: two per call for 32 s, so about 500 calls a second.
pub const MAX_TRANSACTIONS: usize = 32_768;
/// Dialogs held at once: far above the calls one machine can serve, so admission says no first.
pub const MAX_DIALOGS: usize = 16_384;
/// Second and later answers of a forked INVITE that are acknowledged and ended; further ones are ignored.
pub const MAX_FORKS: usize = 8;
/// What a caller is told to wait when a table is full or an overlapping INVITE comes.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Settings of an [`Endpoint`](super::Endpoint).
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Host of our Via and Contact: the public address. `None`: the address of the flow's socket.
    pub advertised_host: Option<String>,
    /// Value of Server and User-Agent.
    pub user_agent: String,
    /// T1, T2 and T4.
    pub times: Times,
    /// Default [`MAX_TRANSACTIONS`]. When full, requests get 503 statelessly; a new INVITE already at 7/8 of it,
    /// so that calls under way can end.
    pub max_transactions: usize,
    /// Default [`MAX_DIALOGS`]. When full, a new INVITE gets 503.
    pub max_dialogs: usize,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            advertised_host: None,
            user_agent: concat!("Offhook/", env!("CARGO_PKG_VERSION")).to_owned(),
            times: Times::default(),
            max_transactions: MAX_TRANSACTIONS,
            max_dialogs: MAX_DIALOGS,
        }
    }
}
