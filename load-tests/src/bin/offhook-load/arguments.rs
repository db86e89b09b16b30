//! The command line and what it asks for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use load_tests::caller::Caller;
use load_tests::impair::Impairments;
use load_tests::mouth::{Manner, Voice};
use load_tests::plan::{Plan, Reach};
use load_tests::sip_caller::{SipLoad, SipTransport};
use load_tests::speech::Recording;
use load_tests::twilio_caller::TwilioLoad;

/// Places virtual calls and measures what comes back. Bounded, and for servers on this machine only.
#[derive(Parser)]
#[command(name = "offhook-load", version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Calls over SIP with RTP
    Sip(Sip),
    /// Calls over Twilio's webhooks and Media Streams
    Twilio(Twilio),
}

#[derive(Args)]
pub struct Sip {
    #[command(flatten)]
    pub common: Common,
    /// The server's SIP address, HOST:PORT
    #[arg(long, default_value = "127.0.0.1:5060")]
    target: String,
    /// How messages travel
    #[arg(long, default_value = "udp")]
    transport: TransportName,
    /// User that is called
    #[arg(long, default_value = "demo")]
    to: String,
    /// User that calls
    #[arg(long, default_value = "caller")]
    from: String,
    /// Share of sent RTP packets that are lost, percent
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Sent RTP packets are held back by a random time up to this
    #[arg(long, default_value_t = 0)]
    jitter_ms: u64,
    /// Share of sent RTP packets that are overtaken by the next, percent
    #[arg(long, default_value_t = 0.0)]
    reorder: f64,
    /// Write the audio of the one call: left what the caller sent, right what came back
    #[arg(long)]
    save_wav: Option<PathBuf>,
}

#[derive(Args)]
pub struct Twilio {
    #[command(flatten)]
    pub common: Common,
    /// The server's HTTP address, as http://HOST:PORT
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    target: String,
    /// The URL that the server believes to have, over which webhooks are signed; the target when not given
    #[arg(long)]
    public_url: Option<String>,
    /// Signs the requests
    #[arg(long)]
    auth_token: Option<String>,
    /// Number that is called
    #[arg(long, default_value = "+15550100000")]
    to: String,
    /// Number that calls
    #[arg(long, default_value = "+15550199999")]
    from: String,
}

#[derive(Args, Clone)]
pub struct Common {
    /// Calls to place
    #[arg(long, default_value_t = 1)]
    calls: u64,
    /// Calls up at once; further ones wait [default: as many as calls, at most 2000]
    #[arg(long)]
    concurrency: Option<u64>,
    /// New calls a second
    #[arg(long, default_value_t = 10.0)]
    rate: f64,
    /// How long a call lasts after its answer, seconds
    #[arg(long, default_value_t = 20.0)]
    hold: f64,
    /// What the callers say: a WAV file, 8 kHz mono 16 bit [default: a sentence in four parts]
    #[arg(long)]
    audio: Option<PathBuf>,
    /// When the callers speak
    #[arg(long, default_value = "turns")]
    say: MannerName,
    /// Put marks into the callers' speech, to measure delay to an answer that echoes
    #[arg(long)]
    marks: bool,
    /// Speak up while the agent speaks; short for --say barge-in
    #[arg(long, conflicts_with = "say")]
    barge_in: bool,
    /// DTMF keys to press, from a second after the answer
    #[arg(long, default_value = "")]
    dtmf: String,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Measure CPU and memory of this process of the server
    #[arg(long)]
    server_pid: Option<u32>,
    /// Write the report as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Tell the one call as it happens
    #[arg(long)]
    narrate: bool,
    /// Exit with 0 even when calls failed
    #[arg(long)]
    pub allow_failures: bool,
    /// Call a server that is not on this machine: only one of your own
    #[arg(long)]
    i_own_the_target: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum TransportName {
    Tcp,
    Udp,
}

#[derive(Clone, Copy, ValueEnum)]
enum MannerName {
    /// One utterance, then listen to the answer
    Turns,
    /// As turns, but speak up while the agent speaks
    BargeIn,
    /// The whole recording over and over
    Continuous,
    /// The whole recording once, after the greeting
    Once,
    /// Nothing
    Silent,
}

impl Sip {
    /// What to run.
    pub async fn load(self) -> anyhow::Result<SipLoad> {
        Ok(SipLoad {
            target: self.common.reach().resolve(&self.target).await?,
            transport: match self.transport {
                TransportName::Tcp => SipTransport::Tcp,
                TransportName::Udp => SipTransport::Udp,
            },
            to: self.to,
            from: self.from,
            plan: self.common.plan()?,
            caller: self.common.caller()?,
            impairments: Impairments {
                loss: share("loss", self.loss)?,
                jitter: Duration::from_millis(self.jitter_ms),
                reorder: share("reorder", self.reorder)?,
            },
            save_wav: self.save_wav,
        })
    }
}

impl Twilio {
    /// What to run.
    pub async fn load(self) -> anyhow::Result<TwilioLoad> {
        let url = self.target.trim_end_matches('/');
        let host = url.strip_prefix("http://").with_context(|| format!("target {url}: want http://HOST:PORT"))?;
        Ok(TwilioLoad {
            target: self.common.reach().resolve(host).await?,
            public_url: self.public_url.as_deref().unwrap_or(url).trim_end_matches('/').to_owned(),
            to: self.to,
            from: self.from,
            auth_token: self.auth_token,
            plan: self.common.plan()?,
            caller: self.common.caller()?,
        })
    }
}

impl Common {
    fn reach(&self) -> Reach {
        if self.i_own_the_target { Reach::OwnedTarget } else { Reach::Loopback }
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        let hold = Duration::try_from_secs_f64(self.hold).with_context(|| format!("hold {} is no time", self.hold))?;
        Ok(Plan {
            calls: self.calls,
            concurrency: self.concurrency.unwrap_or(self.calls.min(load_tests::plan::CONCURRENCY_MAX)),
            rate: self.rate,
            hold,
            seed: self.seed,
            server_pid: self.server_pid,
            narrate: self.narrate,
        })
    }

    fn caller(&self) -> anyhow::Result<Caller> {
        let manner = match self.say {
            _ if self.barge_in => Manner::BargeIn,
            MannerName::Turns => Manner::Turns,
            MannerName::BargeIn => Manner::BargeIn,
            MannerName::Continuous => Manner::Continuous,
            MannerName::Once => Manner::Once,
            MannerName::Silent => Manner::Silent,
        };
        let recording = self.audio.as_deref().map_or_else(Recording::built_in, Recording::read)?;
        let voice = Arc::new(Voice::new(recording));
        Ok(Caller { voice, manner, marks: self.marks, keys: self.dtmf.clone() })
    }
}

fn share(name: &str, percent: f64) -> anyhow::Result<f64> {
    ensure!((0.0..=100.0).contains(&percent), "{name} {percent} is not within 0 to 100 percent");
    Ok(percent / 100.0)
}
