//! Tools of the file as the calls take them: HTTP tools made ready, MCP servers kept connected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ai::net::guard::Guard;
use ai::tools::http::HttpTools;
use ai::tools::mcp::{McpConfig, McpServer, McpWatcher};
use ai::tools::toolbox::Toolbox;
use ai::tools::{ToolRunner, builtin};
use platform::knowledge::Service;
use platform::memory::{Memories, RememberTool};
use store::{OrganizationId, Store};

use super::services::search_knowledge;
use crate::config::{AssistantConfig, Config, SEARCH_KNOWLEDGE, ToolsConfig};

/// Everything that assistants may be given.
pub(super) struct Tools {
    /// By whose they are.
    rows: BTreeMap<OrganizationId, ToolsConfig>,
    /// By whose they are, and by name.
    servers: BTreeMap<(OrganizationId, String), (McpConfig, Arc<McpServer>)>,
    knowledge: Service,
    /// Other services of the node, each one tool.
    services: Vec<Arc<dyn ToolRunner>>,
    guard: Guard,
    memories: Memories,
}

impl Tools {
    /// What there is without any row.
    pub(super) fn new(knowledge: &Service, services: Vec<Arc<dyn ToolRunner>>, database: &Store, guard: Guard) -> Self {
        let memories = Memories::new(database.clone());
        Self { rows: BTreeMap::new(), servers: BTreeMap::new(), knowledge: knowledge.clone(), services, guard, memories }
    }

    /// The tools of another configuration. Begins to connect to the MCP servers that an assistant names; one that is down stops nothing.
    /// A server whose row is the same stays connected; one that is left out goes when the last call that may use it has ended.
    pub(super) fn changed(&self, config: &Config) -> Self {
        let watcher: Arc<dyn McpWatcher> = Arc::new(Watcher);
        let chosen = config
            .assistants
            .iter()
            .flat_map(|assistant| assistant.tools.names.iter().map(|name| (assistant.organization.clone(), name.clone())));
        let chosen: BTreeSet<(OrganizationId, String)> = chosen.collect();
        let operator = (OrganizationId::operator(), config.tools.clone());
        let rows: BTreeMap<_, _> = [operator].into_iter().chain(config.tools_elsewhere.clone()).collect();
        let all = rows
            .iter()
            .flat_map(|(organization, rows)| rows.mcp.iter().map(|row| ((organization.clone(), row.name.clone()), row)));
        let servers = all.filter(|(place, _)| chosen.contains(place)).map(|(place, row)| {
            let kept = self.servers.get(&place).filter(|(before, _)| before == row).map(|(_, server)| Arc::clone(server));
            let running = kept.unwrap_or_else(|| {
                metrics::gauge!("offhook_mcp_server_up", "server" => row.name.clone()).set(0.0);
                Arc::new(McpServer::start(row.clone(), self.guard.clone(), Arc::clone(&watcher)))
            });
            (place, (row.clone(), running))
        });
        Self {
            servers: servers.collect(),
            rows,
            knowledge: self.knowledge.clone(),
            services: self.services.clone(),
            guard: self.guard.clone(),
            memories: self.memories.clone(),
        }
    }

    /// The MCP server of an organization that an assistant uses.
    pub(super) fn server(&self, organization: &OrganizationId, name: &str) -> Option<Arc<McpServer>> {
        self.servers.get(&(organization.clone(), name.to_owned())).map(|(_, server)| Arc::clone(server))
    }

    /// What one assistant has of them.
    pub(super) fn toolbox(&self, assistant: &AssistantConfig) -> anyhow::Result<Toolbox> {
        let names = &assistant.tools.names;
        let built_in: Vec<&'static str> =
            builtin::NAMES.into_iter().filter(|name| names.iter().any(|chosen| chosen == name)).collect();
        let http = self.rows.get(&assistant.organization).into_iter().flat_map(|rows| &rows.http);
        let rows = http.filter(|tool| names.contains(&tool.tool.name)).cloned().collect::<Vec<_>>();
        let mut runners: Vec<Arc<dyn ToolRunner>> = Vec::new();
        if !rows.is_empty() {
            let http = HttpTools::new(rows, &self.guard).map_err(|error| anyhow::anyhow!("tools: {error}"))?;
            runners.push(Arc::new(http));
        }
        for name in names {
            let server = self.servers.get(&(assistant.organization.clone(), name.clone()));
            runners.extend(server.map(|(_, server)| Arc::clone(server) as Arc<dyn ToolRunner>));
        }
        let chosen = |service: &&Arc<dyn ToolRunner>| service.tools().iter().any(|tool| names.contains(&tool.name));
        runners.extend(self.services.iter().filter(chosen).cloned());
        if names.iter().any(|name| name == SEARCH_KNOWLEDGE) {
            runners.push(search_knowledge(&self.knowledge, &assistant.organization));
        }
        if assistant.memory.enabled {
            runners.push(Arc::new(RememberTool::new(
                self.memories.clone(),
                assistant.organization.clone(),
                assistant.memory.retention,
            )));
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
