//! The dashboard in a browser, Debian's Chromium, at a server that runs. The runs are in dashboard/e2e: what they say goes into the failure.
#![allow(clippy::unwrap_used)]

#[path = "support/sipp.rs"]
mod sipp;
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Folder, Server, offhook};

/// A call of the whole tour takes 40 s alone, and the machine has others to do.
const RUN_TIME_MAX: Duration = Duration::from_secs(240);

const OFFER: &str =
    "v=0\no=- 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [local_ip]\nt=0 0\nm=audio [media_port] RTP/AVP 0\na=rtpmap:0 PCMU/8000";

/// Node with the dashboard's packages; `None`, and the reason printed, where nobody has prepared them.
fn node() -> Option<PathBuf> {
    let node = std::env::var_os("OFFHOOK_TEST_NODE").map(PathBuf::from);
    if node.is_none() {
        assert!(std::env::var_os("CI").is_none(), "OFFHOOK_TEST_NODE is not set: use `make test`");
        eprintln!("skipped: `scripts/dashboard.sh` and OFFHOOK_TEST_NODE=$(scripts/dashboard.sh --node) are needed");
    }
    node
}

/// A server with an owner, and what a run is told of both. What the runs themselves serve may be asked.
fn prepared() -> (Server, Value) {
    let server = Server::start("[security]\napi_key_env = \"\"\n[webhooks]\nallow_private_urls = true\n");
    let line = support::wait_for(Duration::from_secs(10), "an owner", || {
        server.log().lines().find_map(|line| line.split_once("owner@offhook.local, password ").map(|(_, rest)| rest.to_owned()))
    });
    let password = line.split(' ').next().unwrap();
    let given = json!({ "url": format!("http://{}", server.http), "email": "owner@offhook.local", "password": password });
    (server, given)
}

/// A call of SIPp that is over, with its messages on the record; its id.
fn call(server: &Server) -> String {
    sipp::Script::call(OFFER).pause(1_500).bye().run(server, "demo");
    let id = server.ended_calls(1)[0].call.call.id.to_string();
    // Messages are written a moment after the dialog.
    std::thread::sleep(Duration::from_secs(3));
    id
}

/// Runs one of dashboard/e2e in the browser, and gives what it said.
fn run(node: &Path, name: &str, given: &Value) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboard/e2e").join(name);
    let folder = Folder::new();
    let log = folder.path().join("said");
    let out = std::fs::File::create(&log).unwrap();
    let child = Command::new(node)
        .arg(&script)
        .env("OFFHOOK_E2E", given.to_string())
        // What Chromium leaves behind goes with the test.
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .spawn()
        .unwrap();
    let mut process = support::Process(child);
    let deadline = Instant::now() + RUN_TIME_MAX;
    let status = loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > deadline {
            break None;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(status.is_some_and(|status| status.success()), "{name}: {status:?}\n{said}");
    println!("{said}");
    said
}

/// How much a run has proved: one that ends early without a word would prove nothing.
fn check(said: &str, least: usize) {
    let proved = said.lines().filter(|line| line.starts_with("ok: ")).count();
    assert!(proved >= least, "{proved} of {least} at least:\n{said}");
}

/// A week of calls on the record; the id of the one that has everything.
fn filled(server: &Server) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboard/e2e/fill.py");
    let output = Command::new("python3").arg(script).arg(server.folder.path().join("data")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The owner of another organization and a viewer of this one, into what a run is told.
fn others(server: &Server, given: &mut Value) {
    let token = api(server, "POST", "/api/v1/auth/login", "", &json!({ "email": given["email"], "password": given["password"] }));
    let token = token["access_token"].as_str().unwrap();
    let other = api(server, "POST", "/api/v1/organizations", token, &json!({ "name": "Acme" }));
    let arguments =
        ["user", "add", "oona@acme.example", "--organization", other["id"].as_str().unwrap(), "--config", "offhook.toml"];
    let output = offhook(server.folder.path(), &arguments, &[]);
    let said = String::from_utf8(output.stdout).unwrap();
    given["otherEmail"] = json!("oona@acme.example");
    given["otherPassword"] = json!(said.trim().rsplit(' ').next().unwrap());
    let (email, password) = ("vic@example.com", "Quiet-Marble-77-Orchard");
    let viewer = json!({ "email": email, "name": "Vic", "role": "viewer", "password": password });
    api(server, "POST", "/api/v1/users", token, &viewer);
    given["viewerEmail"] = json!(email);
    given["viewerPassword"] = json!(password);
}

#[test]
fn people_sign_in_and_see_and_do_what_they_may() {
    let Some(node) = node() else { return };
    let (server, mut given) = prepared();
    others(&server, &mut given);
    check(&run(&node, "people.mjs", &given), 20);
}

#[test]
fn a_call_is_shown_with_its_ladder() {
    let Some(node) = node() else { return };
    let (server, mut given) = prepared();
    given["call"] = json!(call(&server));
    check(&run(&node, "call.mjs", &given), 6);
}

#[test]
fn what_calls_are_answered_by_is_made_changed_and_put_back() {
    let Some(node) = node() else { return };
    let (_server, given) = prepared();
    check(&run(&node, "build.mjs", &given), 6);
}

#[test]
fn an_assistant_is_talked_to_and_its_call_seen_as_it_goes_on() {
    let Some(node) = node() else { return };
    let (server, mut given) = prepared();
    given["call"] = json!(filled(&server));
    others(&server, &mut given);
    check(&run(&node, "talk.mjs", &given), 20);
}

#[test]
fn daily_work_is_done() {
    let Some(node) = node() else { return };
    let (server, given) = prepared();
    filled(&server);
    check(&run(&node, "work.mjs", &given), 13);
}

#[test]
fn every_page_is_reachable_for_everybody_and_fits_its_screen() {
    let Some(node) = node() else { return };
    let (server, mut given) = prepared();
    // One whose ladder is whole, and one that has everything else.
    given["ladder"] = json!(call(&server));
    given["call"] = json!(filled(&server));
    check(&run(&node, "looks.mjs", &given), 110);
}

fn api(server: &Server, method: &str, path: &str, token: &str, body: &Value) -> Value {
    let head = format!("Host: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json", server.http);
    let body = body.to_string();
    let request =
        format!("{method} {path} HTTP/1.1\r\n{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (status, answer) = support::http(server.http, &request).unwrap();
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    serde_json::from_str(&answer).unwrap()
}
