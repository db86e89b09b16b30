//! Builds the running tree from the configuration: nothing is decided here, it is only handed on.

mod analysis;
mod assistants;
mod billing;
mod bots;
mod campaigns;
mod cascade;
mod events;
mod identity;
pub mod knowledge;
mod live;
pub mod node;
pub mod people;
mod reload;
mod safekeeping;
pub mod sealing;
mod services;
mod signals;
mod tools;

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::node::{NodeEnd, NodeHandle};
use actors::webrtc::WebRtcPort;
use ai::link::http::HttpClient;
use ai::net::guard::Guard;
use anyhow::Context as _;
use api::CallGate as _;
use arc_swap::ArcSwap;
use metrics_exporter_prometheus::PrometheusHandle;
use platform::analysis::Runner;
use platform::billing::Runner as Charging;
use platform::people::People;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use self::live::Running;
pub use self::live::{Known, Live};
pub use self::signals::Signals;
use crate::config::{Config, bind_problem};
use crate::gate::Gate;
use crate::telemetry::{self, Process, Traces};

/// Histograms are folded this often, so that they do not grow between scrapes, and the node is asked whether it is ready.
const UPKEEP: Duration = Duration::from_secs(5);

/// RTP, RTCP, recording, and a provider's socket.
const FILES_PER_CALL: usize = 4;

/// Listeners, database, HTTP and SIP connections.
const FILES_BESIDE: usize = 512;

/// A node that answers calls, and what belongs to it.
pub struct Server {
    /// The actors.
    pub node: NodeHandle,
    /// Its records.
    pub database: Store,
    end: NodeEnd,
    background: Background,
    traces: Option<Traces>,
    people: People,
    live: Arc<Live>,
    _lock: File,
}

/// What goes on beside the calls.
struct Background {
    /// Reads the documents of the knowledge base.
    reading: JoinHandle<()>,
    /// Looks for changes of the rows that calls are answered by.
    watching: JoinHandle<()>,
    analyses: Runner,
    charging: Charging,
    telling: events::Telling,
    campaigns: platform::campaigns::Runner,
    keeping: safekeeping::Safekeeping,
}

impl Background {
    async fn stop(self) {
        self.campaigns.stop().await;
        self.analyses.stop().await;
        self.charging.stop().await;
        self.telling.stop().await;
        // Wherever it is: the next start resumes.
        self.keeping.stop();
        self.reading.abort();
        self.watching.abort();
    }
}

/// Who makes the requests of all but calls, which have their own on their threads.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// Those to where the operator says: analyses, embeddings, Pinecone.
    pub http: HttpClient,
    /// Those to where others say: tools, MCP servers, documents.
    pub guard: Guard,
}

/// Opens everything; `file` is what is read again. Each error is one line that names the key.
pub async fn start(config: &Config, file: Option<&Path>) -> anyhow::Result<Server> {
    let (process, metrics) = begin(config)?;
    let lock = take_data_dir(&config.node.data_dir)?;
    let database = open_database(config).await?;
    sealing::check(&database, &database.seals().keys()).await?;
    let clients = Clients::default();
    let knowledge = knowledge::open(config, &database, &clients).await?;
    knowledge.seed(&knowledge::seeds(config)).await?;
    let http = listen("http.listen", config.http.listen).await?;
    let operator = listen("metrics.listen", config.metrics.listen).await?;
    let traces = Traces::start(&config.telemetry, &config.node.name)?;
    let environment = crate::environment();
    let known = Known::read(config.clone(), &database, &environment).await?;
    known.tell_left_out(&[]);
    let services = vec![services::do_not_call(&database)];
    let tools = tools::Tools::new(&knowledge, services, &database, clients.guard.clone()).changed(&known.config);
    let breakers = cascade::Breakers::default();
    let directory = known.directory(&tools, &breakers)?;
    knowledge.set_profiles(knowledge::profiles(&known.config));
    let webrtc = open_webrtc(config)?;
    let node_config =
        node::node_config(&known.config, webrtc, traces.as_ref().map(Traces::sink), Some(analysis::memories(&database)));
    let (node, end) = actors::node::start(node_config, directory, database.clone()).await.map_err(anyhow::Error::msg)?;
    // Behind the node's start, which queues what a crash left open.
    let analyst = analysis::analyst(&known.config, &database, &clients.http);
    let analyses = Runner::start(Arc::clone(&analyst), config.node.name.clone());
    let gate = Arc::new(Gate { node: node.clone(), database: database.clone() });
    let people = people::open(&database).await?;
    let live = Arc::new(Live {
        node: node.clone(),
        database: database.clone(),
        knowledge: knowledge.clone(),
        analyst,
        clients: clients.clone(),
        breakers: breakers.clone(),
        environment,
        file: file.map(Path::to_owned),
        running: Mutex::new(Running { tools, lines: config.effective() }),
        known: ArcSwap::from_pointee(known),
        trunks_of_file: config.trunks.clone(),
        began: Instant::now(),
    });
    let billing = billing::billing(config, &database, &clients, &node);
    // Before anybody is let in.
    billing.look_at_limits(store::WallTime::now()).await?;
    let telling = events::Telling::start(config, &database, &clients, &node).await?;
    let charging = billing.start(config.node.name.clone());
    let keeping = safekeeping::Safekeeping::start(config, &database, &live).await?;
    let api_config = node::api_config(config, people.clone(), live.clone(), (&telling, billing, &knowledge))?;
    let api_config = api::ApiConfig { privacy: Some(keeping.privacy.clone()), ..api_config };
    api::serve(http, api::router(api_config, gate.clone()));
    keep_up(metrics.clone(), Arc::clone(&gate), breakers);
    serve_operator(operator, gate, (metrics, process), &node);
    // Last, so that a start that fails prints its reason and nothing else.
    for line in config.effective() {
        tracing::info!("{line}");
    }
    sealing::tell(&database.seals().keys());
    raise_file_limit(config.node.max_calls);
    let reading = knowledge.work().await?;
    let watching = tokio::spawn(Arc::clone(&live).watch());
    let campaigns = campaigns::start(&database, &node, &config.node.name);
    let background = Background { reading, watching, analyses, charging, telling, campaigns, keeping };
    Ok(Server { node, database, end, background, traces, people, live, _lock: lock })
}

/// What is there before anything else: cryptography, and figures of this process.
fn begin(config: &Config) -> anyhow::Result<(Process, PrometheusHandle)> {
    // Someone else may have chosen the provider already, in tests; there is only ring.
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    let process = Process::new();
    let metrics = telemetry::start(&config.telemetry)?;
    telemetry::preset(&assistants::providers(config));
    metrics::gauge!("offhook_calls_max").set(config.node.max_calls as f64);
    Ok((process, metrics))
}

/// The operator's own port: health, and the figures of now.
fn serve_operator(listener: TcpListener, gate: Arc<Gate>, (metrics, process): (PrometheusHandle, Process), node: &NodeHandle) {
    let (runtime, shared) = (tokio::runtime::Handle::current(), Arc::clone(&node.shared));
    let render = move || {
        let tasks = runtime.metrics().num_alive_tasks() + shared.media_tasks();
        metrics::gauge!("offhook_tasks").set(tasks as f64);
        metrics.render() + &process.render()
    };
    api::serve(listener, api::operator_router(gate, render));
}

impl Server {
    /// Waits until the node has ended, and ends what belongs to it; true after a drain.
    pub async fn ended(self) -> bool {
        let drained = self.end.wait().await;
        self.background.stop().await;
        self.database.close().await;
        if let Some(traces) = self.traces {
            traces.stop().await;
        }
        drained
    }

    /// Serves until SIGTERM or Ctrl-C, then drains; a second signal ends it at once. SIGHUP reads the file again.
    pub async fn run(self, config: &Config, signals: Signals) -> anyhow::Result<ExitCode> {
        let signals = signals.obey(self.node.clone(), Arc::clone(&self.live));
        println!("offhook is ready");
        for (key, address) in config.sip.sockets() {
            let spoken = if key == "listen" { "UDP and TCP" } else { "TLS" };
            println!("  SIP      sip:{address} ({spoken})");
        }
        println!("  HTTP     http://{}", config.http.listen);
        println!("  metrics  http://{}/metrics", config.metrics.listen);
        if let Some(line) = people::first_owner(&self.people).await? {
            println!("{line}");
        }
        let drained = self.ended().await;
        signals.abort();
        Ok(if drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Lets the process open as many files as the system allows it: Debian's own limit of 1,024 is full at 300 calls.
fn raise_file_limit(max_calls: usize) {
    let wanted = (max_calls * FILES_PER_CALL + FILES_BESIDE) as u64;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit >= wanted => {}
        Ok(limit) => tracing::warn!(limit, wanted, "too few open files are allowed for node.max_calls: raise `ulimit -n`"),
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}

/// Opens the database and brings it up to date.
pub async fn open_database(config: &Config) -> anyhow::Result<Store> {
    let keys = sealing::load(config.security.master_key.clone()).await?;
    // The store's own words name the key and the cause: printed once, not once a link of the chain.
    let database = Store::open(config.database.url.expose()).await.map_err(|error| anyhow::Error::msg(error.to_string()))?;
    database.seals().replace(keys);
    Ok(database)
}

/// Makes the data folder, and keeps other processes out for as long as the file lives: a second one would take the
/// first one's calls for lost and close their records.
pub fn take_data_dir(folder: &Path) -> anyhow::Result<File> {
    make_data_dir(folder)?;
    let lock = File::options().create(true).truncate(false).write(true).open(folder.join("offhook.lock"));
    let lock = lock.with_context(|| format!("node.data_dir: {} cannot be written", folder.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => anyhow::bail!("node.data_dir: {} is in use by another offhook", folder.display()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("node.data_dir: {} cannot be locked", folder.display()))
        }
    }
}

/// Makes the data folder if it is not there, for its owner alone: it holds what people said on the telephone.
pub fn make_data_dir(folder: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("node.data_dir: {} cannot be made", folder.display()))
}

/// Opens the port of browsers' calls, where there is to be one.
fn open_webrtc(config: &Config) -> anyhow::Result<Option<Arc<WebRtcPort>>> {
    let Some(webrtc) = &config.webrtc else { return Ok(None) };
    let port = WebRtcPort::open(webrtc);
    port.map(Some).map_err(|error| anyhow::Error::msg(bind_problem("webrtc.listen", webrtc.listen, &error).to_string()))
}

async fn listen(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| anyhow::Error::msg(bind_problem(key, address, &error).to_string()))
}

fn keep_up(metrics: PrometheusHandle, gate: Arc<Gate>, breakers: cascade::Breakers) {
    tokio::spawn(async move {
        loop {
            let readiness = tokio::time::timeout(UPKEEP, gate.readiness()).await;
            let ready = readiness.is_ok_and(|readiness| readiness.reasons.is_empty());
            metrics::gauge!("offhook_node_ready").set(f64::from(u8::from(ready)));
            breakers.publish();
            tokio::time::sleep(UPKEEP).await;
            metrics.run_upkeep();
        }
    });
}
