//! A detector against the truth: pauses it took for the end, and how long it waited after the end.

use std::time::{Duration, Instant};

use media::turn::words;
use media::turn::{Cues, TurnConfig, TurnDetector, TurnEvent, TurnHint};
use media::units::{FRAME, FRAME_SAMPLES};
use media::vad::{Vad, VadConfig, VadFrame};

use super::scene::{Kind, MS, Scene};

/// A scene as the VAD heard it: the costly part, done once for all detectors.
pub struct Heard<'a> {
    pub scene: &'a Scene,
    pub frames: Vec<VadFrame>,
    /// Whether a call begins with it.
    pub first: bool,
}

impl<'a> Heard<'a> {
    /// Scenes of a call follow each other.
    pub fn all(scenes: &'a [Scene]) -> Vec<Self> {
        let mut vad = Vad::new(VadConfig::default());
        let mut heard: Vec<Self> = Vec::with_capacity(scenes.len());
        for scene in scenes {
            let first = heard.last().is_none_or(|last| last.scene.call != scene.call);
            if first {
                vad = Vad::new(VadConfig::default());
            }
            heard.push(Self { scene, frames: scene.frames.iter().map(|frame| vad.handle_frame(frame)).collect(), first });
        }
        heard
    }
}

/// When a transcriber's words come: this long after they were said, milliseconds.
const WORDS_LATE_MS: usize = 300;

/// Whether the detector is told the words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transcript {
    None,
    /// Without punctuation.
    Plain,
    /// With the punctuation of the sentence, which a good transcriber gets right.
    Punctuated,
}

/// What one detector did over many scenes.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// Pauses of each kind, and how many of them were taken for the end.
    pub pauses: [(u32, u32); 3],
    /// Turns, and how many of them were cut anywhere.
    pub turns: (u32, u32),
    /// From the end of the last word to `CallerFinished`, milliseconds.
    pub delays: Vec<f32>,
    /// The same to the last `CallerPaused` before it.
    pub paused_delays: Vec<f32>,
    /// `CallerPaused` inside turns, and how often that was taken back.
    pub early: (u32, u32),
    /// Turns whose end was never found.
    pub missed: u32,
}

impl Score {
    /// Share of pauses taken for the end.
    pub fn cut_off_rate(&self) -> f32 {
        let (all, cut) = self.pauses.iter().fold((0, 0), |sum, kind| (sum.0 + kind.0, sum.1 + kind.1));
        cut as f32 / all.max(1) as f32
    }

    /// The same of one kind.
    pub fn cut_off_rate_of(&self, kind: Kind) -> f32 {
        let (all, cut) = self.pauses[kind as usize];
        cut as f32 / all.max(1) as f32
    }

    /// Mean delay of the end, milliseconds.
    pub fn delay(&self) -> f32 {
        mean(&self.delays)
    }

    /// A delay that this share of turns does not exceed.
    pub fn delay_at(&self, share: f32) -> f32 {
        quantile(&self.delays, share)
    }
}

pub fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

pub fn quantile(values: &[f32], share: f32) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = (share * (sorted.len().max(1) - 1) as f32).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

/// Runs a detector with this configuration over all scenes.
pub fn run(scenes: &[Heard<'_>], config: TurnConfig, transcript: Transcript) -> Score {
    let mut score = Score::default();
    let mut call = Call::new(config);
    for heard in scenes {
        if heard.first {
            call = Call::new(config);
        }
        run_one(heard, &mut call, transcript, &mut score);
    }
    score
}

/// A detector, which remembers the caller from turn to turn, and its time.
pub struct Call {
    pub detector: TurnDetector,
    now: Instant,
}

impl Call {
    pub fn new(config: TurnConfig) -> Self {
        Self { detector: TurnDetector::new(config), now: Instant::now() }
    }
}

fn run_one(heard: &Heard<'_>, call: &mut Call, transcript: Transcript, score: &mut Score) {
    let scene = heard.scene;
    let mut cut = vec![false; scene.pauses.len()];
    let mut cut_elsewhere = false;
    let mut finished = None;
    let mut paused = None;
    call.play(heard, transcript, |at, event| match event {
        TurnEvent::CallerFinished { .. } if at < scene.end => match scene.pauses.iter().rposition(|pause| pause.at.start <= at) {
            Some(index) => cut[index] = true,
            None => cut_elsewhere = true,
        },
        TurnEvent::CallerFinished { .. } => finished = finished.or(Some(at)),
        TurnEvent::CallerPaused { .. } if finished.is_none() => {
            paused = Some(at);
            score.early.0 += 1;
        }
        TurnEvent::CallerResumed => score.early.1 += 1,
        _ => {}
    });
    for (pause, &cut) in scene.pauses.iter().zip(&cut) {
        let (all, wrong) = &mut score.pauses[pause.kind as usize];
        *all += 1;
        *wrong += u32::from(cut);
    }
    score.turns.0 += 1;
    score.turns.1 += u32::from(cut_elsewhere || cut.contains(&true));
    let delay = |at: usize| (at - scene.end) as f32 / MS as f32;
    match finished {
        Some(at) => score.delays.push(delay(at)),
        None => score.missed += 1,
    }
    score.paused_delays.extend(paused.filter(|&at| at >= scene.end).map(delay));
}

impl Call {
    /// Plays a scene, and gives each event with the sample at which it was told.
    fn play(&mut self, heard: &Heard<'_>, transcript: Transcript, mut told: impl FnMut(usize, TurnEvent)) {
        let mut hints = hints(heard.scene, transcript).into_iter().peekable();
        for (index, &frame) in heard.frames.iter().enumerate() {
            let at = (index + 1) * FRAME_SAMPLES;
            self.now += FRAME;
            self.detector.handle_frame(self.now, frame);
            self.drain(at, &mut told);
            while let Some((_, hint)) = hints.next_if(|(due, _)| *due <= at) {
                self.detector.handle_hint(self.now, hint);
                self.drain(at, &mut told);
            }
        }
    }

    fn drain(&mut self, at: usize, told: &mut impl FnMut(usize, TurnEvent)) {
        while let Some(event) = self.detector.poll_event() {
            told(at, event);
        }
    }
}

/// The words so far, as a transcriber without punctuation gives them, after each stop.
fn hints(scene: &Scene, transcript: Transcript) -> Vec<(usize, TurnHint)> {
    if transcript == Transcript::None {
        return Vec::new();
    }
    let stops = scene.pauses.iter().map(|pause| (pause.at.start, pause.text.as_str())).chain([(scene.end, scene.text.as_str())]);
    let hint = |(at, text): (usize, &str)| {
        let completeness = if transcript == Transcript::Plain { plain(text) } else { words::completeness(text, "en") };
        (at + WORDS_LATE_MS * MS, TurnHint::Completeness(completeness))
    };
    stops.map(hint).collect()
}

/// As a transcriber without punctuation has it.
pub fn bare(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ',' | '.' | '?' | '|')).collect::<String>().to_lowercase()
}

fn plain(text: &str) -> f32 {
    words::completeness(&bare(text), "en")
}

/// What a pause or an end sounded like.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    pub cues: Cues,
    /// How complete the words were, in log odds.
    pub words: f32,
    /// `None` of an end.
    pub kind: Option<Kind>,
}

impl Example {
    pub fn is_end(&self) -> bool {
        self.kind.is_none()
    }
}

/// Every pause and every end.
pub fn examples<'a>(scenes: impl IntoIterator<Item = &'a Heard<'a>>) -> Vec<Example> {
    let wait = Duration::from_secs(2);
    let timer = TurnConfig { endpoint_silence: wait, endpoint_silence_min: wait, ..TurnConfig::default() };
    let mut call = Call::new(timer);
    let mut all = Vec::new();
    for heard in scenes {
        if heard.first {
            call = Call::new(timer);
        }
        let end = heard.scene.end;
        let stops = heard.scene.pauses.iter().map(|pause| (pause.at.clone(), Some(pause.kind), pause.text.as_str()));
        let stops: Vec<_> = stops.chain([(end..end + 400 * MS, None, heard.scene.text.as_str())]).collect();
        let mut found = vec![None; stops.len()];
        for (index, &frame) in heard.frames.iter().enumerate() {
            let at = (index + 1) * FRAME_SAMPLES;
            call.now += FRAME;
            call.detector.handle_frame(call.now, frame);
            while call.detector.poll_event().is_some() {}
            if let Some(stop) = stops.iter().position(|(range, ..)| range.contains(&at)) {
                found[stop] = call.detector.cues().or(found[stop]);
            }
        }
        let example = |(cues, (_, kind, text)): (Option<Cues>, (_, Option<Kind>, &str))| {
            let words = words::log_odds(plain(text));
            cues.map(|cues| Example { cues, words, kind })
        };
        all.extend(found.into_iter().zip(stops).filter_map(example));
    }
    all
}
