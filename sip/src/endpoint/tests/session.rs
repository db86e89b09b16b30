//! Session timers of both roles (RFC 4028).

use super::*;

const SE: &str = "header=Session-Expires:_";

/// The session headers of our last response, and its status.
fn granted(script: &str, expected: &str) {
    let mut bench = Bench::new(EndpointConfig::default(), Transport::Udp);
    bench.run(script);
    let response = bench.last_response.unwrap();
    let header = |name| response.headers.get(name).map(|value| format!(" {name}: {value}")).unwrap_or_default();
    let text = [name::SESSION_EXPIRES, name::REQUIRE, name::MIN_SE].map(header).concat();
    assert_eq!(format!("{}{text}", response.status), expected, "{script}");
}

#[test]
fn a_session_is_granted_as_the_peer_can_keep_it() {
    let timer = "header=Supported:_timer";
    granted("INVITE/sdp answer", "200");
    granted(&format!("INVITE/sdp/{timer} answer"), "200 Session-Expires: 1800;refresher=uas");
    granted(&format!("INVITE/sdp/{timer}/{SE}600 answer"), "200 Session-Expires: 600;refresher=uac Require: timer");
    granted(&format!("INVITE/sdp/{timer}/{SE}600;refresher=uas answer"), "200 Session-Expires: 600;refresher=uas");
    granted(
        &format!("INVITE/sdp/{timer}/{SE}7200;refresher=uac answer"),
        "200 Session-Expires: 1800;refresher=uac Require: timer",
    );
    granted(
        &format!("INVITE/sdp/{timer}/{SE}7200/header=Min-SE:_3600 answer"),
        "200 Session-Expires: 3600;refresher=uac Require: timer",
    );
    // A proxy asks, and the caller knows nothing of it.
    granted(&format!("INVITE/sdp/{SE}600 answer"), "200 Session-Expires: 600;refresher=uas");
    granted(&format!("INVITE/sdp/{SE}60 answer"), "200 Session-Expires: 90;refresher=uas");
    granted(&format!("INVITE/sdp/{timer}/{SE}89"), "422 Min-SE: 90");
    granted(&format!("INVITE/sdp/{timer}/{SE}nonsense answer"), "200 Session-Expires: 1800;refresher=uas");
    granted(&format!("INVITE/sdp answer ACK UPDATE/{timer}/{SE}60"), "422 Min-SE: 90");
    granted(&format!("INVITE/sdp answer ACK INVITE/sdp/{timer}/{SE}60"), "422 Min-SE: 90");
    granted(&format!("INVITE/sdp answer ACK UPDATE/{timer}/{SE}120"), "200 Session-Expires: 120;refresher=uac Require: timer");
}

#[test]
fn a_session_that_is_too_short_makes_no_call() {
    check_ends(&format!("INVITE/sdp/header=Supported:_timer/{SE}60 ACK/same"), "422 | ");
}

#[test]
fn we_ask_for_a_session_unless_told_not_to() {
    let bench = check("invite", "INVITE");
    let headers = &bench.sent["INVITE"].headers;
    assert_eq!([name::SESSION_EXPIRES, name::MIN_SE].map(|name| headers.get(name)), [Some("1800"), Some("90")]);
    let mut bench = Bench::new(EndpointConfig { session_expires: None, ..EndpointConfig::default() }, Transport::Udp);
    bench.run("invite");
    assert_eq!(bench.sent["INVITE"].headers.get(name::SESSION_EXPIRES), None);
    bench.run(&format!("200/sdp/{SE}600;refresher=uas"));
    assert_eq!(bench.run("+568000"), "568000:BYE 568000:SessionExpired", "what the peer asks for counts all the same");
}

fn check_ours(script: &str, expected: &str) -> Bench {
    check(&format!("invite {script}"), &format!("INVITE | ACK Answered+sdp | {expected}"))
}

#[test]
fn we_refresh_by_update_where_the_peer_takes_it() {
    let up = format!("200/sdp/{SE}600;refresher=uac/header=Allow:_UPDATE");
    let mut bench = check_ours(&format!("{up} +299999 +1"), " | 1:UPDATE");
    let update = &bench.sent["UPDATE"];
    assert_eq!(update.headers.get(name::SESSION_EXPIRES), Some("600;refresher=uac"));
    assert_eq!(update.body.len(), 0);
    assert_eq!(bench.run(&format!("200/to=UPDATE/{SE}400;refresher=uac +200000")), " | 200000:UPDATE");
    // The peer takes over.
    assert_eq!(bench.run(&format!("200/to=UPDATE/{SE}400;refresher=uas +367999 +1")), " |  | 1:BYE 1:SessionExpired");
    assert_eq!(bench.sent["BYE"].headers.get(name::REASON), Some("SIP;cause=408;text=\"Session expired\""));
}

#[test]
fn we_refresh_by_invite_where_it_does_not() {
    let up = format!("200/sdp/{SE}600;refresher=uac");
    let mut bench = check_ours(&format!("{up} +300000"), "300000:INVITE");
    assert_eq!(bench.sent["INVITE"].body, "v=0\r\n", "what we said last, word by word");
    assert_eq!(bench.run(&format!("{up} +300000")), "ACK ReinviteAnswered+sdp | 300000:INVITE");
    // One who says that it takes UPDATE and does not.
    let up = format!("{up}/header=Allow:_UPDATE");
    check_ours(&format!("{up} +300000 405/to=UPDATE"), "300000:UPDATE | INVITE");
}

#[test]
fn a_refresh_that_fails_is_tried_again_until_the_end() {
    let up = format!("200/sdp/{SE}600;refresher=uac/header=Allow:_UPDATE");
    let mut bench = check_ours(&format!("{up} +300000 500/to=UPDATE"), "300000:UPDATE | ");
    // In half of the time that is left, again and again.
    for wait in ["134000", "67000", "33500", "16750", "8375"] {
        assert_eq!(bench.run(&format!("+{wait} 500/to=UPDATE")), format!("{wait}:UPDATE | "));
    }
    assert_eq!(bench.run("+8375"), "8375:BYE 8375:SessionExpired");
    check_ours(&format!("{up} +300000 481/to=UPDATE"), "300000:UPDATE | BYE ReinviteRefused:481");
    check_ours(&format!("{up} +300000 422/to=UPDATE/header=Min-SE:_900"), "300000:UPDATE | UPDATE");
}

#[test]
fn the_peers_refresh_keeps_the_call() {
    let up = format!("INVITE/sdp/header=Supported:_timer/{SE}600;refresher=uac answer ACK");
    let refresh = format!("UPDATE/header=Supported:_timer/{SE}600;refresher=uac");
    let mut bench = check(&format!("{up} +567999 {refresh} +567999"), "100 Invited | 200 | Confirmed |  | 200 | ");
    assert_eq!(
        bench.run(&format!("INVITE/sdp/header=Supported:_timer/{SE}90;refresher=uac answer ACK")),
        "100 Reinvited | 200 | Confirmed"
    );
    assert_eq!(bench.run("+59999 +1"), " | 1:BYE 1:SessionExpired");
    assert_eq!(bench.run("200/to=BYE"), "Terminated");
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle());
}

#[test]
fn we_refresh_a_call_of_theirs() {
    let up = format!("INVITE/sdp/header=Supported:_timer/{SE}600;refresher=uas answer ACK");
    let bench = check(&format!("{up} +300000"), "100 Invited | 200 | Confirmed | 300000:INVITE");
    let invite = &bench.sent["INVITE"];
    assert_eq!(invite.headers.get(name::SESSION_EXPIRES), Some("600;refresher=uac"), "the one who refreshes is the client of it");
    assert_eq!(invite.body, "v=0\r\n");
}

#[test]
fn a_session_outlives_its_endpoint() {
    let up = format!("INVITE/sdp/header=Supported:_timer/{SE}600;refresher=uas answer ACK");
    let mut bench = check(&format!("{up} +200000"), "100 Invited | 200 | Confirmed | ");
    let snapshot = bench.endpoint.snapshot(bench.dialog.as_ref().unwrap()).unwrap();
    assert!(!format!("{snapshot:?}").contains("v=0"));
    bench.endpoint = Endpoint::new(EndpointConfig::default(), 9);
    bench.endpoint.restore(snapshot);
    assert_eq!(bench.run("+100000"), "100000:INVITE");
}
