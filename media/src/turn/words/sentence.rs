//! May a sentence that is written without punctuation end here?
//!
//! A list of questions about its words; the first that is answered decides. How much each answer is worth was counted: of the stops
//! that it fits, the share that were ends.

use super::languages::Language;
use super::{begins_with, ends_with};

/// What the words look like where the caller stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// In "to", "the", "because", "could you": another word must follow.
    Open,
    /// In a verb that wants an object, or in what its object begins with: "I need", "a large".
    Wanting,
    /// In a clause that another must follow: "if it is possible".
    Subordinate,
    /// After a greeting or the like, and nothing else.
    Opener,
    /// After words about something, without saying anything of it: "the order number".
    Topic,
    /// In an answer that needs no verb: "ten past seven".
    Fragment,
    /// After a clause.
    Clause,
    /// In a word that clauses end in: "it", "today".
    Settled,
    /// After a question.
    Question,
    /// After "yes", "no", or a few words that are none of the above.
    Answer,
    /// In "please", "thank you".
    Closed,
}

/// All of them, as [`Stop::completeness`] has them.
pub const STOPS: [Stop; 11] = [
    Stop::Open,
    Stop::Wanting,
    Stop::Subordinate,
    Stop::Opener,
    Stop::Topic,
    Stop::Fragment,
    Stop::Clause,
    Stop::Settled,
    Stop::Question,
    Stop::Answer,
    Stop::Closed,
];

impl Stop {
    /// Probability that the turn is over, pauses and ends being as many. From the counts of `benches turns train`, rounded, and nearer to
    /// even than they are: the sentences counted are those that the rules were written with.
    pub const fn completeness(self) -> f32 {
        match self {
            Self::Open => 0.05,
            Self::Wanting => 0.1,
            Self::Subordinate => 0.1,
            Self::Opener => 0.2,
            Self::Topic => 0.2,
            Self::Fragment => 0.7,
            Self::Clause => 0.65,
            Self::Settled => 0.85,
            Self::Question => 0.65,
            Self::Answer => 0.5,
            Self::Closed => 0.9,
        }
    }
}

/// What is longer has a verb, though not one of the list.
const VERBLESS_WORDS_MAX: usize = 8;

/// "If it is possible" wants a second clause; what is longer has one, as far as a count can show.
const SUBORDINATE_WORDS_MAX: usize = 8;

/// What the words show; at least one.
pub(super) fn stop(words: &[String], language: &Language) -> Stop {
    let has = |list: &[&str]| list.iter().any(|phrase| ends_with(words, phrase));
    if has(language.fillers) {
        return Stop::Open;
    }
    let said = without_openers(words, language);
    if has(language.closers) && words.len() > 1 {
        return Stop::Closed;
    }
    if said.is_empty() {
        return if has(language.answers) || has(language.closers) { Stop::Answer } else { Stop::Opener };
    }
    if !has(language.whole) {
        if inverted(words, language) || has(language.open) && !stranded(said, language) {
            return Stop::Open;
        }
        if has(language.wanting) && !said.iter().any(|word| is(language.asked, Some(word))) || describes(words, language) {
            return Stop::Wanting;
        }
    }
    clause(said, language)
}

/// What it is, whose last word could be one.
fn clause(said: &[String], language: &Language) -> Stop {
    let length = said.len();
    let told = language.verbs.is_empty() || length > VERBLESS_WORDS_MAX || clauses(said, language) > 0;
    let tail = tail(said, language);
    let waits = |tail: &[String]| language.verbs.is_empty() || clauses(tail, language) < 2;
    if tail.is_some_and(|tail| (2..=SUBORDINATE_WORDS_MAX).contains(&tail.len()) && waits(tail)) {
        return Stop::Subordinate;
    }
    match length {
        1 => Stop::Answer,
        2 if language.verbs.is_empty() => Stop::Answer,
        _ if asks(said, language) => Stop::Question,
        _ if is(language.settling, said.last()) => Stop::Settled,
        _ if !told && is(language.definite, said.first()) => Stop::Topic,
        2 if !told => Stop::Answer,
        _ if !told => Stop::Fragment,
        _ => Stop::Clause,
    }
}

/// What is left when greetings, "well", "yes" and the like are taken off the beginning.
fn without_openers<'a>(words: &'a [String], language: &Language) -> &'a [String] {
    let mut rest = words;
    loop {
        let phrases = [language.openers, language.fillers, language.answers, language.closers].into_iter().flatten();
        let longest = phrases.filter(|phrase| begins_with(rest, phrase)).map(|phrase| phrase.split(' ').count()).max();
        match longest {
            Some(count) => rest = &rest[count..],
            None => return rest,
        }
    }
}

fn is(list: &[&str], word: Option<&String>) -> bool {
    word.is_some_and(|word| list.contains(&word.as_str()))
}

/// Whether it begins as a question does: "can you", "when do you", but not "when I".
fn asks(said: &[String], language: &Language) -> bool {
    is(language.auxiliaries, said.first()) || asks_what(said, language)
}

/// The same of a question that begins with its own word: "what do you need".
fn asks_what(said: &[String], language: &Language) -> bool {
    let first = said.first();
    is(language.questions, first) && !is(language.auxiliaries, first) && !is(language.subjects, said.get(1))
}

/// Whether it ends in the beginning of a question: "could you".
fn inverted(words: &[String], language: &Language) -> bool {
    let [.., auxiliary, subject] = words else { return false };
    is(language.auxiliaries, Some(auxiliary)) && is(language.subjects, Some(subject))
}

/// Whether its last word belongs to its first: "who am I talking to".
fn stranded(said: &[String], language: &Language) -> bool {
    is(language.prepositions, said.last()) && said.len() > 2 && asks_what(said, language)
}

/// Whether it ends in an adjective whose noun is missing: "a large", "my very old".
fn describes(words: &[String], language: &Language) -> bool {
    let article = |word: &String| [language.definite, language.indefinite].iter().any(|list| list.contains(&word.as_str()));
    match words {
        [.., last] if language.degrees.contains(&last.as_str()) => true,
        [.., before, last] if language.describing.contains(&last.as_str()) && article(before) => true,
        [.., first, before, last] if language.describing.contains(&last.as_str()) && article(first) => {
            is(language.degrees, Some(before)) || is(language.describing, Some(before))
        }
        _ => false,
    }
}

/// From the last word on that makes a clause wait for another: "if", at the beginning or after "and".
fn tail<'a>(said: &'a [String], language: &Language) -> Option<&'a [String]> {
    let waits = |words: &[String]| {
        let openers = language.subordinate.iter().filter(|opener| begins_with(words, opener));
        let longest = openers.map(|opener| opener.split(' ').count()).max();
        longest.is_some_and(|count| !is(language.auxiliaries, words.get(count)))
    };
    let begins = |&at: &usize| at.checked_sub(1).is_none_or(|before| is(language.joining, said.get(before)));
    (0..said.len()).rev().filter(begins).map(|at| &said[at..]).find(|words| waits(words))
}

/// As many as there are finite verbs: "to pay", "have paid" and "do you pay" have one at most.
fn clauses(words: &[String], language: &Language) -> usize {
    let verb = |word: &String| {
        let ends = |endings: &[&str]| endings.iter().any(|ending| word.len() > ending.len() + 2 && word.ends_with(ending));
        ends(language.past)
            || is(language.verbs, Some(word))
            || is(language.auxiliaries, Some(word))
            || contracted(word, language)
    };
    let governed = |at: usize| match &words[..at] {
        [.., before] if is(language.auxiliaries, Some(before)) || is(language.governing, Some(before)) => true,
        [.., auxiliary, subject] => is(language.auxiliaries, Some(auxiliary)) && is(language.subjects, Some(subject)),
        _ => false,
    };
    (0..words.len()).filter(|&at| verb(&words[at]) && !governed(at)).count()
}

/// "I'm", "there's", "don't".
fn contracted(word: &str, language: &Language) -> bool {
    language.contracted.iter().any(|ending| word.ends_with(ending))
}
