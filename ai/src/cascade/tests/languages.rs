//! The caller's language, where it is to be found out.

use super::*;
use crate::language::Language;

fn auto(voice: &str) -> CascadeConfig {
    CascadeConfig { language: Language::Auto, ..fake::config(&["stt1"], &["llm1"], &[voice]) }
}

#[test]
fn the_model_is_told_and_the_voice_follows() {
    check(
        auto("tts1"),
        "starts 0
         finishes 0 500
         stt1 final-de guten Tag
         stt1 flushed
         llm1 text 20 % Rabatt. Ja",
        "0 > stt1 flush
         0 language de
         0 ask llm1: The caller speaks German: answer in German. | caller: guten Tag
         0 Caller = guten Tag
         0 > tts1 say 1 20 Prozent Rabatt.",
    );
}

#[test]
fn a_voice_whose_socket_tells_the_language_gets_another_socket() {
    let mut run = Run::new(auto("ttsbound"));
    run.play("started\nopen stt1\nopen ttsbound");
    run.log.clear();
    run.play("starts 0\nfinishes 0 500\nstt1 final-de guten Tag");
    run.expect(
        "0 > stt1 flush
         0 close ttsbound
         0 connect ttsbound
         0 language de
         0 ask llm1: The caller speaks German: answer in German. | caller: guten Tag",
    );
}

#[test]
fn a_voice_at_work_gets_another_socket_when_it_is_done() {
    let mut run = Run::new(auto("ttsbound"));
    run.play("started\nopen stt1\nopen ttsbound");
    run.log.clear();
    run.play(
        "remark still_there Are you still there?
         cached Are_you_still_there? 0
         stt1 final-de guten Tag
         ttsbound audio 1 20
         ttsbound done 1",
    );
    run.expect(
        "0 look Are you still there?
         0 > ttsbound say 1 Are you still there?
         0 language de
         0 audio 1 20
         0 close ttsbound
         0 connect ttsbound
         0 keep Are you still there? 20
         0 turn Completed - - - 0 - 0 0
         0 end 1",
    );
}

#[test]
fn a_language_that_was_chosen_stays() {
    check(
        single(),
        "starts 0\nfinishes 0 500\nstt1 final-de guten Tag\nstt1 flushed",
        "0 > stt1 flush\n0 ask llm1: caller: guten Tag\n0 Caller = guten Tag",
    );
}
