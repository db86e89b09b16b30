//! What all actors of a node read: configuration, and the ports of the process-wide actors.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};

use ai::espeak::Espeak;
use ai::link::http::HttpClient;
use ai::speech_cache::SpeechCache;
use arc_swap::ArcSwap;
use store::{OrganizationId, Seals};
use tokio::runtime::Handle;

use crate::calls::CallsMsg;
use crate::config::{Answering, Directory, NodeConfig};
use crate::identity::Identity;
use crate::leg::ports::RtpPorts;
use crate::mailbox::Port;
use crate::media_threads::MediaThreads;
use crate::sip_endpoint::SipMsg;
use crate::store::StoreMsg;
use crate::trunk::Trunks;

/// Published by the node, read by all; what changes in it is swapped whole or is one number.
pub struct Shared {
    /// As the operator wrote it.
    pub config: NodeConfig,
    /// Who answers which number; the next call finds what was last put here.
    pub directory: ArcSwap<Directory>,
    /// Organizations that take no new calls, since their usage is at its hard limit; swapped whole by who counts it.
    pub over_limit: Arc<ArcSwap<HashSet<OrganizationId>>>,
    /// Where what may take its time runs, apart from the threads that carry calls.
    pub runtime: Handle,
    /// The threads that carry calls.
    pub media: MediaThreads,
    /// The offline voice, and what it said lately.
    pub espeak: Arc<Espeak>,
    /// Makes the requests of all calls, over connections that it keeps.
    pub http: HttpClient,
    /// Speech that was made before.
    pub speech: Arc<SpeechCache>,
    /// Checks callers' numbers, and signs ours.
    pub identity: Identity,
    /// Who we are in the handshakes of encrypted media, until the process ends.
    pub dtls: media::dtls::Identity,
    /// What recordings are sealed with.
    pub seals: Seals,
    /// UDP ports for RTP.
    pub rtp_ports: RtpPorts,
    /// Carriers, and what is known of them.
    pub trunks: Arc<Trunks>,
    /// The SipEndpoint of today.
    pub sip: Port<SipMsg>,
    /// The Calls of today.
    pub calls: Port<CallsMsg>,
    /// The Store of today.
    pub store: Port<StoreMsg>,
    draining: AtomicBool,
    calls_up: AtomicUsize,
    /// In thousandths.
    cpu_busy: AtomicU32,
}

impl Shared {
    /// Called on the node's own runtime.
    pub(crate) fn new(config: NodeConfig, directory: Directory, media: MediaThreads, identity: Identity, seals: Seals) -> Self {
        let rtp_ports = RtpPorts::new(config.rtp.ports.clone());
        let speech = SpeechCache::new(config.data_dir.join("speech-cache"), config.speech_cache_bytes);
        let trunks = Trunks::new(config.trunks.clone());
        Self {
            config,
            directory: ArcSwap::from_pointee(directory),
            over_limit: Arc::default(),
            runtime: Handle::current(),
            media,
            espeak: Arc::default(),
            http: HttpClient::default(),
            speech: Arc::new(speech),
            identity,
            dtls: media::dtls::Identity::generate(),
            seals,
            rtp_ports,
            trunks: Arc::new(trunks),
            sip: Port::default(),
            calls: Port::default(),
            store: Port::default(),
            draining: AtomicBool::new(false),
            calls_up: AtomicUsize::new(0),
            cpu_busy: AtomicU32::new(0),
        }
    }

    /// Who answers a called number that comes over the trunk of this name, and whose call it is.
    pub fn answering(&self, called: &str, trunk: Option<&str>) -> Answering {
        self.directory.load().answering(called, trunk)
    }

    /// Whether an organization takes no new calls, since its usage is at its hard limit.
    pub fn is_over_limit(&self, organization: &OrganizationId) -> bool {
        self.over_limit.load().contains(organization)
    }

    /// True once the node takes no new calls.
    pub fn draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Calls that are up, as Calls last published it.
    pub fn calls_up(&self) -> usize {
        self.calls_up.load(Relaxed)
    }

    /// How busy the machine's cores were in the last two seconds, 0 to 1; 0 where it is not known.
    pub fn cpu_busy(&self) -> f64 {
        f64::from(self.cpu_busy.load(Relaxed)) / 1_000.0
    }

    /// Tasks alive on the media threads.
    pub fn media_tasks(&self) -> usize {
        self.media.tasks()
    }

    pub(crate) fn publish_draining(&self) {
        self.draining.store(true, Relaxed);
        metrics::gauge!("offhook_node_draining").set(1.0);
    }

    pub(crate) fn publish_cpu(&self, busy: f64) {
        self.cpu_busy.store((busy * 1_000.0) as u32, Relaxed);
        metrics::gauge!("offhook_cpu_busy_ratio").set(busy);
    }

    pub(crate) fn publish_calls(&self, up: usize) {
        self.calls_up.store(up, Relaxed);
    }
}
