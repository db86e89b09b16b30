//! A peer's REFER (RFC 3515), where its trunk may: a call of ours to whom it names, and the agent goes on there with what was said so far.
//!
//! ```text
//! call        REFER ─► PlaceInstead          202, NOTIFY 100     NOTIFY 180      NOTIFY 200, the agent leaves, BYE
//!                           │                      ▲                 ▲                 ▲            │ Inherit
//! Calls                admits it, or not ─► SuccessorCalled          │                 │            ▼
//! successor                 INVITE (Replaces, Referred-By) ────────── Rings ── 200 ── Answered ── the agent, with the history
//!                                                               └─ 486 ── Failed: NOTIFY 486, the call goes on
//! ```
//! Who hangs up once the REFER was accepted is not waited for: the successor gets what was said, and goes on alone.

use std::time::Duration;

use ai::engine::Past;
use ai::remark::Occasion;
use sip::dialog::DialogId;
use sip::endpoint::Referral;
use sip::message::{StatusCode, name};
use sip::uri::Uri;
use store::{CallId, HangupCause, OrganizationId, PhoneNumber};

use super::{Call, CallMsg, Phase};
use crate::ai_session::AiMsg;
use crate::calls::{CallsMsg, PlaceInstead};
use crate::mailbox::Mailbox;
use crate::route::{CallTerms, PlaceCall};
use crate::sip_endpoint::SipMsg;

/// How long a call whose agent has gone on elsewhere waits for its peer's BYE before it sends its own: who asked hangs up first (RFC 5589
/// §6.1).
const BYE_WAIT: Duration = Duration::from_secs(1);

/// How long a successor waits for what was said before: a media thread that is late by more stands still.
const INHERIT_WAIT: Duration = Duration::from_millis(500);

/// In the call whose peer sent a REFER: what is under way.
pub(super) struct Successor {
    /// In which the REFER came.
    dialog: DialogId,
    /// Once it is there; the REFER is accepted by then.
    call: Option<(CallId, Mailbox<CallMsg>)>,
}

/// In the successor: the call whose place it takes.
#[derive(Debug)]
pub struct Predecessor {
    /// The call.
    pub call: Mailbox<CallMsg>,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What was said there when the REFER came, or later.
    pub history: Vec<Past>,
}

/// How far a successor is.
#[derive(Clone, Copy, Debug)]
pub enum SuccessorNews {
    /// It rings somewhere.
    Rings(StatusCode),
    /// It is answered, and wants to know what was said.
    Answered,
    /// It came to nothing.
    Failed(StatusCode),
}

impl Call {
    /// The peer asks us to call somebody else in its place.
    pub(super) fn handle_referred(&mut self, dialog: DialogId, referral: Referral, me: &Mailbox<CallMsg>) {
        let free = matches!(self.phase, Phase::Up { .. })
            && self.successor.is_none()
            && self.bridged.is_none()
            && self.consulting.is_none()
            && self.transfer.is_none()
            && !self.is_person();
        let trunk = self.party.trunk().filter(|trunk| trunk.accept_refer).map(|trunk| trunk.name.to_string());
        let (Some(trunk), true) = (trunk, free) else {
            return self.shared.sip.tell(SipMsg::RefuseRefer(dialog, StatusCode::DECLINE));
        };
        let assistant = self.assistant.as_ref().map(|assistant| assistant.name.clone());
        let terms = CallTerms::default();
        let asked =
            PlaceCall { to: PhoneNumber::new(number_in(&referral.to.uri)), from: None, assistant, trunk: Some(trunk), terms };
        let (call, organization, history) = (me.clone(), self.organization.clone(), self.draft.history.clone());
        let predecessor = Predecessor { call, organization, history };
        let wanted = PlaceInstead { asked, headers: headers_of(&referral), predecessor };
        match self.shared.calls.send(CallsMsg::PlaceInstead(Box::new(wanted))) {
            Ok(()) => self.successor = Some(Successor { dialog, call: None }),
            Err(_) => self.shared.sip.tell(SipMsg::RefuseRefer(dialog, StatusCode::SERVICE_UNAVAILABLE)),
        }
    }

    /// The call that the peer wants is being made.
    pub(super) fn handle_successor_called(&mut self, call: CallId, mailbox: Mailbox<CallMsg>) {
        match &mut self.successor {
            Some(successor) => {
                tracing::info!(call = %self.id, successor = %call, "the peer puts the agent through");
                self.shared.sip.tell(SipMsg::AcceptRefer(successor.dialog.clone()));
                successor.call = Some((call, mailbox));
            }
            // It has ended meanwhile.
            None => self.take_back(call),
        }
    }

    pub(super) fn handle_successor_news(&mut self, news: SuccessorNews, me: &Mailbox<CallMsg>) {
        let Some(Successor { dialog, call }) = &self.successor else { return };
        tracing::info!(call = %self.id, ?news, "of the call that the peer asked for");
        match (news, call) {
            (SuccessorNews::Rings(status), Some(_)) => self.shared.sip.tell(SipMsg::ReportRefer(dialog.clone(), status)),
            (SuccessorNews::Answered, Some((_, successor))) => {
                self.shared.sip.tell(SipMsg::ReportRefer(dialog.clone(), StatusCode::OK));
                let _ended_already = successor.send(CallMsg::Inherit(Some(self.draft.history.clone())));
                self.successor = None;
                self.dismiss_agent();
                self.after(BYE_WAIT, CallMsg::HangUp(HangupCause::Transferred), me);
                self.gone_on = true;
            }
            (SuccessorNews::Failed(status), called) => {
                let message = match called {
                    Some(_) => SipMsg::ReportRefer(dialog.clone(), status),
                    None => SipMsg::RefuseRefer(dialog.clone(), status),
                };
                self.shared.sip.tell(message);
                self.successor = None;
            }
            (SuccessorNews::Rings(_) | SuccessorNews::Answered, None) => {}
        }
    }

    /// The peer hung up. True when its agent goes on elsewhere, as the peer wanted.
    pub(super) fn hands_over(&mut self) -> bool {
        let Some(Successor { call: Some((_, successor)), .. }) = self.successor.take() else { return self.gone_on };
        successor.send(CallMsg::Inherit(Some(self.draft.history.clone()))).is_ok()
    }

    /// The call ends for another reason: the one that was to take its place is not needed.
    pub(super) fn stop_successor(&mut self) {
        if let Some((call, _)) = self.successor.take().and_then(|successor| successor.call) {
            self.take_back(call);
        }
    }

    /// In the successor: tells how far it is. What that call cannot be told, it does not need.
    pub(super) fn tell_predecessor(&mut self, news: SuccessorNews) {
        if let Some(predecessor) = self.placed().and_then(|placed| placed.predecessor.as_ref()) {
            let _ended_already = predecessor.call.send(CallMsg::SuccessorNews(news));
        }
    }

    /// In the successor, which is answered: the agent begins when it is known what was said; if nobody can tell, with what is known.
    pub(super) async fn follow_predecessor(&mut self, me: &Mailbox<CallMsg>) {
        let Some(predecessor) = self.placed().and_then(|placed| placed.predecessor.as_ref()) else { return };
        match predecessor.call.send(CallMsg::SuccessorNews(SuccessorNews::Answered)) {
            Ok(()) => self.after(INHERIT_WAIT, CallMsg::Inherit(None), me),
            Err(_) => self.inherit(None, me).await,
        }
    }

    /// In the successor: what was said before. It may come before the answer, from a call that has ended.
    pub(super) async fn inherit(&mut self, history: Option<Vec<Past>>, me: &Mailbox<CallMsg>) {
        let is_up = matches!(self.phase, Phase::Up { .. });
        let Some(placed) = self.placed() else { return };
        if let (Some(predecessor), Some(history)) = (&mut placed.predecessor, history) {
            predecessor.history = history;
        }
        if !is_up {
            return;
        }
        let Some(Predecessor { history, .. }) = placed.predecessor.take() else { return };
        self.draft.history = history;
        match self.recall_agent(me).await {
            Ok(()) => self.ports.ai.tell(AiMsg::Back(Occasion::PutThrough)),
            Err(reason) => self.end(HangupCause::Failed, Some(reason), me),
        }
    }

    /// In the successor, which ends: if it was not answered, the call whose place it was to take goes on.
    pub(super) fn tell_predecessor_end(&mut self, cause: HangupCause) {
        let Some(placed) = self.placed() else { return };
        let status = placed.refused.unwrap_or(match cause {
            HangupCause::NoAnswer => StatusCode::REQUEST_TIMEOUT,
            HangupCause::NoCodec => StatusCode::NOT_ACCEPTABLE_HERE,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        });
        self.tell_predecessor(SuccessorNews::Failed(status));
    }
}

/// Whom a Refer-To means, for its trunk: the number or user alone, wherever it says that one is.
fn number_in(uri: &Uri) -> String {
    let user = uri.user().unwrap_or_default();
    user.split(';').next().unwrap_or_default().to_owned()
}

/// What the INVITE says beside: whose place it takes there (RFC 3891), which it must know how to, and on whose word (RFC 3892).
fn headers_of(referral: &Referral) -> Vec<(String, String)> {
    let header = |name: &str, value: String| (name.to_owned(), value);
    let mut headers = Vec::new();
    if let Some(replaces) = &referral.replaces {
        headers.push(header(name::REPLACES, replaces.to_string()));
        headers.push(header(name::REQUIRE, "replaces".to_owned()));
    }
    headers.extend(referral.referred_by.as_ref().map(|by| header(name::REFERRED_BY, by.to_string())));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(refer_to: &str, expected: &str) {
        let uri: Uri = refer_to.parse().expect("it is a URI");
        assert_eq!(number_in(&uri), expected, "{refer_to}");
    }

    #[test]
    fn a_refer_to_is_called_by_its_number_over_the_trunk() {
        check("sip:+4930123@pbx.example:5070;transport=tcp", "+4930123");
        check("tel:+49-30-123;phone-context=example.com", "+49-30-123");
        check("sip:100%2B@pbx.example", "100+");
        check("sip:pbx.example", "");
    }

    #[test]
    fn an_attended_transfer_takes_a_place_or_fails() {
        let replaces = "a@b;to-tag=1;from-tag=2".parse().ok();
        let to = "<sip:100@pbx.example>".parse().expect("it is an address");
        let by = "<sip:ann@pbx.example>".parse().ok();
        let told = headers_of(&Referral { to, replaces, referred_by: by });
        let told: Vec<String> = told.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(told, ["Replaces: a@b;to-tag=1;from-tag=2", "Require: replaces", "Referred-By: <sip:ann@pbx.example>"]);
    }
}
