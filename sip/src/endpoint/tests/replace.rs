//! An INVITE that takes the place of another call (RFC 3891).

use super::*;

/// A Replaces header for the bench's first dialog, with `more` at its end.
fn replaces(bench: &Bench, more: &str) -> String {
    let DialogId { call_id, local_tag, remote_tag } = bench.dialog.clone().unwrap();
    format!("header=Replaces:_{call_id};to-tag={local_tag};from-tag={remote_tag}{more}")
}

/// A call that the peer, or we with `ours`, made; and then an INVITE from the same host that replaces it.
fn check_replaced(before: &str, more: &str, after: &str, expected: &str) {
    let mut bench = Bench::new(EndpointConfig::default(), Transport::Udp);
    bench.run(before);
    let header = replaces(&bench, more);
    replace(&mut bench);
    let first = bench.step(&format!("INVITE/new/{header}"));
    let rest = bench.run(after);
    assert_eq!(format!("{first} | {rest}"), expected, "{before} {more}");
    bench.pass(Duration::from_secs(300));
}

/// From now on the peer is somebody else.
fn replace(bench: &mut Bench) {
    bench.call_id = "second".into();
    bench.peer_tag = "carol".into();
    bench.our_tag = None;
}

#[test]
fn answered_call_gives_way_when_the_new_one_is_answered() {
    check_replaced(
        "INVITE answer ACK",
        "",
        "ring answer 200/to=BYE ACK BYE",
        "100 Invited | 180 | 200 BYE Replaced | Terminated | Confirmed | 200 HungUp Terminated",
    );
    check_replaced("invite 200", "", "answer 200/to=BYE", "100 Invited | 200 BYE Replaced | Terminated");
}

#[test]
fn refused_replacement_changes_nothing() {
    check_replaced("INVITE answer ACK", "", "refuse:486", "100 Invited | 486 Terminated");
}

#[test]
fn replaced_call_may_end_by_itself_before() {
    let mut bench = check("INVITE answer ACK", "100 Invited | 200 | Confirmed");
    let header = replaces(&bench, "");
    let bye = bench.peer_request("BYE", "");
    replace(&mut bench);
    assert_eq!(bench.step(&format!("INVITE/new/{header}")), "100 Invited");
    bench.receive(&bye);
    assert_eq!(bench.drain().join(" "), "200 HungUp Terminated");
    assert_eq!(bench.run("answer"), "200");
}

#[test]
fn ringing_call_of_ours_gives_way_by_cancel() {
    let mut bench = check("invite 180", "INVITE | Ringing");
    let header = replaces(&bench, "").replace("from-tag=", "from-tag=bob;early-only");
    replace(&mut bench);
    assert_eq!(bench.step(&format!("INVITE/new/{header}")), "100 Invited");
    assert_eq!(bench.run("answer"), "200 CANCEL Replaced");
}

#[test]
fn early_only_does_not_take_an_answered_call() {
    check_replaced("INVITE answer ACK", ";early-only", "INFO/tag=x", "486 | 481");
}

#[test]
fn ringing_call_of_the_peer_cannot_be_picked_up() {
    check_replaced("INVITE ring", "", "INFO/tag=x", "481 | 481");
}

#[test]
fn ending_call_is_declined() {
    check_replaced("INVITE answer ACK hangup", "", "INFO/tag=x", "603 | 481");
}

#[test]
fn what_names_no_call_of_ours_is_refused() {
    let answers = |header: &str| {
        let mut bench = check("INVITE answer ACK", "100 Invited | 200 | Confirmed");
        replace(&mut bench);
        bench.step(&format!("INVITE/new/{header}"))
    };
    assert_eq!(answers("header=Replaces:_x;to-tag=1;from-tag=2"), "481");
    assert_eq!(answers("header=Replaces:_x"), "400");
    assert_eq!(answers("header=Replaces:_x;to-tag=1;from-tag=2/header=Replaces:_y;to-tag=1;from-tag=2"), "400");
    assert_eq!(answers("header=Require:_replaces"), "100 Invited");
}

#[test]
fn stranger_is_not_let_into_a_call() {
    let mut bench = check("INVITE answer ACK", "100 Invited | 200 | Confirmed");
    let header = replaces(&bench, "");
    replace(&mut bench);
    bench.flow.remote = "203.0.113.66:5060".parse().unwrap();
    assert_eq!(bench.step(&format!("INVITE/new/{header}")), "403");
}
