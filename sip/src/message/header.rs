//! The headers of a message: an ordered list of names and values.

use std::borrow::Cow;
use std::fmt;

/// Header names in the spelling we write. Any spelling, and the compact form, is understood.
pub mod name {
    macro_rules! names {
        ($($constant:ident = $text:literal;)*) => {
            $(
                #[doc = concat!("`", $text, "`")]
                pub const $constant: &str = $text;
            )*
            pub(super) const ALL: &[&str] = &[$($text),*];
        };
    }

    names! {
        VIA = "Via";
        FROM = "From";
        TO = "To";
        CALL_ID = "Call-ID";
        CSEQ = "CSeq";
        CONTACT = "Contact";
        MAX_FORWARDS = "Max-Forwards";
        MIN_EXPIRES = "Min-Expires";
        CONTENT_TYPE = "Content-Type";
        CONTENT_LENGTH = "Content-Length";
        ROUTE = "Route";
        RECORD_ROUTE = "Record-Route";
        USER_AGENT = "User-Agent";
        SERVER = "Server";
        ALLOW = "Allow";
        SUPPORTED = "Supported";
        REQUIRE = "Require";
        PROXY_REQUIRE = "Proxy-Require";
        UNSUPPORTED = "Unsupported";
        ACCEPT = "Accept";
        ACCEPT_ENCODING = "Accept-Encoding";
        EXPIRES = "Expires";
        RETRY_AFTER = "Retry-After";
        AUTHORIZATION = "Authorization";
        PROXY_AUTHORIZATION = "Proxy-Authorization";
        WWW_AUTHENTICATE = "WWW-Authenticate";
        PROXY_AUTHENTICATE = "Proxy-Authenticate";
        REASON = "Reason";
        SUBJECT = "Subject";
        EVENT = "Event";
        REFER_TO = "Refer-To";
        REFERRED_BY = "Referred-By";
        REFER_SUB = "Refer-Sub";
        REPLACES = "Replaces";
        SUBSCRIPTION_STATE = "Subscription-State";
        INFO_PACKAGE = "Info-Package";
        RECV_INFO = "Recv-Info";
        SESSION_EXPIRES = "Session-Expires";
        MIN_SE = "Min-SE";
        RSEQ = "RSeq";
        RACK = "RAck";
        ALLOW_EVENTS = "Allow-Events";
        CONTENT_ENCODING = "Content-Encoding";
        CONTENT_DISPOSITION = "Content-Disposition";
        IDENTITY = "Identity";
        REQUEST_DISPOSITION = "Request-Disposition";
        ACCEPT_CONTACT = "Accept-Contact";
        REJECT_CONTACT = "Reject-Contact";
        P_ASSERTED_IDENTITY = "P-Asserted-Identity";
        DIVERSION = "Diversion";
        PRIVACY = "Privacy";
        DATE = "Date";
        TIMESTAMP = "Timestamp";
        WARNING = "Warning";
    }
}

/// Compact forms (RFC 3261 §7.3.3 and the RFCs of the later headers).
fn expand(letter: u8) -> Option<&'static str> {
    Some(match letter.to_ascii_lowercase() {
        b'a' => name::ACCEPT_CONTACT,
        b'b' => name::REFERRED_BY,
        b'c' => name::CONTENT_TYPE,
        b'd' => name::REQUEST_DISPOSITION,
        b'e' => name::CONTENT_ENCODING,
        b'f' => name::FROM,
        b'i' => name::CALL_ID,
        b'j' => name::REJECT_CONTACT,
        b'k' => name::SUPPORTED,
        b'l' => name::CONTENT_LENGTH,
        b'm' => name::CONTACT,
        b'o' => name::EVENT,
        b'r' => name::REFER_TO,
        b's' => name::SUBJECT,
        b't' => name::TO,
        b'u' => name::ALLOW_EVENTS,
        b'v' => name::VIA,
        b'x' => name::SESSION_EXPIRES,
        b'y' => name::IDENTITY,
        _ => return None,
    })
}

/// The name as we write it: compact forms expanded, known names in their usual case, others as they came.
pub(super) fn canonical(text: &str) -> Cow<'static, str> {
    let known = match text.as_bytes() {
        [letter] => expand(*letter),
        _ => name::ALL.iter().copied().find(|known| known.eq_ignore_ascii_case(text)),
    };
    known.map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed)
}

/// The headers of a message in order. Names match in any case and in their compact form; values hold no line breaks.
///
/// `Content-Length` is not kept here: writing a message sets it from the body.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Headers(Vec<(Cow<'static, str>, String)>);

impl Headers {
    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// Every value of a header in order, one for each line of it; Via, Contact, Route and Record-Route lines are already
    /// split at their commas.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let name = canonical(name);
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(&name)).map(|(_, value)| value.as_str())
    }

    /// Every value of a header named as in [`name`]: those names are kept in that spelling only.
    pub(super) fn known(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let matching = self.0.iter().filter(move |(n, _)| n == name);
        matching.map(|(_, value)| value.as_str())
    }

    /// Adds a value at the end.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((canonical(name), one_line(value.into())));
    }

    /// Adds a value whose name came out of [`canonical`].
    pub(super) fn push_canonical(&mut self, name: Cow<'static, str>, value: String) {
        self.0.push((name, one_line(value)));
    }

    /// Adds a value before all others, as a Via or Route is.
    pub fn push_front(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(0, (canonical(name), one_line(value.into())));
    }

    /// Makes this the only value: in the place of the first old one, or at the end.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let name = canonical(name);
        let value = one_line(value.into());
        match self.0.iter().position(|(n, _)| n.eq_ignore_ascii_case(&name)) {
            Some(first) => {
                self.0[first].1 = value;
                let mut at = 0;
                self.0.retain(|(n, _)| {
                    at += 1;
                    at - 1 <= first || !n.eq_ignore_ascii_case(&name)
                });
            }
            None => self.0.push((name, value)),
        }
    }

    /// Replaces the first value of a header that is there, and leaves the others.
    pub fn set_first(&mut self, name: &str, value: impl Into<String>) {
        let name = canonical(name);
        if let Some(header) = self.0.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(&name)) {
            header.1 = one_line(value.into());
        }
    }

    /// Takes every value of a header away.
    pub fn remove(&mut self, name: &str) {
        let name = canonical(name);
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
    }

    /// Takes the first value of a header away, as a proxy or client does with its own Via.
    pub fn remove_first(&mut self, name: &str) -> Option<String> {
        let name = canonical(name);
        let at = self.0.iter().position(|(n, _)| n.eq_ignore_ascii_case(&name))?;
        Some(self.0.remove(at).1)
    }

    /// All names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A line break in a value would begin a header of the peer's choosing in what we send.
fn one_line(value: String) -> String {
    if value.contains('\r') || value.contains('\n') { value.replace(['\r', '\n'], " ") } else { value }
}

/// Names only: values hold phone numbers and credentials.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
