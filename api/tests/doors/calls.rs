//! What came of calls: lists, transcripts, recordings, figures; and that strangers see none of it.

use std::time::Duration;

use api::*;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use store::{
    CallId, CallRecord, Direction, HangupCause, LegKind, NewCall, OrganizationId, PhoneNumber, RecordingFormat, RecordingState,
    Role, Store, StoreWrite, ToolUse, Transcript, Turn, UserRole, WallTime,
};
use tower::ServiceExt as _;

use crate::fake::FakeGate;
use crate::people::House;

const BEGAN: i64 = 1_700_000_000_000_000;

fn at(ms: i64) -> WallTime {
    WallTime::from_micros(BEGAN + ms * 1_000)
}

async fn call(store: &Store, organization: &OrganizationId, assistant: &str) -> CallId {
    let call = NewCall {
        id: CallId::generate(),
        organization: organization.clone(),
        node: "a".to_owned(),
        leg: LegKind::Sip,
        direction: Direction::Inbound,
        from: PhoneNumber::new("+1"),
        to: PhoneNumber::new("+2"),
        assistant: assistant.to_owned(),
        engine: "offline".to_owned(),
        external_id: String::new(),
        created_at: at(0),
    };
    store.create_call(&call).await.unwrap();
    call.id
}

/// A call that is over, with a turn of each side, a tool and a recording of 1,000 bytes.
async fn whole_call(house: &House, organization: &OrganizationId) -> CallId {
    let store = house.people.store();
    let id = call(store, organization, "demo").await;
    let turn = |number, role, interrupted, timings| Turn {
        call: id,
        number,
        role,
        text: Transcript::new(format!("words {number}")),
        started_at: at(1_000 * i64::from(number) + 1_000),
        ended_at: at(1_000 * i64::from(number) + 1_500),
        interrupted,
        timings,
    };
    let tool = ToolUse {
        call: id,
        number: 0,
        name: "find_order".to_owned(),
        kind: "http".to_owned(),
        arguments: Some(Transcript::new("{}")),
        started_at: at(1_600),
        outcome: Some("ok".to_owned()),
        duration: Some(Duration::from_millis(40)),
    };
    let path = format!("{id}.wav");
    std::fs::write(house.gate.recordings.join(&path), (0..1_000).map(|byte| byte as u8).collect::<Vec<_>>()).unwrap();
    let (duration, note) = (Duration::from_secs(2), None);
    let stats = json!({ "received": 90, "lost": 10, "late": 1, "concealed": 11, "mos": 3.9 });
    store
        .write_batch(&[
            StoreWrite::CallAnswered { call: id, at: at(500) },
            StoreWrite::TurnAdded(turn(0, Role::Caller, None, Value::Null)),
            StoreWrite::TurnAdded(turn(1, Role::Agent, Some(Duration::from_millis(320)), json!({ "response_gap_ms": 412 }))),
            StoreWrite::ToolUsed(tool),
            StoreWrite::RecordingOpened { call: id, path: path.clone(), format: RecordingFormat::Wav, at: at(500) },
            StoreWrite::RecordingClosed { call: id, path, state: RecordingState::Complete, duration, bytes: 1_000, note },
            StoreWrite::CallEnded { call: id, at: at(4_000), cause: HangupCause::CallerHangup, detail: None, stats },
        ])
        .await
        .unwrap();
    known(house, id).await;
    id
}

/// The gate knows what the records have.
async fn known(house: &House, id: CallId) -> CallRecord {
    let record = house.people.store().call(id).await.unwrap().unwrap();
    let mut records = house.gate.records.lock().unwrap();
    records.retain(|known| known.call.id != id);
    records.push(record.clone());
    record
}

async fn house() -> House {
    let recordings = std::env::temp_dir().join(format!("offhook-doors-{}", CallId::generate()));
    std::fs::create_dir(&recordings).unwrap();
    let gate = FakeGate { recordings, ..FakeGate::default() };
    House::with(RequestLimits { by_address: 0, by_actor: 0 }, gate).await
}

impl Drop for House {
    fn drop(&mut self) {
        if self.gate.recordings.as_os_str().len() > 1 {
            let _left_behind = std::fs::remove_dir_all(&self.gate.recordings);
        }
    }
}

#[tokio::test]
async fn calls_are_listed_filtered_and_told_whole() {
    let house = house().await;
    let here = house.organization().await;
    let key = house.key(&here, UserRole::Viewer).await;
    let ended = whole_call(&house, &here).await;
    let open = call(house.people.store(), &here, "sales").await;
    let ids = async |query: &str| {
        let (status, _, answer) = house.ask("GET", &format!("/api/v1/calls{query}"), &key, Value::Null).await;
        assert_eq!(status, 200, "{answer}");
        let ids: Vec<String> =
            answer["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        (ids, answer["next_cursor"].as_str().map(str::to_owned))
    };
    let (ended_text, open_text) = (ended.to_string(), open.to_string());
    assert_eq!(ids("").await.0, [open_text.clone(), ended_text.clone()]);
    let (first, cursor) = ids("?limit=1").await;
    assert_eq!(first, std::slice::from_ref(&open_text));
    assert_eq!(ids(&format!("?limit=1&cursor={}", cursor.unwrap())).await.0, std::slice::from_ref(&ended_text));
    for (query, expected) in [
        ("?status=ended", vec![&ended_text]),
        ("?status=ringing&assistant=sales", vec![&open_text]),
        ("?direction=outbound", vec![]),
        ("?from=%2B1&until=2023-11-14T22:13:21Z", vec![&open_text, &ended_text]),
        ("?since=2023-11-14T22:13:21Z", vec![]),
    ] {
        assert_eq!(ids(query).await.0.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let (status, _, answer) = house.ask("GET", "/api/v1/calls?status=up&x=1", &key, Value::Null).await;
    assert_eq!((status, answer["errors"].as_array().unwrap().len()), (422, 2), "{answer}");

    let path = format!("/api/v1/calls/{ended}");
    let (status, _, answer) = house.ask("GET", &path, &key, Value::Null).await;
    assert_eq!((status, &answer["turns"], &answer["quality"]["mos"]), (200, &json!(2), &json!(3.9)), "{answer}");
    assert_eq!((&answer["recordings"][0]["duration_s"], &answer["analysis"]["state"]), (&json!(2.0), &json!("pending")));
    let (_, _, answer) = house.ask("GET", &format!("{path}/transcript"), &key, Value::Null).await;
    let expected = json!({ "number": 1, "role": "assistant", "content": "words 1", "started_at": "2023-11-14T22:13:22Z",
        "ended_at": "2023-11-14T22:13:22.5Z", "heard_ms": 320 });
    assert_eq!((&answer["turns"][1], &answer["tool_calls"][0]["name"]), (&expected, &json!("find_order")), "{answer}");
    let (_, _, answer) = house.ask("GET", &format!("{path}/timeline"), &key, Value::Null).await;
    let events: Vec<String> = answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| format!("{}:{}", event["at_ms"], event["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(events, ["0:created", "500:answered", "1600:tool_called", "2500:interrupted", "4000:ended"]);
    assert_eq!((&answer["turns"][1]["at_ms"], &answer["turns"][1]["timings"]["response_gap_ms"]), (&json!(2_000), &json!(412)));
    let (_, _, answer) = house.ask("GET", &format!("{path}/stats"), &key, Value::Null).await;
    let received = json!({ "packets": 90, "lost": 10, "late": 1, "concealed": 11, "loss_percent": 10.0, "jitter_ms": null,
        "buffer_ms": null, "round_trip_ms": null, "mos": 3.9 });
    assert_eq!((&answer["live"], &answer["received"]), (&json!(false), &received), "{answer}");

    // One that goes on is asked itself.
    known(&house, open).await;
    let path = format!("/api/v1/calls/{open}/stats");
    assert_eq!(house.ask("GET", &path, &key, Value::Null).await.0, 409, "no media yet");
    let received = ReceivedFigures {
        packets: 100,
        lost: 0,
        late: 0,
        concealed: 0,
        jitter: Duration::from_micros(2_340),
        buffer: Duration::from_millis(40),
        round_trip: Duration::ZERO,
        mos: Some(4.345),
    };
    *house.gate.media.lock().unwrap() = Some(MediaFigures { codec: "PCMU", received: Some(received) });
    let (_, _, answer) = house.ask("GET", &path, &key, Value::Null).await;
    assert_eq!(
        (&answer["live"], &answer["codec"], &answer["received"]["jitter_ms"]),
        (&json!(true), &json!("PCMU"), &json!(2.3))
    );
    assert_eq!((&answer["received"]["round_trip_ms"], &answer["received"]["mos"]), (&Value::Null, &json!(4.35)));
}

/// Status, headers that matter, and the body of a recording.
async fn fetch(house: &House, key: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String, Vec<u8>) {
    let mut request = Request::get(path).header("x-api-key", key);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = house.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let told = format!("{} {} {}", header("content-type"), header("content-length"), header("content-range"));
    let tag = header("etag");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, if status == 200 { format!("{told}|{tag}") } else { told }, body.to_vec())
}

#[tokio::test]
async fn a_recording_is_given_out_whole_in_part_and_not_again() {
    let house = house().await;
    let here = house.organization().await;
    let key = house.key(&here, UserRole::Viewer).await;
    let id = whole_call(&house, &here).await;
    let path = format!("/api/v1/calls/{id}/recording");
    let (status, told, body) = fetch(&house, &key, &path, &[]).await;
    let (told, tag) = told.split_once('|').unwrap();
    assert_eq!((status, told, body.len()), (200, "audio/wav 1000 ", 1_000));
    let (status, told, body) = fetch(&house, &key, &path, &[("range", "bytes=990-1100")]).await;
    assert_eq!(
        (status, told.as_str(), body),
        (206, "audio/wav 10 bytes 990-999/1000", (990..1_000).map(|byte| byte as u8).collect())
    );
    assert_eq!(fetch(&house, &key, &path, &[("range", "bytes=1000-")]).await.0, 416);
    assert_eq!(fetch(&house, &key, &path, &[("range", "bytes=0-1"), ("if-range", "\"old\"")]).await.2.len(), 1_000);
    assert_eq!(fetch(&house, &key, &path, &[("range", "bytes=0-1"), ("if-range", tag)]).await.2.len(), 2);
    let (status, _, body) = fetch(&house, &key, &path, &[("if-none-match", tag)]).await;
    assert_eq!((status, body.len()), (304, 0));

    let open = call(house.people.store(), &here, "demo").await;
    known(&house, open).await;
    let path = format!("/api/v1/calls/{open}/recording");
    assert_eq!(fetch(&house, &key, &path, &[]).await.0, 404, "none");
    let opened =
        |path: &str| StoreWrite::RecordingOpened { call: open, path: path.to_owned(), format: RecordingFormat::Wav, at: at(0) };
    house.people.store().write_batch(&[opened("b.wav")]).await.unwrap();
    assert_eq!(fetch(&house, &key, &path, &[]).await.0, 409, "being written");
    std::fs::remove_file(house.gate.recordings.join(format!("{id}.wav"))).unwrap();
    assert_eq!(fetch(&house, &key, &format!("/api/v1/calls/{id}/recording"), &[]).await.0, 404, "on another node");
}

#[tokio::test]
async fn a_stranger_sees_nothing_of_a_call_and_tells_it_nothing() {
    let house = house().await;
    let (here, there) = (house.organization().await, house.organization().await);
    let (mine, stranger) = (house.key(&here, UserRole::Owner).await, house.key(&there, UserRole::Owner).await);
    let (own, foreign) = (whole_call(&house, &here).await, call(house.people.store(), &there, "demo").await);
    known(&house, foreign).await;
    house.gate.up.lock().unwrap().extend([own, foreign]);
    for part in ["", "/transcript", "/timeline", "/recording", "/stats", "/sip", "/pcap"] {
        let path = format!("/api/v1/calls/{own}{part}");
        assert_eq!(house.ask("GET", &path, &stranger, Value::Null).await.0, 404, "{path}");
    }
    let (_, _, list) = house.ask("GET", "/api/v1/calls", &stranger, Value::Null).await;
    assert!(!list.to_string().contains(&own.to_string()), "{list}");
    let (_, _, summary) = house
        .ask(
            "GET",
            "/api/v1/analytics/summary?since=2023-11-14T00:00:00Z&until=2023-11-15T00:00:00Z&group_by=day",
            &mine,
            Value::Null,
        )
        .await;
    assert_eq!((&summary["total"]["calls"], &summary["total"]["minutes"]), (&json!(1), &json!(0.058)), "{summary}");
    assert_eq!(
        (&summary["groups"][0]["group"], &summary["groups"][0]["response_gap"]["p95_ms"]),
        (&json!("2023-11-14T00:00:00Z"), &json!(412))
    );
    let act =
        async |key: &str, id: CallId, body: Value| house.ask("POST", &format!("/api/v1/calls/{id}/actions"), key, body).await.0;
    assert_eq!(act(&stranger, own, json!({ "action": "hangup" })).await, 404);
    assert_eq!(act(&mine, own, json!({ "action": "join", "call_id": foreign.to_string() })).await, 422, "not theirs to join");
    assert_eq!(act(&mine, own, json!({ "action": "hangup" })).await, 202);
    assert_eq!(house.gate.asked(), ["hang up true"]);
}
