//! `/api/v1/assistants`: who answers, with all that `[[assistants]]` of the file knows, and every version of it.

use super::resources::VersionShown;
use super::resources::prelude::*;

/// An assistant. What is null or absent is as the configuration's reference has it by default.
#[derive(Deserialize, Serialize, ToSchema)]
pub(super) struct Assistant {
    /// What it is called: once in the organization. Must be set.
    #[schema(min_length = 1, max_length = 128, example = "reception")]
    name: Option<String>,
    /// Spoken when the call is answered, at most 2000 bytes; "": the caller speaks first.
    #[schema(max_length = 2000, example = "Good morning, Acme, how can I help?")]
    first_message: Option<String>,
    /// The model's instructions, at most 32768 bytes.
    #[schema(max_length = 32768)]
    system_prompt: Option<String>,
    /// How it comes across: friendly, professional, and the like.
    personality: Option<String>,
    /// The language of its calls, ISO 639-1, or auto.
    #[schema(example = "en")]
    language: Option<String>,
    /// Where its clocks are.
    #[schema(example = "Europe/Berlin")]
    timezone: Option<String>,
    /// Whether the caller's speech stops it.
    interruptions_enabled: Option<bool>,
    /// default, always or off.
    recording: Option<String>,
    /// What is taken out of what was said before it is kept or told: card_numbers, emails, ibans.
    #[schema(example = json!(["card_numbers", "ibans"]))]
    redact: Option<Vec<String>>,
    /// Whether its engine hears callers without the noise around them.
    background_denoising: Option<bool>,
    /// What is heard under its voice: sound, level_dbov.
    #[schema(value_type = Option<Object>)]
    ambience: Option<Map<String, Value>>,
    /// What thinks: kind (auto, realtime, cascade, stream, offline) and what that kind takes.
    #[schema(value_type = Option<Object>, example = json!({ "kind": "offline" }))]
    engine: Option<Map<String, Value>>,
    /// What it sounds like: provider, voice_id, model, settings, offline_voice.
    #[schema(value_type = Option<Object>)]
    voice: Option<Map<String, Value>>,
    /// Of a cascade, who answers: provider, name, temperature, max_tokens.
    #[schema(value_type = Option<Object>)]
    model: Option<Map<String, Value>>,
    /// Of a cascade, who writes down: provider, model, language, keywords.
    #[schema(value_type = Option<Object>)]
    transcriber: Option<Map<String, Value>>,
    /// Of a cascade, who takes over, in this order.
    #[schema(value_type = Option<Vec<Object>>)]
    fallback: Option<Vec<Map<String, Value>>>,
    /// Of a cascade, how long each stage may take.
    #[schema(value_type = Option<Object>)]
    timeouts: Option<Map<String, Value>>,
    /// Of a cascade, words and how they are said.
    #[schema(value_type = Option<Object>)]
    pronunciations: Option<Map<String, Value>>,
    /// Of a cascade, what is said when an answer is late.
    filler: Option<String>,
    /// What it says though nobody asked.
    #[schema(value_type = Option<Object>)]
    phrases: Option<Map<String, Value>>,
    /// What its model may do: built-in tools, tools and MCP servers by name.
    tools: Option<Vec<String>>,
    /// Said while a slow tool runs.
    tool_filler: Option<String>,
    /// Whom it may put callers through to: name, target, description, way. Of the operator's organization only.
    #[schema(value_type = Option<Vec<Object>>)]
    transfer: Option<Vec<Map<String, Value>>>,
    /// What it looks things up in: bases, limit, min_score.
    #[schema(value_type = Option<Object>)]
    knowledge: Option<Map<String, Value>>,
    /// Its turn-taking, where it differs from the node's.
    #[schema(value_type = Option<Object>)]
    turn: Option<Map<String, Value>>,
    /// What is found out about its calls after their end.
    #[schema(value_type = Option<Object>)]
    analysis: Option<Map<String, Value>>,
    /// What is remembered of its callers.
    #[schema(value_type = Option<Object>)]
    memory: Option<Map<String, Value>>,
    /// Whatever its owner wants to keep with it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

impl Fields for Assistant {
    const KIND: ResourceKind = ResourceKind::Assistant;
    const PATH: &'static str = "/api/v1/assistants";
}

crud!(Assistant, "assistants", "/api/v1/assistants", "/api/v1/assistants/{id}");

/// Lists what an assistant was, the latest first.
#[utoipa::path(get, path = "/api/v1/assistants/{id}/versions", tag = "assistants", params(("id" = String, Path), Part),
    responses((status = 200, body = Listed<VersionShown<Assistant>>), (status = 404), (status = 409)))]
pub(super) async fn versions(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(id): Path<String>,
    Paged(page): Paged,
) -> Result<Json<Listed<VersionShown<Assistant>>>, Problem> {
    resources::versions(&api, &asked, &id, &page).await
}

/// Makes an assistant what it was in a version. This is a new version, and the next call finds it.
#[utoipa::path(post, path = "/api/v1/assistants/{id}/versions/{n}/restore", tag = "assistants",
    params(("id" = String, Path), ("n" = u64, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Shown<Assistant>), (status = 404), (status = 409), (status = 412), (status = 422)))]
pub(super) async fn restore(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path((id, wanted)): Path<(String, String)>,
) -> Result<Response, Problem> {
    resources::restore::<Assistant>(&api, &asked, version, (&id, &wanted)).await
}
