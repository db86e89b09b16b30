//! SIPp as the caller of a scenario of `load-tests/sipp`: its exit code and its counts say whether each call went as scripted.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::{Command, Stdio};

use super::support::callee::speech_in_g711;
use super::support::{Folder, Server};

/// One run of a scenario of `load-tests/sipp`.
pub struct Sipp<'a> {
    pub server: &'a Server,
    pub user: &'a str,
    /// As SIPp has it: `u1` is UDP, `t1` is one TCP connection for all calls.
    pub transport: &'a str,
}

impl Sipp<'_> {
    /// Runs `calls` calls at once and checks that each went as scripted, by SIPp's exit code and by its counts.
    pub fn run(&self, scenario: &str, calls: u32) {
        self.run_with(scenario, calls, &[]);
    }

    /// The same without SIPp's own sense of what is a repeat: the scenario has a line for each message, and one more is a fault.
    pub fn run_counting(&self, scenario: &str, calls: u32) {
        self.run_with(scenario, calls, &["-nr"]);
    }

    fn run_with(&self, scenario: &str, calls: u32, more: &[&str]) {
        let folder = Folder::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("load-tests/sipp/{scenario}.xml"));
        std::fs::write(folder.path().join("speech.ul"), speech_in_g711()).unwrap();
        let calls = calls.to_string();
        let output = Command::new("sipp")
            .arg(self.server.sip.to_string())
            .arg("-sf")
            .arg(script)
            .args(["-s", self.user, "-t", self.transport, "-m", &calls, "-l", &calls, "-r", "20"])
            .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-timeout", "60", "-timeout_error", "-nostdin"])
            .args(more)
            .args(["-trace_err", "-error_file", "errors", "-trace_stat", "-stf", "counts"])
            .args(["-trace_msg", "-message_file", "messages"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("sipp is installed (Debian: sip-tester)");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let told = || format!("{scenario}: {}\n{}\n{}", read("errors"), read("messages"), self.server.log());
        assert_eq!(output.status.code(), Some(0), "{}", told());
        let counts = std::fs::read_to_string(folder.path().join("counts")).unwrap();
        let count = |column| last(&counts, column);
        assert_eq!([count("SuccessfulCall(C)"), count("FailedCall(C)")], [calls.as_str(), "0"], "{scenario}");
        assert_eq!(count("Retransmissions(C)"), "0", "{scenario}: nothing is lost on loopback, and nothing is late");
    }
}

/// The last row's value of a column.
fn last<'a>(counts: &'a str, column: &str) -> &'a str {
    let place = counts.lines().next().unwrap().split(';').position(|name| name == column).unwrap();
    counts.lines().last().unwrap().split(';').nth(place).unwrap()
}
