//! What a node is told, as plain values: `src/` fills these from the file, nothing here reads one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ai::cascade::CascadeConfig;
use ai::engine::Words;
use ai::offline::OfflineConfig;
use ai::prompt::Prompt;
use ai::realtime::RealtimeConfig;
pub use ai::redact::Redaction;
use ai::remark::Phrases;
use ai::stream::Bot;
use ai::tools::toolbox::Toolbox;
pub use media::ambience::{Ambience, Surroundings};
pub use media::jitter::JitterConfig;
pub use media::turn::{Eagerness, Interruptions, TurnConfig};
pub use media::units::{Dbov, SampleRate};
pub use media::vad::VadConfig;
pub use sip::guard::{GuardConfig, Network};
pub use sip::sdp::{Codec, SrtpPolicy};
pub use sip::uri::Uri;
use store::OrganizationId;

pub use crate::directory::{Answering, Directory, NumberRow};
use crate::identity::IdentityConfig;
use crate::recall::CallerMemory;
pub use crate::route::DirectPeer;
pub use crate::spend::{AtCap, SpendConfig};
use crate::trace::TraceSink;
pub use crate::trunk::config::{TlsIdentity, TrunkConfig};
pub use crate::webrtc::WebRtcConfig;
use crate::webrtc::WebRtcPort;

/// One node.
#[derive(Debug)]
pub struct NodeConfig {
    /// Name on records: a crash is told by the records that this name left open.
    pub name: String,
    /// Folder under which recordings lie.
    pub data_dir: PathBuf,
    /// Calls at once; beyond, new ones are told to come back.
    pub max_calls: usize,
    /// Longest call; the agent takes leave then.
    pub max_call: Duration,
    /// How long before that the agent says that the time is nearly over; zero: it does not.
    pub call_warning: Duration,
    /// Busy share of the machine's cores above which new calls are refused, 0 to 1; 1 refuses none.
    pub cpu_max: f64,
    /// How long calls may go on after a drain was asked for.
    pub drain_timeout: Duration,
    /// SIP.
    pub sip: SipConfig,
    /// Carriers.
    pub trunks: Vec<TrunkConfig>,
    /// What calls of ours may cost.
    pub spend: SpendConfig,
    /// What is kept and shown of its messages.
    pub watch: WatchConfig,
    /// RTP.
    pub rtp: RtpConfig,
    /// The port of browsers' calls, open; `None`: there are none.
    pub webrtc: Option<Arc<WebRtcPort>>,
    /// Jitter buffer tuning, for all RTP legs.
    pub jitter: JitterConfig,
    /// VAD tuning, for all legs.
    pub vad: VadConfig,
    /// Whether calls are recorded.
    pub recording: RecordingMode,
    /// Bytes of speech kept for other calls, under the data folder; 0: none.
    pub speech_cache_bytes: u64,
    /// Where the traces of calls go; `None`: nowhere.
    pub traces: Option<Arc<dyn TraceSink>>,
    /// Who remembers callers, for the assistants that do; `None`: nobody.
    pub memories: Option<Arc<dyn CallerMemory>>,
    /// How callers' numbers are checked.
    pub identity: IdentityConfig,
}

/// What is kept of SIP messages, and who is sent them; both without keys, passwords and digits.
#[derive(Clone, Debug, Default)]
pub struct WatchConfig {
    /// Whether the messages of each call are kept with its record.
    pub ladders: bool,
    /// A collector of all messages; `None`: none.
    pub hep: Option<HepCollector>,
}

/// A collector that speaks HEP3, as Homer does.
#[derive(Clone)]
pub struct HepCollector {
    /// Where it listens, UDP.
    pub address: SocketAddr,
    /// Who captured, as it knows us.
    pub agent: u32,
    /// What it wants to see of us; empty: nothing.
    pub key: Arc<str>,
}

/// Without the key.
impl fmt::Debug for HepCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.address, self.agent)
    }
}

/// SIP sockets and names.
#[derive(Clone, Debug)]
pub struct SipConfig {
    /// Where SIP is spoken, at least one; calls of ours prefer the first that fits.
    pub listeners: Vec<SipListener>,
    /// The certificate and its checks; a listener of TLS needs it.
    pub tls: Option<TlsFiles>,
    /// DNS servers; empty: the system's.
    pub dns_servers: Vec<SocketAddr>,
    /// How long a session may go without a refresh (RFC 4028), as we ask for it; `None`: only peers ask.
    pub session_expires: Option<Duration>,
    /// How long a call rings before it is answered; zero answers at once.
    pub ring: Duration,
    /// How long a call of ours may ring; then it is given up.
    pub ring_timeout: Duration,
    /// Whom calls of ours may go to without a trunk; nobody else is dialled.
    pub direct_calls: Vec<DirectPeer>,
    /// TCP and TLS connections at once.
    pub connections_max: usize,
    /// Of them, from one source: an IPv4 address, or 64 bits of an IPv6 one.
    pub connections_per_source_max: usize,
    /// How long a connection may be quiet that has sent a message: longer than the longest call and its goodbye.
    pub connection_quiet_max: Duration,
    /// What strangers and known sources may do.
    pub guard: GuardConfig,
    /// What we speak, best first.
    pub codecs: Vec<Codec>,
    /// Whether media is encrypted.
    pub srtp: SrtpPolicy,
    /// Whether calls of nobody known are taken though there are trunks.
    pub accept_unknown: bool,
}

/// One address of SIP.
#[derive(Clone, Copy, Debug)]
pub struct SipListener {
    /// What is spoken there.
    pub speaks: Speaks,
    /// The local address.
    pub listen: SocketAddr,
    /// The address that peers are told in Via, Contact and SDP.
    pub advertised: IpAddr,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Speaks {
    /// TLS.
    Tls,
    /// UDP, and TCP on the same port.
    UdpAndTcp,
}

/// PEM files of TLS; they are read again when they change.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Our chain, our own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who may have signed the certificates of those who connect; `None`: they are not asked for one.
    pub client_roots: Option<PathBuf>,
    /// Whether those who connect must show one.
    pub client_required: bool,
    /// Who may have signed the certificates of those we connect to; `None`: the public authorities.
    pub server_roots: Option<PathBuf>,
    /// Of connections to trunks, in place of ours. No two have a host in common.
    pub trunks: Vec<TrunkTls>,
}

/// TLS of connections to a trunk's hosts; what it does not say is the node's.
#[derive(Clone, Debug)]
pub struct TrunkTls {
    /// The trunk's name.
    pub name: Arc<str>,
    /// The hosts of its URIs.
    pub hosts: Vec<String>,
    /// What is shown and believed there.
    pub identity: TlsIdentity,
}

/// Where the sockets of a call's RTP are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MediaAddress {
    /// They are bound to it.
    pub local: IpAddr,
    /// What SDP says.
    pub advertised: IpAddr,
}

impl SipConfig {
    /// Where the media of a call is that came on a socket of `local`: beside that listener, unless the peer offers a family that only
    /// another one has.
    pub fn media(&self, local: IpAddr, offered: Option<IpAddr>) -> MediaAddress {
        let own = self.listeners.iter().position(|listener| listener.listen.ip() == local).unwrap_or_default();
        let family = offered.unwrap_or(local);
        let fits = |listener: &&SipListener| listener.listen.is_ipv4() == family.is_ipv4();
        let mut nearest = self.listeners[own..].iter().chain(&self.listeners[..own]);
        let chosen = nearest.find(fits).unwrap_or(&self.listeners[own]);
        MediaAddress { local: chosen.listen.ip(), advertised: chosen.advertised }
    }
}

/// RTP sockets.
#[derive(Clone, Debug)]
pub struct RtpConfig {
    /// UDP ports; a call takes two.
    pub ports: RangeInclusive<u16>,
    /// A call without any RTP for this long is ended.
    pub timeout: Duration,
}

/// Whether calls are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingMode {
    /// Every call from its answer on; of calls of ours what is heard before it, too.
    Always,
    /// None.
    Off,
}

/// Who answers.
#[derive(Debug)]
pub struct Assistant {
    /// Its name, on records; the id of one that has another name for people.
    pub name: String,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What does the talking.
    pub engine: EngineConfig,
    /// What a model is told; a call adds what is known when it begins.
    pub prompt: Prompt,
    /// Whether callers are remembered from call to call.
    pub remembers: bool,
    /// What its model may do besides talking.
    pub tools: Toolbox,
    /// Its turn-taking.
    pub turn: TurnConfig,
    /// What it says of its own accord.
    pub phrases: Phrases,
    /// Whether its engine hears callers without the noise around them.
    pub background_denoising: bool,
    /// What is to be heard under its voice; `None`: nothing.
    pub ambience: Option<Arc<Ambience>>,
    /// What the offline engine sounds like.
    pub offline_voice: OfflineVoice,
    /// Whether its calls are recorded; `None`: as the node's are.
    pub recording: Option<RecordingMode>,
    /// What is taken out of what was said before it is kept or told; its engine hears all of it.
    pub redaction: Redaction,
}

/// A voice of espeak-ng.
#[derive(Clone, Debug)]
pub struct OfflineVoice {
    /// As espeak-ng names it, `en-us`.
    pub name: String,
    /// 80 to 450.
    pub words_per_minute: u16,
}

/// What does an assistant's talking.
#[derive(Debug)]
pub enum EngineConfig {
    /// Three providers, of words, answers and speech; when all of one stage fail, `fallback` takes over.
    Cascade {
        /// The providers of each stage, instructions, tools.
        session: Box<CascadeConfig>,
        /// What the caller gets when no provider is left.
        fallback: OfflineConfig,
    },
    /// A speech-to-speech provider; when it fails, `fallback` takes over.
    Realtime {
        /// Where to connect, voice, tools; its instructions come from the assistant's prompt.
        session: Box<RealtimeConfig>,
        /// What the caller gets when the provider is down.
        fallback: OfflineConfig,
    },
    /// No provider: espeak-ng and the caller's own words.
    Offline(OfflineConfig),
    /// An external bot over Media Streams, which takes turns as it likes; when it is lost, `fallback` takes over.
    Stream {
        /// Where it is, and what it is told.
        bot: Box<BotConfig>,
        /// What the caller gets when it is down.
        fallback: OfflineConfig,
    },
}

/// An external bot, and what it is told of each call.
#[derive(Clone, Debug)]
pub struct BotConfig {
    /// Where it is.
    pub bot: Bot,
    /// Told as `accountSid` of SIP calls: `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// Headers of the INVITE that become parameters, under these names.
    pub sip_headers: Vec<String>,
    /// Parameters that are the same for all calls.
    pub parameters: Vec<(String, Words)>,
}

impl EngineConfig {
    /// Who answers for its errors, in metrics and on records: the provider's name, or the engine's own. The providers of a cascade are
    /// named one by one.
    pub fn provider(&self) -> &str {
        match self {
            Self::Cascade { .. } | Self::Offline(_) | Self::Stream { .. } => self.label(),
            Self::Realtime { session, .. } => &session.endpoint.provider,
        }
    }

    /// The `engine` label of metrics and records.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Cascade { .. } => "cascade",
            Self::Offline(_) => "offline",
            Self::Realtime { .. } => "realtime",
            Self::Stream { .. } => "stream",
        }
    }

    /// Whether turns are taken here; an external bot does that itself.
    pub fn takes_turns_here(&self) -> bool {
        !matches!(self, Self::Stream { .. })
    }
}
