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
use crate::bridge::{AgentPart, Attendance, Part, RoomId, WhenAlone};
use crate::calls::{CallsMsg, PlaceFor};
use crate::conference::ConferenceMsg;
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

/// One of the times that somebody was called for a call, so that news of an earlier one is not taken for this one's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Consultation(pub u32);

/// How far the call of whoever is called is.
#[derive(Debug)]
pub enum PartnerNews {
    /// By Calls: this is the call.
    Called(CallId),
    /// By that call, which is answered: how another call can take its place.
    Dialog(Box<PartnerDialog>),
    /// By Calls, or by that call: why that one does not come.
    Failed(String),
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

impl PartnerDialog {
    /// Whether whoever is at the other end can bring both together: the same trunk, or without trunks, the same host.
    pub(super) fn is_of_one_network_with(&self, other: &Self) -> bool {
        self.trunk == other.trunk && (self.trunk.is_some() || self.target.host() == other.target.host())
    }
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
    /// What it is called for.
    pub consultation: Consultation,
    /// The call that it is for.
    pub call: Mailbox<CallMsg>,
    /// Whose that is.
    pub organization: OrganizationId,
}

/// In the call of the caller: what is under way.
pub(super) struct Consulting {
    number: Consultation,
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
        self.consultations += 1;
        let number = Consultation(self.consultations);
        let wanted = PlaceFor {
            call: self.id,
            consultation: number,
            organization: self.organization.clone(),
            mailbox: me.clone(),
            room: self.room(),
            meanwhile,
            asked,
        };
        if self.shared.calls.send(CallsMsg::PlaceFor(Box::new(wanted))).is_err() {
            return self.answer(asker, Err("the node takes no calls now".to_owned()));
        }
        self.consulting = Some(Consulting { number, mode, partner: None, dialog: None, asker });
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

    /// Whether somebody is being called, and this is about it.
    pub(super) fn is_consulting(&self, number: Consultation) -> bool {
        self.consulting.as_ref().is_some_and(|consulting| consulting.number == number)
    }

    pub(super) async fn handle_partner_news(&mut self, number: Consultation, news: PartnerNews, me: &Mailbox<CallMsg>) {
        let consulting = self.consulting.as_mut().filter(|consulting| consulting.number == number);
        match (news, consulting) {
            (PartnerNews::Called(call), Some(consulting)) => consulting.partner = Some(call),
            // It was given up meanwhile.
            (PartnerNews::Called(call), None) => self.take_back(call),
            (PartnerNews::Dialog(dialog), Some(consulting)) => consulting.dialog = Some(*dialog),
            (PartnerNews::Failed(reason), Some(_)) => self.go_on_without_partner(reason, me).await,
            (PartnerNews::Dialog(_) | PartnerNews::Failed(_), None) => {}
        }
    }

    /// A call has crashed: it can have been that of whoever is called for this one, and nobody else tells.
    pub(super) async fn handle_call_lost(&mut self, call: CallId, me: &Mailbox<CallMsg>) {
        if self.consulting.as_ref().is_some_and(|consulting| consulting.partner == Some(call)) {
            self.go_on_without_partner("their call was lost".to_owned(), me).await;
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
    async fn go_on_without_partner(&mut self, reason: String, me: &Mailbox<CallMsg>) {
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

    /// The call goes elsewhere: neither who is being called for it nor who hears of it is needed. True when the agent spoke with that one.
    pub(super) fn let_partners_go(&mut self, reason: &str) -> bool {
        self.give_up_consulting(reason);
        let briefing = self.briefing.take();
        if let Some(briefing) = &briefing {
            self.take_back(briefing.partner);
        }
        briefing.is_some()
    }

    /// In the call of the person: it is answered, and comes in.
    pub(super) async fn come_in(&mut self, me: &Mailbox<CallMsg>) {
        let Some(invitation) = self.partner().map(|partner| partner.invitation.clone()) else { return };
        if let Some(dialog) = self.replaceable() {
            self.tell_consulting(PartnerNews::Dialog(Box::new(dialog)));
        }
        self.handle_invitation(invitation, me).await;
    }

    /// In the call of the person: the conference where it comes in is here now.
    pub(super) fn move_invitation(&mut self, room: RoomId, conference: &Mailbox<ConferenceMsg>) {
        if let Some(partner) = self.partner().filter(|partner| partner.invitation.room == room) {
            partner.invitation.conference = conference.clone();
        }
    }

    fn tell_consulting(&mut self, news: PartnerNews) {
        if let Some(partner) = self.partner() {
            let _ended_already = partner.call.send(CallMsg::Partner(partner.consultation, news));
        }
    }

    /// How another call can take this one's place, if its peer knows how.
    pub(super) fn replaceable(&self) -> Option<PartnerDialog> {
        let Party::Sip { snapshot: Some(snapshot), .. } = &self.party else { return None };
        let trunk = self.party.trunk().map(|trunk| Arc::clone(&trunk.name));
        let (target, replaces) = (snapshot.remote_target().clone(), Replaces::of(snapshot.id()));
        snapshot.peer_transfers().then_some(PartnerDialog { target, replaces, trunk })
    }

    /// In the call of the person, which ends: unless it has come in, whoever it was for waits for it.
    pub(super) fn tell_partner(&mut self, cause: HangupCause) {
        self.tell_consulting(PartnerNews::Failed(cause.as_str().replace('_', " ")));
    }
}
