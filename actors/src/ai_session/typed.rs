//! What only a session has: a caller who types, and a client that is told what goes on.

use std::time::{Duration, Instant};

use ai::engine::{Input, Role, Words};
use media::sendout::PromptId;
use media::turn::TurnEvent;

use super::held::Held;
use super::{AiMsg, AiSession};
use crate::call::CallMsg;
use crate::leg::LegMsg;
use crate::leg::session::News;
use crate::mailbox::Mailbox;

impl AiSession {
    /// The caller typed something. It cuts what is being said: who writes has read what there was.
    pub(super) fn handle_typed(&mut self, now: Instant, words: Words, me: &Mailbox<AiMsg>) {
        if !self.reads {
            return self.tell(&News::Error { code: "unsupported", message: "this assistant listens, and reads nothing" });
        }
        self.manners.typed();
        if self.manners.is_leaving() {
            // Too late.
        } else if self.held.is_some() {
            self.hold(now, Held::Typed(words), me);
        } else if !self.turns.all_heard() {
            self.ports.leg.tell(LegMsg::BargeIn);
            self.hold(now, Held::Typed(words), me);
        } else {
            self.typed(now, words, me);
        }
    }

    /// Nothing is being said: the engine is told what was typed.
    pub(super) fn typed(&mut self, now: Instant, words: Words, me: &Mailbox<AiMsg>) {
        // What had not begun to be heard when it was cut is told as not heard at all.
        if let Some(prompt) = self.turns.first_unheard() {
            self.turns.prompt_ended(prompt, now, Some(Duration::ZERO));
            self.engine.handle_input(now, Input::BargeInCommitted { prompt, heard: Duration::ZERO });
            self.drain(now, me);
        }
        self.turns.caller_typed(now);
        self.tell_said(Role::Caller, &words);
        let report = self.turns.report(now, Role::Caller, None, words.clone());
        self.tell_call(CallMsg::TurnTaken(Box::new(report)));
        self.engine.handle_input(now, Input::Typed(words));
    }

    fn tell(&self, news: &News<'_>) {
        if let Some(client) = &self.ports.client {
            client.tell(news);
        }
    }

    /// Words as they come.
    pub(super) fn tell_words(&self, role: Role, prompt: Option<PromptId>, text: &Words) {
        let text = text.as_str();
        self.tell(&match role {
            Role::Agent => News::Words { prompt, text },
            Role::Caller => News::Said { agent: false, text, is_final: false },
        });
    }

    /// What a turn came to.
    pub(super) fn tell_said(&self, role: Role, text: &Words) {
        self.tell(&News::Said { agent: role == Role::Agent, text: text.as_str(), is_final: true });
    }

    /// How much was heard of what was cut.
    pub(super) fn tell_cut(&self, heard: Duration) {
        self.tell(&News::Interrupted(heard));
    }

    /// Whether the caller speaks.
    pub(super) fn tell_speech(&mut self, event: TurnEvent) {
        let speaks = match event {
            TurnEvent::BargeInStarted { .. } | TurnEvent::BargeInCommitted | TurnEvent::CallerStarted { .. } => true,
            TurnEvent::BargeInResumed { .. } | TurnEvent::CallerFinished { .. } => false,
            TurnEvent::CallerGone { .. } | TurnEvent::CallerSilent { .. } => return,
            TurnEvent::CallerPaused { .. } | TurnEvent::CallerResumed => return,
        };
        if std::mem::replace(&mut self.told_speech, speaks) != speaks {
            self.tell(&News::Speech(speaks));
        }
    }
}
