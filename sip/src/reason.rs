//! Why a request was sent: the Reason header (RFC 3326).

use std::fmt;
use std::str::FromStr;

use crate::uri::{Params, split_outside_quotes};

/// Reasons read of one request: one a protocol is all that is allowed (RFC 3326 §2), and three protocols are known.
pub const MAX_REASONS: usize = 4;

/// One value of a Reason header: `Q.850;cause=16;text="Normal call clearing"`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason {
    /// Whose numbers the cause is one of.
    pub protocol: Protocol,
    /// The cause; 0 when there is none that can be read.
    pub cause: u16,
    /// What people may read.
    pub text: Option<String>,
}

/// Whose cause a reason tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// `Q.850`: a cause of the ISDN, 1-127.
    Q850,
    /// `SIP`: a status, 100-699.
    Sip,
    /// Another one, as it was written.
    Other(String),
}

/// What follows for the call that a BYE or CANCEL with a reason ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Meaning {
    /// Somebody hung up, or it is not said that anything went wrong.
    Cleared,
    /// Another phone took the call, or the call went to one.
    Elsewhere,
    /// The way there failed: a network out of order or full, a timer, a missing answer of some machine.
    Network,
    /// Nobody was there: busy, no answer, a number that is nobody's.
    NotReached,
    /// It was not wanted, or not allowed.
    Declined,
    /// The media could not be agreed on or did not come.
    Media,
}

/// The value is not a protocol with parameters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("reason is not a protocol with parameters")]
pub struct NotAReason;

impl Reason {
    /// A cause of ITU-T Q.850.
    pub fn q850(cause: u16, text: &str) -> Self {
        Self { protocol: Protocol::Q850, cause, text: Some(text.to_owned()) }
    }

    /// A status of SIP.
    pub fn sip(status: u16, text: &str) -> Self {
        Self { protocol: Protocol::Sip, cause: status, text: Some(text.to_owned()) }
    }

    /// All values of a header, several lines of it joined by commas; what cannot be read is left out.
    pub fn read_all(value: &str) -> Vec<Self> {
        split_outside_quotes(value, b',').filter_map(|one| one.parse().ok()).take(MAX_REASONS).collect()
    }

    /// What it means for the call.
    pub fn meaning(&self) -> Meaning {
        match &self.protocol {
            Protocol::Q850 => of_q850(self.cause),
            Protocol::Sip => of_sip(self.cause),
            Protocol::Other(_) => Meaning::Cleared,
        }
    }
}

/// ITU-T Q.850 §2.2.7, in the groups that RFC 3398 §8.2.6.1 gives a status.
fn of_q850(cause: u16) -> Meaning {
    match cause {
        // 26: cleared here, selected elsewhere.
        26 => Meaning::Elsewhere,
        1..=5 | 17..=20 | 22 | 23 | 27 | 28 => Meaning::NotReached,
        21 | 29 | 50 | 53 | 55 | 57 | 87 => Meaning::Declined,
        58 | 65 | 70 | 79 | 88 => Meaning::Media,
        25 | 34..=47 | 49 | 63 | 95..=127 => Meaning::Network,
        _ => Meaning::Cleared,
    }
}

/// RFC 3326 §3.1: `SIP;cause=200;text="Call completed elsewhere"`; the rest are the statuses of RFC 3261 §21.
fn of_sip(status: u16) -> Meaning {
    match status {
        200..=299 => Meaning::Elsewhere,
        404 | 408 | 410 | 480 | 484..=486 | 600 | 604 => Meaning::NotReached,
        401..=403 | 407 | 603 | 607 | 608 => Meaning::Declined,
        415 | 488 | 606 => Meaning::Media,
        500..=599 => Meaning::Network,
        _ => Meaning::Cleared,
    }
}

impl FromStr for Reason {
    type Err = NotAReason;

    fn from_str(text: &str) -> Result<Self, NotAReason> {
        let (protocol, params) = text.split_once(';').unwrap_or((text, ""));
        let protocol = protocol.trim_ascii();
        if protocol.is_empty() || protocol.contains(['"', ' ', '\t', ',', '<', '>']) {
            return Err(NotAReason);
        }
        let params = Params::parse(params).map_err(|_| NotAReason)?;
        let protocol = match protocol {
            name if name.eq_ignore_ascii_case("Q.850") => Protocol::Q850,
            name if name.eq_ignore_ascii_case("SIP") => Protocol::Sip,
            name => Protocol::Other(name.to_owned()),
        };
        let cause = params.get("cause").and_then(|cause| cause.parse().ok()).unwrap_or(0);
        let text = params.get("text").filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self { protocol, cause, text })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.protocol {
            Protocol::Q850 => f.write_str("Q.850")?,
            Protocol::Sip => f.write_str("SIP")?,
            Protocol::Other(name) => f.write_str(name)?,
        }
        if self.cause != 0 {
            write!(f, ";cause={}", self.cause)?;
        }
        match &self.text {
            Some(text) => write!(f, ";text=\"{}\"", text.replace(['"', '\\', '\r', '\n'], " ")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(value: &str, expected: &str) {
        let read = Reason::read_all(value);
        let shown: Vec<String> = read.iter().map(|reason| format!("{reason} {:?}", reason.meaning())).collect();
        assert_eq!(shown.join(" | "), expected, "{value}");
    }

    #[test]
    fn reasons_are_read_as_carriers_write_them() {
        check(r#"Q.850;cause=16;text="Normal call clearing""#, r#"Q.850;cause=16;text="Normal call clearing" Cleared"#);
        check("q.850 ; cause=38", "Q.850;cause=38 Network");
        check(
            r#"SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26"#,
            r#"SIP;cause=200;text="Call completed elsewhere" Elsewhere | Q.850;cause=26 Elsewhere"#,
        );
        check("Preemption;cause=1;text=\"a,b;c\"", "Preemption;cause=1;text=\"a,b;c\" Cleared");
    }

    #[test]
    fn causes_are_grouped_by_what_they_mean() {
        for (cause, meaning) in [
            (1, Meaning::NotReached),
            (16, Meaning::Cleared),
            (17, Meaning::NotReached),
            (21, Meaning::Declined),
            (31, Meaning::Cleared),
            (34, Meaning::Network),
            (41, Meaning::Network),
            (88, Meaning::Media),
            (102, Meaning::Network),
            (127, Meaning::Network),
        ] {
            assert_eq!(Reason::q850(cause, "x").meaning(), meaning, "{cause}");
        }
        for (status, meaning) in [
            (200, Meaning::Elsewhere),
            (408, Meaning::NotReached),
            (487, Meaning::Cleared),
            (488, Meaning::Media),
            (503, Meaning::Network),
            (603, Meaning::Declined),
        ] {
            assert_eq!(Reason::sip(status, "x").meaning(), meaning, "{status}");
        }
    }

    #[test]
    fn what_is_no_reason_is_left_out() {
        check("", "");
        check(";cause=16", "");
        check("a b;cause=1, SIP", "SIP Cleared");
        check("Q.850;cause=x", "Q.850 Cleared");
        check("Q.850;cause=99999999", "Q.850 Cleared");
        let many = ["SIP;cause=200"; 9].join(",");
        assert_eq!(Reason::read_all(&many).len(), MAX_REASONS);
    }

    #[test]
    fn a_text_cannot_break_out_of_its_quotes() {
        let shown = Reason::sip(480, "a\"b\r\nVia: x\\").to_string();
        assert_eq!(shown, "SIP;cause=480;text=\"a b  Via: x \"");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC*|(Q.850|SIP)[;,=\"a-z0-9 ]*") {
            for reason in Reason::read_all(&text) {
                let _ = reason.to_string();
            }
        }
    }
}
