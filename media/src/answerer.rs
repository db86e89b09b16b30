//! Who or what picked up a call of ours: a person says a word and waits, a machine talks on, and beeps.
//!
//! ```text
//! Listening ─ a word, then silence ──────────► Judged(Human)      the agent begins
//!     │ ───── nothing, or nothing clear ─────► Judged(Unknown)    the same: whoever it is must not wait
//!     └ talks on, beeps, says what machines say ─► Judged(Machine) ─ beep, or silence ──► MessageDue
//!                                                                  └ talks for ever ────► GaveUp
//! ```
//! ```text
//! "Hello?"               ####......|                        human, 700 ms after the last sound
//! "Hello, Ann Baker?"    ########..........|                human, after 1 s: what is longer may have a pause in it
//! "You have reached ..." ####################|              machine: 2 s of speech before a pause of 1 s
//! ... after the tone."   ...######.=====..|                 the message: 200 ms after the beep, or 2.5 s of silence
//! ```
//! Time is counted in frames: a jitter buffer hands on one each 20 ms, whatever came.

pub mod phrases;
mod tone;

use std::collections::VecDeque;
use std::time::Duration;

use crate::frame::PcmFrame;
use crate::units::FRAME;
use crate::vad::VadFrame;
use tone::ToneFinder;

/// Nothing was said until then: a person may be waiting for us.
const SILENT_MAX: u32 = frames(4_000);
/// Nothing clear was said until then: who is there has waited long enough.
const UNCLEAR_MAX: u32 = frames(8_000);
/// Less voice than this is a cough or a click.
const WORD_MIN: u32 = frames(140);
/// Up to so much voice is a word or two, and a short silence ends it.
const SHORT_MAX: u32 = frames(1_200);
/// Silence after a word or two. A machine's "Hello." goes on before that, most times.
const SHORT_PAUSE: u32 = frames(700);
/// Silence after more than that.
const LONG_PAUSE: u32 = frames(1_000);
/// So much voice is no person's greeting.
const GREETING_MAX: u32 = frames(2_000);
/// A beep is a pure tone for so long.
const BEEP_MIN: u32 = frames(120);
/// From the end of a beep to the message: machines need a moment.
const AFTER_BEEP: u32 = frames(200);
/// Silence after a machine's greeting that is taken for a beep that was not heard.
const AFTER_GREETING: u32 = frames(2_500);
/// A machine that still talks, or plays music, takes no message.
const MACHINE_MAX: u32 = frames(60_000);

/// Speech begins at this probability and ends at the other: see [`VadFrame::speech_probability`].
const SPEECH_BEGINS: f32 = 0.55;
const SPEECH_ENDS: f32 = 0.35;
/// What is fainter over the noise is somebody else's.
const OVER_FLOOR_DB: f32 = 6.0;

const fn frames(ms: u64) -> u32 {
    (ms / FRAME.as_millis() as u64) as u32
}

fn duration(frames: u32) -> Duration {
    FRAME * frames
}

/// Who or what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Who {
    /// A person, as it sounds.
    Human,
    /// An answering machine, a voicemail, a menu, a fax.
    Machine,
    /// It did not say.
    Unknown,
}

/// Why we think so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// A pure tone was heard.
    Beep,
    /// It talked for longer than people do who pick up.
    LongGreeting,
    /// A word or two, then silence.
    ShortGreeting,
    /// Nobody spoke.
    Silence,
    /// It said this and that, and nothing clear.
    TimeUp,
    /// It said what machines say.
    Words,
}

impl Reason {
    /// Its word in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Beep => "beep",
            Self::LongGreeting => "long_greeting",
            Self::ShortGreeting => "short_greeting",
            Self::Silence => "silence",
            Self::TimeUp => "time_up",
            Self::Words => "words",
        }
    }
}

/// A verdict and what it is based on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// Who or what.
    pub who: Who,
    /// Why.
    pub reason: Reason,
    /// From the answer to the verdict.
    pub took: Duration,
    /// Voice that was heard, without its pauses.
    pub voice: Duration,
    /// Times that it began to speak.
    pub phrases: u32,
    /// The beep, where there was one.
    pub beep_hz: Option<u32>,
}

/// What is found out, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnswererEvent {
    /// Who or what it is; told once.
    Judged(Judgement),
    /// A machine listens now; true: it beeped. Told once.
    MessageDue(bool),
    /// A machine never listened. Told once, instead.
    GaveUp,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Listening,
    /// A machine, whose beep is waited for.
    Machine,
    Over,
}

/// The detector. One input, then [`poll_event`](Self::poll_event) until there is none. Allocates nothing once made.
#[derive(Debug)]
pub struct Answerer {
    stage: Stage,
    /// Frames so far.
    heard: u32,
    speaks: bool,
    /// Frames of voice since the last that was too little to count.
    voice: u32,
    phrases: u32,
    /// Frames since anything was heard, voice or tone.
    silent: u32,
    tone: ToneFinder,
    /// A beep has ended so many frames ago.
    after_beep: Option<u32>,
    beep_hz: Option<u32>,
    events: VecDeque<AnswererEvent>,
}

impl Default for Answerer {
    fn default() -> Self {
        Self {
            stage: Stage::Listening,
            heard: 0,
            speaks: false,
            voice: 0,
            phrases: 0,
            silent: 0,
            tone: ToneFinder::default(),
            after_beep: None,
            beep_hz: None,
            events: VecDeque::with_capacity(2),
        }
    }
}

impl Answerer {
    /// Listens from the answer on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows that it is a machine, and waits for its beep: where words gave it away.
    pub fn of_machine() -> Self {
        Self { stage: Stage::Machine, ..Self::default() }
    }

    /// Takes the next frame, 20 ms at 8 kHz, and what the VAD found in it.
    pub fn handle_frame(&mut self, frame: &PcmFrame, vad: &VadFrame) {
        if self.stage == Stage::Over {
            return;
        }
        self.heard += 1;
        self.follow_tone(&frame.samples);
        self.follow_voice(vad);
        match self.stage {
            Stage::Listening => self.listen(),
            Stage::Machine => self.wait_for_beep(),
            Stage::Over => {}
        }
    }

    /// Takes what a transcriber heard so far.
    pub fn handle_words(&mut self, words: &str) {
        if self.stage == Stage::Listening && phrases::is_machine(words) {
            self.judge(Who::Machine, Reason::Words);
        }
    }

    /// What was found out.
    pub fn poll_event(&mut self) -> Option<AnswererEvent> {
        self.events.pop_front()
    }

    fn follow_tone(&mut self, samples: &[i16]) {
        let before = self.tone.run();
        self.tone.handle_frame(samples);
        if self.tone.run() >= BEEP_MIN {
            self.beep_hz = Some(self.tone.hz());
            self.after_beep = None;
        } else if before >= BEEP_MIN {
            self.after_beep = Some(0);
        }
        if let Some(after) = &mut self.after_beep {
            *after += 1;
        }
    }

    fn follow_voice(&mut self, vad: &VadFrame) {
        let sounds = vad.level.0 >= vad.noise_floor.0 + OVER_FLOOR_DB;
        // A tone is sound and no voice; its first frames may have been taken for one.
        let is_tone = self.tone.run() > 0;
        let spoke = self.speaks;
        self.speaks = !is_tone && sounds && vad.speech_probability >= if spoke { SPEECH_ENDS } else { SPEECH_BEGINS };
        if self.speaks {
            self.voice += 1;
            self.phrases += u32::from(!spoke);
        }
        self.silent = if self.speaks || is_tone { 0 } else { self.silent + 1 };
    }

    fn listen(&mut self) {
        if self.tone.run() >= BEEP_MIN {
            return self.judge(Who::Machine, Reason::Beep);
        }
        if self.voice >= GREETING_MAX {
            return self.judge(Who::Machine, Reason::LongGreeting);
        }
        let pause = if self.voice <= SHORT_MAX { SHORT_PAUSE } else { LONG_PAUSE };
        if self.voice > 0 && self.silent >= pause {
            if self.voice >= WORD_MIN {
                return self.judge(Who::Human, Reason::ShortGreeting);
            }
            (self.voice, self.phrases) = (0, 0);
        }
        if self.voice == 0 && self.heard >= SILENT_MAX {
            self.judge(Who::Unknown, Reason::Silence);
        } else if self.heard >= UNCLEAR_MAX {
            self.judge(Who::Unknown, Reason::TimeUp);
        }
    }

    fn wait_for_beep(&mut self) {
        let beeped = self.after_beep.is_some_and(|after| after >= AFTER_BEEP);
        if beeped || self.silent >= AFTER_GREETING {
            self.stage = Stage::Over;
            self.events.push_back(AnswererEvent::MessageDue(beeped));
        } else if self.heard >= MACHINE_MAX {
            self.stage = Stage::Over;
            self.events.push_back(AnswererEvent::GaveUp);
        }
    }

    fn judge(&mut self, who: Who, reason: Reason) {
        self.stage = if who == Who::Machine { Stage::Machine } else { Stage::Over };
        let (took, voice) = (duration(self.heard), duration(self.voice));
        let judgement = Judgement { who, reason, took, voice, phrases: self.phrases, beep_hz: self.beep_hz };
        self.events.push_back(AnswererEvent::Judged(judgement));
    }
}

#[cfg(test)]
mod tests;
