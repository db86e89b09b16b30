//! Words of a text, and the digits that they are.

use std::ops::Range;

/// A word: letters and digits, without anything between them. `double four` and `forty-one` are one.
pub(super) struct Token<'t> {
    pub(super) range: Range<usize>,
    pub(super) text: &'t str,
    pub(super) lower: String,
    /// What it says, when it is a number or the word of one.
    pub(super) digits: Option<String>,
}

/// The words of single digits.
const DIGITS: [(&str, &[&str]); 10] = [
    ("0", &["zero", "oh", "o", "null", "zéro", "cero"]),
    ("1", &["one", "eins", "ein", "un", "uno"]),
    ("2", &["two", "zwei", "zwo", "deux", "dos"]),
    ("3", &["three", "drei", "trois", "tres"]),
    ("4", &["four", "vier", "quatre", "cuatro"]),
    ("5", &["five", "fünf", "cinq", "cinco"]),
    ("6", &["six", "sechs", "seis"]),
    ("7", &["seven", "sieben", "sept", "siete"]),
    ("8", &["eight", "acht", "huit", "ocho"]),
    ("9", &["nine", "neun", "neuf", "nueve"]),
];

/// English words of two digits.
const PAIRS: [(&str, &str); 18] = [
    ("ten", "10"),
    ("eleven", "11"),
    ("twelve", "12"),
    ("thirteen", "13"),
    ("fourteen", "14"),
    ("fifteen", "15"),
    ("sixteen", "16"),
    ("seventeen", "17"),
    ("eighteen", "18"),
    ("nineteen", "19"),
    ("twenty", "20"),
    ("thirty", "30"),
    ("forty", "40"),
    ("fifty", "50"),
    ("sixty", "60"),
    ("seventy", "70"),
    ("eighty", "80"),
    ("ninety", "90"),
];

/// The words of a text, in order.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut all: Vec<Token<'_>> = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, c.is_alphanumeric()) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                start = None;
                let word = token(text, from..at);
                match all.last_mut() {
                    Some(last) if joins(last, &word, &text[last.range.end..from]) => join(text, last, &word),
                    _ => all.push(word),
                }
            }
            _ => {}
        }
    }
    all
}

fn token(text: &str, range: Range<usize>) -> Token<'_> {
    let word = &text[range.clone()];
    let lower = word.to_lowercase();
    let digits = if word.bytes().all(|byte| byte.is_ascii_digit()) { Some(word.to_owned()) } else { spoken(&lower) };
    Token { range, text: word, lower, digits }
}

fn spoken(word: &str) -> Option<String> {
    let digit = DIGITS.iter().find(|(_, words)| words.contains(&word)).map(|(digit, _)| *digit);
    digit.or_else(|| PAIRS.iter().find(|(pair, _)| *pair == word).map(|(_, digits)| *digits)).map(str::to_owned)
}

/// Whether the second word belongs to the first: `double` four, forty one.
fn joins(first: &Token<'_>, second: &Token<'_>, between: &str) -> bool {
    let Some(digits) = second.digits.as_deref().filter(|digits| digits.len() == 1) else { return false };
    let tens = || PAIRS[10..].iter().any(|(word, _)| *word == first.lower) && digits != "0" && !second.text.starts_with(digits);
    matches!(between, " " | "-") && (times(&first.lower).is_some() || tens())
}

fn join<'t>(text: &'t str, first: &mut Token<'t>, second: &Token<'t>) {
    let digits = second.digits.clone().unwrap_or_default();
    first.digits = match times(&first.lower) {
        Some(times) => Some(digits.repeat(times)),
        None => first.digits.as_deref().map(|tens| format!("{}{digits}", &tens[..1])),
    };
    first.range.end = second.range.end;
    first.text = &text[first.range.clone()];
    first.lower = first.text.to_lowercase();
}

fn times(word: &str) -> Option<usize> {
    match word {
        "double" => Some(2),
        "triple" => Some(3),
        _ => None,
    }
}

/// Whether what stands between two groups of one number may stand there.
pub(super) fn groups(between: &str) -> bool {
    between.chars().count() <= 3 && between.chars().all(|c| c.is_whitespace() || "-.,/\u{2013}".contains(c))
}
