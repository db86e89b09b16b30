//! Calls that a server places because the API was asked to, and what it tells of them.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use store::Direction;

use super::support::{EndedCall, Server, http, wait_for};

pub const KEY: &str = "a key for the tests of calls";

pub fn server(environment: &[(&str, &str)]) -> Server {
    let own = [("OFFHOOK_API_KEY", KEY), ("OFFHOOK__SIP__DIRECT_CALLS", "127.0.0.0/8")];
    Server::start_with("", &[&own[..], environment].concat())
}

/// One request to the API; its status and its body.
pub fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("Host: {}\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\nConnection: close", server.http);
    let request = format!("{method} {path} HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (status, answer) = http(server.http, &request).unwrap();
    (status, serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

/// Places a call to this callee; its id.
pub fn place(server: &Server, callee: SocketAddr) -> String {
    let wish = json!({ "to": format!("sip:ada@{callee}"), "from": "+15550100", "assistant_id": "demo" });
    let (status, call) = ask(server, "POST", "/api/v1/calls", &wish);
    assert_eq!(status, 201, "{call}\n{}", server.log());
    assert_eq!((&call["direction"], &call["from"], &call["to"]), (&json!("outbound"), &json!("+15550100"), &json!("ada")));
    call["id"].as_str().unwrap().to_owned()
}

pub fn shown(server: &Server, id: &str) -> Value {
    let (status, call) = ask(server, "GET", &format!("/api/v1/calls/{id}"), &Value::Null);
    assert_eq!(status, 200, "{call}");
    call
}

pub fn wait_status(server: &Server, id: &str, status: &str) -> Value {
    wait_for(Duration::from_secs(20), status, || Some(shown(server, id)).filter(|call| call["status"] == status))
}

pub fn ended(server: &Server) -> EndedCall {
    let ended = server.ended_calls(1).remove(0);
    assert_eq!((ended.call.call.direction, ended.call.call.external_id.is_empty()), (Direction::Outbound, false));
    ended
}
