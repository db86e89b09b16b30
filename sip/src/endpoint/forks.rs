//! The early dialogs of our INVITE: one for each phone that a proxy on the way lets ring (RFC 3261 §12.1).

use bytes::Bytes;

use super::MAX_FORKS;
use super::clients::ClientTransaction;
use crate::dialog::Dialog;
use crate::message::Response;

/// One of them, from its first provisional response on.
#[derive(Debug)]
pub(super) struct Fork {
    /// The phone's tag.
    tag: String,
    /// With a count of requests of its own.
    pub dialog: Dialog,
    /// What it last said of its media, which stands if its 200 says nothing.
    pub sdp: Option<Bytes>,
}

impl ClientTransaction {
    /// The early dialog that a provisional response belongs to, made by it if it is the first. `None` for one without a tag, which makes
    /// no dialog, and past [`MAX_FORKS`].
    pub fn fork(&mut self, response: &Response) -> Option<&mut Fork> {
        let to = response.headers.to().ok()?;
        let tag = to.tag()?;
        let at = match self.forks.iter().position(|fork| fork.tag == tag) {
            Some(at) => at,
            None if self.forks.len() >= MAX_FORKS => return None,
            None => {
                let dialog = self.early.as_ref()?.answered(response);
                self.forks.push(Fork { tag: tag.to_owned(), dialog, sdp: None });
                self.forks.len() - 1
            }
        };
        self.forks.get_mut(at)
    }

    /// The dialog that a 2xx makes, and what was said of its media before. Routes and target are the 2xx's, the count of requests goes on
    /// (RFC 3261 §13.2.2.4).
    pub fn answered(&self, response: &Response, to_tag: &str) -> Option<(Dialog, Option<Bytes>)> {
        let fork = self.forks.iter().find(|fork| fork.tag == to_tag);
        let before = fork.map(|fork| &fork.dialog).or(self.early.as_ref())?;
        Some((before.answered(response), fork.and_then(|fork| fork.sdp.clone())))
    }
}
