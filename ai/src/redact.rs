//! Takes card numbers, IBANs and e-mail addresses out of what was said before it is kept. Pure: text in, text out.
//!
//! A card number is 13 to 19 digits that begin as cards do and fit Luhn's check; an IBAN has its country's length and leaves 1 by 97. Both
//! may be in groups with spaces, hyphens, dots, commas or slashes between them, and digits may be words: of English also `double four`
//! and numbers below a hundred, of German, French and Spanish those of single digits. An e-mail address is written, or said with the
//! words for `@` and the dots. Numbers that fail their check stay as they are: an order's, a telephone's.
//! What is spread over two turns is not found.

mod numbers;
mod tokens;

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

use self::tokens::{Token, tokens};

/// What is taken out of the transcripts of an assistant's calls.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Redaction {
    /// Card numbers, which become `[card number]`.
    pub card_numbers: bool,
    /// E-mail addresses, which become `[e-mail]`.
    pub emails: bool,
    /// IBANs, which become `[IBAN]`.
    pub ibans: bool,
}

/// Something that is to go, and what stands in its place.
type Found = (Range<usize>, &'static str);

impl Redaction {
    /// Whether everything stays.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The text without what is to be taken out.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_none() {
            return Cow::Borrowed(text);
        }
        let tokens = tokens(text);
        let mut found: Vec<Found> = Vec::new();
        if self.emails {
            found.extend(emails(text, &tokens).into_iter().map(|range| (range, "[e-mail]")));
        }
        if self.ibans {
            found.extend(numbers::ibans(text, &tokens).into_iter().map(|range| (range, "[IBAN]")));
        }
        if self.card_numbers {
            found.extend(numbers::cards(text, &tokens).into_iter().map(|range| (range, "[card number]")));
        }
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_by_key(|(range, _)| (range.start, range.end));
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        for (range, word) in found {
            // Of two that overlap the second has lost its beginning.
            if range.start >= at {
                out.push_str(&text[at..range.start]);
                out.push_str(word);
            }
            at = at.max(range.end);
        }
        out.push_str(&text[at..]);
        Cow::Owned(out)
    }

    /// The same of JSON, in each of its texts and numbers, so that it stays JSON; what is none is text.
    #[must_use]
    pub fn json<'a>(&self, json: &'a str) -> Cow<'a, str> {
        if self.is_none() {
            return Cow::Borrowed(json);
        }
        let Ok(mut value) = serde_json::from_str::<Value>(json) else { return self.text(json) };
        if self.within(&mut value) { Cow::Owned(value.to_string()) } else { Cow::Borrowed(json) }
    }

    /// Whether anything was taken out.
    fn within(&self, value: &mut Value) -> bool {
        let now = match value {
            Value::Array(values) => return values.iter_mut().fold(false, |any, value| self.within(value) | any),
            Value::Object(fields) => return fields.values_mut().fold(false, |any, value| self.within(value) | any),
            Value::String(text) => owned(self.text(text)),
            Value::Number(number) => owned(self.text(&number.to_string())),
            Value::Bool(_) | Value::Null => None,
        };
        let Some(now) = now else { return false };
        *value = Value::String(now);
        true
    }
}

/// What was changed.
fn owned(text: Cow<'_, str>) -> Option<String> {
    match text {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => Some(text),
    }
}

/// How `@` is said.
const AT: [&str; 6] = ["arobase", "arroba", "at", "klammeraffe", "àt", "ät"];
/// How a dot is said.
const DOT: [&str; 4] = ["dot", "point", "punkt", "punto"];
/// How other signs of a name are said.
const SIGNS: [&str; 8] = ["bindestrich", "dash", "hyphen", "minus", "plus", "tiret", "underscore", "unterstrich"];

/// E-mail addresses, written and said.
fn emails(text: &str, tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = text.match_indices('@').filter_map(|(at, _)| written(text, at)).collect();
    let is = |place: usize, words: &[&str]| tokens.get(place).is_some_and(|token| words.contains(&token.lower.as_str()));
    for at in 1..tokens.len() {
        if !is(at, &AT) {
            continue;
        }
        let mut first = at - 1;
        while first >= 2 && (is(first - 1, &DOT) || is(first - 1, &SIGNS)) {
            first -= 2;
        }
        let mut last = at + 1;
        while is(last + 1, &SIGNS) && last + 2 < tokens.len() {
            last += 2;
        }
        let mut dots = 0;
        while is(last + 1, &DOT) && tokens.get(last + 2).is_some_and(|end| end.lower.chars().all(char::is_alphanumeric)) {
            last += 2;
            dots += 1;
        }
        if dots > 0 && tokens[last].lower.chars().count() >= 2 {
            found.push(tokens[first].range.start..tokens[last].range.end);
        }
    }
    found
}

/// The address around an `@`.
fn written(text: &str, at: usize) -> Option<Range<usize>> {
    let of_name = |c: &char| c.is_alphanumeric() || "._%+-'".contains(*c);
    let of_host = |c: &char| c.is_alphanumeric() || ".-".contains(*c);
    let before: usize = text[..at].chars().rev().take_while(of_name).map(char::len_utf8).sum();
    let host: &str = &text[at + 1..];
    let host = &host[..host.chars().take_while(of_host).map(char::len_utf8).sum()];
    let host = host.trim_end_matches(['.', '-']);
    let (_, end) = host.rsplit_once('.')?;
    let good = before > 0 && end.chars().count() >= 2 && end.chars().all(char::is_alphabetic);
    good.then(|| at - before..at + 1 + host.len())
}

#[cfg(test)]
mod tests;
