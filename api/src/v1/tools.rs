//! `/api/v1/tools`: HTTP requests that assistants may make, by name.

use super::body::Body;
use super::resources::prelude::*;

/// An HTTP tool, as `[[tools]]` of the file has it. Values of `headers` are kept and never shown: `(hidden)` stands for one that stays.
#[derive(Deserialize, Serialize, ToSchema)]
pub(super) struct Tool {
    /// What the model calls it: once in the organization, MCP servers included. 1-64 letters, digits, `_` and `-`. Must be set.
    #[schema(min_length = 1, max_length = 64, example = "find_order")]
    name: Option<String>,
    /// When to use it, for the model. Must be set.
    #[schema(min_length = 1, max_length = 4096)]
    description: Option<String>,
    /// get, post, put, patch or delete; null: get.
    method: Option<String>,
    /// Where; with places for arguments: `https://shop.example/orders/{number}`. Must be set.
    #[schema(example = "https://shop.example/orders/{number}")]
    url: Option<String>,
    /// JSON Schema of the arguments: an object.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Map<String, Value>>,
    /// Parameters of the URL, with places.
    #[schema(value_type = Option<Object>)]
    query: Option<Map<String, Value>>,
    /// Fields of the body, with places.
    #[schema(value_type = Option<Object>)]
    body: Option<Map<String, Value>>,
    /// Headers, with places.
    #[schema(value_type = Option<Object>)]
    headers: Option<Map<String, Value>>,
    /// How long it may take; null: 10,000.
    timeout_ms: Option<u32>,
    /// Whether private addresses may be asked; for the operator's organization only.
    allow_private: Option<bool>,
    /// Whether it is given up when the caller speaks.
    cancel_on_barge_in: Option<bool>,
    /// Whether its arguments are kept off the record.
    sensitive: Option<bool>,
}

impl Fields for Tool {
    const KIND: ResourceKind = ResourceKind::Tool;
    const PATH: &'static str = "/api/v1/tools";
    const HIDDEN: &'static [&'static str] = &["headers"];
}

crud!(Tool, "tools", "/api/v1/tools", "/api/v1/tools/{id}");

/// A use of a tool.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolTestWish {
    /// What a model would write.
    #[schema(value_type = Option<Object>, example = json!({ "number": "A-1" }))]
    arguments: Option<Map<String, Value>>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(super) struct ToolTestShown {
    /// ok, failed, refused or timeout.
    #[schema(example = "ok")]
    status: &'static str,
    /// What a model would read.
    output: String,
    /// How long it took.
    duration_ms: u64,
}

/// Uses a tool once, as a call would, and tells what came of it. It is done in earnest, for 8 s at most.
#[utoipa::path(post, path = "/api/v1/tools/{id}/test", tag = "tools", params(("id" = String, Path)), request_body = ToolTestWish,
    responses((status = 200, body = ToolTestShown), (status = 404), (status = 409)))]
pub(super) async fn test(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(id): Path<String>,
    Body(wish): Body<ToolTestWish>,
) -> Result<Json<ToolTestShown>, Problem> {
    let name = resources::name_of::<Tool>(&api, &asked, &id).await?;
    let arguments = Value::Object(wish.arguments.unwrap_or_default());
    let ran = api.node()?.run_tool(&asked.principal.organization, &name, arguments).await;
    let ran = ran.ok_or_else(|| Problem::new(StatusCode::CONFLICT, "the tool cannot be used: the log of the node says why"))?;
    Ok(Json(ToolTestShown { status: ran.status, output: ran.output, duration_ms: ran.took.as_millis() as u64 }))
}
