//! The sections that tune the audio path: jitter buffer, voice activity, turn-taking, codecs.

use std::time::Duration;

use actors::config::Codec;

use super::reader::Section;

const JITTER_MIN: Duration = Duration::from_millis(10);
const JITTER_INITIAL: Duration = Duration::from_millis(25);
const JITTER_MAX: Duration = Duration::from_millis(200);
const NOISE_FLOOR_MIN_DBOV: f64 = -60.0;
const NOISE_WINDOW: Duration = Duration::from_millis(1500);
const CODEC_ORDER: [CodecName; 4] = [CodecName::Pcmu, CodecName::Pcma, CodecName::Opus, CodecName::G722];

/// `[jitter]`: how long received packets are held back so that they play evenly.
#[derive(Clone, Debug, PartialEq)]
pub struct JitterConfig {
    /// The least delay on a quiet network, 0-200 ms, default 20 ms.
    pub min: Duration,
    /// The delay a call starts with, 0-500 ms, default 40 ms.
    pub initial: Duration,
    /// The most delay on a bad network, 20-1000 ms, default 200 ms; a later packet counts as lost.
    pub max: Duration,
}

/// `[vad]`: how the noise under the speech is found.
#[derive(Clone, Debug, PartialEq)]
pub struct VadConfig {
    /// The lowest the noise floor may fall, -90 to -30 dBov, default -60 dBov.
    pub noise_floor_min_dbov: f64,
    /// How far back the quietest frame is looked for, 500-10000 ms, default 1.5 s.
    pub noise_window: Duration,
}

/// `[turn]`: who speaks when. An assistant's own `turn` section overrides it key by key.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnConfig {
    /// How soon the caller is taken to have finished, default medium.
    pub eagerness: EagernessName,
    /// The longest wait: silence that ends the caller's turn whatever it sounded like, 100-5000 ms, default 1.4 s.
    pub endpoint_silence: Duration,
    /// The shortest wait, after the clearest of ends, 100-5000 ms, default 200 ms.
    pub endpoint_silence_min: Duration,
    /// Silence of both sides after which the caller is asked for, 0-600 s, default 10 s; 0: never.
    pub idle_prompt: Duration,
    /// How often, before the caller is taken to be gone, 0-10, default 2.
    pub idle_prompts_max: u32,
    /// Speech that starts the caller's turn while the agent is silent, 20-500 ms, default 80 ms.
    pub start_speech: Duration,
    /// A turn this long is ended in mid-speech, and the next begins, 1-600 s, default 60 s.
    pub max_utterance: Duration,
    /// Speech that pauses the agent, 20-200 ms, default 20 ms.
    pub barge_in_pause: Duration,
    /// Speech after which that pause cannot be taken back: the rest of the answer is dropped, 100-3000 ms, default
    /// 500 ms, not below `backchannel_min`.
    pub barge_in_commit: Duration,
    /// Silence after which a pause that was not committed is taken back, 60-2000 ms, default 240 ms.
    pub barge_in_resume: Duration,
    /// Speech from which a pause taken back counts as a backchannel; below it was noise, 40-1000 ms, default 120 ms.
    pub backchannel_min: Duration,
    /// Probability from which a frame is speech, 0.3-0.85, default 0.55.
    pub speech_probability: f64,
    /// How far speech must stand out of the noise floor, 0-30 dB, default 6 dB.
    pub speech_over_floor_db: f64,
    /// How far below its own level an echo of the agent is at least, 6-60 dB, default 10 dB; more is learned on each call.
    pub echo_return_loss_db: f64,
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self {
            eagerness: EagernessName::Medium,
            endpoint_silence: Duration::from_millis(1400),
            endpoint_silence_min: Duration::from_millis(200),
            idle_prompt: Duration::from_secs(10),
            idle_prompts_max: 2,
            start_speech: Duration::from_millis(80),
            max_utterance: Duration::from_secs(60),
            barge_in_pause: Duration::from_millis(20),
            barge_in_commit: Duration::from_millis(500),
            barge_in_resume: Duration::from_millis(240),
            backchannel_min: Duration::from_millis(120),
            speech_probability: 0.55,
            speech_over_floor_db: 6.0,
            echo_return_loss_db: 10.0,
        }
    }
}

/// How soon the caller is taken to have finished.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EagernessName {
    /// At the first sign.
    High,
    /// When thinkers would have gone on.
    Low,
    /// In between.
    Medium,
}

/// A codec that can be offered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CodecName {
    /// G.722.
    G722,
    /// Opus.
    Opus,
    /// G.711 A-law.
    Pcma,
    /// G.711 mu-law.
    Pcmu,
}

/// `[codecs]`: what is offered and accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct CodecsConfig {
    /// Best first; default pcmu, pcma, opus, g722.
    pub order: Vec<CodecName>,
}

impl CodecsConfig {
    /// As SDP is told.
    pub fn wire(&self) -> Vec<Codec> {
        let one = |name: &CodecName| match name {
            CodecName::G722 => Codec::G722,
            CodecName::Opus => Codec::Opus,
            CodecName::Pcma => Codec::Pcma,
            CodecName::Pcmu => Codec::Pcmu,
        };
        self.order.iter().map(one).collect()
    }
}

pub(super) fn read_jitter(mut section: Section<'_>) -> JitterConfig {
    let jitter = JitterConfig {
        min: section.millis("min_ms", JITTER_MIN, 0..=200),
        initial: section.millis("initial_ms", JITTER_INITIAL, 0..=500),
        max: section.millis("max_ms", JITTER_MAX, 20..=1000),
    };
    if jitter.initial < jitter.min {
        section.refuse("initial_ms", format!("{:?} is below jitter.min_ms, {:?}", jitter.initial, jitter.min));
    }
    if jitter.max < jitter.initial {
        section.refuse("max_ms", format!("{:?} is below jitter.initial_ms, {:?}", jitter.max, jitter.initial));
    }
    section.finish();
    jitter
}

pub(super) fn read_vad(mut section: Section<'_>) -> VadConfig {
    let vad = VadConfig {
        noise_floor_min_dbov: section.number("noise_floor_min_dbov", NOISE_FLOOR_MIN_DBOV, -90.0..=-30.0),
        noise_window: section.millis("noise_window_ms", NOISE_WINDOW, 500..=10_000),
    };
    section.finish();
    vad
}

/// Reads a turn section over `base`: the defaults for `[turn]`, and `[turn]` for an assistant's own.
pub(super) fn read_turn(mut section: Section<'_>, base: &TurnConfig) -> TurnConfig {
    let eagerness = [("low", EagernessName::Low), ("medium", EagernessName::Medium), ("high", EagernessName::High)];
    let turn = TurnConfig {
        eagerness: section.choice("eagerness", base.eagerness, &eagerness),
        endpoint_silence: section.millis("endpoint_silence_ms", base.endpoint_silence, 100..=5000),
        endpoint_silence_min: section.millis("endpoint_silence_min_ms", base.endpoint_silence_min, 100..=5000),
        idle_prompt: section.seconds("idle_prompt_s", base.idle_prompt, 0..=600),
        idle_prompts_max: section.integer("idle_prompts_max", base.idle_prompts_max, 0..=10),
        start_speech: section.millis("start_speech_ms", base.start_speech, 20..=500),
        max_utterance: section.seconds("max_utterance_s", base.max_utterance, 1..=600),
        barge_in_pause: section.millis("barge_in_pause_ms", base.barge_in_pause, 20..=200),
        barge_in_commit: section.millis("barge_in_commit_ms", base.barge_in_commit, 100..=3000),
        barge_in_resume: section.millis("barge_in_resume_ms", base.barge_in_resume, 60..=2000),
        backchannel_min: section.millis("backchannel_min_ms", base.backchannel_min, 40..=1000),
        speech_probability: section.number("speech_probability", base.speech_probability, 0.3..=0.85),
        speech_over_floor_db: section.number("speech_over_floor_db", base.speech_over_floor_db, 0.0..=30.0),
        echo_return_loss_db: section.number("echo_return_loss_db", base.echo_return_loss_db, 6.0..=60.0),
    };
    // A copy without changes was refused where it came from.
    if turn.barge_in_commit < turn.backchannel_min && turn != *base {
        let (commit, backchannel) = (turn.barge_in_commit, turn.backchannel_min);
        section.refuse("barge_in_commit_ms", format!("{commit:?} is below backchannel_min_ms, {backchannel:?}"));
    }
    section.finish();
    turn
}

pub(super) fn read_codecs(mut section: Section<'_>) -> CodecsConfig {
    let codecs = [("pcmu", CodecName::Pcmu), ("pcma", CodecName::Pcma), ("opus", CodecName::Opus), ("g722", CodecName::G722)];
    let order = section.choices("order", &CODEC_ORDER, &codecs);
    section.finish();
    CodecsConfig { order }
}
