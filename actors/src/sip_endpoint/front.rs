//! The front door of all sockets: what the guard says of a message is done and counted here, before anything waits for the endpoint.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use sip::endpoint::Flow;
use sip::guard::{Guard, GuardConfig, Unwanted, Verdict};

use super::SipMsg;

/// The guard of an endpoint. The lock is held for a look at two tables, by tasks of one actor.
#[derive(Debug)]
pub(super) struct Front(Mutex<Guard>);

impl Front {
    pub fn new(config: GuardConfig) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Guard::new(Instant::now(), config))))
    }

    /// What the endpoint is told of a message, if anything.
    pub fn letter(&self, flow: Flow, message: &[u8], bytes: impl FnOnce() -> Bytes) -> Option<SipMsg> {
        let verdict = self.lock().judge(Instant::now(), flow.remote.ip(), message);
        let reason = match verdict {
            Verdict::Pass => return Some(SipMsg::Received { flow, bytes: bytes() }),
            Verdict::Shed => "shed",
            Verdict::Drop(Unwanted::CallFlood) => "call_flood",
            Verdict::Drop(Unwanted::MessageFlood) => "message_flood",
            Verdict::Drop(Unwanted::Scanner) => "scanner",
            Verdict::Drop(Unwanted::Silenced) => "silenced",
        };
        metrics::counter!("offhook_sip_rejected_total", "reason" => reason).increment(1);
        (verdict == Verdict::Shed).then(|| SipMsg::Shed { flow, bytes: bytes() })
    }

    /// A dialog is up: what belongs to its call passes.
    pub fn learn_call(&self, call_id: &str) {
        self.lock().learn_call(call_id);
    }

    /// A dialog is over.
    pub fn forget_call(&self, call_id: &str) {
        self.lock().forget_call(call_id);
    }

    /// Somebody called a number that nobody has.
    pub fn count_probe(&self, from: IpAddr) {
        self.lock().count_probe(Instant::now(), from);
    }

    fn lock(&self) -> MutexGuard<'_, Guard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
