//! What the language model answers to a conversation: the script's turn, as tokens with their times.

use std::time::Duration;

use serde_json::Value;

use super::faults::{Fault, Stage};
use super::provider::Provider;
use super::route::Asked;
use super::script::{Reply, Tool};
use super::speaker::DRIP;

/// The messages of a request, as text, whatever the protocol.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation {
    messages: Vec<(String, String)>,
    /// Names of the tools that may be called.
    pub tools: Vec<String>,
    /// Most tokens of the answer.
    pub tokens_max: Option<u64>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Thought {
    pub tokens: Vec<String>,
    /// Called after the tokens are said.
    pub tool: Option<Tool>,
    /// The answer was cut at the client's limit.
    pub cut: bool,
    /// The fault of the turn.
    pub fault: Option<Fault>,
    pub prompt_tokens: usize,
    first: Duration,
    step: Duration,
}

impl Conversation {
    /// Adds a message; `role` is `system`, `user`, `assistant` or `tool`.
    pub(super) fn push(&mut self, role: &str, text: impl Into<String>) {
        self.messages.push((role.to_owned(), text.into()));
    }

    /// Adds what a call of a tool was.
    pub(super) fn push_call(&mut self, name: &str, arguments: &str) {
        self.push("assistant", format!("call {name}({arguments})"));
    }

    fn users(&self) -> usize {
        self.messages.iter().filter(|(role, _)| role == "user").count()
    }

    fn last_user(&self) -> &str {
        self.messages.iter().rev().find(|(role, _)| role == "user").map(|(_, text)| text.as_str()).unwrap_or_default()
    }

    /// Answers of the model since the last user message that ended in calls: runs of tool results.
    fn results(&self) -> usize {
        let since = self.messages.iter().rposition(|(role, _)| role == "user").unwrap_or_default();
        let tools: Vec<bool> = self.messages[since..].iter().map(|(role, _)| role == "tool").collect();
        tools.windows(2).filter(|pair| pair[1] && !pair[0]).count()
    }

    fn listing(&self) -> String {
        self.messages.iter().map(|(role, text)| format!("{role}: {text}")).collect::<Vec<_>>().join(" | ")
    }

    fn words(&self) -> usize {
        self.messages.iter().map(|(_, text)| text.split_whitespace().count()).sum()
    }

    /// The answer to the request.
    pub(super) fn think(&self, asked: &Asked) -> Thought {
        let script = &asked.shared.script;
        let place = script.answering(self.users(), self.last_user(), self.results());
        let greeting = script.greeting.as_ref().filter(|_| self.users() == 0);
        let turn = greeting.unwrap_or(&script.turns[place]);
        let fault = if greeting.is_some() { None } else { asked.shared.turn_fault(place, Stage::Llm, asked.provider) };
        let offered = turn.tool.clone().filter(|tool| self.tools.contains(&tool.name));
        let text = match (&turn.tool, &offered, turn.reply) {
            (Some(_), Some(tool), _) => tool.say.clone(),
            (Some(tool), None, _) => format!("The tool {} was not offered.", tool.name),
            (None, _, Reply::Text) => turn.text.clone(),
            (None, _, Reply::Echo) => self.last_user().to_owned(),
            (None, _, Reply::History) => self.listing(),
        };
        let drips = asked.fault.or(fault) == Some(Fault::Drip);
        let mut tokens = if drips { text.chars().map(String::from).collect() } else { tokens(&text) };
        let most = usize::try_from(self.tokens_max.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let cut = tokens.len() > most;
        tokens.truncate(most);
        let rate = turn.tokens_per_s.unwrap_or(script.pace.tokens_per_s);
        Thought {
            tokens,
            tool: offered.filter(|_| !cut),
            cut,
            fault,
            prompt_tokens: self.words(),
            first: Duration::from_millis(turn.first_token_ms.unwrap_or(script.pace.first_token_ms)),
            step: if drips { DRIP } else { Duration::from_secs_f64(1.0 / rate) },
        }
    }
}

impl Thought {
    /// When token number `index` comes after the request.
    pub(super) fn at(&self, index: usize) -> Duration {
        self.first + self.step * u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// When the last token has come.
    pub(super) fn end(&self) -> Duration {
        self.at(self.tokens.len().saturating_sub(1))
    }

    /// All tokens.
    pub(super) fn text(&self) -> String {
        self.tokens.concat()
    }

    /// Tokens of the answer, a call included.
    pub(super) fn count(&self) -> usize {
        self.tokens.len() + self.tool.as_ref().map_or(0, |tool| tool.arguments.len().div_ceil(4))
    }

    /// The arguments of a call as they stream; Groq sends them whole.
    pub(super) fn arguments(&self, provider: Provider) -> Vec<String> {
        let Some(tool) = &self.tool else { return Vec::new() };
        let chars: Vec<char> = tool.arguments.chars().collect();
        let size = if provider == Provider::Groq { usize::MAX } else { 8 };
        chars.chunks(size).map(|part| part.iter().collect()).collect()
    }
}

/// Words with the space before them, as models cut text.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for letter in text.chars() {
        match tokens.last_mut() {
            Some(last) if letter != ' ' || last.chars().all(|letter| letter == ' ') => last.push(letter),
            _ => tokens.push(letter.to_string()),
        }
    }
    tokens
}

/// The text of a message's content: a string, or the `text` of its parts. `None` when it is neither or a text is empty
/// where `strict`.
pub(super) fn content(content: &Value, strict: bool) -> Option<String> {
    match content {
        Value::String(text) => (!strict || !text.trim().is_empty()).then(|| text.clone()),
        Value::Array(parts) => {
            let texts = parts.iter().filter(|part| part["text"].is_string() || part["type"] == "text");
            let texts: Option<Vec<&str>> = texts.map(|part| part["text"].as_str()).collect();
            let texts = texts?;
            let empty = texts.iter().any(|text| text.trim().is_empty());
            (!strict || !empty).then(|| texts.concat())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_tokens() {
        assert_eq!(tokens("Hi, you there.\n\nYes"), ["Hi,", " you", " there.\n\nYes"]);
        assert_eq!(tokens(""), Vec::<String>::new());
    }

    #[test]
    fn tool_results_count_since_the_last_user_message() {
        let mut conversation = Conversation::default();
        for role in ["user", "assistant", "tool", "user", "assistant", "tool", "tool", "assistant", "tool"] {
            conversation.push(role, role);
        }
        assert_eq!((conversation.users(), conversation.results()), (2, 2));
    }
}
