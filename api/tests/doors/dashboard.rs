//! The dashboard's place among the routes, and the document that its client is made from.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, header};
use tower::ServiceExt as _;

use crate::fake::*;

fn shown(path: &str) -> Request<Body> {
    Request::get(path).header(header::ACCEPT, "text/html,*/*;q=0.8").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_browser_gets_the_page_where_nothing_else_is() {
    let router = open_router(&Arc::default());
    for path in ["/", "/calls/01900000-0000-7000-8000-000000000000", "/users"] {
        let answer = ask(&router, shown(path)).await;
        assert!(answer.starts_with("200 <!doctype html>"), "{path}: {answer}");
    }
    for path in ["/api/v1/none", "/assets/none.js", "/twilio/none", "/robots.txt"] {
        let answer = ask(&router, shown(path)).await;
        assert!(answer.starts_with("404 ") && answer.contains("request_id"), "{path}: {answer}");
    }
    let answer = ask(&router, Request::get("/users").body(Body::empty()).unwrap()).await;
    assert!(answer.starts_with("404 ") && answer.contains("request_id"), "a program is told so: {answer}");
}

#[tokio::test]
async fn the_page_may_load_what_is_ours_and_nothing_else() {
    let response = open_router(&Arc::default()).oneshot(shown("/")).await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'self'; ") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(response.headers()["x-frame-options"], "DENY");
}

/// `OFFHOOK_WRITE_OPENAPI=1 cargo test -p offhook-api --test doors` writes it anew; then scripts/dashboard.sh shows what no longer fits.
#[tokio::test]
async fn the_dashboards_client_is_made_from_the_document_of_today() {
    let response = open_router(&Arc::default()).oneshot(shown("/api/openapi.json")).await.unwrap();
    let document: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard/openapi.json");
    if std::env::var_os("OFFHOOK_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&document).unwrap() + "\n").unwrap();
    }
    let kept: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
    assert!(kept == document, "dashboard/openapi.json is of other routes: make it anew with OFFHOOK_WRITE_OPENAPI=1");
}
