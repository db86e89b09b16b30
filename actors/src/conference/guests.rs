//! Who is in a conference.

use media::mixer::MemberId;
use store::CallId;

use super::{Counted, Speech};
use crate::bridge::{AgentPart, Attendance, Part};
use crate::call::{CallMsg, CallPorts};
use crate::mailbox::Mailbox;

/// A call that is in the room.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) call: CallId,
    pub(super) mailbox: Mailbox<CallMsg>,
    pub(super) ports: CallPorts,
    pub(super) attendance: Attendance,
    pub(super) speech: Speech,
    pub(super) party: MemberId,
    pub(super) agent: Option<MemberId>,
    pub(super) counted: Counted,
}

impl Guest {
    /// Whether its party is heard by all.
    pub(super) fn talks(&self) -> bool {
        self.attendance.party == Part::Talks && !self.speech.held
    }
}

/// The guests in the order in which they came; the mixer bounds them.
#[derive(Debug, Default)]
pub(super) struct Guests(Vec<Guest>);

impl Guests {
    /// Where a guest is, or would come.
    pub(super) fn place_of(&self, call: CallId) -> usize {
        self.0.iter().position(|guest| guest.call == call).unwrap_or(self.0.len())
    }

    pub(super) fn insert(&mut self, at: usize, guest: Guest) {
        self.0.insert(at, guest);
    }

    pub(super) fn remove(&mut self, call: CallId) -> Option<Guest> {
        let at = self.0.iter().position(|guest| guest.call == call)?;
        Some(self.0.remove(at))
    }

    pub(super) fn find(&self, call: CallId) -> Option<&Guest> {
        self.0.iter().find(|guest| guest.call == call)
    }

    pub(super) fn find_mut(&mut self, call: CallId) -> Option<&mut Guest> {
        self.0.iter_mut().find(|guest| guest.call == call)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Guest> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those who talk with each other, now or later.
    pub(super) fn parties(&self) -> impl Iterator<Item = &Guest> {
        self.0.iter().filter(|guest| guest.attendance.party.is_party())
    }

    /// The two whose packets may go from leg to leg: they are alone, both talk, no agent is there, and their legs speak alike.
    pub(super) fn pair(&self) -> Option<[CallId; 2]> {
        let [one, other] = self.0.as_slice() else { return None };
        let talks = |guest: &Guest| guest.talks() && guest.attendance.agent == AgentPart::Away;
        let alike = one.speech.relay.is_some() && one.speech.relay == other.speech.relay;
        (talks(one) && talks(other) && alike).then_some([one.call, other.call])
    }
}
