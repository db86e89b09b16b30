//! Errors of the server, rubbish, and deadlines.

use proptest::prelude::*;

use super::*;

/// The caller asked; `response-1` is on its way.
const ASKED: &str = "
    started
    connected
    audio 20
    starts 0
    finishes 0
";

fn asked(script: &str, expected: &str) {
    let mut run = Run::new(silent());
    run.play(ASKED);
    run.log.clear();
    run.play(script);
    run.expect(expected);
}

#[test]
fn errors_of_the_sheet_are_told_apart() {
    for (code, expected) in [
        ("response_cancel_not_active", ""),
        ("input_audio_buffer_commit_empty", ""),
        ("insufficient_quota", "400 failed quota"),
        ("billing_hard_limit_reached", "400 failed quota"),
        ("invalid_api_key", "400 failed key"),
        ("account_deactivated", "400 failed key"),
        ("beta_api_shape_disabled", "400 failed configuration"),
        ("model_not_found", "400 failed configuration"),
        ("rate_limit_exceeded", "400 warning rate_limited"),
        ("session_expired", "400 warning session_expired"),
        ("item_retrieve_invalid_item_id", "400 warning reported"),
        ("server_error", "400 warning reported"),
    ] {
        asked(&format!("error {code}"), expected);
    }
}

#[test]
fn a_session_that_is_not_updated_would_speak_another_format() {
    asked("error invalid_value session", "400 failed configuration");
}

#[test]
fn a_failed_session_is_dead() {
    asked("error invalid_api_key\ncreated r1\nstarts 0\nkey #\nwait 60000\nconnected\nstarted", "400 failed key");
}

#[test]
fn an_active_response_is_cancelled_and_waited_for() {
    asked(
        "error conversation_already_has_active_response response-1
        delta r0 i0 80
        +100 done r0 cancelled client_cancelled
        created r1",
        "400 > cancel\n500 > create response-2",
    );
    asked(
        "error conversation_already_has_active_response response-1
        error response_cancel_not_active",
        "400 > cancel\n400 > create response-2",
    );
}

#[test]
fn a_response_that_is_always_active_is_a_failure() {
    asked(
        "error conversation_already_has_active_response
        wait 2000
        error conversation_already_has_active_response
        wait 2000
        error conversation_already_has_active_response",
        "400 > cancel
        2400 > create response-2
        2400 > cancel
        4400 > create response-3
        4400 failed reported",
    );
    check("error conversation_already_has_active_response", "");
}

#[test]
fn a_refused_response_is_asked_for_again_twice() {
    asked(
        "error server_error response-1
        wait 250
        error server_error response-2
        wait 500
        error server_error response-3",
        "400 warning reported
        650 > create response-2
        650 warning reported
        1150 > create response-3
        1150 failed reported",
    );
}

#[test]
fn a_failed_response_waits_for_the_rate_limit() {
    let limits = |remaining: u32, reset: f64| {
        format!(
            r#"{{"type":"rate_limits.updated","rate_limits":[{{"name":"requests","limit":9,"remaining":{remaining},"reset_seconds":{reset}}}]}}"#
        )
    };
    let script = |limits: String| format!("created r1\n{limits}\ndone r1 failed rate_limit_exceeded\nwait 60000\n");
    let failed = "failed first_audio_timeout";
    let expected = |at: u32| format!("400 warning rate_limited\n{at} > create response-2\n{} {failed}", at + 8_000);
    asked(&script(limits(1, 1.5)), &expected(650));
    asked(&script(limits(0, 1.5)), &expected(1_900));
    asked(&script(limits(0, 60.0)), &expected(3_400));
    asked(&script(limits(0, -1.0)), &expected(650));
    asked(&script(limits(0, 1e300)), &expected(3_400));
}

#[test]
fn a_response_that_failed_half_said_is_left_so() {
    asked(
        "created r1
        delta r1 i1 80
        done r1 failed server_error",
        "400 audio 0 80
        400 end 0
        400 turn Failed 400 400 400 400 400 400
        400 warning reported",
    );
}

#[test]
fn a_response_that_failed_for_good_fails_the_session() {
    asked("created r1\ndone r1 failed insufficient_quota", "400 failed quota");
    asked("created r1\ndone r1 failed session_expired\nwait 250", "400 warning reported\n650 > create response-2");
}

#[test]
fn audio_that_does_not_come_is_a_failure() {
    asked("wait 7999", "");
    asked("created r1\nwait 8000", "8400 failed first_audio_timeout");
    asked("created r1\ndelta r1 i1 80\nwait 7999", "400 audio 0 80");
    asked("created r1\ndelta r1 i1 80\nwait 8000", "400 audio 0 80\n8400 failed next_audio_timeout");
}

#[test]
fn a_connection_that_does_not_open_is_a_failure() {
    let mut run = Run::new(silent());
    run.play("started\nwait 4999");
    run.expect("0 connect");
    run.play("wait 1");
    run.expect("0 connect\n5000 failed connect_timeout");
}

#[test]
fn late_audio_is_dropped_and_counted() {
    let mut run = Run::new(silent());
    run.play(ASKED);
    run.play("delta r1 i1 80\ncreated r1\ndelta r0 i0 80\nwords r0 i0 old\ndone r1 completed\ndelta r1 i1 80");
    run.log.clear();
    assert_eq!(run.session.take_stats().late_deltas, 4);
    assert_eq!(run.session.take_stats(), RealtimeStats::default());
    run.play("done r0 completed\ncreated r9");
    run.expect("");
}

#[test]
fn rubbish_is_counted_and_told_once() {
    let mut run = Run::new(silent());
    run.play(ASKED);
    run.play("created r1");
    run.log.clear();
    for rubbish in [
        "",
        "rubbish",
        "[]",
        "7",
        r#"{"type":"response.output_audio.delta","delta":"AA"#,
        r#"{"type":"response.output_audio.delta","response_id":"r1","item_id":"i1","delta":"!!"}"#,
        r#"{"type":"response.done"}"#,
        r#"{"type":"response.created","response":5}"#,
        r#"{"type":"error","error":7}"#,
        r#"{"type":"rate_limits.updated","rate_limits":{}}"#,
    ] {
        run.handle(run.socket(LinkInput::Text(rubbish.into())));
    }
    run.expect("400 warning protocol");
    assert_eq!(run.session.take_stats().malformed_events, 10);
    for unknown in ["{}", r#"{"type":5}"#, r#"{"type":"response.sung","delta":[1],"response_id":{}}"#] {
        run.handle(run.socket(LinkInput::Text(unknown.into())));
    }
    run.expect("400 warning protocol");
    assert_eq!(run.session.take_stats().unknown_events, 3);
}

#[test]
fn audio_without_sound_is_no_audio() {
    asked("created r1\ndelta r1 i1 0\ndone r1 completed", "400 turn Completed 400 400 400 400 - 400");
}

#[test]
fn words_that_cannot_be_understood_are_a_warning() {
    let failed = r#"{"type":"conversation.item.input_audio_transcription.failed","item_id":"i","content_index":0,"error":{"code":"audio_unintelligible"}}"#;
    asked(failed, "400 warning transcription");
}

#[test]
fn inputs_of_other_engines_are_ignored() {
    let mut run = Run::new(silent());
    run.play(ASKED);
    run.log.clear();
    run.handle(Input::Synthesized { request: 1, result: Ok(bytes::Bytes::new()) });
    run.play("started");
    run.expect("");
}

/// Events that exist, to be damaged.
const LINES: [&str; 12] = [
    "created r1",
    "delta r1 i1 160",
    "words r1 i1 hello",
    "said r1 i1 hello",
    "audiodone r1 i1",
    "call r1 c1 completed",
    "done r1 completed c1",
    "done r1 failed server_error",
    "committed i0",
    "understood i0 hello",
    "error server_error response-1",
    "error session_expired",
];

proptest! {
    #[test]
    fn any_text_leaves_the_session_whole(text in "\\PC*") {
        let mut run = Run::new(config());
        run.play(ASKED);
        run.handle(run.socket(LinkInput::Text(text.into())));
        run.wait(20_000);
    }

    #[test]
    fn any_damage_to_an_event_leaves_the_session_whole(
        line in 0..LINES.len(), at in 0_usize..1_000, byte in 0_u8..128, cut: bool
    ) {
        let mut bytes = event(LINES[line]).into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(if cut { at } else { bytes.len() });
        let mut run = Run::new(config());
        run.play(ASKED);
        run.play("created r1");
        run.handle(run.socket(LinkInput::Text(String::from_utf8(bytes).unwrap().into())));
        run.wait(20_000);
    }

    #[test]
    fn any_order_of_events_and_inputs_leaves_the_session_whole(
        steps in prop::collection::vec(0_usize..LINES.len() + 9, 0..60)
    ) {
        let mut run = Run::new(config());
        for step in steps {
            let others =
                ["started", "connected", "closed 1006", "starts 80", "finishes 600", "barge 0 100", "heard 0", "key #", "wait 300"];
            run.play(LINES.get(step).copied().unwrap_or_else(|| others[step - LINES.len()]));
            run.play("audio 1");
        }
    }
}
