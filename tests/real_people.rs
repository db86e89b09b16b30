//! People at a server that runs: its first owner, a login over a socket, the command line beside it, a restart, a log that was changed.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Server, http, offhook, wait_for};

/// One request to the API; its status and its body.
fn ask(server: &Server, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("Host: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json", server.http);
    let request =
        format!("{method} {path} HTTP/1.1\r\n{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (status, answer) = http(server.http, &request).unwrap();
    (status, serde_json::from_str(&answer).unwrap_or_default())
}

fn sign_in(server: &Server, email: &str, password: &str) -> (u16, Value) {
    ask(server, "POST", "/api/v1/auth/login", "", &json!({ "email": email, "password": password }))
}

/// Runs a command on the server's files; its exit code and what it printed.
fn run(server: &Server, arguments: &[&str]) -> (Option<i32>, String) {
    let output = offhook(server.folder.path(), &[arguments, &["--config", "offhook.toml"]].concat(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text + &String::from_utf8(output.stderr).unwrap())
}

/// The passwords of owners that the server has printed.
fn printed(server: &Server) -> Vec<String> {
    let log = server.log();
    let lines = log.lines().filter_map(|line| line.split_once("owner@offhook.local, password "));
    lines.map(|(_, rest)| rest.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn a_new_server_prints_its_owner_once_and_lets_in_whom_the_owner_lets_in() {
    let mut server = Server::start("[security]\napi_key_env = \"\"\n");
    let password = support::wait_for(std::time::Duration::from_secs(10), "an owner", || printed(&server).pop());
    assert_eq!(sign_in(&server, "owner@offhook.local", "wrong").0, 401);
    let (status, tokens) = sign_in(&server, "owner@offhook.local", &password);
    assert_eq!(status, 200, "{tokens}");
    let token = tokens["access_token"].as_str().unwrap();
    let (_, sessions) = ask(&server, "GET", "/api/v1/auth/sessions", token, &Value::Null);
    assert_eq!(sessions["data"][0]["address"], "127.0.0.1", "{sessions}");
    let (status, key) = ask(&server, "POST", "/api/v1/api-keys", token, &json!({ "name": "n8n", "role": "agent" }));
    assert_eq!(status, 201, "{key}");
    let key = key["key"].as_str().unwrap();

    // Beside the server that runs.
    let (code, said) = run(&server, &["user", "add", "bob@example.com", "--role", "viewer"]);
    assert_eq!(code, Some(0), "{said}");
    let bob = said.trim().rsplit(' ').next().unwrap();
    let (status, tokens) = sign_in(&server, "bob@example.com", bob);
    assert_eq!(status, 200, "{tokens}");
    let bob = tokens["access_token"].as_str().unwrap();
    assert_eq!(ask(&server, "GET", "/api/v1/users", bob, &Value::Null).0, 403);
    let (code, said) = run(&server, &["key", "add", "ci", "--scope", "users:read"]);
    assert_eq!(code, Some(0), "{said}");
    let (status, users) = ask(&server, "GET", "/api/v1/users", said.trim(), &Value::Null);
    assert_eq!((status, users["data"].as_array().unwrap().len()), (200, 2));
    assert_eq!(run(&server, &["user", "add", "bob@example.com"]).0, Some(1));

    // Tokens and keys are the database's: they outlive the process.
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(5));
    server.restart();
    for (shown, role) in [(token, "owner"), (key, "agent")] {
        let (status, me) = ask(&server, "GET", "/api/v1/me", shown, &Value::Null);
        assert_eq!((status, me["role"].as_str()), (200, Some(role)), "{me}");
    }
    assert_eq!(printed(&server).len(), 1, "{}", server.log());
    let log = server.log();
    assert!(!log.contains(key) && !log.contains(token), "{log}");

    // Who guesses meets the limit of the address.
    let statuses: Vec<u16> = (0..40).map(|guess| sign_in(&server, "eve@example.com", &guess.to_string()).0).collect();
    assert!(statuses.contains(&429) && !statuses.contains(&200), "{statuses:?}");
}

#[test]
fn a_log_that_was_changed_is_found_out() {
    let server = Server::start("");
    // It is made when the server is up, and is the first that is noted.
    wait_for(Duration::from_secs(10), "the first owner", || (printed(&server).len() == 1).then_some(()));
    let (code, said) = run(&server, &["audit", "verify"]);
    assert!(code == Some(0) && said.starts_with("default: ") && said.contains(" rows, whole; row "), "{code:?} {said}");
    assert_eq!(run(&server, &["user", "add", "bob@example.com"]).0, Some(0));
    // By SQLite itself, without us.
    let change = "import sqlite3, sys
base = sqlite3.connect(sys.argv[1], timeout=10)
try:
    base.execute(\"UPDATE audit_log SET actor = 'eve'\")
    print('changed')
except sqlite3.DatabaseError as error:
    print(error)
base.execute('DROP TRIGGER audit_log_is_not_changed')
base.execute(\"UPDATE audit_log SET actor = 'eve' WHERE number = 1\")
base.commit()";
    let database = server.folder.path().join("data/offhook.db");
    let python = Command::new("python3").args(["-c", change]).arg(database).output().unwrap();
    assert_eq!(String::from_utf8(python.stdout).unwrap(), "the audit log is append-only\n");
    let (code, said) = run(&server, &["audit", "verify"]);
    assert_eq!((code, said.as_str()), (Some(1), "default: row 1 is missing, was changed, or does not fit to the one before\n"));
}
