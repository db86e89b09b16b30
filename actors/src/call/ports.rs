//! Where the actors of one call reach each other.

use std::sync::Arc;
use std::time::Instant;

use media::dtmf::Digit;
use media::frame::SharedFrame;
use store::CallId;

use crate::ai_session::AiMsg;
use crate::bridge::PlacePort;
use crate::clock::Leisure;
use crate::conference::ConferenceMsg;
use crate::jitter_buffer::JitterMsg;
use crate::leg::LegMsg;
use crate::mailbox::Port;
use crate::recorder::RecorderMsg;
use crate::vad::VadMsg;

/// The longest period of what is not done each tick.
const SLOW_WORK_TICKS: u64 = 50;

/// Where the actors of one call reach each other, whichever is running today.
#[derive(Clone, Debug)]
pub struct CallPorts {
    /// The call's id, which each line of the log about it carries.
    pub id: CallId,
    /// The engine.
    pub ai: Port<AiMsg>,
    /// Only RTP legs have one.
    pub jitter: Port<JitterMsg>,
    /// The caller's leg.
    pub leg: Port<LegMsg>,
    /// Of the leg.
    pub leisure: Leisure,
    /// Where it is in a conference, if it is in one.
    pub place: PlacePort,
    /// Gone when the call is not recorded.
    pub recorder: Port<RecorderMsg>,
    /// Turn-taking.
    pub vad: Port<VadMsg>,
}

impl CallPorts {
    /// Of a call whose actors are not started yet.
    pub fn new(id: CallId) -> Self {
        Self {
            id,
            ai: Port::default(),
            jitter: Port::default(),
            leg: Port::default(),
            leisure: Leisure::default(),
            place: PlacePort::default(),
            recorder: Port::default(),
            vad: Port::default(),
        }
    }

    /// Ticks by which this call's slow work, reports and metrics, is shifted against other calls', so that not all of a thread's is
    /// due in the same tick.
    pub(crate) fn stagger(&self) -> u64 {
        self.id.to_bits() as u64 % SLOW_WORK_TICKS
    }

    /// Hands one frame of the caller to all who listen: to the engine as `heard`. `due` is when it should have been handed on. In a
    /// conference it goes there, and what the agent hears comes from there.
    pub(crate) fn caller_frame(&self, tick: u64, due: Instant, frame: &SharedFrame, heard: &SharedFrame) {
        match self.place.load().as_ref() {
            Some(place) => place.say(place.party, frame),
            None => {
                self.vad.tell(VadMsg::Caller(Arc::clone(frame)));
                self.ai.tell(AiMsg::Caller(due, Arc::clone(heard)));
            }
        }
        self.recorder.tell(RecorderMsg::Caller(tick, Arc::clone(frame)));
    }

    /// Hands on what comes while the peer holds the call: it is recorded, and `silence` is what everybody else hears. In a conference
    /// he is not mixed meanwhile, and an agent hears the others.
    pub(crate) fn held_frame(&self, tick: u64, due: Instant, frame: &SharedFrame, silence: &SharedFrame) {
        if self.place.load().is_none() {
            self.vad.tell(VadMsg::Caller(Arc::clone(silence)));
            self.ai.tell(AiMsg::Caller(due, Arc::clone(silence)));
        }
        self.recorder.tell(RecorderMsg::Caller(tick, Arc::clone(frame)));
    }

    /// The caller pressed a key: it is for whoever he talks with, and for nobody while he is on hold.
    pub(crate) fn digit(&self, digit: Digit) {
        match self.place.load().as_ref().filter(|place| place.agent.is_none() || place.on_hold) {
            Some(place) if place.on_hold => {}
            Some(place) => drop(place.conference.send(ConferenceMsg::Digit(place.party, digit))),
            None => self.ai.tell(AiMsg::Dtmf(digit)),
        }
    }
}
