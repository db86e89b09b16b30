//! Dialogs that outlive their endpoint.

use super::usages::{Phase, Usage};
use super::{DialogId, Endpoint};
use crate::dialog::Dialog;
use crate::flow::Flow;

/// What an answered dialog is taken up from when its endpoint was lost: plain values.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialogSnapshot {
    dialog: Dialog,
    flow: Flow,
}

impl DialogSnapshot {
    /// Which dialog.
    pub fn id(&self) -> &DialogId {
        self.dialog.id()
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
        matches!(usage.phase, Phase::Established).then(|| DialogSnapshot { dialog: usage.dialog.clone(), flow: usage.flow })
    }

    /// Takes up a dialog of an endpoint that was lost. What was open in it (a 200 without ACK, a re-INVITE) is forgotten.
    /// One that is here already stays as it is.
    pub fn restore(&mut self, snapshot: DialogSnapshot) -> DialogId {
        let id = snapshot.id().clone();
        if self.usages.find(&id).is_none() {
            self.insert_usage(Usage::new(snapshot.dialog, snapshot.flow, Phase::Established));
        }
        id
    }
}
