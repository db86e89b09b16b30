//! Parameters: `;name=value;flag`, in order, values as they were written.

use std::borrow::Cow;
use std::fmt;

use super::{UriError, unescape};

/// The parameters of a URI or of a header value. Names are the same in any case and any escaping.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Parses what follows the first `;`: `name=value;flag`. Quoted values may hold `;` and keep their quotes. One `;`
    /// too many at the end is forgiven.
    ///
    /// # Errors
    /// [`UriError::Parameter`] for an empty name, and for a quote that is not closed or not the whole value.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let mut parts: Vec<&str> = split_outside_quotes(text, b';').map(str::trim_ascii).collect();
        if parts.last() == Some(&"") {
            parts.pop();
        }
        parts.into_iter().map(parse_one).collect::<Result<_, _>>().map(Self)
    }

    /// The value of a parameter without its quotes; `Some("")` for a flag.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.find(name)?;
        Some(unquote(value.as_deref().unwrap_or("")))
    }

    /// Whether the parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Sets a parameter, in its old place when it was there. The value must be a token or a quoted string.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self.0.iter_mut().find(|(n, _)| same_name(n, name)) {
            Some(param) => param.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes a parameter away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !same_name(n, name));
    }

    /// All of them in order, values as written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both hold the same names and values, in any order and case.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.iter().all(|(name, value)| other.matches(name, value))
    }

    pub(super) fn matches(&self, name: &str, value: Option<&str>) -> bool {
        self.find(name).is_some_and(|(_, own)| match (own.as_deref(), value) {
            (Some(a), Some(b)) => unescape(a).eq_ignore_ascii_case(&unescape(b)),
            (None, None) => true,
            _ => false,
        })
    }

    fn find(&self, name: &str) -> Option<&(String, Option<String>)> {
        self.0.iter().find(|(n, _)| same_name(n, name))
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

fn parse_one(part: &str) -> Result<(String, Option<String>), UriError> {
    let (name, value) = match part.split_once('=') {
        Some((name, value)) => (name.trim_ascii_end(), Some(value.trim_ascii_start())),
        None => (part, None),
    };
    let sound = match value.and_then(|value| value.strip_prefix('"')) {
        Some(inside) => closing_quote(inside) == Some(inside.len().saturating_sub(1)),
        None => !value.is_some_and(|value| value.contains('"')),
    };
    if name.is_empty() || name.contains(['"', ' ', '\t', ',', '<', '>']) || !sound {
        return Err(UriError::Parameter);
    }
    Ok((name.to_owned(), value.map(str::to_owned)))
}

fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (a.contains('%') && unescape(a).eq_ignore_ascii_case(&unescape(b)))
}

fn unquote(value: &str) -> &str {
    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value)
}

/// Splits at a separator that stands outside of quoted strings and angle brackets.
pub(crate) fn split_outside_quotes(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match find_outside_quotes(text, separator) {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            None => {
                rest = None;
                Some(text)
            }
        }
    })
}

/// Where an ASCII byte first stands outside of quoted strings and angle brackets.
pub(super) fn find_outside_quotes(text: &str, wanted: u8) -> Option<usize> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            _ if byte == wanted && !bracketed => return Some(at),
            b'<' => bracketed = true,
            b'>' => bracketed = false,
            _ => {}
        }
    }
    None
}

/// Where the quote is that ends a quoted string, given what follows the first one.
pub(super) fn closing_quote(inside: &str) -> Option<usize> {
    let mut escaped = false;
    inside.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// Decodes the backslashes of a quoted string's inside.
pub(super) fn unquote_string(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut plain = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    Cow::Owned(plain)
}
