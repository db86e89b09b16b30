//! `/api/v1`: who is let in, what is asked of the node, what is answered.

use std::sync::Arc;
use std::time::Duration;

use api::*;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use store::{
    CallId, CallRecord, Direction, HangupCause, LegKind, NewCall, OrganizationId, PhoneNumber, Refused, Usage, WallTime,
};
use tower::ServiceExt as _;

use crate::fake::*;

const KEY: &str = "a key of the tests";

fn keyed_router(gate: &Arc<FakeGate>) -> Router {
    let config = ApiConfig { key: Some(ApiKey::new(KEY)), ..ApiConfig::default() };
    router(config, Arc::clone(gate) as Arc<dyn CallGate>)
}

fn post(path: &str) -> axum::http::request::Builder {
    Request::post(path).header("content-type", "application/json").header("x-api-key", KEY)
}

async fn send(router: &Router, request: Request<Body>) -> (u16, axum::http::HeaderMap, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, serde_json::from_str(&text(response).await).unwrap())
}

/// Places a call with this body; the status and what is said of fields, or the detail.
async fn check(gate: &Arc<FakeGate>, body: &str, expected: &str) {
    let request = post("/api/v1/calls").body(Body::from(body.to_owned())).unwrap();
    let (status, _, answer) = send(&keyed_router(gate), request).await;
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    let errors: Vec<String> = errors
        .iter()
        .map(|error| format!("{}: {}", error["field"].as_str().unwrap(), error["reason"].as_str().unwrap()))
        .collect();
    let said = if errors.is_empty() { answer["detail"].as_str().unwrap_or_default().to_owned() } else { errors.join("; ") };
    assert_eq!(format!("{status} {said}").trim(), expected, "{body}");
}

fn record(id: CallId) -> CallRecord {
    let at = |seconds: i64| WallTime::from_micros(1_700_000_000_000_000 + seconds * 1_000_000);
    CallRecord {
        call: NewCall {
            id,
            organization: OrganizationId::operator(),
            node: "a".to_owned(),
            leg: LegKind::Sip,
            direction: Direction::Outbound,
            from: PhoneNumber::new("+1"),
            to: PhoneNumber::new("+2"),
            assistant: "demo".to_owned(),
            engine: "offline".to_owned(),
            external_id: String::new(),
            created_at: at(0),
        },
        ringing_at: Some(at(1)),
        answered_at: None,
        ended_at: Some(at(3)),
        cause: Some(HangupCause::Busy),
        cause_detail: Some("486 Busy Here".to_owned()),
        refused: Some(Refused { code: 486, reason: "Busy Here".to_owned() }),
        stats: Value::Null,
        usage: Usage::default(),
        identity: None,
        cost_micros: None,
        answered_by: None,
        trunk: None,
        language: None,
    }
}

#[tokio::test]
async fn nobody_is_let_in_without_the_key() {
    let gate = Arc::new(FakeGate::default());
    let closed = open_router(&gate);
    let request = || Request::post("/api/v1/calls").header("content-type", "application/json");
    let body = || Body::from("{\"to\":\"sip:a@b\"}");
    let (status, _, answer) = send(&closed, request().header("x-api-key", KEY).body(body()).unwrap()).await;
    assert_eq!(status, 401);
    assert!(answer["detail"].as_str().unwrap().contains("security.api_key_env"), "{answer}");

    let open = keyed_router(&gate);
    for (name, value, expected) in [
        ("x-other", KEY, 401),
        ("x-api-key", "wrong", 401),
        ("x-api-key", "", 401),
        ("authorization", "Bearer a key of the test", 401),
        ("authorization", "Basic a key of the tests", 401),
        ("authorization", "Bearer a key of the tests", 201),
        ("authorization", "bearer a key of the tests", 201),
        ("x-api-key", KEY, 201),
    ] {
        let (status, headers, _) = send(&open, request().header(name, value).body(body()).unwrap()).await;
        assert_eq!(status, expected, "{name}: {value}");
        assert_eq!(headers.contains_key("www-authenticate"), expected == 401);
    }
    assert_eq!(gate.asked().len(), 3);
    let (status, ..) =
        send(&open, Request::get(format!("/api/v1/calls/{}", CallId::generate())).body(Body::empty()).unwrap()).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_wish_is_handed_on_whole() {
    let gate = Arc::new(FakeGate::default());
    check(&gate, r#"{"to":"sip:ada@b","from":"+1","assistant_id":"demo","trunk_id":"t"}"#, "201").await;
    check(&gate, r#"{"to":"+2","from":null}"#, "201").await;
    let expected = ["place sip:ada@b Some(\"+1\") Some(\"demo\") Some(\"t\")", "place +2 None None None"];
    assert_eq!(gate.asked(), expected);
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let gate = Arc::new(FakeGate::default());
    check(&gate, "{}", "422 to: is missing").await;
    let wrong = format!(r#"{{"to":7,"from":"","assistant_id":"{}","whom":1}}"#, "a".repeat(129));
    let expected = "422 assistant_id: has more than 128 characters; from: must not be empty; to: is not a text; \
                    whom: is not known; there are assistant_id, from, machine_detection, to, trunk_id";
    check(&gate, &wrong, expected).await;
    check(&gate, "[]", "400 the body must be a JSON object").await;
    check(&gate, "{", "400 the body is not JSON: EOF while parsing an object at line 1 column 1").await;
    let long = format!(r#"{{"to":"{}"}}"#, "a".repeat(385));
    check(&gate, &long, "422 to: has more than 384 characters").await;
    let form = Request::post("/api/v1/calls").header("x-api-key", KEY).body(Body::from("to=1")).unwrap();
    assert_eq!(send(&keyed_router(&gate), form).await.0, 415);
    assert!(gate.asked().is_empty());
}

#[tokio::test]
async fn a_refusal_is_explained() {
    let gate = Arc::new(FakeGate::default());
    let refuse = |refusal| *gate.refuse_place.lock().unwrap() = Some(refusal);
    let body = r#"{"to":"+2"}"#;
    refuse(PlaceRefusal::Field { field: "to", reason: "needs a trunk".to_owned() });
    check(&gate, body, "422 to: needs a trunk").await;
    let reason = "all channels of the trunk are in use".to_owned();
    refuse(PlaceRefusal::Trunk { reason: reason.clone(), retry_after: Duration::from_secs(7) });
    let request = post("/api/v1/calls").body(Body::from(body)).unwrap();
    let (status, headers, answer) = send(&keyed_router(&gate), request).await;
    assert_eq!((status, &answer["detail"]), (503, &json!(reason)), "{answer}");
    assert_eq!(
        (&headers["retry-after"], &headers["content-type"]),
        (&"7".parse().unwrap(), &"application/problem+json".parse().unwrap())
    );
    for (refusal, status, again) in
        [(PlaceRefusal::AtCapacity, 503, Some("5")), (PlaceRefusal::Draining, 503, Some("60")), (PlaceRefusal::Failed, 500, None)]
    {
        refuse(refusal);
        let request = post("/api/v1/calls").body(Body::from(body)).unwrap();
        let (got, headers, answer) = send(&keyed_router(&gate), request).await;
        assert_eq!((got, headers.get("retry-after").map(|value| value.to_str().unwrap())), (status, again));
        assert_eq!(answer["request_id"].as_str().unwrap().len(), 36);
    }
}

#[tokio::test]
async fn the_same_wish_is_carried_out_once() {
    let gate = Arc::new(FakeGate::default());
    let router = keyed_router(&gate);
    let send_with = async |key: &str, body: &str| {
        let request = post("/api/v1/calls").header("idempotency-key", key).body(Body::from(body.to_owned())).unwrap();
        send(&router, request).await
    };
    *gate.refuse_place.lock().unwrap() = Some(PlaceRefusal::AtCapacity);
    assert_eq!(send_with("a", r#"{"to":"+2"}"#).await.0, 503, "a refusal is not kept");
    *gate.refuse_place.lock().unwrap() = None;
    let (status, headers, first) = send_with("a", r#"{"to":"+2"}"#).await;
    assert_eq!((status, &first["status"]), (201, &json!("dialing")));
    assert_eq!(headers["location"], format!("/api/v1/calls/{}", first["id"].as_str().unwrap()));
    assert_eq!(send_with("a", r#"{"to":"+2"}"#).await.2["id"], first["id"]);
    assert_eq!(send_with("a", r#"{"to":"+3"}"#).await.0, 422);
    assert_ne!(send_with("b", r#"{"to":"+2"}"#).await.2["id"], first["id"]);
    assert_eq!(gate.asked().len(), 3);
}

#[tokio::test]
async fn a_call_is_shown_as_its_record_says() {
    let gate = Arc::new(FakeGate::default());
    let id = CallId::generate();
    gate.records.lock().unwrap().push(record(id));
    let get = |id: String| Request::get(format!("/api/v1/calls/{id}")).header("x-api-key", KEY).body(Body::empty()).unwrap();
    let (status, _, answer) = send(&keyed_router(&gate), get(id.to_string())).await;
    let expected = json!({
        "id": id.to_string(), "direction": "outbound", "status": "ended", "leg": "sip", "from": "+1", "to": "+2", "assistant_id": "demo",
        "outcome": "rejected", "cause": "busy", "cause_detail": "486 Busy Here", "sip": {"status": 486, "reason": "Busy Here"},
        "created_at": "2023-11-14T22:13:20Z", "ringing_at": "2023-11-14T22:13:21Z", "answered_at": null,
        "ended_at": "2023-11-14T22:13:23Z", "duration_s": null, "node": "a", "external_id": "", "engine": "offline",
        "trunk_id": null, "language": null, "identity": null, "turns": null, "quality": null, "cost_micros": null, "answered_by": null,
        "usage": {"input_text_tokens": 0, "input_audio_tokens": 0, "cached_tokens": 0, "output_text_tokens": 0,
            "output_audio_tokens": 0},
        "recordings": [], "analysis": null,
    });
    assert_eq!((status, answer), (200, expected));
    for unknown in [CallId::generate().to_string(), "x".to_owned()] {
        assert_eq!(send(&keyed_router(&gate), get(unknown)).await.0, 404);
    }
    let away = Arc::new(FakeGate { not_ready: vec!["database: late".to_owned()], ..FakeGate::default() });
    assert_eq!(send(&keyed_router(&away), get(id.to_string())).await.0, 503);
}

#[tokio::test]
async fn a_call_is_ended_while_it_is_up() {
    let gate = Arc::new(FakeGate::default());
    let (up, over) = (CallId::generate(), CallId::generate());
    gate.records.lock().unwrap().extend([record(up), record(over)]);
    gate.up.lock().unwrap().push(up);
    let act = async |id: String, body: &'static str| {
        let path = format!("/api/v1/calls/{id}/actions");
        send(&keyed_router(&gate), post(&path).body(Body::from(body)).unwrap()).await.0
    };
    let hang_up = r#"{"action":"hangup"}"#;
    assert_eq!(act(up.to_string(), hang_up).await, 202);
    assert_eq!(act(over.to_string(), hang_up).await, 409);
    assert_eq!(act(CallId::generate().to_string(), hang_up).await, 404);
    assert_eq!(act(up.to_string(), r#"{"action":"dance"}"#).await, 422);
    assert_eq!(act(up.to_string(), "{}").await, 422);
    assert_eq!(gate.asked(), ["hang up true", "hang up false"]);
}

#[tokio::test]
async fn calls_are_joined_held_and_transferred() {
    let gate = Arc::new(FakeGate::default());
    let up = CallId::generate();
    gate.records.lock().unwrap().push(record(up));
    gate.up.lock().unwrap().push(up);
    let act = async |body: String| {
        let path = format!("/api/v1/calls/{up}/actions");
        send(&keyed_router(&gate), post(&path).body(Body::from(body)).unwrap()).await.0
    };
    for action in ["hold", "mute", "resume", "leave"] {
        assert_eq!(act(format!(r#"{{"action":"{action}"}}"#)).await, 202);
    }
    assert_eq!(act(r#"{"action":"transfer","to":"sip:a@b"}"#.to_owned()).await, 202);
    assert_eq!(act(format!(r#"{{"action":"join","call_id":"{up}"}}"#)).await, 202);
    assert_eq!(act(format!(r#"{{"action":"join","call_id":"{up}","part":"whispers"}}"#)).await, 202);
    let wrong = [
        r#"{"action":"transfer"}"#.to_owned(),
        r#"{"action":"join","call_id":"x"}"#.to_owned(),
        format!(r#"{{"action":"join","call_id":"{up}","part":"sings"}}"#),
        r#"{"action":"hold","to":"sip:a@b"}"#.to_owned(),
    ];
    for body in wrong {
        assert_eq!(act(body.clone()).await, 422, "{body}");
    }
    let asked = ["hold true", "mute true", "resume true", "leave true", "transfer to sip:a@b true", "join Talks true"];
    assert_eq!(gate.asked(), [&asked[..], &["join Whispers true"]].concat());
}
