//! The conferences of a node: begun for the calls that come in, begun again when they die, and the calls told where they are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use media::mixer::Mixer;
use ractor::ActorId;
use store::{CallId, HangupCause, OrganizationId};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Admitted, Calls, CallsMsg, START_MAX};
use crate::bridge::{AgentPart, Attendance, Part, RoomId, WhenAlone};
use crate::call::{CallMsg, Consultation, Invitation, Partner, PartnerNews, Purpose};
use crate::conference::{Conference, ConferenceArgs, ConferenceMsg, Roster};
use crate::kind::ActorKind;
use crate::mailbox::Mailbox;
use crate::media_threads::Seat;
use crate::route::PlaceCall;
use crate::supervision::{Budget, Verdict, count_death};
use crate::worker::{Ended, spawn};

/// A call that is to come into a conference, and as what.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// Which call.
    pub call: CallId,
    /// What it does there.
    pub attendance: Attendance,
}

/// Why calls are not joined.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BridgeRefusal {
    /// One of them is not up.
    #[error("call {0} is not up")]
    UnknownCall(CallId),
    /// There is no such conference.
    #[error("there is no such conference")]
    UnknownRoom,
    /// More than fit.
    #[error("a conference takes {max} members and agents", max = Mixer::MEMBERS)]
    TooMany,
    /// It could not be begun.
    #[error("the conference could not be begun")]
    Failed,
}

/// Somebody who is to be called for a call.
#[derive(Debug)]
pub struct PlaceFor {
    /// For which call.
    pub call: CallId,
    /// For which of its wishes.
    pub consultation: Consultation,
    /// Whose it is, and so is the call that is made for it.
    pub organization: OrganizationId,
    /// The call itself.
    pub mailbox: Mailbox<CallMsg>,
    /// The conference that it is in already.
    pub room: Option<RoomId>,
    /// What the call does there until somebody has picked up.
    pub meanwhile: Attendance,
    /// Whom to call.
    pub asked: PlaceCall,
}

struct Room {
    id: RoomId,
    mailbox: Mailbox<ConferenceMsg>,
    seat: Arc<Seat>,
    budget: Budget,
}

/// The conferences that are up.
#[derive(Default)]
pub(super) struct Rooms {
    up: HashMap<ActorId, Room>,
    begun: u64,
}

impl Rooms {
    /// A call has crashed: where it was a guest, it is none any more.
    pub(super) fn tell_lost(&self, call: CallId) {
        for room in self.up.values() {
            drop(room.mailbox.send(ConferenceMsg::Lost(call)));
        }
    }

    /// Asks all of them who is there, beside the actor.
    pub(super) fn list(&self, reply: oneshot::Sender<Vec<(RoomId, Roster)>>) {
        let rooms: Vec<(RoomId, Mailbox<ConferenceMsg>)> = self.up.values().map(|room| (room.id, room.mailbox.clone())).collect();
        tokio::spawn(async move {
            let mut all = Vec::with_capacity(rooms.len());
            for (id, mailbox) in rooms {
                let (reply, roster) = oneshot::channel();
                drop(mailbox.send(ConferenceMsg::List(reply)));
                if let Ok(Ok(roster)) = timeout(START_MAX, roster).await {
                    all.push((id, roster));
                }
            }
            let _asker_left = reply.send(all);
        });
    }

    fn find(&self, id: RoomId) -> Option<&Room> {
        self.up.values().find(|room| room.id == id)
    }

    #[cfg(feature = "fault-injection")]
    pub(super) fn inject(&self, fault: crate::fault::Fault) {
        self.up.values().for_each(|room| room.mailbox.inject(fault));
    }
}

impl Calls {
    /// Invites calls into a conference: this one, or a new one on the media thread of the first; for what somebody is called for, if so.
    pub(super) async fn bridge(
        &mut self,
        guests: Vec<Guest>,
        room: Option<RoomId>,
        consultation: Option<Consultation>,
        me: &Mailbox<CallsMsg>,
    ) -> Result<RoomId, BridgeRefusal> {
        let voices = guests.iter().map(|guest| 1 + usize::from(guest.attendance.agent == AgentPart::Talks)).sum::<usize>();
        if voices > Mixer::MEMBERS {
            return Err(BridgeRefusal::TooMany);
        }
        let child = |call: CallId| self.children.values().find(|child| child.id == call).ok_or(BridgeRefusal::UnknownCall(call));
        let calls = guests.iter().map(|guest| child(guest.call)).collect::<Result<Vec<_>, _>>()?;
        let mailboxes: Vec<_> = calls.iter().map(|child| child.mailbox.clone()).collect();
        let seat = calls.first().map(|first| Arc::clone(&first.seat));
        let (room, conference) = match (room, seat) {
            (Some(room), _) => (room, self.rooms.find(room).ok_or(BridgeRefusal::UnknownRoom)?.mailbox.clone()),
            (None, Some(seat)) => self.begin_room(seat, me).await.map_err(|()| BridgeRefusal::Failed)?,
            (None, None) => return Err(BridgeRefusal::Failed),
        };
        for (mailbox, guest) in mailboxes.iter().zip(guests) {
            let (conference, attendance) = (conference.clone(), guest.attendance);
            let invitation = Invitation { room, conference, attendance, consultation };
            drop(mailbox.send(CallMsg::Invited(Box::new(invitation))));
        }
        Ok(room)
    }

    async fn begin_room(&mut self, seat: Arc<Seat>, me: &Mailbox<CallsMsg>) -> Result<(RoomId, Mailbox<ConferenceMsg>), ()> {
        self.rooms.begun += 1;
        let id = RoomId(self.rooms.begun);
        let mailbox = self.start_room(id, seat, Budget::new(ActorKind::Conference), me).await?;
        Ok((id, mailbox))
    }

    async fn start_room(
        &mut self,
        id: RoomId,
        seat: Arc<Seat>,
        budget: Budget,
        me: &Mailbox<CallsMsg>,
    ) -> Result<Mailbox<ConferenceMsg>, ()> {
        let args = ConferenceArgs { room: id, seat: Arc::clone(&seat) };
        let started = timeout(START_MAX, seat.runtime.spawn(spawn::<Conference>(args, me.cell()))).await;
        let started =
            started.map_or_else(|late| Err(late.to_string()), |ended| ended.unwrap_or_else(|panic| Err(panic.to_string())));
        let mailbox = started.map_err(|reason| id.complain("a conference could not be started", &reason))?;
        self.rooms.up.insert(mailbox.id(), Room { id, mailbox: mailbox.clone(), seat, budget });
        Ok(mailbox)
    }

    /// A conference has ended: one that died goes on as the table says, and all calls hear where, since none is known here to be in it.
    pub(super) async fn handle_room_ended(&mut self, child: ActorId, ended: Ended, me: &Mailbox<CallsMsg>) {
        let Some(Room { id, seat, mut budget, .. }) = self.rooms.up.remove(&child) else { return };
        if let Ended::Failed(reason) = ended {
            id.complain("a conference died", &reason);
            count_death(ActorKind::Conference);
            if let Verdict::RestartAfter(_) = budget.handle_death(Instant::now())
                && let Ok(mailbox) = self.start_room(id, seat, budget, me).await
            {
                return self.tell_all(|| CallMsg::RoomMoved(id, mailbox.clone()));
            }
        }
        self.tell_all(|| CallMsg::RoomLost(id));
    }

    /// Calls somebody for a call, who comes into its conference when he picks up. What stands in the way the call is told.
    pub(super) async fn place_for(&mut self, wanted: PlaceFor, me: &Mailbox<CallsMsg>) {
        if let Err(reason) = self.place_partner(&wanted, me).await {
            drop(wanted.mailbox.send(CallMsg::Partner(wanted.consultation, PartnerNews::Failed(reason))));
        }
    }

    async fn place_partner(&mut self, wanted: &PlaceFor, me: &Mailbox<CallsMsg>) -> Result<(), String> {
        let PlaceFor { consultation, mailbox, .. } = wanted;
        let admitted = self.admit_route(&wanted.asked).map_err(|refusal| refusal.to_string())?;
        let (room, conference) = match self.room_for(wanted, me).await {
            Ok(found) => found,
            Err(reason) => {
                self.turn_back(admitted);
                return Err(reason);
            }
        };
        let attendance = Attendance { party: Part::Talks, agent: AgentPart::Away, alone: WhenAlone::HangUp };
        let invitation = Invitation { room, conference, attendance, consultation: None };
        let organization = wanted.organization.clone();
        let partner = Partner { invitation, consultation: *consultation, call: mailbox.clone(), organization };
        // The call hears of it by the conference, or that it failed.
        let (placed, _) = oneshot::channel();
        let id =
            self.start_placed(admitted, Purpose::Partner(partner), placed, me).await.map_err(|refusal| refusal.to_string())?;
        if mailbox.send(CallMsg::Partner(*consultation, PartnerNews::Called(id))).is_err() {
            // Whom it was for has hung up meanwhile.
            self.tell_one(id, CallMsg::HangUp(HangupCause::OperatorHangup));
        }
        Ok(())
    }

    /// Gives back what was taken for a call that is not made.
    fn turn_back(&mut self, admitted: Admitted) {
        if let Some(trunk) = &admitted.route.trunk {
            self.leave_trunk(&trunk.name);
        }
        self.give_back(admitted.fare);
    }

    /// The conference that the call is in already, or a new one with it.
    async fn room_for(&mut self, wanted: &PlaceFor, me: &Mailbox<CallsMsg>) -> Result<(RoomId, Mailbox<ConferenceMsg>), String> {
        let guest = Guest { call: wanted.call, attendance: wanted.meanwhile };
        let room = match wanted.room {
            Some(room) => room,
            None => {
                let begun = self.bridge(vec![guest], None, Some(wanted.consultation), me).await;
                begun.map_err(|refusal| refusal.to_string())?
            }
        };
        let found = self.rooms.find(room).ok_or("the conference has ended")?;
        Ok((room, found.mailbox.clone()))
    }
}
