//! Virtual callers over SIP and RTP.
//!
//! ```text
//! tokio loop:    sip::Endpoint over one socket, places calls, hangs up        -- Start, Stop -->
//! media thread:  every 5 ms: read what came, a quarter of the calls send 20 ms --- Window, Outcome ---->
//! ```
//! One thread paces all RTP over a few sockets in batches, so the generator costs little beside the server on the same
//! machine. The arrival of what came is told by the kernel's receive time, not by when it was read.

mod carriage;
mod line;
mod lines;
mod media;
mod ports;
mod signalling;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sip::sdp::Codec;

use crate::caller::Caller;
use crate::impair::Impairments;
use crate::monitor::{Monitor, Watching};
use crate::plan::Plan;
use crate::report::Report;

/// Calls on one RTP socket by default: its buffer holds what they get in 170 ms and more, should this process stall.
pub const CALLS_PER_SOCKET: usize = 64;
/// Most calls on one RTP socket: more gain nothing.
const CALLS_PER_SOCKET_MAX: usize = 1_024;

/// What is offered by default.
pub const G711: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

/// How long a call may be unanswered by default: then the caller gives up, as people do.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A run of SIP calls.
#[derive(Clone, Debug)]
pub struct SipLoad {
    /// The server's SIP address.
    pub target: SocketAddr,
    /// How messages travel.
    pub transport: SipTransport,
    /// What is offered, the best first, to one caller after the other; [`G711`] is what every telephone has.
    pub offers: Vec<Vec<Codec>>,
    /// Whether audio is encrypted, with keys in the SDP; a server that does not agree fails the call.
    pub srtp: bool,
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
    /// What is watched beside them.
    pub watching: Watching,
    /// Calls on one RTP socket; 1 gives each its own, which a server needs that sends from one port to all.
    pub calls_per_socket: usize,
    /// A call that is not answered so soon is cancelled and counts as failed.
    pub answer_within: Duration,
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
        let one = self.plan.asked() == Some(1);
        ensure!(self.save_wav.is_none() || one, "save-wav is for one call");
        let most = CALLS_PER_SOCKET_MAX;
        ensure!(!self.offers.is_empty(), "no codec to offer");
        ensure!((1..=most).contains(&self.calls_per_socket), "{} calls a socket are not 1 to {most}", self.calls_per_socket);
        let start = Instant::now();
        let monitor = Monitor::start(start, &self.plan, &self.watching)?;
        let wire = wire::Wire::open(self.target, self.transport).await?;
        let (commands, inbox) = mpsc::channel();
        let (windows, heard) = mpsc::channel();
        let media = media::Media::new(start, &self, windows);
        let thread = std::thread::Builder::new().name("media".to_owned()).spawn(move || media.run(&inbox))?;
        let media = signalling::MediaEnds { commands, heard };
        let mut over = signalling::Signalling::new(&self, start, wire, media, monitor).run().await?;
        let outcome = thread.join().ok().context("the media thread panicked")??;
        let launches = std::mem::take(&mut over.report.measures.generator.launch_lateness_ms);
        over.report.measures = outcome.measures;
        over.report.measures.generator.launch_lateness_ms = launches;
        for _ in 0..outcome.silent {
            over.report.fail("answered, but no audio came");
        }
        Ok(over.finish())
    }
}
