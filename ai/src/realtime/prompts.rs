//! What the agent has said and the caller has not yet heard whole.

use std::collections::VecDeque;
use std::time::Duration;

use media::sendout::PromptId;

use crate::heard::words_within;
use crate::uplink::OCTETS_PER_MS;

/// Prompts waiting to be heard; a response has one or two. When full, the oldest is forgotten, as if never heard.
const MAX_PROMPTS: usize = 32;

/// Bytes of words kept of one prompt: ten minutes of speech. What is over is not written down.
const MAX_TEXT: usize = 16 * 1024;

/// One item of the agent's, from its first delta until it was heard or cut.
pub(super) struct Prompt {
    pub(super) id: PromptId,
    /// Identity on the server; empty when the session it belonged to is gone.
    pub(super) item: String,
    /// Octets of audio received.
    pub(super) received: usize,
    pub(super) text: String,
    /// Whether its end was told.
    pub(super) ended: bool,
}

impl Prompt {
    pub(super) fn say(&mut self, words: &str) {
        let room = MAX_TEXT.saturating_sub(self.text.len());
        self.text.push_str(&words[..words.floor_char_boundary(room)]);
    }

    /// Audio received, as time.
    pub(super) fn length(&self) -> Duration {
        Duration::from_millis((self.received / OCTETS_PER_MS) as u64)
    }

    /// The words that fit in what was heard, whole words only. The audio's share is taken for the words' share, which
    /// is right to a word or two in steady speech.
    pub(super) fn heard(&self, heard: Duration) -> &str {
        let length = self.length();
        if heard >= length {
            return if heard.is_zero() { "" } else { &self.text };
        }
        words_within(&self.text, heard.as_millis(), length.as_millis())
    }
}

/// Prompts in the order they are heard.
pub(super) struct Prompts {
    waiting: VecDeque<Prompt>,
    next: PromptId,
}

impl Prompts {
    pub(super) fn new(next: PromptId) -> Self {
        Self { waiting: VecDeque::new(), next }
    }

    pub(super) fn next(&self) -> PromptId {
        self.next
    }

    pub(super) fn known(&mut self, item: &str) -> Option<&mut Prompt> {
        self.waiting.iter_mut().rev().find(|prompt| prompt.item == item)
    }

    /// The prompt of `item`, begun if it is new.
    pub(super) fn of(&mut self, item: &str) -> &mut Prompt {
        let index = match self.waiting.iter().rposition(|prompt| prompt.item == item) {
            Some(index) => index,
            None => {
                if self.waiting.len() == MAX_PROMPTS {
                    self.waiting.pop_front();
                }
                let id = self.next;
                self.next = PromptId(id.0 + 1);
                let prompt = Prompt { id, item: item.to_owned(), received: 0, text: String::new(), ended: false };
                self.waiting.push_back(prompt);
                self.waiting.len() - 1
            }
        };
        &mut self.waiting[index]
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Prompt> {
        self.waiting.iter_mut()
    }

    /// Forgets prompts that never made a sound.
    pub(super) fn forget_silent(&mut self) {
        self.waiting.retain(|prompt| prompt.received > 0);
    }

    /// Takes out what was heard whole.
    pub(super) fn finish(&mut self, id: PromptId) -> Option<Prompt> {
        let index = self.waiting.iter().position(|prompt| prompt.id == id)?;
        self.waiting.remove(index)
    }

    /// Takes out what was cut, and forgets what came after it and was not heard at all.
    pub(super) fn interrupt(&mut self, id: PromptId) -> Option<Prompt> {
        self.waiting.retain(|prompt| prompt.id <= id);
        self.waiting.pop_back_if(|prompt| prompt.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, received_ms: usize, heard_ms: u64, expected: &str) {
        let mut prompts = Prompts::new(PromptId(0));
        let prompt = prompts.of("item");
        prompt.say(text);
        prompt.received = received_ms * OCTETS_PER_MS;
        assert_eq!(prompt.heard(Duration::from_millis(heard_ms)), expected, "{text} {received_ms} {heard_ms}");
    }

    #[test]
    fn words_are_cut_where_the_audio_was() {
        check("one two three four", 1_800, 0, "");
        check("one two three four", 1_800, 200, "");
        check("one two three four", 1_800, 300, "one");
        check("one two three four", 1_800, 600, "one");
        check("one two three four", 1_800, 1_350, "one two three");
        check("one two three four", 1_800, 1_799, "one two three");
        check("one two three four", 1_800, 1_800, "one two three four");
        check("one two three four", 1_800, 9_999, "one two three four");
        check("zwölf Äpfel", 1_000, 300, "");
        check("zwölf Äpfel", 1_000, 500, "zwölf");
        check("今日は晴れ", 1_000, 500, "今日");
        check("", 1_000, 500, "");
        check("words without audio", 0, 0, "");
    }

    #[test]
    fn when_full_the_oldest_prompt_is_forgotten() {
        let mut prompts = Prompts::new(PromptId(5));
        for index in 0..=MAX_PROMPTS {
            prompts.of(&index.to_string());
        }
        assert!(prompts.finish(PromptId(5)).is_none());
        assert!(prompts.finish(PromptId(6)).is_some());
        assert_eq!(prompts.next(), PromptId(5 + MAX_PROMPTS as u64 + 1));
    }

    #[test]
    fn words_over_the_bound_are_not_kept() {
        let mut prompts = Prompts::new(PromptId(0));
        let prompt = prompts.of("item");
        prompt.say(&"é".repeat(MAX_TEXT / 2));
        prompt.say("more");
        assert_eq!(prompt.text.len(), MAX_TEXT);
    }
}
