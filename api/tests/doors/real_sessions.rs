//! Sessions over HTTP and their sockets: who may open one, and what becomes of what is sent.

use std::net::SocketAddr;
use std::time::Duration;

use api::*;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use store::{CallId, Direction, LegKind, NewCall, PhoneNumber, StoreWrite, UserRole, WallTime};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::people::House;

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

async fn serve(house: &House) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    api::serve(listener, house.router.clone());
    address
}

/// Makes a session; its id and its token.
async fn make(house: &House, key: &str) -> (String, String) {
    let (status, _, made) = house.ask("POST", "/api/v1/sessions", key, json!({})).await;
    assert_eq!(status, 201, "{made}");
    (made["id"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned())
}

/// The socket, or the status that it was refused with.
async fn open(address: SocketAddr, id: &str, query: &str) -> Result<Socket, u16> {
    match connect_async(format!("ws://{address}/api/v1/sessions/{id}/ws?{query}")).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// The next message that is no ping.
async fn hear(socket: &mut Socket) -> String {
    loop {
        match socket.next().await {
            Some(Ok(Message::Ping(_))) => {}
            Some(Ok(Message::Text(text))) => return text.to_string(),
            Some(Ok(Message::Close(Some(frame)))) => return format!("closed {}", u16::from(frame.code)),
            other => return format!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_session_is_made_shown_listed_and_ended() {
    let house = House::unlimited().await;
    let (here, there) = (house.organization().await, house.organization().await);
    let (key, stranger) = (house.key(&here, UserRole::Agent).await, house.key(&there, UserRole::Owner).await);
    let wish = json!({ "assistant_id": "demo", "metadata": { "page": "/pricing" } });
    let headers = [("authorization", &*format!("Bearer {key}")), ("host", "voice.example"), ("x-forwarded-proto", "https")];
    let (status, answer, made) = house.ask_with("POST", "/api/v1/sessions", &headers, wish).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap();
    let path = format!("/api/v1/sessions/{id}");
    assert_eq!(answer["location"], path);
    assert_eq!(made["websocket_url"], format!("wss://voice.example{path}/ws"));
    assert_eq!(made["webrtc_url"], format!("https://voice.example{path}/webrtc"));
    assert_eq!((&made["status"], &made["assistant_id"]), (&json!("created"), &json!("demo")));
    let (_, _, shown) = house.ask("GET", &path, &key, Value::Null).await;
    assert_eq!((&shown["metadata"]["page"], &shown["token"]), (&json!("/pricing"), &Value::Null), "the token is shown once");
    for (method, path) in [("GET", path.clone()), ("DELETE", path.clone()), ("GET", format!("{path}/messages"))] {
        assert_eq!(house.ask(method, &path, &stranger, Value::Null).await.0, 404, "{method} {path}");
    }
    let say = format!("{path}/messages");
    assert_eq!(house.ask("POST", &say, &stranger, json!({ "content": "x" })).await.0, 404);
    assert_eq!(house.ask("POST", &say, &key, json!({ "content": "x" })).await.0, 409, "nobody is connected");
    for (wish, field) in [
        (json!({ "assistant_id": "nobody" }), "assistant_id"),
        (json!({ "metadata": 7 }), "metadata"),
        (json!({ "metadata": { "x": "y".repeat(17_000) } }), "metadata"),
        (json!({ "colour": 1 }), "colour"),
    ] {
        let (status, _, answer) = house.ask("POST", "/api/v1/sessions", &key, wish).await;
        assert_eq!((status, answer["errors"][0]["field"].as_str()), (422, Some(field)), "{answer}");
    }
    // Three at once, as the server is set here.
    make(&house, &key).await;
    make(&house, &key).await;
    let (status, headers, _) = house.ask("POST", "/api/v1/sessions", &key, json!({})).await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (429, "10"));
    assert_eq!(house.ask("DELETE", &path, &key, Value::Null).await.0, 204);
    assert_eq!(house.ask("DELETE", &path, &key, Value::Null).await.0, 204);
    assert_eq!(house.ask("GET", &path, &key, Value::Null).await.2["status"], "ended");
    make(&house, &key).await;
    let (_, _, list) = house.ask("GET", "/api/v1/sessions?limit=200", &key, Value::Null).await;
    assert_eq!((list["data"].as_array().unwrap().len(), &list["data"][3]["id"]), (4, &json!(id)));
    assert_eq!(house.ask("GET", "/api/v1/sessions", &stranger, Value::Null).await.2["data"], json!([]));
}

#[tokio::test]
async fn only_the_token_opens_the_socket_and_only_once() {
    let house = House::unlimited().await;
    let here = house.organization().await;
    let key = house.key(&here, UserRole::Agent).await;
    let address = serve(&house).await;
    let ((id, token), (other, others)) = (make(&house, &key).await, make(&house, &key).await);
    for (id, query) in [
        (id.as_str(), String::new()),
        (&id, "token=".to_owned()),
        (&id, format!("token={others}")),
        (&other, format!("token={token}")),
        ("x", format!("token={token}")),
        (&id, format!("token={key}")),
    ] {
        assert_eq!(open(address, id, &query).await.err(), Some(401), "{id} {query}");
    }
    for wrong in ["audio=mp3", "rate=11025", "colour=1"] {
        assert_eq!(open(address, &id, &format!("token={token}&{wrong}")).await.err(), Some(422), "{wrong}");
    }
    // A plain request uses nothing up.
    let path = format!("/api/v1/sessions/{id}/ws?token={token}");
    assert_eq!(house.ask("GET", &path, "", Value::Null).await.0, 400);
    *house.gate.refuse_session.lock().unwrap() = Some(SessionRefusal::AtCapacity);
    assert_eq!(open(address, &id, &format!("token={token}")).await.err(), Some(503), "and it may be tried again");
    *house.gate.refuse_session.lock().unwrap() = None;
    let socket = open(address, &id, &format!("token={token}&rate=24000&audio=binary")).await;
    assert!(socket.is_ok());
    assert_eq!(open(address, &id, &format!("token={token}")).await.err(), Some(401));
    let (start, io) = house.gate.sessions.lock().unwrap().pop().unwrap();
    assert_eq!((start.id.to_string(), start.organization, start.assistant.as_str()), (id, here, "demo"));
    assert_eq!(io.audio, SessionAudio { in_hz: 24_000, out_hz: 24_000, out: AudioOut::Binary });
}

#[tokio::test]
async fn messages_go_both_ways_until_one_side_is_over() {
    let house = House::unlimited().await;
    let key = house.key(&house.organization().await, UserRole::Agent).await;
    let address = serve(&house).await;
    let attach = async || {
        let (id, token) = make(&house, &key).await;
        let socket = open(address, &id, &format!("token={token}")).await.unwrap();
        let (start, io) = house.gate.sessions.lock().unwrap().pop().unwrap();
        (socket, start.id, io)
    };
    let (mut socket, id, mut io) = attach().await;
    socket.send(Message::text("{}")).await.unwrap();
    assert_eq!(io.incoming.recv().await, Some(SessionIn::Text("{}".to_owned())));
    socket.send(Message::binary(vec![1, 2])).await.unwrap();
    assert_eq!(io.incoming.recv().await, Some(SessionIn::Binary(vec![1, 2].into())));
    socket.send(Message::text("x".repeat(300_000))).await.unwrap();
    assert_eq!(io.incoming.recv().await, Some(SessionIn::TooLong(300_000)), "and the session lives");
    io.outgoing.send(SessionOut::Text("one".to_owned())).await.unwrap();
    io.outgoing.send(SessionOut::Binary(vec![9].into())).await.unwrap();
    assert_eq!(hear(&mut socket).await, "one");
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::binary(vec![9]));
    // What is said is the call with the session's id.
    let call = NewCall {
        id,
        organization: house.people.store().session_of_anybody(id).await.unwrap().unwrap().organization,
        node: "a".to_owned(),
        leg: LegKind::Ws,
        direction: Direction::Inbound,
        from: PhoneNumber::new(""),
        to: PhoneNumber::new("demo"),
        assistant: "demo".to_owned(),
        engine: "offline".to_owned(),
        external_id: String::new(),
        created_at: WallTime::now(),
    };
    house.people.store().write_batch(&[StoreWrite::CallCreated(call)]).await.unwrap();
    house.gate.up.lock().unwrap().push(id);
    let path = format!("/api/v1/sessions/{id}");
    let (status, _, said) = house.ask("POST", &format!("{path}/messages"), &key, json!({ "content": "hello" })).await;
    assert_eq!((status, &said["role"]), (202, &json!("user")), "{said}");
    for body in [json!({ "content": " " }), json!({ "content": "x", "role": "assistant" }), json!({})] {
        assert_eq!(house.ask("POST", &format!("{path}/messages"), &key, body).await.0, 422);
    }
    assert_eq!(house.ask("GET", &path, &key, Value::Null).await.2["status"], "active");
    assert_eq!(house.ask("DELETE", &path, &key, Value::Null).await.0, 204);
    assert_eq!(house.gate.asked(), ["type hello true", "hang up true"]);

    // The last words come, also when the leg has stopped listening.
    let SessionIo { incoming, outgoing, .. } = io;
    drop(incoming);
    socket.send(Message::text("for nobody")).await.unwrap();
    outgoing.send(SessionOut::Text("nearly".to_owned())).await.unwrap();
    outgoing.send(SessionOut::End("last".to_owned())).await.unwrap();
    for expected in ["nearly", "last", "closed 1000"] {
        assert_eq!(hear(&mut socket).await, expected);
    }

    let (mut socket, _, io) = attach().await;
    drop(io);
    assert_eq!(hear(&mut socket).await, r#"{"type":"session-ended","reason":"crashed"}"#);
    assert_eq!(hear(&mut socket).await, "closed 1011");
    let (mut socket, _, mut io) = attach().await;
    socket.close(None).await.unwrap();
    assert_eq!(io.incoming.recv().await, Some(SessionIn::Closed));
    assert_eq!(io.incoming.recv().await, None);
    let (socket, _, mut io) = attach().await;
    drop(socket);
    assert_eq!(io.incoming.recv().await, None, "it broke");
}

#[tokio::test]
async fn a_leg_that_is_behind_loses_audio_and_no_word() {
    let house = House::unlimited().await;
    let key = house.key(&house.organization().await, UserRole::Agent).await;
    let address = serve(&house).await;
    let (id, token) = make(&house, &key).await;
    let mut socket = open(address, &id, &format!("token={token}")).await.unwrap();
    let (_, mut io) = house.gate.sessions.lock().unwrap().pop().unwrap();
    for _ in 0..200 {
        socket.send(Message::text(r#"{"type":"audio","payload":""}"#)).await.unwrap();
    }
    socket.send(Message::text(r#"{"type":"user-message","text":"x"}"#)).await.unwrap();
    // It has all come by when the server answers a ping.
    socket.send(Message::Ping(vec![7].into())).await.unwrap();
    let word = async {
        let mut heard = 0;
        while let Some(message) = io.incoming.recv().await {
            match message {
                SessionIn::Text(text) if text.contains("user-message") => return heard,
                _ => heard += 1,
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the word was lost")
    };
    let heard = word.await;
    assert!((64..=200).contains(&heard), "{heard}");
    let unknown: CallId = id.parse().unwrap();
    assert!(house.people.store().session_of_anybody(unknown).await.unwrap().unwrap().connected_at.is_some());
}
