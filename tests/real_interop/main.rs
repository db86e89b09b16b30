//! Others between us and the caller, and another softphone: a proxy that stays on the way, and linphone.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/peer.rs"]
mod peer;

mod collector;
mod kamailio;
mod linphone;

use std::time::Duration;

use store::CallRecord;
use support::Server;

/// The records, when as many calls as these have ended; `log` is shown when they do not.
fn ended(server: &Server, calls: usize, log: impl Fn() -> String) -> Vec<CallRecord> {
    let (runtime, database) = server.database();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let records = runtime.block_on(database.list_calls(10, None)).unwrap();
        if records.iter().filter(|record| record.cause.is_some()).count() == calls {
            return records;
        }
        assert!(std::time::Instant::now() < deadline, "{calls} calls did not end\n{}\n{}", log(), server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}
