//! Conference: who talks with whom. Owns its guests and the mixer; what one guest says reaches the others from here.
//!
//! ```text
//! Mixing --two who speak alike, and nobody else who listens--> Passing    packets go from leg to leg, nothing is mixed
//!    ^                                                            |
//!    +----- both ways for half a second ----- Winding <-----------+       a third comes, somebody is held, an agent comes back
//! ```
//! It is no parent of its guests: calls come and go, and it ends once nobody is left. When it dies, Calls starts it again on the same media
//! thread and the guests come back by themselves; if that does not help, each call goes on alone.

mod guests;

use std::sync::Arc;

use media::codec::Codec;
use media::dtmf::Digit;
use media::frame::SharedFrame;
use media::mixer::{MemberId, Mixer, Role};
use media::relay::RelayTerms;
use store::CallId;
use tokio::sync::oneshot;

use self::guests::{Guest, Guests};
use crate::ai_session::AiMsg;
use crate::bridge::{AgentPart, Attendance, Part, Place, RoomId};
use crate::call::{CallMsg, CallPorts};
use crate::clock::{Leisure, Tick, Ticking};
use crate::kind::ActorKind;
use crate::leg::{LegMsg, Onward};
use crate::mailbox::{Lane, Letter, Mailbox, Port};
use crate::media_threads::Seat;
use crate::vad::VadMsg;
use crate::worker::{Failure, Worker};

/// What the Conference is told.
#[derive(Debug)]
pub enum ConferenceMsg {
    /// By the clock: one frame is due to all. The oldest is dropped when full: who missed it has nothing to catch up.
    Tick(Tick),
    /// By a guest's JitterBuffer or leg: what a member says next. The oldest is dropped when full.
    Frame(MemberId, SharedFrame),
    /// By a call: it comes in, or it changes what it does here.
    Join(Box<Joining>),
    /// By a call: what its leg speaks, or whether its packets may be passed on, is another now.
    Speaks(CallId, Speech),
    /// By a guest's leg or call: its party pressed a key.
    Digit(MemberId, Digit),
    /// By a call: it leaves in good order.
    Leave(CallId),
    /// By Calls: a call has crashed. If it was here, it is not any more.
    Lost(CallId),
    /// By tests and whoever asks: who is here.
    List(oneshot::Sender<Roster>),
}

impl Letter for ConferenceMsg {
    const KIND: ActorKind = ActorKind::Conference;
    /// 100 ms of ticks and of frames of all members: what waits longer no queue behind takes either.
    const AUDIO_MAX: u32 = 5 * (Mixer::MEMBERS as u32 + 1);
    /// Half a second of ticks while packets are passed on: then there is nothing to mix.
    const LAZY_MAX: usize = 25;
    /// Each guest comes, changes its part, presses a key and goes at once.
    const SIGNALS_MAX: u32 = 4 * Mixer::MEMBERS as u32;

    fn lane(&self) -> Lane {
        match self {
            Self::Tick(Tick { waits: true, .. }) => Lane::Lazy,
            Self::Tick(_) | Self::Frame(..) => Lane::Audio,
            _ => Lane::Signal,
        }
    }
}

/// A call that comes in.
#[derive(Debug)]
pub struct Joining {
    /// Its id.
    pub call: CallId,
    /// The call.
    pub mailbox: Mailbox<CallMsg>,
    /// Its actors.
    pub ports: CallPorts,
    /// What it does here.
    pub attendance: Attendance,
    /// What its leg speaks.
    pub speech: Speech,
}

/// What a leg speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Speech {
    /// The law in which its call works.
    pub law: Codec,
    /// What another leg must have alike to get its packets as they are; `None`: they must be decoded here, since they are recorded, or
    /// are no RTP.
    pub relay: Option<RelayTerms>,
    /// Its peer holds the call: what comes from there is nobody's voice, and nothing is sent there.
    pub held: bool,
}

/// What a guest hears of the others. Calls that are full of other news do not note it.
#[derive(Clone, Copy, Debug)]
pub struct RoomNews {
    /// Whom it is about; oneself too.
    pub call: CallId,
    /// What happened.
    pub event: RoomEvent,
    /// Other calls whose parties are in the room now, on hold or not.
    pub others: usize,
}

/// What happened to a guest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RoomEvent {
    /// It came in, or does this from now on.
    Joined(Attendance),
    /// It left.
    Left,
    /// It was lost by a fault.
    Lost,
}

/// Who is in a conference.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// The calls and what they do, in the order in which they came.
    pub guests: Vec<(CallId, Attendance)>,
    /// Whether packets go from leg to leg.
    pub passing: bool,
    /// Whose party leads the talk, by level; a hint.
    pub speaker: Option<CallId>,
}

/// What a Conference is made from.
pub struct ConferenceArgs {
    /// Its name.
    pub room: RoomId,
    /// A place on the media thread of its first guest.
    pub seat: Arc<Seat>,
}

/// How what is said gets to the others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Mixing,
    /// From leg to leg of these two.
    Passing([CallId; 2]),
    /// Both ways, for so many ticks more.
    Winding([CallId; 2], u32),
}

/// Ticks for which packets go both ways: the jitter buffers need a few to begin, and until a leg hears the mixer it hears the other leg.
const WINDING_TICKS: u32 = 25;

/// Ticks after which an empty room is closed: 2 s, in which the calls that were invited come.
const EMPTY_TICKS_MAX: u32 = 100;

/// Metrics are written out once a second.
const TICKS_PER_FLUSH: u64 = 50;

/// The actor.
pub struct Conference {
    room: RoomId,
    mixer: Mixer,
    guests: Guests,
    way: Way,
    empty_ticks: u32,
    _counted: Counted,
    leisure: Leisure,
    _ticking: Ticking,
    _seat: Arc<Seat>,
}

impl Worker for Conference {
    type Msg = ConferenceMsg;
    type Args = ConferenceArgs;

    async fn start(args: ConferenceArgs, me: &Mailbox<ConferenceMsg>) -> Result<Self, Failure> {
        let ConferenceArgs { room, seat } = args;
        tracing::info!(room = room.0, "a conference begins");
        let leisure = Leisure::default();
        Ok(Self {
            room,
            mixer: Mixer::new(),
            guests: Guests::default(),
            way: Way::Mixing,
            empty_ticks: 0,
            _counted: Counted::new("offhook_conferences_active"),
            _ticking: seat.clock.subscribe_conference(me.clone(), leisure.clone()),
            leisure,
            _seat: seat,
        })
    }

    async fn handle(&mut self, message: ConferenceMsg, me: &Mailbox<ConferenceMsg>) -> Result<(), Failure> {
        match message {
            ConferenceMsg::Frame(member, frame) => self.mixer.push(member, frame),
            ConferenceMsg::Tick(tick) => self.tick(tick, me),
            ConferenceMsg::Join(joining) => self.join(*joining, me),
            ConferenceMsg::Speaks(call, speech) => self.handle_speech(call, speech),
            ConferenceMsg::Digit(member, digit) => self.pass_digit(member, digit),
            ConferenceMsg::Leave(call) => self.leave(call, RoomEvent::Left),
            ConferenceMsg::Lost(call) => self.leave(call, RoomEvent::Lost),
            ConferenceMsg::List(reply) => {
                let _asker_left = reply.send(self.roster());
            }
        }
        self.leisure.set(matches!(self.way, Way::Passing(_)));
        Ok(())
    }
}

impl Conference {
    fn tick(&mut self, tick: Tick, me: &Mailbox<ConferenceMsg>) {
        match self.way {
            Way::Passing(_) => {}
            Way::Mixing | Way::Winding(..) => {
                self.mixer.mix();
                self.guests.iter().for_each(|guest| self.tell_heard(guest, tick));
            }
        }
        if let Way::Winding(pair, left) = self.way {
            self.way = Way::Winding(pair, left.saturating_sub(1));
            if left == 0 {
                self.order(pair, |_, _| Onward::Here);
                self.way = Way::Mixing;
            }
        }
        self.empty_ticks = if self.guests.is_empty() { self.empty_ticks + 1 } else { 0 };
        if self.empty_ticks > EMPTY_TICKS_MAX {
            tracing::info!(room = self.room.0, "a conference ends");
            me.stop();
        }
        if tick.number.is_multiple_of(TICKS_PER_FLUSH) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let counts = self.mixer.take_counts();
        metrics::counter!("offhook_conference_frames_late_total").increment(counts.late);
        metrics::counter!("offhook_conference_frames_dropped_total").increment(counts.dropped);
    }

    fn join(&mut self, joining: Joining, me: &Mailbox<ConferenceMsg>) {
        let Joining { call, mailbox, ports, attendance, speech } = joining;
        let at = self.guests.place_of(call);
        let known = self.guests.remove(call);
        let (party, agent) = match &known {
            Some(guest) => (Some(guest.party), guest.agent),
            None => (self.mixer.join(Role::Muted, speech.law), None),
        };
        let agent = self.seat_agent(agent, attendance.agent, speech.law);
        let (Some(party), Some(agent)) = (party, agent) else {
            party.into_iter().for_each(|party| self.mixer.leave(party));
            let _call_ended_already = mailbox.send(CallMsg::RoomFull(self.room));
            return self.tell_left(call, RoomEvent::Left);
        };
        let place = Place { conference: me.clone(), party, agent, on_hold: attendance.party == Part::OnHold };
        let _call_ended_already = mailbox.send(CallMsg::Joined(self.room, Box::new(place)));
        if known.is_none() {
            self.tell_who_is_here(&mailbox);
        }
        let counted = known.map_or_else(|| Counted::new("offhook_conference_members"), |guest| guest.counted);
        self.guests.insert(at, Guest { call, mailbox, ports, attendance, speech, party, agent, counted });
        tracing::info!(room = self.room.0, call = %call, part = attendance.party.as_str(), agent = ?attendance.agent, "in a conference");
        self.assign();
        self.tell_news(call, RoomEvent::Joined(attendance));
        self.handle_speech(call, speech);
    }

    /// The agent's place, or that it has none; `None` when there is no room for it.
    fn seat_agent(&mut self, agent: Option<MemberId>, part: AgentPart, law: Codec) -> Option<Option<MemberId>> {
        match (agent, part) {
            (Some(agent), AgentPart::Away) => {
                self.mixer.leave(agent);
                Some(None)
            }
            (None, AgentPart::Talks) => self.mixer.join(Role::Talker, law).map(Some),
            (agent, _) => Some(agent),
        }
    }

    fn leave(&mut self, call: CallId, how: RoomEvent) {
        let Some(guest) = self.guests.remove(call) else { return };
        tracing::info!(room = self.room.0, call = %call, ?how, "left a conference");
        self.mixer.leave(guest.party);
        if let Some(agent) = guest.agent {
            self.mixer.leave(agent);
        }
        self.tell_left(call, how);
        let _call_ended_already = guest.mailbox.send(CallMsg::RoomNews(RoomNews { call, event: how, others: 0 }));
    }

    fn tell_left(&mut self, call: CallId, how: RoomEvent) {
        self.assign();
        self.choose_way();
        self.tell_news(call, how);
    }

    /// Whispers go by calls, which come and go; the mixer knows members.
    fn assign(&mut self) {
        for guest in self.guests.iter() {
            let role = match guest.attendance.party {
                Part::Talks if guest.speech.held => Role::Muted,
                Part::Talks => Role::Talker,
                Part::Muted => Role::Muted,
                Part::OnHold => Role::Held,
                Part::ListensIn => Role::Listener,
                Part::Whispers(to) => {
                    let to = self.guests.find(to).map(|to| to.party);
                    to.map_or(Role::Listener, Role::Whisperer)
                }
            };
            self.mixer.set_role(guest.party, role);
        }
    }

    fn tell_news(&self, call: CallId, event: RoomEvent) {
        for guest in self.guests.iter() {
            let others = self.guests.parties().filter(|party| party.call != guest.call).count();
            let _call_ended_already = guest.mailbox.send(CallMsg::RoomNews(RoomNews { call, event, others }));
        }
    }

    /// A newcomer's record says whom it met.
    fn tell_who_is_here(&self, newcomer: &Mailbox<CallMsg>) {
        let others = self.guests.parties().count();
        for guest in self.guests.iter() {
            let news = RoomNews { call: guest.call, event: RoomEvent::Joined(guest.attendance), others };
            let _call_ended_already = newcomer.send(CallMsg::RoomNews(news));
        }
    }

    fn handle_speech(&mut self, call: CallId, speech: Speech) {
        let Some(guest) = self.guests.find_mut(call) else { return };
        guest.speech = speech;
        let members = [Some(guest.party), guest.agent];
        members.into_iter().flatten().for_each(|member| self.mixer.set_law(member, speech.law));
        self.assign();
        self.choose_way();
    }

    /// A key is for the other one, where there is one other; else it is for the agents.
    fn pass_digit(&self, member: MemberId, digit: Digit) {
        let from = self.guests.iter().find(|guest| guest.party == member);
        let Some(from) = from.filter(|guest| guest.talks()) else { return };
        // Who is on hold is not there to be pressed at.
        let there = |guest: &&Guest| guest.call != from.call && guest.attendance.party != Part::OnHold;
        let mut others = self.guests.parties().filter(there);
        if let (Some(other), None) = (others.next(), others.next()) {
            other.ports.leg.tell(LegMsg::SendDtmf(vec![digit]));
        } else {
            self.guests.iter().filter(|guest| guest.agent.is_some()).for_each(|guest| guest.ports.ai.tell(AiMsg::Dtmf(digit)));
        }
    }

    /// Packets go from leg to leg where two talk who speak alike; else all is mixed.
    fn choose_way(&mut self) {
        let pair = self.guests.pair();
        match (self.way, pair) {
            (Way::Passing(passing), Some(pair)) if passing == pair => {}
            (Way::Passing(passing), _) => {
                self.order(passing, |guest, other| if guest.talks() { Onward::AlsoTo(other) } else { Onward::Here });
                self.way = Way::Winding(passing, WINDING_TICKS);
                self.choose_way_if(pair);
            }
            (Way::Mixing | Way::Winding(..), _) => self.choose_way_if(pair),
        }
    }

    fn choose_way_if(&mut self, pair: Option<[CallId; 2]>) {
        let Some(pair) = pair else { return };
        if let Way::Winding(before, _) = self.way {
            self.order(before, |_, _| Onward::Here);
        }
        self.order(pair, |_, other| Onward::To(other));
        self.mixer.clear();
        self.way = Way::Passing(pair);
        tracing::debug!(room = self.room.0, "packets are passed on");
    }

    /// Tells the legs of two what to do with their packets; one who is alone keeps them.
    fn order(&self, pair: [CallId; 2], onward: impl Fn(&Guest, Port<LegMsg>) -> Onward) {
        match pair.map(|call| self.guests.find(call)) {
            [Some(one), Some(other)] => {
                one.ports.leg.tell(LegMsg::Onward(onward(one, other.ports.leg.clone())));
                other.ports.leg.tell(LegMsg::Onward(onward(other, one.ports.leg.clone())));
            }
            [left, right] => left.or(right).into_iter().for_each(|guest| guest.ports.leg.tell(LegMsg::Onward(Onward::Here))),
        }
    }

    /// The frame of this tick to a guest's leg, and to its agent's ears.
    fn tell_heard(&self, guest: &Guest, tick: Tick) {
        if let Some(frame) = self.mixer.heard(guest.party) {
            guest.ports.leg.tell(LegMsg::Heard { frame: Arc::clone(frame), whole: self.is_whole(guest) });
        }
        if let Some(frame) = guest.agent.and_then(|agent| self.mixer.heard(agent)) {
            guest.ports.vad.tell(VadMsg::Caller(Arc::clone(frame)));
            guest.ports.ai.tell(AiMsg::Caller(tick.due, Arc::clone(frame)));
        }
    }

    /// Whether what a guest hears of the mixer is all that it hears by packets too: the other one's jitter buffer begins late.
    fn is_whole(&self, guest: &Guest) -> bool {
        let Way::Winding(pair, _) = self.way else { return true };
        let other = pair.into_iter().find(|call| *call != guest.call).filter(|_| pair.contains(&guest.call));
        let other = other.and_then(|call| self.guests.find(call)).filter(|other| other.talks());
        other.is_none_or(|other| self.mixer.has_spoken(other.party))
    }

    fn roster(&self) -> Roster {
        let speaker = self.mixer.speaker();
        let speaking = self.guests.iter().find(|guest| Some(guest.party) == speaker);
        Roster {
            guests: self.guests.iter().map(|guest| (guest.call, guest.attendance)).collect(),
            passing: matches!(self.way, Way::Passing(_)),
            speaker: speaking.map(|guest| guest.call),
        }
    }
}

/// Counts something as there for as long as it exists, so that a crash is counted out too.
#[derive(Debug)]
struct Counted(&'static str);

impl Counted {
    fn new(name: &'static str) -> Self {
        metrics::gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!(self.0).decrement(1.0);
    }
}
