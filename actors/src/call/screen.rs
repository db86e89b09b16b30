//! Who or what picked up a call of ours, where somebody wants to know before the agent begins.
//!
//! ```text
//! 200 ─► the engine connects, and holds what it says first ─┬─ a person, or nothing clear ─► the agent begins
//!                                                           ├─ a machine: HangUp ──────────► BYE
//!                                                           ├─ a machine: Tell ────────────► noted, the agent begins
//!                                                           └─ a machine: Say ─ its beep ──► the message in the agent's voice, BYE
//! ```
//! What is taken for a person and then says what machines say is a machine after all: a transcript tells.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ai::engine::Words;
use media::answerer::{Answerer, AnswererEvent, Judgement, Reason, Who, phrases};
use serde_json::{Value, json};
use store::{AnsweredBy, HangupCause, Role, StoreWrite};

use super::{Call, CallMsg, Phase};
use crate::ai_session::{AiMsg, EngineChoice};
use crate::config::Assistant;
use crate::mailbox::Mailbox;
use crate::store::StoreMsg;
use crate::turn::TurnReport;
use crate::vad::{Screen, VadMsg};

/// How long after the answer words are looked at: a greeting with a pause in it is over by then.
const DOUBT_MAX: Duration = Duration::from_secs(30);

/// What is done when a machine answers.
#[derive(Clone, Debug)]
pub enum OnMachine {
    /// The call ends.
    HangUp,
    /// This is said after its beep; then the call ends.
    Say(Words),
    /// It is noted, and the agent talks with it.
    Tell,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// Nobody knows yet; the agent waits.
    Listening,
    /// A machine, whose beep is waited for.
    Machine,
    /// The message is being left.
    Leaving,
    /// The agent talks.
    Talking,
}

/// In a call whose answer is listened to.
#[derive(Debug)]
pub(super) struct Screening {
    on_machine: OnMachine,
    stage: Stage,
    answered: Option<Instant>,
}

impl Screening {
    pub(super) fn new(on_machine: OnMachine) -> Self {
        Self { on_machine, stage: Stage::Listening, answered: None }
    }

    /// The message, from the moment on at which it is known that there is to be one.
    fn message(&self) -> Option<&Words> {
        match (&self.on_machine, self.stage) {
            (OnMachine::Say(message), Stage::Machine | Stage::Leaving) => Some(message),
            _ => None,
        }
    }
}

impl Call {
    fn screening(&mut self) -> Option<&mut Screening> {
        self.placed()?.screening.as_mut()
    }

    /// Whether the agent waits for who or what it is.
    pub(super) fn is_screening(&self) -> bool {
        self.screening_now().is_some_and(|screening| matches!(screening.stage, Stage::Listening | Stage::Machine))
    }

    /// Whether a message is left with a machine, or will be.
    pub(super) fn leaves_message(&self) -> bool {
        self.screening_now().is_some_and(|screening| screening.message().is_some())
    }

    fn screening_now(&self) -> Option<&Screening> {
        self.placed_now()?.screening.as_ref()
    }

    /// What the Vad of such a call does first.
    pub(super) fn screen(&mut self, me: &Mailbox<CallMsg>) -> Option<Screen> {
        let screening = self.screening()?;
        screening.answered.get_or_insert_with(Instant::now);
        let answerer = match screening.stage {
            Stage::Listening => Answerer::new(),
            Stage::Machine => Answerer::of_machine(),
            Stage::Leaving | Stage::Talking => return None,
        };
        Some(Screen { answerer, call: me.clone() })
    }

    /// Which engine talks: the assistant's own, or the same with nothing but the message.
    pub(super) fn engine_for(&self, assistant: Arc<Assistant>) -> EngineChoice {
        match self.screening_now().and_then(Screening::message) {
            Some(message) => EngineChoice::Message(assistant, message.clone()),
            None => EngineChoice::Own(assistant),
        }
    }

    /// The Vad has found something out.
    pub(super) async fn handle_answerer(&mut self, event: AnswererEvent, me: &Mailbox<CallMsg>) {
        if !matches!(self.phase, Phase::Up { .. }) || !self.is_screening() {
            return;
        }
        match event {
            AnswererEvent::Judged(judgement) => {
                self.note_answerer(&judgement);
                match judgement.who {
                    Who::Machine => self.meet_machine(me).await,
                    Who::Human | Who::Unknown => self.begin_talk(),
                }
            }
            AnswererEvent::MessageDue(beeped) => {
                tracing::info!(call = %self.id, beeped, "a message is left");
                metrics::counter!("offhook_messages_left_total", "after" => if beeped { "beep" } else { "silence" }).increment(1);
                if let Some(screening) = self.screening() {
                    screening.stage = Stage::Leaving;
                }
                self.ports.ai.tell(AiMsg::Answered);
            }
            AnswererEvent::GaveUp => self.end(HangupCause::AgentHangup, Some("the machine took no message".to_owned()), me),
        }
    }

    /// What somebody said, as a transcriber heard it: a machine that paused gives itself away.
    pub(super) async fn doubt(&mut self, turn: &TurnReport, me: &Mailbox<CallMsg>) {
        let Some(screening) = self.screening_now() else { return };
        let late = screening.answered.is_none_or(|answered| answered.elapsed() > DOUBT_MAX);
        let noted = matches!(screening.on_machine, OnMachine::Tell);
        if late
            || noted
            || screening.stage != Stage::Talking
            || turn.role != Role::Caller
            || !phrases::is_machine(turn.text.reveal())
        {
            return;
        }
        let took = screening.answered.map(|answered| answered.elapsed()).unwrap_or_default();
        let who = Who::Machine;
        self.note_answerer(&Judgement { who, reason: Reason::Words, took, voice: Duration::ZERO, phrases: 0, beep_hz: None });
        self.ports.vad.tell(VadMsg::AwaitBeep);
        self.meet_machine(me).await;
    }

    async fn meet_machine(&mut self, me: &Mailbox<CallMsg>) {
        let Some(screening) = self.screening() else { return };
        match &screening.on_machine {
            OnMachine::HangUp => self.end(HangupCause::AgentHangup, Some("a machine answered".to_owned()), me),
            OnMachine::Tell => {
                self.ports.vad.tell(VadMsg::Talk);
                self.begin_talk();
            }
            OnMachine::Say(_) => {
                screening.stage = Stage::Machine;
                if let Err(reason) = self.prepare_message(me).await {
                    self.end(HangupCause::Failed, Some(reason), me);
                }
            }
        }
    }

    /// The agent goes, and comes back with nothing to say but the message, which it has ready when the beep is over.
    async fn prepare_message(&mut self, me: &Mailbox<CallMsg>) -> Result<(), String> {
        if let Some(old) = self.ports.ai.mailbox() {
            self.children.remove(&old.id());
            self.ports.ai.publish(None);
            old.stop();
        }
        self.leaving = Some(HangupCause::AgentHangup);
        let assistant = self.assistant.clone().ok_or("nobody answers this number")?;
        let engine = self.engine_for(assistant);
        self.start_ai(engine, me).await
    }

    /// The agent talks with whoever it is.
    fn begin_talk(&mut self) {
        if let Some(screening) = self.screening() {
            screening.stage = Stage::Talking;
        }
        if !self.assistant.as_ref().is_some_and(|assistant| assistant.engine.takes_turns_here())
            && let Some(vad) = self.ports.vad.mailbox()
        {
            // A bot takes turns itself, and nobody else may.
            self.children.remove(&vad.id());
            self.ports.vad.publish(None);
            vad.stop();
        }
        self.ports.ai.tell(AiMsg::VadStarted);
        self.ports.ai.tell(AiMsg::Answered);
    }

    fn note_answerer(&self, judgement: &Judgement) {
        let by = match judgement.who {
            Who::Human => AnsweredBy::Human,
            Who::Machine => AnsweredBy::Machine,
            Who::Unknown => AnsweredBy::Unknown,
        };
        let (reason, took) = (judgement.reason.as_str(), judgement.took);
        tracing::info!(call = %self.id, by = by.as_str(), reason, ?took, "who or what picked up");
        metrics::counter!("offhook_answerers_total", "by" => by.as_str(), "reason" => reason).increment(1);
        metrics::histogram!("offhook_answerer_seconds").record(took);
        self.shared.store.tell(StoreMsg::Write(StoreWrite::AnswererJudged { call: self.id, by, evidence: evidence(judgement) }));
    }
}

/// What a verdict is based on, for people.
fn evidence(judgement: &Judgement) -> Value {
    json!({
        "reason": judgement.reason.as_str(),
        "took_ms": judgement.took.as_millis() as u64,
        "voice_ms": judgement.voice.as_millis() as u64,
        "phrases": judgement.phrases,
        "beep_hz": judgement.beep_hz,
    })
}
