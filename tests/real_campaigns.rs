//! Campaigns: a real server calls a village of telephones. Who is busy is called again, who is on the list is not, a machine gets a
//! message; and a server that is killed calls nobody twice.
#![allow(clippy::unwrap_used)]

mod support;
#[path = "support/village.rs"]
mod village;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Server, http, rtp_range, wait_for};
use village::Village;

const KEY: &str = "a key for the tests of campaigns";

fn server(village: &Village) -> Server {
    let ports = rtp_range(16);
    let toml = format!(
        "[rtp]\nport_range = \"{ports}\"\n[node]\nmax_calls = 16\n[recording]\nmode = \"off\"\n\
         [[trunks]]\nname = \"carrier\"\noptions_interval_s = 0\nallowed_prefixes = [\"+\"]\n[[trunks.targets]]\nuri = \"sip:{}\"\n",
        village.address
    );
    Server::start_with(&toml, &[("OFFHOOK_API_KEY", KEY), ("OFFHOOK__SIP__RING_TIMEOUT_S", "2")])
}

fn send(server: &Server, method: &str, path: &str, kind: &str, body: &str) -> (u16, String) {
    let head = format!("Host: {}\r\nX-API-Key: {KEY}\r\nContent-Type: {kind}\r\nConnection: close", server.http);
    let request = format!("{method} /api/v1/{path} HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    http(server.http, &request).unwrap()
}

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = send(server, method, path, "application/json", &body);
    (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
}

/// A campaign that may call at any time; its id.
fn campaign(server: &Server, more: &Value, list: &str) -> String {
    let mut wish = json!({
        "name": "spring", "assistant_id": "demo", "from": "+4930999", "trunk_id": "carrier", "calls_per_minute": 600, "concurrency": 3,
        "windows": [{ "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "until": "24:00" }],
    });
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, made) = ask(server, "POST", "campaigns", &wish);
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    let (status, added) = send(server, "POST", &format!("campaigns/{id}/contacts"), "text/csv", list);
    assert_eq!(status, 200, "{added}");
    id
}

fn start(server: &Server, id: &str) {
    let (status, started) = ask(server, "POST", &format!("campaigns/{id}/start"), &Value::Null);
    assert_eq!((status, &started["status"]), (200, &json!("running")), "{started}");
}

fn wait_finished(server: &Server, id: &str) -> Value {
    wait_for(Duration::from_secs(120), "the end of the campaign", || {
        let (_, shown) = ask(server, "GET", &format!("campaigns/{id}"), &Value::Null);
        (shown["status"] == "finished").then_some(shown)
    })
}

/// What came of each number, and after how many calls.
fn outcomes(server: &Server, id: &str) -> HashMap<String, (String, u64)> {
    let (_, list) = ask(server, "GET", &format!("campaigns/{id}/contacts?limit=200"), &Value::Null);
    let people = list["data"].as_array().unwrap();
    let one = |person: &Value| {
        let outcome = person["outcome"].as_str().unwrap_or("-").to_owned();
        assert_eq!(person["calls"].as_array().unwrap().len() as u64, person["attempts"], "{person}");
        (person["phone"].as_str().unwrap().to_owned(), (outcome, person["attempts"].as_u64().unwrap()))
    };
    people.iter().map(one).collect()
}

fn of<'a>(all: &'a HashMap<String, (String, u64)>, phone: &str) -> (&'a str, u64) {
    let (outcome, attempts) = &all[phone];
    (outcome, *attempts)
}

#[test]
fn people_are_called_as_the_rules_say_and_a_machine_gets_the_message() {
    let village = Village::start(Duration::from_secs(4));
    let server = server(&village);
    let (status, _) = ask(&server, "POST", "do-not-call", &json!({ "phone": "+49 30 100 0011", "reason": "asked" }));
    assert_eq!(status, 201);
    let rules = json!({
        "retries": {
            "busy": { "times": 2, "after_s": 1 }, "no_answer": { "times": 0, "after_s": 1 }, "failed": { "times": 0, "after_s": 1 },
        },
        "on_machine": "leave_message", "message": "Hello {{name}}, please call us back at your convenience.",
    });
    let list = "phone,name\n+49301000010,Ann\n+49301000011,Bob\n+49301000012,Cid\n+49301000020,Dan\n+49301000030,Eve\n+49301000040,Machine\n\
                +49 30 1000010,again\n";
    let id = campaign(&server, &rules, list);
    start(&server, &id);
    let shown = wait_finished(&server, &id);
    let all = outcomes(&server, &id);
    assert_eq!(of(&all, "+49301000010"), ("human", 1), "{}", server.log());
    assert_eq!(of(&all, "+49301000012"), ("human", 1));
    assert_eq!(of(&all, "+49301000011"), ("do_not_call", 0));
    assert_eq!(of(&all, "+49301000020"), ("busy", 3));
    assert_eq!(of(&all, "+49301000030"), ("no_answer", 1));
    assert_eq!(of(&all, "+49301000040"), ("voicemail", 1));
    let invites = village.invites();
    for (phone, (_, attempts)) in &all {
        assert_eq!(invites.get(phone).copied().unwrap_or_default() as u64, *attempts, "{phone}: each attempt is one INVITE");
    }
    assert!(village.most() <= 3, "{} calls at once", village.most());
    let heard = village.heard("+49301000040");
    assert!(heard > 50, "the machine heard {heard} frames of voice after its beep: {}", server.log());
    assert_eq!((&shown["counts"]["done"], &shown["counts"]["attempts"]), (&json!(6), &json!(7)), "{shown}");
    let (status, csv) = send(&server, "GET", &format!("campaigns/{id}/results"), "text/csv", "");
    assert_eq!(status, 200);
    assert!(csv.contains(",+49301000020,Europe/Berlin,done,busy,3,"), "{csv}");
    let (_, calls) = ask(&server, "GET", "calls?limit=50", &Value::Null);
    let machine = calls["data"].as_array().unwrap().iter().find(|call| call["to"] == "+49301000040").unwrap();
    let (_, call) = ask(&server, "GET", &format!("calls/{}", machine["id"].as_str().unwrap()), &Value::Null);
    assert_eq!((&call["answered_by"]["by"], &call["cause"]), (&json!("machine"), &json!("agent_hangup")), "{call}");
    server.wait_metric("offhook_campaign_attempts_total", "outcome=\"human\"", 2.0);
    server.wait_metric("offhook_messages_left_total", "after=\"beep\"", 1.0);
}

#[test]
fn a_server_that_is_killed_calls_nobody_twice() {
    let village = Village::start(Duration::from_secs(2));
    let mut server = server(&village);
    let phones: Vec<String> = (10..20).map(|n| format!("+493010000{n}")).collect();
    let list = format!("phone\n{}\n", phones.join("\n"));
    let id = campaign(&server, &json!({ "on_machine": "ignore" }), &list);
    start(&server, &id);
    wait_for(Duration::from_secs(30), "the first calls", || (village.invites().len() >= 4).then_some(()));
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(10));
    server.restart();
    wait_finished(&server, &id);
    let (all, invites) = (outcomes(&server, &id), village.invites());
    let mut unknown = 0;
    for phone in &phones {
        let (outcome, attempts) = of(&all, phone);
        let called = invites.get(phone).copied().unwrap_or_default();
        assert_eq!(attempts, 1, "{phone}: {outcome}");
        match outcome {
            "unknown" => {
                unknown += 1;
                assert!(called <= 1, "{phone} was called {called} times");
            }
            _ => assert_eq!((called, outcome), (1, "answered"), "{phone}"),
        }
    }
    assert!(unknown <= 3, "{unknown}: no more than were up at once");
}

#[test]
fn who_pauses_is_obeyed_and_goes_on_where_it_was() {
    let village = Village::start(Duration::from_secs(1));
    let server = server(&village);
    let phones: Vec<String> = (10..20).map(|n| format!("+493010000{n}")).collect();
    let id = campaign(&server, &json!({ "on_machine": "ignore", "concurrency": 1 }), &format!("phone\n{}\n", phones.join("\n")));
    start(&server, &id);
    wait_for(Duration::from_secs(30), "the first calls", || (village.invites().len() >= 2).then_some(()));
    let (status, paused) = ask(&server, "POST", &format!("campaigns/{id}/pause"), &Value::Null);
    assert_eq!((status, &paused["status"]), (200, &json!("paused")), "{paused}");
    std::thread::sleep(Duration::from_millis(500));
    let before = village.invites().len();
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(village.invites().len(), before, "nobody is called meanwhile");
    start(&server, &id);
    wait_finished(&server, &id);
    assert!(village.invites().values().all(|times| *times == 1) && village.invites().len() == 10, "{:?}", village.invites());
    assert_eq!(village.most(), 1);
}

#[test]
fn a_list_that_cannot_be_taken_is_told_line_by_line() {
    let village = Village::start(Duration::from_secs(1));
    let server = server(&village);
    let id = campaign(&server, &json!({}), "phone\n+49301000010\n");
    let path = format!("campaigns/{id}/contacts");
    let (status, problem) = send(&server, "POST", &path, "text/csv", "phone,name\n+12,Ann\n+49301000012,Bob\n");
    assert_eq!(status, 422);
    assert!(problem.contains("\"line 2.phone\"") && problem.contains("has fewer than 7 digits"), "{problem}");
    let (status, taken) =
        send(&server, "POST", &format!("{path}?skip_wrong=true"), "text/csv", "phone,name\n+12,Ann\n+49301000012,Bob\n");
    let taken: Value = serde_json::from_str(&taken).unwrap();
    assert_eq!(
        (status, &taken["added"], &taken["wrong"], &taken["wrong_rows"][0]["line"]),
        (200, &json!(1), &json!(1), &json!(2))
    );
    let (status, problem) = ask(&server, "PATCH", &format!("campaigns/{id}"), &json!({ "zone": "Mars", "calls_per_minute": 10 }));
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("zone")), "{problem}");
    let (status, problem) = ask(&server, "POST", "campaigns", &json!({ "name": "x", "assistant_id": "nobody" }));
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("assistant_id")), "{problem}");
}
