//! What the simulated agent says, when, and where it fails: a TOML file or the defaults.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::faults::{Fault, FaultPlan, Stage};
use super::provider::Provider;

/// Longest answer that a script may ask for: ten minutes, so that a typing error cannot fill the memory.
const ANSWER_MS_MAX: u64 = 600_000;
/// Longest text of a turn: as long as a model's longest answers.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// A whole script: an optional greeting, then turns that are taken in order and start over at the end.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Answer to a response that is asked for before any caller audio was committed. Default: the first of `turns`.
    #[serde(default)]
    pub greeting: Option<Turn>,
    /// Answers, one a response. Never empty.
    pub turns: Vec<Turn>,
    /// Delays of the stages of a cascade, where a turn says nothing else.
    #[serde(default)]
    pub pace: Pace,
    /// What goes wrong in sessions, whichever turn they are at.
    #[serde(default)]
    pub faults: Vec<FaultPlan>,
}

/// Delays of the stages of a cascade. Realtime has its own.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// Speech to text: from the last speech sample that was heard to the final transcript, milliseconds. Default 150.
    pub stt_final_ms: u64,
    /// Language model: from the request to the first token, milliseconds. Default 200.
    pub first_token_ms: u64,
    /// Language model: tokens a second after the first, above 0. Default 60.
    pub tokens_per_s: f64,
    /// Text to speech: from the text to its first audio, milliseconds. Default 100.
    pub first_audio_ms: u64,
}

/// What a turn's text answer is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// The turn's `text`.
    #[default]
    Text,
    /// The last user message.
    Echo,
    /// A listing of the messages that the request had, `role: text` each, parted by ` | `.
    History,
}

/// One response of the agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// What the agent says, as its transcript.
    pub text: String,
    /// What the agent understood of the caller, as the input transcription.
    pub heard: String,
    /// How long the caller speaks at least, milliseconds: a pause before that does not end the turn. Default 0: the first
    /// pause of `stt_final_ms` ends it. Speech to text only.
    pub heard_ms: u64,
    /// This turn answers where the last user message has this in it, in any case, and not by its place. Language model only.
    pub when: Option<String>,
    /// What the text answer is. Language model only.
    pub reply: Reply,
    /// As in [`Pace`]; for this turn.
    pub stt_final_ms: Option<u64>,
    /// As in [`Pace`]; for this turn.
    pub first_token_ms: Option<u64>,
    /// As in [`Pace`]; for this turn.
    pub tokens_per_s: Option<f64>,
    /// Where the audio comes from: `tone`, `marks`, `echo`, `live`, `wav:FILE` (8 kHz mono 16 bit).
    pub audio: Answer,
    /// Length of `tone`, `marks` and `live` audio, milliseconds, at most 600,000; `live` with 0 has no end.
    pub duration_ms: u64,
    /// Time from the request to `response.created`, milliseconds.
    pub response_ms: u64,
    /// Time from `response.created` to the first audio, milliseconds; `--delay-ms` replaces the default. Text to speech:
    /// as in [`Pace`], for texts that are part of this turn's.
    pub first_audio_ms: Option<u64>,
    /// A function call instead of speech.
    pub tool: Option<Tool>,
    /// What goes wrong in this turn.
    pub fault: Option<Fault>,
    /// Where the fault is; the stage that answers (`llm`, `realtime`) when not given.
    pub fault_stage: Option<Stage>,
    /// At whom; at all when not given.
    pub fault_provider: Option<Provider>,
    /// How often it strikes; each time when not given.
    pub fault_times: Option<u64>,
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
    /// What is said before the call. Language model only. Default: nothing.
    #[serde(default)]
    pub say: String,
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

fn no_arguments() -> String {
    "{}".to_owned()
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            text: "Thank you, I understood that.".to_owned(),
            heard: "And so, my fellow Americans.".to_owned(),
            heard_ms: 0,
            when: None,
            reply: Reply::Text,
            stt_final_ms: None,
            first_token_ms: None,
            tokens_per_s: None,
            audio: Answer::Tone,
            duration_ms: 2_000,
            response_ms: 0,
            first_audio_ms: None,
            tool: None,
            fault: None,
            fault_stage: None,
            fault_provider: None,
            fault_times: None,
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { stt_final_ms: 150, first_token_ms: 200, tokens_per_s: 60.0, first_audio_ms: 100 }
    }
}

impl Default for Script {
    /// A greeting of 1.5 s and an answer of 2 s.
    fn default() -> Self {
        let greeting =
            Turn { text: "Hello, you reached the simulator. How can I help?".to_owned(), duration_ms: 1_500, ..Turn::default() };
        Self { greeting: Some(greeting), turns: vec![Turn::default()], pace: Pace::default(), faults: Vec::new() }
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
            ensure!(turn.text.len() <= TEXT_BYTES_MAX, "text is longer than {TEXT_BYTES_MAX} bytes");
            ensure!(turn.tokens_per_s.is_none_or(|rate| rate > 0.0), "tokens_per_s is not above 0");
        }
        ensure!(
            script.chains().iter().any(|chain| script.turns[chain.start].when.is_none()),
            "each of turns has `when`; one must answer the rest"
        );
        ensure!(script.pace.tokens_per_s > 0.0, "pace.tokens_per_s is not above 0");
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

    /// Place in `turns` of the answer in a conversation of `users` user messages, the last of which is `last_user`, with
    /// `results` tool results since.
    pub(super) fn answering(&self, users: usize, last_user: &str, results: usize) -> usize {
        let said = last_user.to_lowercase();
        let chains = self.chains();
        let when = |place: usize| self.turns[place].when.as_ref().is_some_and(|when| said.contains(&when.to_lowercase()));
        let meant = chains.iter().find(|chain| when(chain.start));
        let chain = meant.cloned().unwrap_or_else(|| self.in_order(users.saturating_sub(1)));
        (chain.start + results).min(chain.end - 1)
    }

    /// Place in `turns` of what the caller says as utterance number `number` (from 0).
    pub(super) fn hearing(&self, number: usize) -> usize {
        self.in_order(number).start
    }

    /// Turns that belong together: those with a tool, and the one after them, which answers its result.
    fn chains(&self) -> Vec<Range<usize>> {
        let mut chains = Vec::new();
        let mut start = 0;
        for place in 0..self.turns.len() {
            if self.turns[place].tool.is_none() || place + 1 == self.turns.len() {
                chains.push(start..place + 1);
                start = place + 1;
            }
        }
        chains
    }

    /// Of the chains that have no `when`, the one at a place; they start over at the end.
    fn in_order(&self, number: usize) -> Range<usize> {
        let chains: Vec<_> = self.chains().into_iter().filter(|chain| self.turns[chain.start].when.is_none()).collect();
        chains.get(number % chains.len().max(1)).cloned().unwrap_or(0..1)
    }

    /// Place in `turns` of the one whose text has `part` in it.
    pub(super) fn saying(&self, part: &str) -> Option<usize> {
        let part = part.trim();
        let same = |text: &str| text.contains(part) || part.contains(text);
        self.turns.iter().position(|turn| !part.is_empty() && !turn.text.is_empty() && same(&turn.text))
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
        check("[[turns]]\nwhen = \"x\"", "one must answer the rest");
        check("[[turns]]\ntokens_per_s = 0.0", "tokens_per_s is not above 0");
    }

    #[test]
    fn the_greeting_comes_once_and_turns_start_over() {
        let script = Script::parse("[greeting]\ntext = \"hi\"\n[[turns]]\ntext = \"a\"\n[[turns]]\ntext = \"b\"").unwrap();
        let said: Vec<_> = [(0, false), (0, true), (1, true), (2, true)]
            .map(|(answered, committed)| script.turn(answered, committed).text.as_str())
            .to_vec();
        assert_eq!(said, ["hi", "a", "b", "a"]);
    }

    const ORDER: &str = r#"
        [[turns]]
        heard = "Where is it?"
        tool = { name = "lookup" }
        [[turns]]
        text = "It is on its way."
        [[turns]]
        text = "Goodbye."
        heard = "Bye."
        [[turns]]
        text = "A person comes."
        when = "Human"
    "#;

    #[test]
    fn a_cascade_takes_turns_by_place_or_by_what_was_said() {
        let script = Script::parse(ORDER).unwrap();
        let answers = [(1, "x", 0), (1, "x", 1), (2, "x", 0), (3, "x", 0), (1, "a human please", 0)];
        assert_eq!(answers.map(|(users, said, results)| script.answering(users, said, results)), [0, 1, 2, 0, 3]);
        assert_eq!([0, 1, 2].map(|number| script.hearing(number)), [0, 2, 0]);
        assert_eq!(["on its way.", "Good bye", ""].map(|part| script.saying(part)), [Some(1), None, None]);
    }

    #[test]
    fn the_scripts_that_are_shown_are_good() {
        for script in [include_str!("../../cascade.toml"), include_str!("../../gap.toml"), include_str!("../../soak.toml")] {
            Script::parse(script).unwrap();
        }
        let shown = include_str!("../../README.md").split("```toml\n").nth(1).and_then(|text| text.split("```").next()).unwrap();
        let script = Script::parse(shown).unwrap();
        assert_eq!((script.turns.len(), script.faults.len()), (5, 1));
        assert_eq!(script.turns[4].fault_stage, Some(Stage::Tts));
    }
}
