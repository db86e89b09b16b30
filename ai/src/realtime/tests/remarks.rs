//! What the agent says of its own accord.

use super::*;

#[test]
fn a_question_is_said_word_for_word_and_part_of_the_conversation() {
    check(
        "remark still_there Hello?
         created r1
         words r1 i1 Hello?
         delta r1 i1 4000
         audiodone r1 i1
         done r1 completed
         +500 heard 0",
        "0 > create response-1: Say exactly this to the caller, word for word, and nothing else: Hello?
         0 Agent 0 +Hello?
         0 audio 0 4000
         0 end 0
         0 turn Completed - - 0 0 0 0
         500 Agent 0 =Hello?",
    );
}

#[test]
fn the_model_finds_the_words_where_there_are_none() {
    check(
        "remark gone",
        "0 > user: (The caller still says nothing. The call ends now: say goodbye in a few words.)
         0 > create response-1",
    );
}

#[test]
fn a_caller_who_speaks_makes_it_void() {
    check("starts 0\nremark still_there Hello?", "");
    check(
        "remark still_there Hello?\nstarts 0",
        "0 > create response-1: Say exactly this to the caller, word for word, and nothing else: Hello?
         0 > cancel
         0 turn Interrupted - - 0 - - 0",
    );
    let mut run = Run::new(silent());
    run.play("started\nremark still_there Hello?\nstarts 0\nconnected");
    run.expect("0 connect\n0 > session.update");
}

#[test]
fn the_last_words_take_the_place_of_what_is_being_made() {
    check(
        "starts 0
         audio 3
         finishes 0
         created r1
         delta r1 i1 80
         remark time_up Bye.
         done r1 cancelled client_cancelled",
        "60 > append 480
         60 > commit
         60 > create response-1
         60 audio 0 80
         60 > cancel r1
         60 turn Interrupted 60 60 60 60 60 60
         60 end 0
         60 > create response-2: Say exactly this to the caller, word for word, and nothing else: Bye.",
    );
}

#[test]
fn it_is_busy_until_its_response_is_done_and_not_while_only_tools_run() {
    let mut run = Run::new(silent());
    run.play("started\nconnected");
    let mut after = |script: &str, expected: bool| {
        run.play(script);
        assert_eq!(run.session.is_busy(), expected, "{script}: {:?}", run.log);
    };
    after("starts 0\naudio 3", false);
    after("finishes 0", true);
    after("created r1\ndelta r1 i1 80\ncall r1 c1 completed", true);
    after("done r1 completed c1", false);
    after("remark farewell Goodbye.", true);
    after("created r2\ndone r2 completed", false);
}
