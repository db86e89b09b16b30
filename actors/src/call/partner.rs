//! Somebody who is called for a call, and comes into its conference: a person, or whoever answers there. No agent of ours talks in that call.
//!
//! ```text
//! caller's call    CallOut ──► on hold, music ────────────────────────► talks with the person; the agent leaves, or stays
//!                       \                                          ▲
//! Calls                  PlaceFor ──► the person's call            Joined
//!                                      INVITE ── rings ── 200 ─────┘
//!                                              └─ busy, nobody ──► PartnerFailed: the agent goes on, and knows why
//! ```

use store::{CallId, HangupCause, OrganizationId};
use tokio::sync::oneshot;

use super::bridge::Invitation;
use super::{Call, CallMsg, Phase};
use crate::bridge::{AgentPart, Attendance, Part, WhenAlone};
use crate::calls::{CallsMsg, PlaceFor};
use crate::mailbox::Mailbox;
use crate::route::PlaceCall;

/// What becomes of the agent when somebody was called for its caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallOutMode {
    /// It leaves as soon as that one has picked up.
    Blind,
    /// It speaks with that one first, while the caller is on hold; then it brings them together.
    Warm,
    /// It stays: all talk with each other.
    Conference,
}

/// A wish to call somebody for a call that is up.
#[derive(Debug)]
pub struct CallOut {
    /// Whom.
    pub asked: PlaceCall,
    /// How.
    pub mode: CallOutMode,
    /// Told who picked up, or why nobody did, in words for the operator and the model.
    pub reply: oneshot::Sender<Result<CallId, String>>,
}

/// In the call of the person: for whom it is.
pub struct Partner {
    /// Where it comes in when it is answered.
    pub invitation: Invitation,
    /// The call that it is for.
    pub call: Mailbox<CallMsg>,
    /// Whose that is.
    pub organization: OrganizationId,
}

/// In the call of the caller: what is under way.
pub(super) struct Consulting {
    mode: CallOutMode,
    partner: Option<CallId>,
    reply: oneshot::Sender<Result<CallId, String>>,
}

impl Call {
    /// Has somebody called. The caller hears music meanwhile; in a conference that is up already, nothing changes.
    pub(super) fn call_out(&mut self, wanted: CallOut, me: &Mailbox<CallMsg>) {
        let CallOut { asked, mode, reply } = wanted;
        if !matches!(self.phase, Phase::Up { .. }) || self.consulting.is_some() {
            let _asker_left = reply.send(Err("somebody is being called for this call already, or it is not up".to_owned()));
            return;
        }
        let agent = if self.ports.ai.is_there() { AgentPart::Talks } else { AgentPart::Away };
        let meanwhile = Attendance { party: Part::OnHold, agent, alone: WhenAlone::HangUp };
        let wanted = PlaceFor {
            call: self.id,
            organization: self.organization.clone(),
            mailbox: me.clone(),
            room: self.room(),
            meanwhile,
            asked,
        };
        if self.shared.calls.send(CallsMsg::PlaceFor(Box::new(wanted))).is_err() {
            let _asker_left = reply.send(Err("the node takes no calls now".to_owned()));
            return;
        }
        self.consulting = Some(Consulting { mode, partner: None, reply });
    }

    /// Somebody is being called: this is the call.
    pub(super) fn handle_partner_called(&mut self, call: CallId) {
        match &mut self.consulting {
            Some(consulting) => consulting.partner = Some(call),
            // The caller has gone meanwhile.
            None => self.take_back(call),
        }
    }

    /// Somebody came into the conference: if it is the one who was called, the caller and the agent do what was meant.
    pub(super) async fn handle_partner_joined(&mut self, call: CallId, me: &Mailbox<CallMsg>) {
        let Some(Consulting { mode, reply, .. }) = self.consulting.take_if(|consulting| consulting.partner == Some(call)) else {
            return;
        };
        tracing::info!(call = %self.id, partner = %call, ?mode, "the one who was called has picked up");
        match mode {
            CallOutMode::Blind => self.change_part(Part::Talks, AgentPart::Away, me).await,
            CallOutMode::Conference => self.change_part(Part::Talks, AgentPart::Talks, me).await,
            CallOutMode::Warm => {}
        }
        let _asker_left = reply.send(Ok(call));
    }

    /// The one who was called did not come: the agent has its caller back.
    pub(super) async fn handle_partner_failed(&mut self, reason: String, me: &Mailbox<CallMsg>) {
        let Some(Consulting { reply, .. }) = self.consulting.take() else { return };
        tracing::info!(call = %self.id, reason, "nobody came");
        let _asker_left = reply.send(Err(reason));
        if !self.is_in_company() {
            self.go_back_to_agent(me).await;
        }
    }

    /// The call ends: who is being called for it need not come any more.
    pub(super) fn stop_consulting(&mut self) {
        if let Some(partner) = self.consulting.take().and_then(|consulting| consulting.partner) {
            self.take_back(partner);
        }
    }

    fn take_back(&self, partner: CallId) {
        let (reply, _) = oneshot::channel();
        self.shared.calls.tell(CallsMsg::HangUp(partner, reply));
    }

    /// In the call of the person: it is answered, and comes in.
    pub(super) async fn come_in(&mut self, me: &Mailbox<CallMsg>) {
        if let Some(Partner { invitation, .. }) = self.take_partner() {
            self.handle_invitation(invitation, me).await;
        }
    }

    /// In the call of the person: it ends before it was answered.
    pub(super) fn tell_partner(&mut self, cause: HangupCause) {
        if let Some(Partner { call, .. }) = self.take_partner() {
            let _ended_already = call.send(CallMsg::PartnerFailed(cause.as_str().replace('_', " ")));
        }
    }
}
