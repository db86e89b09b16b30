//! A call's place in a conference: what its actors need to say and hear something there.
//!
//! ```text
//!  call A                            Conference                          call B
//!  JitterBuffer ──Frame──►           one mixer, a tick           ◄──Frame── JitterBuffer
//!  Leg ◄──Heard──                    each hears all others       ──Heard──► Leg
//!  Leg ──Frame── the agent's ──►
//!  Vad, AiSession ◄── what the agent hears
//! ```
//! The call publishes its [`Place`]; while there is one, the caller's frames go to the conference, and what is heard comes from there.

use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};
use media::frame::SharedFrame;
use media::mixer::MemberId;
use store::CallId;

use crate::conference::ConferenceMsg;
use crate::mailbox::Mailbox;

/// A conference of this node; never given again while it runs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RoomId(pub u64);

impl RoomId {
    /// Logs what went wrong with the conference.
    pub(crate) fn complain(self, what: &str, reason: &str) {
        tracing::error!(room = self.0, reason, "{what}");
    }
}

/// What the party of a call does in a conference.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Part {
    /// Hears all, and all hear it.
    #[default]
    Talks,
    /// Hears all, and is heard by nobody for now.
    Muted,
    /// Hears music, and is heard by nobody for now.
    OnHold,
    /// A supervisor who hears all, unheard.
    ListensIn,
    /// A supervisor whom the party of this call alone hears. When that one is not there, nobody does.
    Whispers(CallId),
}

impl Part {
    /// Whether it is one of those who talk with each other, now or later; supervisors are not.
    pub fn is_party(self) -> bool {
        matches!(self, Self::Talks | Self::Muted | Self::OnHold)
    }

    /// The word for it in logs and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Talks => "talks",
            Self::Muted => "muted",
            Self::OnHold => "on_hold",
            Self::ListensIn => "listens_in",
            Self::Whispers(_) => "whispers",
        }
    }
}

/// Whether a call's agent is in the conference too.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AgentPart {
    /// It talks, and hears all. It is in the conference as one more voice.
    Talks,
    /// It has left: its session has ended, and a new one with the conversation so far begins when it comes back.
    #[default]
    Away,
}

/// What becomes of a call whose partner hung up, when nobody else is left to talk to, not even its agent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WhenAlone {
    /// It is hung up. A partner who was lost by a fault is no reason: then the agent comes back.
    #[default]
    HangUp,
    /// Its agent comes back and says so.
    Agent,
}

/// How a call takes part in a conference.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Attendance {
    /// Its party.
    pub party: Part,
    /// Its agent.
    pub agent: AgentPart,
    /// What comes after.
    pub alone: WhenAlone,
}

/// What somebody wants of a call that is in a conference.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RoomOrder {
    /// Its party is to do this from now on.
    Party(Part),
    /// Its agent comes or goes.
    Agent(AgentPart),
    /// It leaves, and its agent comes back.
    Leave,
}

/// Where a call is in a conference.
#[derive(Debug)]
pub struct Place {
    /// The conference.
    pub conference: Mailbox<ConferenceMsg>,
    /// The party.
    pub party: MemberId,
    /// The agent, if it is there.
    pub agent: Option<MemberId>,
    /// The party is on hold: what it does is for nobody.
    pub on_hold: bool,
}

impl Place {
    /// Says something. A conference that has ended hears nothing, which the call learns elsewhere.
    pub(crate) fn say(&self, member: MemberId, frame: &SharedFrame) {
        let _counted_when_full = self.conference.send(ConferenceMsg::Frame(member, Arc::clone(frame)));
    }
}

/// The place of today, which the call publishes and its actors read without a lock.
#[derive(Clone, Debug, Default)]
pub struct PlacePort(Arc<ArcSwapOption<Place>>);

impl PlacePort {
    /// Publishes the place of today, or that there is none.
    pub(crate) fn publish(&self, place: Option<Place>) {
        self.0.store(place.map(Arc::new));
    }

    /// The place of today.
    pub(crate) fn load(&self) -> Guard<Option<Arc<Place>>> {
        self.0.load()
    }
}
