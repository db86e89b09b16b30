//! Tools of the file as the calls take them: HTTP tools made ready, MCP servers kept connected.

use std::collections::BTreeMap;
use std::sync::Arc;

use ai::net::guard::Guard;
use ai::tools::http::HttpTools;
use ai::tools::mcp::{McpServer, McpWatcher};
use ai::tools::toolbox::Toolbox;
use ai::tools::{ToolRunner, builtin};
use platform::memory::{Memories, RememberTool};
use store::Store;

use crate::config::{AssistantConfig, Config, ToolsConfig};

/// Everything that assistants may be given.
pub(super) struct Tools {
    rows: ToolsConfig,
    servers: BTreeMap<String, Arc<McpServer>>,
    /// Services of the node, each one tool.
    services: Vec<Arc<dyn ToolRunner>>,
    guard: Guard,
    memories: Memories,
}

impl Tools {
    /// Begins to connect to the MCP servers that an assistant names; a server that is down does not stop the node.
    pub(super) fn start(config: &Config, services: Vec<Arc<dyn ToolRunner>>, database: &Store, guard: Guard) -> Self {
        let nothing = Self {
            rows: ToolsConfig::default(),
            servers: BTreeMap::new(),
            services,
            guard,
            memories: Memories::new(database.clone()),
        };
        nothing.changed(config)
    }

    /// The tools of another configuration. A server whose row is the same stays connected; one that is left out goes when the last call
    /// that may use it has ended.
    pub(super) fn changed(&self, config: &Config) -> Self {
        let watcher: Arc<dyn McpWatcher> = Arc::new(Watcher);
        let named = |name: &String| config.assistants.iter().any(|assistant| assistant.tools.names.contains(name));
        let used = config.tools.mcp.iter().filter(|server| named(&server.name));
        let servers = used.map(|row| {
            let kept = self.servers.get(&row.name).filter(|_| self.rows.mcp.contains(row));
            let running = kept.cloned().unwrap_or_else(|| {
                metrics::gauge!("offhook_mcp_server_up", "server" => row.name.clone()).set(0.0);
                Arc::new(McpServer::start(row.clone(), self.guard.clone(), Arc::clone(&watcher)))
            });
            (row.name.clone(), running)
        });
        Self {
            rows: config.tools.clone(),
            servers: servers.collect(),
            services: self.services.clone(),
            guard: self.guard.clone(),
            memories: self.memories.clone(),
        }
    }

    /// What one assistant has of them.
    pub(super) fn toolbox(&self, assistant: &AssistantConfig) -> anyhow::Result<Toolbox> {
        let names = &assistant.tools.names;
        let built_in: Vec<&'static str> =
            builtin::NAMES.into_iter().filter(|name| names.iter().any(|chosen| chosen == name)).collect();
        let rows = self.rows.http.iter().filter(|tool| names.contains(&tool.tool.name)).cloned().collect::<Vec<_>>();
        let mut runners: Vec<Arc<dyn ToolRunner>> = Vec::new();
        if !rows.is_empty() {
            let http = HttpTools::new(rows, &self.guard).map_err(|error| anyhow::anyhow!("tools: {error}"))?;
            runners.push(Arc::new(http));
        }
        for name in names {
            runners.extend(self.servers.get(name).map(|server| Arc::clone(server) as Arc<dyn ToolRunner>));
        }
        let chosen = |service: &&Arc<dyn ToolRunner>| service.tools().iter().any(|tool| names.contains(&tool.name));
        runners.extend(self.services.iter().filter(chosen).cloned());
        if assistant.memory.enabled {
            runners.push(Arc::new(RememberTool::new(self.memories.clone(), assistant.memory.retention)));
        }
        let mut toolbox = Toolbox::new(&built_in, runners);
        toolbox.filler.clone_from(&assistant.tools.filler);
        toolbox.transfers.clone_from(&assistant.transfers);
        Ok(toolbox)
    }
}

/// Logs and counts how the servers are.
struct Watcher;

impl McpWatcher for Watcher {
    fn connected(&self, server: &str, tools: usize) {
        metrics::gauge!("offhook_mcp_server_up", "server" => server.to_owned()).set(1.0);
        tracing::info!(server, tools, "MCP server is connected");
    }

    fn lost(&self, server: &str, reason: &str) {
        metrics::gauge!("offhook_mcp_server_up", "server" => server.to_owned()).set(0.0);
        tracing::warn!(server, reason, "MCP server cannot be used, and is tried again");
    }

    fn said(&self, server: &str, line: &str) {
        tracing::debug!(server, line, "MCP server says");
    }
}
