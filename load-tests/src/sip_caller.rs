//! Virtual callers over SIP and RTP.
//!
//! ```text
//! tokio loop:    sip::Endpoint over one socket, places calls, hangs up        -- Start, Stop -->
//! media thread:  every 5 ms a quarter of the calls: send 20 ms, read what came --- Outcome ---->
//! ```
//! One thread paces all RTP, so the generator costs little beside the server on the same machine. What came is read once
//! in 20 ms, and its arrival is told by the kernel's receive time, not by when it was read.

mod line;
mod media;
mod signalling;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::caller::Caller;
use crate::impair::Impairments;
use crate::plan::Plan;
use crate::process::Watch;
use crate::report::Report;

/// A run of SIP calls.
#[derive(Clone, Debug)]
pub struct SipLoad {
    /// The server's SIP address.
    pub target: SocketAddr,
    /// How messages travel.
    pub transport: SipTransport,
    /// User part that is called.
    pub to: String,
    /// User part that calls.
    pub from: String,
    /// Bounds of the run.
    pub plan: Plan,
    /// What the callers do.
    pub caller: Caller,
    /// The path of what they send.
    pub impairments: Impairments,
    /// Where one call's audio is written: left what the caller sent, right what came back, from the answer on.
    pub save_wav: Option<PathBuf>,
}

/// How SIP messages travel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SipTransport {
    /// One connection for all calls.
    Tcp,
    /// One socket for all calls.
    #[default]
    Udp,
}

impl SipLoad {
    /// Places the calls and waits for the last to end.
    ///
    /// # Errors
    /// When the plan is out of bounds or a socket, the WAV file or the server's process cannot be opened. Calls that
    /// fail are no error: they are counted in the report.
    pub async fn run(self) -> anyhow::Result<Report> {
        self.plan.check()?;
        self.caller.check()?;
        ensure!(self.save_wav.is_none() || self.plan.calls == 1, "save-wav is for one call, not {}", self.plan.calls);
        let watch = self.plan.server_pid.map(Watch::start).transpose()?;
        let wire = wire::Wire::open(self.target, self.transport).await?;
        let start = Instant::now();
        let (commands, inbox) = mpsc::channel();
        let media = media::Media::new(start, &self);
        let thread = std::thread::Builder::new().name("media".to_owned()).spawn(move || media.run(&inbox))?;
        let mut report = signalling::Signalling::new(&self, wire, commands, watch).run().await?;
        let outcome = thread.join().ok().context("the media thread panicked")??;
        report.measures = outcome.measures;
        for _ in 0..outcome.silent {
            report.fail("answered, but no audio came");
        }
        Ok(report)
    }
}
