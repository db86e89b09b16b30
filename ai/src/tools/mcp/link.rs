//! The connection to an MCP server: made, looked after, made again.

use std::collections::HashMap;
use std::process::Stdio;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use rand::RngExt as _;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use rmcp::model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion, SubscriptionFilterBuilder};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RunningService, Subscription};
use rmcp::transport::TokioChildProcess;
use rmcp::transport::streamable_http_client::{StreamableHttpClientTransport, StreamableHttpClientTransportConfig};
use rmcp::{ClientHandler, Peer, RoleClient};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{ChildStderr, Command};
use tokio::sync::Notify;

use super::{Live, McpConfig, McpTransport, McpWatcher};
use crate::json::line;
use crate::net::guard::{Guard, Redirects};
use crate::tools::Tool;
use crate::tools::toolbox::MAX_TOOLS;

/// How long connecting and greeting may take: a server of before 2026-07-28 that ignores the first question is asked in the old way
/// after 10 s.
const CONNECT_TIME: Duration = Duration::from_secs(25);

/// How long listing the tools may take.
const LIST_TIME: Duration = Duration::from_secs(10);

/// Waits before a server is tried again: they double from the first to the second, and vary by a fifth.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A connection that lasted this long begins again with the shortest wait.
const STEADY: Duration = Duration::from_secs(60);

/// Bytes of one message over HTTP with events: what is cut to 32 KiB for the model later, with room to spare. Bodies without events and
/// lines of a child are bounded by rmcp, to 16 MiB.
const MAX_MESSAGE: usize = 1024 * 1024;

/// Bytes of one line of a child's standard error.
const MAX_LINE: u64 = 1_024;

/// Looks after one server, for as long as its runner lives.
pub(super) struct Keeper {
    pub(super) config: Arc<McpConfig>,
    pub(super) live: Arc<ArcSwapOption<Live>>,
    pub(super) look: Arc<Notify>,
    pub(super) guard: Guard,
    pub(super) watcher: Arc<dyn McpWatcher>,
}

impl Keeper {
    pub(super) async fn run(self) {
        let mut wait = RETRY.0;
        loop {
            let began = Instant::now();
            let reason = match within(CONNECT_TIME, self.connect()).await {
                Ok(service) => self.serve(service).await,
                Err(reason) => reason,
            };
            self.live.store(None);
            self.watcher.lost(&self.config.name, &reason);
            if began.elapsed() >= STEADY {
                wait = RETRY.0;
            }
            let jitter = rand::rng().random_range(0.8..1.2);
            tokio::time::sleep(wait.mul_f64(jitter)).await;
            wait = (wait * 2).min(RETRY.1);
        }
    }

    async fn connect(&self) -> Result<RunningService<RoleClient, Listener>, String> {
        let listener = Listener { look: Arc::clone(&self.look) };
        match &self.config.transport {
            McpTransport::Http { url, headers, reach } => {
                let parsed = Url::parse(url).map_err(|error| error.to_string())?;
                reach.check(&parsed).map_err(|refused| refused.to_string())?;
                let client = self.guard.client(*reach, Redirects::SameOrigin);
                let client = client.map_err(|error| error.to_string())?;
                let config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
                    .custom_headers(header_map(headers)?)
                    .max_sse_event_size(MAX_MESSAGE);
                let transport = StreamableHttpClientTransport::with_client(client, config);
                listener.serve_with_lifecycle(transport, lifecycle()).await.map_err(|error| line(&error.to_string()))
            }
            McpTransport::Stdio { command, arguments, environment } => {
                let mut child = Command::new(command);
                child.args(arguments).env_clear().kill_on_drop(true);
                child.envs(environment.iter().map(|(name, value)| (name, value.expose())));
                let spawned = TokioChildProcess::builder(child).stderr(Stdio::piped()).spawn();
                let (transport, errors) = spawned.map_err(|error| format!("{command} cannot be started: {error}"))?;
                if let Some(errors) = errors {
                    tokio::spawn(read_errors(errors, self.config.name.clone(), Arc::clone(&self.watcher)));
                }
                listener.serve_with_lifecycle(transport, lifecycle()).await.map_err(|error| line(&error.to_string()))
            }
        }
    }

    /// Offers the server's tools until the connection is lost; gives the reason.
    async fn serve(&self, service: RunningService<RoleClient, Listener>) -> String {
        let peer = service.peer().clone();
        let ended = service.waiting();
        tokio::pin!(ended);
        let (mut told, mut subscription) = (None, None);
        loop {
            if subscription.is_none() {
                subscription = subscribe(&peer).await;
            }
            let listed = tokio::select! {
                end = &mut ended => return format!("the connection ended ({end:?})"),
                listed = within(LIST_TIME, self.list(&peer)) => listed,
            };
            let tools = match listed {
                Ok(tools) => tools,
                Err(reason) => return reason,
            };
            if told != Some(tools.len()) {
                self.watcher.connected(&self.config.name, tools.len());
                told = Some(tools.len());
            }
            self.live.store(Some(Arc::new(Live { peer: peer.clone(), tools })));
            tokio::select! {
                end = &mut ended => return format!("the connection ended ({end:?})"),
                () = self.look.notified() => {}
                () = changed(&mut subscription) => {}
                () = tokio::time::sleep(self.config.refresh) => {}
            }
        }
    }

    async fn list(&self, peer: &Peer<RoleClient>) -> Result<Vec<Tool>, String> {
        let listed = peer.list_all_tools().await.map_err(|error| line(&error.to_string()))?;
        let only = &self.config.only;
        let offered = listed.into_iter().filter(|tool| only.is_empty() || only.iter().any(|name| *name == tool.name));
        let tool = |tool: rmcp::model::Tool| Tool {
            description: tool.description.unwrap_or_default().into_owned(),
            parameters: serde_json::Value::Object((*tool.input_schema).clone()),
            name: tool.name.into_owned(),
        };
        Ok(offered.take(MAX_TOOLS).map(tool).collect())
    }
}

/// Modern first, then as servers of before 2026-07-28 are greeted.
fn lifecycle() -> ClientLifecycleMode {
    ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None }
}

/// Asks to be told of changes. Servers before protocol 2026-07-28 tell them without, to the [`Listener`].
async fn subscribe(peer: &Peer<RoleClient>) -> Option<Subscription> {
    let modern = peer.peer_info().is_some_and(|info| info.protocol_version == ProtocolVersion::V_2026_07_28);
    let filter = SubscriptionFilterBuilder::default().tools_list_changed().build();
    let asked = async { peer.listen(filter).await.map_err(|error| error.to_string()) };
    if modern { within(LIST_TIME, asked).await.ok() } else { None }
}

/// Ends when the server says that its tools have changed. A subscription that ends is made again when the tools are next listed.
async fn changed(subscription: &mut Option<Subscription>) {
    if let Some(open) = subscription {
        if let Ok(Some(_)) = open.next().await {
            return;
        }
        *subscription = None;
    }
    std::future::pending::<()>().await;
}

/// The result, or that it was not there in time.
async fn within<T>(limit: Duration, asked: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| Err(format!("no answer within {} s", limit.as_secs()));
    tokio::time::timeout(limit, asked).await.unwrap_or_else(late)
}

fn header_map(headers: &[(String, crate::secret::Secret)]) -> Result<HashMap<HeaderName, HeaderValue>, String> {
    let header = |(name, value): &(String, crate::secret::Secret)| {
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| format!("header {name} cannot be sent"))?;
        value.set_sensitive(true);
        Ok((HeaderName::from_str(name).map_err(|_| format!("header {name} cannot be sent"))?, value))
    };
    headers.iter().map(header).collect()
}

/// Hands on what a child process complains about, a bounded line at a time.
async fn read_errors(errors: ChildStderr, server: String, watcher: Arc<dyn McpWatcher>) {
    let mut errors = BufReader::new(errors);
    let mut text = Vec::new();
    while let Ok(1..) = (&mut errors).take(MAX_LINE).read_until(b'\n', &mut text).await {
        watcher.said(&server, String::from_utf8_lossy(&text).trim_end());
        text.clear();
    }
}

/// Hears what the server says of itself.
struct Listener {
    look: Arc<Notify>,
}

impl ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        let name = Implementation::new("offhook", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), name)
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.look.notify_one();
    }
}
