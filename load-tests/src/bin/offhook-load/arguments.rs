//! The command line and what it asks for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use load_tests::caller::Caller;
use load_tests::impair::Impairments;
use load_tests::monitor::Watching;
use load_tests::mouth::{Manner, Voice};
use load_tests::plan::{CONCURRENCY_MAX, Plan, Reach, Shape};
use load_tests::sip_caller::{ANSWER_WITHIN, CALLS_PER_SOCKET, G711, SipLoad, SipTransport};
use load_tests::slo::Slo;
use load_tests::speech::Recording;
use load_tests::twilio_caller::TwilioLoad;
use load_tests::ws_caller::WsLoad;
use sip::sdp::Codec;

use super::api::Api;

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
    /// Calls over the session WebSocket
    Ws(Ws),
    /// Requests to the API, reads and writes mixed
    Api(Api),
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
    /// The one codec that a caller offers; of several each caller takes the next. Without it PCMU and PCMA are offered
    #[arg(long, value_delimiter = ',')]
    codec: Vec<CodecName>,
    /// Encrypt audio: RTP/SAVP with keys in the SDP
    #[arg(long)]
    srtp: bool,
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
    /// Calls on one RTP socket; 1 for a server that sends from one port to all
    #[arg(long, default_value_t = CALLS_PER_SOCKET)]
    calls_per_socket: usize,
    /// A call that is not answered after so many seconds is cancelled and counts as failed
    #[arg(long, default_value_t = ANSWER_WITHIN.as_secs())]
    answer_within: u64,
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

#[derive(Args)]
pub struct Ws {
    #[command(flatten)]
    pub common: Common,
    /// The server's HTTP address, as http://HOST:PORT
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    target: String,
    /// Assistant to talk to
    #[arg(long)]
    assistant: Option<String>,
    /// Environment variable that holds the API key
    #[arg(long)]
    api_key_env: Option<String>,
}

#[derive(Args, Clone)]
pub struct Common {
    /// Calls to place; with --soak: calls to keep up
    #[arg(long, default_value_t = 1)]
    calls: u64,
    /// Calls up at once; further ones wait [default: as many as calls, at most 10000]
    #[arg(long)]
    concurrency: Option<u64>,
    /// New calls a second
    #[arg(long, default_value_t = 10.0)]
    rate: f64,
    /// How long a call lasts after its answer, seconds; with --soak: half to one and a half times this
    #[arg(long, default_value_t = 20.0)]
    hold: f64,
    /// A ramp: so many calls up in each step, as 1,10,50,100; one row of figures a step
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["concurrency", "soak"])]
    ramp: Vec<u64>,
    /// Length of each step of a ramp
    #[arg(long, default_value_t = 30.0)]
    step_seconds: f64,
    /// End a ramp at the first step that misses an objective
    #[arg(long, requires = "ramp")]
    stop_on_miss: bool,
    /// A soak: calls up all the time for so long (90s, 30m, 2h), one that ends is followed by another
    #[arg(long, value_parser = duration, conflicts_with = "concurrency")]
    soak: Option<Duration>,
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
    /// Measure CPU and memory of this process of the provider simulator
    #[arg(long)]
    sim_pid: Option<u32>,
    /// Where the server's metrics are, HOST:PORT: its tasks are watched
    #[arg(long, requires = "server_pid")]
    metrics: Option<String>,
    /// An objective, NAME=VALUE, as response_gap_p95=520ms, failed=0, mos_p50=4.2; may be repeated. A missed one makes the exit code 3
    #[arg(long = "slo")]
    slos: Vec<Slo>,
    /// Write the report as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Write the report as Markdown, with plots as SVG files beside it
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// Do not tell on the terminal how the run goes
    #[arg(long)]
    quiet: bool,
    /// Tell the one call as it happens
    #[arg(long)]
    narrate: bool,
    /// Exit with 0 even when calls failed
    #[arg(long)]
    pub allow_failures: bool,
    /// Exit with 0 even when the server turned calls away because it is full
    #[arg(long)]
    pub allow_rejected: bool,
    /// Call a server that is not on this machine: only one of your own
    #[arg(long)]
    i_own_the_target: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum CodecName {
    Pcmu,
    Pcma,
    G722,
    Opus,
}

impl From<CodecName> for Codec {
    fn from(name: CodecName) -> Self {
        match name {
            CodecName::Pcmu => Self::Pcmu,
            CodecName::Pcma => Self::Pcma,
            CodecName::G722 => Self::G722,
            CodecName::Opus => Self::Opus,
        }
    }
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
            offers: if self.codec.is_empty() {
                vec![G711.to_vec()]
            } else {
                self.codec.iter().map(|&name| vec![name.into()]).collect()
            },
            srtp: self.srtp,
            to: self.to,
            from: self.from,
            plan: self.common.plan()?,
            caller: self.common.caller()?,
            watching: self.common.watching().await?,
            calls_per_socket: self.calls_per_socket,
            answer_within: Duration::from_secs(self.answer_within),
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
        Ok(TwilioLoad {
            target: self.common.resolve_url(url).await?,
            public_url: self.public_url.as_deref().unwrap_or(url).trim_end_matches('/').to_owned(),
            to: self.to,
            from: self.from,
            auth_token: self.auth_token,
            plan: self.common.plan()?,
            caller: self.common.caller()?,
            watching: self.common.watching().await?,
        })
    }
}

impl Ws {
    /// What to run.
    pub async fn load(self) -> anyhow::Result<WsLoad> {
        let key = |name: &String| std::env::var(name).with_context(|| format!("api-key-env: {name} is not in the environment"));
        Ok(WsLoad {
            target: self.common.resolve_url(&self.target).await?,
            assistant_id: self.assistant,
            api_key: self.api_key_env.as_ref().map(key).transpose()?,
            plan: self.common.plan()?,
            caller: self.common.caller()?,
            watching: self.common.watching().await?,
        })
    }
}

impl Common {
    async fn resolve_url(&self, url: &str) -> anyhow::Result<SocketAddr> {
        let host = url.trim_end_matches('/').strip_prefix("http://");
        self.reach().resolve(host.with_context(|| format!("target {url}: want http://HOST:PORT"))?).await
    }

    fn reach(&self) -> Reach {
        if self.i_own_the_target { Reach::OwnedTarget } else { Reach::Loopback }
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        let hold = seconds("hold", self.hold)?;
        let shape = match self.soak {
            Some(length) => Shape::Soak { up: self.calls, length },
            None if !self.ramp.is_empty() => {
                Shape::Ramp { steps: self.ramp.clone(), length: seconds("step-seconds", self.step_seconds)? }
            }
            None => Shape::Calls { calls: self.calls, concurrency: self.concurrency.unwrap_or(self.calls.min(CONCURRENCY_MAX)) },
        };
        Ok(Plan { shape, rate: self.rate, hold, seed: self.seed, narrate: self.narrate })
    }

    async fn watching(&self) -> anyhow::Result<Watching> {
        let metrics = match &self.metrics {
            Some(address) => Some(self.reach().resolve(address).await?),
            None => None,
        };
        Ok(Watching {
            server_pid: self.server_pid,
            sim_pid: self.sim_pid,
            metrics,
            progress: !self.quiet && !self.narrate,
            slos: self.slos.clone(),
            stop_on_miss: self.stop_on_miss,
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

fn seconds(name: &str, value: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(value).with_context(|| format!("{name} {value} is no time"))
}

/// `90s`, `30m`, `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let found = units.iter().find_map(|(unit, seconds)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * seconds));
    found.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(|| "want a time as 90s, 30m or 2h".to_owned())
}

fn share(name: &str, percent: f64) -> anyhow::Result<f64> {
    ensure!((0.0..=100.0).contains(&percent), "{name} {percent} is not within 0 to 100 percent");
    Ok(percent / 100.0)
}
