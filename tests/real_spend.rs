//! Money: SIPp picks up and stays on the line, the call is ended at the cap, and what was spent is known after a restart.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use store::HangupCause;
use support::callee::Callee;
use support::{Server, http};

const KEY: &str = "a key for the tests of money";

/// Asks the API for a call; the status, and the call or what is wrong.
fn place(server: &Server, to: &str) -> (u16, Value) {
    let body = json!({ "to": to, "assistant_id": "demo" }).to_string();
    let head = format!("Host: {}\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\nConnection: close", server.http);
    let request = format!("POST /api/v1/calls HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (status, answer) = http(server.http, &request).unwrap();
    (status, serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

#[test]
fn a_cap_refuses_new_calls_ends_the_one_that_is_up_and_survives_a_restart() {
    let callee = Callee::start("callee_talks");
    let toml = format!(
        "[rtp]\ntimeout_s = 120\n[spend]\nhour_max_micros = 30\n[spend.prices]\n\"+49\" = 20\n\"+4930\" = 16\n\
         [[trunks]]\nname = \"carrier\"\noptions_interval_s = 0\nallowed_prefixes = [\"+\"]\n[[trunks.targets]]\nuri = \"sip:{}\"\n",
        callee.address
    );
    let mut server = Server::start_with(&toml, &[("OFFHOOK_API_KEY", KEY)]);
    let (status, problem) = place(&server, "+331234");
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("to")), "{problem}");
    assert_eq!(problem["errors"][0]["reason"], "has no price (spend.prices), and spending is capped");

    let (status, call) = place(&server, "+49 30 123");
    assert_eq!(status, 201, "{call}");
    // Sixteen are held back from the beginning, owed from the answer on.
    let reached = json!("the cap on spending of an hour is reached (spend.hour_max_micros)");
    let (status, problem) = place(&server, "+4930124");
    assert_eq!((status, &problem["detail"]), (503, &reached), "{problem}");
    server.wait_metric("offhook_spend_micros", "window=\"hour\"", 16.0);
    server.wait_metric("offhook_calls_rejected_total", "reason=\"spend_hour\"", 1.0);
    server.wait_metric("offhook_calls_rejected_total", "reason=\"spend_no_price\"", 1.0);
    server.wait_metric("offhook_trunk_rejected_total", "trunk=\"carrier\",reason=\"spend_hour\"", 1.0);

    // There is no money for a second minute, so the agent takes leave in the first.
    let messages = callee.went_well(&server.log());
    assert!(messages.contains("no credit for more"), "{messages}");
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.call.cause, Some(HangupCause::SpendCap));
    let talked = ended.call.ended_at.unwrap().micros() - ended.call.answered_at.unwrap().micros();
    assert!((29_000_000..60_000_000).contains(&talked), "{talked} us");
    server.wait_metric("offhook_spend_ended_calls_total", "", 1.0);
    server.wait_metric("offhook_spend_micros", "window=\"day\"", 16.0);

    server.process.signal("-TERM");
    assert!(server.process.wait(std::time::Duration::from_secs(15)).success(), "{}", server.log());
    server.restart();
    let (status, problem) = place(&server, "+4930124");
    assert_eq!((status, &problem["detail"]), (503, &reached), "{problem}");
}
