//! What waits for the leg's report of a barge-in: until it says what was heard, nothing that came after may be told to the engine.

use std::time::{Duration, Instant};

use ai::engine::{Input, Words};
use ai::remark::Occasion;
use media::dtmf::Digit;
use media::sendout::PromptId;
use media::turn::TurnEvent;

use super::{AiMsg, AiSession};
use crate::leg::LegMsg;
use crate::mailbox::Mailbox;

/// Turns and digits held back for the report of a barge-in, which takes milliseconds. More means that it was lost.
const HELD_MAX: usize = 16;

/// What came between a barge-in and its report.
pub(super) enum Held {
    Digit(Digit),
    Remark(Occasion),
    Turn(TurnEvent),
    Typed(Words),
}

impl AiSession {
    pub(super) fn hold(&mut self, now: Instant, news: Held, me: &Mailbox<AiMsg>) {
        let held = self.held.get_or_insert_default();
        held.push_back(news);
        if held.len() == HELD_MAX {
            self.handle_interrupted(now, None, me);
        }
    }

    pub(super) fn handle_interrupted(&mut self, now: Instant, cut: Option<(PromptId, Duration)>, me: &Mailbox<AiMsg>) {
        if let Some((prompt, heard)) = cut {
            self.turns.prompt_ended(prompt, now, Some(heard));
            self.tell_cut(heard);
            self.engine.handle_input(now, Input::BargeInCommitted { prompt, heard });
            self.drain(now, me);
        }
        for held in self.held.take().unwrap_or_default() {
            match held {
                Held::Digit(digit) => {
                    self.engine.handle_input(now, Input::Dtmf(digit.to_char()));
                    self.drain(now, me);
                }
                Held::Remark(occasion) => {
                    self.remark(now, occasion);
                    self.drain(now, me);
                }
                Held::Turn(event) => self.handle_turn(now, event, me),
                Held::Typed(words) => {
                    self.typed(now, words, me);
                    self.drain(now, me);
                }
            }
        }
    }

    /// A key cuts what a menu is saying: who knows the choice does not wait for the end. A provider's agent is not cut: to it a
    /// key is one more thing that was said.
    pub(super) fn handle_digit(&mut self, now: Instant, digit: Digit, me: &Mailbox<AiMsg>) {
        self.manners.key_pressed(now);
        if self.manners.is_leaving() {
            // Too late.
        } else if self.tools.press(now, digit, me) {
            // Its own: what is collected is no news for the engine.
        } else if self.held.is_some() {
            self.hold(now, Held::Digit(digit), me);
        } else if self.keys_cut && !self.turns.all_heard() {
            self.ports.leg.tell(LegMsg::BargeIn);
            self.hold(now, Held::Digit(digit), me);
        } else {
            self.engine.handle_input(now, Input::Dtmf(digit.to_char()));
        }
    }
}
