//! What of the signalling may be shown: messages without their secrets, for people ([`Step`]), for Homer ([`hep`]) and for packet
//! analysers ([`pcap`]).

pub mod hep;
mod mask;
pub mod pcap;

use std::net::SocketAddr;
use std::time::SystemTime;

pub use mask::masked;

use crate::flow::Transport;

/// One message as it came or went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// When.
    pub at: SystemTime,
    /// Whether we sent it.
    pub sent: bool,
    /// By which transport.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// The message, [`masked`], perhaps cut.
    pub message: Vec<u8>,
}

impl Step {
    /// From whom to whom.
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        if self.sent { (self.local, self.remote) } else { (self.remote, self.local) }
    }
}

/// The Call-ID of a message, which need not be one; what is above 256 bytes is none of a call that we keep.
pub fn call_id(message: &[u8]) -> Option<&str> {
    const MAX: usize = 256;
    let head = message.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(message, |end| &message[..end]);
    let line = head.split(|&byte| byte == b'\n').find_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = line[..colon].trim_ascii();
        (name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i")).then(|| line[colon + 1..].trim_ascii())
    })?;
    std::str::from_utf8(line).ok().filter(|id| (1..=MAX).contains(&id.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_id_is_found_in_either_form_and_not_in_the_body() {
        let id = |head: &str| call_id(head.as_bytes()).unwrap_or("-").to_owned();
        assert_eq!(id("BYE sip:a SIP/2.0\r\nCALL-ID :  one@host \r\nTo: b\r\n\r\n"), "one@host");
        assert_eq!(id("SIP/2.0 200 OK\r\ni:two\r\n\r\n"), "two");
        assert_eq!(id("INFO sip:a SIP/2.0\r\nTo: b\r\n\r\nCall-ID: three\r\n"), "-");
        assert_eq!(id(&format!("BYE sip:a SIP/2.0\r\nCall-ID: {}\r\n\r\n", "x".repeat(257))), "-");
        assert_eq!(call_id(b"i:\xff\r\n\r\n"), None);
        assert_eq!(call_id(b""), None);
    }
}
