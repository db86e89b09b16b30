//! Somebody who is called for a call, and comes into its conference: a person, or whoever answers there. No agent of ours talks in that call.
//!
//! ```text
//! caller's call    CallOut ──► on hold, music ────────────────────────► talks with the person; the agent leaves, or stays
//!                       \                                          ▲
//! Calls                  PlaceFor ──► the person's call            Joined
//!                                      INVITE ── rings ── 200 ─────┘
//!                                              └─ busy, nobody ──► PartnerFailed: the agent goes on, and knows why
//! ```

use std::sync::Arc;

use ai::engine::Words;
use ai::remark::Occasion;
use ai::tools::transfer::Destination;
use sip::replaces::Replaces;
use sip::uri::Uri;
use store::{CallId, HangupCause, OrganizationId};
use tokio::sync::oneshot;

use super::bridge::Invitation;
use super::warm::Briefing;
use super::{Call, CallMsg, Party, Phase};
use crate::ai_session::{AiMsg, TransferStands};
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
    /// Told who picked up, or why nobody did.
    pub reply: oneshot::Sender<Result<CallId, String>>,
}

/// How another call can take the place of a partner's (RFC 3891).
#[derive(Clone, Debug)]
pub struct PartnerDialog {
    /// Where the partner is.
    pub target: Uri,
    /// Its dialog with us.
    pub replaces: Replaces,
    /// What carries it; `None`: nothing.
    pub trunk: Option<Arc<str>>,
}

/// Who wants somebody called, and is told what came of it, in words for the operator and the model.
pub(super) enum Asker {
    /// The operator.
    Outside(oneshot::Sender<Result<CallId, String>>),
    /// The agent, whose tool it is.
    Agent {
        /// Whom it means.
        to: Arc<Destination>,
        /// What that one is told first.
        summary: Option<Words>,
        /// What the caller's network said when it was asked to do it.
        before: Option<String>,
    },
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
    /// Once it is answered by somebody whose dialog another one can take.
    dialog: Option<PartnerDialog>,
    asker: Asker,
}

impl Call {
    /// Has somebody called. The caller hears music meanwhile; in a conference that is up already, nothing changes.
    pub(super) fn call_out(&mut self, wanted: CallOut, me: &Mailbox<CallMsg>) {
        let CallOut { asked, mode, reply } = wanted;
        self.call_for(asked, mode, Asker::Outside(reply), me);
    }

    /// As [`call_out`](Self::call_out), for whoever wants it.
    pub(super) fn call_for(&mut self, asked: PlaceCall, mode: CallOutMode, asker: Asker, me: &Mailbox<CallMsg>) {
        if !matches!(self.phase, Phase::Up { .. }) || self.consulting.is_some() || self.briefing.is_some() {
            return self.answer(asker, Err("somebody is being called for this call already, or it is not up".to_owned()));
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
            return self.answer(asker, Err("the node takes no calls now".to_owned()));
        }
        self.consulting = Some(Consulting { mode, partner: None, dialog: None, asker });
    }

    /// Tells what came of it. An agent that is to speak with the one who picked up is told so elsewhere.
    fn answer(&self, asker: Asker, outcome: Result<CallId, String>) {
        match asker {
            Asker::Outside(reply) => {
                let _asker_left = reply.send(outcome);
            }
            Asker::Agent { before, .. } => {
                let stands = match outcome {
                    Ok(_) => TransferStands::Done,
                    Err(reason) => {
                        TransferStands::Failed(before.map_or(reason.clone(), |before| format!("{before}, and {reason}")))
                    }
                };
                self.ports.ai.tell(AiMsg::TransferStands(stands));
            }
        }
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
        let answered = self.consulting.take_if(|consulting| consulting.partner == Some(call));
        let Some(Consulting { mode, asker, dialog, .. }) = answered else { return };
        tracing::info!(call = %self.id, partner = %call, ?mode, "the one who was called has picked up");
        let asker = match (mode, asker) {
            (CallOutMode::Warm, Asker::Agent { to, summary, .. }) => {
                return self.begin_briefing(Briefing { partner: call, to, dialog }, summary, me);
            }
            (_, asker) => asker,
        };
        // Before the agent is dismissed, so that it knows that all is well.
        self.answer(asker, Ok(call));
        match mode {
            CallOutMode::Blind => self.change_part(Part::Talks, AgentPart::Away, me).await,
            CallOutMode::Conference => self.change_part(Part::Talks, AgentPart::Talks, me).await,
            CallOutMode::Warm => {}
        }
    }

    /// The one who was called did not come: the agent has its caller back.
    pub(super) async fn handle_partner_failed(&mut self, reason: String, me: &Mailbox<CallMsg>) {
        let Some(Consulting { asker, .. }) = self.consulting.take() else { return };
        tracing::info!(call = %self.id, reason, "nobody came");
        if !self.is_in_company() {
            self.go_back_to_agent(me).await;
            if let Asker::Outside(_) = asker {
                // No tool of the agent's tells it.
                self.ports.ai.tell(AiMsg::Back(Occasion::Back));
            }
        }
        // The caller hears the agent again by then.
        self.answer(asker, Err(reason));
    }

    /// Whoever is being called for it is not to come any more, which whoever wanted it is told. False when nobody is being called.
    pub(super) fn give_up_consulting(&mut self, reason: &str) -> bool {
        let Some(Consulting { partner, asker, .. }) = self.consulting.take() else { return false };
        partner.into_iter().for_each(|partner| self.take_back(partner));
        self.answer(asker, Err(reason.to_owned()));
        true
    }

    /// The call ends: who is being called for it need not come any more.
    pub(super) fn stop_consulting(&mut self) {
        if let Some(partner) = self.consulting.take().and_then(|consulting| consulting.partner) {
            self.take_back(partner);
        }
    }

    pub(super) fn take_back(&self, partner: CallId) {
        let (reply, _) = oneshot::channel();
        self.shared.calls.tell(CallsMsg::HangUp(partner, reply));
    }

    /// Another call can take the place of the partner's.
    pub(super) fn handle_partner_dialog(&mut self, dialog: PartnerDialog) {
        if let Some(consulting) = &mut self.consulting {
            consulting.dialog = Some(dialog);
        }
    }

    /// In the call of the person: it is answered, and comes in.
    pub(super) async fn come_in(&mut self, me: &Mailbox<CallMsg>) {
        if let Some(Partner { invitation, call, .. }) = self.take_partner() {
            if let Some(dialog) = self.replaceable() {
                let _ended_already = call.send(CallMsg::PartnerDialog(Box::new(dialog)));
            }
            self.handle_invitation(invitation, me).await;
        }
    }

    /// How another call can take this one's place, if its peer knows how.
    pub(super) fn replaceable(&self) -> Option<PartnerDialog> {
        let Party::Sip { snapshot: Some(snapshot), .. } = &self.party else { return None };
        let trunk = self.party.trunk().map(|trunk| Arc::clone(&trunk.name));
        let (target, replaces) = (snapshot.remote_target().clone(), Replaces::of(snapshot.id()));
        snapshot.peer_transfers().then_some(PartnerDialog { target, replaces, trunk })
    }

    /// In the call of the person: it ends before it was answered.
    pub(super) fn tell_partner(&mut self, cause: HangupCause) {
        if let Some(Partner { call, .. }) = self.take_partner() {
            let _ended_already = call.send(CallMsg::PartnerFailed(cause.as_str().replace('_', " ")));
        }
    }
}
