//! What goes wrong with a bot, and what the caller gets instead.

use super::*;

#[test]
fn a_dropped_socket_is_made_again_once_with_music_meanwhile() {
    let mut run = Run::new(config());
    run.play("ringing\nopened\nstarted\nmedia 8000\nmark a");
    run.log.clear();
    let first = run.sid.clone();
    run.play("closed 1006\naudio 25\nwait 1000\naudio 5\nopened\naudio 1\nmedia 160");
    run.expect(
        r#"drop
           warning closed
           audio 1 160 x5
           open 2 bot wss://bot.example/media
           audio 1 160 x5
           > connected
           drop
           > start {"from":"+15550100","reconnect":"1"}
           > media 160
           audio 2 160"#,
    );
    assert_ne!(run.sid, first);
    // The numbers of a new stream begin anew.
    assert!(
        run.sent.last().unwrap().contains(r#""sequenceNumber":"2""#) && run.sent.last().unwrap().contains(r#""timestamp":"0""#)
    );
    let music = Codec::Pcmu.row().silence;
    assert!(run.played.iter().rev().skip(1).take(10).any(|frame| frame.iter().any(|octet| *octet != music)));
    run.log.clear();
    run.play("+1000 closed 1006");
    run.expect("drop\nfailed closed");
}

#[test]
fn a_gap_too_short_to_notice_has_no_music() {
    check(
        "closed 1001\naudio 3\nwait 600\nopened\nmedia 160",
        r#"warning closed
           open 2 bot wss://bot.example/media
           > connected
           > start {"from":"+15550100","reconnect":"1"}
           audio 0 160"#,
    );
}

#[test]
fn after_a_minute_another_loss_is_forgiven() {
    check(
        "closed 1006\nwait 600\nopened\n+60000 late write\nwait 600\nopened\n+1000 late write",
        r#"warning closed
           open 2 bot wss://bot.example/media
           > connected
           > start {"from":"+15550100","reconnect":"1"}
           warning write_timeout
           open 3 bot wss://bot.example/media
           > connected
           > start {"from":"+15550100","reconnect":"1"}
           failed write_timeout"#,
    );
}

#[test]
fn a_bot_that_cannot_be_reached_gets_one_more_chance_while_it_rings() {
    let mut run = Run::new(config());
    run.play("ringing\nunreachable\naudio 30\nwait 600\nopened\nstarted");
    run.expect(
        r#"open 1 bot wss://bot.example/media
           warning network
           open 2 bot wss://bot.example/media
           > connected
           > start {"from":"+15550100"}"#,
    );
    let mut run = Run::new(config());
    run.play("ringing\nunreachable\nwait 600\nunreachable\nstarted\naudio 50");
    run.expect(
        "open 1 bot wss://bot.example/media
         warning network
         open 2 bot wss://bot.example/media
         failed network",
    );
}

#[test]
fn what_waiting_cannot_mend_fails_at_once() {
    for (fault, failed) in [("refused", "failed key"), ("late connect", "failed connect_timeout")] {
        let mut run = Run::new(config());
        run.play(&format!("ringing\n{fault}\nstarted"));
        run.expect(&format!("open 1 bot wss://bot.example/media\n{failed}"));
    }
}

#[test]
fn a_slow_first_connection_is_bridged_with_music_once_the_call_is_answered() {
    let mut run = Run::new(config());
    run.play("ringing\naudio 100\nstarted\naudio 22\nopened");
    run.expect(
        r#"open 1 bot wss://bot.example/media
           audio 0 160 x2
           > connected
           drop
           > start {"from":"+15550100"}"#,
    );
}

#[test]
fn what_cannot_be_understood_is_counted_and_passed_over() {
    check(
        r#"nonsense
           binary
           {"event":"media","streamSid":"MZ0","media":{"payload":"fw=="}}
           {"event":"media","media":{"payload":"fw=="}}
           {"event":"media","streamSid":"SID","media":{"payload":"!"}}
           {"event":"dance","streamSid":"SID"}
           media 160"#,
        "rejected malformed
         rejected binary
         rejected stream_sid x2
         rejected malformed
         rejected unknown_event
         audio 0 160",
    );
    let huge = format!(r#"{{"event":"media","streamSid":"SID","media":{{"payload":"{}"}}}}"#, "f".repeat(1 << 20));
    check(&huge, "rejected too_long");
}

#[test]
fn a_peer_that_speaks_something_else_is_dropped() {
    let mut run = Run::new(config());
    run.play("ringing\nopened\nstarted");
    run.log.clear();
    for _ in 0..WRONG_MAX - 1 {
        run.play("nonsense");
    }
    // One right word weighs up a wrong one.
    run.play("mark a\nnonsense\nnonsense\nnonsense\nwait 600");
    run.expect(
        "rejected malformed x63
         mark 0
         rejected malformed x2
         close 1
         warning protocol
         open 2 bot wss://bot.example/media",
    );
}

#[test]
fn marks_have_a_bound_in_number_and_length() {
    let mut run = Run::new(config());
    run.play("ringing\nopened\nstarted\nmedia 160");
    run.play(&format!("mark {}", "x".repeat(MARK_NAME_MAX + 1)));
    assert_eq!(run.log.last().unwrap(), "rejected mark");
    for mark in 0..MARKS_MAX {
        run.play("mark a");
        assert_eq!(*run.log.last().unwrap(), format!("mark {mark}"));
    }
    run.play("mark a");
    assert_eq!(run.log.last().unwrap(), "rejected mark");
    run.play("marked 0\nmark a");
    assert_eq!(*run.log.last().unwrap(), format!("mark {MARKS_MAX}"));
}

#[test]
fn parameters_over_twilios_length_are_left_out_and_counted() {
    let long = |chars| ("x".to_owned(), "\u{e9}".repeat(chars).into());
    let parameters = vec![long(PARAMETER_CHARS_MAX), ("y".to_owned(), "1".into())];
    let mut run = Run::new(StreamConfig { parameters, ..config() });
    run.play("ringing\nopened\nstarted");
    run.expect("rejected parameter\nopen 1 bot wss://bot.example/media\n> connected\n> start {\"y\":\"1\"}");
    let mut run = Run::new(StreamConfig { parameters: vec![long(PARAMETER_CHARS_MAX - 1)], ..config() });
    run.play("ringing\nopened\nstarted");
    assert!(!run.log.contains(&"rejected parameter".to_owned()));
}

#[test]
fn a_session_that_takes_over_says_so() {
    let (first_prompt, parameters) = (PromptId(1 << 32), Vec::new());
    let mut run = Run::new(StreamConfig { resumed: true, first_prompt, parameters, ..config() });
    // The mark of the session before was on its way.
    run.play("started\nopened\nmark a\nmarked 7\nmarked 4294967296");
    run.expect(
        r#"drop
           open 1 bot wss://bot.example/media
           > connected
           > start {"reconnect":"1"}
           mark 4294967296
           > mark a"#,
    );
}
