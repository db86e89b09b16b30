//! Request methods. The table of registered names is rsip's; case and unknown names are ours.

use std::fmt;
use std::str::FromStr;

use rsip::Method as Known;

/// A request method, such as [`Method::INVITE`]; constants can be matched on. Names are case-sensitive (RFC 3261 §7.1).
#[derive(Clone, Eq, PartialEq)]
pub struct Method(Name);

#[derive(Clone, Eq, PartialEq)]
enum Name {
    Known(Known),
    Extension(String),
}

impl Method {
    /// `ACK` (RFC 3261 §17.1.1.3).
    pub const ACK: Self = Self(Name::Known(Known::Ack));
    /// `BYE` (RFC 3261 §15).
    pub const BYE: Self = Self(Name::Known(Known::Bye));
    /// `CANCEL` (RFC 3261 §9).
    pub const CANCEL: Self = Self(Name::Known(Known::Cancel));
    /// `INFO` (RFC 6086).
    pub const INFO: Self = Self(Name::Known(Known::Info));
    /// `INVITE` (RFC 3261 §13).
    pub const INVITE: Self = Self(Name::Known(Known::Invite));
    /// `MESSAGE` (RFC 3428).
    pub const MESSAGE: Self = Self(Name::Known(Known::Message));
    /// `NOTIFY` (RFC 6665).
    pub const NOTIFY: Self = Self(Name::Known(Known::Notify));
    /// `OPTIONS` (RFC 3261 §11).
    pub const OPTIONS: Self = Self(Name::Known(Known::Options));
    /// `PRACK` (RFC 3262).
    pub const PRACK: Self = Self(Name::Known(Known::PRack));
    /// `REFER` (RFC 3515).
    pub const REFER: Self = Self(Name::Known(Known::Refer));
    /// `REGISTER` (RFC 3261 §10).
    pub const REGISTER: Self = Self(Name::Known(Known::Register));
    /// `SUBSCRIBE` (RFC 6665).
    pub const SUBSCRIBE: Self = Self(Name::Known(Known::Subscribe));
    /// `UPDATE` (RFC 3311).
    pub const UPDATE: Self = Self(Name::Known(Known::Update));

    /// Whether some RFC names this method: an unknown one is answered with 501, a known one that we do not serve with 405.
    pub fn is_known(&self) -> bool {
        matches!(self.0, Name::Known(_))
    }
}

/// A text that is no token (RFC 3261 §25.1) and so no method.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("method is not a token")]
pub struct NotAMethod;

impl FromStr for Method {
    type Err = NotAMethod;

    fn from_str(text: &str) -> Result<Self, NotAMethod> {
        if !super::is_token(text) {
            return Err(NotAMethod);
        }
        // rsip takes `invite` for INVITE; on the wire that is another method.
        let known = text.parse::<Known>().ok().filter(|_| !text.bytes().any(|b| b.is_ascii_lowercase()));
        Ok(Self(known.map_or_else(|| Name::Extension(text.to_owned()), Name::Known)))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Known(known) => known.fmt(f),
            Name::Extension(name) => f.write_str(name),
        }
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
