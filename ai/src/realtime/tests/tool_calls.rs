//! Function calls: made, answered, and the turn that goes on after them.

use super::*;
use crate::tools;

/// The caller asked, and the response that may call tools has begun.
const ASKED: &str = "
    started
    connected
    audio 20
    starts 0
    finishes 0
    created r1
";

fn asked(script: &str, expected: &str) {
    let mut run = Run::new(silent());
    run.play(ASKED);
    run.log.clear();
    run.play(script);
    run.expect(expected);
}

#[test]
fn a_call_goes_out_and_its_result_comes_back_in_one_turn() {
    asked(
        r#"+10 call r1 call_x completed
        +10 done r1 completed call_x
        +10 result call_x {"ok":true}
        +10 created r2
        +10 delta r2 i2 80
        done r2 completed"#,
        r#"410 tool call_x lookup {"q":1}
        430 > output call_x {"ok":true}
        430 > create response-2
        450 audio 0 80
        450 end 0
        450 turn Completed 400 400 400 400 450 450"#,
    );
}

/// `response.done` of a response that used audio tokens.
fn counted(response: &str, status: &str, calls: &str, input: u64, output: u64) -> String {
    let mut event = done(response, status, calls);
    event["response"]["usage"] = json!({ "input_tokens": input, "output_tokens": output,
        "input_token_details": { "audio_tokens": input }, "output_token_details": { "audio_tokens": output } });
    event.to_string()
}

#[test]
fn a_turn_has_used_what_all_its_responses_have() {
    let (first, second) = (counted("r1", "completed", "call_x", 10, 1), counted("r2", "completed", "", 20, 3));
    asked(
        &format!("{first}\nresult call_x 1\ncreated r2\n{second}"),
        r#"400 usage 10 0 0 1 0 0 0
        400 tool call_x lookup {"q":1}
        400 > output call_x 1
        400 > create response-2
        400 usage 20 0 0 3 0 0 0
        400 turn Completed 400 400 400 400 - 400 used 30 4"#,
    );
}

#[test]
fn what_a_cut_response_has_used_is_not_the_next_turns() {
    let cut = counted("r1", "cancelled", "turn_detected", 10, 1);
    asked(
        &format!("starts 400\n{cut}\nfinishes 400\ncreated r2\n{}", counted("r2", "completed", "", 20, 3)),
        "400 > cancel r1
        400 turn Interrupted 400 400 400 400 - 400
        400 usage 10 0 0 1 0 0 0
        400 > create response-2
        400 usage 20 0 0 3 0 0 0
        400 turn Completed 0 - 400 400 - 400 used 20 3",
    );
}

#[test]
fn a_call_told_only_at_the_end_is_made_too() {
    asked("done r1 completed call_x", "400 tool call_x lookup {\"q\":1}");
}

#[test]
fn the_response_waits_for_every_result_and_for_the_one_before() {
    asked(
        "call r1 a completed
        call r1 b completed
        result b 2
        result a 1
        +5 done r1 completed a b",
        "400 tool a lookup {\"q\":1}
        400 tool b lookup {\"q\":1}
        400 > output b 2
        400 > output a 1
        405 > create response-2",
    );
    asked(
        "call r1 a completed
        call r1 b completed
        done r1 completed a b
        result b 2
        +5 result a 1",
        "400 tool a lookup {\"q\":1}
        400 tool b lookup {\"q\":1}
        400 > output b 2
        405 > output a 1
        405 > create response-2",
    );
}

#[test]
fn an_incomplete_call_is_not_made() {
    asked(
        "call r1 call_x incomplete
        done r1 incomplete max_output_tokens",
        "400 warning reported
        400 turn Completed 400 400 400 400 - 400",
    );
}

#[test]
fn results_nobody_asked_for_are_ignored() {
    asked("result call_y 1\ncall r1 a completed\nresult a 1\nresult a 2", "400 tool a lookup {\"q\":1}\n400 > output a 1");
}

#[test]
fn a_long_result_is_cut() {
    let result = format!("call r1 a completed\nresult a {}", "é".repeat(MAX_TOOL_OUTPUT));
    let cut = "é".repeat(MAX_TOOL_OUTPUT / 2);
    asked(&result, &format!("400 tool a lookup {{\"q\":1}}\n400 > output a {cut}"));
}

#[test]
fn too_many_calls_are_answered_with_an_error() {
    let calls: Vec<String> = (0..17).map(|index| format!("call r1 c{index} completed")).collect();
    let mut expected: Vec<String> = (0..16).map(|index| format!("400 tool c{index} lookup {{\"q\":1}}")).collect();
    let refusal = tools::failure("too many calls at once");
    expected.push(format!("400 > output c16 {refusal}"));
    asked(&calls.join("\n"), &expected.join("\n"));
}

#[test]
fn a_slow_tool_is_not_the_models_delay() {
    asked("call r1 a completed\nwait 60000", "400 tool a lookup {\"q\":1}");
}

#[test]
fn a_caller_who_speaks_meanwhile_is_answered_and_told_the_result_later() {
    asked(
        "call r1 a completed
        done r1 completed a
        audio 20
        starts 0
        finishes 0
        created r2
        result a 1
        done r2 completed",
        "400 tool a lookup {\"q\":1}
        800 > append 2400
        800 > commit
        800 turn Interrupted 400 400 400 400 - 800
        800 > create response-2
        800 > output a 1
        800 turn Completed 800 800 800 800 - 800
        800 > create response-3",
    );
}

#[test]
fn a_result_does_not_talk_over_the_caller() {
    asked(
        "call r1 a completed
        done r1 completed a
        audio 20
        starts 0
        result a 1
        finishes 0",
        "400 tool a lookup {\"q\":1}
        800 > append 2400
        800 > output a 1
        800 turn Interrupted 400 400 400 400 - 800
        800 > commit
        800 > create response-2",
    );
}

#[test]
fn calls_of_a_cancelled_response_are_not_made() {
    asked(
        "starts 0
        call r1 a completed
        done r1 cancelled client_cancelled",
        "400 > cancel r1\n400 turn Interrupted 400 400 400 400 - 400",
    );
}

/// What stands in a request to say a text.
const EXACTLY: &str = "Say exactly this to the caller, word for word, and nothing else:";

#[test]
fn a_slow_tool_is_filled_with_words_and_the_turn_goes_on() {
    asked(
        "call r1 a completed
        done r1 completed a
        +1500 say One moment.
        +100 created r2
        +10 delta r2 i2 80
        +5 result a 1
        +10 done r2 completed
        created r3
        +10 delta r3 i3 80
        done r3 completed",
        &format!(
            "400 tool a lookup {{\"q\":1}}
            1900 > create response-2: {EXACTLY} One moment.
            2010 audio 0 80
            2015 > output a 1
            2025 end 0
            2025 > create response-3
            2035 audio 1 80
            2035 end 1
            2035 turn Completed 400 400 400 400 2010 2035"
        ),
    );
}

#[test]
fn words_that_fill_are_forgotten_where_they_would_disturb() {
    asked("say Wait.", "");
    asked("call r1 a completed\ndone r1 completed a\nstarts 0\nsay Wait.", "400 tool a lookup {\"q\":1}");
    asked("call r1 a completed\ndone r1 completed a\nclosed 1006\nsay Wait.", "400 tool a lookup {\"q\":1}\n400 warning closed");
}

#[test]
fn words_that_fill_and_fail_do_not_cost_the_turn() {
    let head = format!("400 tool a lookup {{\"q\":1}}\n400 > create response-2: {EXACTLY} Wait.\n");
    let tail = "400 > output a 1\n400 > create response-3";
    let play = |fault: &str, said: &str| {
        let script = format!("call r1 a completed\ndone r1 completed a\nsay Wait.\n{fault}\nresult a 1");
        asked(&script, &format!("{head}{said}{tail}"));
    };
    play("error overloaded response-2", "400 warning reported\n");
    play("error conversation_already_has_active_response response-2", "");
    play("created r2\ndone r2 failed overloaded", "");
    play("created r2\ndone r2 cancelled turn_detected", "");
}

#[test]
fn a_caller_who_speaks_over_the_filling_words_cuts_them() {
    asked(
        "call r1 a completed
        done r1 completed a
        say Wait.
        created r2
        starts 0
        done r2 cancelled client_cancelled
        result a 1
        finishes 0",
        &format!(
            "400 tool a lookup {{\"q\":1}}
            400 > create response-2: {EXACTLY} Wait.
            400 > cancel r2
            400 turn Interrupted 400 400 400 400 - 400
            400 > output a 1
            400 > create response-3"
        ),
    );
}

#[test]
fn a_result_that_comes_while_the_connection_is_lost_is_told_to_the_next() {
    let mut run = Run::new(silent());
    run.play(ASKED);
    run.log.clear();
    run.play("call r1 a completed\ndone r1 completed a\nclosed 1006\n+10 result a 1\nwait 1000\nconnected");
    let told: Vec<&str> = run.log.iter().filter_map(|line| line.split_once(' ')).map(|(_, line)| line).collect();
    let expected = [
        "tool a lookup {\"q\":1}",
        "warning closed",
        "connect",
        "> session.update",
        "> call a lookup {\"q\":1}",
        "> output a 1",
        "> create response-2",
    ];
    assert_eq!(told, expected);
}

/// A session that takes over, from its start to what it says first; `later` is played when it is connected.
fn resumed(past: Vec<Past>, later: &str, expected: &str) {
    let mut run = Run::new(silent());
    run.session = RealtimeSession::resume(silent(), 7, past);
    run.play("started\nconnected");
    run.play(later);
    run.expect(&format!("0 connect\n0 > session.update\n{expected}"));
}

#[test]
fn a_session_that_takes_over_knows_the_tools_and_awaits_their_results() {
    let called = || Past::ToolCalled { call_id: "a".into(), name: "look".into(), arguments: "{}".into() };
    let answered = || Past::ToolAnswered { call_id: "a".into(), output: "1".into() };
    let said = |role, text: &str| Past::Said(role, text.into());
    resumed(
        vec![said(Role::Caller, "Look."), called()],
        "+500 result a 2",
        "0 > user: Look.\n0 > call a look {}\n500 > output a 2\n500 > create response-1",
    );
    resumed(vec![called(), answered()], "", "0 > call a look {}\n0 > output a 1\n0 > create response-1");
    resumed(
        vec![called(), answered(), said(Role::Agent, "It is 1.")],
        "result a 1",
        "0 > call a look {}\n0 > output a 1\n0 > assistant: It is 1.",
    );
}
