//! The API as its own document says it is: schemathesis asks a running server what nobody thought of, with the key of an owner.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Process, Server, get, offhook, python, rtp_range};

/// What cannot be asked so, each with its reason.
const EXCLUDED: [(&str, &str); 7] = [
    ("events_stream", "a stream of events has no end"),
    ("sessions_ws_upgrade", "a WebSocket is no answer"),
    ("admin_drain", "it ends the server"),
    ("admin_reload", "it has the server read its file again, over and over"),
    ("sessions_webrtc_offer", "nothing there writes SDP: tests/real_webrtc.rs"),
    ("sessions_webrtc_offer_again", "the same"),
    ("api_keys_delete", "it would delete its own key"),
];
/// What is looked at in each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,ignored_auth,negative_data_rejection";
/// Of each operation, beside what its schema suggests by itself.
const EXAMPLES: &str = "6";
const SEED: &str = "20261122";
/// More than it takes on a machine that all tests keep busy.
const TIME_MAX: Duration = Duration::from_secs(600);

fn operations(document: &Value) -> BTreeSet<String> {
    let items = document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    items.filter_map(|operation| operation["operationId"].as_str()).map(str::to_owned).collect()
}

#[test]
fn answers_are_as_the_document_says_whatever_is_asked() {
    let Some(python) = python() else { return };
    let limits = "requests_per_address = 0\nrequests_per_actor = 0";
    let server = Server::start(&format!(
        "[node]\nmax_calls = 8\n[rtp]\nport_range = \"{}\"\n[security]\napi_key_env = \"\"\n{limits}\n",
        rtp_range(8)
    ));
    let made = offhook(server.folder.path(), &["key", "add", "proof", "--config", "offhook.toml"], &[]);
    let key = String::from_utf8(made.stdout).unwrap();
    let document: Value = serde_json::from_str(&get(server.http, "/api/openapi.json").unwrap().1).unwrap();
    let all = operations(&document);
    let report = server.folder.path().join("report.json");
    let mut command = Command::new(python.with_file_name("st"));
    command.args(["run", &format!("http://{}/api/openapi.json", server.http), "-H"]);
    command.arg(format!("Authorization: Bearer {}", key.trim()));
    command.args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS, "--max-examples", EXAMPLES, "--seed", SEED]);
    command.args(["--generation-database", "none", "--no-shrink", "--request-timeout", "20"]);
    command.args([
        "--continue-on-failure",
        "--no-color",
        "--suppress-health-check",
        "all",
        "--warnings",
        "off",
        "--report",
        "json",
    ]);
    command.arg("--report-json-path").arg(&report);
    for (operation, why) in EXCLUDED {
        assert!(all.contains(operation), "{operation} is excluded ({why}) and not there");
        command.args(["--exclude-operation-id", operation]);
    }
    let said = server.folder.path().join("said");
    let output = std::fs::File::create(&said).unwrap();
    command.current_dir(server.folder.path()).env("COLUMNS", "160").stdin(Stdio::null());
    let mut run = Process(command.stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap());
    let began = Instant::now();
    let status = run.wait(TIME_MAX);
    let said = std::fs::read_to_string(said).unwrap();
    println!("{said}\n{:?}", began.elapsed());
    assert!(status.success(), "schemathesis is not content");
    let tested = all.len() - EXCLUDED.len();
    assert!(said.contains(&format!("{tested} selected / {} total", all.len())), "not all {tested} were asked");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
