//! `/api/v1/mcp-servers`: servers whose tools assistants may use, by name.

use super::resources::prelude::*;

/// An MCP server over HTTP, as `[[mcp_servers]]` of the file has it; programs can be named in the file only. Values of `headers` are kept
/// and never shown: `(hidden)` stands for one that stays.
#[derive(Deserialize, Serialize, ToSchema)]
pub(super) struct McpServer {
    /// What assistants call it: once in the organization, tools included. Must be set.
    #[schema(min_length = 1, max_length = 64, example = "crm")]
    name: Option<String>,
    /// Where. Must be set.
    #[schema(example = "https://crm.example/mcp")]
    url: Option<String>,
    /// Headers of each request.
    #[schema(value_type = Option<Object>)]
    headers: Option<Map<String, Value>>,
    /// How long a tool may take; null: 10,000.
    timeout_ms: Option<u32>,
    /// How often its tools are listed again; null: 300.
    refresh_s: Option<u32>,
    /// Which of its tools; null: all.
    tools: Option<Vec<String>>,
    /// Whether private addresses may be asked; for the operator's organization only.
    allow_private: Option<bool>,
    /// Whether a tool is given up when the caller speaks.
    cancel_on_barge_in: Option<bool>,
    /// Whether arguments are kept off the record.
    sensitive: Option<bool>,
    /// Of a row of the file: the program that is run.
    #[schema(read_only)]
    command: Option<String>,
    /// Of a row of the file: its arguments.
    #[schema(read_only)]
    args: Option<Vec<String>>,
    /// Of a row of the file: its variables.
    #[schema(value_type = Option<Object>, read_only)]
    env: Option<Map<String, Value>>,
}

impl Fields for McpServer {
    const KIND: ResourceKind = ResourceKind::McpServer;
    const PATH: &'static str = "/api/v1/mcp-servers";
    const HIDDEN: &'static [&'static str] = &["env", "headers"];
}

crud!(McpServer, "mcp-servers", "/api/v1/mcp-servers", "/api/v1/mcp-servers/{id}");

/// A tool of a server.
#[derive(Serialize, ToSchema)]
pub(super) struct McpToolShown {
    /// What the model calls it.
    name: String,
    /// When to use it.
    description: String,
    /// JSON Schema of its arguments.
    #[schema(value_type = Object)]
    parameters: Value,
}

/// Lists the tools that a server offers now. One that no assistant uses is connected to for this, for 8 s at most.
#[utoipa::path(get, path = "/api/v1/mcp-servers/{id}/tools", tag = "mcp-servers", params(("id" = String, Path)),
    responses((status = 200, body = Listed<McpToolShown>), (status = 404), (status = 503)))]
pub(super) async fn tools(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(id): Path<String>,
) -> Result<Json<Listed<McpToolShown>>, Problem> {
    let name = resources::name_of::<McpServer>(&api, &asked, &id).await?;
    let tools = api.node()?.mcp_tools(&asked.principal.organization, &name).await;
    let away = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server cannot be used now: the log of the node says why");
    let tools = tools.ok_or_else(away)?.into_iter();
    let shown = tools.map(|(name, description, parameters)| McpToolShown { name, description, parameters });
    Ok(Json(Listed::new(shown.collect(), None)))
}
