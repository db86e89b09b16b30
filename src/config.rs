//! Configuration: one TOML file and the environment become plain structs, or every mistake in them at once.
//!
//! `config/offhook.toml` is the reference of every key. `OFFHOOK__SIP__LISTEN=...` overrides `sip.listen`.

mod after;
mod ambience;
mod assistant;
mod billing;
mod cascade;
mod engine;
mod events;
mod front_door;
mod identity;
mod knowledge;
mod media;
mod phrases;
mod problem;
mod reader;
mod retention;
mod rows;
mod secret;
mod security;
mod server;
mod services;
mod sip;
mod spend;
mod stream;
mod tools;
mod transfer;
mod trunk;
mod values;
mod webrtc;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use actors::config::{SpendConfig, TrunkConfig, WebRtcConfig};
use store::OrganizationId;
use toml::Table;

pub use assistant::{AssistantConfig, DEMO, NumberConfig};
pub use billing::BillingConfig;
pub use cascade::PartConfig;
pub use engine::{EngineKind, MenuAction, OfflineMode};
pub use events::{EventsConfig, WebhooksConfig};
pub use identity::{IdentityConfig, IdentityPolicy};
pub use knowledge::{DocumentPlace, KnowledgeConfig, KnowledgeStoreConfig};
pub use media::{CodecsConfig, EagernessName, JitterConfig, TurnConfig, VadConfig};
pub use problem::{Problem, Problems};
pub use reader::Setting;
pub use retention::RetentionConfig;
pub use rows::{Candidate, FileRows, LeftOut, Merged, RowRefusal};
pub use secret::Secret;
pub use security::{MasterKeySource, SecurityConfig};
pub use server::{
    DatabaseConfig, HttpConfig, LimitsConfig, LogFormat, MetricsConfig, NodeConfig, RecordingConfig, RecordingMode, RtpConfig,
    TelemetryConfig,
};
pub use services::{ProviderConfig, TwilioConfig};
pub use sip::{SipConfig, SipTls};
pub use tools::{SEARCH_KNOWLEDGE, ToolsConfig};

use reader::{Reader, Section};

/// The file that is read when none is named; the built-in defaults serve when it is absent.
pub const DEFAULT_FILE: &str = "config/offhook.toml";

/// Where the OTLP exporter finds the headers of its requests, such as a collector's token; the names are OpenTelemetry's.
const OTLP_HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];

/// The process's environment, as `Config::load` reads it.
pub type Environment = BTreeMap<String, String>;

/// Everything that can be configured, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who this process is and how much it takes on.
    pub node: NodeConfig,
    /// API, Twilio and health.
    pub http: HttpConfig,
    /// Metrics and health for the operator.
    pub metrics: MetricsConfig,
    /// Where SIP is spoken.
    pub sip: SipConfig,
    /// Carriers.
    pub trunks: Vec<TrunkConfig>,
    /// What calls of ours may cost.
    pub spend: SpendConfig,
    /// In which currency usage is charged, and who is told of it.
    pub billing: BillingConfig,
    /// Who may use the API.
    pub security: SecurityConfig,
    /// What happens, for those who listen.
    pub events: EventsConfig,
    /// What happens, for those who are told.
    pub webhooks: WebhooksConfig,
    /// How long what is kept.
    pub retention: RetentionConfig,
    /// Whether callers' numbers are theirs, and how ours are signed.
    pub identity: IdentityConfig,
    /// The sockets of the calls' audio.
    pub rtp: RtpConfig,
    /// The port of browsers' calls; `None` (written ""): there are none.
    pub webrtc: Option<WebRtcConfig>,
    /// How long packets are held back.
    pub jitter: JitterConfig,
    /// What counts as speech.
    pub vad: VadConfig,
    /// Who speaks when; assistants carry their own copy with changes.
    pub turn: TurnConfig,
    /// What is offered and accepted.
    pub codecs: CodecsConfig,
    /// Whether and how calls are recorded.
    pub recording: RecordingConfig,
    /// Where records are kept.
    pub database: DatabaseConfig,
    /// The Twilio account.
    pub twilio: TwilioConfig,
    /// AI services by name.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// What models may do besides talking, for assistants to choose from.
    pub tools: ToolsConfig,
    /// The same of other organizations than the operator's, which the file does not know.
    pub tools_elsewhere: BTreeMap<OrganizationId, ToolsConfig>,
    /// What assistants can look things up in.
    pub knowledge: KnowledgeConfig,
    /// Who answers a number that no row names; `None` (written ""): nobody, 404.
    pub default_assistant: Option<String>,
    /// Caps that protect the node.
    pub limits: LimitsConfig,
    /// What is logged and how.
    pub telemetry: TelemetryConfig,
    /// Who answers where.
    pub numbers: Vec<NumberConfig>,
    /// Who answers; `demo` is always among them.
    pub assistants: Vec<AssistantConfig>,
    /// Rows of the file as it has them.
    pub file_rows: FileRows,
    /// Each key as it is in effect, secrets left out.
    pub settings: Vec<Setting>,
}

impl Config {
    /// Reads `file`, or `DEFAULT_FILE` when that exists, and the overrides in `environment`.
    ///
    /// # Errors
    /// Every mistake found. A named file that is absent is one; an absent default file is none.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, Problems> {
        let path = file.map_or(PathBuf::from(DEFAULT_FILE), Path::to_path_buf);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if file.is_none() && error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(unreadable(&path, error)),
        };
        let table = text.parse().map_err(|error: toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text[..start].lines().count().max(1);
            let message = error.message().replace('\n', ", ");
            unreadable(&path, format!("line {line}: {message}"))
        })?;
        Self::read(table, environment)
    }

    /// Reads the keys of `table`, overridden by `environment`.
    fn read(table: Table, environment: &Environment) -> Result<Self, Problems> {
        let overrides = environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut reader = Reader::new(overrides);
        let mut root = reader.root(table);
        let mut config = Self::read_sections(&mut root, environment);
        config.cross_check(&mut root);
        root.finish();
        config.settings = reader.finish()?;
        Ok(config)
    }

    fn read_sections(root: &mut Section<'_>, environment: &Environment) -> Self {
        let key = |name: &str| {
            let value = environment.get(name).filter(|value| !value.is_empty());
            value.map(Secret::new)
        };
        let file_rows = FileRows::of(root);
        // The specific one wins, as in the exporter.
        let otlp_headers = OTLP_HEADERS.into_iter().find_map(|name| Some((name, key(name)?)));
        let node = server::read_node(root.section("node"));
        let turn = media::read_turn(root.section("turn"), &TurnConfig::default());
        let providers = services::read_providers(root.section("providers"), key);
        let variable = |name: &str| Some(ai::secret::Secret::from(key(name)?.expose()));
        let tools = tools::read_tools(root, &variable);
        let assistants = assistant::read_assistants(root, &turn, &providers, &tools, &key);
        let (rtp, codecs) = (server::read_rtp(root.section("rtp")), media::read_codecs(root.section("codecs")));
        let identity = identity::read_identity(root.section("identity"));
        let defaults = trunk::Defaults { codecs: codecs.wire(), srtp: rtp.srtp.wire(), identity: &identity };
        let trunks = trunk::read_trunks(root, &defaults, &key);
        Self {
            http: server::read_http(root.section("http")),
            metrics: server::read_metrics(root.section("metrics")),
            sip: sip::read_sip(root.section("sip")),
            trunks,
            spend: spend::read_spend(root.section("spend")),
            billing: billing::read_billing(root.section("billing"), key),
            security: security::read_security(root.section("security"), key),
            events: events::read_events(root.section("events")),
            webhooks: events::read_webhooks(root.section("webhooks")),
            retention: retention::read_retention(root.section("retention")),
            identity,
            rtp,
            webrtc: webrtc::read_webrtc(root.section("webrtc")),
            jitter: media::read_jitter(root.section("jitter")),
            vad: media::read_vad(root.section("vad")),
            codecs,
            recording: server::read_recording(root.section("recording")),
            database: server::read_database(root.section("database"), &node.data_dir),
            twilio: services::read_twilio(root.section("twilio")),
            knowledge: knowledge::read_knowledge(root.section("knowledge"), &providers, key),
            default_assistant: read_routing(root.section("routing"), &assistants),
            limits: server::read_limits(root.section("limits")),
            telemetry: server::read_telemetry(root.section("telemetry"), otlp_headers, key),
            numbers: assistant::read_numbers(root, &assistants),
            settings: Vec::new(),
            assistants,
            node,
            providers,
            tools,
            tools_elsewhere: BTreeMap::new(),
            file_rows,
            turn,
        }
    }

    /// Refuses what is right key by key and wrong together.
    fn cross_check(&self, root: &mut Section<'_>) {
        let pairs = self.rtp.ports.pairs();
        if pairs < self.node.max_calls {
            let (ports, calls) = (self.rtp.ports, self.node.max_calls);
            root.refuse("rtp.port_range", format!("{ports} has room for {pairs} calls, fewer than node.max_calls, {calls}"));
        }
        if self.http.listen == self.metrics.listen && self.http.listen.port() != 0 {
            root.refuse("metrics.listen", format!("{} is also http.listen", self.metrics.listen));
        }
        self.check_trunks(root);
        for (key, address) in [("http.listen", self.http.listen), ("metrics.listen", self.metrics.listen)] {
            if let Some((of_sip, _)) = self.sip.sockets().find(|(_, socket)| *socket == address && address.port() != 0) {
                root.refuse(key, format!("{address} is also sip.{of_sip}, which takes TCP too"));
            }
        }
    }

    /// Refuses trunks that would never be known by what they are to show.
    fn check_trunks(&self, root: &mut Section<'_>) {
        let judged = self.sip.tls.as_ref().is_some_and(|tls| tls.client_roots.is_some());
        for (index, trunk) in self.trunks.iter().enumerate() {
            if !trunk.inbound.certificate_names.is_empty() && !judged {
                let key = format!("trunks[{index}].certificate_names");
                root.refuse(&key, "need sip.tls_client_roots: without them no certificate is asked for");
            }
            let key = match &trunk.tls {
                Some(tls) if tls.certificate.is_none() => format!("trunks[{index}].tls_roots"),
                _ => format!("trunks[{index}].tls_certificate"),
            };
            if trunk.tls.is_some() && self.sip.tls.is_none() {
                root.refuse(&key, "needs sip.tls_cert and sip.tls_key: without them there is no TLS");
            }
            let hosts = trunk.hosts();
            let other = |other: &&TrunkConfig| other.tls != trunk.tls && other.hosts().iter().any(|host| hosts.contains(host));
            if let Some(other) = self.trunks[..index].iter().find(other) {
                root.refuse(
                    &key,
                    format!("is not that of trunk {:?}, which has a host in common: one host is shown one", &*other.name),
                );
            }
        }
    }

    /// What the assistants of an organization may use.
    pub fn tools_of(&self, organization: &OrganizationId) -> Option<&ToolsConfig> {
        if organization.is_operator() { Some(&self.tools) } else { self.tools_elsewhere.get(organization) }
    }

    fn tools_of_mut(&mut self, organization: &OrganizationId) -> &mut ToolsConfig {
        match organization.is_operator() {
            true => &mut self.tools,
            false => self.tools_elsewhere.entry(organization.clone()).or_default(),
        }
    }

    /// The keys in effect, one line a section, for the start-up log.
    pub fn effective(&self) -> Vec<String> {
        let mut lines: Vec<(&str, String)> = Vec::new();
        for setting in &self.settings {
            let (section, key) = setting.key.rsplit_once('.').unwrap_or(("", &setting.key));
            let text = match setting.value.contains(' ') {
                true => format!(" {key}={:?}", setting.value),
                false => format!(" {key}={}", setting.value),
            };
            match lines.iter_mut().find(|(name, _)| *name == section) {
                Some((_, line)) => line.push_str(&text),
                None => lines.push((section, format!("[{section}]{text}"))),
            }
        }
        lines.into_iter().map(|(_, line)| line).collect()
    }

    /// The assistant called `name`.
    #[cfg(test)]
    fn assistant(&self, name: &str) -> Option<&AssistantConfig> {
        self.assistants.iter().find(|assistant| assistant.name == name)
    }
}

fn read_routing(mut section: Section<'_>, assistants: &[AssistantConfig]) -> Option<String> {
    let name = section.free_text("default_assistant", DEMO);
    if !name.is_empty() && !assistants.iter().any(|assistant| assistant.name == name) {
        section.refuse("default_assistant", format!("there is no assistant {name:?}"));
    }
    section.finish();
    Some(name).filter(|name| !name.is_empty())
}

fn unreadable(path: &Path, reason: impl ToString) -> Problems {
    Problems(vec![Problem::new(path.display().to_string(), reason.to_string())])
}

/// The one line for a listener that could not be opened: `sip.listen: 127.0.0.1:5060 is in use`.
pub fn bind_problem(key: &str, address: SocketAddr, error: &std::io::Error) -> Problem {
    let reason = match error.kind() {
        ErrorKind::AddrInUse => format!("{address} is in use"),
        ErrorKind::AddrNotAvailable => format!("{address} is not an address of this machine"),
        ErrorKind::PermissionDenied => format!("{address} needs more rights (ports below 1024)"),
        _ => format!("{address} cannot be opened: {error}"),
    };
    Problem::new(key, reason)
}
