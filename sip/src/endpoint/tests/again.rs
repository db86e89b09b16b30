//! Our INVITE once more, after a refusal.

use super::*;

/// With a socket, so that Contacts can be called.
fn check(script: &str, expected: &str) -> Bench {
    let mut bench = Bench::new(with_a_socket(), Transport::Udp);
    assert_eq!(bench.run(script), expected, "script {script:?}");
    bench
}

fn check_ends(script: &str, expected: &str) {
    check(script, expected).leaves_nothing(script);
}

#[test]
fn a_redirection_is_followed_in_the_same_call() {
    let mut bench = check("invite:follow", "INVITE");
    let first = bench.sent["INVITE"].clone();
    assert_eq!(bench.run("302/contact=<sip:carol@203.0.113.7?Subject=x>"), "ACK INVITE Redirected");
    let second = bench.sent["INVITE"].clone();
    assert_eq!(second.uri.to_string(), "sip:carol@203.0.113.7");
    for name in [name::CALL_ID, name::FROM, name::TO] {
        assert_eq!(first.headers.get(name), second.headers.get(name));
    }
    assert_ne!(first.headers.top_via().unwrap().branch(), second.headers.top_via().unwrap().branch());
    assert_eq!(second.headers.cseq().unwrap().number, 2);
    assert_eq!(second.body, first.body);
    assert_eq!(bench.run("200 hangup 200/to=BYE"), "ACK Answered | BYE | Terminated");
    assert_eq!(bench.sent["ACK"].headers.cseq().unwrap().number, 2);
    assert_eq!(bench.sent["BYE"].headers.cseq().unwrap().number, 3);
}

#[test]
fn contacts_are_called_by_their_q_and_none_twice() {
    let contacts = "302/contact=<sip:c@203.0.113.1>;q=0.3,<sip:a@203.0.113.2>,<sip:bob@203.0.113.9>,<sip:b@203.0.113.3>;q=0.7";
    let mut bench = check(&format!("invite:follow {contacts}"), "INVITE | ACK INVITE Redirected");
    let mut called = Vec::new();
    for _ in 0..2 {
        called.push(bench.sent["INVITE"].uri.user().unwrap().into_owned());
        assert_eq!(bench.run("486"), "ACK INVITE Redirected");
    }
    called.push(bench.sent["INVITE"].uri.user().unwrap().into_owned());
    assert_eq!(called, ["a", "b", "c"]);
    // It sends us back to where we were.
    assert_eq!(bench.run("302/contact=<sip:a@203.0.113.2>"), "ACK Refused:302 Terminated");
}

#[test]
fn a_refusal_by_the_person_ends_the_search() {
    check_ends(
        "invite:follow 302/contact=<sip:a@203.0.113.2>,<sip:b@203.0.113.3> 603",
        "INVITE | ACK INVITE Redirected | ACK Refused:603 Terminated",
    );
    check_ends("invite:follow 302/contact=<tel:+1>,<sips:b@203.0.113.2> +1", "INVITE | ACK Redirected Refused:503 Terminated | ");
    check_ends("invite:follow 380/contact=<sip:a@203.0.113.2>", "INVITE | ACK Refused:380 Terminated");
    check_ends("invite:follow 302 hangup 302", "INVITE | ACK INVITE Redirected |  | ACK Terminated");
}

#[test]
fn redirections_end() {
    let mut bench = check("invite:follow", "INVITE");
    for hop in 0..5 {
        assert_eq!(bench.run(&format!("302/contact=<sip:a@203.0.113.{}>", 10 + hop)), "ACK INVITE Redirected");
    }
    assert_eq!(bench.run("302/contact=<sip:a@203.0.113.77>"), "ACK Refused:302 Terminated");
}

#[test]
fn redirections_are_reported_unless_wanted() {
    let mut bench = Bench::new(with_a_socket(), Transport::Udp);
    bench.run("invite");
    let response = bench.peer_response("302", "contact=<sip:a@203.0.113.2>");
    bench.receive(&response);
    while bench.endpoint.poll_transmit().is_some() {}
    let Some(Event::Refused { response: Some(response), .. }) = bench.endpoint.poll_event() else { panic!("no refusal") };
    assert_eq!(response.headers.get(name::CONTACT), Some("<sip:a@203.0.113.2>"));
}

#[test]
fn a_longer_session_is_asked_for_when_the_peer_wants_one() {
    let mut bench = check("invite 422/header=Min-SE:_3600", "INVITE | ACK INVITE");
    let invite = &bench.sent["INVITE"];
    assert_eq!(invite.headers.get(name::SESSION_EXPIRES), Some("3600"));
    assert_eq!(invite.headers.get(name::MIN_SE), Some("3600"));
    assert_eq!(bench.run("422/header=Min-SE:_3600"), "ACK Refused:422 Terminated", "that is no more");
    check_ends("invite 422", "INVITE | ACK Refused:422 Terminated");
}

#[test]
fn a_refusal_that_says_when_is_taken_at_its_word() {
    check_ends("invite 500/header=Retry-After:_3 +3000 486", "INVITE | ACK | 3000:INVITE | ACK Refused:486 Terminated");
    check_ends("invite 500/header=Retry-After:_11", "INVITE | ACK Refused:500 Terminated");
    // Who has no room is left alone.
    check_ends("invite 503/header=Retry-After:_3", "INVITE | ACK Refused:503 Terminated");
    check_ends("invite 500/header=Retry-After:_0", "INVITE | ACK Refused:500 Terminated");
    check_ends("invite 500/header=Retry-After:_3 hangup +3000", "INVITE | ACK | Terminated | ");
    let mut bench = check("invite", "INVITE");
    for _ in 0..6 {
        assert_eq!(bench.run("500/header=Retry-After:_1 +1000"), "ACK | 1000:INVITE");
    }
    assert_eq!(bench.run("500/header=Retry-After:_1"), "ACK Refused:500 Terminated");
}

#[test]
fn an_invite_that_is_pending_waits_for_glare_to_pass() {
    let mut bench = check("invite 491", "INVITE | ACK");
    let log = bench.run("+4000");
    let (at, what) = log.split(' ').next().unwrap().split_once(':').unwrap();
    assert_eq!(what, "INVITE");
    assert!((2_100..=4_000).contains(&at.parse::<u64>().unwrap()), "{log}");
    assert_eq!(bench.run("200"), "ACK Answered");
}

#[test]
fn late_answers_of_the_transaction_before_change_nothing() {
    check_ends(
        "invite:follow 302/contact=<sip:a@203.0.113.2> 486 486",
        "INVITE | ACK INVITE Redirected | ACK Refused:486 Terminated | ACK",
    );
    let mut bench = check("invite:follow", "INVITE");
    let again = bench.peer_response("302", "contact=<sip:a@203.0.113.2>");
    bench.receive(&again);
    assert_eq!(bench.drain().join(" "), "ACK INVITE Redirected");
    bench.receive(&again);
    assert_eq!(bench.drain().join(" "), "ACK", "acknowledged again, and not followed again");
}
