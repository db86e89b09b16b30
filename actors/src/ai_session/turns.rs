//! When what happened in each turn: the waterfall from the caller's last word to the agent's first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ai::engine::{Role, Words};
use media::sendout::PromptId;
use store::Transcript;

use crate::leg::FirstFrame;
use crate::trace::Generation;
use crate::turn::{EngineStages, TurnReport, Waterfall};

/// Prompts remembered at once: an engine is at most a few ahead of what is heard.
const PROMPTS_MAX: usize = 32;

/// Times of one prompt.
#[derive(Debug)]
struct Spoken {
    prompt: PromptId,
    /// The caller's turn that it answers: last speech, and when the turn was taken as over.
    answers: Option<(Instant, Instant)>,
    first_audio: Instant,
    started: Option<Instant>,
    ended: Option<Instant>,
    interrupted: Option<Duration>,
    generation: Option<Generation>,
}

/// Times of the conversation.
#[derive(Debug)]
pub(super) struct Turns {
    /// `engine` label of metrics.
    engine: &'static str,
    prompts: VecDeque<Spoken>,
    caller: Option<(Instant, Instant)>,
    /// The caller's finished turn that no prompt has answered yet.
    unanswered: Option<(Instant, Instant)>,
}

impl Turns {
    pub(super) fn new(engine: &'static str) -> Self {
        Self { engine, prompts: VecDeque::new(), caller: None, unanswered: None }
    }

    pub(super) fn caller_started(&mut self, at: Instant) {
        self.caller = Some((at, at));
        self.unanswered = None;
    }

    pub(super) fn caller_finished(&mut self, now: Instant, last_speech_at: Instant) {
        let started = self.caller.map_or(last_speech_at, |(started, _)| started);
        self.caller = Some((started, last_speech_at));
        self.unanswered = Some((last_speech_at, now));
    }

    /// The caller typed a turn.
    pub(super) fn caller_typed(&mut self, now: Instant) {
        self.caller = Some((now, now));
        self.unanswered = self.caller;
    }

    /// The first prompt that is still to be heard.
    pub(super) fn first_unheard(&self) -> Option<PromptId> {
        self.prompts.iter().find(|spoken| spoken.ended.is_none()).map(|spoken| spoken.prompt)
    }

    /// Whether the caller's finished turn has no answer yet.
    pub(super) fn are_unanswered(&self) -> bool {
        self.unanswered.is_some()
    }

    /// What comes next is no answer to the caller.
    pub(super) fn forget_question(&mut self) {
        self.unanswered = None;
    }

    /// Audio of a prompt came from the engine; the first of it is what counts.
    pub(super) fn audio_came(&mut self, prompt: PromptId, now: Instant) {
        if self.prompts.iter().any(|spoken| spoken.prompt == prompt) {
            return;
        }
        if self.prompts.len() == PROMPTS_MAX {
            self.prompts.pop_front();
        }
        let answers = self.unanswered.take();
        let (started, ended, interrupted, generation) = (None, None, None, None);
        self.prompts.push_back(Spoken { prompt, answers, first_audio: now, started, ended, interrupted, generation });
    }

    /// The provider has made a turn: the prompt whose audio came first of it.
    pub(super) fn generated(&mut self, generation: Generation) {
        if let Some(spoken) = self.prompts.iter_mut().find(|spoken| spoken.first_audio == generation.first_audio) {
            spoken.generation = Some(generation);
        }
    }

    pub(super) fn prompt_started(&mut self, prompt: PromptId, first: FirstFrame) {
        let engine = self.engine;
        let Some(spoken) = self.find(prompt) else { return };
        spoken.started = Some(first.sent);
        let added = first.added(spoken.first_audio);
        metrics::histogram!("offhook_media_added_delay_seconds", "direction" => "sent").record(added);
        if let Some(waterfall) = spoken.waterfall() {
            metrics::histogram!("offhook_response_gap_seconds", "engine" => engine).record(waterfall.response_gap());
        }
    }

    /// A prompt was heard to its end, or as far as `interrupted`; what was to come after it is not said either.
    pub(super) fn prompt_ended(&mut self, prompt: PromptId, now: Instant, interrupted: Option<Duration>) {
        for spoken in &mut self.prompts {
            if spoken.ended.is_none() && (spoken.prompt == prompt || (interrupted.is_some() && spoken.prompt > prompt)) {
                spoken.ended = Some(now);
                spoken.interrupted = interrupted.map(|heard| if spoken.prompt == prompt { heard } else { Duration::ZERO });
            }
        }
    }

    /// All that waits to be heard was dropped.
    pub(super) fn dropped(&mut self, now: Instant) {
        for spoken in self.prompts.iter_mut().filter(|spoken| spoken.ended.is_none()) {
            spoken.ended = Some(now);
        }
    }

    /// True when nothing that came from the engine is still to be heard.
    pub(super) fn all_heard(&self) -> bool {
        self.prompts.iter().all(|spoken| spoken.ended.is_some())
    }

    /// The report of a turn whose words are final.
    pub(super) fn report(&mut self, now: Instant, role: Role, prompt: Option<PromptId>, text: Words) -> TurnReport {
        let text = Transcript::new(text.into_string());
        let spoken = match (role, prompt) {
            (Role::Agent, Some(prompt)) => {
                let index = self.prompts.iter().position(|spoken| spoken.prompt == prompt && spoken.ended.is_some());
                index.and_then(|index| self.prompts.remove(index))
            }
            _ => None,
        };
        let bare = TurnReport {
            role: store::Role::Agent,
            engine: self.engine,
            text,
            spoken: (now, now),
            interrupted: None,
            first_audio: None,
            waterfall: None,
            generation: None,
        };
        match (role, spoken) {
            (Role::Agent, Some(spoken)) => TurnReport {
                spoken: (spoken.started.unwrap_or(spoken.first_audio), spoken.ended.unwrap_or(now)),
                interrupted: spoken.interrupted,
                first_audio: Some(spoken.first_audio),
                waterfall: spoken.waterfall(),
                generation: spoken.generation,
                ..bare
            },
            (Role::Agent, None) => bare,
            (Role::Caller, _) => TurnReport { role: store::Role::Caller, spoken: self.caller.unwrap_or((now, now)), ..bare },
        }
    }

    fn find(&mut self, prompt: PromptId) -> Option<&mut Spoken> {
        self.prompts.iter_mut().find(|spoken| spoken.prompt == prompt)
    }
}

impl Spoken {
    fn waterfall(&self) -> Option<Waterfall> {
        let (last_speech, decided) = self.answers?;
        let started = self.started?;
        Some(Waterfall {
            endpointing: decided.saturating_duration_since(last_speech),
            engine: self.first_audio.saturating_duration_since(decided),
            stages: self.generation.as_ref().and_then(|generation| stages(decided, generation)),
            sendout: started.saturating_duration_since(self.first_audio),
        })
    }
}

/// The engine's time by its stages, where it has them; what was done before the decision took none of it.
fn stages(decided: Instant, generation: &Generation) -> Option<EngineStages> {
    let (transcribed, created) = (generation.transcribed?, generation.created?);
    let transcribed = transcribed.clamp(decided, generation.first_audio.max(decided));
    let created = created.clamp(transcribed, generation.first_audio.max(transcribed));
    Some(EngineStages {
        transcript: transcribed - decided,
        first_token: created - transcribed,
        first_audio: generation.first_audio.saturating_duration_since(created),
    })
}

#[cfg(test)]
mod tests {
    use ai::engine::TurnOutcome;

    use super::*;

    /// The stages of a turn that was decided at 600 ms, its first audio at 1,000: `None` where there were none. All in milliseconds.
    fn check(transcribed: Option<u64>, created: Option<u64>, expected: Option<[u64; 3]>) {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (outcome, usage) = (TurnOutcome::Completed, store::Usage::default());
        let (first_audio, done) = (at(1_000), at(1_200));
        let (transcribed, created) = (transcribed.map(at), created.map(at));
        let generation = Generation { transcribed, requested: at(100), created, first_audio, done, outcome, usage };
        let parts = stages(at(600), &generation).map(|parts| [parts.transcript, parts.first_token, parts.first_audio]);
        assert!(
            parts.is_none_or(|parts| parts.iter().sum::<Duration>() == Duration::from_millis(400)),
            "they sum to the engine's time"
        );
        assert_eq!(parts.map(|parts| parts.map(|part| part.as_millis() as u64)), expected);
    }

    #[test]
    fn stages_sum_to_the_engine_and_what_was_done_early_took_nothing() {
        check(Some(750), Some(900), Some([150, 150, 100]));
        check(Some(150), Some(900), Some([0, 300, 100]));
        check(Some(150), Some(350), Some([0, 0, 400]));
        check(Some(750), Some(1_300), Some([150, 250, 0]));
        check(None, Some(900), None);
        check(Some(750), None, None);
    }
}
