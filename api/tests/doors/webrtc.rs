//! Offers of browsers over HTTP: who may make one, what is refused, and that what was refused may be tried again.

use api::*;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use store::{CallId, UserRole};
use tower::ServiceExt as _;

use crate::fake::text;
use crate::people::{House, errors};

/// Sends an offer; the status, `Location`, and the answer.
async fn offer(house: &House, method: &str, path: &str, token: &str, kind: &str, body: &str) -> (u16, String, String) {
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
    let request = request.header("content-type", kind).body(Body::from(body.to_owned())).unwrap();
    let response = house.router.clone().oneshot(request).await.unwrap();
    let location = response.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
    (response.status().as_u16(), location.unwrap_or_default(), text(response).await)
}

const SDP: &str = "application/sdp";

#[tokio::test]
async fn an_offer_is_for_who_shows_the_session_s_token_or_may_write_sessions() {
    let house = House::unlimited().await;
    let (here, there) = (house.organization().await, house.organization().await);
    let agent = house.key(&here, UserRole::Agent).await;
    let make = async || {
        let (status, _, made) = house.ask("POST", "/api/v1/sessions", &agent, json!({})).await;
        assert_eq!(status, 201, "{made}");
        let id = made["id"].as_str().unwrap().to_owned();
        (format!("/api/v1/sessions/{id}/webrtc"), made["token"].as_str().unwrap().to_owned(), id)
    };
    let ((path, token, id), (other, others, _)) = (make().await, make().await);
    let (viewer, stranger) = (house.key(&here, UserRole::Viewer).await, house.key(&there, UserRole::Owner).await);
    for (token, status) in [("", 401), ("ohs_x", 401), (&*others, 401), (&*viewer, 403), (&*stranger, 404)] {
        for method in ["POST", "PATCH", "DELETE"] {
            assert_eq!(offer(&house, method, &path, token, SDP, "v=0").await.0, status, "{method} {token}");
        }
    }
    for (kind, body, status) in [("application/json", "v=0", 415), (SDP, &"v=0\r\n".repeat(4_000), 413), (SDP, "hello", 422)] {
        assert_eq!(offer(&house, "POST", &path, &token, kind, body).await.0, status, "{kind}");
    }
    let (_, _, answer) = offer(&house, "POST", &path, &token, SDP, "hello").await;
    assert_eq!(errors(&serde_json::from_str::<Value>(&answer).unwrap()), "sdp: body is not a session description");
    *house.gate.refuse_session.lock().unwrap() = Some(SessionRefusal::AtCapacity);
    assert_eq!(offer(&house, "POST", &path, &token, SDP, "v=0").await.0, 503, "and it may be tried again");
    *house.gate.refuse_session.lock().unwrap() = None;
    let with_token = format!("{path}?token={token}");
    let (status, location, answer) = offer(&house, "POST", &with_token, "", SDP, "v=0").await;
    assert_eq!((status, location, answer.as_str()), (201, path.clone(), "v=0\r\ns=answer\r\n"));
    for (method, status) in [("POST", 409), ("PATCH", 409), ("DELETE", 409)] {
        assert_eq!(offer(&house, method, &path, &token, SDP, "v=0").await.0, status, "{method}: the fake has no such call up");
    }
    house.gate.up.lock().unwrap().push(id.parse::<CallId>().unwrap());
    assert_eq!(offer(&house, "PATCH", &path, &agent, SDP, "v=0 again").await, (200, String::new(), "v=0 again".to_owned()));
    assert_eq!(offer(&house, "DELETE", &path, &token, SDP, "").await.0, 204);
    // A key is as good as the token.
    assert_eq!(offer(&house, "POST", &other, &agent, SDP, "v=0").await.0, 201);
}
