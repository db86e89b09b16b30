//! What a server knows of a person: given out whole, erased to the last byte, of one organization only; also when it is killed meanwhile.
//! And what is too old.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use platform::archive::Archive;
use serde_json::{Value, json};
use store::*;
use support::{Folder, Server, http, load, offhook, rtp_range, speech, wait_for};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const PERSON: &str = "4930555001";
const OTHER: &str = "4930666002";
const SOON: Duration = Duration::from_secs(60);

fn server(more: &str) -> Server {
    let toml = format!("[rtp]\nport_range = \"{}\"\n[node]\nname = \"safe\"\nmax_calls = 4\n{more}", rtp_range(4));
    Server::start_with(&toml, &[("OFFHOOK_API_KEY", KEY)])
}

fn ask(server: &Server, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("Host: {}\r\nX-API-Key: {key}\r\nContent-Type: application/json", server.http);
    let request =
        format!("{method} /api/v1{path} HTTP/1.1\r\n{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (status, answer) = http(server.http, &request).unwrap();
    let parsed = serde_json::from_str(&answer).unwrap_or(Value::String(answer));
    (status, parsed)
}

/// Asks for an export or an erasure; the id of the job.
fn wish(server: &Server, key: &str, what: &str, person: &Value) -> String {
    let (status, job) = ask(server, key, "POST", &format!("/privacy/{what}"), person);
    assert_eq!(status, 202, "{job}");
    job["id"].as_str().unwrap().to_owned()
}

fn until_done(server: &Server, key: &str, job: &str) -> Value {
    wait_for(SOON, "the end of the job", || {
        let (_, job) = ask(server, key, "GET", &format!("/privacy/jobs/{job}"), &Value::Null);
        assert_ne!(job["state"], "failed", "{job}");
        (job["state"] == "done").then_some(job)
    })
}

/// One call of so many seconds, by this user to that.
fn call(server: &Server, from: &str, to: &str) {
    let (target, speech) = (server.sip.to_string(), speech().display().to_string());
    let arguments = ["sip", "--target", &target, "--calls", "1", "--hold", "3", "--audio", &speech, "--from", from, "--to", to];
    let (_, report, text) = load(&arguments);
    assert_eq!(report["answered"], 1, "{text}");
}

/// Fetches the file of an export, byte by byte.
fn fetch(server: &Server, key: &str, job: &str, to: &Path) -> Archive {
    let url = format!("http://{}/api/v1/privacy/jobs/{job}/file", server.http);
    let fetched = Command::new("python3")
        .args(["-c", "import sys, urllib.request as u; open(sys.argv[3], 'wb').write(u.urlopen(u.Request(sys.argv[1], headers={'X-API-Key': sys.argv[2]})).read())"])
        .args([&url, key])
        .arg(to)
        .output()
        .unwrap();
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    Archive::open(to).unwrap()
}

/// The rows of a table of an export.
fn rows(archive: &Archive, folder: &Path, table: &str) -> Vec<Value> {
    let place = folder.join(format!("{table}-{}", archive.manifest()["job"]));
    archive.extract(|name| (name == format!("{table}.json")).then(|| place.clone())).unwrap();
    serde_json::from_str(&std::fs::read_to_string(place).unwrap()).unwrap()
}

/// Files below a folder that hold these bytes anywhere.
fn holding(folder: &Path, bytes: &str) -> Vec<String> {
    let found = Command::new("grep").args(["-rlaF", bytes]).arg(folder).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Adds what no call of a load generator brings about.
fn remember(server: &Server, record: &CallRecord) {
    let (runtime, store) = server.database();
    let memory = NewMemory {
        organization: record.call.organization.clone(),
        caller: Caller::of(&record.call.from).unwrap(),
        text: Transcript::new("likes tea"),
        call: record.call.id,
        assistant: "demo".to_owned(),
        source: MemorySource::Tool,
        at: WallTime::now(),
        expires_at: WallTime::from_micros(i64::MAX),
    };
    let used = ToolUse {
        call: record.call.id,
        number: 0,
        name: "send_email".to_owned(),
        kind: "builtin".to_owned(),
        arguments: Some(Transcript::new(format!(r#"{{"to":"ada@example.com","text":"from +{PERSON}"}}"#))),
        started_at: WallTime::now(),
        outcome: Some("ok".to_owned()),
        duration: None,
    };
    runtime.block_on(async {
        store.remember(&memory).await.unwrap();
        store.write_batch(&[StoreWrite::ToolUsed(used)]).await.unwrap();
        store.close().await;
    });
}

#[test]
fn a_person_is_given_out_and_erased_to_the_last_byte_and_others_stay() {
    let server = server("");
    let (_, acme) = ask(&server, KEY, "POST", "/organizations", &json!({ "name": "Acme" }));
    let acme = acme["id"].as_str().unwrap();
    let made = offhook(server.folder.path(), &["key", "add", "tests", "--organization", acme, "--config", "offhook.toml"], &[]);
    let acme = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let anna = json!({ "name": "anna", "first_message": "Acme here.", "engine": { "kind": "offline" } });
    let (_, anna) = ask(&server, &acme, "POST", "/assistants", &anna);
    let number = json!({ "number": "+4930777", "assistant_id": anna["id"] });
    assert_eq!(ask(&server, &acme, "POST", "/phone-numbers", &number).0, 201);
    call(&server, PERSON, "demo");
    call(&server, OTHER, "demo");
    call(&server, PERSON, "4930777");
    let calls = server.ended_calls(3);
    for ended in &calls {
        remember(&server, &ended.call);
    }
    let [at_acme, others, own] = &calls[..] else { panic!("three calls") };
    let recording = |id: CallId| server.folder.path().join(format!("data/recordings/{id}.wav"));

    // Who may not, and what is wrong.
    let person = json!({ "phone": "0049 30 555-001" });
    let agent = offhook(server.folder.path(), &["key", "add", "agent", "--role", "agent", "--config", "offhook.toml"], &[]);
    let agent = String::from_utf8(agent.stdout).unwrap().trim().to_owned();
    assert_eq!(ask(&server, &agent, "POST", "/privacy/erase", &person).0, 403);
    for (body, field) in [(json!({ "phone": "alice" }), "phone"), (json!({ "email": "x" }), "email"), (json!({}), "phone")] {
        let (status, problem) = ask(&server, KEY, "POST", "/privacy/erase", &body);
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(field)), "{problem}");
    }
    let (status, problem) = ask(&server, &acme, "POST", "/privacy/erase", &json!({ "phone": "+4930777" }));
    assert_eq!(
        (status, &problem["errors"][0]["reason"]),
        (422, &json!("is a number of the organization itself, and no person's"))
    );

    // All of the person, and nothing of others.
    let job = wish(&server, KEY, "export", &person);
    until_done(&server, KEY, &job);
    assert_eq!(ask(&server, &acme, "GET", &format!("/privacy/jobs/{job}"), &Value::Null).0, 404);
    let folder = Folder::new();
    let archive = fetch(&server, KEY, &job, &folder.path().join("export.tar"));
    let parts: Vec<&String> = archive.manifest()["parts"].as_object().unwrap().keys().filter(|name| name.contains('/')).collect();
    assert_eq!(parts, [&format!("recordings/{}.wav", own.call.call.id)]);
    let id = own.call.call.id.to_string();
    for (table, column) in [("calls", "id"), ("turns", "call_id"), ("events", "call_id"), ("memories", "call_id")] {
        let rows = rows(&archive, folder.path(), table);
        assert!(!rows.is_empty() && rows.iter().all(|row| row[column] == *id), "{table}: {rows:?}");
    }
    assert_eq!(rows(&archive, folder.path(), "sip_ladders").len(), 1);
    // A tool of another's call names the person.
    assert_eq!(rows(&archive, folder.path(), "tool_calls").len(), 2);

    // Erased, with a report that can be proved.
    let job = wish(&server, KEY, "erase", &person);
    let done = until_done(&server, KEY, &job);
    assert_eq!(done["counts"]["tables"]["calls"]["changed"], 1, "{done}");
    assert!(!recording(own.call.call.id).exists() && recording(others.call.call.id).exists());
    let (_, report) = ask(&server, KEY, "GET", &format!("/privacy/jobs/{job}/report"), &Value::Null);
    assert_eq!(report["report"]["erased"]["files"], 1, "{report}");
    let path = server.folder.path().join("report.json");
    std::fs::write(&path, report.to_string()).unwrap();
    let verify = |more: &[&str]| {
        let output = offhook(
            server.folder.path(),
            &[&["privacy", "verify", "report.json", "--config", "offhook.toml"], more].concat(),
            &[],
        );
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(verify(&["--phone", "+49 30 555001"]).0, Some(0));
    assert_eq!(verify(&["--phone", OTHER]), (Some(1), "this is a true report, and about somebody else\n".to_owned()));
    std::fs::write(&path, report.to_string().replace("\"files\":1", "\"files\":0")).unwrap();
    assert_eq!(verify(&[]), (Some(1), "the signature does not fit: the report was changed\n".to_owned()));

    // The other organization's, and the other person's, are as they were.
    let told = |key: &str, id: CallId| ask(&server, key, "GET", &format!("/calls/{id}"), &Value::Null).1;
    assert_eq!(told(&acme, at_acme.call.call.id)["from"], PERSON);
    assert!(recording(at_acme.call.call.id).exists());
    assert_eq!(told(KEY, others.call.call.id)["from"], OTHER);
    let erased = told(KEY, own.call.call.id);
    assert_eq!((&erased["from"], &erased["id"]), (&json!(""), &json!(id)), "what is counted stays");
    let (_, audit) = ask(&server, KEY, "GET", "/audit-log", &Value::Null);
    let actions: Vec<&str> = audit["data"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    for action in
        ["privacy.export_requested", "privacy.exported", "privacy.downloaded", "privacy.erase_requested", "privacy.erased"]
    {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }

    // By e-mail: the calls stay, and the address goes.
    let job = wish(&server, KEY, "erase", &json!({ "email": "Ada@Example.com" }));
    until_done(&server, KEY, &job);
    // The number is Acme's customer still; once erased there too, it is nowhere.
    let job = wish(&server, &acme, "erase", &person);
    until_done(&server, &acme, &job);
    let job = wish(&server, &acme, "erase", &json!({ "email": "ada@example.com" }));
    until_done(&server, &acme, &job);
    let data = server.folder.path().join("data");
    assert!(!holding(&data, OTHER).is_empty(), "what grep looks for can be found");
    for gone in [PERSON, "ada@example.com"] {
        wait_for(SOON, "no byte left", || holding(&data, gone).is_empty().then_some(()));
    }
    assert!(!server.log().contains(PERSON), "{}", server.log());
    let (code, said) = {
        let output = offhook(server.folder.path(), &["audit", "verify", "--config", "offhook.toml"], &[]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn an_erasure_that_is_killed_goes_on_after_the_next_start() {
    const CALLS: usize = 300;
    let mut server = server("");
    let data = server.folder.path().join("data");
    std::fs::create_dir_all(data.join("recordings")).unwrap();
    let (runtime, store) = server.database();
    for index in 0..CALLS {
        let (id, at) = (CallId::generate(), WallTime::from_micros(WallTime::now().micros() - 3_600_000_000));
        let new = NewCall {
            id,
            organization: OrganizationId::operator(),
            node: "safe".to_owned(),
            leg: LegKind::Sip,
            direction: Direction::Inbound,
            from: PhoneNumber::new(format!("+{PERSON}")),
            to: PhoneNumber::new("demo"),
            assistant: "demo".to_owned(),
            engine: "offline".to_owned(),
            external_id: format!("{index}@x"),
            created_at: at,
        };
        let path = format!("recordings/{id}.wav");
        let turn = Turn {
            call: id,
            number: 0,
            role: Role::Caller,
            text: Transcript::new(format!("I am {PERSON}")),
            started_at: at,
            ended_at: at,
            interrupted: None,
            timings: json!({}),
        };
        let closed = StoreWrite::RecordingClosed {
            call: id,
            path: path.clone(),
            state: RecordingState::Complete,
            duration: Duration::from_secs(1),
            bytes: 100,
            note: None,
        };
        std::fs::write(data.join(&path), [7; 100]).unwrap();
        let writes = [
            StoreWrite::CallCreated(new),
            StoreWrite::TurnAdded(turn),
            StoreWrite::RecordingOpened { call: id, path, format: RecordingFormat::Wav, at },
            closed,
            StoreWrite::CallEnded { call: id, at, cause: HangupCause::CallerHangup, detail: None, stats: json!({}) },
        ];
        runtime.block_on(store.write_batch(&writes)).unwrap();
    }
    runtime.block_on(store.close());
    let job = wish(&server, KEY, "erase", &json!({ "phone": PERSON }));
    let files = || std::fs::read_dir(data.join("recordings")).unwrap().count();
    wait_for(SOON, "the middle of the erasure", || (files() < CALLS - 20).then_some(()));
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(5));
    assert!(files() > 20, "it was killed in the middle");
    server.restart();
    let done = until_done(&server, KEY, &job);
    let counts = &done["counts"];
    assert_eq!((&counts["files"], &counts["bytes"]), (&json!(CALLS), &json!(100 * CALLS)), "{done}");
    assert_eq!((&counts["tables"]["turns"]["rows"], &counts["tables"]["calls"]["changed"]), (&json!(CALLS), &json!(CALLS)));
    assert_eq!(files(), 0);
    wait_for(SOON, "no byte left", || holding(&data, PERSON).is_empty().then_some(()));
}

#[test]
fn what_an_organization_keeps_no_longer_goes() {
    let mut server = server("[retention]\ntranscripts_days = 400\n");
    call(&server, OTHER, "demo");
    call(&server, PERSON, "demo");
    let calls = server.ended_calls(2);
    let (status, said) = ask(&server, KEY, "GET", "/privacy/retention", &Value::Null);
    assert_eq!((status, said), (200, json!({ "recordings_days": null, "transcripts_days": null, "logs_days": null })));
    let wrong = ask(&server, KEY, "PUT", "/privacy/retention", &json!({ "recordings_days": 4000 }));
    assert_eq!((wrong.0, &wrong.1["errors"][0]["field"]), (422, &json!("recordings_days")));
    let said = ask(&server, KEY, "PUT", "/privacy/retention", &json!({ "recordings_days": 2, "logs_days": 2 }));
    assert_eq!((said.0, &said.1["recordings_days"]), (200, &json!(2)));
    server.process.signal("-TERM");
    server.process.wait(Duration::from_secs(20));
    // One of them is three days old.
    let age = "import sqlite3, sys
base = sqlite3.connect(sys.argv[1], timeout=10)
base.execute('UPDATE calls SET created_us = created_us - 259200000000, ended_us = ended_us - 259200000000 WHERE from_number = ?', [sys.argv[2]])
base.commit()";
    let database = server.folder.path().join("data/offhook.db");
    assert!(Command::new("python3").args(["-c", age]).arg(database).arg(PERSON).status().unwrap().success());
    server.restart();
    let old = calls.iter().find(|ended| ended.call.call.from.reveal() == PERSON).unwrap();
    let young = calls.iter().find(|ended| ended.call.call.from.reveal() == OTHER).unwrap();
    wait_for(SOON, "the recording is gone", || (!server.recording(old).exists()).then_some(()));
    server.wait_metric("offhook_retention_removed_total", "recordings", 1.0);
    wait_for(SOON, "the sums on the audit log", || {
        let (_, audit) = ask(&server, KEY, "GET", "/audit-log", &Value::Null);
        let swept = audit["data"].as_array().unwrap().iter().filter(|entry| entry["action"] == "retention.swept").count();
        (swept == 2).then_some(())
    });
    assert!(server.recording(young).exists());
    let (runtime, store) = server.database();
    let id = old.call.call.id;
    assert!(runtime.block_on(store.recordings(id)).unwrap().is_empty());
    assert!(runtime.block_on(store.traces_of_call(&OrganizationId::operator(), "sip_ladders", id)).unwrap().is_empty());
    assert!(!runtime.block_on(store.turns(id)).unwrap()[0].text.reveal().is_empty(), "transcripts are kept for longer");
    runtime.block_on(store.close());
}
