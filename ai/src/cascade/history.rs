//! The conversation as the model is told it: what the caller said, and what the caller heard.

use media::sendout::PromptId;

use crate::engine::Words;
use crate::realtime::history::{MAX_BYTES, MAX_ENTRIES};
use crate::responder::{Entry, ToolCall};

/// What a model reads of a tool that has not come back yet.
const PENDING: &str = r#"{"status":"still running"}"#;

/// Told to a model whose answer broke off, after what was said of it.
const GO_ON: &str = "(Your last answer was cut off here. Go on right after its last word; repeat nothing and explain nothing.)";

/// The conversation in order; when full by number or bytes, the oldest entry goes.
#[derive(Default)]
pub(super) struct History {
    entries: Vec<Entry>,
    /// The prompt of each entry of the agent that is still being said.
    prompts: Vec<Option<PromptId>>,
}

impl History {
    pub(super) fn push(&mut self, entry: Entry) {
        self.insert(self.entries.len(), entry, None);
    }

    /// The agent begins to say `text`.
    pub(super) fn say(&mut self, prompt: PromptId, text: String) {
        if self.prompts.contains(&Some(prompt)) {
            return self.heard(prompt, &text, true);
        }
        self.insert(self.entries.len(), Entry::Agent(text.into()), Some(prompt));
    }

    /// What is said in a prompt, as far as it was heard; nothing: it was never said. `open` while it goes on.
    pub(super) fn heard(&mut self, prompt: PromptId, text: &str, open: bool) {
        let Some(index) = self.prompts.iter().position(|known| *known == Some(prompt)) else { return };
        if text.is_empty() {
            self.entries.remove(index);
            self.prompts.remove(index);
            return;
        }
        self.entries[index] = Entry::Agent(text.into());
        self.prompts[index] = Some(prompt).filter(|_| open);
        self.shrink();
    }

    /// What came of a tool goes right behind its call; false when nobody called it, or it has come before.
    pub(super) fn answer(&mut self, call_id: &str, output: Words) -> bool {
        let called = |entry: &Entry| matches!(entry, Entry::ToolCall(call) if call.call_id == call_id);
        let answered = |entry: &Entry| matches!(entry, Entry::ToolResult { call_id: known, .. } if known == call_id);
        let Some(index) = self.entries.iter().position(called) else { return false };
        if self.entries.iter().any(answered) {
            return false;
        }
        // Calls of one answer stay together, and so do their results.
        let behind = |entry: &Entry| matches!(entry, Entry::ToolCall(_) | Entry::ToolResult { .. });
        let end = index + self.entries[index..].iter().take_while(|entry| behind(entry)).count();
        self.insert(end, Entry::ToolResult { call_id: call_id.to_owned(), output }, None);
        true
    }

    /// As a request tells it: `next` is what the caller has just said, `cut` whether the agent's last words are to be gone on with.
    /// Every call has a result, and every result its call.
    pub(super) fn told(&self, next: Option<&str>, cut: bool) -> Vec<Entry> {
        let has = |id: &str, is: fn(&Entry, &str) -> bool| self.entries.iter().any(|entry| is(entry, id));
        let mut told: Vec<Entry> = Vec::with_capacity(self.entries.len() + 2);
        let mut pending: Vec<Entry> = Vec::new();
        for entry in &self.entries {
            match entry {
                Entry::ToolResult { call_id, .. } if !has(call_id, is_call) => continue,
                Entry::ToolCall(ToolCall { call_id, .. }) if !has(call_id, is_result) => {
                    let output = PENDING.into();
                    pending.push(Entry::ToolResult { call_id: call_id.clone(), output });
                }
                Entry::ToolCall(_) | Entry::ToolResult { .. } => {}
                _ => told.append(&mut pending),
            }
            told.push(entry.clone());
        }
        told.append(&mut pending);
        told.extend(next.map(|text| Entry::Caller(text.into())));
        if cut {
            told.push(Entry::Caller(GO_ON.into()));
        }
        told
    }

    fn insert(&mut self, index: usize, entry: Entry, prompt: Option<PromptId>) {
        self.entries.insert(index, entry);
        self.prompts.insert(index, prompt);
        self.shrink();
    }

    fn shrink(&mut self) {
        let mut bytes: usize = self.entries.iter().map(bytes_of).sum();
        while self.entries.len() > MAX_ENTRIES || bytes > MAX_BYTES {
            bytes -= bytes_of(&self.entries.remove(0));
            self.prompts.remove(0);
        }
    }
}

fn is_call(entry: &Entry, id: &str) -> bool {
    matches!(entry, Entry::ToolCall(call) if call.call_id == id)
}

fn is_result(entry: &Entry, id: &str) -> bool {
    matches!(entry, Entry::ToolResult { call_id, .. } if call_id == id)
}

fn bytes_of(entry: &Entry) -> usize {
    match entry {
        Entry::Agent(words) | Entry::Caller(words) => words.as_str().len(),
        Entry::ToolCall(call) => call.call_id.len() + call.name.len() + call.arguments.as_str().len(),
        Entry::ToolResult { call_id, output } => call_id.len() + output.as_str().len(),
    }
}

#[cfg(test)]
pub(super) fn line(entry: &Entry) -> String {
    match entry {
        Entry::Agent(words) => format!("agent: {}", words.as_str()),
        Entry::Caller(words) => format!("caller: {}", words.as_str()),
        Entry::ToolCall(call) => format!("call {} {}", call.call_id, call.name),
        Entry::ToolResult { call_id, output } => format!("result {call_id} {}", output.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(history: &History, next: Option<&str>, cut: bool, expected: &[&str]) {
        let told: Vec<String> = history.told(next, cut).iter().map(line).collect();
        assert_eq!(told, expected);
    }

    fn call(id: &str) -> Entry {
        Entry::ToolCall(ToolCall { call_id: id.into(), name: "f".into(), arguments: "{}".into() })
    }

    #[test]
    fn what_was_not_heard_is_not_told() {
        let mut history = History::default();
        history.push(Entry::Caller("question".into()));
        history.say(PromptId(1), "one two three".into());
        check(&history, Some("and"), false, &["caller: question", "agent: one two three", "caller: and"]);
        history.heard(PromptId(1), "one", false);
        history.say(PromptId(2), "never".into());
        history.heard(PromptId(2), "", false);
        history.heard(PromptId(1), "closed already", false);
        check(&history, None, false, &["caller: question", "agent: one"]);
        check(&history, None, true, &["caller: question", "agent: one", &format!("caller: {GO_ON}")]);
    }

    #[test]
    fn every_call_has_a_result_and_they_stay_together() {
        let mut history = History::default();
        history.push(call("a"));
        history.push(call("b"));
        assert!(history.answer("b", "2".into()));
        history.push(Entry::Caller("hello?".into()));
        let pending = format!("result a {PENDING}");
        check(&history, None, false, &["call a f", "call b f", "result b 2", &pending, "caller: hello?"]);
        assert!(history.answer("a", "1".into()));
        check(&history, None, false, &["call a f", "call b f", "result b 2", "result a 1", "caller: hello?"]);
        assert!(!history.answer("a", "again".into()) && !history.answer("c", "nobody asked".into()));
    }

    #[test]
    fn when_full_the_oldest_goes_and_its_result_with_it() {
        let mut history = History::default();
        history.push(call("a"));
        history.answer("a", "1".into());
        (0..MAX_ENTRIES - 1).for_each(|number| history.push(Entry::Caller(number.to_string().as_str().into())));
        assert_eq!(history.told(None, false).len(), MAX_ENTRIES - 1);
        history.push(Entry::Caller("x".repeat(MAX_BYTES).into()));
        assert_eq!(history.told(None, false).len(), 1);
    }
}
