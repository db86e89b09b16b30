//! Dialogs that outlive their endpoint.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::session::Session;
use super::usages::{Phase, Usage};
use super::{DialogId, Endpoint};
use crate::dialog::Dialog;
use crate::digest::DigestClient;
use crate::flow::Flow;
use crate::uri::Uri;

/// What an answered dialog is taken up from when its endpoint was lost: plain values.
#[derive(Clone, Eq, PartialEq)]
pub struct DialogSnapshot {
    dialog: Dialog,
    flow: Flow,
    digest: Option<Box<DigestClient>>,
    session: Option<Session>,
    session_least: Duration,
    peer_updates: bool,
    peer_transfers: bool,
    local_sdp: Option<Bytes>,
}

/// Without SDP, which may have keys.
impl fmt::Debug for DialogSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DialogSnapshot").field("dialog", &self.dialog).field("flow", &self.flow).finish_non_exhaustive()
    }
}

impl DialogSnapshot {
    /// Which dialog.
    pub fn id(&self) -> &DialogId {
        self.dialog.id()
    }

    /// Whether the peer follows a REFER to another dialog's place, and lets others take this one's (RFC 3515, RFC 3891).
    pub fn peer_transfers(&self) -> bool {
        self.peer_transfers
    }

    /// The peer's Contact.
    pub fn remote_target(&self) -> &Uri {
        self.dialog.target()
    }

    /// Where the peer was last seen.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }
}

impl Endpoint {
    /// What [`restore`](Self::restore) needs; `None` while the dialog is unanswered or ending, or if there is none.
    /// Our CSeq numbers are in it: take a new one after each event of the dialog.
    pub fn snapshot(&self, dialog: &DialogId) -> Option<DialogSnapshot> {
        let usage = self.usage(dialog)?;
        let digest = usage.digest.clone();
        matches!(usage.phase, Phase::Established).then(|| DialogSnapshot {
            dialog: usage.dialog.clone(),
            flow: usage.flow,
            digest,
            session: usage.session,
            session_least: usage.session_least,
            peer_updates: usage.peer_updates,
            peer_transfers: usage.peer_transfers,
            local_sdp: usage.local_sdp.clone(),
        })
    }

    /// Takes up a dialog of an endpoint that was lost. What was open in it (a 200 without ACK, a re-INVITE) is forgotten.
    /// One that is here already stays as it is.
    pub fn restore(&mut self, snapshot: DialogSnapshot) -> DialogId {
        let id = snapshot.id().clone();
        if self.usages.find(&id).is_none() {
            let DialogSnapshot { dialog, flow, digest, session, session_least, peer_updates, peer_transfers, local_sdp } =
                snapshot;
            let mut usage = Usage::new(dialog, flow, Phase::Established);
            usage.digest = digest;
            (usage.session, usage.session_least) = (session, session_least);
            (usage.peer_updates, usage.peer_transfers, usage.local_sdp) = (peer_updates, peer_transfers, local_sdp);
            let number = self.insert_usage(usage);
            self.rearm_usage(number);
        }
        id
    }
}
