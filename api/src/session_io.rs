//! Sessions, as the front door hands them to the node.

pub use actors::leg::session::{AudioOut, SESSION_RATES, SessionAudio, SessionIn, SessionIo, SessionOut};
use store::{CallId, OrganizationId};

/// A session that somebody has connected to; its token was right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionStart {
    /// Its id, which becomes the call's.
    pub id: CallId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Who talks, by name.
    pub assistant: String,
}

/// There is no assistant of this name, or no default one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct NoAssistant(pub String);

/// Why a session is not taken. The gate counts it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SessionRefusal {
    /// The node is at its limit of calls, or of CPU time.
    #[error("the node has as many calls as it takes, or no CPU time for more")]
    AtCapacity,
    /// The node is being stopped.
    #[error("the node is being stopped and takes no new calls")]
    Draining,
    /// Something is broken on our side.
    #[error("the session could not be started")]
    Failed,
    /// Its assistant is gone.
    #[error("there is no such assistant any more")]
    UnknownAssistant,
    /// Its organization has used what it may.
    #[error("the usage of this month is at its hard limit")]
    UsageLimit,
}

/// Why an offer of a browser leads to no call.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WebRtcRefusal {
    /// The offer cannot be taken, and why.
    #[error("{0}")]
    Offer(String),
    /// There is no WebRTC here.
    #[error("this server has no WebRTC")]
    Off,
    /// The session cannot be taken.
    #[error("{0}")]
    Session(#[from] SessionRefusal),
}
