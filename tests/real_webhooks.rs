//! Webhooks of a server that runs, taken by a receiver that verifies them with the standardwebhooks package.
#![allow(clippy::unwrap_used)]

#[path = "support/scenario.rs"]
mod scenario;
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use scenario::Sipp;
use serde_json::{Value, json};
use support::{Folder, Process, Server, http, python, rtp_range, wait_for};

const KEY: &str = "0123456789abcdef0123456789abcdef";
/// How long a delivery may take on a machine that all tests keep busy, three tries included.
const SOON: Duration = Duration::from_secs(60);

/// The program, and the folder through which it is told what to do.
struct Receiver {
    _process: Process,
    folder: Folder,
    url: String,
}

impl Receiver {
    /// `None`: there is no Python to run it.
    fn start() -> Option<Self> {
        let folder = Folder::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/webhook_receiver.py");
        let mut child =
            Command::new(python()?).arg(script).arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Some(Self { _process: Process(child), folder, url: line.trim().to_owned() })
    }

    fn answers(&self, status: u16) {
        std::fs::write(self.folder.path().join("answer"), status.to_string()).unwrap();
    }

    fn verifies_by(&self, secrets: &[&str]) {
        std::fs::write(self.folder.path().join("secrets"), secrets.join("\n")).unwrap();
    }

    /// All that it got.
    fn got(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("got")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What it took, when so many have this type.
    fn took(&self, kind: &str, times: usize) -> Vec<Value> {
        wait_for(SOON, &format!("{times} of {kind}"), || {
            let took: Vec<Value> = self.got().into_iter().filter(|one| one["status"] == 204).collect();
            (took.iter().filter(|one| one["body"]["type"] == kind).count() >= times).then_some(took)
        })
    }
}

fn server() -> Server {
    let toml =
        format!("[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 8\n[webhooks]\nallow_private_urls = true\n", rtp_range(8));
    Server::start_with(&toml, &[("OFFHOOK_API_KEY", KEY)])
}

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("Host: {}\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json", server.http);
    let request =
        format!("{method} /api/v1{path} HTTP/1.1\r\n{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (status, answer) = http(server.http, &request).unwrap();
    (status, serde_json::from_str(&answer).unwrap_or_default())
}

fn webhook(server: &Server, wish: &Value) -> (String, String) {
    let (status, made) = ask(server, "POST", "/webhooks", wish);
    assert_eq!(status, 201, "{made}");
    (format!("/webhooks/{}", made["id"].as_str().unwrap()), made["secret"].as_str().unwrap().to_owned())
}

fn calls(server: &Server, calls: u32) {
    Sipp { server, user: "demo", transport: "u1" }.run("update", calls);
}

/// The types of each call's events, in the order in which they were taken.
fn by_call(took: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut by_call: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in took {
        let Some(call) = one["body"]["data"]["call_id"].as_str() else { continue };
        by_call.entry(call.to_owned()).or_default().push(one["body"]["type"].as_str().unwrap().to_owned());
    }
    by_call
}

#[test]
fn calls_are_told_in_order_and_signed_and_a_secret_can_be_rotated() {
    let Some(receiver) = Receiver::start() else { return };
    let server = server();
    let (path, first) =
        webhook(&server, &json!({ "url": receiver.url, "events": ["call.*", "recording.ready", "turn.completed"] }));
    receiver.verifies_by(&[&first]);
    calls(&server, 3);
    let took = receiver.took("call.ended", 3);
    assert!(took.iter().all(|one| one["verified"] == json!([true])), "{took:#?}");
    let by_call = by_call(&took);
    assert_eq!(by_call.len(), 3, "{by_call:?}");
    for types in by_call.values() {
        assert_eq!(
            (types[0].as_str(), types[1].as_str(), types.last().unwrap().as_str()),
            ("call.started", "call.answered", "call.ended")
        );
        assert!(types.contains(&"recording.ready".to_owned()), "{types:?}");
    }
    let mut ids: Vec<_> = took.iter().map(|one| one["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), took.len(), "each is sent once when all goes well");

    let (status, rotated) = ask(&server, "POST", &format!("{path}/rotate"), &json!({ "overlap_s": 3600 }));
    assert_eq!(status, 200, "{rotated}");
    let second = rotated["secret"].as_str().unwrap();
    receiver.verifies_by(&[&first, second]);
    assert_eq!(ask(&server, "POST", &format!("{path}/test"), &Value::Null).0, 202);
    let test = receiver.took("webhook.test", 1).pop().unwrap();
    assert_eq!((&test["verified"], &test["signatures"]), (&json!([true, true]), &json!(2)));
    ask(&server, "POST", &format!("{path}/rotate"), &json!({ "overlap_s": 0 }));
    ask(&server, "POST", &format!("{path}/test"), &Value::Null);
    let test = receiver.took("webhook.test", 2).pop().unwrap();
    assert_eq!((&test["verified"], &test["signatures"]), (&json!([false, false]), &json!(1)), "the overlap is over");
    let (_, shown) = ask(&server, "GET", &path, &Value::Null);
    assert!(!shown.to_string().contains("whsec_"), "{shown}");
    assert!(!server.log().contains("whsec_") && !server.log().contains("/hooks"), "{}", server.log());
    assert!(server.metric("offhook_webhook_deliveries_total", "outcome=\"delivered\"") >= took.len() as f64 + 2.0);
    the_workflow_verifies(&test, rotated["secret"].as_str().unwrap(), false);
}

#[test]
fn what_a_receiver_did_not_take_outlives_a_kill_and_410_ends_it() {
    let Some(receiver) = Receiver::start() else { return };
    let mut server = server();
    receiver.answers(500);
    let (path, secret) = webhook(&server, &json!({ "url": receiver.url, "events": ["call.*"] }));
    receiver.verifies_by(&[&secret]);
    calls(&server, 2);
    server.ended_calls(2);
    wait_for(SOON, "two tries", || (receiver.got().len() >= 2).then_some(()));
    assert!(server.metric("offhook_webhook_deliveries_total", "outcome=\"retried\"") >= 1.0);
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(5));
    let failed = receiver.got();
    assert!(failed.iter().all(|one| one["body"]["type"] == "call.started"), "the next of a call waits: {failed:#?}");
    receiver.answers(204);
    server.restart();
    let took = receiver.took("call.ended", 2);
    for (call, types) in by_call(&took) {
        assert_eq!(types, ["call.started", "call.answered", "call.ended"], "{call}");
        // Each try of an event had its id.
        let tried = receiver.got().into_iter().filter(|one| one["body"]["data"]["call_id"] == call.as_str());
        let mut ids: Vec<String> = tried.map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3);
    }
    assert!(took.iter().all(|one| one["verified"] == json!([true])));
    the_workflow_verifies(took.last().unwrap(), &secret, true);

    let (_, deliveries) = ask(&server, "GET", &format!("{path}/deliveries?limit=1"), &Value::Null);
    let last = &deliveries["data"][0];
    assert_eq!((&last["state"], &last["response_status"]), (&json!("delivered"), &json!(204)), "{deliveries}");
    let again = format!("/deliveries/{}/redeliver", last["id"].as_str().unwrap());
    assert_eq!(ask(&server, "POST", &again, &Value::Null).0, 202);
    let took = receiver.took(last["type"].as_str().unwrap(), 3);
    assert_eq!(took.last().unwrap()["id"], last["message_id"]);

    receiver.answers(410);
    ask(&server, "POST", &format!("{path}/test"), &Value::Null);
    let shown = wait_for(SOON, "a webhook that is off", || {
        let shown = ask(&server, "GET", &path, &Value::Null).1;
        (shown["is_active"] == false).then_some(shown)
    });
    assert_eq!(shown["disabled_reason"], "the endpoint answered 410 Gone");
    let before = receiver.got().len();
    calls(&server, 1);
    server.ended_calls(3);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(receiver.got().len(), before, "nothing more is sent");
}

/// Runs the node Verify of the workflow for n8n on what was taken.
fn the_workflow_verifies(took: &Value, secret: &str, expected: bool) {
    let workflow = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/n8n/offhook.json")).unwrap();
    let workflow: Value = serde_json::from_str(&workflow).unwrap();
    let nodes = workflow["nodes"].as_array().unwrap();
    let names: Vec<&str> = nodes.iter().map(|node| node["name"].as_str().unwrap()).collect();
    for (from, outputs) in workflow["connections"].as_object().unwrap() {
        assert!(names.contains(&from.as_str()), "{from}");
        for to in outputs["main"].as_array().unwrap().iter().flat_map(|output| output.as_array().unwrap()) {
            assert!(names.contains(&to["node"].as_str().unwrap()), "{to}");
        }
    }
    let code = nodes.iter().find(|node| node["name"] == "Verify").unwrap()["parameters"]["jsCode"].as_str().unwrap();
    let code = code.replace("whsec_PASTE_IT_HERE", secret);
    let (headers, body) = (&took["headers"], &took["raw"]);
    let script = format!(
        "const $input = {{ first: () => ({{ json: {{ headers: {headers} }} }}) }};\n\
         const self = {{ helpers: {{ getBinaryDataBuffer: async () => Buffer.from({body}) }} }};\n\
         (async function () {{\n{code}\n}}).call(self).then((items) => console.log(JSON.stringify(items[0].json)));"
    );
    let Ok(output) = Command::new("node").args(["-e", &script]).output() else {
        println!("skipped: there is no node to run the workflow's code");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let item: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(item["verified"], json!(expected), "{item}");
    assert_eq!(item["event"].is_object(), expected, "{item}");
}
