//! The fields of a challenge or of its answer: `Digest name=value, name="value"`.

use crate::uri::split_outside_quotes;

/// Fields by name; values without their quotes, escapes as written, since that is what is hashed (RFC 2617 §1.2).
pub(super) struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    /// `None` for another scheme, and for what cannot be read: a name that is there twice could be read in two ways.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (scheme, rest) = value.trim_ascii().split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let mut fields: Vec<(&str, &str)> = Vec::new();
        for item in split_outside_quotes(rest, b',').map(str::trim_ascii).filter(|item| !item.is_empty()) {
            let (name, value) = item.split_once('=')?;
            let (name, value) = (name.trim_ascii_end(), value.trim_ascii_start());
            if fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return None;
            }
            let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            fields.push((name, quoted.unwrap_or(value)));
        }
        Some(Self(fields))
    }

    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}
