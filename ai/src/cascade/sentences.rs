//! Cuts text into pieces for speech as it streams: the first short, so that the caller soon hears something, then whole sentences.
//!
//! The pieces joined are the text, letter for letter. A cut is only made where what follows is known not to change it, so that it does not
//! matter how the text was streamed.

/// After this many characters the first piece may end at a comma: two seconds of speech, time enough to make the next.
const FIRST_CLAUSE: usize = 30;

/// The longest piece, in characters: twenty seconds. A longer sentence is cut at a comma, or a space.
const MAX_PIECE: usize = 300;

/// Words that end in a full stop and never end a sentence: a name or number follows.
const TITLES: &[&str] = &[
    "approx", "art", "bzw", "capt", "cf", "col", "dr", "dra", "e.g", "evtl", "fig", "gen", "ggf", "hr", "i.e", "inkl", "lt", "m",
    "mlle", "mme", "mr", "mrs", "ms", "mt", "nr", "prof", "rev", "sr", "sra", "srta", "st", "tel", "usw", "vgl", "vs", "z.b",
];

/// Words that end in a full stop and end a sentence when a capital follows.
const MAYBE: &[&str] = &[
    "a.m", "ave", "blvd", "co", "corp", "dept", "etc", "ext", "ft", "hrs", "inc", "jr", "lb", "ltd", "min", "no", "oz", "p.m",
    "ph.d", "rd", "sec", "str", "u.k", "u.s", "z.t",
];

/// Text that streams in, and pieces that come out.
#[derive(Debug, Default)]
pub struct Sentences {
    text: String,
    /// A piece was given out before.
    begun: bool,
}

/// What a place in the text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// A sentence ends.
    End,
    /// It cannot be told before more text comes.
    Open,
    /// Nothing ends.
    Within,
}

impl Sentences {
    /// The next text of the stream.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The next piece, if one is complete.
    pub fn next_piece(&mut self) -> Option<String> {
        let mut clause = None;
        let mut space = None;
        let mut spoken = false;
        for (count, (index, character)) in self.text.char_indices().enumerate() {
            if count >= MAX_PIECE {
                return self.cut(clause.or(space).unwrap_or(index));
            }
            spoken |= character.is_alphanumeric();
            let end = index + character.len_utf8();
            match self.judge(index, character) {
                // Marks alone are no piece.
                Place::End if spoken => {
                    let end = self.past_closing(end);
                    return self.cut(end);
                }
                Place::Open if spoken => return None,
                _ => {}
            }
            if self.is_clause_end(character, end) {
                if count >= FIRST_CLAUSE && !self.begun {
                    return self.cut(end);
                }
                clause = Some(end);
            }
            if character.is_whitespace() {
                space = Some(end);
            }
        }
        None
    }

    /// What is left at the end of the stream.
    pub fn finish(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.text);
        self.begun = false;
        Some(rest).filter(|rest| rest.chars().any(char::is_alphanumeric))
    }

    fn cut(&mut self, end: usize) -> Option<String> {
        let rest = self.text.split_off(end);
        self.begun = true;
        Some(std::mem::replace(&mut self.text, rest))
    }

    /// Whether a sentence ends with the character at `index`.
    fn judge(&self, index: usize, character: char) -> Place {
        let end = index + character.len_utf8();
        let after = self.text[self.past_closing(end)..].chars().next();
        match character {
            '。' | '！' | '？' | '．' | '｡' => Place::End,
            '\n' => Place::End,
            '!' | '?' => match after {
                None => Place::Open,
                Some(next) if next.is_whitespace() => Place::End,
                Some(_) => Place::Within,
            },
            '.' | '…' => match after {
                None => Place::Open,
                Some(next) if next.is_whitespace() => self.judge_stop(index, end),
                Some(_) => Place::Within,
            },
            _ => Place::Within,
        }
    }

    /// Whether a full stop before a space ends its sentence.
    fn judge_stop(&self, index: usize, end: usize) -> Place {
        let before = &self.text[..index];
        let word =
            before.rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '"' | '\'' | '“' | '*')).next().unwrap_or_default();
        let word = word.to_lowercase();
        let dots = before.ends_with('.') || self.text[index..end].starts_with('…');
        let initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic) && word != "i";
        // "1." at the beginning of a line counts; the item follows.
        let line = before.rsplit('\n').next().unwrap_or_default();
        let counts = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit()) && line.trim() == word;
        if TITLES.contains(&word.as_str()) || initial || counts {
            return Place::Within;
        }
        if !dots && !MAYBE.contains(&word.as_str()) {
            return Place::End;
        }
        match self.text[end..].chars().find(|c| !c.is_whitespace() && !is_closing(*c)) {
            None => Place::Open,
            Some(next) if next.is_lowercase() || next.is_ascii_digit() => Place::Within,
            Some(_) => Place::End,
        }
    }

    /// Where quotes and brackets that close at `index` end.
    fn past_closing(&self, index: usize) -> usize {
        let rest = &self.text[index..];
        index + rest.find(|c: char| !is_closing(c)).unwrap_or(rest.len())
    }

    /// Whether a clause ends: a comma or its like before a space, so not the one in 1,000 or 10:30.
    fn is_clause_end(&self, character: char, end: usize) -> bool {
        let spaced = || self.text[end..].chars().next().is_some_and(char::is_whitespace);
        match character {
            '，' | '、' | '；' | '：' => true,
            ',' | ';' | ':' | '—' | '–' => spaced(),
            _ => false,
        }
    }
}

fn is_closing(c: char) -> bool {
    matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '」' | '』' | '*' | '_')
}

#[cfg(test)]
mod tests;
