//! A leg in a conference: it sends what the mixer says, or packets of the other leg as they came.

use media::frame::SharedFrame;
use media::mixer::FrameQueue;
use media::rtp::{PayloadKind, RtpPacket};
use media::sendout::SentFrame;
use media::units::Dbov;

use super::{Leg, LegMsg, Line};
use crate::bridge::Place;
use crate::clock::Tick;
use crate::mailbox::Port;
use crate::recorder::RecorderMsg;

/// Where the packets of a leg's party go.
#[derive(Clone, Debug)]
pub enum Onward {
    /// To the jitter buffer, and nowhere else.
    Here,
    /// To this leg, as they are; the jitter buffer rests.
    To(Port<LegMsg>),
    /// To both, until the jitter buffer's audio has come to the other side by way of the mixer: no frame is missing there.
    AlsoTo(Port<LegMsg>),
}

/// What a leg knows of the conference it is in.
#[derive(Default)]
pub(super) struct Bridged {
    queue: FrameQueue,
    from: From,
    /// Ticks since a packet was passed on.
    quiet: u32,
}

/// Whom the party hears.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum From {
    #[default]
    Mixer,
    /// The other leg, until all that it says comes by the mixer.
    Leg,
}

/// Ticks without a packet after which the other leg has nothing to say any more.
const QUIET_TICKS: u32 = 3;

impl Bridged {
    /// Takes what the mixer says. As long as the other leg speaks, and not all of what it says is in it, packets are what the party
    /// hears: a third one who is mixed already must not cost it the words of the other.
    pub(super) fn hear(&mut self, frame: SharedFrame, whole: bool) {
        if whole || self.quiet > QUIET_TICKS {
            self.from = From::Mixer;
        }
        if self.from == From::Mixer {
            self.queue.push(frame);
        }
    }

    /// What the mixer says in this tick; `None` while the other leg's packets are what the party hears.
    fn next(&mut self) -> Option<Option<SharedFrame>> {
        self.quiet = self.quiet.saturating_add(1);
        (self.from == From::Mixer).then(|| self.queue.pop())
    }

    /// A packet of the other leg has come; whether it is to be sent on.
    fn passes(&mut self) -> bool {
        self.quiet = 0;
        self.from == From::Leg
    }
}

impl Leg {
    /// The party hears the conference, and the agent is one voice in it. `alone` is how loud the agent is without its ambience.
    pub(super) fn send_in_conference(&mut self, tick: Tick, sent: SentFrame, alone: Option<Dbov>, place: &Place) {
        if let Some(agent) = place.agent
            && matches!(sent, SentFrame::Audio(_))
        {
            let frame = self.pcm(sent);
            self.tell_level(sent, alone, &frame);
            place.say(agent, &frame);
        }
        let Some(heard) = self.bridged.next() else {
            if let Line::Rtp(rtp) = &mut self.line {
                // Keys that were not pressed in the other's stream are sent between its packets.
                self.sent += u64::from(rtp.send(None));
            }
            return;
        };
        match &heard {
            Some(heard) => self.codec.encode_over(&heard.samples, &mut self.frame),
            None => self.frame.fill(self.codec.row().silence),
        }
        match &mut self.line {
            Line::Rtp(rtp) => self.sent += u64::from(rtp.send(Some(&self.frame))),
            Line::Twilio(twilio) => {
                twilio.send(&self.frame);
                self.sent += 1;
            }
        }
        if let Some(heard) = heard {
            self.ports.recorder.tell(RecorderMsg::Agent(tick.number, heard));
        }
    }

    pub(super) fn hear(&mut self, frame: SharedFrame, whole: bool) {
        self.bridged.hear(frame, whole);
        self.ports.leisure.set(self.bridged.from == From::Leg);
    }

    pub(super) fn pass_on(&mut self, kind: PayloadKind, packet: &RtpPacket) {
        if let Line::Rtp(rtp) = &mut self.line
            && self.bridged.passes()
            && self.started
        {
            self.sent += u64::from(rtp.pass_on(kind, packet));
        }
    }

    pub(super) fn handle_onward(&mut self, onward: Onward) {
        match onward {
            Onward::To(_) => self.bridged = Bridged { from: From::Leg, ..Bridged::default() },
            Onward::AlsoTo(_) => {}
            Onward::Here => self.bridged.from = From::Mixer,
        }
        self.ports.leisure.set(self.bridged.from == From::Leg);
        if let Line::Rtp(rtp) = &mut self.line {
            rtp.set_onward(onward);
        }
    }
}

#[cfg(test)]
mod tests;
