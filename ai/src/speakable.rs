//! Text as it is spoken: what a model writes for the eye becomes what a voice can say.
//!
//! Markdown and emoji go; addresses, telephone numbers, amounts, dates, times, units and symbols become words. English is done whole; German,
//! Spanish and French have their own words for symbols, units and digits, and leave plain numbers to the voice, which knows them.

mod language;
mod markdown;
mod numbers;
mod phone;
mod words;

/// How text becomes speech.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Speakable {
    /// ISO 639-1; what is not `de`, `es` or `fr` is taken for English.
    pub language: String,
    /// Words and how they are said: whole words, in any case.
    pub pronunciations: Vec<(String, String)>,
}

impl Speakable {
    /// `text` as a synthesizer should be given it.
    pub fn speak(&self, text: &str) -> String {
        let language = language::of(&self.language);
        let plain = markdown::plain(text);
        let pronounced = self.pronunciations.iter().fold(plain, |text, (word, said)| replace_word(&text, word, said));
        let phoned = phone::spell(&pronounced, language);
        let spoken: Vec<String> = words::speak(&phoned, language);
        spoken.join(" ")
    }
}

/// Each `word` of `text`, in any case, in other letters. A word ends where a letter or digit of another begins.
fn replace_word(text: &str, word: &str, said: &str) -> String {
    if word.is_empty() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before: Option<char> = None;
    while let Some(next) = rest.chars().next() {
        let whole = |end: usize| !rest[end..].chars().next().is_some_and(char::is_alphanumeric);
        let begins = !before.is_some_and(char::is_alphanumeric);
        match matches_at(rest, word).filter(|end| begins && whole(*end)) {
            Some(end) => {
                out.push_str(said);
                before = rest[..end].chars().next_back();
                rest = &rest[end..];
            }
            None => {
                out.push(next);
                before = Some(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    out
}

/// Where `word` ends if `text` begins with it, in any case.
fn matches_at(text: &str, word: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    for wanted in word.chars() {
        let (_, found) = chars.next()?;
        if !found.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    Some(chars.next().map_or(text.len(), |(index, _)| index))
}

#[cfg(test)]
mod tests;
