//! Settings of turn-taking, each with its range and default.

use std::time::Duration;

use crate::vad::{OutOfRange, in_range, within};

/// May the caller interrupt the agent?
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Interruptions {
    /// No: while the agent speaks, what the caller says is heard by nobody.
    Disabled,
    /// Yes.
    #[default]
    Enabled,
}

/// How soon the caller is taken to have finished: what is added to the evidence, in log odds.
///
/// What each costs is in docs/turn-taking.md: an eager agent answers sooner and cuts in on more pauses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eagerness(f32);

impl Eagerness {
    /// Waits for thinkers.
    pub const LOW: Self = Self(-1.2);
    /// The default.
    pub const MEDIUM: Self = Self(-0.5);
    /// Answers at the first sign of an end.
    pub const HIGH: Self = Self(0.1);

    /// Any point between and beyond, for measurements.
    pub const fn of(log_odds: f32) -> Self {
        Self(log_odds)
    }

    /// The log odds.
    pub const fn log_odds(self) -> f32 {
        self.0
    }
}

impl Default for Eagerness {
    fn default() -> Self {
        Self::MEDIUM
    }
}

/// What the operator may tune of turn-taking. Read once, when the detector is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TurnConfig {
    /// Speech after which a pause of the agent can no longer be taken back. Above the length of an "uh-huh" it costs
    /// nothing, since the agent is silent meanwhile. 100 ms to 3 s, at least `backchannel_min`, default 500 ms.
    pub barge_in_commit: Duration,
    /// Speech that pauses the agent. One frame is enough, since a pause can be taken back and each frame more is heard as
    /// an agent that does not listen. 20 to 200 ms, default 20 ms.
    pub barge_in_pause: Duration,
    /// Silence after which a pause that was not committed is taken back. 60 ms to 2 s, default 240 ms.
    pub barge_in_resume: Duration,
    /// Speech from which a pause that was taken back counts as a backchannel; below, it was noise.
    /// 40 ms to 1 s, default 120 ms.
    pub backchannel_min: Duration,
    /// How soon the caller is taken to have finished; default medium.
    pub eagerness: Eagerness,
    /// How far below the agent's own level its echo is at least; more is learned on each call. Quieter sounds do not interrupt the
    /// agent. 6 to 60 dB, default 10 dB.
    pub echo_return_loss_db: f32,
    /// The longest wait: silence that ends the caller's turn whatever it sounded like. 100 ms to 5 s, default 1.4 s.
    pub endpoint_silence: Duration,
    /// The shortest wait, after an end that could not be clearer. 100 ms to 5 s, default 200 ms; at or above `endpoint_silence` every end
    /// waits for that, as a plain timer does.
    pub endpoint_silence_min: Duration,
    /// Silence of both sides after which the caller is asked for. 1 s to 10 min, default 10 s; zero: never.
    pub idle_prompt: Duration,
    /// How often the caller is asked for before being taken to be gone. 0 to 10, default 2.
    pub idle_prompts_max: u32,
    /// Whether the caller may interrupt; default enabled.
    pub interruptions: Interruptions,
    /// A turn this long is ended in mid-speech, and the next begins. 1 to 600 s, default 60 s.
    pub max_utterance: Duration,
    /// How far speech must stand out of the noise floor. 0 to 30 dB, default 6 dB.
    pub speech_over_floor_db: f32,
    /// Probability from which a frame is speech; it stays so down to 0.2 below. 0.3 to 0.85, default 0.55.
    pub speech_probability: f32,
    /// Speech that starts the caller's turn while the agent is silent. 20 to 500 ms, default 80 ms.
    pub start_speech: Duration,
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self {
            barge_in_commit: Duration::from_millis(500),
            barge_in_pause: Duration::from_millis(20),
            barge_in_resume: Duration::from_millis(240),
            backchannel_min: Duration::from_millis(120),
            eagerness: Eagerness::MEDIUM,
            echo_return_loss_db: 10.0,
            endpoint_silence: Duration::from_millis(1_400),
            endpoint_silence_min: Duration::from_millis(200),
            idle_prompt: Duration::from_secs(10),
            idle_prompts_max: 2,
            interruptions: Interruptions::Enabled,
            max_utterance: Duration::from_secs(60),
            speech_over_floor_db: 6.0,
            speech_probability: 0.55,
            start_speech: Duration::from_millis(80),
        }
    }
}

impl TurnConfig {
    /// Checks every field against its range.
    ///
    /// # Errors
    /// The first [`OutOfRange`] field.
    pub fn validate(&self) -> Result<(), OutOfRange> {
        let ms = Duration::from_millis;
        within("backchannel_min", self.backchannel_min, ms(40), ms(1_000))?;
        within("barge_in_commit", self.barge_in_commit, ms(100).max(self.backchannel_min), ms(3_000))?;
        within("barge_in_pause", self.barge_in_pause, ms(20), ms(200))?;
        within("barge_in_resume", self.barge_in_resume, ms(60), ms(2_000))?;
        in_range("echo_return_loss_db", self.echo_return_loss_db, 6.0, 60.0, " dB")?;
        within("endpoint_silence", self.endpoint_silence, ms(100), ms(5_000))?;
        within("endpoint_silence_min", self.endpoint_silence_min, ms(100), ms(5_000))?;
        if !self.idle_prompt.is_zero() {
            within("idle_prompt", self.idle_prompt, ms(1_000), ms(600_000))?;
        }
        in_range("idle_prompts_max", self.idle_prompts_max as f32, 0.0, 10.0, "")?;
        within("max_utterance", self.max_utterance, ms(1_000), ms(600_000))?;
        in_range("speech_over_floor_db", self.speech_over_floor_db, 0.0, 30.0, " dB")?;
        in_range("speech_probability", self.speech_probability, 0.3, 0.85, "")?;
        within("start_speech", self.start_speech, ms(20), ms(500))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let ms = Duration::from_millis;
        let default = TurnConfig::default();
        assert_eq!(default.validate(), Ok(()));
        assert_eq!(TurnConfig { idle_prompt: ms(0), ..default }.validate(), Ok(()));
        let cases = [
            (TurnConfig { backchannel_min: ms(39), ..default }, "backchannel_min 39ms is outside 40ms to 1s"),
            (TurnConfig { barge_in_commit: ms(99), ..default }, "barge_in_commit 99ms is outside 120ms to 3s"),
            (TurnConfig { barge_in_pause: ms(201), ..default }, "barge_in_pause 201ms is outside 20ms to 200ms"),
            (TurnConfig { barge_in_resume: ms(59), ..default }, "barge_in_resume 59ms is outside 60ms to 2s"),
            (TurnConfig { echo_return_loss_db: 5.5, ..default }, "echo_return_loss_db 5.5 dB is outside 6 to 60 dB"),
            (TurnConfig { endpoint_silence: ms(6_000), ..default }, "endpoint_silence 6s is outside 100ms to 5s"),
            (TurnConfig { endpoint_silence_min: ms(99), ..default }, "endpoint_silence_min 99ms is outside 100ms to 5s"),
            (TurnConfig { idle_prompt: ms(999), ..default }, "idle_prompt 999ms is outside 1s to 600s"),
            (TurnConfig { idle_prompts_max: 11, ..default }, "idle_prompts_max 11 is outside 0 to 10"),
            (TurnConfig { max_utterance: ms(0), ..default }, "max_utterance 0ns is outside 1s to 600s"),
            (TurnConfig { speech_over_floor_db: -1.0, ..default }, "speech_over_floor_db -1 dB is outside 0 to 30 dB"),
            (TurnConfig { speech_probability: 0.9, ..default }, "speech_probability 0.9 is outside 0.3 to 0.85"),
            (TurnConfig { start_speech: ms(10), ..default }, "start_speech 10ms is outside 20ms to 500ms"),
        ];
        for (config, expected) in cases {
            assert_eq!(config.validate().unwrap_err().to_string(), expected);
        }
    }
}
