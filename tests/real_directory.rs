//! Assistants, numbers, flags, tools and trunks made over the API while the server runs: the next call is answered by them, on every node of
//! the database. SIPp calls.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../store/tests/backends/cluster.rs"]
mod cluster;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/sipp.rs"]
mod sipp;
mod support;

use std::time::{Duration, Instant};

use cluster::Cluster;
use peer::Peer;
use serde_json::{Value, json};
use sipp::Script;
use store::{CallRecord, Store, Turn};
use support::{Folder, Server, http};

const KEY: &str = "the key of these tests";
const OFFER: &str = "v=0\no=sipp 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [media_ip]\nt=0 0\nm=audio [media_port] RTP/AVP 0";

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    ask_as(server, KEY, method, path, body)
}

fn ask_as(server: &Server, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("Host: {}\r\nX-API-Key: {key}\r\nContent-Type: application/json", server.http);
    let length = body.len();
    let request =
        format!("{method} /api/v1{path} HTTP/1.1\r\n{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    let (status, answer) = http(server.http, &request).unwrap();
    (status, serde_json::from_str(&answer).unwrap_or_default())
}

/// Makes a row; its id.
fn make(server: &Server, path: &str, body: &Value) -> String {
    let (status, made) = ask(server, "POST", path, body);
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

fn patch(server: &Server, path: &str, body: &Value) {
    let (status, answer) = ask(server, "PATCH", path, body);
    assert_eq!(status, 200, "{answer}");
}

fn start(more: &[(&str, &str)]) -> Server {
    let own = [("OFFHOOK_API_KEY", KEY), ("OFFHOOK__ROUTING__DEFAULT_ASSISTANT", "")];
    Server::start_with("[security]\nrequests_per_actor = 0\n", &[&own[..], more].concat())
}

fn anna(first_message: &str) -> Value {
    json!({ "name": "anna", "first_message": first_message, "engine": { "kind": "offline" } })
}

/// SIPp calls a number, is answered, hears some and hangs up.
fn call(server: &Server, number: &str) {
    Script::call(OFFER).pause(1_500).bye().run(server, number);
}

fn is_unknown(server: &Server, number: &str) {
    assert_eq!(Peer::invite_number(server.sip, "alice", number).wait_refused(), 404, "{number}");
}

/// The records of the calls that were answered, newest first, with what was said, when there are so many.
fn answered(database: &str, wanted: usize) -> Vec<(CallRecord, Vec<Turn>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(Store::open(database)).unwrap();
    support::wait_for(Duration::from_secs(10), "the records of all calls", || {
        let calls = runtime.block_on(store.list_calls(200, None)).unwrap();
        let calls: Vec<_> = calls.into_iter().filter(|call| call.answered_at.is_some() && call.ended_at.is_some()).collect();
        let turns = calls.iter().map(|call| runtime.block_on(store.turns(call.call.id)).unwrap()).collect::<Vec<_>>();
        (calls.len() == wanted).then(|| calls.into_iter().zip(turns).collect())
    })
}

/// The first word that the agent said: of the rest the caller hears what there is time for.
fn greeting(call: &(CallRecord, Vec<Turn>)) -> &str {
    call.1.first().and_then(|turn| turn.text.reveal().split(' ').next()).unwrap_or_default()
}

fn sqlite(server: &Server) -> String {
    format!("sqlite://{}", server.folder.path().join("data/offhook.db").display())
}

#[test]
fn the_next_call_is_answered_by_what_was_just_made() {
    let server = start(&[]);
    is_unknown(&server, "700");
    let assistant = make(&server, "/assistants", &anna("First words."));
    let number = make(&server, "/phone-numbers", &json!({ "number": "700", "assistant_id": assistant }));
    call(&server, "700");
    patch(&server, &format!("/assistants/{assistant}"), &json!({ "first_message": "Second words." }));
    call(&server, "700");
    let (status, _) = ask(&server, "POST", &format!("/assistants/{assistant}/versions/1/restore"), &json!({}));
    assert_eq!(status, 200);
    call(&server, "+700");
    patch(&server, &format!("/phone-numbers/{number}"), &json!({ "active": false }));
    is_unknown(&server, "700");

    let calls = answered(&sqlite(&server), 3);
    let said: Vec<&str> = calls.iter().map(greeting).collect();
    assert_eq!(said, ["First", "Second", "First"], "newest first");
    assert!(calls.iter().all(|(call, _)| call.call.assistant == assistant), "{calls:#?}");

    // It is all there after a restart.
    let mut server = server;
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(5));
    server.restart();
    is_unknown(&server, "700");
    patch(&server, &format!("/phone-numbers/{number}"), &json!({ "active": true }));
    call(&server, "700");
}

#[test]
fn a_call_is_its_number_s_organization_s() {
    let server = start(&[]);
    let (status, acme) = ask(&server, "POST", "/organizations", &json!({ "name": "Acme" }));
    assert_eq!(status, 201, "{acme}");
    let acme = acme["id"].as_str().unwrap();
    let output =
        support::offhook(server.folder.path(), &["key", "add", "tests", "--organization", acme, "--config", "offhook.toml"], &[]);
    let key = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let asked = |method: &str, path: &str, body: Value| ask_as(&server, &key, method, path, &body);

    let (status, assistant) = asked("POST", "/assistants", anna("Acme here."));
    assert_eq!(status, 201, "{assistant}");
    let number = json!({ "number": "+49700", "assistant_id": assistant["id"] });
    assert_eq!(asked("POST", "/phone-numbers", number).0, 201);
    // The operator may have one of the same name, and not the same number.
    let own = make(&server, "/assistants", &anna("Operator here."));
    let taken = json!({ "number": "49700", "assistant_id": own });
    assert_eq!(ask(&server, "POST", "/phone-numbers", &taken).0, 409);
    make(&server, "/phone-numbers", &json!({ "number": "800", "assistant_id": own }));
    call(&server, "49700");
    call(&server, "800");

    let calls = answered(&sqlite(&server), 2);
    let [(operators, _), (theirs, _)] = &calls[..] else { panic!() };
    assert_eq!((greeting(&calls[0]), greeting(&calls[1])), ("Operator", "Acme"));
    assert_eq!((operators.call.organization.as_str(), theirs.call.organization.as_str()), ("default", acme));
    let path = |call: &CallRecord| format!("/calls/{}", call.call.id);
    assert_eq!(asked("GET", &path(theirs), Value::Null).0, 200);
    assert_eq!(asked("GET", &path(operators), Value::Null).0, 404);
    assert_eq!(ask(&server, "GET", &path(theirs), &Value::Null).0, 404, "not even the operator's people");

    // Not recorded any more, then not answered at all.
    let flag = json!({ "key": "recording", "enabled": false });
    assert_eq!(asked("POST", "/feature-flags", flag).0, 201);
    call(&server, "49700");
    assert_eq!(asked("POST", "/feature-flags", json!({ "key": "inbound_calls", "enabled": false })).0, 201);
    is_unknown(&server, "49700");
    call(&server, "800");
    let calls = answered(&sqlite(&server), 4);
    let (runtime, database) = server.database();
    let recordings = |call: &CallRecord| runtime.block_on(database.recordings(call.call.id)).unwrap().len();
    assert_eq!((recordings(&calls[0].0), recordings(&calls[1].0), recordings(&calls[3].0)), (1, 0, 1));
    // An organization that is switched off answers nothing either, within the second of a look.
    let off = asked("PATCH", &format!("/feature-flags/{}", flag_id(&server, &key, "inbound_calls")), json!({ "enabled": true }));
    assert_eq!(off.0, 200);
    call(&server, "49700");
    patch(&server, &format!("/organizations/{acme}"), &json!({ "is_active": false }));
    std::thread::sleep(Duration::from_secs(2));
    is_unknown(&server, "49700");
}

fn flag_id(server: &Server, key: &str, flag: &str) -> String {
    let (_, flags) = ask_as(server, key, "GET", "/feature-flags", &Value::Null);
    let found = flags["data"].as_array().unwrap().iter().find(|row| row["key"] == flag).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

#[test]
fn every_node_of_the_database_answers_alike_within_two_seconds() {
    let cluster = match Cluster::start() {
        Ok(cluster) => cluster,
        Err(reason) => {
            assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "no PostgreSQL to test on: {reason}");
            eprintln!("skipped: no PostgreSQL to test on: {reason}");
            return;
        }
    };
    let url = cluster.url("postgres");
    let node = |name: &str| start(&[("OFFHOOK__DATABASE__URL", &url), ("OFFHOOK__NODE__NAME", name)]);
    let (here, there) = (node("here"), node("there"));
    is_unknown(&there, "700");
    let assistant = make(&here, "/assistants", &anna("First words."));
    let number = make(&here, "/phone-numbers", &json!({ "number": "700", "assistant_id": assistant }));
    call(&here, "700");
    // Two seconds are what is promised; how long SIPp takes to start is not counted.
    std::thread::sleep(Duration::from_secs(2));
    call(&there, "700");
    patch(&there, &format!("/assistants/{assistant}"), &json!({ "first_message": "Second words." }));
    std::thread::sleep(Duration::from_secs(2));
    call(&here, "700");
    patch(&there, &format!("/phone-numbers/{number}"), &json!({ "active": false }));
    is_unknown(&there, "700");
    std::thread::sleep(Duration::from_secs(2));
    is_unknown(&here, "700");
    let calls = answered(&url, 3);
    assert_eq!(calls.iter().map(greeting).collect::<Vec<_>>(), ["Second", "First", "First"]);
    assert_eq!(calls.iter().map(|(call, _)| call.call.node.as_str()).collect::<Vec<_>>(), ["here", "there", "here"]);
    let revision = |server| ask(server, "GET", "/admin/node", &Value::Null).1["revision"].as_u64().unwrap();
    assert_eq!(revision(&here), revision(&there));

    // A database that is away keeps nobody from being answered.
    patch(&there, &format!("/phone-numbers/{number}"), &json!({ "active": true }));
    drop(cluster);
    std::thread::sleep(Duration::from_secs(2));
    call(&there, "700");
    let (status, _) = ask(&there, "PATCH", &format!("/phone-numbers/{number}"), &json!({ "active": false }));
    assert_eq!(status, 503);
}

#[test]
fn the_node_is_read_again_and_drained_over_the_api() {
    let mut server = start(&[]);
    let (status, node) = ask(&server, "GET", "/admin/node", &Value::Null);
    assert_eq!((status, &node["draining"], &node["calls"]), (200, &json!(false), &json!(0)), "{node}");
    let actors = node["actors"].as_array().unwrap();
    assert!(actors.len() > 8 && actors.iter().all(|actor| actor["restarts"] == 0 && actor["mailbox_dropped"] == 0), "{node}");
    let path = server.folder.path().join("offhook.toml");
    let file = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{file}\n[[numbers]]\nnumber = \"900\"\nassistant = \"demo\"\n")).unwrap();
    is_unknown(&server, "900");
    assert_eq!(ask(&server, "POST", "/admin/reload", &Value::Null).0, 200);
    call(&server, "900");
    // What the file names is not changed over the API.
    let taken = json!({ "number": "900", "assistant_id": "demo" });
    let (status, answer) = ask(&server, "POST", "/phone-numbers", &taken);
    assert!(status == 409 && answer["detail"].as_str().unwrap().contains("the configuration file has this number"), "{answer}");
    let (_, row) = ask(&server, "GET", "/phone-numbers/900", &Value::Null);
    assert_eq!((&row["source"], &row["assistant_id"]), (&json!("file"), &json!("demo")));
    assert_eq!(ask(&server, "DELETE", "/phone-numbers/900", &Value::Null).0, 409);
    make(&server, "/phone-numbers", &json!({ "number": "901", "assistant_id": "demo" }));
    call(&server, "901");

    std::fs::write(&path, format!("{file}\n[node]\nmax_cals = 5\n")).unwrap();
    let (status, answer) = ask(&server, "POST", "/admin/reload", &Value::Null);
    assert_eq!((status, &answer["errors"][0]["field"]), (422, &json!("node.max_cals")), "{answer}");
    call(&server, "900");

    let (status, node) = ask(&server, "POST", "/admin/drain", &Value::Null);
    assert_eq!((status, &node["draining"]), (202, &json!(true)), "{node}");
    assert!(server.process.wait(Duration::from_secs(10)).success(), "{}", server.log());
}

#[test]
fn tools_and_trunks_are_made_while_calls_go_on() {
    let carrier = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    carrier.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let server = start(&[("CARRIER_PASSWORD", "hunter2")]);
    let tool = json!({
        "name": "health", "description": "Whether it is well.", "url": format!("http://{}/healthz", server.http),
        "headers": { "X-Secret": "hunter2" }, "allow_private": true
    });
    let id = make(&server, "/tools", &tool);
    let (_, shown) = ask(&server, "GET", &format!("/tools/{id}"), &Value::Null);
    assert_eq!(shown["headers"]["X-Secret"], "(hidden)");
    patch(&server, &format!("/tools/{id}"), &json!({ "timeout_ms": 5000, "headers": { "X-Secret": "(hidden)" } }));
    let (_, ran) = ask(&server, "POST", &format!("/tools/{id}/test"), &json!({}));
    assert_eq!(ran["status"], "ok", "{ran}");
    let assistant = json!({ "name": "anna", "engine": { "kind": "offline" }, "tools": ["health"] });
    make(&server, "/assistants", &assistant);
    assert_eq!(ask(&server, "DELETE", &format!("/tools/{id}"), &Value::Null).0, 409, "an assistant has it");

    let place = carrier.local_addr().unwrap();
    let trunk = json!({
        "name": "carrier", "targets": [{ "uri": format!("sip:{place}") }], "username": "us", "password_env": "CARRIER_PASSWORD",
        "register": true
    });
    let id = make(&server, "/trunks", &trunk);
    let mut asked = Vec::new();
    let mut buffer = [0; 4096];
    let began = Instant::now();
    while !(asked.contains(&"REGISTER".to_owned()) && asked.contains(&"OPTIONS".to_owned())) {
        assert!(began.elapsed() < Duration::from_secs(20), "{asked:?}");
        let (length, from) = carrier.recv_from(&mut buffer).unwrap();
        let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
        asked.push(text.split(' ').next().unwrap().to_owned());
        let kept: Vec<&str> = text
            .lines()
            .filter(|line| {
                ["Via", "From", "To", "Call-ID", "CSeq", "Contact"].iter().any(|name| line.starts_with(&format!("{name}:")))
            })
            .collect();
        let answer = format!("SIP/2.0 200 OK\r\n{}\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n", kept.join("\r\n"));
        carrier.send_to(answer.as_bytes(), from).unwrap();
    }
    let status = support::wait_for(Duration::from_secs(5), "a trunk that is up", || {
        let (_, status) = ask(&server, "GET", &format!("/trunks/{id}/status"), &Value::Null);
        (status["registered"] == true && status["targets"][0]["health"] == "up").then_some(status)
    });
    assert_eq!(status["targets"][0]["uri"], format!("sip:{place}"));
    let (code, answer) =
        ask(&server, "POST", "/trunks", &json!({ "name": "other", "tls_key": "/etc/shadow", "password_env": "NO" }));
    assert_eq!(code, 422);
    let fields: Vec<&str> = answer["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert!(fields.contains(&"tls_key") && fields.contains(&"password_env"), "{answer}");
    assert_eq!(ask(&server, "DELETE", &format!("/trunks/{id}"), &Value::Null).0, 204);
    // It takes its leave of the registrar.
    loop {
        let (length, _) = carrier.recv_from(&mut buffer).unwrap();
        let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
        if text.starts_with("REGISTER") && text.contains("Expires: 0") {
            break;
        }
    }
    assert!(!server.log().contains("hunter2"));
}
