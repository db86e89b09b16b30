//! Which events somebody wants.

use std::str::FromStr;

use crate::{EventKind, UnknownText};

/// All of them.
const ALL: &str = "*";

/// Which events somebody wants: types, `call.*` for all of a group, `*` for all. Without a word: all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EventFilter(Vec<String>);

impl EventFilter {
    /// From its words.
    ///
    /// # Errors
    /// The first word that means no event.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownText> {
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        match words.iter().find(|word| !EventKind::ALL.iter().any(|kind| wants(word, *kind))) {
            Some(word) => Err(UnknownText { vocabulary: "EventKind", word: word.clone() }),
            None => Ok(Self(words)),
        }
    }

    /// Whether events of this kind are wanted.
    #[must_use]
    pub fn takes(&self, kind: EventKind) -> bool {
        self.0.is_empty() || self.0.iter().any(|word| wants(word, kind))
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for EventFilter {
    type Err = UnknownText;

    /// From words with spaces between them, as the database has it.
    fn from_str(text: &str) -> Result<Self, UnknownText> {
        Self::new(text.split_whitespace())
    }
}

fn wants(word: &str, kind: EventKind) -> bool {
    let kind = kind.as_str();
    let group = word.strip_suffix('*').filter(|group| group.ends_with('.'));
    word == ALL || word == kind || group.is_some_and(|group| kind.starts_with(group))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(words: &str, expected: &str) {
        let said = match words.parse::<EventFilter>() {
            Ok(filter) => {
                let taken = EventKind::ALL.iter().filter(|kind| filter.takes(**kind)).map(|kind| kind.as_str());
                taken.collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected, "{words}");
    }

    #[test]
    fn words_are_types_groups_or_all() {
        check("call.ended lead.scored", "call.ended lead.scored");
        check("call.*", "call.started call.answered call.ended call.analyzed");
        check("node.* session.ended", "session.ended node.started node.draining node.stopped");
        let all = EventKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" ");
        check("*", &all);
        check("", &all);
    }

    #[test]
    fn a_word_that_means_nothing_is_named() {
        check("call.ended call", "`call` is not a EventKind");
        check("c*", "`c*` is not a EventKind");
        check("calls.*", "`calls.*` is not a EventKind");
        check(".*", "`.*` is not a EventKind");
    }
}
