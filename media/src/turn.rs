//! Turn-taking: when the caller starts, when the caller has finished, and when the caller interrupts the agent.
//!
//! ```text
//! the agent is silent
//!   caller  ....ssssssssssssss..ssssssss...............
//!               ├─80─┤ CallerStarted   ├────600────┤ CallerFinished
//!
//! the agent speaks
//!   caller  ....sssssssssssssssssssssssssssss..........     "No, wait, I meant"
//!   agent   aaaaaa
//!               ├┤20 BargeInStarted: the agent's audio is paused
//!               ├─────────500────────┤ BargeInCommitted, CallerStarted: the rest is dropped
//!
//!   caller  ....sssssssssss............................     "uh-huh"
//!   agent   aaaaaa                   aaaaaaaaaaaaaaaaaa
//!               ├┤20 BargeInStarted  │
//!                          ├───240───┤ BargeInResumed(Backchannel): goes on where it stopped
//! ```
//!
//! On telephone legs the agent's own voice may come back. So while the agent can be heard, and [`ECHO_TAIL`] longer,
//! a frame must also be louder than the echo would be.

mod config;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use config::{Interruptions, TurnConfig};

use crate::units::{Dbov, FRAME};
use crate::vad::VadFrame;

/// What the agent's side of the leg does; told by the owner of the sendout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AgentAudio {
    /// A prompt was heard to its end, or was dropped.
    Finished,
    /// Level of what the agent says now; optional, at any rate. Without it -20 dBov is assumed.
    Level(Dbov),
    /// The first frame of a prompt went out.
    Started,
}

/// Why a pause of the agent was taken back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResumeReason {
    /// The prompt ended or was dropped meanwhile: there may be nothing to go on with.
    AgentFinished,
    /// A short sound of the caller that does not take the turn, as "uh-huh".
    Backchannel,
    /// Too short for a word: a cough, a click, the end of an echo.
    Noise,
}

/// What the detector decided.
///
/// `CallerStarted` and `CallerFinished` come in pairs and in turn. Each `BargeInStarted` is followed by exactly one
/// `BargeInCommitted` or `BargeInResumed` before the next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TurnEvent {
    /// It was real speech: drop the rest of the agent's audio. The caller's turn is open now.
    BargeInCommitted,
    /// It was not: let the agent's audio go on where it stopped.
    BargeInResumed {
        /// Why.
        reason: ResumeReason,
    },
    /// The caller makes a sound while the agent speaks: pause the agent's audio at once.
    BargeInStarted {
        /// When the sound began.
        at: Instant,
    },
    /// The caller's turn is over.
    CallerFinished {
        /// When the caller was last heard; the response gap counts from here.
        last_speech_at: Instant,
        /// How much of the turn was speech.
        speech: Duration,
    },
    /// The caller's turn has begun.
    CallerStarted {
        /// When the speech began, earlier than this event.
        at: Instant,
    },
}

/// Decides whose turn it is, from VAD frames and from what the agent does.
///
/// A pure core: one input, then drain [`poll_event`](Self::poll_event) until `None`, then ask
/// [`poll_timeout`](Self::poll_timeout). A frame is taken to end at the `now` it comes with. When frames stop coming,
/// the timeouts still end what is open. Restarted, it is empty and follows again from the next frame.
#[derive(Debug)]
pub struct TurnDetector {
    agent: Agent,
    agent_level: Dbov,
    config: TurnConfig,
    events: VecDeque<TurnEvent>,
    sound: Option<Speech>,
    /// Whether the last frame was speech.
    speech: bool,
    turn: Option<Speech>,
}

/// How long after the agent's last audio its echo may still arrive.
pub const ECHO_TAIL: Duration = Duration::from_millis(300);

/// How far below its threshold the probability may fall while speech goes on.
const HYSTERESIS_PROBABILITY: f32 = 0.2;

/// How far below its threshold the level may fall while speech goes on.
const HYSTERESIS_DB: f32 = 3.0;

/// Level of the agent until it is told: what synthesized speech is normalised to.
const ASSUMED_AGENT_LEVEL: Dbov = Dbov(-20.0);

/// The most events one input makes: a frame that ends an old sound and a turn, and begins or commits others.
const EVENTS_PER_INPUT: usize = 4;

/// What the agent does. Paused means that `BargeInStarted` still waits for its outcome.
#[derive(Clone, Copy, Debug)]
enum Agent {
    Paused { since: Instant },
    Silent { since: Option<Instant> },
    Speaking,
}

/// Speech of the caller: as `sound` with gaps below `barge_in_resume`, as `turn` with gaps below `endpoint_silence`.
#[derive(Clone, Copy, Debug)]
struct Speech {
    at: Instant,
    last_speech_at: Instant,
    speech: Duration,
}

impl Speech {
    fn extend(&mut self, now: Instant) {
        self.last_speech_at = now;
        self.speech += FRAME;
    }
}

impl TurnDetector {
    /// A detector that has heard nothing, with a silent agent. [`TurnConfig::validate`] the config first.
    pub fn new(config: TurnConfig) -> Self {
        Self {
            agent: Agent::Silent { since: None },
            agent_level: ASSUMED_AGENT_LEVEL,
            config,
            events: VecDeque::with_capacity(EVENTS_PER_INPUT),
            sound: None,
            speech: false,
            turn: None,
        }
    }

    /// The next 20 ms of the caller, as the VAD judged them.
    pub fn handle_frame(&mut self, now: Instant, frame: VadFrame) {
        self.assert_drained();
        let began = now.checked_sub(FRAME).unwrap_or(now);
        self.expire(began);
        self.speech = self.is_speech(began, frame);
        if self.speech {
            let begun = Speech { at: began, last_speech_at: now, speech: Duration::ZERO };
            self.sound.get_or_insert(begun).extend(now);
            if let Some(turn) = &mut self.turn {
                turn.extend(now);
            }
            self.act(now);
        }
        self.expire(now);
    }

    /// What the agent's side does.
    pub fn handle_agent(&mut self, now: Instant, audio: AgentAudio) {
        self.assert_drained();
        match (audio, self.agent) {
            (AgentAudio::Level(level), _) => self.agent_level = level,
            (AgentAudio::Started, Agent::Silent { .. }) => {
                // What was said before does not interrupt what begins now; speech that goes on will.
                self.sound = None;
                self.agent = Agent::Speaking;
            }
            (AgentAudio::Finished, Agent::Paused { since }) => {
                self.agent = Agent::Silent { since: Some(since) };
                self.resume(ResumeReason::AgentFinished);
                self.act(now);
            }
            (AgentAudio::Finished, Agent::Speaking) => {
                self.agent = Agent::Silent { since: Some(now) };
                self.act(now);
            }
            (AgentAudio::Started, _) | (AgentAudio::Finished, Agent::Silent { .. }) => {}
        }
    }

    /// The deadline of [`poll_timeout`](Self::poll_timeout) has come. Early or late calls do no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.assert_drained();
        self.expire(now);
    }

    /// The next decision, in the order they were made.
    pub fn poll_event(&mut self) -> Option<TurnEvent> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) if no frame comes before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.resume_deadline(), self.turn_deadline()].into_iter().flatten().min()
    }

    /// Whether a frame is speech: louder than the noise and the echo, and the model sure enough, with hysteresis.
    fn is_speech(&self, began: Instant, frame: VadFrame) -> bool {
        let mut probability = self.config.speech_probability;
        let mut level = frame.noise_floor.0 + self.config.speech_over_floor_db;
        if self.may_hear_echo(began) {
            level = level.max(self.agent_level.0 - self.config.echo_return_loss_db);
        }
        if self.speech {
            probability -= HYSTERESIS_PROBABILITY;
            level -= HYSTERESIS_DB;
        }
        frame.speech_probability >= probability && frame.level.0 >= level
    }

    fn may_hear_echo(&self, now: Instant) -> bool {
        match self.agent {
            Agent::Speaking => true,
            Agent::Paused { since } | Agent::Silent { since: Some(since) } => now < since + ECHO_TAIL,
            Agent::Silent { since: None } => false,
        }
    }

    /// Draws the conclusions from speech that has become longer, or from an agent that fell silent.
    fn act(&mut self, now: Instant) {
        let Some(sound) = self.sound else { return };
        match self.agent {
            Agent::Speaking if self.config.interruptions == Interruptions::Disabled => {
                self.sound = None;
            }
            Agent::Speaking if sound.speech >= self.config.barge_in_pause => {
                self.agent = Agent::Paused { since: now };
                self.events.push_back(TurnEvent::BargeInStarted { at: sound.at });
            }
            Agent::Paused { since } if sound.speech >= self.config.barge_in_commit => {
                self.agent = Agent::Silent { since: Some(since) };
                self.events.push_back(TurnEvent::BargeInCommitted);
                self.open_turn(sound);
            }
            Agent::Silent { .. } if sound.speech >= self.config.start_speech => {
                self.open_turn(sound);
            }
            _ => {}
        }
    }

    fn open_turn(&mut self, sound: Speech) {
        if self.turn.is_none() {
            self.turn = Some(sound);
            self.events.push_back(TurnEvent::CallerStarted { at: sound.at });
        }
    }

    /// Ends what has been silent, or open, for too long.
    fn expire(&mut self, now: Instant) {
        if let Some(sound) = self.sound
            && now >= sound.last_speech_at + self.config.barge_in_resume
        {
            self.sound = None;
            if matches!(self.agent, Agent::Paused { .. }) {
                self.agent = Agent::Speaking;
                self.resume(match sound.speech < self.config.backchannel_min {
                    true => ResumeReason::Noise,
                    false => ResumeReason::Backchannel,
                });
            }
        }
        if let Some(turn) = self.turn
            && self.turn_deadline().is_some_and(|deadline| now >= deadline)
        {
            self.turn = None;
            if matches!(self.agent, Agent::Silent { .. }) {
                // Else the speech of the turn just ended would open the next.
                self.sound = None;
            }
            let Speech { last_speech_at, speech, .. } = turn;
            self.events.push_back(TurnEvent::CallerFinished { last_speech_at, speech });
        }
    }

    fn resume(&mut self, reason: ResumeReason) {
        self.events.push_back(TurnEvent::BargeInResumed { reason });
    }

    fn resume_deadline(&self) -> Option<Instant> {
        let sound = self.sound.filter(|_| matches!(self.agent, Agent::Paused { .. }))?;
        Some(sound.last_speech_at + self.config.barge_in_resume)
    }

    fn turn_deadline(&self) -> Option<Instant> {
        let turn = self.turn?;
        let longest = turn.at + self.config.max_utterance;
        Some(longest.min(turn.last_speech_at + self.config.endpoint_silence))
    }

    fn assert_drained(&self) {
        debug_assert!(self.events.is_empty(), "poll_event must be drained after every input");
    }
}

#[cfg(test)]
mod tests;
