//! Telephone numbers as they are signed (RFC 8224 §8.3): digits, and nothing else.

/// Digits of a number at most: 15 are E.164's, the rest is for prefixes that some put before it.
const DIGITS_MAX: usize = 32;

/// A number without what RFC 3966 lets follow it: `+1555;verstat=x` is `+1555`. A user that is no number stays as it is.
pub fn without_parameters(user: &str) -> &str {
    match user.split_once(';') {
        Some((number, _)) if canonical(number).is_some() => number,
        _ => user,
    }
}

/// The digits of a telephone number, `*` and `#` among them; `None` when it is none.
pub(super) fn canonical(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    let mut digits = String::with_capacity(text.len());
    for c in text.strip_prefix('+').unwrap_or(text).chars() {
        match c {
            '0'..='9' | '*' | '#' => digits.push(c),
            ' ' | '-' | '.' | '(' | ')' => {}
            _ => return None,
        }
    }
    (1..=DIGITS_MAX).contains(&digits.len()).then_some(digits)
}

/// What a number may stand for: itself, and without `+` also the one with the country's code in place of its leading 0.
pub(super) fn readings(text: &str, country_code: &str) -> Vec<String> {
    let Some(digits) = canonical(text) else { return Vec::new() };
    let international = text.trim_ascii_start().starts_with('+');
    let mut readings = Vec::with_capacity(2);
    if !international && !country_code.is_empty() {
        readings.push(format!("{country_code}{}", digits.strip_prefix('0').unwrap_or(&digits)));
    }
    readings.insert(0, digits);
    readings
}
