//! The early dialogs of our INVITE: one for each phone that a proxy on the way lets ring (RFC 3261 §12.1).

use bytes::Bytes;

use super::MAX_FORKS;
use super::build::RELIABLE;
use super::clients::ClientTransaction;
use crate::dialog::Dialog;
use crate::flow::Transmit;
use crate::message::{Method, Request, Response, name};

/// One of them, from its first provisional response on.
#[derive(Debug)]
pub(super) struct Fork {
    /// The phone's tag.
    tag: String,
    /// With a count of requests of its own.
    pub dialog: Dialog,
    /// What it last said of its media, which stands if its 200 says nothing.
    pub sdp: Option<Bytes>,
    /// It said so reliably: our offer is answered, and the next one may come.
    pub is_answered: bool,
    /// The last reliable response that we took.
    rseq: Option<u32>,
}

/// Where a provisional response stands among the reliable ones (RFC 3262 §4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// It is none of them.
    Unreliable,
    /// The next one, which is to be acknowledged under this number.
    Next(u32),
    /// One that was acknowledged, or one before which another is missing: it comes again.
    Passed,
}

impl Fork {
    /// Takes a provisional response into account.
    pub fn place(&mut self, response: &Response) -> Place {
        let rseq = response.headers.get(name::RSEQ).and_then(|value| value.trim().parse::<u32>().ok());
        let Some(rseq) = rseq.filter(|_| response.headers.lists(name::REQUIRE, RELIABLE)) else {
            return Place::Unreliable;
        };
        if self.rseq.is_some_and(|last| last.checked_add(1) != Some(rseq)) {
            return Place::Passed;
        }
        self.rseq = Some(rseq);
        Place::Next(rseq)
    }

    /// The acknowledgement of a reliable response to the INVITE of this CSeq number.
    pub fn prack(&mut self, rseq: u32, cseq: u32) -> Request {
        let mut prack = self.dialog.request(Method::PRACK);
        prack.headers.push(name::RACK, format!("{rseq} {cseq} INVITE"));
        prack
    }
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
                self.forks.push(Fork { tag: tag.to_owned(), dialog, sdp: None, is_answered: false, rseq: None });
                self.forks.len() - 1
            }
        };
        self.forks.get_mut(at)
    }

    /// The early dialog of a request that came with this From tag.
    pub fn fork_of(&mut self, tag: &str) -> Option<&mut Fork> {
        self.forks.iter_mut().find(|fork| fork.tag == tag)
    }

    /// Our offer to the phone with this tag was answered reliably.
    pub fn is_answered(&self, tag: &str) -> bool {
        self.forks.iter().any(|fork| fork.tag == tag && fork.is_answered)
    }

    /// The ACK that was sent to a 2xx with this To tag.
    pub fn ack_to(&self, to_tag: &str) -> Option<Transmit> {
        self.acks.iter().find(|(tag, _)| tag == to_tag).map(|(_, ack)| ack.clone())
    }

    /// The dialog that a 2xx makes, and what was said of its media before. Routes and target are the 2xx's, the count of requests goes on
    /// (RFC 3261 §13.2.2.4).
    pub fn answered(&self, response: &Response, to_tag: &str) -> Option<(Dialog, Option<Bytes>)> {
        let fork = self.forks.iter().find(|fork| fork.tag == to_tag);
        let before = fork.map(|fork| &fork.dialog).or(self.early.as_ref())?;
        Some((before.answered(response), fork.and_then(|fork| fork.sdp.clone())))
    }
}
