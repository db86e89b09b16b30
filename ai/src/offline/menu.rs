//! The menu of keys.

use std::time::Instant;

use super::config::{Choice, Mode};
use super::recording::Recording;
use super::{OfflineSession, Saying, Step};

impl OfflineSession {
    /// A key was pressed.
    pub(super) fn choose(&mut self, now: Instant, key: char) {
        let Mode::Menu(menu) = &self.config.mode else {
            return;
        };
        // Who has chosen need not hear the rest of the menu. What plays already was cleared by the leg, or ends first.
        self.lines.clear();
        if let Saying::Synthesizing { .. } = self.now_saying {
            self.now_saying = Saying::Nothing;
        }
        let again = menu.prompt.clone();
        let Some((_, choice)) = menu.choices.iter().find(|(held, _)| *held == key) else {
            let invalid = menu.invalid.clone();
            return self.ask_again(now, invalid);
        };
        self.failures = 0;
        match choice {
            Choice::HangUp => self.leave(now, "menu"),
            Choice::Repeat => self.say(now, [again]),
            Choice::Say(text) => {
                let text = text.clone();
                self.say(now, [text, again]);
            }
            Choice::Voicemail => {
                let mailbox = menu.mailbox.clone();
                let prompt = mailbox.prompt.clone();
                self.step = Step::Recording(Recording::new(mailbox));
                self.say(now, [prompt]);
            }
        }
    }

    /// A key that was wrong or missing: says so and asks again, or gives up.
    pub(super) fn ask_again(&mut self, now: Instant, why: String) {
        let Mode::Menu(menu) = &self.config.mode else {
            return;
        };
        self.failures += 1;
        match self.failures >= menu.attempts {
            true => self.leave(now, "no_choice"),
            false => {
                let prompt = menu.prompt.clone();
                self.say(now, [why, prompt]);
            }
        }
    }
}
