//! Sections of the file as the plain values that the crates take.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actors::config::{
    Dbov, Directory, GuardConfig, HepCollector, JitterConfig, NodeConfig, NumberRow, RecordingMode, RtpConfig, SipConfig,
    SipListener, Speaks, TlsFiles, TrunkConfig, TrunkTls, VadConfig, WatchConfig,
};
use actors::recall::CallerMemory;
use actors::trace::TraceSink;
use actors::webrtc::WebRtcPort;
use anyhow::Context as _;
use api::{ApiConfig, ApiKey, AuthToken, NodeGate, PublicUrl, RequestLimits, SignatureCheck, TwilioConfig};
use platform::billing::Billing;
use platform::knowledge::Service;
use platform::people::People;

use super::assistants;
use super::cascade::Breakers;
use super::events::Telling;
use super::identity;
use super::tools::Tools;
use crate::config::{self, Config, Secret, SipTls};

/// The node's part of the file.
pub(super) fn node_config(
    config: &Config,
    webrtc: Option<Arc<WebRtcPort>>,
    traces: Option<Arc<dyn TraceSink>>,
    memories: Option<Arc<dyn CallerMemory>>,
) -> NodeConfig {
    NodeConfig {
        name: config.node.name.clone(),
        data_dir: config.node.data_dir.clone(),
        max_calls: config.node.max_calls,
        max_call: config.limits.call_duration,
        call_warning: config.limits.call_warning,
        cpu_max: f64::from(config.limits.cpu_percent) / 100.0,
        drain_timeout: config.node.drain_timeout,
        sip: sip_config(config),
        trunks: config.trunks.clone(),
        spend: config.spend.clone(),
        watch: watch(config),
        webrtc,
        rtp: RtpConfig { ports: config.rtp.ports.first..=config.rtp.ports.last, timeout: config.rtp.timeout },
        jitter: JitterConfig { min: config.jitter.min, initial: config.jitter.initial, max: config.jitter.max },
        vad: VadConfig { noise_floor_min: Dbov(config.vad.noise_floor_min_dbov as f32), noise_window: config.vad.noise_window },
        recording: recording(config.recording.mode),
        speech_cache_bytes: u64::from(config.node.speech_cache_mb) << 20,
        traces,
        memories,
        identity: identity::identity(&config.identity),
    }
}

/// A caller without keepalives says BYE on the connection of its INVITE; of the longest call that comes after the goodbye, which takes 30 s
/// and 8 more for a quiet moment.
const QUIET_BEYOND_CALLS: Duration = Duration::from_secs(300);

/// `[sip]` with its codecs and encryption.
pub fn sip_config(config: &Config) -> SipConfig {
    let sip = &config.sip;
    let listener =
        |speaks| move |listen: &SocketAddr| SipListener { speaks, listen: *listen, advertised: sip.advertised_for(*listen) };
    let tls = sip.tls.iter().flat_map(|_| &sip.tls_listen).map(listener(Speaks::Tls));
    let files = |tls: &SipTls| TlsFiles {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
        client_roots: tls.client_roots.clone(),
        client_required: tls.client_required,
        server_roots: tls.server_roots.clone(),
        trunks: config.trunks.iter().filter_map(trunk_tls).collect(),
    };
    SipConfig {
        listeners: sip.listen.iter().map(listener(Speaks::UdpAndTcp)).chain(tls).collect(),
        tls: sip.tls.as_ref().map(files),
        dns_servers: sip.dns_servers.clone(),
        session_expires: sip.session_expires,
        ring: sip.ring,
        ring_timeout: sip.ring_timeout,
        direct_calls: sip.direct_calls.clone(),
        connections_max: config.limits.sip_tcp_connections,
        connections_per_source_max: config.limits.sip_tcp_connections_per_source,
        connection_quiet_max: config.limits.call_duration + QUIET_BEYOND_CALLS,
        guard: guard(config),
        codecs: config.codecs.wire(),
        srtp: config.rtp.srtp.wire(),
        accept_unknown: sip.accept_unknown,
    }
}

/// TLS of connections to a trunk that has its own.
fn trunk_tls(trunk: &TrunkConfig) -> Option<TrunkTls> {
    let identity = trunk.tls.clone()?;
    Some(TrunkTls { name: Arc::clone(&trunk.name), hosts: trunk.hosts(), identity })
}

/// Trunks are no strangers either, where their addresses are known.
fn guard(config: &Config) -> GuardConfig {
    let mut guard = config.limits.front_door.clone();
    guard.known.extend(config.trunks.iter().flat_map(|trunk| &trunk.inbound.networks));
    guard
}

fn watch(config: &Config) -> WatchConfig {
    let telemetry = &config.telemetry;
    let hep = telemetry.hep_endpoint.map(|address| HepCollector {
        address,
        agent: telemetry.hep_agent,
        key: telemetry.hep_key.as_ref().map_or("", Secret::expose).into(),
    });
    WatchConfig { ladders: telemetry.sip_ladders, hep }
}

/// Who answers.
pub(super) fn directory(config: &Config, tools: &Tools, breakers: &Breakers) -> anyhow::Result<Directory> {
    let assistants = assistants::assistants(config, tools, breakers)?;
    let find = |name: &str| assistants.iter().find(|assistant| assistant.name == name).cloned();
    let numbers = config.numbers.iter().map(|row| {
        let assistant = if row.active { find(&row.assistant) } else { None };
        let (organization, trunk) = (row.organization.clone(), row.trunk.clone());
        (row.number.as_str().to_owned(), NumberRow { assistant, organization, trunk })
    });
    let (numbers, default) = (numbers.collect(), config.default_assistant.as_deref().and_then(find));
    Ok(Directory { numbers, default, assistants, flags: HashMap::new() })
}

/// The HTTP side's part of the file.
pub(super) fn api_config(
    config: &Config,
    people: People,
    node: Arc<dyn NodeGate>,
    (telling, billing, knowledge): (&Telling, Billing, &Service),
) -> anyhow::Result<ApiConfig> {
    let twilio = &config.twilio;
    let public_url = match &twilio.public_url {
        Some(url) => Some(PublicUrl::parse(url.as_str()).context("twilio.public_url")?),
        None => None,
    };
    let signature = match &twilio.auth_token {
        Some(token) if twilio.validate_signature => SignatureCheck::Required(AuthToken::new(token.expose())),
        _ => SignatureCheck::Off,
    };
    let key = config.security.api_key.as_ref().map(|key| ApiKey::new(key.expose()));
    let security = &config.security;
    let requests = RequestLimits { by_address: security.requests_per_address, by_actor: security.requests_per_actor };
    let cors_origins = security.cors_origins.clone();
    Ok(ApiConfig {
        twilio: TwilioConfig { public_url, signature },
        key,
        people: Some(people),
        node: Some(node),
        events: Some(telling.events.clone()),
        webhooks: Some(telling.webhooks.clone()),
        knowledge: Some(knowledge.clone()),
        document_bytes_max: config.knowledge.document_mb as usize * super::knowledge::MEGABYTE,
        billing: Some(billing),
        privacy: None,
        requests,
        proxies: config.http.proxies.clone(),
        cors_origins,
        sessions_per_organization: config.limits.sessions_per_organization,
    })
}

/// Whether calls are recorded, as the node takes it.
pub(super) fn recording(mode: config::RecordingMode) -> RecordingMode {
    match mode {
        config::RecordingMode::Always => RecordingMode::Always,
        config::RecordingMode::Off => RecordingMode::Off,
    }
}
