//! Typed accessors: what the headers of a message mean.

use std::str::FromStr;

use super::header::{Headers, name};
use super::{CSeq, Via, digits};
use crate::uri::{NameAddr, Params, split_outside_quotes};

/// Why a header has no typed value. Named by the header; the fault is the peer's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeaderError {
    /// The header must be there and is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The value does not read as that header's must.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// The header may be there once and is there more than once.
    #[error("{0} is repeated")]
    Repeated(&'static str),
}

/// The addresses of the Contact header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Contacts {
    /// `*`: every binding, as only a REGISTER says (RFC 3261 §10.2.2).
    All,
    /// The addresses in order; none when there is no Contact.
    These(Vec<NameAddr>),
}

/// `type/subtype;parameters`, in a Content-Type or an Accept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaType {
    /// `application`, in lower case; `*` in an Accept.
    pub kind: String,
    /// `sdp`, in lower case; `*` in an Accept.
    pub subtype: String,
    /// `boundary`, `charset`, `q` and others.
    pub params: Params,
}

impl MediaType {
    /// Whether it is this type, `application/sdp` say; parameters do not count.
    pub fn is(&self, essence: &str) -> bool {
        essence
            .split_once('/')
            .is_some_and(|(kind, subtype)| self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype))
    }

    /// Whether this range of an Accept takes that type.
    pub fn accepts(&self, essence: &str) -> bool {
        essence.split_once('/').is_some_and(|(kind, subtype)| {
            (self.kind == "*" || self.kind.eq_ignore_ascii_case(kind))
                && (self.subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype))
        })
    }
}

impl FromStr for MediaType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (essence, params) = match text.split_once(';') {
            Some((essence, params)) => (essence, Params::parse(params).map_err(|_| ())?),
            None => (text, Params::default()),
        };
        let (kind, subtype) = essence.split_once('/').ok_or(())?;
        let (kind, subtype) = (kind.trim_ascii().to_ascii_lowercase(), subtype.trim_ascii().to_ascii_lowercase());
        if !super::is_token(&kind) || !super::is_token(&subtype) {
            return Err(());
        }
        Ok(Self { kind, subtype, params })
    }
}

/// Required headers give an error when they are missing, optional ones `None`, lists an empty list.
impl Headers {
    /// The Via of whoever sent this to us, or our own on a response.
    pub fn top_via(&self) -> Result<Via, HeaderError> {
        let value = self.known(name::VIA).next().ok_or(HeaderError::Missing(name::VIA))?;
        value.parse().map_err(|_| HeaderError::Malformed(name::VIA))
    }

    /// All Vias, the nearest first.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        self.parse_all(name::VIA)
    }

    /// The From: who sent the request.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.parse_one(name::FROM)
    }

    /// The To: whom the request was for.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.parse_one(name::TO)
    }

    /// The Call-ID: opaque, compared byte by byte.
    pub fn call_id(&self) -> Result<&str, HeaderError> {
        self.single(name::CALL_ID)?.filter(|id| !id.is_empty()).ok_or(HeaderError::Missing(name::CALL_ID))
    }

    /// The CSeq.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        self.parse_one(name::CSEQ)
    }

    /// The Contact addresses.
    pub fn contacts(&self) -> Result<Contacts, HeaderError> {
        let mut all = self.known(name::CONTACT).map(str::trim_ascii);
        match (all.next(), all.next()) {
            (Some("*"), None) => Ok(Contacts::All),
            _ => self.parse_all(name::CONTACT).map(Contacts::These),
        }
    }

    /// The first Contact address: the remote target of a dialog.
    pub fn contact(&self) -> Result<Option<NameAddr>, HeaderError> {
        match self.contacts()? {
            Contacts::All => Ok(None),
            Contacts::These(contacts) => Ok(contacts.into_iter().next()),
        }
    }

    /// The Route set of a request, the nearest first.
    pub fn routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.parse_all(name::ROUTE)
    }

    /// The Record-Route values in the order of the message.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.parse_all(name::RECORD_ROUTE)
    }

    /// Hops left, 0 to 255.
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        let hops = self.number(name::MAX_FORWARDS)?;
        hops.map(|n| u8::try_from(n).map_err(|_| HeaderError::Malformed(name::MAX_FORWARDS))).transpose()
    }

    /// Expires in seconds.
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.number(name::EXPIRES)
    }

    /// Retry-After in seconds; its comment and parameters are left out.
    pub fn retry_after(&self) -> Result<Option<u32>, HeaderError> {
        let value = self.single(name::RETRY_AFTER)?;
        let seconds = value.map(|v| v.split([';', '(', ' ']).next().unwrap_or(v));
        seconds.map(|v| digits(v).ok_or(HeaderError::Malformed(name::RETRY_AFTER))).transpose()
    }

    /// The type of the body.
    pub fn content_type(&self) -> Result<Option<MediaType>, HeaderError> {
        let value = self.single(name::CONTENT_TYPE)?;
        value.map(|v| v.parse().map_err(|()| HeaderError::Malformed(name::CONTENT_TYPE))).transpose()
    }

    /// The types the peer takes; `None` without an Accept, which means `application/sdp` (RFC 3261 §20.1).
    pub fn accept(&self) -> Result<Option<Vec<MediaType>>, HeaderError> {
        if self.get(name::ACCEPT).is_none() {
            return Ok(None);
        }
        let ranges = self.list(name::ACCEPT).map(|range| range.parse().map_err(|()| HeaderError::Malformed(name::ACCEPT)));
        ranges.collect::<Result<_, _>>().map(Some)
    }

    /// The items of a comma-separated header (Allow, Supported, Require and the like) over all its lines, empty ones left out.
    pub fn list<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.get_all(name).flat_map(|line| split_outside_quotes(line, b',')).map(str::trim_ascii).filter(|item| !item.is_empty())
    }

    /// Whether a comma-separated header has the item, in any case.
    pub fn lists(&self, name: &str, item: &str) -> bool {
        self.list(name).any(|own| own.eq_ignore_ascii_case(item))
    }

    /// Adds a tag to the To, unless it has one (RFC 3261 §8.2.6.2). The rest of it stays as the peer wrote it.
    pub fn set_to_tag(&mut self, tag: &str) {
        let (Some(value), Ok(to)) = (self.get(name::TO), self.to()) else {
            return;
        };
        if to.tag().is_some() {
            return;
        }
        let appended = format!("{value};tag={tag}");
        let read = appended.parse::<NameAddr>();
        // An empty tag or a stray `;` at the end hides what is appended.
        let tagged = if read.is_ok_and(|to| to.tag() == Some(tag)) { appended } else { to.with_tag(tag).to_string() };
        self.set(name::TO, tagged);
    }

    /// The only value of a header that may be there once.
    pub(super) fn single(&self, name: &'static str) -> Result<Option<&str>, HeaderError> {
        let mut all = self.known(name);
        match (all.next(), all.next()) {
            (_, Some(_)) => Err(HeaderError::Repeated(name)),
            (first, None) => Ok(first),
        }
    }

    fn number(&self, name: &'static str) -> Result<Option<u32>, HeaderError> {
        let value = self.single(name)?;
        value.map(|v| digits(v).ok_or(HeaderError::Malformed(name))).transpose()
    }

    fn parse_one<T: FromStr>(&self, name: &'static str) -> Result<T, HeaderError> {
        let value = self.single(name)?.ok_or(HeaderError::Missing(name))?;
        value.parse().map_err(|_| HeaderError::Malformed(name))
    }

    fn parse_all<T: FromStr>(&self, name: &'static str) -> Result<Vec<T>, HeaderError> {
        self.known(name).map(|value| value.parse().map_err(|_| HeaderError::Malformed(name))).collect()
    }
}
