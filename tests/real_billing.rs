//! Usage from end to end: calls are charged, limits told and obeyed, months billed, Stripe told; a killed server loses and doubles nothing.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use store::HangupCause;
use support::media_stream::webhook;
use support::{Callers, Folder, Server, Simulator, http, load, python, rtp_range, speech, wait_for};

const KEY: &str = "0123456789abcdef0123456789abcdef";
/// What is done each second or so may take this long on a machine that all tests keep busy.
const SOON: Duration = Duration::from_secs(60);

fn server(toml: &str, environment: &[(&str, &str)]) -> Server {
    let ports = rtp_range(8);
    let toml = format!("[rtp]\nport_range = \"{ports}\"\n[node]\nmax_calls = 8\n[webhooks]\nallow_private_urls = true\n{toml}");
    Server::start_with(&toml, &[&[("OFFHOOK_API_KEY", KEY)], environment].concat())
}

/// One request; the status, and the body as it is.
fn raw(server: &Server, method: &str, path: &str, body: &Value, more: &str) -> (u16, String) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head =
        format!("Host: {}\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\nConnection: close\r\n{more}", server.http);
    let request = format!("{method} {path} HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len());
    http(server.http, &request).unwrap()
}

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let (status, answer) = raw(server, method, path, body, "");
    (status, serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

fn get(server: &Server, path: &str) -> Value {
    let (status, answer) = ask(server, "GET", path, &Value::Null);
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// So many calls, at once, of a few seconds.
fn call(server: &Server, calls: u32) -> Value {
    let (target, calls, speech) = (server.sip.to_string(), calls.to_string(), speech().display().to_string());
    load(&["sip", "--target", &target, "--calls", &calls, "--rate", "10", "--hold", "3", "--audio", &speech, "--allow-failures"])
        .1
}

/// The usage of this month once so many calls are charged.
fn charged(server: &Server, calls: u64) -> Value {
    wait_for(SOON, &format!("{calls} charged calls"), || {
        let usage = get(server, "/api/v1/usage");
        assert!(usage["calls"].as_u64().unwrap() <= calls, "{usage}");
        (usage["calls"] == calls).then_some(usage)
    })
}

fn sum(lines: &Value) -> u64 {
    lines.as_array().unwrap().iter().map(|line| line["amount_micros"].as_u64().unwrap()).sum()
}

/// Takes webhooks.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (url, got) = (format!("http://{}/hook", listener.local_addr().unwrap()), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                let answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { url, got }
    }

    /// Those of a limit.
    fn thresholds(&self) -> Vec<Value> {
        let got = self.got.lock().unwrap();
        got.iter().map(|body| body["data"].clone()).filter(|data| !data["threshold"].is_null()).collect()
    }
}

/// An INVITE that nobody else wrote; the final answer's first line.
fn invite(sip: SocketAddr) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let own = socket.local_addr().unwrap();
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n",
        support::free_address().port()
    );
    let invite = format!(
        "INVITE sip:demo@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKbilling{0}\r\nMax-Forwards: 70\r\n\
         From: <sip:caller@{own}>;tag=1\r\nTo: <sip:demo@{sip}>\r\nCall-ID: billing-{0}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:caller@{own}>\r\nContent-Type: application/sdp\r\nContent-Length: {1}\r\n\r\n{sdp}",
        own.port(),
        sdp.len()
    );
    socket.send_to(invite.as_bytes(), sip).unwrap();
    let mut answer = [0; 4096];
    loop {
        let read = socket.recv(&mut answer).unwrap();
        let first = String::from_utf8_lossy(&answer[..read]).lines().next().unwrap().to_owned();
        if !first.starts_with("SIP/2.0 1") {
            return first;
        }
    }
}

fn stop(server: &mut Server) {
    server.process.signal("-TERM");
    assert!(server.process.wait(Duration::from_secs(20)).success(), "{}", server.log());
}

#[test]
fn calls_are_charged_limits_told_and_obeyed_and_the_month_is_billed() {
    let Some(python) = python() else { return };
    let (mut server, receiver) = (server("", &[]), Receiver::start());
    let (status, hook) = ask(&server, "POST", "/api/v1/webhooks", &json!({ "url": receiver.url, "events": ["usage.recorded"] }));
    assert_eq!(status, 201, "{hook}");
    // A thousandth of a unit for a second, a millionth for a character.
    let prices = json!([
        { "meter": "seconds", "provider": "sip", "micros": 60_000 },
        { "meter": "characters", "provider": "*", "micros": 1_000 },
    ]);
    let plan = json!({ "name": "test", "monthly_fee_micros": 5_000_000, "soft_limit_micros": 1_000, "prices": prices,
                       "allowance": { "characters": 10 } });
    let (status, made) = ask(&server, "POST", "/api/v1/plans", &plan);
    assert_eq!((status, &made["currency"]), (201, &json!("USD")), "{made}");
    let (status, chosen) = ask(&server, "PATCH", "/api/v1/subscription", &json!({ "plan": "test" }));
    assert_eq!((status, &chosen["plan_name"], &chosen["is_over_limit"]), (200, &json!("test"), &json!(false)), "{chosen}");

    call(&server, 1);
    let usage = charged(&server, 1);
    let amount = usage["amount_micros"].as_u64().unwrap();
    assert!(amount >= 2_000 && sum(&usage["lines"]) == amount, "{usage}");
    let seconds = usage["lines"].as_array().unwrap().iter().find(|line| line["meter"] == "seconds").unwrap().clone();
    assert_eq!(seconds["amount_micros"].as_u64().unwrap(), seconds["quantity"].as_u64().unwrap() * 1_000);
    let spoken = usage["lines"].as_array().unwrap().iter().find(|line| line["provider"] == "espeak").unwrap().clone();
    let quantity = spoken["quantity"].as_u64().unwrap();
    assert_eq!((spoken["free"].clone(), spoken["amount_micros"].as_u64().unwrap()), (json!(10), quantity - 10), "{spoken}");
    let told = wait_for(SOON, "the soft limit", || Some(receiver.thresholds()).filter(|told| !told.is_empty()));
    assert_eq!((&told[0]["threshold"], &told[0]["limit_micros"]), (&json!("soft"), &json!(1_000)));

    let (status, limited) = ask(&server, "PATCH", "/api/v1/plans/test", &json!({ "hard_limit_micros": amount + 1 }));
    assert_eq!(status, 200, "{limited}");
    call(&server, 2);
    let usage = charged(&server, 3);
    let total = usage["amount_micros"].as_u64().unwrap();
    assert!(total > amount && sum(&usage["lines"]) == total, "{usage}");
    server.wait_metric("offhook_billing_over_limit", "", 1.0);

    assert_eq!(invite(server.sip), "SIP/2.0 403 Usage Limit Reached");
    let (status, twiml) = webhook(server.http, "/twilio/voice", "CA00000000000000000000000000000001");
    assert!(status == 200 && twiml.contains("takes no more calls") && twiml.contains("<Hangup/>"), "{twiml}");
    let (status, problem) = ask(&server, "POST", "/api/v1/calls", &json!({ "to": "sip:somebody@127.0.0.1" }));
    assert_eq!((status, &problem["status"]), (402, &json!(402)), "{problem}");
    let (status, problem) = ask(&server, "POST", "/api/v1/sessions", &json!({}));
    assert!(status == 402 && problem["detail"].as_str().unwrap().contains("hard limit"), "{problem}");
    server.wait_metric("offhook_calls_rejected_total", "reason=\"usage_limit\"", 3.0);
    let ended = server.ended_calls(4);
    assert_eq!(ended[0].call.cause, Some(HangupCause::UsageLimit));
    let told = wait_for(SOON, "the hard limit", || Some(receiver.thresholds()).filter(|told| told.len() > 1));
    let names: Vec<_> = told.iter().map(|data| data["threshold"].as_str().unwrap()).collect();
    assert_eq!(names, ["soft", "hard"]);

    // Two months pass while the server is down.
    stop(&mut server);
    let ago = "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n\
               db.execute('UPDATE usage_months SET month = month - 2')\n\
               db.execute('UPDATE usage_totals SET month = month - 2')\n\
               db.execute('UPDATE organizations SET billed_month = billed_month - 2')\ndb.commit()";
    let file = server.folder.path().join("data/offhook.db");
    assert!(Command::new(python).args(["-c", ago]).arg(file).status().unwrap().success());
    server.restart();
    let invoices = || get(&server, "/api/v1/invoices")["data"].as_array().unwrap().clone();
    let issued = wait_for(SOON, "invoices", || Some(invoices()).filter(|issued| issued.len() == 2));
    assert_eq!((&issued[0]["total_micros"], &issued[1]["total_micros"]), (&json!(5_000_000), &json!(5_000_000 + total)));
    let path = format!("/api/v1/invoices/{}", issued[1]["id"].as_str().unwrap());
    let invoice = get(&server, &path);
    assert_eq!(sum(&invoice["lines"]), 5_000_000 + total, "{invoice}");
    let (status, csv) = raw(&server, "GET", &format!("{path}/csv"), &Value::Null, "");
    let amounts = csv.lines().skip(1).map(|line| line.split(',').nth(10).unwrap().parse::<u64>().unwrap()).collect::<Vec<_>>();
    assert_eq!((status, amounts.iter().sum::<u64>()), (200, 2 * (5_000_000 + total)), "{csv}");
    assert_eq!(raw(&server, "GET", &path, &Value::Null, "Accept: text/csv\r\n").1, csv);
    // A new month: calls are taken again, and nothing is billed twice.
    assert_eq!(call(&server, 1)["answered"], json!(1));
    charged(&server, 1);
    stop(&mut server);
    server.restart();
    charged(&server, 1);
    assert_eq!(get(&server, "/api/v1/invoices")["data"].as_array().unwrap().len(), 2);
}

/// What Stripe was told, by identifier.
fn reported(simulator: SocketAddr) -> BTreeMap<String, u64> {
    let (_, events) = support::get(simulator, "/sim/meter_events").unwrap();
    let events: Vec<Value> = serde_json::from_str(&events).unwrap();
    let one = |event: &Value| {
        assert_eq!(event["payload"]["stripe_customer_id"], "cus_test");
        let value = event["payload"]["value"].as_str().unwrap().parse().unwrap();
        (event["identifier"].as_str().unwrap().to_owned(), value)
    };
    events.iter().map(one).collect()
}

#[test]
fn a_killed_server_charges_each_call_once_and_stripe_counts_each_event_once() {
    let folder = Folder::new();
    let script = folder.path().join("script.toml");
    let fault =
        |fault: &str| format!("[[faults]]\nfault = \"{fault}\"\nsessions = 2\nprovider = \"stripe\"\nstage = \"billing\"\n");
    std::fs::write(&script, fault("429") + &fault("reset")).unwrap();
    let simulator = Simulator::start(&["--script", script.to_str().unwrap()]);
    let stripe = simulator.base_url.trim_end_matches("/v1");
    let toml = format!("[billing]\nservice = \"stripe\"\nstripe_base_url = \"{stripe}\"\n");
    let mut server = server(&toml, &[("STRIPE_API_KEY", "sk_test_of_the_tests")]);
    let (status, chosen) = ask(&server, "PATCH", "/api/v1/subscription", &json!({ "customer": "cus_test" }));
    assert_eq!((status, &chosen["customer"]), (200, &json!("cus_test")), "{chosen}");
    let (status, portal) = ask(&server, "POST", "/api/v1/subscription/portal", &Value::Null);
    // The first requests are refused for their rate.
    assert!((status, portal["url"].as_str()) == (503, None), "{portal}");

    let callers = Callers::place(&server, 2);
    // Something of each is on the record, which is all that a killed server can be charged by.
    wait_for(SOON, "greetings", || (server.metric("offhook_turns_total", "") >= 2.0).then_some(()));
    std::thread::sleep(Duration::from_secs(1));
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(5));
    drop(callers);
    server.restart();
    charged(&server, 2);
    call(&server, 2);
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(5));
    server.restart();
    let usage = charged(&server, 4);

    let calls = get(&server, "/api/v1/calls")["data"].as_array().unwrap().clone();
    assert_eq!(calls.len(), 4);
    let mut expected = BTreeMap::new();
    for call in &calls {
        let id = call["id"].as_str().unwrap();
        let used = get(&server, &format!("/api/v1/calls/{id}/usage"));
        assert!(used["charged_at"].is_string(), "{used}");
        for charge in used["charges"].as_array().unwrap() {
            let identifier = format!("{id}-{}", charge["meter"].as_str().unwrap());
            *expected.entry(identifier).or_insert(0) += charge["quantity"].as_u64().unwrap();
        }
    }
    let quantities = |lines: &Value| lines.as_array().unwrap().iter().map(|line| line["quantity"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(quantities(&usage["lines"]), expected.values().sum::<u64>(), "{usage}");
    let at: SocketAddr = stripe.trim_start_matches("http://").parse().unwrap();
    wait_for(SOON, "all reports", || (reported(at) == expected).then_some(()));
    server.wait_metric("offhook_billing_queue_age_seconds", "queue=\"reports\"", 0.0);
    // Those that were refused or broken off came again under their own name.
    let (_, log) = support::get(at, "/sim/log").unwrap();
    let log: Vec<Value> = serde_json::from_str(&log).unwrap();
    let told = log.iter().filter(|one| one["path"] == "/v1/billing/meter_events").count();
    assert!(told > expected.len(), "{told} requests for {} events", expected.len());
    assert!(!server.log().contains("sk_test_of_the_tests"), "a key is in the log");
    let (status, portal) = ask(&server, "POST", "/api/v1/subscription/portal", &Value::Null);
    assert_eq!((status, &portal["url"]), (200, &json!("https://billing.stripe.com/p/session/test_cus_test")), "{portal}");
}
