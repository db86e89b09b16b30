//! The callee's side.

use super::*;

#[test]
fn call_is_answered_and_ended_by_the_caller() {
    check_ends(
        "INVITE/sdp ring answer ACK again BYE again",
        "100 Invited | 180 | 200 | Confirmed |  | 200 HungUp Terminated | 200",
    );
}

#[test]
fn delayed_offer_is_answered_in_the_ack() {
    check_ends("INVITE answer ACK/sdp BYE", "100 Invited | 200 | Confirmed+sdp | 200 HungUp Terminated");
}

#[test]
fn a_body_that_may_be_ignored_is_no_offer() {
    let ignored = "header=Content-Type:_text|plain/header=Content-Disposition:_render;_handling=optional";
    check_ends(
        &format!("INVITE/body=x/{ignored} answer ACK/sdp INVITE/body=x/{ignored} answer ACK/sdp BYE"),
        "100 Invited | 200 | Confirmed+sdp | 100 Reinvited | 200 | Confirmed+sdp | 200 HungUp Terminated",
    );
}

#[test]
fn call_is_ended_by_us() {
    check_ends("INVITE answer ACK hangup hangup 200/to=BYE", "100 Invited | 200 | Confirmed | BYE |  | Terminated");
}

#[test]
fn call_ends_even_when_the_bye_is_never_answered() {
    check_ends(
        "INVITE answer ACK hangup +40000",
        "100 Invited | 200 | Confirmed | BYE | 500:BYE 1500:BYE 3500:BYE 7500:BYE 11500:BYE 15500:BYE 19500:BYE \
         23500:BYE 27500:BYE 31500:BYE 32000:Terminated",
    );
}

#[test]
fn repeated_invite_gets_the_last_answer_again() {
    check_ends(
        "INVITE again ring again refuse:486 again ACK/same again",
        "100 Invited | 100 | 180 | 180 | 486 Terminated | 486 |  | ",
    );
}

#[test]
fn ok_is_repeated_from_t1_to_t2_until_the_ack() {
    check_ends(
        "INVITE answer +13000 ACK +20000 BYE",
        "100 Invited | 200 | 500:200 1500:200 3500:200 7500:200 11500:200 | Confirmed |  | 200 HungUp Terminated",
    );
}

#[test]
fn ok_is_repeated_over_tcp_too() {
    check_on(Transport::Tcp, "INVITE answer +2000 ACK", "100 Invited | 200 | 500:200 1500:200 | Confirmed");
}

#[test]
fn ok_without_ack_ends_in_bye_after_64_t1() {
    check_ends(
        "INVITE answer +32000 200/to=BYE",
        "100 Invited | 200 | 500:200 1500:200 3500:200 7500:200 11500:200 15500:200 19500:200 23500:200 27500:200 \
         31500:200 32000:BYE 32000:AckTimedOut | Terminated",
    );
}

#[test]
fn hang_up_waits_for_the_ack() {
    check_ends("INVITE answer hangup ACK 200/to=BYE", "100 Invited | 200 |  | BYE | Terminated");
}

#[test]
fn hang_up_without_ack_waits_64_t1() {
    let mut bench = check("INVITE answer hangup", "100 Invited | 200 | ");
    assert!(bench.run("+32000").ends_with("31500:200 32000:BYE"));
    assert_eq!(bench.run("200/to=BYE"), "Terminated");
}

#[test]
fn cancel_ends_an_unanswered_call() {
    check_ends(
        "INVITE ring CANCEL again ACK/same answer ring hangup",
        "100 Invited | 180 | 200 487 Cancelled Terminated | 200 |  |  |  | ",
    );
}

#[test]
fn cancel_after_the_answer_changes_nothing() {
    check_ends("INVITE answer CANCEL ACK BYE", "100 Invited | 200 | 200 | Confirmed | 200 HungUp Terminated");
}

#[test]
fn cancel_of_nothing_gets_481() {
    check_ends("CANCEL", "481");
}

#[test]
fn cancel_of_a_reinvite_keeps_the_call() {
    check_ends(
        "INVITE answer ACK INVITE CANCEL ACK/same answer BYE",
        "100 Invited | 200 | Confirmed | 100 Reinvited | 200 487 |  |  | 200 HungUp Terminated",
    );
}

#[test]
fn bye_before_the_ack_ends_the_call() {
    check_ends("INVITE answer BYE ACK", "100 Invited | 200 | 200 HungUp Terminated | ");
}

#[test]
fn bye_in_an_early_dialog_ends_the_invite() {
    check_ends("INVITE ring BYE ACK/same", "100 Invited | 180 | 200 487 HungUp Terminated | ");
}

#[test]
fn crossing_byes_are_both_answered() {
    check_ends("INVITE answer ACK hangup BYE 200/to=BYE", "100 Invited | 200 | Confirmed | BYE | 200 Terminated | ");
    check_ends("INVITE answer ACK hangup BYE 481/to=BYE", "100 Invited | 200 | Confirmed | BYE | 200 Terminated | ");
}

#[test]
fn bye_after_bye_gets_481() {
    check_ends("INVITE answer ACK BYE BYE", "100 Invited | 200 | Confirmed | 200 HungUp Terminated | 481");
}

#[test]
fn ending_dialog_takes_no_new_requests() {
    check("INVITE answer ACK hangup INFO INVITE", "100 Invited | 200 | Confirmed | BYE | 481 | 481");
}

#[test]
fn requests_of_unknown_dialogs_get_481() {
    check_ends(
        "BYE/tag=x INFO/tag=x INVITE/tag=x OPTIONS/tag=x BYE/new INFO/new ACK/tag=x",
        "481 | 481 | 481 | 481 | 481 | 481 | ",
    );
}

#[test]
fn refusals_wait_for_their_ack() {
    check_ends("INVITE refuse:488 +4000 ACK/same +2000", "100 Invited | 488 Terminated | 500:488 1500:488 3500:488 |  | ");
    check_ends("INVITE refuse:200 ACK/same", "100 Invited | 500 Terminated | ");
}

#[test]
fn unanswered_call_is_hung_up_with_480() {
    check_ends("INVITE ring hangup ACK/same", "100 Invited | 180 | 480 Terminated | ");
}

#[test]
fn refusal_without_ack_is_forgotten_after_timer_h() {
    check_ends("INVITE refuse:603", "100 Invited | 603 Terminated");
}

#[test]
fn reinvite_is_answered_or_refused_in_the_call() {
    check_ends(
        "INVITE answer ACK INVITE/sdp answer ACK INVITE refuse:488 ACK/same BYE",
        "100 Invited | 200 | Confirmed | 100 Reinvited | 200 | Confirmed | 100 Reinvited | 488 |  | 200 HungUp Terminated",
    );
}

#[test]
fn bye_ends_a_reinvite_that_waits() {
    check_ends("INVITE answer ACK INVITE BYE", "100 Invited | 200 | Confirmed | 100 Reinvited | 200 487 HungUp Terminated");
    check_ends(
        "INVITE answer ACK INVITE hangup 200/to=BYE",
        "100 Invited | 200 | Confirmed | 100 Reinvited | 487 BYE | Terminated",
    );
}

#[test]
fn reinvite_without_ack_ends_the_call() {
    let mut bench = check("INVITE answer ACK INVITE answer", "100 Invited | 200 | Confirmed | 100 Reinvited | 200");
    assert!(bench.run("+32000").ends_with("32000:BYE 32000:AckTimedOut"));
}

#[test]
fn overlapping_invite_gets_500_with_retry_after() {
    let bench = check("INVITE ring INVITE", "100 Invited | 180 | 500");
    let wait = bench.last_response.unwrap().headers.retry_after().unwrap().unwrap();
    assert!(wait <= 10, "{wait} s");
}

#[test]
fn invite_before_the_ack_gets_491() {
    check("INVITE answer INVITE", "100 Invited | 200 | 491");
}

#[test]
fn refused_reinvite_repeated_is_refused_again() {
    check(
        "INVITE answer INVITE/cseq=2/branch=z9hG4bKb ACK/cseq=1 again INVITE/cseq=2/branch=z9hG4bKb",
        "100 Invited | 200 | 491 | Confirmed |  | 491",
    );
}

#[test]
fn old_cseq_gets_500() {
    check("INVITE/cseq=10 answer ACK INFO/cseq=9 INFO/cseq=11", "100 Invited | 200 | Confirmed | 500 | 200 Info");
}

#[test]
fn merged_invite_gets_482() {
    check("INVITE INVITE/new/cseq=1/branch=z9hG4bKother", "100 Invited | 482");
}

#[test]
fn info_and_options_are_answered_in_the_call() {
    check_ends(
        "INVITE answer ACK INFO again OPTIONS BYE",
        "100 Invited | 200 | Confirmed | 200 Info | 200 | 200 | 200 HungUp Terminated",
    );
}

#[test]
fn other_methods_are_refused() {
    check_ends(
        "REGISTER MESSAGE PUBLISH UPDATE PRACK FROBNICATE INVITE/header=Require:_precondition",
        "405 | 405 | 405 | 481 | 481 | 501 | 420",
    );
}

#[test]
fn closed_endpoint_refuses_calls_and_keeps_those_it_has() {
    check(
        "INVITE answer ACK closed OPTIONS/new INFO BYE",
        "100 Invited | 200 | Confirmed |  | 503 | 200 Info | 200 HungUp Terminated",
    );
    let bench = check("closed INVITE", " | 503");
    assert_eq!(bench.last_response.unwrap().headers.retry_after(), Ok(Some(3)));
}

#[test]
fn full_tables_refuse_with_503() {
    let mut bench = Bench::new(EndpointConfig { max_dialogs: 1, ..EndpointConfig::default() }, Transport::Udp);
    assert_eq!(bench.run("INVITE INVITE/new"), "100 Invited | 503");
    assert_eq!(bench.last_response.unwrap().headers.retry_after(), Ok(Some(5)));

    let config = EndpointConfig { max_transactions: 8, ..EndpointConfig::default() };
    let mut bench = Bench::new(config, Transport::Udp);
    assert_eq!(bench.run("INVITE answer ACK"), "100 Invited | 200 | Confirmed");
    assert_eq!(bench.run("INFO INFO INFO INFO INFO INFO"), ["200 Info"; 6].join(" | "));
    assert_eq!(bench.run("INVITE/new BYE BYE"), "503 | 200 HungUp Terminated | 503", "the last eighth is for calls under way");
}

#[test]
fn lost_connection_cancels_an_unanswered_call() {
    let mut bench = check_on(Transport::Tcp, "INVITE ring gone", "100 Invited | 180 | Cancelled Terminated");
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle());
    check_on(Transport::Tcp, "INVITE answer ACK gone BYE", "100 Invited | 200 | Confirmed |  | 200 HungUp Terminated");
    check_on(Transport::Tcp, "INVITE answer ACK hangup gone", "100 Invited | 200 | Confirmed | BYE | Terminated");
    check_on(
        Transport::Tcp,
        "INVITE answer ACK INVITE gone answer BYE",
        "100 Invited | 200 | Confirmed | 100 Reinvited |  |  | 200 HungUp Terminated",
    );
}

#[test]
fn rfc_2543_caller_is_matched_by_fields() {
    check_ends("INVITE/branch=1 again ring CANCEL ACK/same", "100 Invited | 100 | 180 | 200 487 Cancelled Terminated | ");
    check_ends("INVITE/branch=1 refuse:486 again ACK/same +4000", "100 Invited | 486 Terminated | 486 |  | ");
}

#[test]
fn restored_dialog_goes_on() {
    let mut bench = check("INVITE answer ACK", "100 Invited | 200 | Confirmed");
    let id = bench.dialog.clone().unwrap();
    let snapshot = bench.endpoint.snapshot(&id).unwrap();
    bench.endpoint = Endpoint::new(EndpointConfig::default(), 8);
    assert_eq!(bench.endpoint.restore(snapshot.clone()), id);
    assert_eq!(bench.endpoint.restore(snapshot), id);
    assert_eq!(
        bench.run("INFO OPTIONS INVITE answer ACK BYE"),
        "200 Info | 200 | 100 Reinvited | 200 | Confirmed | 200 HungUp Terminated"
    );
}

#[test]
fn a_peer_that_can_be_put_into_anothers_place_says_so() {
    let able = |headers: &str| {
        let bench = check(&format!("INVITE{headers} answer ACK"), "100 Invited | 200 | Confirmed");
        bench.endpoint.snapshot(bench.dialog.as_ref().unwrap()).unwrap().peer_transfers()
    };
    assert!(able("/header=Allow:_INVITE,REFER/header=Supported:_timer,replaces"));
    assert!(!able("/header=Allow:_INVITE,REFER"));
    assert!(!able("/header=Supported:_replaces"));
}

#[test]
fn only_answered_dialogs_have_a_snapshot() {
    let mut bench = check("INVITE ring", "100 Invited | 180");
    let id = bench.dialog.clone().unwrap();
    assert_eq!(bench.endpoint.snapshot(&id), None);
    bench.run("answer ACK");
    assert!(bench.endpoint.snapshot(&id).is_some());
    bench.run("hangup");
    assert_eq!(bench.endpoint.snapshot(&id), None);
}
