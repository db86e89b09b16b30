//! What was said and done so far, to be told again to a new session.

use std::collections::VecDeque;

use crate::engine::Role;

/// Entries kept: about twenty minutes of talk, and less than half of the smallest model's context.
pub(crate) const MAX_ENTRIES: usize = 100;

/// Bytes of words kept: the smallest model's context is 32 k tokens, about as much.
pub(crate) const MAX_BYTES: usize = 128 * 1024;

/// One item of the conversation.
#[derive(Clone, Eq, PartialEq)]
pub(super) enum Entry {
    /// What the caller heard of the agent.
    Agent { text: String },
    /// A tool call of the model.
    Call { call_id: String, name: String, arguments: String },
    /// What came of it.
    CallOutput { call_id: String, output: String },
    /// What the caller said; the words come later than the place.
    Caller { item: String, text: Option<String> },
    /// What the model is told in the caller's place: keys that were pressed, what a remark is about.
    Note { text: String },
}

impl Entry {
    /// Words of one side.
    pub(super) fn said(role: Role, text: String) -> Self {
        match role {
            Role::Agent => Self::Agent { text },
            Role::Caller => Self::Caller { item: String::new(), text: Some(text) },
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Agent { text } | Self::Note { text } => text.len(),
            Self::Call { call_id, name, arguments } => call_id.len() + name.len() + arguments.len(),
            Self::CallOutput { call_id, output } => call_id.len() + output.len(),
            Self::Caller { item, text } => item.len() + text.as_ref().map_or(0, String::len),
        }
    }
}

/// The conversation in order; when full by number or bytes, the oldest entry goes.
#[derive(Default)]
pub(super) struct History {
    entries: VecDeque<Entry>,
}

impl History {
    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
        self.shrink();
    }

    fn shrink(&mut self) {
        let mut bytes: usize = self.entries.iter().map(Entry::bytes).sum();
        while self.entries.len() > MAX_ENTRIES || bytes > MAX_BYTES {
            bytes -= self.entries.pop_front().map_or(0, |entry| entry.bytes());
        }
    }

    /// Fills in the words of the caller's `item`, or adds them where its place is not known.
    pub(super) fn caller_said(&mut self, item: &str, words: &str) {
        let place = self.entries.iter_mut().rev().find_map(|entry| match entry {
            Entry::Caller { item: known, text } if known == item => Some(text),
            _ => None,
        });
        match place {
            Some(text) => {
                *text = Some(words.to_owned());
                self.shrink();
            }
            None => self.push(Entry::Caller { item: item.to_owned(), text: Some(words.to_owned()) }),
        }
    }

    /// In order, without outputs whose call was dropped: the provider refuses those.
    pub(super) fn replay(&self) -> impl Iterator<Item = &Entry> {
        let called = |id: &str| self.entries.iter().any(|entry| matches!(entry, Entry::Call { call_id, .. } if call_id == id));
        self.entries.iter().filter(move |entry| match entry {
            Entry::CallOutput { call_id, .. } => called(call_id),
            _ => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(history: &History) -> Vec<String> {
        let word = |entry: &Entry| match entry {
            Entry::Agent { text } | Entry::Note { text } => text.clone(),
            Entry::Call { call_id, .. } => format!("call {call_id}"),
            Entry::CallOutput { call_id, .. } => format!("output {call_id}"),
            Entry::Caller { text, .. } => text.clone().unwrap_or_else(|| "?".to_owned()),
        };
        history.replay().map(word).collect()
    }

    fn agent(text: &str) -> Entry {
        Entry::Agent { text: text.to_owned() }
    }

    #[test]
    fn late_words_of_the_caller_go_to_their_place() {
        let mut history = History::default();
        history.push(Entry::Caller { item: "a".into(), text: None });
        history.push(agent("reply"));
        assert_eq!(words(&history), ["?", "reply"]);
        history.caller_said("a", "question");
        history.caller_said("b", "unplaced");
        assert_eq!(words(&history), ["question", "reply", "unplaced"]);
    }

    #[test]
    fn when_full_the_oldest_goes_and_its_output_with_it() {
        let mut history = History::default();
        history.push(Entry::Call { call_id: "1".into(), name: "f".into(), arguments: "{}".into() });
        history.push(Entry::CallOutput { call_id: "1".into(), output: "{}".into() });
        assert_eq!(words(&history), ["call 1", "output 1"]);
        for index in 0..MAX_ENTRIES - 1 {
            history.push(agent(&index.to_string()));
        }
        let kept = words(&history);
        assert_eq!((kept.len(), kept[0].as_str()), (MAX_ENTRIES - 1, "0"));
    }

    #[test]
    fn words_over_the_bound_push_out_the_oldest() {
        let mut history = History::default();
        history.push(Entry::Caller { item: String::new(), text: None });
        history.push(agent("old"));
        history.push(agent("new"));
        history.caller_said("", &"x".repeat(MAX_BYTES - 3));
        assert_eq!(words(&history), ["old", "new"]);
        history.push(agent(&"x".repeat(MAX_BYTES - 3)));
        assert_eq!(words(&history)[0], "new");
        history.push(agent(&"x".repeat(MAX_BYTES + 1)));
        assert!(words(&history).is_empty());
    }
}
