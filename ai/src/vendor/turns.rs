//! A conversation as language models want it: what belongs together in one turn, and every call of a tool with its result behind it.

use crate::engine::{EngineError, Words};
use crate::responder::{Entry, Responded, ToolCall};

/// The most calls of tools in one answer; more are not made.
const MAX_CALLS: usize = 16;

/// The longest arguments of a call in bytes: what a tool can need, many times over.
const MAX_ARGUMENTS: usize = 64 << 10;

/// What a call whose result was lost is told to have given.
const LOST: &str = r#"{"ok":false,"error":"the result was lost"}"#;

/// One turn of a conversation.
#[derive(Debug)]
pub(crate) enum Turn<'a> {
    Agent {
        texts: Vec<&'a str>,
        calls: Vec<&'a ToolCall>,
    },
    Caller(Vec<&'a str>),
    /// Results by the identity of their call, in the order of the calls.
    Results(Vec<(&'a str, &'a str)>),
}

/// Joins what follows each other of one side. Results move behind their calls; a result whose call was forgotten is left out.
pub(crate) fn turns(entries: &[Entry]) -> Vec<Turn<'_>> {
    let mut turns = Vec::new();
    let mut open = None;
    for entry in entries {
        match entry {
            Entry::Agent(text) | Entry::Caller(text) if text.as_str().trim().is_empty() => {}
            Entry::Agent(text) => agent(&mut turns, &mut open).0.push(text.as_str()),
            Entry::ToolCall(call) => agent(&mut turns, &mut open).1.push(call),
            Entry::Caller(text) => {
                close(&mut turns, &mut open, entries);
                match turns.last_mut() {
                    Some(Turn::Caller(texts)) => texts.push(text.as_str()),
                    _ => turns.push(Turn::Caller(vec![text.as_str()])),
                }
            }
            Entry::ToolResult { .. } => {
                // It was told where its call is.
                if open.as_ref().is_some_and(|(_, calls): &Open<'_>| !calls.is_empty()) {
                    close(&mut turns, &mut open, entries);
                }
            }
        }
    }
    close(&mut turns, &mut open, entries);
    turns
}

/// What the agent says and calls, until somebody else has the word.
type Open<'a> = (Vec<&'a str>, Vec<&'a ToolCall>);

fn agent<'a, 'b>(turns: &mut Vec<Turn<'a>>, open: &'b mut Option<Open<'a>>) -> &'b mut Open<'a> {
    open.get_or_insert_with(|| match turns.pop() {
        Some(Turn::Agent { texts, calls }) if calls.is_empty() => (texts, calls),
        last => {
            turns.extend(last);
            Open::default()
        }
    })
}

fn close<'a>(turns: &mut Vec<Turn<'a>>, open: &mut Option<Open<'a>>, entries: &'a [Entry]) {
    let Some((texts, calls)) = open.take() else { return };
    let result = |call: &&'a ToolCall| {
        let output = entries.iter().find_map(|entry| match entry {
            Entry::ToolResult { call_id, output } if *call_id == call.call_id => Some(output.as_str()),
            _ => None,
        });
        (call.call_id.as_str(), output.unwrap_or(LOST))
    };
    let results: Vec<_> = calls.iter().map(result).collect();
    turns.push(Turn::Agent { texts, calls });
    if !results.is_empty() {
        turns.push(Turn::Results(results));
    }
}

/// Calls of tools as they are written, piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<Draft>);

#[derive(Debug)]
struct Draft {
    index: u64,
    call_id: String,
    name: String,
    arguments: String,
}

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is one of this identity.
    pub(crate) fn has(&self, call_id: &str) -> bool {
        self.0.iter().any(|draft| draft.call_id == call_id)
    }

    /// The index of the call begun last.
    pub(crate) fn last(&self) -> Option<u64> {
        self.0.last().map(|draft| draft.index)
    }

    /// A piece of the call of an index; empty texts change nothing.
    ///
    /// # Errors
    /// The arguments are too long.
    pub(crate) fn add(&mut self, index: u64, call_id: &str, name: &str, arguments: &str) -> Result<(), EngineError> {
        let known = self.0.iter().position(|draft| draft.index == index);
        let at = match known {
            Some(at) => at,
            None if self.0.len() >= MAX_CALLS => return Ok(()),
            None => {
                let empty = String::new;
                self.0.push(Draft { index, call_id: empty(), name: empty(), arguments: empty() });
                self.0.len() - 1
            }
        };
        let draft = &mut self.0[at];
        if draft.arguments.len() + arguments.len() > MAX_ARGUMENTS {
            return Err(EngineError::Protocol { reason: format!("arguments of a call are over {MAX_ARGUMENTS} bytes") });
        }
        for (kept, told) in [(&mut draft.call_id, call_id), (&mut draft.name, name)] {
            if kept.is_empty() {
                told.clone_into(kept);
            }
        }
        draft.arguments.push_str(arguments);
        Ok(())
    }

    /// All calls are complete. One without an identity gets one of `answer`'s; one without a name cannot be made.
    pub(crate) fn finish(&mut self, answer: &str, out: &mut Vec<Responded>) {
        for Draft { index, call_id, name, arguments } in self.0.drain(..).filter(|draft| !draft.name.is_empty()) {
            let call_id = if call_id.is_empty() { format!("{answer}_{index}") } else { call_id };
            let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
            out.push(Responded::ToolCall(ToolCall { call_id, name, arguments: Words::from(arguments) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::script::entries;

    fn check(script: &str, expected: &str) {
        let entries = entries(script);
        let told = turns(&entries).into_iter().map(|turn| match turn {
            Turn::Agent { texts, calls } => {
                let calls: Vec<_> = calls.iter().map(|call| call.call_id.as_str()).collect();
                format!("agent {} {}", texts.join("+"), calls.join("+")).trim().to_owned()
            }
            Turn::Caller(texts) => format!("caller {}", texts.join("+")),
            Turn::Results(results) => results.iter().map(|(id, output)| format!("{id}={output}")).collect::<Vec<_>>().join(" "),
        });
        assert_eq!(told.collect::<Vec<_>>().join("|"), expected, "{script}");
    }

    #[test]
    fn what_belongs_together_is_one_turn() {
        check("", "");
        check("a hi|c hello|c there|a yes|a well|c ok", "agent hi|caller hello+there|agent yes+well|caller ok");
        check("c |c x|a   ", "caller x");
    }

    #[test]
    fn results_stand_behind_their_calls() {
        check("c x|a moment|t 1|t 2|r 1|r 2|a done", "caller x|agent moment 1+2|1=out 1 2=out 2|agent done");
        check("c x|t 1|a moment|r 1|a done", "caller x|agent moment 1|1=out 1|agent done");
        check("t 1|c hurry|r 1|a done", "agent  1|1=out 1|caller hurry|agent done");
        check("t 1|r 1|t 2|r 2", "agent  1|1=out 1|agent  2|2=out 2");
        check("t 1|t 2|r 2|r 1", "agent  1+2|1=out 1 2=out 2");
    }

    #[test]
    fn what_was_forgotten_of_a_call_leaves_the_rest_sound() {
        check("r 0|a done|c x", "agent done|caller x");
        check("t 1|c x", &format!("agent  1|1={LOST}|caller x"));
    }

    #[test]
    fn calls_are_put_together() {
        let mut calls = Calls::default();
        let mut out = Vec::new();
        for (index, id, name, arguments) in
            [(0, "c1", "f", ""), (1, "", "g", "{\"b\""), (0, "", "", "  "), (1, "", "", ":2}"), (2, "c3", "", "x")]
        {
            assert_eq!(calls.add(index, id, name, arguments), Ok(()));
        }
        calls.finish("a1", &mut out);
        let told = out.iter().map(|said| match said {
            Responded::ToolCall(call) => format!("{} {} {}", call.call_id, call.name, call.arguments.as_str()),
            other => format!("{other:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>().join("|"), "c1 f {}|a1_1 g {\"b\":2}");
        assert!(calls.is_empty());
    }

    #[test]
    fn calls_have_limits() {
        let mut calls = Calls::default();
        for index in 0..40 {
            assert_eq!(calls.add(index, "c", "f", "{}"), Ok(()));
        }
        assert_eq!(calls.len(), MAX_CALLS);
        assert!(calls.add(0, "", "", &"x".repeat(MAX_ARGUMENTS)).is_err());
    }
}
