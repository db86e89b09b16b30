//! Tools of an MCP server (Model Context Protocol), over streamable HTTP or a child process.
//!
//! ```text
//! start -> connect -> list tools -> serve ---- list changed, or `refresh` is over: list again
//!             ^                       | lost
//!             +---- wait 1 s .. 60 s -+        meanwhile its tools are offered to no new call, and calls of them fail at once
//! ```

mod link;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use reqwest::Url;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ResourceContents};
use rmcp::{Peer, RoleClient, ServiceError};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::http::reachable;
use super::{Tool, ToolCall, ToolKind, ToolOutcome, ToolRules, ToolRunner, ToolStatus};
use crate::json::line;
use crate::net::guard::{Guard, Reach};
use crate::secret::Secret;

/// How long one call may take, unless its row says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How often the tools are listed again, unless its row says otherwise.
pub const REFRESH: Duration = Duration::from_secs(300);

/// An MCP server as its row says it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct McpConfig {
    /// Its name in the configuration, in metrics and logs.
    pub name: String,
    /// How it is reached.
    pub transport: McpTransport,
    /// How long one call may take; default [`TIMEOUT`].
    pub timeout: Duration,
    /// How often the tools are listed again, besides when the server says that they changed; default [`REFRESH`].
    pub refresh: Duration,
    /// The tools that are offered, by the server's names; empty: all.
    pub only: Vec<String>,
    /// How its tools may be used.
    pub rules: ToolRules,
}

/// How an MCP server is reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum McpTransport {
    /// Streamable HTTP.
    Http {
        /// The endpoint.
        url: String,
        /// Headers of every request, as a token.
        headers: Vec<(String, Secret)>,
        /// Where requests may go.
        reach: Reach,
    },
    /// A child process that speaks on its standard input and output.
    Stdio {
        /// The program.
        command: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// All of its environment: ours has keys that are none of its business.
        environment: Vec<(String, Secret)>,
    },
}

/// Whether a server's URL may be asked, as far as it says so itself; a child has none.
///
/// # Errors
/// What is wrong with it; for the operator.
pub fn check(transport: &McpTransport) -> Result<(), String> {
    let McpTransport::Http { url, reach, .. } = transport else { return Ok(()) };
    reachable(*reach, &Url::parse(url).map_err(|error| error.to_string())?)
}

/// Is told how a server is; for logs and metrics.
pub trait McpWatcher: Send + Sync {
    /// It is connected and has this many tools.
    fn connected(&self, server: &str, tools: usize);

    /// It cannot be reached, or was lost, and is tried again.
    fn lost(&self, server: &str, reason: &str);

    /// A line that a child process wrote to its standard error.
    fn said(&self, server: &str, line: &str);
}

/// Runs the tools of one MCP server, and keeps the connection to it until it is dropped.
pub struct McpServer {
    config: Arc<McpConfig>,
    live: Arc<ArcSwapOption<Live>>,
    /// Makes the keeper look after the connection at once.
    look: Arc<Notify>,
    keeper: JoinHandle<()>,
}

/// A connection that is up.
struct Live {
    peer: Peer<RoleClient>,
    tools: Vec<Tool>,
}

impl McpServer {
    /// Begins to keep a connection to the server, in the background: one that is down is tried again and again. Needs a runtime, and a
    /// TLS provider installed.
    pub fn start(config: McpConfig, guard: Guard, watcher: Arc<dyn McpWatcher>) -> Self {
        let (config, live, look) = (Arc::new(config), Arc::new(ArcSwapOption::empty()), Arc::new(Notify::new()));
        let keeper =
            link::Keeper { config: Arc::clone(&config), live: Arc::clone(&live), look: Arc::clone(&look), guard, watcher };
        Self { config, live, look, keeper: tokio::spawn(keeper.run()) }
    }
}

impl Drop for McpServer {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl ToolRunner for McpServer {
    fn tools(&self) -> Vec<Tool> {
        self.live.load().as_ref().map(|live| live.tools.clone()).unwrap_or_default()
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let (live, look, limit) = (self.live.load_full(), Arc::clone(&self.look), self.config.timeout);
        Box::pin(async move {
            let Some(live) = live else { return failed("the tool's server is not connected now") };
            let Value::Object(arguments) = call.arguments else { return failed("arguments are not a json object") };
            let request = CallToolRequestParams::new(call.name).with_arguments(arguments);
            // Given up, it tells the server so.
            match tokio::time::timeout(limit, live.peer.call_tool_once(request)).await {
                Err(_) => ToolOutcome::late(limit),
                Ok(Ok(CallToolResponse::Complete(result))) => read(result),
                Ok(Ok(_)) => failed("the tool's server wants to be asked in a way that a call cannot"),
                Ok(Err(error)) => {
                    if !matches!(error, ServiceError::McpError(_)) {
                        look.notify_one();
                    }
                    explain(error)
                }
            }
        })
    }

    fn rules(&self, _: &str) -> ToolRules {
        self.config.rules
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Mcp
    }
}

fn failed(reason: &str) -> ToolOutcome {
    ToolOutcome::not_done(ToolStatus::Failed, reason)
}

/// What the model reads of a result: its texts, or else its structure.
fn read(result: CallToolResult) -> ToolOutcome {
    let mut texts: Vec<String> = Vec::new();
    for block in result.content {
        texts.push(match block {
            ContentBlock::Text(text) => text.text,
            ContentBlock::Image(image) => format!("[an image, {}]", line(&image.mime_type)),
            ContentBlock::Audio(audio) => format!("[a sound, {}]", line(&audio.mime_type)),
            ContentBlock::ResourceLink(link) => format!("[a link: {}]", line(&link.uri)),
            ContentBlock::Resource(resource) => match resource.resource {
                ResourceContents::TextResourceContents { text, .. } => text,
                _ => "[a file that is not text]".to_owned(),
            },
            _ => "[content of another kind]".to_owned(),
        });
    }
    let text = texts.join("\n");
    let text = match result.structured_content {
        Some(structure) if text.is_empty() => structure.to_string(),
        _ if text.is_empty() => super::success(),
        _ => text,
    };
    if result.is_error == Some(true) {
        return failed(&text);
    }
    ToolOutcome::ok(text)
}

/// Why there is no result. Neither URL nor header is told: the server's own words are, one line of them.
fn explain(error: ServiceError) -> ToolOutcome {
    match error {
        ServiceError::McpError(error) => failed(&format!("the tool's server refused: {}", line(&error.message))),
        ServiceError::Cancelled { .. } => failed("the tool's server gave the call up"),
        ServiceError::UnexpectedResponse => failed("the tool's server answered outside the protocol"),
        _ => failed("the connection to the tool's server broke"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(result: Value, expected: &str) {
        let result: CallToolResult = serde_json::from_value(result).expect("a result as servers send it");
        let outcome = read(result);
        assert_eq!(format!("{} {}", outcome.status.as_str(), outcome.output.as_str()), expected);
    }

    #[test]
    fn results_are_told_as_text() {
        check(json!({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}), "ok a\nb");
        check(json!({"content": [], "structuredContent": {"n": 5}}), r#"ok {"n":5}"#);
        check(json!({"content": [{"type": "text", "text": "a"}], "structuredContent": {"n": 5}}), "ok a");
        check(json!({"content": []}), r#"ok {"ok":true}"#);
        check(json!({"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]}), "ok [an image, image/png]");
        let resource = json!({"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}});
        check(json!({"content": [resource]}), "ok inside");
        check(
            json!({"content": [{"type": "text", "text": "no such order"}], "isError": true}),
            r#"failed {"error":"no such order","ok":false}"#,
        );
    }
}
