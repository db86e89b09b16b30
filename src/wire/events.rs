//! Who hears of what happens: those who listen, and those who are told.

use std::time::Duration;

use actors::node::NodeHandle;
use platform::events::Events;
use platform::webhooks::{Runner, Webhooks};
use store::{EventKind, Store, WallTime};
use tokio::task::JoinHandle;

use super::Clients;
use crate::config::Config;

/// How often the node is asked whether it drains; nobody waits for the news.
const LOOK: Duration = Duration::from_millis(200);

/// How long an end of the node waits for its drain to be told.
const STOP_MAX: Duration = Duration::from_secs(2);

/// What tells of events.
pub(super) struct Telling {
    pub(super) events: Events,
    pub(super) webhooks: Webhooks,
    runner: Runner,
    feed: JoinHandle<()>,
    watch: JoinHandle<()>,
    node: NodeHandle,
    store: Store,
    name: String,
}

impl Telling {
    /// Sets it going, and tells that the node has started.
    pub(super) async fn start(config: &Config, store: &Store, clients: &Clients, node: &NodeHandle) -> anyhow::Result<Self> {
        let (store, name) = (store.clone(), config.node.name.clone());
        let events = Events::open(store.clone(), config.events.readers).await?;
        let webhooks = Webhooks::new(store.clone(), clients.guard.clone(), config.webhooks.reach);
        tell(&store, EventKind::NodeStarted, &name).await;
        let feed = events.start(config.events.kept);
        let watch = tokio::spawn(watch(node.clone(), store.clone(), name.clone()));
        let runner = webhooks.start(name.clone());
        Ok(Self { events, webhooks, runner, feed, watch, node: node.clone(), store, name })
    }

    /// Tells that the node has stopped, and stops telling.
    pub(super) async fn stop(mut self) {
        if self.node.shared.draining() {
            // A drain without calls is over before it is seen.
            let _told = tokio::time::timeout(STOP_MAX, &mut self.watch).await;
        }
        tell(&self.store, EventKind::NodeStopped, &self.name).await;
        self.runner.stop().await;
        self.watch.abort();
        self.feed.abort();
    }
}

/// Tells of a drain once it begins.
async fn watch(node: NodeHandle, store: Store, name: String) {
    while !node.shared.draining() {
        tokio::time::sleep(LOOK).await;
    }
    tell(&store, EventKind::NodeDraining, &name).await;
}

async fn tell(store: &Store, kind: EventKind, name: &str) {
    if let Err(error) = store.tell_of_node(kind, name, WallTime::now()).await {
        tracing::warn!(%error, kind = kind.as_str(), "an event of the node was not written");
    }
}
