//! What the session does of its own accord: carries out the steps of its manners, and ends the call once it was heard.

use std::time::{Duration, Instant};

use ai::engine::Input;
use ai::remark::Occasion;
use media::turn::TurnEvent;
use store::HangupCause;

use super::manners::{Scene, Step};
use super::{AiMsg, AiSession, Held};
use crate::alarm::Owned;
use crate::call::CallMsg;
use crate::leg::LegMsg;
use crate::mailbox::Mailbox;

/// A goodbye that was not heard to its end by then is cut: a leg that plays nothing must not keep a call up.
pub(crate) const GOODBYE_MAX: Duration = Duration::from_secs(30);

impl AiSession {
    /// The agent ends the call once it was heard; with a word, if `farewell` and it had none.
    pub(super) fn hang_up(&mut self, reason: &'static str, farewell: bool) {
        tracing::info!(call = %self.call_id, reason, "the agent hangs up");
        self.manners.leave(farewell);
    }

    /// Goes on where the session before this one was taking leave: nobody is to begin anew with a caller who was told goodbye.
    pub(super) fn take_up_leaving(&mut self, now: Instant) {
        match self.leaving {
            Some(HangupCause::MaxDuration) => self.manners.time_up(now),
            Some(_) => self.manners.leave(true),
            None => {}
        }
    }

    /// Takes what the event says of the caller's being there.
    pub(super) fn notice(&mut self, now: Instant, event: TurnEvent) {
        match event {
            TurnEvent::BargeInCommitted | TurnEvent::CallerStarted { .. } => self.manners.caller_started(),
            TurnEvent::CallerFinished { .. } => self.manners.caller_finished(now),
            // Whoever has not heard our answer yet is not asked after.
            TurnEvent::CallerSilent { .. } | TurnEvent::CallerGone { .. } if !self.tools.is_answered() => {}
            TurnEvent::CallerSilent { since } | TurnEvent::CallerGone { since } => {
                let seconds = now.saturating_duration_since(since).as_secs();
                tracing::info!(call = %self.call_id, seconds, "the caller is silent");
                self.manners.silent();
            }
            TurnEvent::BargeInResumed { .. } | TurnEvent::BargeInStarted { .. } => {}
            TurnEvent::CallerPaused { .. } | TurnEvent::CallerResumed => {}
        }
    }

    /// Takes the next step that is due, if any. While a barge-in is being told of, nobody knows what was heard.
    pub(super) fn take_step(&mut self, now: Instant, me: &Mailbox<AiMsg>) -> bool {
        if self.finishing || self.held.is_some() {
            return false;
        }
        let scene = Scene {
            busy: self.engine.is_busy(),
            audible: !self.turns.all_heard(),
            tools: self.tools.are_busy(),
            unanswered: self.turns.are_unanswered(),
        };
        self.step_transfer(now, scene);
        let step = self.manners.step(now, scene);
        match step {
            Some(Step::HangUp(cause)) => self.tell_call(CallMsg::AgentHungUp(cause)),
            Some(Step::Say(occasion)) => self.speak_up(now, occasion, me),
            None => {}
        }
        self.mind_the_goodbye(me);
        step.is_some()
    }

    /// Has something said; where it cuts, what still plays is cut first.
    fn speak_up(&mut self, now: Instant, occasion: Occasion, me: &Mailbox<AiMsg>) {
        tracing::info!(call = %self.call_id, occasion = occasion.as_str(), "the agent speaks of its own accord");
        metrics::counter!("offhook_remarks_total", "occasion" => occasion.as_str()).increment(1);
        if self.held.is_some() {
            self.hold(now, Held::Remark(occasion), me);
        } else if occasion.cuts() && !self.turns.all_heard() {
            self.ports.leg.tell(LegMsg::BargeIn);
            self.hold(now, Held::Remark(occasion), me);
        } else {
            self.remark(now, occasion);
        }
    }

    /// The caller is here again: how long somebody else was silent means nothing.
    pub(super) fn come_back(&mut self, now: Instant, occasion: Occasion, me: &Mailbox<AiMsg>) {
        self.manners.alive();
        self.speak_up(now, occasion, me);
    }

    /// Hands a remark to the engine. It answers nothing, also where an answer is missing.
    pub(super) fn remark(&mut self, now: Instant, occasion: Occasion) {
        self.turns.forget_question();
        self.manners.handed_over();
        self.engine.handle_input(now, Input::Remark(self.phrases.remark(occasion)));
    }

    /// The end does not wait for ever for what is said before it.
    fn mind_the_goodbye(&mut self, me: &Mailbox<AiMsg>) {
        if self.manners.is_leaving() && self.leaving.is_none() {
            let cause = self.manners.cause();
            self.leaving = Some(cause);
            self.tell_call(CallMsg::TakingLeave(cause));
        }
        if !self.manners.is_ending() {
            self.goodbye = None;
        } else if self.goodbye.is_none() {
            let me = me.clone();
            self.goodbye = Some(Owned(tokio::spawn(async move {
                tokio::time::sleep(GOODBYE_MAX).await;
                let _ended_meanwhile = me.send(AiMsg::GoodbyeLate);
            })));
        }
    }
}
