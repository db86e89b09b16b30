//! Turns: greeting, question and answer, barge-in, keys, and what is written down of them.

use super::*;

/// The caller speaks for two frames, and is answered with one second of audio of which nothing was heard yet.
const ANSWERED: &str = "
    audio 20
    starts 80
    audio 2
    finishes 600
    +50 committed item_1
    +50 created r1
    words r1 i1 One two three four.
    delta r1 i1 8000
";

fn answered(script: &str, expected: &str) {
    let mut run = Run::new(silent());
    run.play("started\nconnected");
    run.play(ANSWERED);
    run.log.clear();
    run.play(script);
    run.expect(expected);
}

#[test]
fn the_first_message_is_said_word_for_word() {
    let mut run = Run::new(config());
    run.play(
        "started
        +100 connected
        +40 created r1
        words r1 i1 Hello,
        +60 delta r1 i1 160
        words r1 i1  this is Ada.
        delta r1 i1 320
        audiodone r1 i1
        said r1 i1 Hello, this is Ada.
        +10 done r1 completed
        +900 heard 0",
    );
    run.expect(
        "0 connect
        100 > session.update
        100 > create response-1: Say exactly this to the caller, word for word, and nothing else: Hello, this is Ada.
        140 Agent 0 +Hello,
        200 audio 0 160
        200 Agent 0 + this is Ada.
        200 audio 0 320
        200 end 0
        210 turn Completed - - 100 140 200 210
        1110 Agent 0 =Hello, this is Ada.",
    );
    assert_eq!(run.session.next_prompt(), PromptId(1));
}

#[test]
fn without_a_first_message_the_caller_begins() {
    let mut run = Run::new(silent());
    run.play("started\nconnected\nwait 60000");
    run.expect("0 connect\n0 > session.update");
}

#[test]
fn a_turn_is_sent_with_its_pre_roll_and_answered() {
    check(
        "audio 50
        starts 80
        audio 5
        finishes 600
        +50 committed item_1
        +50 created r1
        +200 delta r1 i1 800
        hears What
        understood item_1 What time is it?
        done r1 completed",
        // 80 ms of speech and 300 ms before it; then 100 ms.
        "1000 > append 3040
        1100 > append 800
        1100 > commit
        1100 > create response-1
        1400 audio 0 800
        1400 Caller +What
        1400 usage 0 0 0 0 0 0 1500
        1400 Caller =What time is it?
        1400 end 0
        1400 turn Completed 500 1100 1100 1200 1400 1400",
    );
}

#[test]
fn the_pre_roll_is_what_there_is_and_three_seconds_at_most() {
    check("audio 2\nstarts 80\nfinishes 0", "40 > append 320\n40 > commit\n40 > create response-1");
    check("audio 500\nstarts 9000\nfinishes 0", "10000 > append 24000\n10000 > commit\n10000 > create response-1");
}

#[test]
fn silence_is_not_sent() {
    check("audio 500", "");
    answered("audio 500", "");
}

#[test]
fn an_end_without_a_beginning_is_no_turn() {
    check("audio 50\nfinishes 600", "");
}

#[test]
fn a_caller_who_goes_on_takes_back_a_silent_answer() {
    check(
        "audio 20
        starts 80
        finishes 600
        +100 created r1
        audio 10
        starts 80
        delta r1 i1 800
        audio 2
        done r1 cancelled client_cancelled
        finishes 600",
        "400 > append 3040
        400 > commit
        400 > create response-1
        700 > cancel r1
        700 turn Interrupted 0 400 400 500 - 700
        700 > append 1600
        740 > append 320
        740 > commit
        740 > create response-2",
    );
}

#[test]
fn an_answer_is_cancelled_before_its_name_is_known() {
    check(
        "audio 20
        starts 80
        finishes 600
        starts 0
        created r1
        delta r1 i1 800
        finishes 0
        done r1 cancelled client_cancelled",
        "400 > append 3040
        400 > commit
        400 > create response-1
        400 > cancel
        400 turn Interrupted 0 400 400 - - 400
        400 > create response-2",
    );
}

#[test]
fn the_greeting_is_not_given_up_for_a_noise() {
    let mut run = Run::new(config());
    run.play("started\nconnected");
    run.log.clear();
    run.play("audio 20\nstarts 80\nfinishes 600\ncreated r1\ndelta r1 i1 80\ndone r1 completed");
    run.expect(
        "400 > append 3040
        400 > commit
        400 audio 0 80
        400 end 0
        400 turn Completed - - 0 400 400 400
        400 > create response-2",
    );
}

#[test]
fn a_barge_in_cuts_the_answer_where_it_was_heard() {
    answered(
        "+500 barge 0 500
        starts 500
        delta r1 i1 800
        words r1 i1 late
        audio 2
        done r1 cancelled client_cancelled
        finishes 600
        +30 created r2
        +10 delta r2 i2 80",
        "1040 > cancel r1
        1040 turn Interrupted 0 440 440 540 540 1040
        1040 Agent 0 =One two
        1040 > truncate i1 500
        1080 > append 320
        1080 > commit
        1080 > create response-2
        1120 audio 1 80",
    );
}

#[test]
fn a_barge_in_after_the_response_only_truncates() {
    answered(
        "audiodone r1 i1
        done r1 completed
        +900 barge 0 900",
        "540 end 0
        540 turn Completed 0 440 440 540 540 540
        1440 Agent 0 =One two three
        1440 > truncate i1 900",
    );
}

#[test]
fn more_cannot_be_truncated_than_was_received() {
    answered(
        "done r1 completed\nbarge 0 60000",
        "540 end 0\n540 turn Completed 0 440 440 540 540 540\n540 Agent 0 =One two three four.\n540 > truncate i1 1000",
    );
}

#[test]
fn what_was_not_heard_at_all_is_not_truncated() {
    answered("done r1 completed\nbarge 0 0", "540 end 0\n540 turn Completed 0 440 440 540 540 540");
}

#[test]
fn prompts_after_the_one_that_was_cut_were_not_heard() {
    answered(
        "audiodone r1 i1
        words r1 i2 More.
        delta r1 i2 800
        done r1 completed
        barge 0 250
        heard 1",
        "540 end 0
        540 Agent 1 +More.
        540 audio 1 800
        540 end 1
        540 turn Completed 0 440 440 540 540 540
        540 Agent 0 =One
        540 > truncate i1 250",
    );
}

#[test]
fn a_barge_in_into_an_unknown_prompt_still_cancels() {
    answered("barge 9 100", "540 > cancel r1\n540 turn Interrupted 0 440 440 540 540 540");
}

#[test]
fn a_cancelled_response_that_does_not_end_is_given_up_after_two_seconds() {
    answered(
        "barge 0 500
        starts 0
        audio 2
        finishes 0
        wait 5000",
        "540 > cancel r1
        540 turn Interrupted 0 440 440 540 540 540
        540 Agent 0 =One two
        540 > truncate i1 500
        580 > append 320
        580 > commit
        2540 > create response-2",
    );
}

#[test]
fn the_turn_after_an_answer_waits_for_its_end() {
    answered(
        "starts 0
        audio 2
        finishes 0
        delta r1 i1 80
        done r1 completed",
        "580 > append 320
        580 > commit
        580 audio 0 80
        580 end 0
        580 turn Completed 0 440 440 540 540 580
        580 > create response-2",
    );
}

#[test]
fn a_hangup_closes_the_transcript_and_the_session() {
    answered("ended 0 500\nheard 0\nstarts 0\ncreated r2\nwait 60000", "540 Agent 0 =One two");
    answered("ended", "");
}

#[test]
fn keys_are_gathered_and_answered() {
    check(
        "key 1
        +1000 key 2
        wait 1500
        created r1
        key *
        key #
        key !
        done r1 completed",
        "2500 > user: (caller pressed 12)
        2500 > create response-1
        2500 > user: (caller pressed *#)
        2500 turn Completed - - 2500 2500 - 2500
        2500 > create response-2",
    );
}

#[test]
fn what_is_typed_is_answered() {
    check(
        "typed Two pizzas.
        +100 created r1
        done r1 completed
        +100 typed No, three.",
        "0 > user: Two pizzas.
        0 > create response-1
        100 turn Completed 0 - 0 100 - 100
        200 > user: No, three.
        200 > create response-2",
    );
}

#[test]
fn keys_pressed_while_speaking_wait_for_the_words() {
    check(
        "audio 20
        starts 0
        key #
        finishes 0",
        "400 > append 2400
        400 > user: (caller pressed #)
        400 > commit
        400 > create response-1",
    );
}

#[test]
fn usage_is_told_and_added_up() {
    let mut run = Run::new(silent());
    run.play("started\nconnected\naudio 20\nstarts 0\nfinishes 0\ncreated r1");
    run.log.clear();
    let usage = r#"{"type":"response.done","response":{"id":"r1","status":"completed","output":[],"usage":{"total_tokens":253,
        "input_tokens":132,"output_tokens":121,"input_token_details":{"text_tokens":119,"audio_tokens":13,"cached_tokens":64},
        "output_token_details":{"text_tokens":30,"audio_tokens":91}}}}"#;
    run.handle(run.socket(LinkInput::Text(usage.into())));
    run.play("understood item_1 ");
    run.expect(
        "400 usage 13 64 119 91 30 0 0
        400 turn Completed 400 400 400 400 - 400 used 13 91
        400 usage 0 0 0 0 0 0 1500",
    );
    let total = run.session.usage();
    assert_eq!((total.input_audio, total.output_text, total.transcribed), (13, 30, Duration::from_millis(1_500)));
}

#[test]
fn outcomes_are_not_mixed_up() {
    answered("done r1 incomplete max_output_tokens", "540 end 0\n540 warning reported\n540 turn Completed 0 440 440 540 540 540");
    answered("done r1 cancelled turn_detected", "540 end 0\n540 turn Interrupted 0 440 440 540 540 540");
}
