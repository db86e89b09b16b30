//! What the caller's words say about the turn: is the sentence complete, and does this interrupt the agent?
//!
//! Rules over its words, from a table with a row a language. They know nothing of meaning: a guess, worth as much as the
//! pitch of the voice and used together with it.

mod languages;
mod sentence;

use languages::Language;
pub use sentence::{STOPS, Stop};

/// What was said while the agent speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spoken {
    /// "uh-huh", "okay", "right": go on, I am listening.
    Backchannel,
    /// "stop", "wait", "no": be quiet.
    Command,
    /// Anything else.
    Other,
}

/// What an unknown language or no words say: nothing.
const UNKNOWN: f32 = 0.5;

/// A number or an address that surely goes on, one that probably does, and so forth.
const GOES_ON: f32 = 0.05;
const MAY_GO_ON: f32 = 0.3;
const MAY_BE_OVER: f32 = 0.7;
const IS_OVER: f32 = 0.95;

/// Backchannels are short; more words are an answer.
const BACKCHANNEL_WORDS_MAX: usize = 4;

/// A command opens what is said: "no, wait, I meant". Later in a sentence its word means something else.
const COMMAND_WITHIN_WORDS: usize = 2;

/// The shortest telephone number; fewer digits than that, and more than a time or an amount has, go on.
const NUMBER_DIGITS: usize = 7;
const NUMBER_BEGUN_DIGITS: usize = 3;

/// The last words looked at for an address that is being spelled.
const ADDRESS_WORDS: usize = 5;

/// How complete `text` is, 0 (goes on) to 1 (over), as far as its words show; 0.5 of no words and of a language without rules.
///
/// `text` is what a transcriber wrote of the turn so far, with or without capitals and punctuation. `language` is an ISO 639 code with or
/// without a region, as `en` or `de-AT`. A probability at even odds: what speaks for an end and what speaks against it being as frequent.
pub fn completeness(text: &str, language: &str) -> f32 {
    let Some(language) = languages::find(language) else { return UNKNOWN };
    let words = split(text);
    if words.is_empty() {
        return UNKNOWN;
    }
    let stop = sentence::stop(&words, language);
    let end = text.trim_end();
    if stop == Stop::Open || end.ends_with("...") || end.ends_with(['…', ',', '-', ':', ';']) {
        return GOES_ON;
    }
    if let Some(guess) = address(&words, language).or_else(|| digits(&words, language)).or_else(|| spelling(&words)) {
        return guess;
    }
    match (end.ends_with(['.', '!', '?']), stop) {
        // "Good morning." is whole, and a turn seldom.
        (true, Stop::Opener) => UNKNOWN,
        (true, _) => IS_OVER,
        (false, _) => stop.completeness(),
    }
}

/// The most that words can mean, as log odds: 98 %.
const LOG_ODDS_MAX: f32 = 4.0;

/// `completeness` as log odds, which add up with those of other evidence: 0 for 0.5, within -4 to 4.
pub fn log_odds(completeness: f32) -> f32 {
    let completeness = completeness.clamp(0.0, 1.0);
    (completeness / (1.0 - completeness)).ln().clamp(-LOG_ODDS_MAX, LOG_ODDS_MAX)
}

/// Where in a sentence `text` stops, without its punctuation; `None` of no words and of a language without rules. For who makes the numbers
/// of [`Stop::completeness`].
pub fn stop(text: &str, language: &str) -> Option<Stop> {
    let words = split(text);
    let language = languages::find(language).filter(|_| !words.is_empty())?;
    Some(sentence::stop(&words, language))
}

/// What `text`, said while the agent speaks, is. A language without rules has no backchannels and no commands.
pub fn classify(text: &str, language: &str) -> Spoken {
    let Some(language) = languages::find(language) else { return Spoken::Other };
    let words = split(text);
    if words.is_empty() {
        return Spoken::Other;
    }
    if words.len() <= BACKCHANNEL_WORDS_MAX && covered(&words, language.backchannels) {
        return Spoken::Backchannel;
    }
    let opens = |command: &&str| (0..COMMAND_WITHIN_WORDS.min(words.len())).any(|from| begins_with(&words[from..], command));
    if language.commands.iter().any(opens) { Spoken::Command } else { Spoken::Other }
}

/// Lower-cased words without punctuation; hyphens join, apostrophes stay.
fn split(text: &str) -> Vec<String> {
    let bare = |word: &str| -> String {
        let kept = word.trim_matches(|c: char| !c.is_alphanumeric());
        kept.chars().map(|c| if c == '’' { '\'' } else { c }).flat_map(char::to_lowercase).collect()
    };
    text.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect()
}

fn begins_with(words: &[String], phrase: &str) -> bool {
    let mut words = words.iter();
    phrase.split(' ').all(|wanted| words.next().is_some_and(|word| word == wanted))
}

fn ends_with(words: &[String], phrase: &str) -> bool {
    let count = phrase.split(' ').count();
    words.len() >= count && begins_with(&words[words.len() - count..], phrase)
}

/// Whether `words` are nothing but phrases of the list.
fn covered(words: &[String], phrases: &[&str]) -> bool {
    let mut rest = words;
    while !rest.is_empty() {
        let longest = phrases.iter().filter(|phrase| begins_with(rest, phrase)).map(|phrase| phrase.split(' ').count()).max();
        match longest {
            Some(count) => rest = &rest[count..],
            None => return false,
        }
    }
    true
}

/// An e-mail address: goes on until its last part was said.
fn address(words: &[String], language: &Language) -> Option<f32> {
    let recent = &words[words.len().saturating_sub(ADDRESS_WORDS)..];
    let last = recent.last()?.as_str();
    if language.dot.contains(&last) {
        return Some(GOES_ON);
    }
    let dot = recent.iter().any(|word| language.dot.contains(&word.as_str()));
    if dot && languages::ADDRESS_ENDS.contains(&last) {
        return Some(IS_OVER);
    }
    let provider = languages::ADDRESS_HOSTS.contains(&last);
    (provider || (last.contains('@') && !last.contains('.'))).then_some(MAY_GO_ON)
}

/// A number that is being read out: over when it has as many digits as a number has.
fn digits(words: &[String], language: &Language) -> Option<f32> {
    let count_of = |word: &String| -> usize {
        let figures = word.chars().filter(char::is_ascii_digit).count();
        if figures > 0 { figures } else { usize::from(language.digits.contains(&word.as_str())) }
    };
    let count: usize = words.iter().rev().map(count_of).take_while(|&count| count > 0).sum();
    match count {
        0..NUMBER_BEGUN_DIGITS => None,
        NUMBER_BEGUN_DIGITS..NUMBER_DIGITS => Some(MAY_GO_ON),
        _ => Some(MAY_BE_OVER),
    }
}

/// Letters one by one: a name is being spelled.
fn spelling(words: &[String]) -> Option<f32> {
    let letters = words.iter().rev().take_while(|word| word.chars().count() == 1 && word.chars().all(char::is_alphabetic));
    (letters.count() >= 2).then_some(MAY_GO_ON)
}

#[cfg(test)]
mod tests;
