//! What browsers are told: which pages may use the API, and what no page may do with an answer.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// For how long a browser need not ask again whether it may.
const ASKED_FOR: Duration = Duration::from_secs(3600);

/// Lets pages of these origins use the routes, with tokens and keys. Cookies are for pages of this server alone.
pub(crate) fn open_to(origins: &[String], routes: Router) -> Router {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    if origins.is_empty() {
        return routes;
    }
    let named = |name: &'static str| HeaderName::from_static(name);
    let asked = [header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH, named("idempotency-key"), named("x-api-key")];
    let told = [header::ETAG, header::LOCATION, header::RETRY_AFTER, named("x-request-id")];
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(asked)
        .expose_headers(told)
        .max_age(ASKED_FOR);
    routes.layer(cors)
}

/// Puts the headers on an answer that keep a page from being framed, sniffed, or fed with scripts from elsewhere.
pub(crate) fn guard(path: &str, response: &mut Response) {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    if path.starts_with("/api/") {
        set(header::CACHE_CONTROL, "no-store");
        set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    } else {
        set(header::CONTENT_SECURITY_POLICY, "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
    }
}
