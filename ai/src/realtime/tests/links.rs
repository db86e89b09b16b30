//! Connections lost and made again.

use super::*;

#[test]
fn a_lost_connection_is_made_again_and_told_what_was_said() {
    let mut run = Run::new(config());
    run.play(
        "started
        connected
        created r1
        words r1 i1 Hello.
        delta r1 i1 80
        done r1 completed
        +100 heard 0
        audio 20
        starts 0
        finishes 0
        committed item_1
        understood item_1 Look it up.
        created r2
        call r2 a completed
        done r2 completed a
        result a 1
        created r3
        words r3 i3 Found it.
        delta r3 i3 8000
        done r3 completed
        key #
        created r4",
    );
    run.log.clear();
    run.play(
        "closed 1001
        wait 1000
        connected
        barge 1 600",
    );
    run.expect(
        "500 warning closed
        629 connect
        1500 > session.update
        1500 > assistant: Hello.
        1500 > user: Look it up.
        1500 > call a lookup {\"q\":1}
        1500 > output a 1
        1500 > user: (caller pressed #)
        1500 > assistant: Found it.
        1500 > create response-5
        1500 > cancel
        1500 turn Interrupted - - 500 500 - 1500
        1500 Agent 1 =Found",
    );
}

#[test]
fn words_that_were_never_understood_are_not_told_again() {
    check(
        "audio 20
        starts 0
        finishes 0
        committed item_1
        created r1
        delta r1 i1 80
        done r1 completed
        closed 1006
        wait 500
        connected",
        "400 > append 2400
        400 > commit
        400 > create response-1
        400 audio 0 80
        400 end 0
        400 turn Completed 400 400 400 400 400 400
        400 warning closed
        529 connect
        900 > session.update",
    );
}

#[test]
fn an_open_turn_is_sent_again_from_its_beginning() {
    check(
        "audio 20
        starts 0
        audio 2
        closed 1006
        audio 15
        connected
        audio 1
        finishes 0",
        "400 > append 2400
        440 warning closed",
    );
    check(
        "audio 20
        starts 0
        audio 2
        closed 1006
        audio 5
        wait 200
        connected
        audio 2
        finishes 0",
        "400 > append 2400
        440 warning closed
        569 connect
        740 > session.update
        740 > append 3520
        780 > append 320
        780 > commit
        780 > create response-1",
    );
}

#[test]
fn a_turn_that_was_not_answered_is_sent_again() {
    check(
        "audio 20
        starts 0
        finishes 0
        closed 1006
        wait 500
        connected
        created r1
        delta r1 i1 80
        done r1 completed",
        "400 > append 2400
        400 > commit
        400 > create response-1
        400 warning closed
        529 connect
        900 > session.update
        900 > append 2400
        900 > commit
        900 > create response-2
        900 audio 0 80
        900 end 0
        900 turn Completed 400 900 400 900 900 900",
    );
}

#[test]
fn an_answer_that_broke_off_ends_where_it_is() {
    check(
        "audio 20
        starts 0
        finishes 0
        created r1
        words r1 i1 One two.
        delta r1 i1 800
        closed 1006
        +60 heard 0
        wait 500
        connected",
        "400 > append 2400
        400 > commit
        400 > create response-1
        400 Agent 0 +One two.
        400 audio 0 800
        400 end 0
        400 turn Failed 400 400 400 400 400 400
        400 warning closed
        460 Agent 0 =One two.
        529 connect
        960 > session.update
        960 > assistant: One two.",
    );
}

#[test]
fn a_greeting_nobody_heard_is_said_over_the_new_connection() {
    let mut run = Run::new(config());
    run.play("started\nconnected\ncreated r1\nclosed 1006\nwait 500\nconnected");
    let greeting = "Say exactly this to the caller, word for word, and nothing else: Hello, this is Ada.";
    run.expect(&format!(
        "0 connect
        0 > session.update
        0 > create response-1: {greeting}
        0 warning closed
        129 connect
        500 > session.update
        500 > create response-2: {greeting}",
    ));
}

#[test]
fn an_expired_session_is_followed_by_another_once() {
    check(
        "error session_expired
        closed 1001
        wait 500
        connected",
        "0 warning session_expired
        129 connect
        500 > session.update",
    );
}

#[test]
fn the_fourth_loss_in_a_minute_fails_the_session() {
    let mut run = Run::new(silent());
    run.play("started");
    run.log.clear();
    run.play("closed 1006\nwait 1000\nclosed 1006\nwait 1000\nclosed 1006\nwait 1000\nclosed 1006\nwait 60000");
    run.expect(
        "0 warning closed
        129 connect
        1000 warning closed
        1327 connect
        2000 warning closed
        2572 connect
        3000 failed closed",
    );
}

#[test]
fn what_only_the_operator_can_mend_is_not_tried_again() {
    let mut run = Run::new(silent());
    run.play("started\nrefused\nwait 60000");
    run.expect("0 connect\n0 failed key");
}

#[test]
fn frames_and_ends_without_a_connection_mean_nothing() {
    let mut run = Run::new(silent());
    run.play("connected\ncreated r1\nclosed 1006\nkey #\nwait 5000");
    run.expect("");
    run.play("started\nclosed 1006\ncreated r1\nclosed 1006\nconnected");
    run.expect("5000 connect\n5000 warning closed");
}

#[test]
fn of_a_long_turn_without_connection_the_end_is_kept() {
    let mut run = Run::new(silent());
    run.play("started\nclosed 1006\naudio 1\nstarts 0\naudio 900");
    run.log.clear();
    run.play("wait 0\nconnected");
    let append = run.log.last().unwrap();
    let octets: usize = append.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((120_000..=128_000).contains(&octets), "15 s and at most one of slack: {append}");
}

#[test]
fn a_session_that_rings_connects_and_greets_when_it_is_answered() {
    let mut run = Run::new(config());
    run.play("ringing\nconnected\naudio 2\n+100 started");
    run.expect(
        "0 connect
         0 > session.update
         140 > create response-1: Say exactly this to the caller, word for word, and nothing else: Hello, this is Ada.",
    );
    let mut unanswered = Run::new(config());
    unanswered.play("ringing\nconnected\n+100 ended\nstarted");
    unanswered.expect("0 connect\n0 > session.update\n100 close");
    let mut refused = Run::new(config());
    refused.play("ringing\nrefused\nstarted");
    refused.expect("0 connect\n0 failed key");
}
