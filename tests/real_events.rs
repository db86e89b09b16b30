//! Events of a server that runs, as a browser's EventSource would read them: replay after a cut, a slow reader, a login that ends.
#![allow(clippy::unwrap_used)]

#[path = "support/scenario.rs"]
mod scenario;
mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use scenario::Sipp;
use serde_json::{Value, json};
use store::{Role, StoreWrite, Transcript, Turn, WallTime};
use support::{Server, http, rtp_range, wait_for};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// One who listens.
struct Listener(BufReader<TcpStream>);

/// An event as it came.
#[derive(Debug)]
struct Event {
    id: u64,
    kind: String,
    data: Value,
}

fn server(more: &str) -> Server {
    let toml = format!("[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 8\n{more}", rtp_range(8));
    Server::start_with(&toml, &[("OFFHOOK_API_KEY", KEY)])
}

impl Listener {
    fn open(server: &Server, token: &str, query: &str, last: Option<u64>) -> Self {
        let mut stream = TcpStream::connect(server.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let last = last.map_or_else(String::new, |last| format!("Last-Event-ID: {last}\r\n"));
        let head = format!("Host: {}\r\nAuthorization: Bearer {token}\r\n{last}", server.http);
        write!(stream, "GET /api/v1/events{query} HTTP/1.1\r\n{head}\r\n").unwrap();
        let mut listener = Self(BufReader::new(stream));
        assert!(listener.line().starts_with("HTTP/1.1 200"), "it may listen");
        while !listener.line().is_empty() {}
        // From here on events are for it.
        while !listener.line().starts_with("retry:") {}
        listener
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream has ended");
        line.trim_end().to_owned()
    }

    /// The next event; lines of chunks and comments are passed over. `close` has no id.
    fn next(&mut self) -> Event {
        let mut event = Event { id: 0, kind: String::new(), data: Value::Null };
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some(("id", id)) => event.id = id.parse().unwrap(),
                Some(("event", kind)) => event.kind = kind.to_owned(),
                Some(("data", data)) => {
                    event.data = serde_json::from_str(data).unwrap();
                    return event;
                }
                _ => {}
            }
        }
    }

    /// Events up to one of this kind.
    fn until(&mut self, kind: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Event| event.kind != kind) {
            events.push(self.next());
        }
        events
    }
}

fn call(server: &Server) {
    Sipp { server, user: "demo", transport: "u1" }.run("update", 1);
}

fn ask(server: &Server, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("Host: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json", server.http);
    let request =
        format!("{method} /api/v1{path} HTTP/1.1\r\n{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (status, answer) = http(server.http, &request).unwrap();
    (status, serde_json::from_str(&answer).unwrap_or_default())
}

#[test]
fn who_was_cut_off_comes_back_and_misses_nothing() {
    let mut server = server("");
    let mut all = Listener::open(&server, KEY, "", None);
    let mut ends = Listener::open(&server, KEY, "?types=call.ended,node.*", None);
    call(&server);
    let seen = all.until("call.ended");
    let kinds: Vec<_> = seen.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds[..2], ["call.started", "call.answered"]);
    assert!(kinds.contains(&"recording.ready"), "{kinds:?}");
    assert!(seen.is_sorted_by_key(|event| event.id) && seen[0].id > 0);
    assert_eq!(seen[0].data["type"], "call.started");
    assert_eq!(seen[0].data["data"]["direction"], "inbound");
    assert_eq!(ends.next().id, seen.last().unwrap().id, "the first that it is given is the end");

    // Cut off in the middle, a call and a kill later.
    drop(all);
    call(&server);
    server.ended_calls(2);
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(5));
    server.restart();
    let mut back = Listener::open(&server, KEY, "?types=call.*,node.*", Some(seen[1].id));
    assert_eq!(back.next().id, seen.last().unwrap().id);
    let rest: Vec<String> = back.until("node.started").into_iter().map(|event| event.kind).collect();
    assert_eq!(rest, ["call.started", "call.answered", "call.ended", "node.started"]);
    let (status, answer) = ask(&server, "GET", "/events?types=calls", KEY, &Value::Null);
    assert_eq!((status, answer["errors"][0]["field"].as_str()), (422, Some("types")));

    let last = Listener::open(&server, KEY, "?types=node.*", Some(0)).next().id;
    server.process.signal("-TERM");
    assert!(server.process.wait(Duration::from_secs(20)).success());
    server.restart();
    let mut nodes = Listener::open(&server, KEY, "?types=node.*", Some(last));
    let told: Vec<String> = (0..4).map(|_| nodes.next().kind).collect();
    assert_eq!(told, ["node.started", "node.draining", "node.stopped", "node.started"]);
}

#[test]
fn a_slow_reader_is_dropped_while_others_go_on_and_places_are_few() {
    let server = server("[events]\nreaders_per_organization = 2\n");
    call(&server);
    let call = server.ended_calls(1).remove(0).call.call.id;
    let slow = Listener::open(&server, KEY, "", None);
    let mut quick = Listener::open(&server, KEY, "", None);
    let (status, refused) = ask(&server, "GET", "/events", KEY, &Value::Null);
    assert_eq!(status, 429, "{refused}");
    // Beside the server, as another node would: more than the sockets of one who does not read can hold.
    let (runtime, database) = server.database();
    let text = "x".repeat(8_000);
    let turn = |number| {
        let (text, at) = (Transcript::new(text.clone()), WallTime::now());
        let timings = json!({});
        Turn { call, number, role: Role::Agent, text, started_at: at, ended_at: at, interrupted: None, timings }
    };
    let turns: Vec<StoreWrite> = (1_000..3_500).map(|number| StoreWrite::TurnAdded(turn(number))).collect();
    for part in turns.chunks(250) {
        runtime.block_on(database.write_batch(part)).unwrap();
    }
    let mut numbers: Vec<u64> = Vec::new();
    while numbers.len() < turns.len() {
        let event = quick.next();
        // What the call has cost is told in between.
        if event.kind == "turn.completed" {
            numbers.push(event.data["data"]["number"].as_u64().unwrap());
        }
    }
    assert_eq!(numbers, (1_000..3_500).collect::<Vec<_>>(), "it gets all, in order");
    wait_for(Duration::from_secs(40), "the slow one is dropped", || {
        (server.metric("offhook_event_readers", "") == 1.0).then_some(())
    });
    assert_eq!(server.metric("offhook_event_readers_dropped_total", ""), 1.0);
    drop(slow);
    let mut back = Listener::open(&server, KEY, "", Some(0));
    assert_eq!(back.next().kind, "node.started");
}

#[test]
fn a_login_that_ends_ends_the_stream() {
    let server = server("");
    let user = json!({ "email": "ada@example.com", "name": "Ada", "role": "viewer", "password": "correct horse battery staple" });
    assert_eq!(ask(&server, "POST", "/users", KEY, &user).0, 201);
    let (_, tokens) = ask(&server, "POST", "/auth/login", "", &json!({ "email": user["email"], "password": user["password"] }));
    let token = tokens["access_token"].as_str().unwrap();
    let mut listener = Listener::open(&server, token, "?types=call.ended", None);
    let began = Instant::now();
    while !listener.line().starts_with(": heartbeat") {}
    assert!(began.elapsed() > Duration::from_secs(10), "a heartbeat comes each 15 s");
    assert_eq!(ask(&server, "POST", "/auth/logout", token, &json!({})).0, 204);
    let end = listener.next();
    assert_eq!((end.kind.as_str(), end.data), ("close", json!({ "reason": "login_ended" })));
}
