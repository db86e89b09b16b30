//! Conversations in which nothing fails.

use media::turn::words::completeness;

use super::*;
use crate::speakable::Speakable;

#[test]
fn a_greeting_is_made_while_it_rings_and_said_at_once() {
    let mut run = Run::new(CascadeConfig { first_message: Some("Hello. How are you?".into()), ..single() });
    run.play(
        "ringing
         open stt1
         open tts1
         cached Hello. 0
         cached How_are_you? 0
         tts1 audio 1 500
         +400 started
         tts1 done 1
         tts1 audio 2 900
         tts1 done 2
         +1400 heard 1
         +100 ended",
    );
    run.expect(
        "0 connect stt1
         0 connect tts1
         0 look Hello.
         0 look How are you?
         0 > tts1 say 1 Hello.
         0 > tts1 say 2 How are you?
         400 audio 1 500
         400 keep Hello. 500
         400 audio 1 900
         400 keep How are you? 900
         400 turn Completed - - - 0 - 400 400
         400 end 1
         1800 Agent 1 = Hello. How are you?
         1900 close tts1
         1900 > stt1 bye
         1900 close stt1",
    );
}

#[test]
fn a_cached_greeting_needs_no_provider() {
    let mut run = Run::new(CascadeConfig { first_message: Some("Hello.".into()), ..single() });
    run.play("ringing\ncached Hello. 700\n+30 started");
    run.expect("0 connect stt1\n0 connect tts1\n0 look Hello.\n30 audio 1 700\n30 turn Completed - - - 0 - 30 30\n30 end 1");
}

#[test]
fn a_call_that_is_never_answered_closes_what_was_opened() {
    let mut run = Run::new(single());
    run.play("ringing\nopen stt1\n+100 ended");
    run.expect("0 connect stt1\n0 connect tts1\n100 close tts1\n100 > stt1 bye\n100 close stt1");
}

#[test]
fn a_turn_goes_through_all_stages() {
    check(
        single(),
        "starts 0
         audio 10
         +0 finishes 0 200
         +150 stt1 final what is it
         stt1 flushed
         +200 llm1 text It is
         llm1 text  five. And more.
         llm1 done
         +100 tts1 audio 1 400
         tts1 done 1
         tts1 audio 2 300
         tts1 done 2
         +700 heard 1",
        "100 > stt1 800 octets
         200 > stt1 800 octets
         200 > stt1 flush
         350 ask llm1: caller: what is it
         350 Caller = what is it
         550 > tts1 say 1 It is five.
         550 > tts1 say 2 And more.
         650 audio 1 400
         650 audio 1 300
         650 close llm1
         650 turn Completed 200 200 350 350 550 650 650
         650 end 1
         1350 Agent 1 = It is five. And more.",
    );
}

#[test]
fn a_cough_is_not_answered() {
    check(
        single(),
        "starts 0\naudio 5\nfinishes 0 100\n+100 stt1 flushed\n+5000
         starts 0\nfinishes 0 100\n+100 stt1 final hi\nstt1 flushed",
        "100 > stt1 800 octets
         100 > stt1 flush
         5100 > stt1 alive
         5200 > stt1 flush
         5300 ask llm1: caller: hi
         5300 Caller = hi",
    );
}

#[test]
fn an_interruption_leaves_what_was_heard_in_the_conversation() {
    check(
        single(),
        "starts 0\nfinishes 0 500\nstt1 final tell me\nstt1 flushed
         llm1 text One two three four. Five six.
         tts1 audio 1 2000
         tts1 done 1
         tts1 audio 2 1000
         +1100 barge 1 1000
         starts 200
         finishes 0 500
         stt1 final stop
         stt1 flushed",
        "0 > stt1 flush
         0 ask llm1: caller: tell me
         0 Caller = tell me
         0 > tts1 say 1 One two three four.
         0 audio 1 2000
         1100 close llm1
         1100 turn Interrupted 0 0 0 0 0 0 1100
         1100 Agent 1 = One two
         1100 > stt1 flush
         1100 ask llm1: caller: tell me | agent: One two | caller: stop
         1100 Caller = stop",
    );
}

#[test]
fn what_was_never_heard_is_not_in_the_conversation() {
    check(
        single(),
        "starts 0\nfinishes 0 500\nstt1 final tell me\nstt1 flushed
         llm1 text One two. Three.
         llm1 done
         +100 starts 0
         finishes 0 500\nstt1 final wait\nstt1 flushed",
        "0 > stt1 flush
         0 ask llm1: caller: tell me
         0 Caller = tell me
         0 > tts1 say 1 One two.
         0 > tts1 say 2 Three.
         100 close llm1
         100 > tts1 cancel 1
         100 > tts1 cancel 2
         100 turn Interrupted 0 0 0 0 0 - 100
         100 > stt1 flush
         100 ask llm1: caller: tell me | caller: wait
         100 Caller = wait",
    );
}

#[test]
fn tools_run_and_the_model_goes_on() {
    check(
        single(),
        "starts 0\nfinishes 0 500\nstt1 final what\nstt1 flushed
         llm1 text Let me look.
         llm1 call a
         llm1 call b
         llm1 tools
         result b 2
         tts1 audio 1 500
         tts1 done 1
         +100 result a 1
         llm1 text Done.
         llm1 done
         tts1 audio 2 300
         tts1 done 2
         +800 heard 1
         heard 2",
        "0 > stt1 flush
         0 ask llm1: caller: what
         0 Caller = what
         0 > tts1 say 1 Let me look.
         0 tool a lookup
         0 tool b lookup
         0 audio 1 500
         0 end 1
         100 close llm1
         100 ask llm1: caller: what | agent: Let me look. | call a lookup | call b lookup | result b 2 | result a 1
         100 > tts1 say 2 Done.
         100 audio 2 300
         100 close llm1
         100 turn Completed 0 0 0 0 0 0 100
         100 end 2
         900 Agent 1 = Let me look.
         900 Agent 2 = Done.",
    );
}

#[test]
fn a_slow_tool_is_bridged_with_words_that_are_no_part_of_the_conversation() {
    check(
        single(),
        "starts 0\nfinishes 0 500\nstt1 final what\nstt1 flushed
         llm1 call a
         llm1 tools
         +1500 say One moment, please.
         cached One_moment,_please. 400
         +500 heard 1
         result a 1
         llm1 text Done.
         llm1 done",
        "0 > stt1 flush
         0 ask llm1: caller: what
         0 Caller = what
         0 tool a lookup
         1500 look One moment, please.
         1500 audio 1 400
         1500 end 1
         2000 Agent 1 = One moment, please.
         2000 close llm1
         2000 ask llm1: caller: what | call a lookup | result a 1
         2000 > tts1 say 2 Done.",
    );
}

#[test]
fn words_tell_turn_taking_whether_they_are_complete() {
    let speakable = Speakable { language: "en".into(), ..Speakable::default() };
    let mut run = Run::new(CascadeConfig { speakable, ..single() });
    run.play("started\nopen stt1\nopen tts1\nstarts 0\nstt1 interim I would like to\nstt1 final I would like to book a table.");
    let expected = ["I would like to", "I would like to book a table."].map(|text| completeness(text, "en"));
    assert!(expected[0] < 0.5 && expected[1] > 0.5, "{expected:?}");
    let [first, second] = expected.map(|value| format!("Completeness({value:?})"));
    assert_eq!(run.hints, [first.as_str(), "Words(Other)", second.as_str(), "Words(Other)"]);
}

#[test]
fn a_session_that_takes_over_knows_the_tools_and_answers_when_a_result_comes() {
    let call = |id: &str| Past::ToolCalled { call_id: id.into(), name: "lookup".into(), arguments: "{}".into() };
    let past = [
        Past::Said(Role::Caller, "what".into()),
        call("a"),
        call("b"),
        Past::ToolAnswered { call_id: "a".into(), output: "1".into() },
    ];
    let mut run = Run::of(CascadeSession::resume(single(), 7, past));
    run.play("started\nopen stt1\nopen tts1");
    run.log.clear();
    run.play("result b 2");
    run.expect("0 ask llm1: caller: what | call a lookup | call b lookup | result a 1 | result b 2");
}

#[test]
fn keys_are_answered_as_one_message() {
    check(
        single(),
        "key 1\nkey 2\nkey #\nllm1 text Twelve.\nllm1 done",
        "0 ask llm1: caller: (caller pressed 12#)\n0 > tts1 say 1 Twelve.",
    );
}

#[test]
fn what_is_typed_is_answered() {
    check(
        single(),
        "typed Two pizzas.\nllm1 text Which ones?\nllm1 done",
        "0 ask llm1: caller: Two pizzas.\n0 > tts1 say 1 Which ones?",
    );
}

#[test]
fn pieces_by_request_are_said_in_order_whichever_comes_first() {
    let mut run = Run::new(fake::config(&["utt1"], &["llm1"], &["http1"]));
    run.play("started");
    // The newest link of the name is the second piece's.
    run.play("starts 0\naudio 3\nfinishes 0 500\nutt1 final hello\nover utt1\nllm1 text One. Two. Three.\nllm1 done\nhttp1 audio 0 200\nover http1");
    let log = run.log.join("\n");
    assert!(!log.contains(" audio "), "{log}");
    assert!(
        log.contains("60 ask utt1: 480 octets") && log.contains("ask http1: One.") && log.contains("ask http1: Two."),
        "{log}"
    );
    assert!(!log.contains("ask http1: Three."), "only one piece is asked for ahead: {log}");
}

#[test]
fn a_long_answer_is_not_made_faster_than_it_is_heard() {
    let mut run = Run::new(single());
    run.play("started\nopen stt1\nopen tts1\nstarts 0\nfinishes 0 500\nstt1 final go\nstt1 flushed");
    run.play("llm1 text One. Two. Three. Four. Five.\nllm1 done");
    run.play("tts1 audio 1 6000\ntts1 done 1\ntts1 audio 2 6000\ntts1 done 2\ntts1 audio 3 6000\ntts1 done 3");
    let log = run.log.join("\n");
    assert!(log.contains("say 3 Three.") && !log.contains("say 4 Four."), "{log}");
    // 18 s were given out: 10 s are ahead after 8.
    run.play("+7990");
    run.log.clear();
    run.play("+20");
    run.expect("8000 > tts1 say 4 Four.\n8000 > tts1 say 5 Five.");
}

#[test]
fn the_filler_is_made_when_nothing_else_is_to_be_said() {
    let mut run =
        Run::new(CascadeConfig { first_message: Some("Hello.".into()), filler: Some("One moment.".into()), ..single() });
    run.play(
        "ringing\nopen stt1\nopen tts1\ncached One_moment. 0\ncached Hello. 700\nspoken 0 900\nstarted\ncached One_moment. 0",
    );
    run.play("tts1 audio 2 600\ntts1 done 2\n+700 heard 1\nstarts 0\nfinishes 0 600\nstt1 final hello\nstt1 flushed\n+1500");
    run.expect(
        "0 connect stt1
         0 connect tts1
         0 look One moment.
         0 look Hello.
         0 synthesize 0 One moment.
         0 audio 1 700
         0 turn Completed - - - 0 - 0 0
         0 look One moment.
         0 end 1
         0 > tts1 say 2 One moment.
         0 keep One moment. 600
         700 Agent 1 = Hello.
         700 > stt1 flush
         700 ask llm1: agent: Hello. | caller: hello
         700 Caller = hello
         2200 audio 2 600
         2200 end 2",
    );
}
