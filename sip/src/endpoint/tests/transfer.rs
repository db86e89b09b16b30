//! REFER from both sides, and the requests that a call may bring besides.

use super::*;

const UP: &str = "INVITE answer ACK";
const UP_DID: &str = "100 Invited | 200 | Confirmed";

/// After a call of the peer was answered.
fn in_call(script: &str, expected: &str) -> Bench {
    check(&format!("{UP} {script}"), &format!("{UP_DID} | {expected}"))
}

fn in_call_ends(script: &str, expected: &str) {
    check_ends(&format!("{UP} {script}"), &format!("{UP_DID} | {expected}"));
}

/// The header of the request of this method that we sent last.
fn sent<'a>(bench: &'a Bench, method: &str, name: &str) -> &'a str {
    bench.sent[method].headers.get(name).unwrap_or("(none)")
}

#[test]
fn transfer_that_reaches_the_other_one_is_told_and_hung_up() {
    in_call_ends(
        "refer 202/to=REFER NOTIFY/header=Event:_refer/header=Subscription-State:_active;expires=60/frag=100 \
         NOTIFY/header=Event:_refer/header=Subscription-State:_active/frag=180 \
         NOTIFY/header=Event:_refer/header=Subscription-State:_terminated;reason=noresource/frag=200 hangup 200/to=BYE",
        "REFER | ReferProgress:202 | 200 ReferProgress:100 | 200 ReferProgress:180 | 200 ReferEnded:Reached | BYE | Terminated",
    );
}

#[test]
fn refer_says_who_is_to_be_called() {
    let mut bench = in_call("refer", "REFER");
    assert_eq!(sent(&bench, "REFER", name::REFER_TO), "<sip:carol@203.0.113.20>");
    assert_eq!(sent(&bench, "REFER", name::CONTACT), "<sip:offhook@198.51.100.1:5060;transport=udp>");
    assert_eq!(sent(&bench, "REFER", name::REFER_SUB), "(none)");
    bench.run("603/to=REFER");
    let refer = Refer {
        to: "sip:carol@c.example".parse().unwrap(),
        referred_by: Some("<sip:desk@198.51.100.1>".parse().unwrap()),
        replaces: Some("a@b;to-tag=1;from-tag=2".parse().unwrap()),
        notices: Notices::Unwanted,
    };
    bench.endpoint.refer(bench.now, &bench.dialog.clone().unwrap(), refer);
    assert_eq!(bench.drain().join(" "), "REFER");
    let to = "<sip:carol@c.example?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>";
    assert_eq!(sent(&bench, "REFER", name::REFER_TO), to);
    assert_eq!(sent(&bench, "REFER", name::REFERRED_BY), "<sip:desk@198.51.100.1>");
    assert_eq!(sent(&bench, "REFER", name::REFER_SUB), "false");
}

#[test]
fn refused_refer_leaves_the_call_as_it_was() {
    in_call_ends("refer 603/to=REFER INFO BYE", "REFER | ReferEnded:Refused(603) | 200 Info | 200 HungUp Terminated");
    in_call("refer 503/to=REFER refer", "REFER | ReferEnded:Refused(503) | REFER");
}

#[test]
fn other_one_who_is_not_reached_leaves_the_call_as_it_was() {
    in_call_ends(
        "refer 202/to=REFER NOTIFY/header=Event:_refer/header=Subscription-State:_terminated/frag=503 INFO BYE",
        "REFER | ReferProgress:202 | 200 ReferEnded:Failed(503) | 200 Info | 200 HungUp Terminated",
    );
}

#[test]
fn refer_that_nobody_answers_ends_at_timer_f() {
    let mut bench = in_call("refer", "REFER");
    assert!(bench.run("+32000").ends_with("31500:REFER 32000:ReferEnded:Refused(408)"));
    assert_eq!(bench.run("INFO BYE"), "200 Info | 200 HungUp Terminated");
}

#[test]
fn silence_after_the_acceptance_ends_after_60_s() {
    in_call_ends(
        "refer 202/to=REFER +59999 +1 NOTIFY/header=Event:_refer/frag=200 BYE",
        "REFER | ReferProgress:202 |  | 1:ReferEnded:TimedOut | 481 | 200 HungUp Terminated",
    );
}

#[test]
fn subscription_that_ends_without_a_word_is_told_as_unknown() {
    in_call_ends(
        "refer 202/to=REFER NOTIFY/header=Event:_refer/header=Subscription-State:_terminated;reason=noresource BYE",
        "REFER | ReferProgress:202 | 200 ReferEnded:Unknown | 200 HungUp Terminated",
    );
    in_call(
        "refer 202/to=REFER NOTIFY/header=Event:_refer/header=Subscription-State:_terminated/frag=180",
        "REFER | ReferProgress:202 | 200 ReferEnded:Unknown",
    );
}

#[test]
fn notify_may_overtake_the_202() {
    in_call(
        "refer NOTIFY/header=Event:_refer/frag=100 202/to=REFER NOTIFY/header=Event:_refer/frag=200",
        "REFER | 200 ReferProgress:100 | ReferProgress:202 | 200 ReferEnded:Reached",
    );
    in_call("refer NOTIFY/header=Event:_refer/frag=200 202/to=REFER", "REFER | 200 ReferEnded:Reached | ");
}

#[test]
fn what_comes_after_the_end_is_answered_and_means_nothing() {
    let mut bench = in_call(
        "refer 202/to=REFER NOTIFY/header=Event:_refer/header=Subscription-State:_active/frag=200 \
         NOTIFY/header=Event:_refer/frag=486 NOTIFY/header=Event:_refer/frag=100",
        "REFER | ReferProgress:202 | 200 ReferEnded:Reached | 200 | 200",
    );
    assert_eq!(bench.run("NOTIFY/header=Event:_refer/header=Subscription-State:_terminated/frag=200"), "200");
    assert_eq!(bench.run("NOTIFY/header=Event:_refer/frag=200"), "481");
    assert_eq!(bench.run("+60000"), "");
}

#[test]
fn peer_that_tells_nothing_as_wished_is_done_at_202() {
    in_call_ends(
        "refer/quiet 202/to=REFER/header=Refer-Sub:_false NOTIFY/header=Event:_refer/frag=200 BYE",
        "REFER | ReferProgress:202 ReferEnded:Accepted | 481 | 200 HungUp Terminated",
    );
    in_call("refer/quiet 202/to=REFER NOTIFY/header=Event:_refer/frag=200", "REFER | ReferProgress:202 | 200 ReferEnded:Reached");
}

#[test]
fn notify_must_be_of_our_refer() {
    in_call(
        "NOTIFY/header=Event:_refer/frag=200 NOTIFY/header=Event:_message-summary refer 202/to=REFER",
        "481 | 489 | REFER | ReferProgress:202",
    );
    in_call(
        "refer NOTIFY/header=Event:_refer;id=99/frag=200 NOTIFY/header=Event:_refer;id=x/frag=200 NOTIFY/header=o:_REFER;id=1/frag=200",
        "REFER | 481 | 481 | 200 ReferEnded:Reached",
    );
    let bench = in_call("NOTIFY", "489");
    assert_eq!(bench.last_response.unwrap().headers.get(name::ALLOW_EVENTS), Some("refer"));
}

#[test]
fn one_refer_at_a_time_and_in_answered_calls() {
    in_call("refer refer", "REFER | ");
    check("INVITE ring refer", "100 Invited | 180 | ");
    in_call("hangup refer", "BYE | ");
    check_ends(
        "invite refer 200 refer 202/to=REFER hangup 200/to=BYE",
        "INVITE |  | ACK Answered | REFER | ReferProgress:202 | BYE | Terminated",
    );
}

#[test]
fn peer_may_hang_up_in_the_middle_of_our_refer() {
    in_call_ends("refer BYE 202/to=REFER", "REFER | 200 HungUp Terminated | ");
    in_call_ends("refer 202/to=REFER BYE +70000", "REFER | ReferProgress:202 | 200 HungUp Terminated | ");
}

#[test]
fn refer_crosses_a_reinvite_and_info() {
    in_call(
        "refer INVITE/sdp answer ACK 202/to=REFER NOTIFY/header=Event:_refer/frag=200",
        "REFER | 100 Reinvited | 200 | Confirmed | ReferProgress:202 | 200 ReferEnded:Reached",
    );
}

#[test]
fn lost_connection_refuses_our_refer() {
    let mut bench = check_on(Transport::Tcp, UP, UP_DID);
    assert_eq!(bench.run("refer gone"), "REFER | ReferEnded:Refused(503)");
}

#[test]
fn peers_refer_is_declined_by_the_user() {
    in_call_ends("REFER/header=Refer-To:_<sip:c@d> again decline again BYE", "Referred |  | 603 | 603 | 200 HungUp Terminated");
}

#[test]
fn accepted_refer_is_told_of_until_it_is_decided() {
    let mut bench = in_call(
        "REFER/header=Refer-To:_<sip:c@d> accept report:180 200/to=NOTIFY 200/to=NOTIFY report:200 200/to=NOTIFY report:200",
        "Referred | 202 NOTIFY |  | NOTIFY |  | NOTIFY |  | ",
    );
    assert_eq!(sent(&bench, "NOTIFY", name::EVENT), "refer");
    assert_eq!(sent(&bench, "NOTIFY", name::SUBSCRIPTION_STATE), "terminated;reason=noresource");
    assert_eq!(bench.sent["NOTIFY"].body, "SIP/2.0 200 OK\r\n");
    bench.run("REFER/header=Refer-To:_<sip:c@d> accept");
    assert_eq!(sent(&bench, "NOTIFY", name::EVENT), "refer;id=3", "the second has the number of its REFER");
    assert_eq!(sent(&bench, "NOTIFY", name::SUBSCRIPTION_STATE), "active;expires=180");
    assert_eq!(bench.sent["NOTIFY"].body, "SIP/2.0 100 Trying\r\n");
}

#[test]
fn notify_is_repeated_and_given_up() {
    let mut bench = in_call("REFER/header=Refer-To:_<sip:c@d> accept", "Referred | 202 NOTIFY");
    let log = bench.run("+32000");
    assert!(log.starts_with("500:NOTIFY 1500:NOTIFY 3500:NOTIFY 7500:NOTIFY 11500:NOTIFY"), "{log}");
    assert_eq!(bench.run("report:200 BYE"), " | 200 HungUp Terminated", "who does not listen is told no more");
}

#[test]
fn peer_that_refuses_a_notify_is_told_no_more() {
    in_call_ends(
        "REFER/header=Refer-To:_<sip:c@d> accept 481/to=NOTIFY report:200 BYE",
        "Referred | 202 NOTIFY |  |  | 200 HungUp Terminated",
    );
}

#[test]
fn of_what_happens_while_a_notify_waits_the_last_is_told() {
    let bench = in_call(
        "REFER/header=Refer-To:_<sip:c@d> accept report:180 report:183 report:486 200/to=NOTIFY",
        "Referred | 202 NOTIFY |  |  |  | NOTIFY",
    );
    assert_eq!(bench.sent["NOTIFY"].body, "SIP/2.0 486 Busy Here\r\n");
}

#[test]
fn who_wants_no_notify_gets_none() {
    let bench = in_call("REFER/header=Refer-To:_<sip:c@d>/header=Refer-Sub:_false accept report:200", "Referred | 202 | ");
    assert_eq!(bench.last_response.unwrap().headers.get(name::REFER_SUB), Some("false"));
}

#[test]
fn refer_that_nobody_decides_is_declined_after_10_s() {
    in_call_ends("REFER/header=Refer-To:_<sip:c@d> +10000 accept BYE", "Referred | 10000:603 |  | 200 HungUp Terminated");
}

#[test]
fn end_of_the_call_answers_a_refer_that_waits() {
    in_call_ends("REFER/header=Refer-To:_<sip:c@d> BYE", "Referred | 200 603 HungUp Terminated");
    in_call_ends("REFER/header=Refer-To:_<sip:c@d> hangup 200/to=BYE", "Referred | 603 BYE | Terminated");
}

#[test]
fn subscription_ends_after_180_s() {
    let mut bench = in_call("REFER/header=Refer-To:_<sip:c@d> accept 200/to=NOTIFY", "Referred | 202 NOTIFY | ");
    assert_eq!(bench.run("+179999 +1"), " | 1:NOTIFY");
    assert_eq!(sent(&bench, "NOTIFY", name::SUBSCRIPTION_STATE), "terminated;reason=timeout");
    assert_eq!(bench.run("200/to=NOTIFY report:200"), " | ");
}

#[test]
fn refer_that_cannot_be_understood_is_refused_at_once() {
    in_call(
        "REFER REFER/header=Refer-To:_<sip:c@d>/header=Refer-To:_<sip:e@f> REFER/header=Refer-To:_<sip:c \
         REFER/header=Refer-To:_<sip:c@d;method=BYE> REFER/header=Refer-To:_<sip:c@d?Replaces=x>",
        "400 | 400 | 400 | 603 | 603",
    );
    in_call("REFER/header=Refer-To:_<sip:c@d> REFER/header=Refer-To:_<sip:e@f>", "Referred | 491");
    check("INVITE ring REFER/header=Refer-To:_<sip:c@d>", "100 Invited | 180 | 403");
    in_call("hangup REFER/header=Refer-To:_<sip:c@d>", "BYE | 481");
}

#[test]
fn attended_refer_names_the_dialog_to_be_replaced() {
    let mut bench = in_call("INFO", "200 Info");
    let refer = bench.peer_request(
        "REFER",
        "header=Refer-To:_<sip:c@d;transport=tcp;method=INVITE?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2>",
    );
    bench.receive(&refer);
    let Some(Event::Referred { referral, .. }) = bench.endpoint.poll_event() else { panic!("a REFER is told") };
    assert_eq!(referral.to.to_string(), "<sip:c@d;transport=tcp>");
    assert_eq!(referral.replaces.unwrap().to_string(), "x@y;to-tag=1;from-tag=2");
}

#[test]
fn subscribe_asks_for_the_state_of_a_refer_or_ends_it() {
    in_call("SUBSCRIBE/header=Event:_refer SUBSCRIBE/header=Event:_presence SUBSCRIBE", "481 | 489 | 489");
    let mut bench = in_call(
        "REFER/header=Refer-To:_<sip:c@d> accept 200/to=NOTIFY SUBSCRIBE/header=Event:_refer 200/to=NOTIFY",
        "Referred | 202 NOTIFY |  | 200 NOTIFY | ",
    );
    assert_eq!(bench.run("SUBSCRIBE/header=Event:_refer/header=Expires:_0 200/to=NOTIFY report:200"), "200 NOTIFY |  | ");
    assert_eq!(sent(&bench, "NOTIFY", name::SUBSCRIPTION_STATE), "terminated;reason=timeout");
}

#[test]
fn outside_of_calls_nothing_is_referred_subscribed_or_notified() {
    check_ends(
        "REFER/header=Refer-To:_<sip:c@d> SUBSCRIBE/header=Event:_refer SUBSCRIBE/header=Event:_presence NOTIFY \
         REFER/tag=x SUBSCRIBE/tag=x NOTIFY/tag=x MESSAGE OPTIONS/tag=x",
        "403 | 403 | 489 | 481 | 481 | 481 | 481 | 405 | 481",
    );
    in_call("MESSAGE OPTIONS", "405 | 200");
}

#[test]
fn info_is_taken_for_what_is_understood() {
    in_call(
        "INFO/body=Signal=5/header=Content-Type:_application|dtmf-relay INFO/body=5/header=Content-Type:_application|dtmf \
         INFO/body=x/header=Content-Type:_text|plain INFO/body=x INFO/header=Info-Package:_foo \
         INFO/body=x/header=Content-Type:_text|plain/header=Content-Disposition:_render;_handling=optional",
        "200 Info | 200 Info | 415 | 415 | 469 | 200 Info",
    );
}

#[test]
fn reasons_of_bye_and_cancel_are_told_whole() {
    let mut bench = in_call("INFO", "200 Info");
    let bye = bench.peer_request("BYE", "header=Reason:_Q.850;cause=38/header=Reason:_SIP;cause=503");
    bench.receive(&bye);
    let told = std::iter::from_fn(|| bench.endpoint.poll_event()).find_map(|event| match event {
        Event::HungUp { reason, .. } => reason,
        _ => None,
    });
    assert_eq!(told.as_deref(), Some("Q.850;cause=38, SIP;cause=503"));

    let mut bench = check("INVITE ring", "100 Invited | 180");
    let cancel = bench.peer_request("CANCEL", "header=Reason:_SIP;cause=200;text=\"Call_completed_elsewhere\"");
    bench.receive(&cancel);
    let told = std::iter::from_fn(|| bench.endpoint.poll_event()).find_map(|event| match event {
        Event::Cancelled { reason, .. } => reason,
        _ => None,
    });
    assert_eq!(told.as_deref(), Some("SIP;cause=200;text=\"Call completed elsewhere\""));
}
