//! What the simulated agent says, when, and where it fails: a TOML file or the defaults.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Deserialize;

/// Longest answer that a script may ask for: ten minutes, so that a typing error cannot fill the memory.
const ANSWER_MS_MAX: u64 = 600_000;

/// A whole script: an optional greeting, then turns that are taken in order and start over at the end.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Answer to a response that is asked for before any caller audio was committed. Default: the first of `turns`.
    #[serde(default)]
    pub greeting: Option<Turn>,
    /// Answers, one a response. Never empty.
    pub turns: Vec<Turn>,
}

/// One response of the agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// What the agent says, as its transcript.
    pub text: String,
    /// What the agent understood of the caller, as the input transcription.
    pub heard: String,
    /// Where the audio comes from: `tone`, `marks`, `echo`, `live`, `wav:FILE` (8 kHz mono 16 bit).
    pub audio: Answer,
    /// Length of `tone`, `marks` and `live` audio, milliseconds, at most 600,000; `live` with 0 has no end.
    pub duration_ms: u64,
    /// Time from the request to `response.created`, milliseconds.
    pub response_ms: u64,
    /// Time from `response.created` to the first audio, milliseconds; `--delay-ms` replaces the default.
    pub first_audio_ms: Option<u64>,
    /// A function call instead of speech.
    pub tool: Option<Tool>,
    /// What goes wrong in this turn.
    pub fault: Option<Fault>,
}

/// A scripted function call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Name of the function.
    pub name: String,
    /// Its arguments: a string that holds JSON, as on the wire.
    #[serde(default = "no_arguments")]
    pub arguments: String,
}

/// Where an answer's audio comes from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub enum Answer {
    /// A generated signal with the rhythm of speech.
    Tone,
    /// Silence with a mark every half second.
    Marks,
    /// The audio that the caller committed last.
    Echo,
    /// The caller's audio as it arrives, piece by piece, while the response lasts: a mirror for measuring delay.
    Live,
    /// A WAV file.
    Wav(PathBuf),
}

/// What the provider does wrong.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The connection is reset in the middle of the answer.
    Reset,
    /// Nothing more is sent, and the connection stays open.
    Stall,
    /// The request is refused for its rate: HTTP 429 to the handshake, or a failed response in mid-session.
    #[serde(rename = "429")]
    RateLimited,
    /// Broken JSON, an unknown event and a binary message, and then the answer as usual.
    Garbage,
}

fn no_arguments() -> String {
    "{}".to_owned()
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            text: "Thank you, I understood that.".to_owned(),
            heard: "And so, my fellow Americans.".to_owned(),
            audio: Answer::Tone,
            duration_ms: 2_000,
            response_ms: 0,
            first_audio_ms: None,
            tool: None,
            fault: None,
        }
    }
}

impl Default for Script {
    /// A greeting of 1.5 s and an answer of 2 s.
    fn default() -> Self {
        let greeting =
            Turn { text: "Hello, you reached the simulator. How can I help?".to_owned(), duration_ms: 1_500, ..Turn::default() };
        Self { greeting: Some(greeting), turns: vec![Turn::default()] }
    }
}

impl Script {
    /// Reads a script from TOML text.
    ///
    /// # Errors
    /// Names the key that is unknown, missing or out of range.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let script: Self = toml::from_str(text)?;
        ensure!(!script.turns.is_empty(), "turns is empty");
        for turn in script.turns.iter().chain(&script.greeting) {
            ensure!(turn.duration_ms <= ANSWER_MS_MAX, "duration_ms {} is above {ANSWER_MS_MAX}", turn.duration_ms);
        }
        Ok(script)
    }

    /// Reads a script from a file.
    ///
    /// # Errors
    /// As [`Script::parse`], with the file's name.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("script {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("script {}", path.display()))
    }

    /// The turn for response number `answered` (from 0); `committed`: the caller has committed audio before.
    pub(crate) fn turn(&self, answered: usize, committed: bool) -> &Turn {
        match &self.greeting {
            Some(greeting) if !committed && answered == 0 => greeting,
            _ => &self.turns[answered % self.turns.len()],
        }
    }
}

impl TryFrom<String> for Answer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "tone" => Ok(Self::Tone),
            "marks" => Ok(Self::Marks),
            "echo" => Ok(Self::Echo),
            "live" => Ok(Self::Live),
            other => other
                .strip_prefix("wav:")
                .map(|file| Self::Wav(PathBuf::from(file)))
                .ok_or_else(|| format!("audio {other:?} is none of tone, marks, echo, live, wav:FILE")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, want: &str) {
        let got = match Script::parse(text) {
            Ok(script) => script.turns.iter().map(|turn| format!("{:?} ", turn.audio)).collect(),
            Err(error) => format!("{error:#}"),
        };
        assert!(got.contains(want), "{got:?} lacks {want:?}");
    }

    #[test]
    fn a_script_names_its_audio() {
        check("[[turns]]\naudio = \"echo\"\n[[turns]]\naudio = \"wav:a.wav\"", "Echo Wav(\"a.wav\")");
    }

    #[test]
    fn a_bad_script_is_refused_with_its_reason() {
        check("turns = []", "turns is empty");
        check("[[turns]]\naudio = \"song\"", "audio \"song\" is none of");
        check("[[turns]]\nduration_ms = 600001", "duration_ms 600001 is above 600000");
        check("[[turns]]\ndelay = 1", "unknown field `delay`");
    }

    #[test]
    fn the_greeting_comes_once_and_turns_start_over() {
        let script = Script::parse("[greeting]\ntext = \"hi\"\n[[turns]]\ntext = \"a\"\n[[turns]]\ntext = \"b\"").unwrap();
        let said: Vec<_> = [(0, false), (0, true), (1, true), (2, true)]
            .map(|(answered, committed)| script.turn(answered, committed).text.as_str())
            .to_vec();
        assert_eq!(said, ["hi", "a", "b", "a"]);
    }
}
