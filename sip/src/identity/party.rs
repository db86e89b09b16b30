//! Who calls whom, as the INVITE says it and as a signature says it.

use crate::message::{Headers, Request, name};
use crate::uri::{NameAddr, Uri};

use super::number::{readings, without_parameters};
use super::{Subject, passport};

/// Who may be meant by one header or URI.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Party {
    /// The number, in all its readings; none when it is no number.
    numbers: Vec<String>,
    /// `sip:user@host`, else.
    uri: Option<String>,
}

impl Party {
    fn of(uri: &Uri, country_code: &str) -> Self {
        let numbers = match uri.user() {
            Some(user) => readings(without_parameters(&user), country_code),
            None => Vec::new(),
        };
        let uri = if numbers.is_empty() { plain(uri) } else { None };
        Self { numbers, uri }
    }

    fn is_nobody(&self) -> bool {
        let anonymous = |uri: &String| uri.starts_with("sip:anonymous@");
        self.numbers.is_empty() && self.uri.as_ref().is_none_or(anonymous)
    }

    fn among(&self, names: &Names) -> bool {
        let number = self.numbers.iter().any(|number| names.numbers.contains(number));
        number || self.uri.as_ref().is_some_and(|uri| names.uris.iter().any(|named| plain_text(named).as_ref() == Some(uri)))
    }

    /// As the base form of RFC 8225 would claim it, in JSON; `list`: between brackets.
    fn claim(&self, list: bool) -> Option<String> {
        let (kind, value) = match (self.numbers.first(), &self.uri) {
            (Some(number), _) => ("tn", passport::quoted(number)),
            (None, Some(uri)) => ("uri", passport::quoted(uri)),
            (None, None) => return None,
        };
        Some(if list { format!("{{\"{kind}\":[{value}]}}") } else { format!("{{\"{kind}\":{value}}}") })
    }
}

/// A SIP URI without what RFC 8224 §8.5 leaves out.
fn plain(uri: &Uri) -> Option<String> {
    let uri = uri.as_sip()?;
    let port = uri.port.map(|port| format!(":{port}")).unwrap_or_default();
    let host = uri.host.to_string().to_ascii_lowercase();
    let user = uri.user.as_ref()?;
    Some(format!("{}:{user}@{host}{port}", uri.scheme.as_str()))
}

fn plain_text(text: &str) -> Option<String> {
    plain(&text.parse().ok()?)
}

/// Who is named by a claim.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Names {
    /// Digits.
    pub(super) numbers: Vec<String>,
    /// URIs.
    pub(super) uris: Vec<String>,
}

/// Who calls whom, and when, as the INVITE says it.
#[derive(Clone, Debug, Default)]
pub(super) struct Parties {
    from: Party,
    asserted: Vec<Party>,
    to: Party,
    /// The Request-URI.
    target: Party,
    /// The Date header, in seconds since 1970.
    pub(super) date: Option<u64>,
}

impl Parties {
    pub(super) fn of(invite: &Request, country_code: &str) -> Self {
        let of = |addr: NameAddr| Party::of(&addr.uri, country_code);
        let headers = &invite.headers;
        Self {
            from: headers.from().map(of).unwrap_or_default(),
            asserted: asserted(headers).map(of).collect(),
            to: headers.to().map(of).unwrap_or_default(),
            target: Party::of(&invite.uri, country_code),
            date: headers.get(name::DATE).and_then(date),
        }
    }

    /// Whose number a claim has; `None` when it is nobody's in this call.
    pub(super) fn caller_in(&self, names: &Names) -> Option<Subject> {
        if self.from.among(names) {
            return Some(Subject::From);
        }
        self.asserted.iter().any(|party| party.among(names)).then_some(Subject::Asserted)
    }

    pub(super) fn called_in(&self, names: &Names) -> bool {
        self.to.among(names) || self.target.among(names)
    }

    /// What the base form signs of this call when it leaves it out (RFC 8224 §4.1, the compact form).
    pub(super) fn payload(&self) -> Option<String> {
        let caller = if self.from.is_nobody() { self.asserted.first()? } else { &self.from };
        let (called, caller) = (self.to.claim(true)?, caller.claim(false)?);
        Some(format!("{{\"dest\":{called},\"iat\":{},\"orig\":{caller}}}", self.date?))
    }
}

/// The addresses of P-Asserted-Identity (RFC 3325 §9.1): one or two.
pub(super) fn asserted(headers: &Headers) -> impl Iterator<Item = NameAddr> {
    headers.list(name::P_ASSERTED_IDENTITY).take(2).filter_map(|value| value.parse().ok())
}

/// `Sat, 13 Nov 2010 23:29:00 GMT` (RFC 3261 §20.17) in seconds since 1970.
fn date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(',')?;
    let mut words = rest.split_ascii_whitespace();
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as u64 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let in_range = (1970..=9999).contains(&year) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    if words.next() != Some("GMT") || !in_range {
        return None;
    }
    // Days from 0 March of year 0, in which the leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    const DAYS_TO_1970: u64 = 719_468;
    Some((days - DAYS_TO_1970) * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_seconds_since_1970() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(date(text), expected, "{text}");
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("Sat, 13 Nov 2010 23:29:00 GMT", Some(1_289_690_940));
        check("Thu, 29 Feb 2024 12:00:01 GMT", Some(1_709_208_001));
        for wrong in [
            "",
            "13 Nov 2010 23:29:00 GMT",
            "Sat, 13 Nov 2010 23:29:00 EST",
            "Sat, 32 Nov 2010 23:29:00 GMT",
            "Sat, 13 Nov 2010 23:29 GMT",
        ] {
            check(wrong, None);
        }
    }
}
