//! The sections about the process: node, listeners, RTP ports, storage, recording, limits and logs.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use actors::config::{GuardConfig, Network, SrtpPolicy};
use api::{ForwardedHeader, Proxies};

use super::front_door::read_front_door;
use super::reader::Section;
use super::secret::Secret;
use super::services::HttpUrl;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const NODE_NAME: &str = "offhook";
const SPEECH_CACHE_MB: u32 = 64;
const DATA_DIR: &str = "data";
const MAX_CALLS: u32 = 500;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Networks of proxies: each request's address is compared with all of them.
const PROXIES_MAX: usize = 64;
const HTTP_LISTEN: SocketAddr = SocketAddr::new(LOOPBACK, 8080);
const METRICS_LISTEN: SocketAddr = SocketAddr::new(LOOPBACK, 9464);
const RTP_PORTS: PortRange = PortRange { first: 20_000, last: 29_999 };
const RTP_TIMEOUT: Duration = Duration::from_secs(30);
const DATABASE_URL: &str = "sqlite://data/offhook.db";
const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
const LOG_LEVEL: &str = "info";
/// What Homer's own agents call themselves by default.
const HEP_AGENT: u32 = 2001;
const TRACES_PATH: &str = "/v1/traces";
const CALL_DURATION: Duration = Duration::from_secs(7200);
const CALL_WARNING: Duration = Duration::from_secs(60);
const TCP_CONNECTIONS: u32 = 1000;
const TCP_CONNECTIONS_PER_SOURCE: u32 = 250;
const CPU_PERCENT: u32 = 90;
const SESSIONS_PER_ORGANIZATION: u32 = 100;

/// `[node]`: who this process is and how much it takes on.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeConfig {
    /// Name in logs and records; default `offhook`.
    pub name: String,
    /// Where database and recordings lie; default `data` under the working directory.
    pub data_dir: PathBuf,
    /// Speech kept for other calls, under `data_dir`, 0-65536 MB, default 64; 0 keeps none.
    pub speech_cache_mb: u32,
    /// Calls at once, 1-20000, default 500; the next one gets 503 with Retry-After.
    pub max_calls: usize,
    /// How long a drain waits for calls to end before it ends them, 0-86400 s, default 30 s.
    pub drain_timeout: Duration,
}

/// `[http]`: API, Twilio webhooks and streams, health.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpConfig {
    /// TCP address, default 127.0.0.1:8080.
    pub listen: SocketAddr,
    /// Proxies in front of us that are believed about who asked them; default none.
    pub proxies: Proxies,
}

/// `[metrics]`: Prometheus text and health for the operator.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsConfig {
    /// TCP address, default 127.0.0.1:9464.
    pub listen: SocketAddr,
}

/// `[rtp]`: the sockets of the calls' audio.
#[derive(Clone, Debug, PartialEq)]
pub struct RtpConfig {
    /// UDP ports, default 20000-29999: RTP on even ones, RTCP on the next.
    pub ports: PortRange,
    /// A call without any packet for so long is ended, 2-3600 s, default 30 s.
    pub timeout: Duration,
    /// Whether audio is encrypted, default optional.
    pub srtp: SrtpName,
}

/// Whether audio is encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SrtpName {
    /// Never.
    Off,
    /// When the peer wants it.
    Optional,
    /// Always.
    Required,
    /// Always, by handshakes.
    Dtls,
}

impl SrtpName {
    /// As SDP is told.
    pub fn wire(self) -> SrtpPolicy {
        match self {
            Self::Off => SrtpPolicy::Off,
            Self::Optional => SrtpPolicy::Optional,
            Self::Required => SrtpPolicy::Required,
            Self::Dtls => SrtpPolicy::Dtls,
        }
    }
}

/// UDP ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PortRange {
    /// The first port, even.
    pub first: u16,
    /// The last port, odd.
    pub last: u16,
}

impl PortRange {
    /// How many calls fit: each takes an even port and the odd one above it.
    pub fn pairs(self) -> usize {
        (usize::from(self.last) + 1 - usize::from(self.first)) / 2
    }

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a port range (20000-29999)");
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let first: u16 = first.trim().parse().map_err(|_| wrong())?;
        let last: u16 = last.trim().parse().map_err(|_| wrong())?;
        if first < 1024 {
            Err(format!("first port {first} is below 1024"))
        } else if !first.is_multiple_of(2) {
            Err(format!("first port {first} is odd: RTP takes even ports"))
        } else if last.is_multiple_of(2) {
            Err(format!("last port {last} is even: it must be an odd one, for RTCP"))
        } else if last < first {
            Err(format!("last port {last} is below first port {first}"))
        } else {
            Ok(Self { first, last })
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// `[recording]`: whether and how calls are recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordingConfig {
    /// Default `always`.
    pub mode: RecordingMode,
    /// Default `wav`.
    pub format: RecordingFormat,
}

/// Which calls are recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordingMode {
    /// All of them.
    Always,
    /// None.
    Off,
}

/// The file a recording becomes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordingFormat {
    /// Stereo 16-bit WAV at 8 kHz: caller left, agent right.
    Wav,
}

/// `[database]`: where records are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseConfig {
    /// `sqlite://PATH`, the path already placed under `data_dir` when relative, or `postgres://...`. Secret because
    /// it may carry a password.
    pub url: Secret,
}

/// `[limits]`: caps that protect the node from one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitsConfig {
    /// The longest call, 10-86400 s, default 7200 s; then the agent takes leave.
    pub call_duration: Duration,
    /// How long before that the agent says that the time is nearly over, 0-3600 s, default 60 s; 0: it does not.
    pub call_warning: Duration,
    /// How busy the machine's cores may be with new calls still taken, 10-100 %, default 90; 100 takes them always.
    pub cpu_percent: u32,
    /// Sessions that an organization may have open at once, 1-100000, default 100; one more is refused.
    pub sessions_per_organization: u32,
    /// SIP over TCP connections at once, 1-65535, default 1000; the next one is closed.
    pub sip_tcp_connections: usize,
    /// Of them, from one IPv4 address or 64 bits of an IPv6 one, 1-65535, default 250; the next one is closed.
    pub sip_tcp_connections_per_source: usize,
    /// Who may send how much SIP: `sip_known_sources`, `sip_calls_per_source` and those beside them.
    pub front_door: GuardConfig,
}

/// `[telemetry]`: what is logged and how.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryConfig {
    /// Default `pretty`.
    pub log_format: LogFormat,
    /// A level, or directives such as `info,sip=debug`; default `info`.
    pub log_level: String,
    /// The collector that traces go to, by OTLP over HTTP, without `/v1/traces`; unset: no traces.
    pub otlp_endpoint: Option<HttpUrl>,
    /// The share of calls that are traced, 0-1, default 1.
    pub trace_ratio: f64,
    /// Whether the SIP messages of a call are kept with its record, default true.
    pub sip_ladders: bool,
    /// The collector that SIP messages go to by HEP3 over UDP; unset: none.
    pub hep_endpoint: Option<SocketAddr>,
    /// Our number there, default 2001.
    pub hep_agent: u32,
    /// What the collector wants to see, from the variable that `hep_key_env` names; unset: nothing.
    pub hep_key: Option<Secret>,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// One line for people, coloured on a terminal.
    Pretty,
}

pub(super) fn read_node(mut section: Section<'_>) -> NodeConfig {
    let node = NodeConfig {
        name: section.text("name", NODE_NAME),
        data_dir: section.text("data_dir", DATA_DIR).into(),
        speech_cache_mb: section.integer("speech_cache_mb", SPEECH_CACHE_MB, 0..=65_536),
        max_calls: section.integer("max_calls", MAX_CALLS, 1..=20_000) as usize,
        drain_timeout: section.seconds("drain_timeout_s", DRAIN_TIMEOUT, 0..=86_400),
    };
    section.finish();
    node
}

pub(super) fn read_http(mut section: Section<'_>) -> HttpConfig {
    let listen = section.address("listen", HTTP_LISTEN);
    let network = |text: &str| text.parse::<Network>().map_err(|error| format!("{text:?} {error}"));
    let trusted = section.one_or_more("trusted_proxies", &[], network);
    if trusted.len() > PROXIES_MAX {
        section.refuse("trusted_proxies", format!("{} are above {PROXIES_MAX}", trusted.len()));
    }
    let headers = [("x-forwarded-for", ForwardedHeader::XForwardedFor), ("forwarded", ForwardedHeader::Forwarded)];
    let header = section.choice("forwarded_header", ForwardedHeader::XForwardedFor, &headers);
    section.finish();
    HttpConfig { listen, proxies: Proxies { trusted, header } }
}

pub(super) fn read_metrics(mut section: Section<'_>) -> MetricsConfig {
    let listen = section.address("listen", METRICS_LISTEN);
    section.finish();
    MetricsConfig { listen }
}

pub(super) fn read_rtp(mut section: Section<'_>) -> RtpConfig {
    let policies =
        [("off", SrtpName::Off), ("optional", SrtpName::Optional), ("required", SrtpName::Required), ("dtls", SrtpName::Dtls)];
    let rtp = RtpConfig {
        ports: section.parsed("port_range", RTP_PORTS, PortRange::parse),
        timeout: section.seconds("timeout_s", RTP_TIMEOUT, 2..=3600),
        srtp: section.choice("srtp", SrtpName::Optional, &policies),
    };
    section.finish();
    rtp
}

pub(super) fn read_recording(mut section: Section<'_>) -> RecordingConfig {
    let modes = [("always", RecordingMode::Always), ("off", RecordingMode::Off)];
    let recording = RecordingConfig {
        mode: section.choice("mode", RecordingMode::Always, &modes),
        format: section.choice("format", RecordingFormat::Wav, &[("wav", RecordingFormat::Wav)]),
    };
    section.finish();
    recording
}

pub(super) fn read_database(mut section: Section<'_>, data_dir: &Path) -> DatabaseConfig {
    let given = section.has("url");
    let url = section.value("url", DATABASE_URL.to_owned(), |given| {
        let url = given.text().map_err(|_| "is not text (\"...\")")?;
        if url.starts_with("sqlite://") || url.starts_with("postgres://") {
            Ok(url)
        } else {
            Err("must begin with sqlite:// or postgres://".to_owned())
        }
    });
    let url = place_database(&url, data_dir);
    let shown = if url.starts_with("sqlite:") { url.as_str() } else { "set" };
    section.note("url", shown.to_owned(), given, None);
    section.finish();
    DatabaseConfig { url: Secret::new(url) }
}

/// Puts a relative SQLite path under `data_dir`; a leading `data/` stands for that folder itself.
fn place_database(url: &str, data_dir: &Path) -> String {
    match url.strip_prefix("sqlite://") {
        Some(path) if !path.starts_with('/') => {
            let inner = path.strip_prefix("data/").unwrap_or(path);
            format!("sqlite://{}", data_dir.join(inner).display())
        }
        _ => url.to_owned(),
    }
}

pub(super) fn read_limits(mut section: Section<'_>) -> LimitsConfig {
    let limits = LimitsConfig {
        call_duration: section.seconds("call_duration_s", CALL_DURATION, 10..=86_400),
        call_warning: section.seconds("call_warning_s", CALL_WARNING, 0..=3_600),
        cpu_percent: section.integer("cpu_percent", CPU_PERCENT, 10..=100),
        sessions_per_organization: section.integer("sessions_per_organization", SESSIONS_PER_ORGANIZATION, 1..=100_000),
        sip_tcp_connections: section.integer("sip_tcp_connections", TCP_CONNECTIONS, 1..=65_535) as usize,
        sip_tcp_connections_per_source: section.integer("sip_tcp_connections_per_source", TCP_CONNECTIONS_PER_SOURCE, 1..=65_535)
            as usize,
        front_door: read_front_door(&mut section),
    };
    section.finish();
    limits
}

/// `headers` is what the collector's variable of that name holds, when it is set; `variable` looks a name up in the environment.
pub(super) fn read_telemetry(
    mut section: Section<'_>,
    headers: Option<(&str, Secret)>,
    variable: impl Fn(&str) -> Option<Secret>,
) -> TelemetryConfig {
    let formats = [("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];
    let telemetry = TelemetryConfig {
        log_format: section.choice("log_format", LogFormat::Pretty, &formats),
        log_level: section.parsed("log_level", LOG_LEVEL.to_owned(), |text| {
            // The filter itself takes any word for the name of a module, and then logs nothing at all.
            let level = |part: &str| LOG_LEVELS.contains(&part.rsplit('=').next().unwrap_or(part).trim());
            match tracing_subscriber::EnvFilter::try_new(text) {
                Ok(_) if text.split(',').all(level) => Ok(text.to_owned()),
                _ => Err(format!("{text:?} is not a level (info) or a filter (info,sip=debug)")),
            }
        }),
        otlp_endpoint: section.optional("otlp_endpoint", |text| match HttpUrl::parse(text)? {
            url if url.as_str().ends_with(TRACES_PATH) => Err(format!("{TRACES_PATH} is added by itself: leave it out")),
            url => Ok(url),
        }),
        trace_ratio: section.number("trace_ratio", 1.0, 0.0..=1.0),
        sip_ladders: section.flag("sip_ladders", true),
        hep_endpoint: section
            .optional("hep_endpoint", |text| text.parse().map_err(|_| format!("{text:?} is not an address (ip:port)"))),
        hep_agent: section.integer("hep_agent", HEP_AGENT, 0..=u32::MAX),
        hep_key: section.optional("hep_key_env", |name| Ok::<_, String>(name.to_owned())).and_then(|name| variable(&name)),
    };
    if let Some((variable, headers)) = headers
        && !are_headers(headers.expose())
    {
        section.reader.refuse(variable, "is not a list of headers (name=value,name=value)");
    }
    section.finish();
    telemetry
}

/// Whether a text is `name=value,...`. The exporter reads it by itself and would leave out what it does not understand.
fn are_headers(text: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split(',').filter(|item| !item.trim().is_empty()).all(|item| {
        let parts = item.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        parts.is_some_and(|(key, value)| !key.is_empty() && key.chars().all(name) && !value.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::place_database;
    use std::path::Path;

    #[test]
    fn a_relative_database_lies_under_the_data_folder() {
        let placed = |url| place_database(url, Path::new("other"));
        assert_eq!(placed("sqlite://data/offhook.db"), "sqlite://other/offhook.db");
        assert_eq!(placed("sqlite://calls.db"), "sqlite://other/calls.db");
        assert_eq!(placed("sqlite:///var/calls.db"), "sqlite:///var/calls.db");
        assert_eq!(placed("postgres://data/x"), "postgres://data/x");
    }
}
