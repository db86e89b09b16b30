//! Every way a stage fails: the caller hears something within three seconds, and the next provider goes on where the first stopped.

use super::*;

/// Asserts that the caller heard something within 3 s of the end of the turn, and who was named.
fn heard(script: &str, named: &[&str]) -> Run {
    let mut run = Run::new(double());
    run.play("ringing\ncached One_moment. 0\nspoken 0 800\nstarted\nopen stt1\nopen tts1\n+1000 starts 0\naudio 5");
    let from = run.ms;
    run.play(script);
    run.play("+4000");
    let first = run.first_audio().unwrap_or_else(|| panic!("nothing was heard: {:#?}", run.log));
    assert!(first <= from + 3_000, "{first}: {:#?}", run.log);
    let lines = run.log.iter().filter_map(|line| line.split_once(' ')).map(|(_, line)| line);
    let failures: Vec<&str> =
        lines.filter(|line| ["transcriber ", "model ", "voice "].iter().any(|stage| line.starts_with(stage))).collect();
    assert!(failures.starts_with(named), "{failures:?}");
    run
}

const ASKED: &str = "finishes 0 600\nstt1 final hello\nstt1 flushed\n";

fn has(run: &Run, line: &str) {
    assert!(run.log.iter().any(|known| known.contains(line)), "no {line:?} in {:#?}", run.log);
}

#[test]
fn a_transcriber_that_stalls_is_replaced_and_given_the_turn_again() {
    let named = ["transcriber stt1 transcript_timeout, replaced"];
    let run = heard("finishes 0 600\n+1600 open stt2\nstt2 final hello\nstt2 flushed\n", &named);
    has(&run, "> stt2 800 octets");
    has(&run, "> stt2 flush");
    has(&run, "ask llm1: caller: hello");
}

#[test]
fn a_transcriber_that_is_reset_is_tried_again_and_then_replaced() {
    let script = "closed stt1\n+200\nclosed stt1\n+10 open stt2\nfinishes 0 600\nstt2 final hello\nstt2 flushed\n";
    let run = heard(script, &["transcriber stt1 closed", "transcriber stt1 closed, replaced"]);
    has(&run, "> stt2 800 octets");
}

#[test]
fn a_transcriber_that_talks_nonsense_is_tried_again() {
    let script = "stt1 garbage\n+200\nopen stt1\nfinishes 0 600\nstt1 final hello\nstt1 flushed\n";
    has(&heard(script, &["transcriber stt1 protocol"]), "caller: hello");
}

#[test]
fn a_transcriber_that_drips_is_replaced_and_its_words_must_do_where_there_is_no_other() {
    let dripping = "started\nopen tts1\nstarts 0\naudio 5\nfinishes 0 600\nutt1 interim hel\n+1500 ";
    let mut run = Run::new(fake::config(&["utt1", "stt2"], &["llm1"], &["tts1"]));
    run.play(&format!("{dripping}open stt2\nstt2 final hello\nstt2 flushed"));
    has(&run, "transcriber utt1 transcript_timeout, replaced");
    has(&run, "> stt2 800 octets");
    has(&run, "ask llm1: caller: hello");
    let mut run = Run::new(fake::config(&["utt1"], &["llm1"], &["tts1"]));
    run.play(dripping);
    has(&run, "1600 ask llm1: caller: hel");
}

#[test]
fn a_model_that_stalls_is_bridged_and_replaced() {
    let script = format!("{ASKED}+3000 llm2 text Hi.\nllm2 done\ntts1 audio 1 500\ntts1 done 1");
    let run = heard(&script, &["model llm1 first_token_timeout, replaced"]);
    has(&run, "audio 1 800");
    has(&run, "audio 2 500");
}

#[test]
fn a_model_that_is_limited_is_asked_again_and_replaced() {
    let script = format!("{ASKED}limited llm1\n+200\nlimited llm1\nllm2 text Hi.\nllm2 done\ntts1 audio 1 500");
    let run = heard(&script, &["model llm1 rate_limited", "model llm1 rate_limited, replaced"]);
    has(&run, "ask llm2: caller: hello");
}

#[test]
fn a_model_that_talks_nonsense_or_nothing_is_asked_again() {
    let script = format!("{ASKED}llm1 garbage\n+200\nllm1 done\nllm2 text Hi.\nllm2 done\ntts1 audio 1 500");
    let run = heard(&script, &["model llm1 protocol", "model llm1 protocol, replaced"]);
    has(&run, "ask llm2: caller: hello");
}

#[test]
fn an_answer_that_breaks_off_is_gone_on_with_and_not_repeated() {
    let script = format!(
        "{ASKED}llm1 text One two. Three
         tts1 audio 1 500\ntts1 done 1
         closed llm1\n+200\nllm1 text  four.\nllm1 done"
    );
    let run = heard(&script, &["model llm1 closed"]);
    has(&run, "ask llm1: caller: hello | agent: One two. Three | caller: (Your last answer was cut off here.");
    has(&run, "say 2 Three four.");
}

#[test]
fn an_answer_that_breaks_off_unheard_is_made_anew() {
    let script = format!("{ASKED}llm1 text One two. Three\nclosed llm1\n+200\nllm1 text Four.\nllm1 done\ntts1 audio 2 500");
    let run = heard(&script, &["model llm1 closed"]);
    has(&run, "> tts1 cancel 1");
    has(&run, "say 2 Four.");
}

#[test]
fn a_voice_that_stalls_is_replaced() {
    let script = format!("{ASKED}llm1 text Hi.\nllm1 done\n+2000 open tts2\ntts2 audio 1 500\ntts2 done 1");
    let run = heard(&script, &["voice tts1 first_audio_timeout, replaced"]);
    has(&run, "> tts2 say 1 Hi.");
    // The filler came first, and prompts are numbered as they are heard.
    has(&run, "audio 2 800");
    has(&run, "audio 3 500");
}

#[test]
fn a_voice_that_breaks_off_is_replaced_where_it_was() {
    let script = format!(
        "{ASKED}llm1 text One two three four five six. Seven.\nllm1 done
         tts1 audio 1 1000
         closed tts1\n+200\nclosed tts1\nopen tts2"
    );
    let run = heard(&script, &["voice tts1 closed", "voice tts1 closed, replaced"]);
    // A second is about fifteen characters.
    has(&run, "> tts2 say 3 four five six.");
    has(&run, "> tts2 say 2 Seven.");
}

#[test]
fn a_voice_that_drips_is_late_when_the_caller_hears_nothing() {
    let mut script = format!("{ASKED}llm1 text One two three four five six.\nllm1 done\n");
    (0..30).for_each(|_| script.push_str("+100 tts1 audio 1 10\n"));
    has(&heard(&script, &["voice tts1 next_audio_timeout, replaced"]), "connect tts2");
}

#[test]
fn a_voice_without_a_sound_has_failed() {
    heard(&format!("{ASKED}llm1 text Hi.\nllm1 done\ntts1 done 1\n"), &["voice tts1 protocol"]);
    heard(&format!("{ASKED}llm1 text Hi.\nllm1 done\ntts1 cannot 1\n"), &["voice tts1 reported"]);
    heard(&format!("{ASKED}llm1 text Hi.\nllm1 done\ntts1 garbage 1\n"), &["voice tts1 protocol"]);
}

#[test]
fn when_nobody_is_left_the_session_fails_once_and_closes_all() {
    check(
        single(),
        "starts 0\nfinishes 0 600\nstt1 final hello\nstt1 flushed\n+4000\n+4000\nstarts 0",
        "0 > stt1 flush
         0 ask llm1: caller: hello
         0 Caller = hello
         3000 close llm1
         3000 model llm1 first_token_timeout
         3000 close tts1
         3000 > stt1 bye
         3000 close stt1
         3000 failed no model provider is left",
    );
}

#[test]
fn sockets_that_do_not_open_are_late() {
    let mut run = Run::new(double());
    run.play("started\n+1000");
    has(&run, "transcriber stt1 connect_timeout, replaced");
    has(&run, "voice tts1 connect_timeout, replaced");
    has(&run, "connect tts2");
}

#[test]
fn a_provider_that_all_calls_saw_failing_is_not_asked() {
    let config = double();
    (0..5).for_each(|_| config.responders[0].breaker.failed(Instant::now() + Duration::from_secs(3_600)));
    let mut run = Run::new(config);
    run.play("started\nopen stt1\nopen tts1\nstarts 0\nfinishes 0 600\nstt1 final hello\nstt1 flushed");
    has(&run, "ask llm2: caller: hello");
}

/// The breakers of `stages`, of any number of providers each, opened as by other calls just before the start.
fn left_alone(config: CascadeConfig, stages: &str) -> CascadeConfig {
    let at = Instant::now() + Duration::from_secs(3_600);
    let CascadeConfig { transcribers, responders, synthesizers, .. } = &config;
    let breakers = |stage: &str| -> Vec<_> {
        match stage {
            "stt" => transcribers.iter().map(|member| &member.breaker).collect(),
            "llm" => responders.iter().map(|member| &member.breaker).collect(),
            _ => synthesizers.iter().map(|member| &member.breaker).collect(),
        }
    };
    stages.split(' ').flat_map(breakers).for_each(|breaker| (0..5).for_each(|_| breaker.failed(at)));
    config
}

fn greeting(config: CascadeConfig) -> CascadeConfig {
    CascadeConfig { first_message: Some("Hello.".into()), ..config }
}

#[test]
fn a_cached_greeting_is_heard_when_nobody_may_be_asked_and_who_may_later_is() {
    let mut run = Run::new(left_alone(greeting(single()), "stt llm tts"));
    run.play("ringing\ncached Hello. 800\n+100 started\n+800 heard 1");
    run.expect(
        "0 look Hello.
         100 audio 1 800
         100 turn Completed - - - 0 - 100 100
         100 end 1
         900 Agent 1 = Hello.",
    );
    run.log.clear();
    // A cool-down is 15 s, and up to a half more.
    while !(run.links.contains_key("stt1") && run.links.contains_key("tts1")) {
        run.play("+100");
        assert!(run.ms <= 22_500, "{:?}", run.log);
    }
    run.play("open stt1\nopen tts1\nstarts 0\naudio 5\nfinishes 0 600\nstt1 final hi\nstt1 flushed");
    has(&run, "> stt1 800 octets");
    has(&run, "ask llm1: agent: Hello. | caller: hi");
    run.play("llm1 text Ho.\nllm1 done\ntts1 audio 2 500");
    has(&run, "audio 2 500");
}

#[test]
fn a_stage_that_is_needed_and_that_nobody_may_be_asked_for_costs_the_engine() {
    let of = |stage: &str| {
        let mut run = Run::new(left_alone(greeting(single()), stage));
        run.play("ringing\ncached Hello. 800\nstarted");
        has(&run, "audio 1 800");
        for socket in ["stt1", "tts1"] {
            if run.links.contains_key(socket) {
                run.play(&format!("open {socket}"));
            }
        }
        run.play("+900 heard 1");
        run.log.clear();
        run.play("starts 0\naudio 5\nfinishes 0 600");
        if stage != "stt" {
            run.play("+150 stt1 final hi\nstt1 flushed");
        }
        if stage == "tts" {
            run.play("+200 llm1 text Ho.\nllm1 done");
        }
        let failed = run.log.iter().position(|line| line.contains(" failed no ")).unwrap_or_else(|| panic!("{:#?}", run.log));
        run.log.truncate(failed + 1);
        run
    };
    let run = of("stt");
    has(&run, "1000 transcriber stt1 left_alone");
    has(&run, "1000 failed no transcriber provider is left");
    has(&of("llm"), "1150 failed no model provider is left");
    has(&of("tts"), "1350 failed no voice provider is left");
}

#[test]
fn a_greeting_that_nobody_can_say_costs_the_engine_at_once() {
    let mut run = Run::new(left_alone(greeting(single()), "tts"));
    run.play("ringing\ncached Hello. 0");
    has(&run, "0 voice tts1 left_alone");
    has(&run, "0 failed no voice provider is left");
}

#[test]
fn words_that_came_before_nobody_was_left_are_answered() {
    let mut run = Run::new(fake::config(&["stt1"], &["llm1"], &["tts1"]));
    run.play("started\nopen stt1\nopen tts1\nstarts 0\naudio 5\nstt1 final hello\nclosed stt1\n+200\nclosed stt1");
    run.play("audio 5\nfinishes 0 600\n+1500");
    has(&run, "ask llm1: caller: hello");
}

#[test]
fn a_try_of_another_call_is_waited_for() {
    let config = left_alone(greeting(single()), "tts");
    // Another call has leave to try it.
    let breaker = Arc::clone(&config.synthesizers[0].breaker);
    assert!(breaker.allow(Instant::now() + Duration::from_secs(3_599) + Duration::from_millis(23_500)));
    let mut run = Run::new(config);
    run.play("ringing\ncached Hello. 0\n+600");
    assert!(!run.links.contains_key("tts1"), "{:?}", run.log);
    breaker.succeeded();
    run.play("+500");
    has(&run, "connect tts1");
}

#[test]
fn who_is_told_when_to_come_back_asks_another_at_once() {
    let script = format!("{ASKED}limited llm1 1000\nllm2 text Hi.\nllm2 done\ntts1 audio 1 500");
    let run = heard(&script, &["model llm1 rate_limited, replaced"]);
    let breaker = &run.session.config.responders[0].breaker;
    assert!(!breaker.allow(run.start + Duration::from_millis(1_099 + 999)), "it is to be left alone");
}

#[test]
fn who_is_told_when_to_come_back_waits_where_there_is_no_other() {
    let asked = "starts 0\nfinishes 0 600\nstt1 final hello\nstt1 flushed\n";
    let mut run = Run::new(single());
    run.play(&format!("started\nopen stt1\nopen tts1\n{asked}limited llm1 1000\n+1000"));
    assert_eq!(run.log.iter().filter(|line| line.contains("ask llm1")).count(), 1, "{:?}", run.log);
    run.play("+100");
    assert_eq!(run.log.iter().filter(|line| line.contains("ask llm1")).count(), 2, "{:?}", run.log);
    // Longer than a caller can wait for first words.
    let mut run = Run::new(single());
    run.play(&format!("started\nopen stt1\nopen tts1\n{asked}limited llm1 3001"));
    has(&run, "model llm1 rate_limited");
    has(&run, "failed no model provider is left");
}

#[test]
fn a_voice_or_transcriber_that_is_limited_is_waited_for_too() {
    let mut run = Run::new(single());
    run.play("started\nlimited stt1 1000\nlimited tts1 1000\n+1000");
    run.log.clear();
    run.play("+100");
    has(&run, "connect stt1");
    has(&run, "connect tts1");
}

#[test]
fn a_provider_that_all_calls_are_to_leave_alone_is_not_asked_in_a_call_that_runs() {
    let config = double();
    let breaker = Arc::clone(&config.responders[0].breaker);
    let mut run = Run::new(config);
    run.play("started\nopen stt1\nopen tts1\nstarts 0\nfinishes 0 600\nstt1 final hello\nstt1 flushed");
    run.play("llm1 text Hi.\nllm1 done\ntts1 audio 1 500\ntts1 done 1\n+500 heard 1");
    breaker.rest(run.now(), Duration::from_secs(20));
    run.play("starts 0\nfinishes 0 600\nstt1 final and\nstt1 flushed");
    has(&run, "model llm1 left_alone, replaced");
    has(&run, "ask llm2: caller: hello | agent: Hi. | caller: and");
}

#[test]
fn a_model_that_drips_is_late_when_its_words_are_spoken() {
    let mut script = ASKED.to_owned();
    (0..30).for_each(|_| script.push_str("+200 llm1 text x\n"));
    has(&heard(&script, &["model llm1 next_token_timeout, replaced"]), "ask llm2: caller: hello");
}

#[test]
fn a_filler_is_heard_and_not_remembered() {
    let answer = "llm1 text Hi.\nllm1 done\ntts1 audio 1 500\ntts1 done 1\n+500 heard 2";
    let run = heard(&format!("{ASKED}+1600\n{answer}\nheard 1\nstarts 0\nfinishes 0 600\nstt1 final and\nstt1 flushed"), &[]);
    has(&run, "Agent 1 = One moment.");
    has(&run, "ask llm1: caller: hello | agent: Hi. | caller: and");
}

#[test]
fn who_asks_again_is_answered_by_another() {
    let again = "starts 0\nfinishes 0 600\nstt1 final hello?\nstt1 flushed\nllm2 text Hi.\nllm2 done\ntts1 audio 1 500";
    let run = heard(&format!("{ASKED}+2000\n{again}"), &["model llm1 first_token_timeout, replaced"]);
    has(&run, "ask llm2: caller: hello | caller: hello?");
    let soon = heard(&format!("{ASKED}+1000\n{}", again.replace("llm2", "llm1")), &[]);
    has(&soon, "ask llm1: caller: hello | caller: hello?");
}
