//! A call in a conference: how it comes in, whether its agent is there, and what becomes of it when it is left alone.
//!
//! ```text
//! alone with its agent --Invited--> in the conference --Leave, or nobody else is left--> alone with its agent, which is back
//!                                     |                                                or hung up
//!                                     +--the conference dies--> it comes in again, or is alone with its agent
//! ```

use std::time::Duration;

use ai::remark::Occasion;
use ractor::ActorId;
use store::HangupCause;

use super::partner::Consultation;
use super::{Call, CallMsg, Phase};
use crate::ai_session::AiMsg;
use crate::bridge::{AgentPart, Attendance, Part, Place, RoomId, RoomOrder, WhenAlone};
use crate::conference::{ConferenceMsg, Joining, RoomEvent, RoomNews, Speech};
use crate::leg::LegMsg;
use crate::mailbox::Mailbox;
use crate::vad::VadMsg;

/// How often a call that is invited looks whether it is up: nobody notices a tenth of a second there.
const UP_LOOKED_FOR: Duration = Duration::from_millis(100);

/// What a call is told to come into a conference.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Its name.
    pub room: RoomId,
    /// Where it is.
    pub conference: Mailbox<ConferenceMsg>,
    /// What the call is to do there.
    pub attendance: Attendance,
    /// That somebody who is called for it finds it there.
    pub consultation: Option<Consultation>,
}

/// What a call knows of its conference.
pub(super) struct Bridged {
    room: RoomId,
    conference: Mailbox<ConferenceMsg>,
    attendance: Attendance,
    /// Other calls whose parties are there, as it was last told.
    others: usize,
}

impl Call {
    /// Comes into a conference, as soon as it is up: before, a call has nobody to bring.
    pub(super) async fn handle_invitation(&mut self, invitation: Invitation, me: &Mailbox<CallMsg>) {
        match self.phase {
            Phase::Up { .. } => {}
            Phase::Ending => return,
            Phase::Arriving | Phase::Dialing | Phase::Ringing { .. } => {
                return self.after(UP_LOOKED_FOR, CallMsg::Invited(Box::new(invitation)), me);
            }
        }
        let Invitation { room, conference, attendance, consultation } = invitation;
        if consultation.is_some_and(|number| !self.is_consulting(number)) {
            // Given up before it was there.
            return;
        }
        let mut was_briefing = false;
        if self.bridged.as_ref().is_some_and(|before| before.room != room) {
            self.leave_conference();
            if consultation.is_none() {
                was_briefing = self.let_partners_go("the caller was brought into another conference");
            }
        }
        let others = self.bridged.as_ref().map_or(0, |before| before.others);
        self.bridged = Some(Bridged { room, conference, attendance, others });
        self.attend(me).await;
        if was_briefing && attendance.agent == AgentPart::Talks {
            self.ports.ai.tell(AiMsg::Back(Occasion::NotTaken));
        }
    }

    /// Does in the conference what it is to do there.
    async fn attend(&mut self, me: &Mailbox<CallMsg>) {
        let Some(Bridged { conference, attendance, .. }) = &self.bridged else { return };
        let (conference, attendance) = (conference.clone(), *attendance);
        match attendance.agent {
            AgentPart::Away => self.dismiss_agent(),
            AgentPart::Talks => {
                if let Err(reason) = self.recall_agent(me).await {
                    return self.end(HangupCause::Failed, Some(reason), me);
                }
            }
        }
        let (ports, speech) = (self.ports.clone(), self.speech());
        let joining = Joining { call: self.id, mailbox: me.clone(), ports, attendance, speech };
        // One that has just died is followed by another one, or by the news that there is none.
        let _told_by_calls = conference.send(ConferenceMsg::Join(Box::new(joining)));
    }

    /// What its leg speaks. Who is recorded is decoded.
    fn speech(&self) -> Speech {
        let relay = self.relay.filter(|_| !self.ports.recorder.is_there());
        Speech { law: self.codec, relay, held: self.held }
    }

    /// Its leg speaks something else now, is held or taken back by its peer, or is not recorded any more.
    pub(super) fn tell_speech(&self) {
        if let Some(bridged) = &self.bridged {
            let _told_by_calls = bridged.conference.send(ConferenceMsg::Speaks(self.id, self.speech()));
        }
    }

    pub(super) fn handle_joined(&mut self, room: RoomId, place: Place) {
        if self.bridged.as_ref().is_some_and(|bridged| bridged.room == room) {
            self.ports.place.publish(Some(place));
        }
    }

    pub(super) async fn handle_room_order(&mut self, order: RoomOrder, me: &Mailbox<CallMsg>) {
        let Some(bridged) = &mut self.bridged else { return };
        match order {
            RoomOrder::Party(part) => bridged.attendance.party = part,
            RoomOrder::Agent(part) => bridged.attendance.agent = part,
            RoomOrder::Leave => return self.go_on_alone("it left the conference", me).await,
        }
        self.attend(me).await;
    }

    pub(super) async fn handle_room_news(&mut self, news: RoomNews, me: &Mailbox<CallMsg>) {
        self.draft.room_news(&news, &self.shared);
        let Some(bridged) = self.bridged.as_mut().filter(|_| news.call != self.id) else { return };
        let before = std::mem::replace(&mut bridged.others, news.others);
        match news.event {
            RoomEvent::Joined(_) => self.handle_partner_joined(news.call, me).await,
            RoomEvent::Left | RoomEvent::Lost if news.others > 0 && self.is_briefing(news.call) => self.stop_briefing(me).await,
            // Its own peer puts it through to that one, which leaves us: what becomes of that is told elsewhere.
            RoomEvent::Left if self.is_attended() && self.is_briefing(news.call) => {}
            // There is company, or there was none: a supervisor left.
            RoomEvent::Left | RoomEvent::Lost if news.others > 0 || before == 0 => {}
            RoomEvent::Left if self.hangs_up_alone() => self.end(HangupCause::BridgeEnded, None, me),
            RoomEvent::Left => self.go_on_alone("nobody else is left", me).await,
            RoomEvent::Lost => self.go_on_alone("the other side was lost", me).await,
        }
    }

    /// Whether it ends when the last of the others has hung up: its own agent would be company, and a supervisor without anybody to
    /// hear has no reason to stay.
    fn hangs_up_alone(&self) -> bool {
        let Some(Attendance { party, agent, alone }) = self.bridged.as_ref().map(|bridged| bridged.attendance) else {
            return false;
        };
        !party.is_party() || (agent == AgentPart::Away && alone == WhenAlone::HangUp)
    }

    pub(super) async fn handle_room_moved(&mut self, room: RoomId, conference: Mailbox<ConferenceMsg>, me: &Mailbox<CallMsg>) {
        let Some(bridged) = self.bridged.as_mut().filter(|bridged| bridged.room == room) else {
            return self.move_invitation(room, &conference);
        };
        bridged.conference = conference;
        self.ports.place.publish(None);
        self.ports.leg.tell(LegMsg::LeftConference);
        self.attend(me).await;
    }

    pub(super) async fn handle_room_lost(&mut self, room: RoomId, reason: &str, me: &Mailbox<CallMsg>) {
        if self.bridged.as_ref().is_some_and(|bridged| bridged.room == room) {
            self.go_on_alone(reason, me).await;
        }
    }

    /// Out of the conference, and alone with its agent; who has none is hung up.
    pub(super) async fn go_on_alone(&mut self, reason: &str, me: &Mailbox<CallMsg>) {
        let occasion = if self.briefing.take().is_some() { Occasion::NotTaken } else { Occasion::Back };
        let told = self.give_up_consulting(reason);
        self.leave_conference();
        if self.is_person() {
            return self.end(HangupCause::BridgeEnded, Some(reason.to_owned()), me);
        }
        tracing::info!(call = %self.id, reason, "the agent is back");
        match self.recall_agent(me).await {
            Ok(()) if told => {}
            Ok(()) => self.ports.ai.tell(AiMsg::Back(occasion)),
            Err(reason) => self.end(HangupCause::Failed, Some(reason), me),
        }
    }

    /// Out of the conference, with the agent that was in it too, or a new one; nothing is to be said of it.
    pub(super) async fn go_back_to_agent(&mut self, me: &Mailbox<CallMsg>) {
        self.leave_conference();
        if let Err(reason) = self.recall_agent(me).await {
            self.end(HangupCause::Failed, Some(reason), me);
        }
    }

    /// The conference that it is in.
    pub(super) fn room(&self) -> Option<RoomId> {
        self.bridged.as_ref().map(|bridged| bridged.room)
    }

    /// Out of the conference, whatever comes then.
    pub(super) fn leave_conference(&mut self) {
        let Some(Bridged { conference, .. }) = self.bridged.take() else { return };
        self.ports.place.publish(None);
        self.ports.leg.tell(LegMsg::LeftConference);
        let _ended_already = conference.send(ConferenceMsg::Leave(self.id));
    }

    /// Whether others would still talk without the agent.
    pub(super) fn is_in_company(&self) -> bool {
        self.bridged.as_ref().is_some_and(|bridged| bridged.others > 0)
    }

    /// The agent leaves those who talk; nobody is left on hold for it.
    pub(super) async fn send_agent_away(&mut self, me: &Mailbox<CallMsg>) {
        let party = self.bridged.as_ref().map_or(Part::Talks, |bridged| bridged.attendance.party);
        let party = if party == Part::OnHold { Part::Talks } else { party };
        self.change_part(party, AgentPart::Away, me).await;
    }

    pub(super) async fn change_part(&mut self, party: Part, agent: AgentPart, me: &Mailbox<CallMsg>) {
        if let Some(bridged) = &mut self.bridged {
            (bridged.attendance.party, bridged.attendance.agent) = (party, agent);
        }
        self.attend(me).await;
    }

    /// The session ends, once the leg has told it what was heard of its last words.
    pub(super) fn dismiss_agent(&mut self) {
        self.briefing = None;
        self.ports.leg.tell(LegMsg::DismissAgent);
        self.ports.vad.tell(VadMsg::Finish);
        self.ports.vad.publish(None);
    }

    /// Starts the agent again with the conversation so far, unless it is there.
    pub(super) async fn recall_agent(&mut self, me: &Mailbox<CallMsg>) -> Result<(), String> {
        if self.ports.ai.is_there() {
            return Ok(());
        }
        self.start_agent(me).await?;
        self.answer_again();
        Ok(())
    }

    /// A session has ended as it was told; unless it was called back meanwhile, there is no agent now.
    pub(super) async fn handle_agent_gone(&mut self, session: ActorId, me: &Mailbox<CallMsg>) {
        if self.ports.ai.mailbox().is_none_or(|today| today.id() != session) {
            return;
        }
        self.ports.ai.publish(None);
        let wanted = self.bridged.as_ref().is_none_or(|bridged| bridged.attendance.agent == AgentPart::Talks);
        if wanted
            && !self.gone_on
            && let Err(reason) = self.recall_agent(me).await
        {
            self.end(HangupCause::Failed, Some(reason), me);
        }
    }
}
