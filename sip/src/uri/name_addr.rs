//! name-addr values, as From, To, Contact, Route and Record-Route have them (RFC 3261 §20.10).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::params::{closing_quote, find_outside_quotes, unquote_string};
use super::{Params, Uri, UriError};

/// `"Display name" <uri>;params`, or a bare URI with header parameters.
#[derive(Clone, Eq, PartialEq)]
pub struct NameAddr {
    /// The name with quotes and backslashes removed; none when it was empty.
    pub display_name: Option<String>,
    /// The address.
    pub uri: Uri,
    /// The parameters of the header, not of the URI: `tag`, `expires`, `q` and others.
    pub params: Params,
}

impl NameAddr {
    /// An address without a name and parameters.
    pub fn new(uri: Uri) -> Self {
        Self { display_name: None, uri, params: Params::default() }
    }

    /// The same with a dialog tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag));
        self
    }

    /// The dialog tag of a From or To (RFC 3261 §19.3).
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

impl FromStr for NameAddr {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let text = text.trim_ascii();
        let (display_name, rest) = if let Some(inside) = text.strip_prefix('"') {
            let end = closing_quote(inside).ok_or(UriError::DisplayName)?;
            (unquote_string(&inside[..end]), inside[end + 1..].trim_ascii_start())
        } else if let Some(open) = find_outside_quotes(text, b'<') {
            let name = text[..open].trim_ascii();
            // A comma would be the end of a value, a quote the middle of one: neither can be guessed right.
            if name.contains([',', '"', ';']) {
                return Err(UriError::DisplayName);
            }
            (Cow::Borrowed(name), &text[open..])
        } else {
            return bare(text);
        };
        let inside = rest.strip_prefix('<').ok_or(UriError::Brackets)?;
        let (uri, after) = inside.split_once('>').ok_or(UriError::Brackets)?;
        let after = after.trim_ascii();
        let params = match after.strip_prefix(';') {
            Some(params) => Params::parse(params)?,
            None if after.is_empty() => Params::default(),
            None => return Err(UriError::Brackets),
        };
        let display_name = (!display_name.is_empty()).then(|| display_name.into_owned());
        Ok(Self { display_name, uri: uri.parse()?, params })
    }
}

/// Without brackets every `;` belongs to the header, and the URI may hold neither `,` nor `?` (RFC 3261 §20).
fn bare(text: &str) -> Result<NameAddr, UriError> {
    let (uri, params) = match text.split_once(';') {
        Some((uri, params)) => (uri.trim_ascii_end(), Params::parse(params)?),
        None => (text, Params::default()),
    };
    if uri.contains([',', '?']) {
        return Err(UriError::Brackets);
    }
    Ok(NameAddr { display_name: None, uri: uri.parse()?, params })
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display_name {
            f.write_str("\"")?;
            for c in name.chars() {
                if matches!(c, '"' | '\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
            f.write_str("\" ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

impl fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.display_name.is_some() { "\"***\" " } else { "" };
        write!(f, "{name}<{:?}>", self.uri)?;
        self.tag().map_or(Ok(()), |tag| write!(f, ";tag={tag}"))
    }
}
