//! The caller's turn: from its beginning to the answer that is committed to it.

use std::time::{Duration, Instant};

use super::reply::{CallerPhase, CallerTurn, Cause, MAX_WASTED, Reply};
use super::{CascadeSession, Phase};
use crate::engine::{Output, Role, TurnOutcome, Words};
use crate::responder::Entry;

impl CascadeSession {
    pub(super) fn caller_started(&mut self, now: Instant, at: Instant) {
        self.ears.begin(now, at, &mut self.ports);
        // The caller goes on before anything of the answer was heard; only a greeting is to be heard in any case.
        let silent = |reply: &Reply| !reply.is_audible() && reply.cause != Cause::Greeting;
        if self.reply.as_ref().is_some_and(silent) {
            self.drop_reply(now, TurnOutcome::Interrupted);
        }
        if !matches!(&self.reply, Some(reply) if reply.cause == Cause::Greeting) {
            self.filler_at = None;
        }
        let wasted = self.turn.map_or(0, |turn| turn.wasted);
        let (phase, speech) = (CallerPhase::Speaking, Duration::ZERO);
        self.turn = Some(CallerTurn { phase, speech, last_speech_at: now, wasted, retried: false });
    }

    /// The caller typed something: it is answered as keys are. An answer that nobody has heard anything of is made anew.
    pub(super) fn typed(&mut self, now: Instant, words: Words) {
        let silent = |reply: &Reply| !reply.is_audible() && reply.cause != Cause::Greeting;
        if self.reply.as_ref().is_some_and(silent) {
            self.drop_reply(now, TurnOutcome::Interrupted);
        }
        self.history.push(Entry::Caller(words));
        self.wanted = true;
        self.filler_at = Some(now + self.config.timeouts.filler);
    }

    pub(super) fn caller_paused(&mut self, now: Instant, last_speech_at: Instant) {
        let Some(turn) = &mut self.turn else { return };
        if turn.phase == CallerPhase::Speaking {
            turn.phase = CallerPhase::Paused;
            turn.last_speech_at = last_speech_at;
            self.ears.pause(now, &mut self.ports);
        }
    }

    pub(super) fn caller_resumed(&mut self, now: Instant) {
        let Some(turn) = &mut self.turn else { return };
        if turn.phase == CallerPhase::Paused {
            turn.phase = CallerPhase::Speaking;
            self.ears.resume(&mut self.ports);
            self.throw_away(now);
        }
    }

    pub(super) fn caller_finished(&mut self, now: Instant, last_speech_at: Instant, speech: Duration) {
        let Some(turn) = &mut self.turn else { return };
        let deadline = now + self.config.timeouts.transcript;
        turn.phase = CallerPhase::Finished { at: now, deadline };
        turn.last_speech_at = last_speech_at;
        turn.speech = speech;
        self.filler_at = Some(now + self.config.timeouts.filler);
        self.ears.finish(now, &mut self.ports);
    }

    /// The last words of a turn that is over should be here by now.
    pub(super) fn words_are_due(&mut self, now: Instant) {
        let Some(CallerTurn { phase: CallerPhase::Finished { at, deadline }, .. }) = self.turn else { return };
        if now < deadline || self.ears.is_settled() {
            return;
        }
        let Some(turn) = &mut self.turn else { return };
        let speech = if std::mem::replace(&mut turn.retried, true) { Duration::ZERO } else { turn.speech };
        if !self.ears.give_up(now, speech, &mut self.ports) {
            turn.phase = CallerPhase::Finished { at, deadline: now + self.config.timeouts.transcript };
        }
    }

    /// Begins what can be begun, and commits what is certain.
    pub(super) fn decide(&mut self, now: Instant) {
        let Some(turn) = self.turn else {
            if std::mem::take(&mut self.wanted) {
                self.wanted = !self.begin(now, Cause::History, false);
            }
            return;
        };
        let waits = !self.ears.is_firm() && self.reply.as_ref().is_none_or(|reply| !reply.held);
        if turn.phase == CallerPhase::Speaking && !self.ears.has_ended() {
            return self.throw_away(now);
        } else if waits {
            return;
        }
        let text = self.ears.text();
        match turn.phase {
            CallerPhase::Finished { at, .. } if self.ears.is_settled() => self.commit(now, turn, at, text),
            _ if text.is_empty() || !self.ears.is_firm() => self.throw_away_other(now, &text),
            _ => {
                self.throw_away_other(now, &text);
                let wasted = self.turn.map_or(0, |turn| turn.wasted);
                let early = !matches!(turn.phase, CallerPhase::Finished { .. });
                if (!early || (wasted < MAX_WASTED && self.mind.is_there(now)))
                    && self.begin(now, Cause::Caller(text), true)
                    && let Some(reply) = &mut self.reply
                {
                    reply.early = early;
                }
            }
        }
    }

    /// The turn is over and these are its words.
    fn commit(&mut self, now: Instant, turn: CallerTurn, at: Instant, text: String) {
        if text.is_empty() {
            // A cough: nobody answers, and it never was.
            self.throw_away(now);
            self.ears.take(&mut self.ports);
            self.turn = None;
            self.filler_at = None;
            return;
        }
        self.throw_away_other(now, &text);
        if self.reply.as_ref().is_some_and(|reply| !reply.held) {
            // The agent has not finished what it was saying before; then this is answered.
            return;
        }
        self.begin(now, Cause::Caller(text.clone()), true);
        let transcribed = self.ears.worded().unwrap_or(now);
        self.ears.take(&mut self.ports);
        self.turn = None;
        self.wanted = false;
        self.ports.push(Output::Transcript { role: Role::Caller, prompt: None, text: text.as_str().into(), is_final: true });
        if self.reply.as_ref().is_some_and(|reply| reply.early) {
            self.ports.push(Output::Speculated { used: true });
        }
        self.history.push(Entry::Caller(text.into()));
        if let Some(reply) = &mut self.reply {
            reply.held = false;
            reply.timings.last_speech_at = Some(turn.last_speech_at);
            reply.timings.committed = Some(at);
            reply.timings.transcribed = Some(transcribed);
        }
    }

    /// Begins an answer; false when another is still being made.
    fn begin(&mut self, now: Instant, cause: Cause, held: bool) -> bool {
        if self.phase != Phase::Live || self.reply.is_some() {
            return false;
        }
        self.reply = Some(Reply::new(cause, held));
        self.ask(now);
        true
    }

    /// Throws away what was begun early for other words than these.
    fn throw_away_other(&mut self, now: Instant, text: &str) {
        let other = |reply: &Reply| !matches!(&reply.cause, Cause::Caller(basis) if basis == text);
        if self.reply.as_ref().is_some_and(|reply| reply.held && other(reply)) {
            self.throw_away(now);
        }
    }

    /// Throws away what was begun early.
    fn throw_away(&mut self, now: Instant) {
        let Some(reply) = self.reply.take_if(|reply| reply.held) else { return };
        self.mind.cancel(&mut self.ports);
        self.mouth.cancel(now, &mut self.ports);
        if !reply.early {
            return;
        }
        self.ports.push(Output::Speculated { used: false });
        if let Some(turn) = &mut self.turn {
            turn.wasted += 1;
        }
    }
}
