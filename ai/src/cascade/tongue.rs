//! The caller's language, where it is to be found out: what the transcriber says of it, and what follows from that.

use std::time::Instant;

use super::CascadeSession;
use crate::engine::Output;
use crate::language::Language;

/// Words of one turn from which a change of language is believed at once: "okay" and names are the same in many.
const SURE_WORDS: usize = 4;

/// Which language the caller speaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tongue {
    asked: Language,
    spoken: Option<Language>,
    /// Another that few words were of; believed when the next words are of it too.
    doubtful: Option<Language>,
    /// The present one was not told yet.
    is_news: bool,
}

impl Tongue {
    /// Of calls in this language; there is something to find out only if it is the caller's.
    pub(super) fn new(asked: Language) -> Self {
        Self { asked, spoken: None, doubtful: None, is_news: false }
    }

    /// A transcriber found `words` of a turn to be in a language.
    pub(super) fn heard(&mut self, language: Language, words: usize) {
        if self.asked != Language::Auto {
            return;
        }
        let doubtful = self.doubtful.take();
        match self.spoken {
            Some(spoken) if spoken == language => {}
            Some(_) if words < SURE_WORDS && doubtful != Some(language) => self.doubtful = Some(language),
            _ => (self.spoken, self.is_news) = (Some(language), true),
        }
    }

    /// The language that was found since this was last asked.
    pub(super) fn take_news(&mut self) -> Option<Language> {
        std::mem::take(&mut self.is_news).then_some(self.spoken)?
    }
}

impl CascadeSession {
    /// Goes on in the caller's language, once it is known and when it changes.
    pub(super) fn follow_the_caller(&mut self, now: Instant) {
        let Some(language) = self.ears.take_language() else { return };
        let (Some(code), Some(name)) = (language.code(), language.name()) else { return };
        self.mouth.set_language(now, code, &mut self.ports);
        self.config.instructions.truncate(self.own_instructions);
        self.config.instructions += &format!("\n\nThe caller speaks {name}: answer in {name}.");
        self.ports.push(Output::Language(language));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What follows of `de:5 en:1`, five words of German and one of English: each language as it becomes news.
    fn check(asked: &str, script: &str, expected: &str) {
        let language = |code: &str| code.parse::<Language>().unwrap_or(Language::Auto);
        let mut tongue = Tongue::new(language(asked));
        let mut told = Vec::new();
        for word in script.split(' ') {
            let (code, words) = word.split_once(':').unwrap_or((word, "1"));
            tongue.heard(language(code), words.parse().unwrap_or(1));
            told.push(tongue.take_news().map_or("-".to_owned(), |language| language.to_string()));
        }
        assert_eq!(told.join(" "), expected, "{script}");
        assert_eq!(tongue.take_news(), None);
    }

    #[test]
    fn the_first_language_counts_at_once_and_another_when_it_is_sure() {
        check("auto", "de:1 de:9 en:4 de:6", "de - en de");
        check("auto", "de:5 en:1 de:5 en:1 de:2", "de - - - -");
        check("auto", "de:5 en:1 en:2", "de - en");
        check("auto", "de:5 en:1 fr:2 en:1 en:1", "de - - - en");
    }

    #[test]
    fn a_language_that_was_chosen_stays() {
        check("en", "de:9 de:9", "- -");
    }
}
