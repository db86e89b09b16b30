//! Answers that are begun before the caller's turn is over.

use super::*;

#[test]
fn the_gap_is_the_sum_of_the_providers_delays() {
    // Transcript 150 ms, first token 200 ms, first audio 100 ms, all from the end of the speech; the turn is decided meanwhile.
    let mut run = Run::new(single());
    run.play(
        "started\nopen stt1\nopen tts1
         +1000 starts 200
         audio 10
         pauses 0
         +150 stt1 final hello
         stt1 flushed
         +200 llm1 text Hi there.\nllm1 done
         +50 finishes 400 1000
         +50 tts1 audio 1 500",
    );
    let ended = 1_200;
    assert_eq!(run.first_audio().unwrap() - ended, 450, "{:?}", run.log);
}

#[test]
fn what_is_ready_early_goes_out_with_the_decision() {
    check(
        single(),
        "starts 0\naudio 5
         pauses 0
         stt1 final hello\nstt1 flushed
         llm1 text Hi.\nllm1 done
         tts1 audio 1 500\ntts1 done 1
         +500 finishes 500 100
         +500 heard 1",
        "100 > stt1 800 octets
         100 > stt1 flush
         100 ask llm1: caller: hello
         100 > tts1 say 1 Hi.
         600 Caller = hello
         600 early used
         600 audio 1 500
         600 close llm1
         600 turn Completed 100 600 100 100 100 600 600
         600 end 1
         1100 Agent 1 = Hi.",
    );
}

#[test]
fn who_goes_on_voids_what_was_begun() {
    check(
        single(),
        "starts 0\naudio 5
         pauses 0\nstt1 final hello\nstt1 flushed
         llm1 text Hi.\nllm1 done
         +100 resumes
         audio 5
         pauses 0\nstt1 final my friend\nstt1 flushed
         finishes 0 300",
        "100 > stt1 800 octets
         100 > stt1 flush
         100 ask llm1: caller: hello
         100 > tts1 say 1 Hi.
         200 close llm1
         200 > tts1 cancel 1
         200 early wasted
         300 > stt1 800 octets
         300 > stt1 flush
         300 ask llm1: caller: hello my friend
         300 Caller = hello my friend
         300 early used",
    );
}

#[test]
fn at_most_three_are_wasted_in_a_turn() {
    let mut run = Run::new(single());
    run.play("started\nopen stt1\nopen tts1\nstarts 0");
    for word in ["a", "b", "c", "d", "e"] {
        run.play(&format!("audio 1\npauses 0\nstt1 final {word}\nstt1 flushed\nresumes"));
    }
    run.play("pauses 0\nstt1 final f\nstt1 flushed\nfinishes 0 300");
    let asked: Vec<&String> = run.log.iter().filter(|line| line.contains("ask llm1")).collect();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(asked[3].ends_with("caller: a b c d e f"), "{asked:?}");
    assert_eq!(run.log.iter().filter(|line| line.ends_with("early wasted")).count(), 3);
}

#[test]
fn a_providers_own_end_of_turn_begins_early_and_is_a_hint() {
    let mut run = Run::new(fake::config(&["flux1"], &["llm1"], &["tts1"]));
    run.play("started\nopen flux1\nopen tts1");
    run.log.clear();
    run.play(
        "starts 0
         flux1 final hello\nflux1 eager
         +100 flux1 resumed
         +100 flux1 final friend\nflux1 end
         +100 finishes 300 500",
    );
    run.expect(
        "0 hint ProviderEnded
         0 ask llm1: caller: hello
         100 hint ProviderResumed
         100 close llm1
         100 early wasted
         200 hint ProviderEnded
         200 ask llm1: caller: hello friend
         300 Caller = hello friend
         300 early used",
    );
}

#[test]
fn tools_do_not_run_before_the_turn_is_over() {
    check(
        single(),
        "starts 0\npauses 0\nstt1 final what\nstt1 flushed
         llm1 call a\nllm1 tools
         +500 finishes 0 300",
        "0 > stt1 flush
         0 ask llm1: caller: what
         500 Caller = what
         500 early used
         500 tool a lookup",
    );
}

#[test]
fn late_words_are_waited_for_and_then_done_without() {
    check(
        single(),
        "starts 0\nstt1 interim hello th\nfinishes 0 300\n+2000\nstt1 final hello there\nstt1 flushed",
        "0 > stt1 flush
         1500 ask llm1: caller: hello th
         1500 Caller = hello th",
    );
}
