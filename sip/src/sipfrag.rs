//! Pieces of messages that tell how far a transfer is: `message/sipfrag` (RFC 3420).

use crate::message::StatusCode;

/// Its body type, with the version that RFC 3420 §2 gives it.
pub const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// The status line of a body; `None` when it does not begin with one.
pub fn read(body: &[u8]) -> Option<StatusCode> {
    let line = body.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.trim_ascii().is_empty())?;
    let mut words = line.trim_ascii().split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    if !words.next()?.eq_ignore_ascii_case(b"SIP/2.0") {
        return None;
    }
    let code = std::str::from_utf8(words.next()?).ok()?;
    StatusCode::new(code.parse().ok().filter(|_| code.len() == 3)?)
}

/// A body that tells this status.
pub fn write(status: StatusCode) -> String {
    format!("SIP/2.0 {status} {}\r\n", status.reason())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(body: &str, expected: Option<u16>) {
        assert_eq!(read(body.as_bytes()).map(StatusCode::code), expected, "{body:?}");
    }

    #[test]
    fn status_lines_are_read_as_peers_write_them() {
        check("SIP/2.0 100 Trying\r\n", Some(100));
        check("SIP/2.0 200 OK", Some(200));
        check("\r\n  sip/2.0  603 \r\nContact: <sip:x>\r\n", Some(603));
        check("SIP/2.0 503 Service Unavailable\nTo: x", Some(503));
        assert_eq!(write(StatusCode::TRYING), "SIP/2.0 100 Trying\r\n");
    }

    #[test]
    fn what_is_no_status_line_is_nothing() {
        for body in [
            "",
            "\r\n",
            "SIP/2.0",
            "SIP/2.0 99 X",
            "SIP/2.0 0200 OK",
            "SIP/2.0 +20 OK",
            "INVITE sip:x SIP/2.0",
            "HTTP/1.1 200 OK",
        ] {
            check(body, None);
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_harm(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&body);
        }

        #[test]
        fn what_is_written_is_read(code in 100u16..700) {
            let status = StatusCode::new(code).expect("in range");
            prop_assert_eq!(read(write(status).as_bytes()), Some(status));
        }
    }
}
