//! Putting the caller through, as the agent's tool wants it: REFER, and what becomes of the call then. The peer's own REFER is declined.

use std::sync::Arc;

use ai::tools::transfer::Destination;
use sip::endpoint::{Notices, Refer, ReferOutcome};
use sip::message::StatusCode;
use sip::reason::{Meaning, Reason};
use sip::uri::{NameAddr, Uri};
use store::HangupCause;

use super::{Call, CallMsg, Origin, Party, Phase};
use crate::ai_session::AiMsg;
use crate::mailbox::Mailbox;
use crate::sip_endpoint::SipMsg;

/// A transfer under way.
pub(super) struct Transfer {
    to: Arc<Destination>,
    /// The peer does it; a BYE of its means that it has done it.
    accepted: bool,
}

impl Call {
    /// The agent wants the caller put through.
    pub(super) fn begin_transfer(&mut self, to: Arc<Destination>) {
        let ready = match &self.party {
            _ if self.transfer.is_some() || !matches!(self.phase, Phase::Up { .. }) => Err("the call cannot be put through now"),
            Party::Sip { dialog, origin, open: true, .. } => match to.target.parse::<Uri>() {
                Ok(target) => Ok((dialog.clone(), target, ours(origin))),
                Err(_) => Err("the destination is not set up right"),
            },
            _ => Err("this call cannot be put through"),
        };
        let told = ready.and_then(|(dialog, target, called)| {
            let referred_by = called.map(|called| NameAddr::new(called.uri));
            let refer = Box::new(Refer { to: target, referred_by, replaces: None, notices: Notices::Wanted });
            self.shared.sip.send(SipMsg::Refer(dialog, refer)).map_err(|_| "the call cannot be put through now")
        });
        match told {
            Ok(()) => {
                tracing::info!(call = %self.id, to = to.name, "the agent puts the caller through");
                self.transfer = Some(Transfer { to, accepted: false });
            }
            Err(reason) => self.ports.ai.tell(AiMsg::TransferEnded(Err(reason.to_owned()))),
        }
    }

    /// The peer told something of it.
    pub(super) fn transfer_goes_on(&mut self, status: StatusCode) {
        tracing::info!(call = %self.id, status = status.code(), "the transfer goes on");
        if let Some(transfer) = &mut self.transfer {
            transfer.accepted |= status.is_success();
        }
    }

    /// It is decided: the caller talks with somebody else, or with the agent again.
    pub(super) fn transfer_ended(&mut self, outcome: ReferOutcome, me: &Mailbox<CallMsg>) {
        let Some(transfer) = self.transfer.take() else { return };
        tracing::info!(call = %self.id, ?outcome, "the transfer is decided");
        let reason = match outcome {
            ReferOutcome::Reached | ReferOutcome::Accepted => {
                self.ports.ai.tell(AiMsg::TransferEnded(Ok(())));
                return self.end(HangupCause::Transferred, Some(transfer.to.name.clone()), me);
            }
            ReferOutcome::Refused(status) => format!("the telephone network does not put calls through here ({status})"),
            ReferOutcome::Failed(status) => format!("{} ({status})", words_for(status)),
            ReferOutcome::TimedOut => "nobody answered in time".to_owned(),
            _ => "it is not known what became of it".to_owned(),
        };
        self.ports.ai.tell(AiMsg::TransferEnded(Err(reason)));
    }

    /// What would have told of it is lost.
    pub(super) fn transfer_lost(&mut self) {
        if self.transfer.take().is_some() {
            self.ports.ai.tell(AiMsg::TransferEnded(Err("it is not known what became of it".to_owned())));
        }
    }

    /// The peer hung up: once it has agreed to put the caller through, that is how it says that it did.
    pub(super) fn hung_up(&mut self, reason: Option<String>, me: &Mailbox<CallMsg>) {
        match self.transfer.take().filter(|transfer| transfer.accepted) {
            Some(Transfer { to, .. }) => {
                self.ports.ai.tell(AiMsg::TransferEnded(Ok(())));
                self.end(HangupCause::Transferred, Some(to.name.clone()), me);
            }
            None => self.end(cause_of_bye(reason.as_deref(), self.party.hung_up()), reason, me),
        }
    }
}

/// What the model is told of somebody who was not reached.
fn words_for(status: StatusCode) -> &'static str {
    match status.code() {
        486 | 600 => "they are busy",
        408 | 480 | 487 => "nobody answered",
        404 | 410 | 484 | 604 => "that number does not exist",
        401..=403 | 407 | 603 | 607 | 608 => "the call was not taken",
        _ => "they could not be reached",
    }
}

/// Who we are in the dialog.
fn ours(origin: &Origin) -> Option<NameAddr> {
    match origin {
        Origin::Invited { invite, .. } => invite.headers.to().ok(),
        Origin::Placed(placed) => Some(placed.route.from.clone()),
    }
}

/// Why an answered call is over, by the Reason of the peer's BYE; `plain` when it only hung up.
fn cause_of_bye(reason: Option<&str>, plain: HangupCause) -> HangupCause {
    match meaning(reason) {
        Meaning::Media | Meaning::Network => HangupCause::PeerFailed,
        Meaning::Cleared | Meaning::Declined | Meaning::Elsewhere | Meaning::NotReached => plain,
    }
}

/// Why a call was given up before its answer, by the Reason of the peer's CANCEL.
pub(super) fn cause_of_cancel(reason: Option<&str>) -> HangupCause {
    match meaning(reason) {
        Meaning::Elsewhere => HangupCause::AnsweredElsewhere,
        _ => HangupCause::Cancelled,
    }
}

/// The first that says more than that the call was cleared: some send the same of SIP and of the ISDN, others the better one second.
fn meaning(reason: Option<&str>) -> Meaning {
    let mut meanings = reason.map(Reason::read_all).unwrap_or_default().into_iter().map(|reason| reason.meaning());
    meanings.find(|meaning| *meaning != Meaning::Cleared).unwrap_or(Meaning::Cleared)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bye: &str, expected: HangupCause) {
        assert_eq!(cause_of_bye(Some(bye), HangupCause::CallerHangup), expected, "{bye}");
    }

    #[test]
    fn a_bye_says_by_its_reason_who_is_to_blame() {
        assert_eq!(cause_of_bye(None, HangupCause::CalleeHangup), HangupCause::CalleeHangup);
        check(r#"Q.850;cause=16;text="Normal call clearing""#, HangupCause::CallerHangup);
        check("SIP;cause=200;text=\"Call completed elsewhere\"", HangupCause::CallerHangup);
        check("Q.850;cause=38", HangupCause::PeerFailed);
        check("SIP;cause=503, Q.850;cause=16", HangupCause::PeerFailed);
        check("Q.850;cause=16, SIP;cause=488", HangupCause::PeerFailed);
        check("X;cause=1", HangupCause::CallerHangup);
    }

    #[test]
    fn a_cancel_says_by_its_reason_whether_another_phone_took_the_call() {
        assert_eq!(cause_of_cancel(None), HangupCause::Cancelled);
        assert_eq!(cause_of_cancel(Some("SIP;cause=200;text=\"Call completed elsewhere\"")), HangupCause::AnsweredElsewhere);
        assert_eq!(cause_of_cancel(Some("Q.850;cause=26")), HangupCause::AnsweredElsewhere);
        assert_eq!(cause_of_cancel(Some("SIP;cause=487")), HangupCause::Cancelled);
    }
}
