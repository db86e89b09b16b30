//! The engine that needs no key and no network: greeting, talkback, menu of keys, voicemail, apology.
//!
//! ```text
//!             ┌───────────── lines left ─────────────┐
//!             ▼                                      │
//! lines ──► Synthesizing ──► Playing ──► heard, or interrupted ──► none left: the step begins
//!               Synthesize      Audio,                             Listening  until somebody speaks
//!                               PromptEnd                          Choosing   keys, retries, then goodbye
//!                                                                  Recording  until key, silence or length
//!                                                                  HangingUp  Hangup
//! ```
//! One line is made and said at a time, so that what follows can still change. Where speech cannot be made a short tone
//! stands for it: the caller hears that somebody is there.

mod config;
mod hearing;
mod menu;
mod recording;
mod tone;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::sendout::PromptId;
use media::units::SampleRate;

use crate::engine::{Engine, EngineError, Input, Output, Role, TurnOutcome, TurnTimings, Usage, Words};
use crate::language::Language;
use crate::remark::{BACK, Occasion, PUT_THROUGH, Phrases, Remark};
pub use config::{Choice, Mailbox, Menu, Mode, OfflineConfig};
use hearing::Hearing;
use recording::Recording;

/// An offline agent in one call.
pub struct OfflineSession {
    config: OfflineConfig,
    /// Wrong or missing keys in a row.
    failures: u8,
    hearing: Hearing,
    /// The caller was last heard then; for the timings of the answer.
    last_speech_at: Option<Instant>,
    /// What is still to be said before `step` begins.
    lines: VecDeque<Line>,
    outputs: VecDeque<Output>,
    next_prompt: u64,
    next_request: u64,
    now_saying: Saying,
    step: Step,
    /// When the step has waited long enough; only while nothing is said and no turn is open.
    deadline: Option<Instant>,
}

/// How long a synthesizer may take, twice what it allows itself; and how much longer than its audio a prompt may play,
/// pauses included. After that the answer was lost, and the call goes on.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something to say.
enum Line {
    /// Audio there is already.
    Sound(Bytes),
    /// To be made into speech.
    Text(String),
}

enum Saying {
    Nothing,
    Playing { prompt: PromptId, text: String, length: Duration, timings: TurnTimings, deadline: Instant },
    Synthesizing { request: u64, text: String, requested: Instant },
}

/// What to do when all lines are said.
enum Step {
    Choosing,
    HangingUp(&'static str),
    Listening,
    /// Dead, before `Started` or after the end.
    Over,
    Recording(Recording),
}

impl OfflineSession {
    /// An agent that waits for [`Input::Started`], its prompts counted from `first_prompt`.
    /// [`OfflineConfig::validate`] the config first.
    pub fn new(config: OfflineConfig, first_prompt: PromptId) -> Self {
        Self {
            config,
            failures: 0,
            hearing: Hearing::default(),
            last_speech_at: None,
            lines: VecDeque::new(),
            outputs: VecDeque::new(),
            next_prompt: first_prompt.0,
            next_request: 0,
            now_saying: Saying::Nothing,
            step: Step::Over,
            deadline: None,
        }
    }

    fn start(&mut self, now: Instant) {
        let mut first = vec![self.config.greeting.clone()];
        self.step = match &self.config.mode {
            Mode::Apology { text } => {
                first = vec![text.clone()];
                Step::HangingUp("apology")
            }
            Mode::Menu(menu) => {
                first.push(menu.prompt.clone());
                Step::Choosing
            }
            Mode::Talkback => Step::Listening,
            Mode::Voicemail(mailbox) => {
                first.push(mailbox.prompt.clone());
                Step::Recording(Recording::new(mailbox.clone()))
            }
        };
        first.retain(|text| !text.is_empty());
        self.say(now, first);
    }

    /// Adds lines, and begins with them if nothing is being said.
    fn say(&mut self, now: Instant, texts: impl IntoIterator<Item = String>) {
        self.lines.extend(texts.into_iter().map(Line::Text));
        if let Step::Recording(_) = self.step {
            self.lines.push_back(Line::Sound(tone::beep(self.config.codec)));
        }
        self.proceed(now);
    }

    /// Says goodbye and hangs up.
    fn leave(&mut self, now: Instant, reason: &'static str) {
        self.step = Step::HangingUp(reason);
        self.say(now, [self.config.goodbye.clone()]);
    }

    /// The next line, or the step when there is none.
    fn proceed(&mut self, now: Instant) {
        self.deadline = None;
        if !matches!(self.now_saying, Saying::Nothing) {
            return;
        }
        match self.lines.pop_front() {
            Some(Line::Text(text)) => {
                let request = self.next_request;
                self.next_request += 1;
                self.outputs.push_back(Output::Synthesize { request, text: text.as_str().into() });
                self.now_saying = Saying::Synthesizing { request, text, requested: now };
            }
            Some(Line::Sound(audio)) => self.play(now, String::new(), now, audio),
            None => self.begin_step(now),
        }
    }

    fn begin_step(&mut self, now: Instant) {
        match &mut self.step {
            Step::Choosing => self.wait(now),
            Step::Listening => {}
            Step::HangingUp(reason) => {
                self.outputs.push_back(Output::Hangup { reason });
                self.step = Step::Over;
            }
            Step::Over => {}
            Step::Recording(recording) => {
                recording.begin(now, self.hearing.past(), self.hearing.in_turn());
            }
        }
    }

    /// Waits for a key, unless the caller is speaking or listening.
    fn wait(&mut self, now: Instant) {
        let Mode::Menu(menu) = &self.config.mode else { return };
        let waiting = matches!(self.now_saying, Saying::Nothing) && !self.hearing.in_turn();
        self.deadline = waiting.then(|| now + menu.timeout);
    }

    /// Says something of its own accord. What cuts is said in every mode; the others where the caller is only listened to.
    fn remark(&mut self, now: Instant, remark: Remark) {
        let Remark { occasion, text } = remark;
        let english = || match occasion {
            Occasion::Back | Occasion::NotTaken => BACK.to_owned(),
            Occasion::PutThrough => PUT_THROUGH.to_owned(),
            other => Phrases::of(&Language::ENGLISH).text(other).to_owned(),
        };
        let text = text.map_or_else(english, Words::into_string);
        if occasion.cuts() {
            self.hand_over_recording(now);
            self.lines.clear();
            if let Saying::Synthesizing { .. } = self.now_saying {
                self.now_saying = Saying::Nothing;
            }
            self.step = Step::Listening;
        } else if !matches!(self.step, Step::Listening) || self.is_busy() || self.hearing.in_turn() {
            return;
        }
        self.say(now, [text]);
    }

    fn play(&mut self, now: Instant, text: String, requested: Instant, audio: Bytes) {
        let prompt = PromptId(self.next_prompt);
        self.next_prompt += 1;
        let length = SampleRate::HZ_8000.duration_of(audio.len() as u64);
        if !text.is_empty() {
            let (role, text) = (Role::Agent, Words::from(text.as_str()));
            self.outputs.push_back(Output::Transcript { role, prompt: Some(prompt), text, is_final: false });
        }
        self.outputs.push_back(Output::Audio { prompt, audio });
        self.outputs.push_back(Output::PromptEnd { prompt });
        let last_speech_at = self.last_speech_at.take();
        let (requested, first_audio) = (Some(requested), Some(now));
        let timings = TurnTimings { last_speech_at, requested, first_audio, ..TurnTimings::default() };
        let deadline = now + length + PATIENCE;
        self.now_saying = Saying::Playing { prompt, text, length, timings, deadline };
    }

    fn synthesized(&mut self, now: Instant, request: u64, result: Result<Bytes, EngineError>) {
        match std::mem::replace(&mut self.now_saying, Saying::Nothing) {
            Saying::Synthesizing { request: wanted, text, requested } if wanted == request => match result {
                Ok(audio) => self.play(now, text, requested, audio),
                Err(error) => {
                    self.outputs.push_back(Output::Warning { error });
                    self.play(now, String::new(), requested, tone::beep(self.config.codec));
                }
            },
            other => self.now_saying = other,
        }
    }

    /// What was being said is over, `heard` of it or all. False if that is not what was being said.
    fn said(&mut self, now: Instant, over: PromptId, heard: Option<Duration>) -> bool {
        match std::mem::replace(&mut self.now_saying, Saying::Nothing) {
            Saying::Playing { prompt, text, length, timings, .. } if prompt == over => {
                let text = match heard {
                    Some(heard) => heard_part(&text, heard, length),
                    None => &text,
                };
                if !text.is_empty() {
                    let (role, text) = (Role::Agent, Words::from(text));
                    self.outputs.push_back(Output::Transcript { role, prompt: Some(prompt), text, is_final: true });
                }
                let outcome = match heard {
                    Some(_) => TurnOutcome::Interrupted,
                    None => TurnOutcome::Completed,
                };
                let timings = TurnTimings { done: Some(now), ..timings };
                self.outputs.push_back(Output::TurnDone { outcome, timings, usage: Usage::default() });
                true
            }
            other => {
                self.now_saying = other;
                false
            }
        }
    }

    fn finished(&mut self, now: Instant, prompt: PromptId) {
        if self.said(now, prompt, None) {
            self.proceed(now);
        }
    }

    fn interrupted(&mut self, now: Instant, prompt: PromptId, heard: Duration) {
        if !self.said(now, prompt, Some(heard)) {
            return;
        }
        match &self.step {
            // The tone still comes before the recording.
            Step::Recording(_) => self.lines.retain(|line| matches!(line, Line::Sound(_))),
            _ => self.lines.clear(),
        }
        self.proceed(now);
    }

    fn caller_started(&mut self, at: Instant) {
        self.hearing.start_turn(at);
        self.deadline = None;
        if let Step::Recording(recording) = &mut self.step {
            recording.caller_started();
        }
    }

    fn caller_finished(&mut self, now: Instant, last_speech_at: Instant) {
        let words = self.hearing.end_turn(last_speech_at, self.config.codec);
        match &mut self.step {
            Step::Choosing => self.wait(now),
            Step::Listening => {
                self.last_speech_at = Some(last_speech_at);
                if !words.is_empty() {
                    self.lines.push_back(Line::Sound(words));
                }
                self.proceed(now);
            }
            Step::Recording(recording) => recording.caller_finished(last_speech_at),
            Step::HangingUp(_) | Step::Over => {}
        }
    }

    /// Talks back what it reads; a menu takes one letter for a key.
    fn typed(&mut self, now: Instant, text: &str) {
        match &self.step {
            Step::Listening => {
                self.last_speech_at = Some(now);
                self.say(now, [format!("You wrote: {text}")]);
            }
            Step::Choosing => {
                let mut letters = text.trim().chars();
                if let (Some(key), None) = (letters.next(), letters.next()) {
                    self.key(now, key);
                }
            }
            Step::HangingUp(_) | Step::Over | Step::Recording(_) => {}
        }
    }

    fn key(&mut self, now: Instant, key: char) {
        match &mut self.step {
            Step::Choosing => self.choose(now, key),
            Step::Recording(recording) if key == '#' && recording.deadline().is_some() => {
                self.end_recording(now);
            }
            Step::HangingUp(_) | Step::Listening | Step::Over | Step::Recording(_) => {}
        }
    }

    fn waited(&mut self, now: Instant) {
        if let (Step::Choosing, Mode::Menu(menu)) = (&self.step, &self.config.mode) {
            let no_input = menu.no_input.clone();
            self.ask_again(now, no_input);
        }
    }

    fn end_recording(&mut self, now: Instant) {
        let thanks = self.hand_over_recording(now);
        self.step = Step::HangingUp("voicemail");
        let goodbye = self.config.goodbye.clone();
        self.say(now, thanks.into_iter().chain([goodbye]));
    }

    /// Gives the message out, and the thanks for it; nothing if there is none.
    fn hand_over_recording(&mut self, now: Instant) -> Option<String> {
        let Step::Recording(recording) = &mut self.step else {
            return None;
        };
        let audio = recording.take(now)?;
        self.outputs.push_back(Output::Voicemail { audio });
        Some(recording.thanks().to_owned())
    }

    fn end(&mut self, now: Instant, heard: Option<(PromptId, Duration)>) {
        if let Some((prompt, heard)) = heard {
            self.said(now, prompt, Some(heard));
        }
        self.hand_over_recording(now);
        self.step = Step::Over;
        self.deadline = None;
        self.lines.clear();
        self.now_saying = Saying::Nothing;
    }
}

impl Engine for OfflineSession {
    fn handle_input(&mut self, now: Instant, input: Input) {
        if let (Step::Over, false) = (&self.step, matches!(input, Input::Started)) {
            return;
        }
        match input {
            Input::Audio(frame) => {
                self.hearing.handle_audio(now, &frame.encoded);
                if let Step::Recording(recording) = &mut self.step {
                    recording.handle_audio(&frame.encoded);
                }
            }
            Input::BargeInCommitted { prompt, heard } => self.interrupted(now, prompt, heard),
            Input::CallerFinished { last_speech_at, .. } => {
                self.caller_finished(now, last_speech_at);
            }
            Input::CallerStarted { at } => self.caller_started(at),
            Input::Dtmf(key) => self.key(now, key),
            Input::Ended { heard } => self.end(now, heard),
            Input::PromptFinished { prompt } => self.finished(now, prompt),
            Input::Remark(remark) => self.remark(now, remark),
            Input::Started => self.start(now),
            Input::Synthesized { request, result } => self.synthesized(now, request, result),
            Input::Typed(words) => self.typed(now, words.as_str()),
            Input::Cached { .. } | Input::CallerPaused { .. } | Input::CallerResumed | Input::Link { .. } | Input::Say(_) => {}
            Input::Marked { .. } | Input::Ringing | Input::ToolResult { .. } => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match &self.now_saying {
            Saying::Playing { prompt, deadline, .. } if now >= *deadline => {
                let prompt = *prompt;
                self.finished(now, prompt);
            }
            Saying::Synthesizing { request, requested, .. } if now >= *requested + PATIENCE => {
                let reason = format!("no answer within {} s", PATIENCE.as_secs());
                self.synthesized(now, *request, Err(EngineError::Synthesizer { reason }));
            }
            _ => {}
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.deadline = None;
            self.waited(now);
        }
        if let Step::Recording(recording) = &self.step
            && recording.deadline().is_some_and(|deadline| now >= deadline)
        {
            self.end_recording(now);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let saying = match &self.now_saying {
            Saying::Nothing => None,
            Saying::Playing { deadline, .. } => Some(*deadline),
            Saying::Synthesizing { requested, .. } => Some(*requested + PATIENCE),
        };
        let recording = match &self.step {
            Step::Recording(recording) => recording.deadline(),
            _ => None,
        };
        [saying, recording, self.deadline].into_iter().flatten().min()
    }

    fn next_prompt(&self) -> PromptId {
        PromptId(self.next_prompt)
    }

    fn is_busy(&self) -> bool {
        !self.lines.is_empty() || !matches!(self.now_saying, Saying::Nothing)
    }
}

/// The words of `text` that fit into `heard` of `length`, spoken evenly.
fn heard_part(text: &str, heard: Duration, length: Duration) -> &str {
    if heard >= length {
        return text;
    }
    let share = heard.as_secs_f64() / length.as_secs_f64();
    let spoken = (text.len() as f64 * share) as usize;
    let ends = text.match_indices(' ').map(|(index, _)| index);
    let end = ends.take_while(|&index| index <= spoken).last().unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests;
