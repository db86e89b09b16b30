//! A node inside the test's process, so that its actors can be made to fail.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use actors::calls::CallsMsg;
use actors::config::{
    Assistant, Codec, Directory, EngineConfig, GuardConfig, JitterConfig, NodeConfig, OfflineVoice, RecordingMode, RtpConfig,
    SipConfig, SipListener, Speaks, SpendConfig, SrtpPolicy, TurnConfig, VadConfig, WatchConfig,
};
use actors::fault::Fault;
use actors::identity::IdentityConfig;
use actors::kind::ActorKind;
use actors::node::{NodeEnd, NodeHandle};
use actors::trace::TraceSink;
use ai::offline::OfflineConfig;
use ai::prompt::Prompt;
use ai::remark::Phrases;
use ai::tools::toolbox::Toolbox;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use store::{CallId, CallRecord, Incident, Recording, Store, Turn};
use tokio::runtime::Runtime;

use crate::support::{Folder, free_address, rtp_range};

pub struct Node {
    pub sip: SocketAddr,
    pub folder: Folder,
    pub handle: NodeHandle,
    pub database: Store,
    pub end: Option<NodeEnd>,
    pub runtime: Runtime,
    /// The metrics are the process's: one node at a time.
    _alone: MutexGuard<'static, ()>,
}

/// The talkback assistant that every other test meets too.
pub fn talkback() -> EngineConfig {
    EngineConfig::Offline(OfflineConfig::default())
}

impl Node {
    pub fn start(engine: EngineConfig) -> Self {
        Self::start_traced(engine, None)
    }

    /// Starts one whose assistant has these tools.
    pub fn start_with_tools(engine: EngineConfig, tools: Toolbox) -> Self {
        Self::start_all(engine, tools, None)
    }

    /// Starts one that tells this sink what a trace is drawn from.
    pub fn start_traced(engine: EngineConfig, traces: Option<Arc<dyn TraceSink>>) -> Self {
        Self::start_all(engine, Toolbox::default(), traces)
    }

    /// Starts one that records no call.
    pub fn start_unrecorded(engine: EngineConfig) -> Self {
        Self::start_as(|config| NodeConfig { recording: RecordingMode::Off, ..config }, engine, Toolbox::default())
    }

    /// The same, and callers may encrypt their media.
    pub fn start_secured(engine: EngineConfig) -> Self {
        let change = |config: NodeConfig| {
            let sip = SipConfig { srtp: SrtpPolicy::Optional, ..config.sip };
            NodeConfig { recording: RecordingMode::Off, sip, ..config }
        };
        Self::start_as(change, engine, Toolbox::default())
    }

    fn start_all(engine: EngineConfig, tools: Toolbox, traces: Option<Arc<dyn TraceSink>>) -> Self {
        Self::start_as(|config| NodeConfig { traces, ..config }, engine, tools)
    }

    fn start_as(change: impl FnOnce(NodeConfig) -> NodeConfig, engine: EngineConfig, tools: Toolbox) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        metrics();
        let (folder, sip) = (Folder::new(), free_address());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let url = format!("sqlite://{}", folder.path().join("offhook.db").display());
        let database = runtime.block_on(Store::open(&url)).unwrap();
        let config = change(config(&folder, sip));
        let directory = directory(engine, tools);
        let (handle, end) = runtime.block_on(actors::node::start(config, directory, database.clone())).unwrap();
        Self { sip, folder, handle, database, end: Some(end), runtime, _alone: alone }
    }

    /// The record of the call from this user, once it is there.
    pub fn call_from(&self, user: &str) -> CallId {
        let mut found = None;
        wait(&format!("a call from {user}"), || {
            let calls = self.runtime.block_on(self.database.list_calls(200, None)).unwrap();
            found = calls.iter().find(|record| record.call.from.reveal() == user).map(|record| record.call.id);
            found.is_some()
        });
        found.unwrap()
    }

    pub fn inject(&self, call: CallId, actor: ActorKind, fault: Fault) {
        self.handle.shared.calls.send(CallsMsg::Inject(call, actor, fault)).unwrap();
    }

    pub fn record(&self, call: CallId) -> CallRecord {
        self.runtime.block_on(self.database.call(call)).unwrap().unwrap()
    }

    /// The record of a call that has ended, once it is written.
    pub fn ended(&self, call: CallId) -> CallRecord {
        wait("the end on the record", || self.record(call).ended_at.is_some());
        self.record(call)
    }

    /// The recording of a call, once it is closed.
    pub fn recording(&self, call: CallId) -> Recording {
        let recordings = || self.runtime.block_on(self.database.recordings(call)).unwrap();
        wait("a closed recording", || recordings().first().is_some_and(|recording| recording.bytes.is_some()));
        recordings().remove(0)
    }

    pub fn turns(&self, call: CallId) -> Vec<Turn> {
        self.runtime.block_on(self.database.turns(call)).unwrap()
    }

    pub fn incidents(&self, call: CallId) -> Vec<Incident> {
        self.runtime.block_on(self.database.incidents(call)).unwrap()
    }

    /// Kinds and sources of what went wrong in a call, in order.
    pub fn wrongs(&self, call: CallId) -> Vec<String> {
        let incidents = self.incidents(call);
        incidents.iter().map(|incident| format!("{} {}", incident.kind.as_str(), incident.source)).collect()
    }

    pub fn wait_calls(&self, up: usize) {
        wait(&format!("{up} calls up"), || self.handle.shared.calls_up() == up);
    }
}

/// Waits until it is so; generously, since the machine may be busy.
pub fn wait(what: &str, so: impl FnMut() -> bool) {
    let mut so = so;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The sum of all samples of a metric of this process whose labels contain `labels`.
pub fn metric(name: &str, labels: &str) -> f64 {
    let text = metrics().render();
    let samples = text
        .lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(labels));
    samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn metrics() -> &'static PrometheusHandle {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    METRICS.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

fn config(folder: &Folder, listen: SocketAddr) -> NodeConfig {
    let ports = rtp_range(64);
    let (first, last) = ports.split_once('-').unwrap();
    NodeConfig {
        name: "test".to_owned(),
        data_dir: folder.path().to_owned(),
        speech_cache_bytes: 1 << 20,
        max_calls: 64,
        identity: IdentityConfig::default(),
        max_call: Duration::from_secs(600),
        call_warning: Duration::ZERO,
        cpu_max: 1.0,
        drain_timeout: Duration::from_secs(5),
        sip: SipConfig {
            listeners: vec![SipListener { speaks: Speaks::UdpAndTcp, listen, advertised: listen.ip() }],
            tls: None,
            dns_servers: Vec::new(),
            session_expires: None,
            ring: Duration::ZERO,
            ring_timeout: Duration::from_secs(60),
            direct_calls: vec!["127.0.0.0/8".parse().unwrap()],
            connections_max: 16,
            connections_per_source_max: 16,
            connection_quiet_max: Duration::from_secs(900),
            guard: GuardConfig::default(),
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            srtp: SrtpPolicy::Off,
            accept_unknown: false,
        },
        trunks: Vec::new(),
        spend: SpendConfig::default(),
        watch: WatchConfig::default(),
        webrtc: None,
        rtp: RtpConfig { ports: first.parse().unwrap()..=last.parse().unwrap(), timeout: Duration::from_secs(30) },
        jitter: JitterConfig::default(),
        vad: VadConfig::default(),
        recording: RecordingMode::Always,
        traces: None,
        memories: None,
    }
}

/// One assistant that answers everything.
fn directory(engine: EngineConfig, tools: Toolbox) -> Directory {
    let voice = OfflineVoice { name: "en-us".to_owned(), words_per_minute: 160 };
    let assistant = Assistant {
        name: "demo".to_owned(),
        organization: store::OrganizationId::operator(),
        engine,
        prompt: Prompt::default(),
        remembers: false,
        tools,
        turn: TurnConfig::default(),
        phrases: Phrases::default(),
        offline_voice: voice,
        recording: None,
        redaction: actors::config::Redaction::default(),
        background_denoising: false,
        ambience: None,
    };
    Directory { default: Some(Arc::new(assistant)), ..Directory::default() }
}
