//! The HTTP front doors' view of what calls are answered by: rows are checked as the file's, and changes put into effect.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::kind::ActorKind;
use actors::mailbox::depth_and_dropped;
use actors::supervision::deaths;
use actors::trunk::Health;
use ai::tools::http::HttpTools;
use ai::tools::mcp::{McpServer, McpWatcher};
use ai::tools::{CallInfo, Tool, ToolCall, ToolOutcome, ToolRunner as _};
use api::{ActorState, FileRow, LeftOutRow, NodeGate, NodeState, RowHead, RowRefusal, RowWish, ToolRan, TrunkState};
use futures_util::future::BoxFuture;
use serde_json::Value;
use store::{OrganizationId, ResourceKind};
use tokio::time::{sleep, timeout};

use crate::config::{Candidate, Problems, RowRefusal as Refused};
use crate::wire::Live;

impl NodeGate for Live {
    fn check<'a>(&'a self, wish: RowWish<'a>) -> BoxFuture<'a, Result<RowHead, RowRefusal>> {
        Box::pin(async move {
            // What another node has just written may be what this row needs.
            self.catch_up().await.map_err(|error| {
                tracing::warn!(%error, "a row cannot be checked");
                RowRefusal::Away
            })?;
            let RowWish { organization, kind, id, fields } = wish;
            let known = self.known();
            let candidate = Candidate { organization, kind, id, fields };
            match known.config.check_row(&known.file, &candidate, &known.rows, self.environment()) {
                Ok(head) => Ok(RowHead { name: head.name, uses: head.uses }),
                Err(Refused::OfFile(detail)) => Err(RowRefusal::OfFile(detail)),
                Err(Refused::Fields(Problems(problems))) => {
                    Err(RowRefusal::Fields(problems.into_iter().map(|problem| (problem.key, problem.reason)).collect()))
                }
            }
        })
    }

    fn of_file(&self, kind: ResourceKind) -> Vec<FileRow> {
        let known = self.known();
        let rows = known.file.file_rows.0.iter().filter(|row| row.kind == kind);
        rows.map(|row| FileRow { id: row.id.clone(), fields: row.fields.clone() }).collect()
    }

    fn run_tool<'a>(
        &'a self,
        organization: &'a OrganizationId,
        name: &'a str,
        arguments: Value,
    ) -> BoxFuture<'a, Option<ToolRan>> {
        Box::pin(self.try_tool(organization, name, arguments))
    }

    fn mcp_tools<'a>(
        &'a self,
        organization: &'a OrganizationId,
        name: &'a str,
    ) -> BoxFuture<'a, Option<Vec<(String, String, Value)>>> {
        Box::pin(async move {
            let tools = self.list_tools(organization, name).await?;
            Some(tools.into_iter().map(|tool| (tool.name, tool.description, tool.parameters)).collect())
        })
    }

    fn trunk(&self, name: &str) -> Option<TrunkState> {
        let entry = self.node().shared.trunks.find(name)?;
        let state = entry.state();
        let word = |place: usize| match state.health.get(place).copied().unwrap_or_default() {
            Health::Down => "down",
            Health::Failing => "failing",
            Health::Unknown => "unknown",
            Health::Up => "up",
        };
        let targets = entry.config.targets.iter().enumerate();
        let targets = targets.map(|(place, target)| (target.uri.to_string(), word(place))).collect();
        Some(TrunkState { registered: state.registered, targets })
    }

    fn state(&self) -> NodeState {
        let (shared, known) = (&self.node().shared, self.known());
        let left_out = known.left_out.iter().map(|row| LeftOutRow {
            id: row.id.to_string(),
            kind: row.kind.as_str(),
            reason: row.problems.to_string().replace('\n', ", "),
        });
        let actors = ActorKind::ALL.into_iter().map(|kind| {
            let (mailbox_depth, mailbox_dropped) = depth_and_dropped(kind);
            ActorState { actor: kind.name(), restarts: deaths(kind), mailbox_depth, mailbox_dropped }
        });
        NodeState {
            name: shared.config.name.clone(),
            uptime: self.uptime(),
            draining: shared.draining(),
            calls: shared.calls_up(),
            calls_max: shared.config.max_calls,
            cpu_busy: shared.cpu_busy(),
            revision: known.revision,
            left_out: left_out.collect(),
            actors: actors.collect(),
        }
    }

    fn reload(&self) -> BoxFuture<'_, Result<(), Vec<(String, String)>>> {
        Box::pin(async move {
            let done = Box::pin(self.read_again()).await;
            done.map_err(|Problems(problems)| problems.into_iter().map(|problem| (problem.key, problem.reason)).collect())
        })
    }

    fn drain(&self) {
        self.node().drain();
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Err(error) = self.catch_up().await {
                tracing::warn!(%error, "a change takes effect when the database answers again");
            }
        })
    }
}

/// How often a server is looked at that is about to connect.
const LOOKED_AT_EACH: Duration = Duration::from_millis(50);
/// How long somebody at the API waits for a tool or its server: below the 10 s that a request has.
const TRIED_MAX: Duration = Duration::from_secs(8);

impl Live {
    /// Uses a tool as a call would.
    async fn try_tool(&self, organization: &OrganizationId, name: &str, arguments: Value) -> Option<ToolRan> {
        let known = self.known();
        let row = known.config.tools_of(organization)?.http.iter().find(|row| row.tool.name == name)?.clone();
        let tools = HttpTools::new(vec![row], self.guard())
            .map_err(|error| tracing::warn!(tool = name, reason = error.reason, "a tool cannot be tried"))
            .ok()?;
        let call = ToolCall { name: name.to_owned(), arguments, call: Arc::new(CallInfo::default()) };
        let began = Instant::now();
        let outcome = timeout(TRIED_MAX, tools.run(call)).await.unwrap_or_else(|_| ToolOutcome::late(TRIED_MAX));
        Some(ToolRan { status: outcome.status.as_str(), output: outcome.output.into_string(), took: began.elapsed() })
    }

    /// Lists the tools of a server, which is connected to for this if no assistant uses it.
    async fn list_tools(&self, organization: &OrganizationId, name: &str) -> Option<Vec<Tool>> {
        let server = match self.mcp_server(organization, name).await {
            Some(server) => server,
            None => {
                let known = self.known();
                let row = known.config.tools_of(organization)?.mcp.iter().find(|row| row.name == name)?.clone();
                Arc::new(McpServer::start(row, self.guard().clone(), Arc::new(Silent)))
            }
        };
        let listed = async {
            loop {
                let tools = server.tools();
                if !tools.is_empty() {
                    return tools;
                }
                sleep(LOOKED_AT_EACH).await;
            }
        };
        timeout(TRIED_MAX, listed).await.ok()
    }
}

/// A server that is only looked at is none that is counted.
struct Silent;

impl McpWatcher for Silent {
    fn connected(&self, _: &str, _: usize) {}

    fn lost(&self, server: &str, reason: &str) {
        tracing::warn!(server, reason, "MCP server cannot be looked at");
    }

    fn said(&self, _: &str, _: &str) {}
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live(_)")
    }
}
