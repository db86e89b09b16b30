//! What the agent says of its own accord.

use std::time::Instant;

use super::history::Entry;
use super::responses::Purpose;
use super::{RealtimeSession, frames};
use crate::engine::TurnTimings;
use crate::remark::Remark;

impl RealtimeSession {
    /// Asks for a remark, unless the caller or an answer was faster; one that cuts takes the place of what is being made.
    pub(super) fn remark(&mut self, now: Instant, remark: Remark) {
        let Remark { occasion, text } = remark;
        if occasion.cuts() {
            self.cancel(now);
            let dropped = self.responses.forget_wanted(now);
            self.outputs.extend(dropped);
        } else if self.responses.is_busy() || self.uplink.is_open() {
            return;
        }
        if text.is_none() {
            self.add_item(Entry::Note { text: occasion.situation().to_owned() });
        }
        self.remark = text;
        self.want(now, Purpose::Remark, TurnTimings::default());
    }

    /// The request for the remark that is due.
    pub(super) fn remark_frame(&self, number: u64) -> String {
        match &self.remark {
            Some(text) => frames::say(number, text.as_str()),
            None => frames::speak(number),
        }
    }
}
