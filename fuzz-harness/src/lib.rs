//! What the fuzzer runs: one function of bytes for each target, in which a panic is a find.
//!
//! `fuzz/fuzz_targets` calls them under libFuzzer, the test `smoke` over the committed seeds and changes of these. A new target is
//! a function here, a row in [`TARGETS`], a file in `fuzz_targets` and a folder of seeds (`scripts/fuzz-seeds.py`).

mod calls;
mod dialog;
mod handshakes;
mod jitter;
mod parsers;
#[cfg(test)]
mod smoke;
mod transactions;
#[cfg(feature = "twilio")]
mod twilio;

use std::time::Instant;

pub use calls::endpoint;
pub use dialog::dialog;
pub use handshakes::{dtls, stun};
pub use jitter::jitter;
pub use parsers::{rtcp, rtp, sdp, sip_message};
pub use transactions::transaction;
#[cfg(feature = "twilio")]
pub use twilio::twilio;

/// One target: how it is called, what it does with its input, and the folders of its seeds from the repository's root.
pub struct Target {
    /// Name of the binary in `fuzz_targets`.
    pub name: &'static str,
    /// Panics on a find, and never otherwise.
    pub run: fn(&[u8]),
    /// Where its seeds are.
    pub seeds: &'static [&'static str],
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "dialog", run: dialog, seeds: &["sip/tests/data/rfc4475", "fuzz/seeds/dialog"] },
    Target { name: "dtls", run: dtls, seeds: &["fuzz/seeds/dtls"] },
    Target { name: "endpoint", run: endpoint, seeds: &["fuzz/seeds/endpoint"] },
    Target { name: "jitter", run: jitter, seeds: &["fuzz/seeds/jitter"] },
    Target { name: "rtcp", run: rtcp, seeds: &["fuzz/seeds/rtcp"] },
    Target { name: "rtp", run: rtp, seeds: &["fuzz/seeds/rtp"] },
    Target { name: "sdp", run: sdp, seeds: &["fuzz/seeds/sdp"] },
    Target { name: "sip_message", run: sip_message, seeds: &["sip/tests/data/rfc4475", "sip/tests/data/rfc5118"] },
    Target { name: "stun", run: stun, seeds: &["fuzz/seeds/stun"] },
    Target { name: "transaction", run: transaction, seeds: &["fuzz/seeds/transaction"] },
    #[cfg(feature = "twilio")]
    Target { name: "twilio", run: twilio, seeds: &["fuzz/seeds/twilio"] },
];

/// Where virtual time starts; only differences are looked at.
fn epoch() -> Instant {
    Instant::now()
}
