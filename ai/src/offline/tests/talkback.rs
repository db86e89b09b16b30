//! The caller's own words, frame by frame; and silence.

use super::*;

#[track_caller]
fn check(script: &str, expected: &str) {
    super::check(Mode::Talkback, script, expected);
}

/// The numbers of the frames in what was played back.
fn frames(sound: &Bytes) -> Vec<u8> {
    sound.chunks(160).map(|frame| frame[0]).collect()
}

#[test]
fn a_turn_is_played_back() {
    check("2000 s500 2000", "0:say(Hello) 3100:sound(1100)");
}

#[test]
fn what_is_typed_is_talked_back_and_cuts_what_was_said() {
    check("500 whi 2000 wthere 500", "0:say(Hello) 500:say(You wrote: hi) 2500:say(You wrote: there)");
}

#[test]
fn it_is_exactly_what_was_received_from_300_ms_before_to_300_ms_after() {
    let mut scene = Scene::new(config(Mode::Talkback));
    scene.play("2000 s500 2000");
    // Speech in frames 100 to 124; 15 more on both sides.
    assert_eq!(frames(&scene.sounds[0]), (85..140).collect::<Vec<u8>>());
    assert!(scene.sounds[0].chunks(160).all(|frame| frame.iter().all(|octet| octet == &frame[0])));
}

#[test]
fn a_turn_that_began_long_before_it_was_told_is_whole() {
    let mut scene = Scene::new(config(Mode::Talkback));
    scene.play("2000");
    let at = scene.now();
    scene.run(3_000);
    scene.input(Input::CallerStarted { at });
    scene.act("f");
    assert_eq!(frames(&scene.sounds[0]), (85..=255).chain(0..9).collect::<Vec<u8>>()[..180]);
}

#[test]
fn a_turn_at_the_very_start_has_what_there_is() {
    let mut scene = Scene::new(config(Mode::Talkback));
    scene.play("100 s500 600");
    assert_eq!(frames(&scene.sounds[0]), (0..45).collect::<Vec<u8>>());
}

#[test]
fn after_two_hours_the_past_is_still_bounded() {
    let mut scene = Scene::new(config(Mode::Talkback));
    scene.input(Input::Started);
    let frame = Arc::new(PcmFrame::silence(Codec::Pcmu));
    for _ in 0..360_000 {
        scene.engine.handle_input(scene.start, Input::Audio(Arc::clone(&frame)));
    }
    assert_eq!(scene.engine.hearing.past().len(), 2_400);
    assert!(scene.engine.hearing.held() < 64_000);
}

#[test]
fn only_the_first_60_s_of_a_turn_are_kept() {
    let mut scene = Scene::new(config(Mode::Talkback));
    scene.play("2000 s70000");
    assert_eq!(scene.sounds[0].len(), 60 * 8_000);
    assert_eq!(frames(&scene.sounds[0])[..3], [85, 86, 87]);
}

#[test]
fn a_turn_before_the_greeting_ends_is_answered_after_it() {
    check("200 s80 2000", "0:say(Hello) 1000:sound(580)");
}

#[test]
fn an_answer_that_is_interrupted_is_dropped_and_the_new_turn_answered() {
    check("2000 s500 500 i 500 f 3000", "0:say(Hello) 3100:sound(1100) 4700:sound(1100)");
}

#[test]
fn remarks_are_said_and_the_caller_goes_on_being_heard() {
    check("2000 q 2000 s500 3000", "0:say(Hello) 2000:say(Still there?) 5100:sound(1100)");
    check("2000 g 2000", "0:say(Hello) 2000:say(Goodbye.)");
    check("2000 g 500 i 500 f 3000", "0:say(Hello) 2000:say(Goodbye.) 3600:sound(1100)");
}

#[test]
fn a_remark_that_comes_too_late_is_not_made() {
    check("500 q 2000", "0:say(Hello)");
    check("2000 i q 500 f q 2000", "0:say(Hello) 3100:sound(1100)");
}

#[test]
fn the_last_words_come_after_what_plays_and_in_place_of_the_rest() {
    check("500 t 3000", "0:say(Hello) 1000:say(Goodbye.)");
    check("2000 i 500 t 3000", "0:say(Hello) 2500:say(Goodbye.)");
}

#[test]
fn nobody_is_asked_unless_told_to() {
    check("60000", "0:say(Hello)");
}

#[test]
fn transcripts_tell_what_was_heard_and_turns_how_they_ended() {
    let config = OfflineConfig { greeting: "one two three four five".to_owned(), ..OfflineConfig::default() };
    let mut engine = OfflineSession::new(config, PromptId(3));
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let drain = |engine: &mut OfflineSession| {
        let mut seen = Vec::new();
        while let Some(output) = engine.poll_output() {
            if let Output::Transcript { prompt, text, is_final, .. } = &output {
                seen.push(format!("{prompt:?} {}{}", text.as_str(), if *is_final { "" } else { ", to be said" }));
            }
            if let Output::TurnDone { outcome, timings, .. } = &output {
                seen.push(format!("{outcome:?} {:?}", timings.done.map(|done| done - start)));
            }
        }
        seen
    };
    engine.handle_input(at(0), Input::Started);
    drain(&mut engine);
    let audio = Bytes::from_static(&[0; 8_000]);
    engine.handle_input(at(100), Input::Synthesized { request: 0, result: Ok(audio) });
    let promised = vec!["Some(PromptId(3)) one two three four five, to be said".to_owned()];
    assert_eq!((drain(&mut engine), engine.next_prompt()), (promised, PromptId(4)));
    // A prompt of the engine before this one is none of ours.
    engine.handle_input(at(200), Input::PromptFinished { prompt: PromptId(2) });
    assert_eq!(drain(&mut engine), [""; 0]);
    let heard = Duration::from_millis(450);
    engine.handle_input(at(550), Input::BargeInCommitted { prompt: PromptId(3), heard });
    assert_eq!(drain(&mut engine), ["Some(PromptId(3)) one two", "Interrupted Some(550ms)"]);
}

#[test]
fn the_answer_knows_when_the_caller_was_last_heard() {
    let mut engine = OfflineSession::new(config(Mode::Talkback), PromptId(0));
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    engine.handle_input(at(0), Input::Started);
    engine.handle_input(at(0), Input::Synthesized { request: 0, result: Ok(Bytes::from_static(&[0; 80])) });
    engine.handle_input(at(10), Input::PromptFinished { prompt: PromptId(0) });
    engine.handle_input(at(20), Input::Audio(Arc::new(PcmFrame::silence(Codec::Pcmu))));
    engine.handle_input(at(20), Input::CallerStarted { at: at(0) });
    engine.handle_input(at(620), Input::CallerFinished { last_speech_at: at(20), speech: FRAME });
    engine.handle_input(at(700), Input::PromptFinished { prompt: PromptId(1) });
    let turns: Vec<_> = std::iter::from_fn(|| engine.poll_output())
        .filter_map(|output| match output {
            Output::TurnDone { timings, .. } => Some((timings.last_speech_at, timings.first_audio)),
            _ => None,
        })
        .collect();
    assert_eq!(turns, [(None, Some(at(0))), (Some(at(20)), Some(at(620)))]);
}
