//! `/api/openapi.json`: what all routes take and answer, and `/docs`, a page that shows it and tries it out.

use axum::Router;
use axum::http::header;
use axum::response::Html;
use axum::routing::get;
use serde::Serialize;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement};
use utoipa::{PartialSchema as _, ToSchema};

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemShown {
    /// Always about:blank: the status says all.
    r#type: String,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// What is wrong.
    detail: String,
    /// Each field that is wrong.
    errors: Vec<FieldShown>,
    /// For whoever reads the log.
    request_id: String,
}

/// A field that is wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = ProblemField)]
pub(crate) struct FieldShown {
    /// Which, with dots: `parts.0.size`.
    field: String,
    /// Why.
    reason: String,
}

/// The document, without its routes.
pub(super) fn document() -> OpenApi {
    let info = InfoBuilder::new().title("Offhook").version(env!("CARGO_PKG_VERSION"));
    let info =
        info.description(Some("Calls, and the people and programs that work with them. Errors are application/problem+json."));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let key = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
    let parts = ComponentsBuilder::new()
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .security_scheme("key", SecurityScheme::ApiKey(key))
        .schema("Problem", ProblemShown::schema())
        .schema("ProblemField", FieldShown::schema());
    let none: [&str; 0] = [];
    OpenApiBuilder::new()
        .info(info.build())
        .components(Some(parts.build()))
        .security(Some([SecurityRequirement::new("bearer", none), SecurityRequirement::new("key", none)]))
        .build()
}

/// Names each operation by its path and its handler, as `api_keys_rotate` and `webhooks_deliveries_list`: generators of clients make
/// functions of the names, so each is another.
pub(super) fn name_operations(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let words = path.trim_start_matches("/api/v1/").split('/').filter(|word| !word.starts_with('{'));
        let place = words.collect::<Vec<_>>().join("_").replace('-', "_");
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let handler = operation.operation_id.take().unwrap_or_default();
            let said = place == handler || place.ends_with(&format!("_{handler}"));
            operation.operation_id = Some(if said { place.clone() } else { format!("{place}_{handler}") });
        }
    }
}

/// The document and the page. Neither is secret.
pub(super) fn routes(document: &OpenApi) -> Router {
    let json = document.to_json().expect("a document is JSON");
    let json = get(async move || ([(header::CONTENT_TYPE, "application/json")], json));
    let script = get(async || ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("docs.js")));
    let style = get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("docs.css")));
    Router::new()
        .route("/api/openapi.json", json)
        .route("/docs", get(async || Html(include_str!("docs.html"))))
        .route("/docs/docs.js", script)
        .route("/docs/docs.css", style)
}
