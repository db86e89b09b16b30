//! The SIP messages of a call as a file that packet analysers read.

use std::time::{Duration, UNIX_EPOCH};

use sip::endpoint::Transport;
use sip::trace::{Step, pcap};
use store::{SipLadder, SipMessage};

/// A pcap file of a call's messages; what went over TLS is there as over TCP, in the clear.
pub fn pcap_of(ladder: &SipLadder) -> Vec<u8> {
    pcap::file(&ladder.messages.iter().map(step).collect::<Vec<_>>())
}

fn step(message: &SipMessage) -> Step {
    let transport =
        [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().find(|known| known.via_name() == message.transport);
    Step {
        at: UNIX_EPOCH + Duration::from_micros(u64::try_from(message.at.micros()).unwrap_or(0)),
        sent: message.sent,
        transport: transport.unwrap_or(Transport::Udp),
        local: message.local,
        remote: message.remote,
        message: message.text.clone().into_bytes(),
    }
}
