//! Response status codes. The names of the registered codes are rsip's table.

use std::fmt;

/// A response status from 100 to 699, such as [`StatusCode::OK`]; constants can be matched on.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub struct StatusCode(u16);

macro_rules! status_codes {
    ($($name:ident = $code:literal;)*) => {
        $(
            #[doc = concat!("`", stringify!($code), "` (RFC 3261 §21 and the registry of status codes).")]
            pub const $name: Self = Self($code);
        )*
    };
}

impl StatusCode {
    status_codes! {
        TRYING = 100;
        RINGING = 180;
        SESSION_PROGRESS = 183;
        OK = 200;
        ACCEPTED = 202;
        BAD_REQUEST = 400;
        UNAUTHORIZED = 401;
        FORBIDDEN = 403;
        NOT_FOUND = 404;
        METHOD_NOT_ALLOWED = 405;
        NOT_ACCEPTABLE = 406;
        PROXY_AUTHENTICATION_REQUIRED = 407;
        REQUEST_TIMEOUT = 408;
        UNSUPPORTED_MEDIA_TYPE = 415;
        UNSUPPORTED_URI_SCHEME = 416;
        BAD_EXTENSION = 420;
        INTERVAL_TOO_BRIEF = 423;
        INTERVAL_TOO_SMALL = 422;
        FLOW_FAILED = 430;
        USE_IDENTITY_HEADER = 428;
        BAD_IDENTITY_INFO = 436;
        UNSUPPORTED_CREDENTIAL = 437;
        INVALID_IDENTITY_HEADER = 438;
        BAD_INFO_PACKAGE = 469;
        TEMPORARILY_UNAVAILABLE = 480;
        CALL_DOES_NOT_EXIST = 481;
        LOOP_DETECTED = 482;
        TOO_MANY_HOPS = 483;
        BUSY_HERE = 486;
        REQUEST_TERMINATED = 487;
        NOT_ACCEPTABLE_HERE = 488;
        BAD_EVENT = 489;
        REQUEST_PENDING = 491;
        SERVER_INTERNAL_ERROR = 500;
        NOT_IMPLEMENTED = 501;
        SERVICE_UNAVAILABLE = 503;
        SERVER_TIMEOUT = 504;
        VERSION_NOT_SUPPORTED = 505;
        MESSAGE_TOO_LARGE = 513;
        DECLINE = 603;
    }

    /// The code, when it is one from 100 to 699.
    pub fn new(code: u16) -> Option<Self> {
        (100..700).contains(&code).then_some(Self(code))
    }

    /// The number.
    pub fn code(self) -> u16 {
        self.0
    }

    /// 1xx: more will follow.
    pub fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// 2xx.
    pub fn is_success(self) -> bool {
        (200..300).contains(&self.0)
    }

    /// 2xx to 6xx: ends the transaction.
    pub fn is_final(self) -> bool {
        self.0 >= 200
    }

    /// The reason phrase to send: the words of rsip's name for the code, or the class for a code it does not know.
    pub fn reason(self) -> String {
        match rsip::StatusCode::from(self.0) {
            rsip::StatusCode::Other(..) => match self.0 / 100 {
                1 => "Progress".to_owned(),
                2 => "OK".to_owned(),
                3 => "Redirection".to_owned(),
                4 => "Request Failure".to_owned(),
                5 => "Server Failure".to_owned(),
                _ => "Global Failure".to_owned(),
            },
            rsip::StatusCode::OK => "OK".to_owned(),
            known => words(&format!("{known:?}")),
        }
    }
}

/// `BusyHere` -> `Busy Here`.
fn words(name: &str) -> String {
    let mut spaced = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !spaced.is_empty() {
            spaced.push(' ');
        }
        spaced.push(c);
    }
    spaced
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
