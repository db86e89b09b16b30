//! The name of a dialog.

use std::fmt;
use std::sync::Arc;

/// Call-ID and both tags, as one side sees them (RFC 3261 §12). A clone costs three reference counts.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DialogId {
    /// The Call-ID header.
    pub call_id: Arc<str>,
    /// Our tag.
    pub local_tag: Arc<str>,
    /// The peer's tag; empty before a callee answered, or from a peer of RFC 2543.
    pub remote_tag: Arc<str>,
}

impl DialogId {
    /// Puts a name together.
    pub fn new(call_id: &str, local_tag: &str, remote_tag: &str) -> Self {
        Self { call_id: call_id.into(), local_tag: local_tag.into(), remote_tag: remote_tag.into() }
    }
}

impl fmt::Display for DialogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{};{}", self.call_id, self.local_tag, self.remote_tag)
    }
}
