//! What the agent says of its own accord.

use super::*;

#[test]
fn a_question_is_said_kept_and_part_of_the_conversation() {
    check(
        single(),
        "remark still_there Are you still there?
         cached Are_you_still_there? 0
         tts1 audio 1 900
         tts1 done 1
         +900 heard 1
         starts 0
         finishes 0 500
         stt1 final yes
         stt1 flushed",
        "0 look Are you still there?
         0 > tts1 say 1 Are you still there?
         0 audio 1 900
         0 keep Are you still there? 900
         0 turn Completed - - - 0 - 0 0
         0 end 1
         900 Agent 1 = Are you still there?
         900 > stt1 flush
         900 ask llm1: agent: Are you still there? | caller: yes
         900 Caller = yes",
    );
}

#[test]
fn the_model_finds_the_words_where_there_are_none() {
    check(
        single(),
        "remark gone
         llm1 text Bye, then.
         llm1 done
         tts1 audio 1 500
         tts1 done 1",
        "0 ask llm1: caller: (The caller still says nothing. The call ends now: say goodbye in a few words.)
         0 > tts1 say 1 Bye, then.
         0 audio 1 500
         0 close llm1
         0 turn Completed - - - 0 0 0 0
         0 end 1",
    );
}

#[test]
fn a_caller_who_speaks_makes_it_void() {
    check(single(), "starts 0\nremark still_there Hello?", "");
    check(
        single(),
        "remark still_there Hello?\ncached Hello? 0\n+100 starts 0",
        "0 look Hello?
         0 > tts1 say 1 Hello?
         100 > tts1 cancel 1
         100 turn Interrupted - - - 0 - - 100",
    );
}

#[test]
fn what_was_heard_of_it_is_what_counts() {
    check(
        single(),
        "remark closing One two three four.
         cached One_two_three_four. 2000
         +1000 barge 1 1000
         starts 0",
        "0 look One two three four.
         0 audio 1 2000
         0 turn Completed - - - 0 - 0 0
         0 end 1
         1000 Agent 1 = One two",
    );
}

#[test]
fn the_last_words_take_the_place_of_what_is_being_made() {
    check(
        single(),
        "starts 0
         finishes 0 500
         stt1 final hi
         stt1 flushed
         llm1 text One two three. And
         remark time_up Goodbye.
         cached Goodbye. 0
         tts1 audio 2 500
         tts1 done 2",
        "0 > stt1 flush
         0 ask llm1: caller: hi
         0 Caller = hi
         0 > tts1 say 1 One two three.
         0 close llm1
         0 > tts1 cancel 1
         0 turn Interrupted 0 0 0 0 0 - 0
         0 look Goodbye.
         0 > tts1 say 2 Goodbye.
         0 audio 2 500
         0 keep Goodbye. 500
         0 turn Completed - - - 0 - 0 0
         0 end 2",
    );
}

#[test]
fn who_left_is_not_told_the_rest() {
    check(
        single(),
        "starts 0
         finishes 0 500
         stt1 final who is it
         stt1 flushed
         llm1 text It is Ann. And
         remark not_taken
         llm1 text They left.
         llm1 done
         tts1 audio 2 500
         tts1 done 2",
        "0 > stt1 flush
         0 ask llm1: caller: who is it
         0 Caller = who is it
         0 > tts1 say 1 It is Ann.
         0 close llm1
         0 > tts1 cancel 1
         0 turn Interrupted 0 0 0 0 0 - 0
         0 ask llm1: caller: who is it | caller: (The person who was to take the call has left the line. You speak with the caller \
         again, who was on hold and heard nothing. Say in one short sentence that it did not work, and ask how you can help.)
         0 > tts1 say 2 They left.
         0 audio 2 500
         0 close llm1
         0 turn Completed - - - 0 0 0 0
         0 end 2",
    );
}

#[test]
fn it_is_busy_until_all_was_given_out_and_not_while_only_tools_run() {
    let mut run = Run::new(single());
    run.play("started\nopen stt1\nopen tts1");
    let mut after = |script: &str, expected: bool| {
        run.play(script);
        assert_eq!(run.session.is_busy(), expected, "{script}: {:?}", run.log);
    };
    after("starts 0", false);
    after("finishes 0 500", true);
    after("stt1 final hi\nstt1 flushed", true);
    after("llm1 text Bye.\nllm1 call c1\nllm1 tools", true);
    after("tts1 audio 1 500", true);
    after("tts1 done 1", false);
    after("remark farewell Goodbye.", true);
    after("cached Goodbye. 700", false);
}
