//! Health, metrics, errors.

use std::sync::Arc;

use api::operator_router;
use axum::body::Body;
use axum::http::{Method, Request};
use bytes::Bytes;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::fake::*;

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_node_that_is_ready_says_so() {
    let gate = Arc::new(FakeGate::default());
    let router = open_router(&gate);
    assert_eq!(ask(&router, get("/healthz")).await, "200 ok\n");
    assert_eq!(ask(&router, get("/readyz")).await, r#"200 {"ready":true,"reasons":[]}"#);
    let page = ask(&router, get("/")).await;
    assert!(page.starts_with("200 <!doctype html>"), "{page}");
}

#[tokio::test]
async fn a_node_that_is_not_ready_gives_its_reasons() {
    let not_ready = vec!["draining".to_owned(), "database: late".to_owned()];
    let gate = Arc::new(FakeGate { not_ready, ..FakeGate::default() });
    let expected = r#"503 {"ready":false,"reasons":["draining","database: late"]}"#;
    assert_eq!(ask(&open_router(&gate), get("/readyz")).await, expected);
    assert_eq!(ask(&open_router(&gate), get("/healthz")).await, "200 ok\n");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_is_not_ready() {
    let gate = Arc::new(FakeGate { stuck: true, ..FakeGate::default() });
    let expected = r#"503 {"ready":false,"reasons":["no answer within 3s"]}"#;
    assert_eq!(ask(&open_router(&gate), get("/readyz")).await, expected);
}

#[tokio::test]
async fn the_operator_sees_metrics_and_the_public_does_not() {
    let gate = Arc::new(FakeGate::default());
    let operator = operator_router(gate.clone(), || "offhook_calls_active 3\n".to_owned());
    let response = operator.clone().oneshot(get("/metrics")).await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(text(response).await, "offhook_calls_active 3\n");
    assert_eq!(ask(&operator, get("/healthz")).await, "200 ok\n");
    assert!(ask(&operator, get("/readyz")).await.starts_with("200 "));
    assert!(ask(&open_router(&gate), get("/metrics")).await.starts_with("404 "));
    assert!(ask(&operator, form("/twilio/voice", "")).await.starts_with("404 "));
}

#[tokio::test]
async fn errors_are_problems_with_the_id_of_the_request() {
    let router = open_router(&Arc::default());
    let response = router.oneshot(get("/nowhere")).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(id.len(), 36);
    let problem: Value = serde_json::from_str(&text(response).await).unwrap();
    let expected = json!({
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "nothing is here",
        "errors": [],
        "request_id": id,
    });
    assert_eq!(problem, expected);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let router = open_router(&Arc::default());
    let response = router.oneshot(get("/twilio/voice")).await.unwrap();
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "POST");
    let problem = text(response).await;
    assert!(problem.contains("\"detail\":\"this method is not for this path\""), "{problem}");
}

#[tokio::test]
async fn a_giant_body_is_refused() {
    let router = open_router(&Arc::default());
    let body = format!("CallSid=CA1&Big={}", "x".repeat(64 * 1024));
    for path in ["/twilio/voice", "/twilio/status"] {
        let answer = ask(&router, form(path, &body)).await;
        assert!(answer.starts_with("413 "), "{answer}");
        assert!(answer.contains("\"title\":\"Payload Too Large\""), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let router = open_router(&Arc::default());
    let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    let mut request = form("/twilio/voice", "");
    *request.body_mut() = Body::from_stream(never);
    let answer = ask(&router, request).await;
    assert!(answer.starts_with("408 "), "{answer}");
    assert!(answer.contains("the request took longer than 10s"), "{answer}");
}

#[tokio::test]
async fn requests_are_measured_by_route_and_not_by_path() {
    let touched = Touched::default();
    let _recording = metrics::set_default_local_recorder(&touched);
    let router = open_router(&Arc::default());
    ask(&router, get("/healthz?x=1")).await;
    ask(&router, get("/made/up/4155550100")).await;
    let invented = Method::from_bytes(b"BREW").unwrap();
    let mut brew = get("/healthz");
    *brew.method_mut() = invented;
    ask(&router, brew).await;
    for labels in [
        "route=/healthz,method=GET,status=200",
        "route=unmatched,method=GET,status=404",
        "route=/healthz,method=other,status=405",
    ] {
        let metric = format!("offhook_http_request_seconds{{{labels}}}");
        assert!(touched.has(&metric), "{metric}");
    }
}
