//! Putting the caller through, as the agent's tool wants it: REFER, and what becomes of the call then; or a call of ours and a bridge. The
//! peer's own REFER is in [`successor`](super::successor).

use std::sync::Arc;

use ai::engine::Words;
use ai::tools::transfer::{Destination, Way, Wish};
use sip::endpoint::{Notices, Refer, ReferOutcome};
use sip::message::StatusCode;
use sip::reason::{Meaning, Reason};
use sip::replaces::Replaces;
use sip::uri::{NameAddr, Uri};
use store::{HangupCause, PhoneNumber};

use super::partner::{Asker, CallOutMode};
use super::{Call, CallMsg, Origin, Party, Phase};
use crate::ai_session::{AiMsg, TransferStands};
use crate::mailbox::Mailbox;
use crate::route::{CallTerms, PlaceCall};
use crate::sip_endpoint::SipMsg;

/// A transfer under way.
pub(super) struct Transfer {
    to: Arc<Destination>,
    /// The peer does it; a BYE of its means that it has done it.
    accepted: bool,
    /// To somebody whom the agent speaks with.
    attended: bool,
}

impl Call {
    /// The agent wants the caller put through, or says what comes of it.
    pub(super) async fn handle_wish(&mut self, wish: Wish, me: &Mailbox<CallMsg>) {
        match wish {
            Wish::PutThrough { to, summary } => self.begin_transfer(to, summary, me),
            Wish::Join => self.join_briefed(me).await,
            Wish::Back => self.go_back_briefed(me).await,
        }
    }

    fn begin_transfer(&mut self, to: Arc<Destination>, summary: Option<Words>, me: &Mailbox<CallMsg>) {
        if self.transfer.is_some() || self.successor.is_some() || !matches!(self.phase, Phase::Up { .. }) {
            return self.tell_failed("the call cannot be put through now");
        }
        tracing::info!(call = %self.id, to = to.name, way = ?to.way, "the agent puts the caller through");
        match (to.way, &self.party) {
            (Way::Auto, Party::Sip { .. }) | (Way::Refer, _) => self.ask_peer(to),
            (Way::Auto | Way::Bridge, _) => self.call_destination(to, None, CallOutMode::Blind, None, me),
            (Way::Warm, _) => self.call_destination(to, summary, CallOutMode::Warm, None, me),
        }
    }

    /// Asks the peer to call the destination.
    fn ask_peer(&mut self, to: Arc<Destination>) {
        let asked = match to.target.parse::<Uri>() {
            Ok(target) => self.refer(to, target, None),
            Err(_) => Err("the destination is not set up right"),
        };
        if let Err(reason) = asked {
            self.tell_failed(reason);
        }
    }

    /// Asks the peer to call somebody, in the place of a dialog that we have with that one.
    pub(super) fn refer(&mut self, to: Arc<Destination>, target: Uri, replaces: Option<Replaces>) -> Result<(), &'static str> {
        let Party::Sip { dialog, origin, open: true, .. } = &self.party else { return Err("this call cannot be put through") };
        let (dialog, attended) = (dialog.clone(), replaces.is_some());
        let referred_by = ours(origin).map(|called| NameAddr::new(called.uri));
        let refer = Box::new(Refer { to: target, referred_by, replaces, notices: Notices::Wanted });
        self.shared.sip.send(SipMsg::Refer(dialog, refer)).map_err(|_| "the call cannot be put through now")?;
        self.transfer = Some(Transfer { to, accepted: false, attended });
        Ok(())
    }

    /// Whether the peer was asked to take the place of our dialog with a partner.
    pub(super) fn is_attended(&self) -> bool {
        self.transfer.as_ref().is_some_and(|transfer| transfer.attended)
    }

    /// Calls the destination ourselves. Whoever talks with the caller already would be left on hold: then it is not done.
    fn call_destination(
        &mut self,
        to: Arc<Destination>,
        summary: Option<Words>,
        mode: CallOutMode,
        before: Option<String>,
        me: &Mailbox<CallMsg>,
    ) {
        if self.room().is_some() {
            return self.tell_failed("others talk with the caller: they must leave first");
        }
        let assistant = self.assistant.as_ref().map(|assistant| assistant.name.clone());
        let terms = CallTerms::default();
        let asked = PlaceCall { to: PhoneNumber::new(number_of(&to.target)), from: None, assistant, trunk: None, terms };
        self.call_for(asked, mode, Asker::Agent { to, summary, before }, me);
    }

    fn tell_failed(&self, reason: &str) {
        self.ports.ai.tell(AiMsg::TransferStands(TransferStands::Failed(reason.to_owned())));
    }

    /// The peer told something of it.
    pub(super) fn transfer_goes_on(&mut self, status: StatusCode) {
        tracing::info!(call = %self.id, status = status.code(), "the transfer goes on");
        if let Some(transfer) = &mut self.transfer {
            transfer.accepted |= status.is_success();
        }
    }

    /// It is decided: the caller talks with somebody else, or with the agent again.
    pub(super) async fn transfer_ended(&mut self, outcome: ReferOutcome, me: &Mailbox<CallMsg>) {
        let Some(transfer) = self.transfer.take() else { return };
        tracing::info!(call = %self.id, ?outcome, "the transfer is decided");
        let reached = matches!(outcome, ReferOutcome::Reached | ReferOutcome::Accepted);
        if transfer.attended && !reached {
            return self.bridge_briefed(me).await;
        }
        let reason = match outcome {
            ReferOutcome::Reached | ReferOutcome::Accepted => {
                self.ports.ai.tell(AiMsg::TransferStands(TransferStands::Done));
                return self.end(HangupCause::Transferred, Some(transfer.to.name.clone()), me);
            }
            ReferOutcome::Refused(status) => {
                let reason = format!("the telephone network does not put calls through here ({status})");
                if transfer.to.way == Way::Auto {
                    return self.call_destination(transfer.to, None, CallOutMode::Blind, Some(reason), me);
                }
                reason
            }
            ReferOutcome::Failed(status) => format!("{} ({status})", words_for(status)),
            ReferOutcome::TimedOut => "nobody answered in time".to_owned(),
            _ => "it is not known what became of it".to_owned(),
        };
        self.tell_failed(&reason);
    }

    /// What would have told of it is lost.
    pub(super) async fn transfer_lost(&mut self, me: &Mailbox<CallMsg>) {
        match self.transfer.take() {
            Some(Transfer { attended: true, .. }) => self.bridge_briefed(me).await,
            Some(_) => self.tell_failed("it is not known what became of it"),
            None => {}
        }
    }

    /// The peer hung up: once it has agreed to put the caller through, that is how it says that it did.
    pub(super) fn hung_up(&mut self, reason: Option<String>, me: &Mailbox<CallMsg>) {
        match self.transfer.take().filter(|transfer| transfer.accepted) {
            Some(Transfer { to, .. }) => {
                self.ports.ai.tell(AiMsg::TransferStands(TransferStands::Done));
                self.end(HangupCause::Transferred, Some(to.name.clone()), me);
            }
            None if self.hands_over() => self.end(HangupCause::Transferred, None, me),
            None => self.end(cause_of_bye(reason.as_deref(), self.party.hung_up()), reason, me),
        }
    }
}

/// What a destination is for a call of ours: the number of a `tel:` URI, and any other URI as it is.
fn number_of(target: &str) -> &str {
    let number = target.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("tel:")).map(|_| &target[4..]);
    number.map_or(target, |number| number.split(';').next().unwrap_or(number))
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
    fn a_destination_is_called_by_its_number_or_its_uri() {
        assert_eq!(number_of("tel:+15551230000"), "+15551230000");
        assert_eq!(number_of("TEL:100;phone-context=example.com"), "100");
        assert_eq!(number_of("sip:desk@pbx.example;transport=tcp"), "sip:desk@pbx.example;transport=tcp");
        assert_eq!(number_of("é"), "é");
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
