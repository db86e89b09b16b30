//! Telephone numbers, digit by digit in the groups they are written in.

use super::language::Language;

/// Digits from which a number in groups is a telephone's.
const LEAST: usize = 7;

/// The longest there is (E.164), and an extension.
const MOST: usize = 18;

/// Telephone numbers in `text` as digits.
pub(super) fn spell(text: &str, language: &Language) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before: Option<char> = None;
    while let Some(next) = rest.chars().next() {
        let begins = !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | ',' | '-' | '/' | '@' | '$' | '€' | '£'));
        let length = if begins && matches!(next, '+' | '(' | '0'..='9') { length_of(rest) } else { None };
        match length {
            Some(length) => {
                out.push_str(&digits(&rest[..length], language));
                rest = &rest[length..];
                before = Some('0');
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

/// How long the telephone number is that `text` begins with.
fn length_of(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let international = bytes[0] == b'+';
    let mut groups: Vec<usize> = Vec::new();
    let mut index = usize::from(international);
    let mut end = 0;
    let mut bracket = false;
    while index < bytes.len() {
        match bytes[index] {
            b'0'..=b'9' => {
                let from = index;
                while index < bytes.len() && bytes[index].is_ascii_digit() {
                    index += 1;
                }
                groups.push(index - from);
                end = index;
            }
            b'(' if groups.len() <= 1 => {
                bracket = true;
                index += 1;
            }
            b')' if bracket => index += 1,
            b' ' | b'-' if index > 0 && bytes.get(index + 1).is_some_and(|next| next.is_ascii_digit() || *next == b'(') => {
                index += 1;
            }
            b' ' if bracket && bytes.get(index + 1).is_some_and(u8::is_ascii_digit) => index += 1,
            b'.' if bytes.get(index + 1).is_some_and(u8::is_ascii_digit) && groups.last().is_some_and(|size| *size == 3) => {
                index += 1;
            }
            _ => break,
        }
    }
    let count: usize = groups.iter().sum();
    let ends = !text[end..].chars().next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '@' | '%' | ':'));
    // 2026-11-21 is a date, 1 000 000 an amount, and so is one long number without a plus, unless it begins with a zero.
    let date = groups.len() == 3 && groups[0] == 4 && groups[1] == 2 && groups[2] == 2;
    let amount = !international && !bracket && groups.len() > 1 && groups[1..].iter().all(|size| *size == 3);
    let single = groups.len() == 1 && !international && bytes[0] != b'0';
    let sized = groups.iter().any(|size| *size >= 3) || international;
    ((LEAST..=MOST).contains(&count) && ends && sized && !date && !amount && !single).then_some(end)
}

fn digits(number: &str, language: &Language) -> String {
    let mut out = String::new();
    let mut gap = "";
    for c in number.chars() {
        match c {
            '+' => {
                out.push_str(language.plus);
                gap = " ";
            }
            '0'..='9' => {
                out.push_str(gap);
                out.push_str(language.digits[usize::from(c as u8 - b'0')]);
                gap = " ";
            }
            _ if gap == " " => gap = ", ",
            _ => {}
        }
    }
    out
}
