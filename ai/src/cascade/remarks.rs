//! What the agent says of its own accord.

use std::time::Instant;

use super::reply::{CallerPhase, CallerTurn, Cause, Phase, Reply};
use super::{CascadeSession, mind};
use crate::engine::TurnOutcome;
use crate::remark::Remark;
use crate::responder::Entry;

impl CascadeSession {
    /// Says a remark, unless the caller or an answer was faster; one that cuts takes the place of what is being made.
    pub(super) fn remark(&mut self, now: Instant, remark: Remark) {
        let Remark { occasion, text } = remark;
        if occasion.cuts() {
            self.drop_reply(now, TurnOutcome::Interrupted);
            self.ears.take(&mut self.ports);
            (self.turn, self.wanted, self.filler_at) = (None, false, None);
        } else if self.is_making() || self.turn.is_some() || self.reply.is_some() {
            return;
        }
        if let Some(text) = text {
            return self.recite(now, Cause::Remark, text.as_str());
        }
        self.history.push(Entry::Caller(occasion.situation().into()));
        // As after the last round: the model must speak, and calls nothing.
        self.reply = Some(Reply { round: mind::MAX_ROUNDS, ..Reply::new(Cause::Remark, false) });
        self.ask(now);
    }

    /// Whether more is to be heard without any doing of the caller.
    pub(super) fn is_making(&self) -> bool {
        let asked = matches!(self.turn, Some(CallerTurn { phase: CallerPhase::Finished { .. }, .. }));
        let making = self.reply.as_ref().is_some_and(|reply| reply.phase != Phase::Tools);
        asked || making || self.wanted || self.mouth.is_saying()
    }
}
