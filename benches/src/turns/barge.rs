//! Interruptions: the agent speaks, its echo comes back, and the caller takes the turn, listens aloud, coughs, or says nothing.
//!
//! ```text
//! agent    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa      9 s of a voice; stops while it is paused
//! echo        eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee   later and softer, as the line has it
//! caller                 sssssssssssss               from 3 s on
//! ```

use std::time::Instant;

use anyhow::Result;
use media::codec::Codec;
use media::frame::PcmFrame;
use media::turn::words::{self, Spoken};
use media::turn::{AgentAudio, TurnConfig, TurnDetector, TurnEvent, TurnHint};
use media::units::{Dbov, FRAME, FRAME_SAMPLES};
use media::vad::{Vad, VadConfig, VadFrame};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::scene::{self, Line, MS};
use super::score::quantile;
use super::voices::{self, Studio, Voice};

/// What the agent says, by a voice that no caller has.
const AGENT: &str = "Thank you for calling. Our shop is open from nine in the morning until six in the evening, on Saturdays until \
                     one. If you would like to order something, please tell me what it is, and I will look for it in our catalogue.";

/// When the caller speaks.
const ONSET: usize = 3_000 * MS;

/// How long a scene lasts.
const LENGTH: usize = 9_000 * MS;

/// A transcriber's delay.
const WORDS_LATE: usize = 300 * MS;

/// An interruption is found when it is committed before its end, or so long after.
const GRACE: usize = 500 * MS;

/// What the caller does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// Takes the turn: over half a second of overlap.
    Interrupts(&'static str),
    /// One word that wants silence.
    Commands(&'static str),
    /// Shows that it listens.
    Listens(&'static str),
    Coughs,
    Silent,
}

const CALLERS: &[Caller] = &[
    Caller::Interrupts("What about Tuesday instead of that?"),
    Caller::Interrupts("I just need your address, please."),
    Caller::Interrupts("Could I speak to somebody else?"),
    Caller::Interrupts("My order was wrong last time."),
    Caller::Interrupts("Do you sell garden furniture?"),
    Caller::Commands("Stop."),
    Caller::Commands("Wait."),
    Caller::Commands("Hold on."),
    Caller::Listens("Uh-huh."),
    Caller::Listens("Okay."),
    Caller::Listens("Yeah."),
    Caller::Listens("Right."),
    Caller::Listens("I see."),
    Caller::Coughs,
    Caller::Coughs,
    Caller::Silent,
];

impl Caller {
    fn wants_the_turn(self) -> bool {
        matches!(self, Self::Interrupts(_) | Self::Commands(_))
    }

    fn words(self) -> Option<&'static str> {
        match self {
            Self::Interrupts(text) | Self::Commands(text) | Self::Listens(text) => Some(text),
            Self::Coughs | Self::Silent => None,
        }
    }
}

/// Who decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Judge {
    /// 500 ms of what the VAD calls speech, with gaps up to 240 ms.
    PlainVad,
    Detector,
    /// The detector, told what a transcriber made of it.
    DetectorWithWords,
}

/// What came of many scenes.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub found: u32,
    pub missed: u32,
    pub wrong: u32,
    /// Scenes without a word of the caller in which the agent fell silent for a moment.
    pub echo_pauses: u32,
    /// From the caller's first sound to the pause and to the commit, milliseconds.
    pub paused_ms: Vec<f32>,
    pub committed_ms: Vec<f32>,
}

impl Outcome {
    pub fn precision(&self) -> f32 {
        self.found as f32 / (self.found + self.wrong).max(1) as f32
    }

    pub fn recall(&self) -> f32 {
        self.found as f32 / (self.found + self.missed).max(1) as f32
    }

    pub fn paused_at(&self, share: f32) -> f32 {
        quantile(&self.paused_ms, share)
    }

    pub fn committed_at(&self, share: f32) -> f32 {
        quantile(&self.committed_ms, share)
    }
}

/// Every caller with every voice, over a line that returns the agent's voice this much softer and later.
pub fn run(studio: &Studio, voices: &[Voice], judge: Judge, loss_db: f32, delay_ms: usize, seed: u64) -> Result<Outcome> {
    let agent = studio.say(voices::AGENT, AGENT)?;
    let mut result = Outcome::default();
    for (number, &voice) in voices.iter().enumerate() {
        for (index, &caller) in CALLERS.iter().enumerate() {
            let mut random = StdRng::seed_from_u64(seed + (number * CALLERS.len() + index) as u64);
            let sound = match (caller, caller.words()) {
                (_, Some(text)) => studio.say(voice, text)?.to_vec(),
                (Caller::Coughs, None) => cough(&mut random),
                (_, None) => Vec::new(),
            };
            let end = ONSET + sound.len();
            let decisions = play(&Scene { agent: &agent, sound, caller, judge, loss_db, delay: delay_ms * MS }, &mut random);
            result.add(caller, end, decisions);
        }
    }
    Ok(result)
}

/// When the agent was first and last paused, and when it was stopped, in samples.
#[derive(Clone, Copy, Debug, Default)]
struct Decisions {
    first_paused: Option<usize>,
    paused: Option<usize>,
    committed: Option<usize>,
}

impl Outcome {
    fn add(&mut self, caller: Caller, end: usize, decisions: Decisions) {
        let since = |at: usize| (at as f32 - ONSET as f32) / MS as f32;
        let in_time = decisions.committed.filter(|&at| at >= ONSET && at <= end + GRACE + WORDS_LATE);
        match (caller.wants_the_turn(), in_time) {
            (true, Some(at)) => {
                self.found += 1;
                self.committed_ms.push(since(at));
                self.paused_ms.extend(decisions.paused.filter(|&at| at >= ONSET).map(since));
            }
            (true, None) => {
                self.missed += 1;
                self.wrong += u32::from(decisions.committed.is_some());
            }
            (false, _) => self.wrong += u32::from(decisions.committed.is_some()),
        }
        self.echo_pauses += u32::from(caller == Caller::Silent && decisions.first_paused.is_some());
    }
}

struct Scene<'a> {
    agent: &'a [i16],
    sound: Vec<i16>,
    caller: Caller,
    judge: Judge,
    loss_db: f32,
    delay: usize,
}

fn play(scene: &Scene<'_>, random: &mut StdRng) -> Decisions {
    let line = Line { codec: Codec::Pcmu, snr_db: 35.0, loss: 0.0 };
    let mut caller = vec![0; LENGTH];
    caller[ONSET..ONSET + scene.sound.len()].copy_from_slice(&scene.sound);
    let caller = scene::transmit_at(&mut caller, line, voices::LEVEL.0 - line.snr_db, random);
    let mut ear = Ear::new(scene.judge);
    let mut sent = vec![0; LENGTH];
    let (mut said, mut decisions) = (0, Decisions::default());
    let gain = 10_f32.powf(-scene.loss_db / 20.0);
    let hint =
        scene.caller.words().map(|text| (ONSET + scene.sound.len().min(800 * MS) + WORDS_LATE, words::classify(text, "en")));
    for (index, mut frame) in caller.into_iter().enumerate() {
        let at = index * FRAME_SAMPLES;
        let speaks = ear.agent_speaks && said + FRAME_SAMPLES <= scene.agent.len();
        if speaks {
            sent[at..at + FRAME_SAMPLES].copy_from_slice(&scene.agent[said..said + FRAME_SAMPLES]);
            said += FRAME_SAMPLES;
        }
        for (offset, sample) in frame.samples.iter_mut().enumerate() {
            let echo = (at + offset).checked_sub(scene.delay).map_or(0.0, |then| f32::from(sent[then]) * gain);
            *sample = sample.saturating_add(echo as i16);
        }
        ear.told_hint = hint.filter(|(due, _)| (at..at + FRAME_SAMPLES).contains(due)).map(|(_, spoken)| spoken);
        let was_speaking = ear.agent_speaks;
        ear.hear(&frame, speaks.then(|| Dbov::of(&sent[at..at + FRAME_SAMPLES])));
        let now = at + FRAME_SAMPLES;
        if was_speaking && !ear.agent_speaks {
            decisions.first_paused = decisions.first_paused.or(Some(now));
            decisions.paused = Some(now);
        }
        if ear.committed {
            decisions.committed = Some(now);
            break;
        }
    }
    decisions
}

/// A judge at work.
struct Ear {
    judge: Judge,
    vad: Vad,
    detector: TurnDetector,
    now: Instant,
    started: bool,
    agent_speaks: bool,
    committed: bool,
    told_hint: Option<Spoken>,
    /// Of the plain VAD: when speech began, and was last heard, in frames.
    speech: Option<(u32, u32)>,
    frame: u32,
}

impl Ear {
    fn new(judge: Judge) -> Self {
        Self {
            judge,
            vad: Vad::new(VadConfig::default()),
            detector: TurnDetector::new(TurnConfig::default()),
            now: Instant::now(),
            started: false,
            agent_speaks: true,
            committed: false,
            told_hint: None,
            speech: None,
            frame: 0,
        }
    }

    fn hear(&mut self, frame: &PcmFrame, sent: Option<Dbov>) {
        self.now += FRAME;
        self.frame += 1;
        let heard = self.vad.handle_frame(frame);
        if self.judge == Judge::PlainVad {
            return self.count(heard);
        }
        if !self.started {
            self.started = true;
            self.detector.handle_agent(self.now, AgentAudio::Started);
        }
        if let Some(level) = sent {
            self.detector.handle_agent(self.now, AgentAudio::Level(level));
        }
        self.detector.handle_frame(self.now, heard);
        self.drain();
        if let Some(spoken) = self.told_hint.filter(|_| self.judge == Judge::DetectorWithWords) {
            self.detector.handle_hint(self.now, TurnHint::Words(spoken));
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.detector.poll_event() {
            match event {
                TurnEvent::BargeInStarted { .. } => self.agent_speaks = false,
                TurnEvent::BargeInResumed { .. } => self.agent_speaks = true,
                TurnEvent::BargeInCommitted => self.committed = true,
                _ => {}
            }
        }
    }

    fn count(&mut self, heard: VadFrame) {
        const COMMIT: u32 = 25;
        const GAP: u32 = 12;
        let speech = heard.speech_probability >= 0.55 && heard.level.0 >= heard.noise_floor.0 + 6.0;
        if speech {
            let (began, _) = self.speech.filter(|(_, last)| self.frame - last <= GAP).unwrap_or((self.frame, self.frame));
            self.speech = Some((began, self.frame));
            self.committed = self.frame - began >= COMMIT;
            self.agent_speaks &= !self.committed;
        }
    }
}

/// Two bursts of noise that decay, with a breath between; made, not recorded.
fn cough(random: &mut StdRng) -> Vec<i16> {
    let mut audio = Vec::new();
    for burst in [180, 140] {
        let count = burst * MS;
        let mut last = 0.0;
        audio.extend((0..count).map(|index| {
            let fade = (-3.0 * index as f32 / count as f32).exp() * (index as f32 / 40.0).min(1.0);
            last = 0.5 * last + random.random_range(-1.0..1.0_f32);
            (last * fade * 8_000.0) as i16
        }));
        audio.resize(audio.len() + 90 * MS, 0);
    }
    audio
}
