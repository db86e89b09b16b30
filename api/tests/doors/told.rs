//! Events, webhooks, leads and memories over HTTP.

use serde_json::{Value, json};
use store::{
    AnalysisEnd, CallId, Caller, Direction, Findings, HangupCause, LeadScore, Learned, LegKind, MemorySource, NewCall, NewMemory,
    OrganizationId, PhoneNumber, StoreWrite, Transcript, UserRole, WallTime,
};

use crate::people::{House, errors};

/// A call of the operator's that was answered, analysed and scored.
async fn scored_call(house: &House) -> CallId {
    let (store, id, at) = (house.people.store(), CallId::generate(), WallTime::now());
    let call = NewCall {
        id,
        organization: OrganizationId::operator(),
        node: "a".to_owned(),
        leg: LegKind::Sip,
        direction: Direction::Inbound,
        from: PhoneNumber::new("+4930555001"),
        to: PhoneNumber::new("demo"),
        assistant: "demo".to_owned(),
        engine: "offline".to_owned(),
        external_id: String::new(),
        created_at: at,
    };
    let ended = StoreWrite::CallEnded { call: id, at, cause: HangupCause::CallerHangup, detail: None, stats: Value::Null };
    store.write_batch(&[StoreWrite::CallCreated(call), StoreWrite::CallAnswered { call: id, at }, ended]).await.unwrap();
    let claim = store.claim_analyses("a", at, std::time::Duration::from_secs(60), 1).await.unwrap()[0].claim;
    let lead = LeadScore { score: 85, reasons: vec![Transcript::new("has a budget")] };
    let memory = NewMemory {
        organization: OrganizationId::operator(),
        caller: Caller::of(&PhoneNumber::new("+4930555001")).unwrap(),
        text: Transcript::new("likes tea"),
        call: id,
        assistant: "demo".to_owned(),
        source: MemorySource::Analysis,
        at,
        expires_at: WallTime::from_micros(at.micros() + 3_600_000_000),
    };
    let findings = Box::new(Findings { lead: Some(lead), ..Findings::default() });
    let end = AnalysisEnd::Done { findings, learned: Learned { new: vec![memory], outdated: Vec::new() } };
    store.end_analyses(&[(claim, end)], at).await.unwrap();
    id
}

#[tokio::test]
async fn a_webhook_is_made_shown_without_its_secret_changed_and_deleted() {
    let house = House::unlimited().await;
    let (here, there) = (house.organization().await, house.organization().await);
    let (mine, stranger) = (house.key(&here, UserRole::Admin).await, house.key(&there, UserRole::Owner).await);
    let wrong = json!({ "url": "http://10.0.0.1/", "events": ["call.ended", "call"], "lead_threshold": 101, "extra": 1 });
    let (status, _, answer) = house.ask("POST", "/api/v1/webhooks", &mine, wrong).await;
    assert_eq!(status, 422);
    assert!(errors(&answer).starts_with("lead_threshold: is above 100; extra: is not known; there are description,"), "{answer}");
    for (wish, expected) in [
        (
            json!({ "url": "https://example.com", "events": ["call.ended", "call"] }),
            "events.1: is no type of event, and no group such as call.*",
        ),
        (json!({ "url": "http://10.0.0.1/" }), "url: cannot be used: its address is private, which is not allowed"),
        (json!({ "url": "https://example.com", "secret": "hunter2" }), "secret: is not whsec_ and 24 to 64 bytes in base64"),
    ] {
        let (status, _, answer) = house.ask("POST", "/api/v1/webhooks", &mine, wish).await;
        assert_eq!((status, errors(&answer)), (422, expected.to_owned()));
    }
    let wish = json!({ "url": "https://example.com/hook", "events": ["call.*", "lead.scored"] });
    let (status, headers, made) = house.ask("POST", "/api/v1/webhooks", &mine, wish).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && made["lead_threshold"] == 70 && made["kind"] == "standard");
    let path = headers["location"].to_str().unwrap().to_owned();
    let (status, _, shown) = house.ask("GET", &path, &mine, Value::Null).await;
    assert!(status == 200 && shown["secret"].is_null() && shown["url"] == "https://example.com/hook", "{shown}");
    assert_eq!(house.ask("GET", &path, &stranger, Value::Null).await.0, 404);
    for (method, more) in [("PATCH", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/test"), ("GET", "/deliveries")] {
        let (status, _, answer) = house.ask(method, &format!("{path}{more}"), &stranger, json!({})).await;
        assert_eq!(status, 404, "{method} {more}: {answer}");
    }
    let (status, headers, changed) = house.ask("PATCH", &path, &mine, json!({ "events": ["*"], "is_active": false })).await;
    assert_eq!((status, &changed["events"], &changed["is_active"]), (200, &json!(["*"]), &json!(false)));
    assert_eq!(headers["etag"], "\"2\"");
    let old = [("authorization", &*format!("Bearer {mine}")), ("if-match", "\"1\"")];
    assert_eq!(house.ask_with("PATCH", &path, &old, json!({ "is_active": true })).await.0, 412);
    let (_, _, rotated) = house.ask("POST", &format!("{path}/rotate"), &mine, json!({ "overlap_s": 60 })).await;
    assert!(rotated["secret"].as_str().is_some_and(|next| next != secret) && rotated["previous_secret_until"].is_string());

    let (status, _, queued) = house.ask("POST", &format!("{path}/test"), &mine, Value::Null).await;
    assert_eq!((status, queued["type"].as_str(), queued["state"].as_str()), (202, Some("webhook.test"), Some("pending")));
    let (_, _, list) = house.ask("GET", &format!("{path}/deliveries"), &mine, Value::Null).await;
    assert_eq!((list["data"][0]["id"].as_str(), &list["data"][0]["attempts"]), (queued["id"].as_str(), &json!(0)));
    let again = format!("/api/v1/deliveries/{}/redeliver", queued["id"].as_str().unwrap());
    assert_eq!(house.ask("POST", &again, &stranger, Value::Null).await.0, 404);
    assert_eq!(house.ask("POST", &again, &mine, Value::Null).await.0, 202);
    assert_eq!(house.ask("DELETE", &path, &mine, Value::Null).await.0, 204);
    assert_eq!(house.ask("GET", &path, &mine, Value::Null).await.0, 404);

    let slack = json!({ "kind": "slack", "url": "https://hooks.slack.com/services/T0/B0/secret", "lead_threshold": 80 });
    let (_, _, made) = house.ask("POST", "/api/v1/webhooks", &mine, slack).await;
    assert_eq!((made["url"].as_str(), &made["lead_threshold"]), (Some("https://hooks.slack.com/..."), &json!(80)));
}

#[tokio::test]
async fn leads_are_followed_up_and_memories_put_right_by_their_organization() {
    let house = House::unlimited().await;
    let call = scored_call(&house).await;
    let (operator, there) = (OrganizationId::operator(), house.organization().await);
    let (agent, viewer) = (house.key(&operator, UserRole::Agent).await, house.key(&operator, UserRole::Viewer).await);
    let stranger = house.key(&there, UserRole::Owner).await;
    let (_, _, leads) = house.ask("GET", "/api/v1/leads?min_score=85&status=new", &viewer, Value::Null).await;
    let lead = &leads["data"][0];
    assert_eq!(
        (lead["id"].as_str(), &lead["score"], lead["caller"].as_str()),
        (Some(&*call.to_string()), &json!(85), Some("4930555001"))
    );
    for nothing in ["min_score=86", "status=won"] {
        let (_, _, leads) = house.ask("GET", &format!("/api/v1/leads?{nothing}"), &viewer, Value::Null).await;
        assert_eq!(leads["data"], json!([]));
    }
    let (status, _, answer) = house.ask("GET", "/api/v1/leads?status=old&min_score=x&by=1", &viewer, Value::Null).await;
    assert_eq!(status, 422);
    assert_eq!(
        errors(&answer),
        "status: is not one of new, contacted, qualified, won, lost; min_score: is not a number from 0 to 100; \
         by: is not known; there are limit, cursor, status, min_score"
    );
    let path = format!("/api/v1/leads/{call}");
    assert_eq!(house.ask("PATCH", &path, &viewer, json!({ "status": "won" })).await.0, 403);
    assert_eq!(house.ask("PATCH", &path, &stranger, json!({ "status": "won" })).await.0, 404);
    let (status, _, answer) = house.ask("PATCH", &path, &agent, json!({ "owner": CallId::generate().to_string() })).await;
    assert_eq!((status, errors(&answer)), (422, "owner: is no user of this organization".to_owned()));
    let (status, _, lead) = house.ask("PATCH", &path, &agent, json!({ "status": "won", "notes": "signed", "owner": "" })).await;
    assert_eq!((status, lead["status"].as_str(), lead["notes"].as_str()), (200, Some("won"), Some("signed")));

    let (_, _, list) = house.ask("GET", "/api/v1/memories?caller=%2B4930555001", &viewer, Value::Null).await;
    assert_eq!(list["data"][0]["text"], "likes tea", "{list}");
    let path = format!("/api/v1/memories/{}", list["data"][0]["id"].as_str().unwrap());
    assert_eq!(house.ask("GET", "/api/v1/memories?caller=anonymous", &viewer, Value::Null).await.0, 422);
    assert_eq!(house.ask("GET", "/api/v1/memories", &stranger, Value::Null).await.2["data"], json!([]));
    for method in ["GET", "PATCH", "DELETE"] {
        assert_eq!(house.ask(method, &path, &stranger, json!({ "text": "x" })).await.0, 404, "{method}");
    }
    let (status, headers, memory) = house.ask("PATCH", &path, &agent, json!({ "text": " likes coffee " })).await;
    assert_eq!((status, memory["text"].as_str(), &headers["etag"]), (200, Some("likes coffee"), &"\"2\"".parse().unwrap()));
    assert_eq!(house.ask("PATCH", &path, &agent, json!({ "text": "ü".repeat(400) })).await.0, 422);
    assert_eq!(house.ask("DELETE", &path, &viewer, Value::Null).await.0, 403);
    assert_eq!(house.ask("DELETE", &path, &agent, Value::Null).await.0, 204);
    assert_eq!(house.ask("GET", &path, &agent, Value::Null).await.0, 404);
}
