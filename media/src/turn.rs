//! Turn-taking: when the caller starts, when the caller has finished, and when the caller interrupts the agent.
//!
//! ```text
//! the agent is silent
//!   caller  ....ssssssssssssss..ssssssss...............      the voice falls and fades: a clear end
//!               ├─80─┤ CallerStarted   ├─150─┤ CallerPaused: prepare an answer
//!                                      ├───300────┤ CallerFinished: give it
//!   caller  ....sssssssssssss......sssssssssssssssssss       "I would like to ... book a table"
//!                           ├─500─┤ CallerPaused, then CallerResumed: the voice stayed up, so the wait was 1,000 ms
//!
//! the agent speaks
//!   caller  ....sssssssssssssssssssssssssssss..........     "What about Tuesday?"
//!   agent   aaaaaa
//!               ├┤20 BargeInStarted: the agent's audio is paused
//!               ├─────────500────────┤ BargeInCommitted, CallerStarted: the rest is dropped; "wait", in words, commits at once
//!
//!   caller  ....sssssssssss............................     "uh-huh"
//!   agent   aaaaaa                   aaaaaaaaaaaaaaaaaa
//!               ├┤20 BargeInStarted  │
//!                          ├───240───┤ BargeInResumed(Backchannel): goes on where it stopped; in words, at once
//! ```
//!
//! How long a pause must be to end the turn follows from the evidence that it does: how the voice ended ([`Cues`]) and what others
//! know ([`TurnHint`]). The probability that the turn is over sets the wait between `endpoint_silence` and `endpoint_silence_min`.
//!
//! On telephone legs the agent's own voice may come back. So while the agent can be heard, and 300 ms longer, a frame must also be
//! louder than the echo would be; how loud that is is learned on each leg.

mod config;
mod echo;
mod ending;
mod event;
mod hint;
mod idle;
pub mod words;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use config::{Eagerness, Interruptions, TurnConfig};
pub use ending::{CUE_NAMES, CUES, Cues};
pub use event::{AgentAudio, ResumeReason, TurnEvent};
pub use hint::TurnHint;

use crate::units::{Dbov, FRAME};
use crate::vad::VadFrame;
use echo::Echo;
use ending::Ending;
use hint::Hints;
use idle::{Due, Idle};
use words::Spoken;

/// Decides whose turn it is, from VAD frames and from what the agent does.
///
/// A pure core: one input, then drain [`poll_event`](Self::poll_event) until `None`, then ask
/// [`poll_timeout`](Self::poll_timeout). A frame is taken to end at the `now` it comes with. When frames stop coming,
/// the timeouts still end what is open. Restarted, it is empty and follows again from the next frame.
#[derive(Debug)]
pub struct TurnDetector {
    agent: Agent,
    agent_level: Option<Dbov>,
    config: TurnConfig,
    echo: Echo,
    ending: Ending,
    events: VecDeque<TurnEvent>,
    hints: Hints,
    idle: Idle,
    /// The sound before `sound`, or the same: what a word that comes later was part of.
    last_sound: Option<Speech>,
    sound: Option<Speech>,
    /// Whether the last frame was speech; `None` before the first.
    speech: Option<bool>,
    /// Until when sounds are taken for more of the same backchannel.
    tolerated_until: Option<Instant>,
    turn: Option<Turn>,
}

/// How far below its threshold the probability may fall while speech goes on.
const HYSTERESIS_PROBABILITY: f32 = 0.2;

/// How far below its threshold the level may fall while speech goes on.
const HYSTERESIS_DB: f32 = 3.0;

/// Level of the agent until it is told: what synthesized speech is normalised to.
const ASSUMED_AGENT_LEVEL: Dbov = Dbov(-20.0);

/// The least silence after which the caller has probably finished: consonants are closed for less.
const PAUSED_SILENCE_MIN: Duration = Duration::from_millis(100);

/// The wait when the caller is as likely to have finished as not.
const EVEN_WAIT: Duration = Duration::from_millis(600);

/// A word may come so long after its sound: transcribers take 200 ms to 1 s.
const WORDS_LATE_MAX: Duration = Duration::from_millis(1_500);

/// After words that were a backchannel, "yeah, right, okay" may go on for so long before it interrupts like other speech.
const TOLERANCE: Duration = Duration::from_secs(1);

/// The most events one input makes: a frame that ends an old sound and a turn, and begins or commits others.
const EVENTS_PER_INPUT: usize = 6;

/// What the agent does. Paused means that `BargeInStarted` still waits for its outcome.
#[derive(Clone, Copy, Debug)]
enum Agent {
    Paused,
    Silent,
    Speaking,
}

/// Speech of the caller: as `sound` with gaps below `barge_in_resume`, in a turn with gaps below the wait.
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

/// The caller's open turn.
#[derive(Clone, Copy, Debug)]
struct Turn {
    speech: Speech,
    /// What the voice ended in; `None` while it is heard.
    cues: Option<Cues>,
    /// `CallerPaused` was told and not taken back.
    paused: bool,
}

impl TurnDetector {
    /// A detector that has heard nothing, with a silent agent. [`TurnConfig::validate`] the config first.
    pub fn new(config: TurnConfig) -> Self {
        Self {
            agent: Agent::Silent,
            agent_level: None,
            config,
            echo: Echo::new(config.echo_return_loss_db),
            ending: Ending::new(),
            events: VecDeque::with_capacity(EVENTS_PER_INPUT),
            hints: Hints::default(),
            idle: Idle::new(config.idle_prompt, config.idle_prompts_max),
            last_sound: None,
            sound: None,
            speech: None,
            tolerated_until: None,
            turn: None,
        }
    }

    /// The next 20 ms of the caller, as the VAD judged them.
    pub fn handle_frame(&mut self, now: Instant, frame: VadFrame) {
        self.assert_drained();
        let began = now.checked_sub(FRAME).unwrap_or(now);
        if self.speech.is_none() && matches!(self.agent, Agent::Silent) {
            self.idle.start(began);
        }
        self.expire(began);
        let sent = matches!(self.agent, Agent::Speaking).then_some(self.agent_level);
        self.echo.handle_frame(sent.map(|level| level.unwrap_or(ASSUMED_AGENT_LEVEL)), self.agent_level.is_some(), frame);
        let speech = self.is_speech(frame);
        self.speech = Some(speech);
        if speech {
            self.handle_speech(began, now, frame);
        } else {
            self.settle();
        }
        self.expire(now);
    }

    fn handle_speech(&mut self, began: Instant, now: Instant, frame: VadFrame) {
        if self.sound.is_none() && self.turn.is_none() {
            self.ending.begin_turn();
        }
        self.ending.speech(frame);
        self.hints.speech();
        let begun = Speech { at: began, last_speech_at: now, speech: Duration::ZERO };
        let sound = self.sound.get_or_insert(begun);
        sound.extend(now);
        self.last_sound = Some(*sound);
        if let Some(turn) = &mut self.turn {
            turn.speech.extend(now);
            turn.cues = None;
            if std::mem::take(&mut turn.paused) {
                self.events.push_back(TurnEvent::CallerResumed);
            }
        }
        self.act();
    }

    /// What the agent's side does.
    pub fn handle_agent(&mut self, now: Instant, audio: AgentAudio) {
        self.assert_drained();
        match (audio, self.agent) {
            (AgentAudio::Level(level), _) => self.agent_level = Some(level),
            (AgentAudio::Started, Agent::Silent) => {
                // What was said before does not interrupt what begins now; speech that goes on will.
                self.sound = None;
                self.last_sound = None;
                self.agent = Agent::Speaking;
                self.idle.stop();
            }
            (AgentAudio::Finished, Agent::Paused | Agent::Speaking) => {
                let paused = matches!(self.agent, Agent::Paused);
                self.agent = Agent::Silent;
                if paused {
                    self.resume(ResumeReason::AgentFinished);
                }
                if self.turn.is_none() {
                    self.idle.start(now);
                }
                self.act();
            }
            (AgentAudio::Started, _) | (AgentAudio::Finished, Agent::Silent) => {}
        }
    }

    /// What others know of the caller's turn. Without a turn or an interruption that it could be about it is forgotten.
    pub fn handle_hint(&mut self, now: Instant, hint: TurnHint) {
        self.assert_drained();
        match hint {
            TurnHint::Completeness(value) if self.turn.is_some() => self.hints.completeness(value),
            TurnHint::ProviderEnded if self.turn.is_some() => self.hints.provider(true),
            TurnHint::ProviderResumed if self.turn.is_some() => self.hints.provider(false),
            TurnHint::Words(spoken) if self.config.interruptions == Interruptions::Enabled => self.handle_words(now, spoken),
            _ => {}
        }
        self.expire(now);
    }

    fn handle_words(&mut self, now: Instant, spoken: Spoken) {
        let part_of = self.last_sound.filter(|sound| now < sound.last_speech_at + WORDS_LATE_MAX);
        match (spoken, self.agent, part_of) {
            (Spoken::Command, Agent::Paused, Some(sound)) => self.commit(sound),
            (Spoken::Command, Agent::Speaking, Some(sound)) => {
                self.events.push_back(TurnEvent::BargeInStarted { at: sound.at });
                self.commit(sound);
            }
            (Spoken::Backchannel, Agent::Paused, _) => {
                self.sound = None;
                self.tolerated_until = Some(now + TOLERANCE);
                self.agent = Agent::Speaking;
                self.resume(ResumeReason::Backchannel);
            }
            (Spoken::Backchannel, Agent::Speaking, Some(_)) => self.tolerated_until = Some(now + TOLERANCE),
            _ => {}
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
        let deadlines = [self.resume_deadline(), self.pause_deadline(), self.turn_deadline(), self.idle.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// What the voice ended in, while a turn is open and the caller silent: for who makes the weights.
    pub fn cues(&self) -> Option<Cues> {
        self.turn?.cues
    }

    /// How far below the agent's own level its echo is, as far as that is known by now; dB.
    pub fn echo_return_loss_db(&self) -> f32 {
        self.echo.loss_db()
    }

    /// Whether a frame is speech: louder than the noise and the echo, and the model sure enough, with hysteresis.
    fn is_speech(&self, frame: VadFrame) -> bool {
        let mut probability = self.config.speech_probability;
        let mut level = frame.noise_floor.0 + self.config.speech_over_floor_db;
        if let Some(bound) = self.echo.bound() {
            level = level.max(bound);
        }
        if self.speech == Some(true) {
            probability -= HYSTERESIS_PROBABILITY;
            level -= HYSTERESIS_DB;
        }
        frame.speech_probability >= probability && frame.level.0 >= level
    }

    /// Draws the conclusions from speech that has become longer, or from an agent that fell silent.
    fn act(&mut self) {
        let Some(sound) = self.sound else { return };
        match self.agent {
            Agent::Speaking if self.config.interruptions == Interruptions::Disabled => {
                self.sound = None;
            }
            Agent::Speaking if sound.speech >= self.pause_speech(sound.last_speech_at) => {
                self.agent = Agent::Paused;
                self.events.push_back(TurnEvent::BargeInStarted { at: sound.at });
            }
            Agent::Paused if sound.speech >= self.config.barge_in_commit => self.commit(sound),
            Agent::Silent if sound.speech >= self.config.start_speech => self.open_turn(sound),
            _ => {}
        }
    }

    /// Speech that pauses the agent.
    fn pause_speech(&self, now: Instant) -> Duration {
        let tolerated = self.tolerated_until.is_some_and(|until| now < until);
        if tolerated { self.config.barge_in_commit } else { self.config.barge_in_pause }
    }

    fn commit(&mut self, sound: Speech) {
        self.agent = Agent::Silent;
        self.events.push_back(TurnEvent::BargeInCommitted);
        self.open_turn(sound);
    }

    fn open_turn(&mut self, sound: Speech) {
        if self.turn.is_none() {
            self.hints = Hints::default();
            self.idle.caller_spoke();
            self.turn = Some(Turn { speech: sound, cues: None, paused: false });
            self.events.push_back(TurnEvent::CallerStarted { at: sound.at });
        }
        if self.speech == Some(false) {
            self.settle();
        }
    }

    /// The caller is silent: what did the voice end in?
    fn settle(&mut self) {
        if let Some(turn) = &mut self.turn
            && turn.cues.is_none()
        {
            turn.cues = Some(self.ending.cues());
        }
    }

    /// Ends what has been silent, or open, for too long.
    fn expire(&mut self, now: Instant) {
        if let Some(sound) = self.sound
            && now >= sound.last_speech_at + self.config.barge_in_resume
        {
            self.sound = None;
            if matches!(self.agent, Agent::Paused) {
                self.agent = Agent::Speaking;
                self.echo.doubt();
                self.resume(match sound.speech < self.config.backchannel_min {
                    true => ResumeReason::Noise,
                    false => ResumeReason::Backchannel,
                });
            }
        }
        if self.turn_deadline().is_some_and(|deadline| now >= deadline) {
            self.finish_turn();
        } else if self.pause_deadline().is_some_and(|deadline| now >= deadline)
            && let Some(turn) = &mut self.turn
        {
            turn.paused = true;
            self.events.push_back(TurnEvent::CallerPaused { last_speech_at: turn.speech.last_speech_at });
        }
        match self.idle.expire(now) {
            Some(Due::Ask { since }) => self.events.push_back(TurnEvent::CallerSilent { since }),
            Some(Due::Gone { since }) => self.events.push_back(TurnEvent::CallerGone { since }),
            None => {}
        }
    }

    fn finish_turn(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        if matches!(self.agent, Agent::Silent) {
            // Else the speech of the turn just ended would open the next.
            self.sound = None;
        }
        let Speech { last_speech_at, speech, .. } = turn.speech;
        self.events.push_back(TurnEvent::CallerFinished { last_speech_at, speech });
    }

    fn resume(&mut self, reason: ResumeReason) {
        self.events.push_back(TurnEvent::BargeInResumed { reason });
    }

    fn resume_deadline(&self) -> Option<Instant> {
        let sound = self.sound.filter(|_| matches!(self.agent, Agent::Paused))?;
        Some(sound.last_speech_at + self.config.barge_in_resume)
    }

    fn pause_deadline(&self) -> Option<Instant> {
        let turn = self.turn.filter(|turn| !turn.paused)?;
        let half = self.wait(&turn) / 2;
        Some(turn.speech.last_speech_at + half.max(PAUSED_SILENCE_MIN))
    }

    fn turn_deadline(&self) -> Option<Instant> {
        let turn = self.turn?;
        let longest = turn.speech.at + self.config.max_utterance;
        Some(longest.min(turn.speech.last_speech_at + self.wait(&turn)))
    }

    /// Silence that ends this turn.
    ///
    /// About as many pauses of people last 200 to 400 ms as last 400 to 800 ms. A wait `w` then cuts off a share of them that falls with
    /// the logarithm of `w`, while it costs `w` after each end; the best is proportional to the odds against the end.
    fn wait(&self, turn: &Turn) -> Duration {
        let longest = self.config.endpoint_silence;
        let shortest = self.config.endpoint_silence_min.min(longest);
        let Some(cues) = turn.cues else { return longest };
        let log_odds = cues.score() + self.hints.score() + self.config.eagerness.log_odds();
        EVEN_WAIT.mul_f32((-log_odds).clamp(-5.0, 5.0).exp()).clamp(shortest, longest)
    }

    fn assert_drained(&self) {
        debug_assert!(self.events.is_empty(), "poll_event must be drained after every input");
    }
}

#[cfg(test)]
mod tests;
