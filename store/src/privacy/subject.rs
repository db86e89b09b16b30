//! The person that an export or an erasure is about, and how one is found in numbers and texts.

use std::fmt;
use std::ops::Range;

use serde_json::Value;

/// E.164 has 15 digits at most; internal numbers are short.
const DIGITS: std::ops::RangeInclusive<usize> = 3..=15;

/// A shorter number is no reason to change texts: it would be found in prices and dates.
const MENTION_DIGITS_MIN: usize = 7;

/// What stands between the digits of a number.
const SEPARATORS: &[u8] = b" -./()";

/// As many of them one after the other.
const SEPARATORS_MAX: usize = 2;

/// The longest e-mail address (RFC 5321 §4.5.3.1.3).
const EMAIL_BYTES_MAX: usize = 254;

/// What stands in a text where somebody was.
pub(crate) const ERASED: &str = "[erased]";

/// A person, by telephone number or by e-mail address. `Debug` shows neither.
#[derive(Clone, Eq, PartialEq)]
pub enum Subject {
    /// The digits of an E.164 number, without `+`.
    Phone(String),
    /// An address in lower case.
    Email(String),
}

impl Subject {
    /// The person with this number, in whichever of the usual ways it is written: `+49 30 1234`, `0049301234`, `sip:+49301234@host`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn phone(number: &str) -> Result<Self, String> {
        match digits(number) {
            Some(digits) if DIGITS.contains(&digits.len()) => Ok(Self::Phone(digits)),
            _ => Err(format!(
                "is no number in international form, +49301234567: {} to {} digits behind the +",
                DIGITS.start(),
                DIGITS.end()
            )),
        }
    }

    /// The person with this e-mail address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn email(address: &str) -> Result<Self, String> {
        let address = address.trim().to_lowercase();
        let plain = |part: &str| !part.is_empty() && !part.chars().any(|one| one.is_whitespace() || "@<>\"\0".contains(one));
        match address.split_once('@') {
            Some((user, host)) if plain(user) && plain(host) && host.contains('.') && address.len() <= EMAIL_BYTES_MAX => {
                Ok(Self::Email(address))
            }
            _ => Err(format!("is no e-mail address of at most {EMAIL_BYTES_MAX} bytes")),
        }
    }

    /// `phone` or `email`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Phone(_) => "phone",
            Self::Email(_) => "email",
        }
    }

    /// The one way to write it, for the queue and to be hashed: `+49301234567`, `ada@example.com`.
    #[must_use]
    pub fn reveal(&self) -> String {
        match self {
            Self::Phone(digits) => format!("+{digits}"),
            Self::Email(address) => address.clone(),
        }
    }

    /// As [`Subject::reveal`] wrote it.
    pub(crate) fn stored(text: &str) -> Result<Self, String> {
        if text.starts_with('+') { Self::phone(text) } else { Self::email(text) }
    }

    /// Whether a party of a call, or a caller who is remembered, is this person.
    #[must_use]
    pub fn is_party(&self, party: &str) -> bool {
        match self {
            Self::Phone(wanted) => digits(party).as_ref() == Some(wanted),
            Self::Email(wanted) => {
                let party = party.trim().to_lowercase();
                party.strip_prefix("sip:").unwrap_or(&party) == wanted
            }
        }
    }

    /// Whether a text names the person.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        self.find(text, 0).is_some()
    }

    /// The text without the person; `None`: it does not name them. JSON stays JSON.
    pub(crate) fn scrubbed(&self, text: &str) -> Option<String> {
        if text.starts_with(['{', '['])
            && let Ok(mut value) = serde_json::from_str::<Value>(text)
        {
            return self.scrub_json(&mut value).then(|| value.to_string());
        }
        let mut rest = 0;
        let mut clean = String::new();
        while let Some(found) = self.find(text, rest) {
            clean.push_str(&text[rest..found.start]);
            clean.push_str(ERASED);
            rest = found.end;
        }
        (rest > 0).then(|| clean + &text[rest..])
    }

    fn scrub_json(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => match self.scrubbed(text) {
                Some(clean) => {
                    *text = clean;
                    true
                }
                None => false,
            },
            Value::Number(number) if self.is_in(&number.to_string()) => {
                *value = Value::from(ERASED);
                true
            }
            Value::Array(values) => values.iter_mut().map(|value| self.scrub_json(value)).filter(|changed| *changed).count() > 0,
            Value::Object(fields) => {
                let named: Vec<String> = fields.keys().filter(|name| self.is_in(name)).cloned().collect();
                for name in &named {
                    let value = fields.remove(name);
                    fields.insert(self.scrubbed(name).unwrap_or_default(), value.unwrap_or_default());
                }
                fields.values_mut().fold(!named.is_empty(), |any, value| self.scrub_json(value) || any)
            }
            _ => false,
        }
    }

    /// Where the text names the person first, from a byte on.
    fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        match self {
            Self::Phone(digits) if digits.len() < MENTION_DIGITS_MIN => None,
            Self::Phone(digits) => find_number(text.as_bytes(), digits.as_bytes(), from),
            Self::Email(address) => find_address(text, address, from),
        }
    }

    /// What `LIKE` must find in a text, spread by [`Subject::spread`], that names the person: it finds more, and never less.
    pub(crate) fn pattern(&self) -> String {
        match self {
            Self::Phone(digits) => format!("%{digits}%"),
            Self::Email(address) => format!("%{}%", address.replace('@', "%")),
        }
    }

    /// SQL that makes a column, or several, fit to be compared with the pattern.
    pub(crate) fn spread(&self, columns: &[&str]) -> String {
        let columns = columns.iter().map(|column| format!("COALESCE({column}, '')")).collect::<Vec<_>>().join(" || '|' || ");
        match self {
            Self::Phone(_) => SEPARATORS
                .iter()
                .fold(format!("({columns})"), |sql, separator| format!("REPLACE({sql}, '{}', '')", char::from(*separator))),
            Self::Email(_) => format!("LOWER({columns})"),
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({})", self.kind())
    }
}

/// The digits of an E.164 number; `None`: it is something else.
fn digits(party: &str) -> Option<String> {
    let party = party.trim().to_lowercase();
    let user = ["sip:", "sips:", "tel:"].iter().find_map(|scheme| party.strip_prefix(scheme)).unwrap_or(&party);
    let user = user.split(['@', ';']).next().unwrap_or_default();
    let bare: String = user.chars().filter(|one| !one.is_ascii() || !SEPARATORS.contains(&(*one as u8))).collect();
    let number = bare.strip_prefix('+').or_else(|| bare.strip_prefix("00")).unwrap_or(&bare);
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| number.to_owned())
}

/// Digits, with separators between them, `+` or `00` before them, and no other digit at either end.
fn find_number(text: &[u8], digits: &[u8], from: usize) -> Option<Range<usize>> {
    (from..text.len()).find_map(|start| {
        let end = number_at(text, digits, start)?;
        let before = text[from..start].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let start = match before {
            0 => start,
            2 if &text[start - 2..start] == b"00" => start - 2,
            _ => return None,
        };
        let plus = start > from && text[start - 1] == b'+';
        Some(start - usize::from(plus)..end)
    })
}

/// Where the number ends that begins at `start`.
fn number_at(text: &[u8], digits: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    for (index, digit) in digits.iter().enumerate() {
        let apart = text[at..].iter().take_while(|byte| SEPARATORS.contains(byte)).count();
        if index > 0 && apart <= SEPARATORS_MAX {
            at += apart;
        }
        if text.get(at) != Some(digit) {
            return None;
        }
        at += 1;
    }
    (!text.get(at).is_some_and(u8::is_ascii_digit)).then_some(at)
}

/// The address, in any case, with `@` or as URLs have it, and not as a part of a longer one.
fn find_address(text: &str, address: &str, from: usize) -> Option<Range<usize>> {
    // Lengths stay the same: only ASCII changes.
    let lower = text.to_ascii_lowercase();
    let in_url = address.replace('@', "%40");
    let of_address = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    (from..lower.len()).filter(|start| lower.is_char_boundary(*start)).find_map(|start| {
        let found = [address, &in_url].into_iter().find(|one| lower[start..].starts_with(*one))?;
        let end = start + found.len();
        let begins = start == 0 || !of_address(lower.as_bytes()[start - 1]) || lower[..start].ends_with("\\n");
        let mut behind = lower[end..].bytes();
        let ends = match behind.next() {
            Some(b'.') => !behind.next().is_some_and(|byte| byte.is_ascii_alphanumeric()),
            Some(byte) => !byte.is_ascii_alphanumeric() && byte != b'-',
            None => true,
        };
        (begins && ends).then_some(start..end)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let subject = Subject::phone("+49 30 555001").unwrap();
        assert_eq!(subject.scrubbed(text).as_deref(), expected, "{text}");
    }

    #[test]
    fn a_number_is_the_same_in_all_the_ways_it_is_written() {
        let subject = Subject::phone("0049 (30) 555-001").unwrap();
        assert_eq!(subject.reveal(), "+4930555001");
        for party in ["+4930555001", "4930555001", "004930555001", "sip:+4930555001@host;user=phone", "tel:+49-30-555-001"] {
            assert!(subject.is_party(party), "{party}");
        }
        for party in ["+49305550012", "alice", "", "anonymous", "+1 4930555001"] {
            assert!(!subject.is_party(party), "{party}");
        }
        for wrong in ["", "alice", "+", "12", "+1234567890123456", "1.5e3"] {
            assert!(Subject::phone(wrong).is_err(), "{wrong}");
        }
        assert!(!format!("{subject:?}").contains("555"));
    }

    #[test]
    fn a_number_is_taken_out_of_a_text_and_longer_ones_stay() {
        check("ring me on +49 30 555001, please", Some("ring me on [erased], please"));
        check("004930555001 or 4930555001", Some("[erased] or [erased]"));
        check("4930555001", Some("[erased]"));
        check("14930555001 and 49305550012", None);
        check("nothing", None);
        check("ü4930555001ü", Some("ü[erased]ü"));
        let short = Subject::phone("1001").unwrap();
        assert!(short.is_party("1001") && !short.is_in("it costs 1001"));
    }

    #[test]
    fn json_stays_json() {
        check(r#"{"from":"+4930555001","k":[1],"n":4930555001}"#, Some(r#"{"from":"[erased]","k":[1],"n":"[erased]"}"#));
        check(r#"{"+4930555001":1}"#, Some(r#"{"[erased]":1}"#));
        check(r#"["a\n4930555001"]"#, Some("[\"a\\n[erased]\"]"));
        check("{4930555001", Some("{[erased]"));
    }

    #[test]
    fn an_address_is_found_in_any_case_and_not_inside_of_others() {
        let subject = Subject::email(" Ada@Example.com").unwrap();
        let scrubbed = |text: &str| subject.scrubbed(text);
        assert_eq!(scrubbed("Write to ADA@example.com.").as_deref(), Some("Write to [erased]."));
        assert_eq!(scrubbed("https://x/?to=ada%40example.com&y").as_deref(), Some("https://x/?to=[erased]&y"));
        for other in ["xada@example.com", "ada@example.community", "ada@example.com.au", "ada at example.com"] {
            assert_eq!(scrubbed(other), None, "{other}");
        }
        for wrong in ["ada", "@x.y", "a@b", "a b@c.d", "a@b@c.d"] {
            assert!(Subject::email(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_the_database_is_asked_finds_at_least_as_much() {
        let phone = Subject::phone("+4930555001").unwrap();
        assert_eq!(phone.pattern(), "%4930555001%");
        assert!(phone.spread(&["a", "b"]).contains("COALESCE(a, '') || '|' || COALESCE(b, '')"));
        assert_eq!(Subject::email("a@b.c").unwrap().pattern(), "%a%b.c%");
    }
}
