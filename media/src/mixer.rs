//! The mixer of a room: each member hears all the others, and not itself.

mod queue;

use std::sync::Arc;

pub use queue::{FrameQueue, QueueCounts};

use crate::codec::Codec;
use crate::frame::{FrameOrigin, FramePool, PcmFrame, SharedFrame};
use crate::hold::HoldMusic;
use crate::units::FRAME_SAMPLES;

/// A member of one room; never given again in it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct MemberId {
    slot: u8,
    turn: u32,
}

/// What a member says and hears.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Role {
    /// Hears all, and all hear it.
    #[default]
    Talker,
    /// A talker who hears all and is heard by nobody, for now.
    Muted,
    /// Hears all, unheard: a supervisor listens in.
    Listener,
    /// Hears all, and is heard by this member alone: a supervisor tells the agent, or a person, what to say.
    Whisperer(MemberId),
    /// A talker on hold: hears music, and is heard by nobody.
    Held,
}

impl Role {
    /// Whether the member is one of those who talk with each other, now or later; supervisors are not.
    pub fn is_party(self) -> bool {
        matches!(self, Self::Talker | Self::Muted | Self::Held)
    }

    fn speaks(self) -> bool {
        matches!(self, Self::Talker | Self::Whisperer(_))
    }
}

/// Adds up what the members say, one frame of each a tick.
///
/// ```text
/// A ──frames──► FrameQueue ─┐                ┌─► A hears B + C
/// B ──frames──► FrameQueue ─┼─► mix, a tick ─┼─► B hears A + C, and the whisper of W
/// C ──frames──► FrameQueue ─┤                ├─► C hears A + B
/// W ──frames──► FrameQueue ─┘                └─► W hears A + B + C
/// ```
/// Their frames come from other threads, whose ticks fall elsewhere or are late; a [`FrameQueue`] a member takes that up. Who hears one
/// other only gets that one's frame as it is, and those who hear the same get the same frame: nothing is copied, and once warm nothing
/// is allocated. Sums are limited softly.
///
/// One input, then drain: after [`Self::mix`] ask [`Self::heard`] for each member.
#[derive(Debug)]
pub struct Mixer {
    members: [Option<Member>; Self::MEMBERS],
    turn: u32,
    music: HoldMusic,
    /// The sum of all talkers, where there are two.
    total: [i32; FRAME_SAMPLES],
    talking: usize,
    pool: FramePool,
    silence: [SharedFrame; 2],
    /// The sum as a frame, and the music, by law: made once a tick, if anybody hears it.
    everybody: [Option<SharedFrame>; 2],
    waiting: [Option<SharedFrame>; 2],
    speaker: Option<MemberId>,
    /// For how many ticks somebody else has been louder.
    challenged: (Option<MemberId>, u32),
}

#[derive(Debug)]
struct Member {
    id: MemberId,
    role: Role,
    law: Codec,
    queue: FrameQueue,
    /// What it says in this tick, if anything.
    now: Option<SharedFrame>,
    /// It has said something since its queue was empty for good.
    spoken: bool,
    heard: SharedFrame,
    /// Mean square of what it says, smoothed.
    level: f32,
}

/// Where the limiter begins: at three quarters of the scale, below which one voice alone stays.
const KNEE: i32 = 24_576;
/// What is left above it.
const HEADROOM: i32 = i16::MAX as i32 - KNEE;
/// A mean square below this, -45 dBov, is nobody who speaks.
const SPOKEN: f32 = 34_000.0;
/// Weight of a frame in the level: 100 ms, a syllable.
const NEWEST: f32 = 0.2;
/// Ticks for which another must be twice as loud, 200 ms: a cough is no turn.
const CHALLENGE: u32 = 10;

impl Mixer {
    /// Members at most: a tick of sixteen who all talk costs what five legs cost, and more at once nobody understands.
    pub const MEMBERS: usize = 16;

    /// An empty room.
    pub fn new() -> Self {
        Self {
            members: [const { None }; Self::MEMBERS],
            turn: 0,
            music: HoldMusic::default(),
            total: [0; FRAME_SAMPLES],
            talking: 0,
            pool: FramePool::new(),
            silence: LAWS.map(|law| Arc::new(PcmFrame::silence(law))),
            everybody: [None, None],
            waiting: [None, None],
            speaker: None,
            challenged: (None, 0),
        }
    }

    /// Takes somebody in, whose frames carry octets of this law and who gets such; `None` when [`Self::MEMBERS`] are there.
    pub fn join(&mut self, role: Role, law: Codec) -> Option<MemberId> {
        let slot = self.members.iter().position(Option::is_none)?;
        self.turn += 1;
        let id = MemberId { slot: slot as u8, turn: self.turn };
        let (queue, heard) = (FrameQueue::new(), Arc::clone(&self.silence[row(law)]));
        self.members[slot] = Some(Member { id, role, law, queue, now: None, spoken: false, heard, level: 0.0 });
        Some(id)
    }

    /// Lets somebody go. Who whispered to it is heard by nobody.
    pub fn leave(&mut self, id: MemberId) {
        if self.member(id).is_some() {
            self.members[usize::from(id.slot)] = None;
            self.speaker = self.speaker.filter(|speaker| *speaker != id);
        }
    }

    /// Changes what somebody says and hears. What waits of it is forgotten.
    pub fn set_role(&mut self, id: MemberId, role: Role) {
        if let Some(member) = self.member(id).filter(|member| member.role != role) {
            member.role = role;
            member.forget();
        }
    }

    /// Another law after a re-INVITE.
    pub fn set_law(&mut self, id: MemberId, law: Codec) {
        if let Some(member) = self.member(id).filter(|member| member.law != law) {
            member.law = law;
            member.forget();
        }
    }

    /// What somebody says next. Of one who left it is thrown away.
    pub fn push(&mut self, id: MemberId, frame: SharedFrame) {
        if let Some(member) = self.member(id).filter(|member| member.role.speaks()) {
            member.queue.push(frame);
        }
    }

    /// Forgets what waits of all: from now on nothing is late until somebody says something.
    pub fn clear(&mut self) {
        self.members.iter_mut().flatten().for_each(Member::forget);
    }

    /// One tick: takes a frame of each who speaks, and makes what each hears.
    pub fn mix(&mut self) {
        for member in self.members.iter_mut().flatten() {
            // Silence that was made by us is nothing to add.
            member.now = member.queue.pop().filter(|frame| frame.origin != FrameOrigin::Silence);
            member.spoken |= member.now.is_some();
            let square = member.now.as_ref().map_or(0.0, |frame| mean_square(frame));
            member.level += NEWEST * (square - member.level);
        }
        self.add_up();
        self.everybody = [None, None];
        self.waiting = [None, None];
        for slot in 0..Self::MEMBERS {
            if let Some(heard) = self.hear(slot)
                && let Some(member) = &mut self.members[slot]
            {
                member.heard = heard;
            }
        }
        self.find_speaker();
    }

    /// What somebody hears in this tick, with octets of its law; `None` of one who is not there.
    pub fn heard(&self, id: MemberId) -> Option<&SharedFrame> {
        let member = self.members[usize::from(id.slot)].as_ref().filter(|member| member.id == id)?;
        Some(&member.heard)
    }

    /// Whether somebody has been in what the others hear, since it came in or [`Self::clear`].
    pub fn has_spoken(&self, id: MemberId) -> bool {
        self.members[usize::from(id.slot)].as_ref().is_some_and(|member| member.id == id && member.spoken)
    }

    /// Who leads the talk: the loudest, once it was twice as loud as the one before for 200 ms. A hint, by level only.
    pub fn speaker(&self) -> Option<MemberId> {
        self.speaker
    }

    /// Members of all roles.
    pub fn len(&self) -> usize {
        self.members.iter().flatten().count()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the queues of all did to the sound since the last call.
    pub fn take_counts(&mut self) -> QueueCounts {
        let counts = self.members.iter_mut().flatten().map(|member| member.queue.take_counts());
        counts.fold(QueueCounts::default(), |sum, more| QueueCounts {
            late: sum.late + more.late,
            dropped: sum.dropped + more.dropped,
        })
    }

    /// Frames allocated since the pool was in use ([`FramePool::misses`]).
    pub fn pool_misses(&self) -> u64 {
        self.pool.misses()
    }

    fn member(&mut self, id: MemberId) -> Option<&mut Member> {
        self.members[usize::from(id.slot)].as_mut().filter(|member| member.id == id)
    }

    fn talkers(&self) -> impl Iterator<Item = (&Member, &SharedFrame)> {
        let talkers = self.members.iter().flatten().filter(|member| member.role == Role::Talker);
        talkers.filter_map(|member| Some((member, member.now.as_ref()?)))
    }

    fn whispers(&self, to: MemberId) -> impl Iterator<Item = (&Member, &SharedFrame)> {
        let whisperers = self.members.iter().flatten().filter(move |member| member.role == Role::Whisperer(to));
        whisperers.filter_map(|member| Some((member, member.now.as_ref()?)))
    }

    fn add_up(&mut self) {
        self.talking = self.talkers().count();
        if self.talking < 2 {
            return;
        }
        let mut total = [0; FRAME_SAMPLES];
        self.talkers().for_each(|(_, frame)| add(&mut total, frame));
        self.total = total;
    }

    /// What the member of a slot hears: of others, and of those who whisper to it.
    fn hear(&mut self, slot: usize) -> Option<SharedFrame> {
        let Member { id, role, law, .. } = *self.members[slot].as_ref()?;
        if role == Role::Held {
            return Some(self.music(law));
        }
        let own = self.members[slot].as_ref().and_then(|member| member.now.clone()).filter(|_| role == Role::Talker);
        let others = self.talking - usize::from(own.is_some());
        let whispers = self.whispers(id).count();
        Some(match (others, whispers) {
            (0, 0) => Arc::clone(&self.silence[row(law)]),
            (1, 0) | (0, 1) => {
                let heard = self.talkers().filter(|(talker, _)| talker.id != id).chain(self.whispers(id));
                let (from, frame) = heard.last().map(|(from, frame)| (from.law, Arc::clone(frame))).expect("one was counted");
                self.in_law(frame, from, law)
            }
            (_, 0) if own.is_none() => self.everybody(law),
            _ => {
                let mut sum = [0; FRAME_SAMPLES];
                match self.talking {
                    0 | 1 => self.talkers().filter(|(talker, _)| talker.id != id).for_each(|(_, frame)| add(&mut sum, frame)),
                    _ => {
                        sum = self.total;
                        own.iter().for_each(|frame| take_off(&mut sum, frame));
                    }
                }
                self.whispers(id).for_each(|(_, frame)| add(&mut sum, frame));
                frame_of(&mut self.pool, &sum, law)
            }
        })
    }

    fn everybody(&mut self, law: Codec) -> SharedFrame {
        let Self { everybody, pool, total, .. } = self;
        Arc::clone(everybody[row(law)].get_or_insert_with(|| frame_of(pool, total, law)))
    }

    /// A frame as it is, or its samples in another law.
    fn in_law(&mut self, frame: SharedFrame, from: Codec, law: Codec) -> SharedFrame {
        if from == law {
            return frame;
        }
        self.pool.take(|copy| {
            copy.samples.extend_from_slice(&frame.samples);
            law.encode(&frame.samples, &mut copy.encoded);
            copy.origin = frame.origin;
        })
    }

    /// The music of this tick, the same for all who wait.
    fn music(&mut self, law: Codec) -> SharedFrame {
        if let Some(music) = &self.waiting[row(law)] {
            return Arc::clone(music);
        }
        let other = self.waiting.iter().flatten().next().cloned();
        let music = match other {
            Some(other) => self.in_law(other, LAWS[1 - row(law)], law),
            None => {
                let mut octets = [0; FRAME_SAMPLES];
                self.music.next_frame(law, &mut octets);
                self.pool.take(|frame| {
                    law.decode(&octets, &mut frame.samples);
                    frame.encoded.extend_from_slice(&octets);
                    frame.origin = FrameOrigin::Received;
                })
            }
        };
        self.waiting[row(law)] = Some(Arc::clone(&music));
        music
    }

    fn find_speaker(&mut self) {
        let level = |id: Option<MemberId>| {
            let member = self.members.iter().flatten().find(|member| Some(member.id) == id && member.role == Role::Talker);
            member.map_or(0.0, |member| member.level)
        };
        let talkers = self.members.iter().flatten().filter(|member| member.role == Role::Talker && member.level > SPOKEN);
        let loudest = talkers.max_by(|left, right| left.level.total_cmp(&right.level)).map(|member| member.id);
        let challenger = loudest.filter(|id| Some(*id) != self.speaker && level(loudest) > 2.0 * level(self.speaker));
        let ticks = if challenger.is_some() && challenger == self.challenged.0 { self.challenged.1 + 1 } else { 1 };
        self.challenged = (challenger, ticks);
        if challenger.is_some() && ticks >= CHALLENGE {
            self.speaker = challenger;
        }
    }
}

impl Member {
    fn forget(&mut self) {
        self.queue.clear();
        self.spoken = false;
    }
}

impl Default for Mixer {
    fn default() -> Self {
        Self::new()
    }
}

const LAWS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

fn row(law: Codec) -> usize {
    match law {
        Codec::Pcmu => 0,
        Codec::Pcma => 1,
    }
}

fn add(sum: &mut [i32; FRAME_SAMPLES], frame: &PcmFrame) {
    for (sum, sample) in sum.iter_mut().zip(&frame.samples) {
        *sum += i32::from(*sample);
    }
}

fn take_off(sum: &mut [i32; FRAME_SAMPLES], frame: &PcmFrame) {
    for (sum, sample) in sum.iter_mut().zip(&frame.samples) {
        *sum -= i32::from(*sample);
    }
}

fn frame_of(pool: &mut FramePool, sum: &[i32; FRAME_SAMPLES], law: Codec) -> SharedFrame {
    pool.take(|frame| {
        frame.samples.extend(sum.iter().map(|sample| limit(*sample)));
        law.encode(&frame.samples, &mut frame.encoded);
        frame.origin = FrameOrigin::Received;
    })
}

/// Leaves what is below the knee as it is, and bends what is above it towards the end of the scale, which it never reaches.
fn limit(sample: i32) -> i16 {
    let over = sample.abs() - KNEE;
    if over <= 0 {
        return sample as i16;
    }
    let bent = KNEE + i32::try_from(i64::from(over) * i64::from(HEADROOM) / i64::from(over + HEADROOM)).unwrap_or(HEADROOM);
    (bent * sample.signum()) as i16
}

fn mean_square(frame: &PcmFrame) -> f32 {
    let sum: i64 = frame.samples.iter().map(|sample| i64::from(*sample) * i64::from(*sample)).sum();
    sum as f32 / FRAME_SAMPLES as f32
}

#[cfg(test)]
mod tests;
