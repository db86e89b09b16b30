//! How the voice, the words and the provider move the end of a turn; words that decide interruptions; a line where nobody speaks.

use super::*;

/// A voiced frame at this pitch.
fn voiced(hz: f32) -> VadFrame {
    VadFrame { pitch_hz: Some(hz), ..frame('s') }
}

/// A detector that heard a voice around 200 Hz end in `end`, and fall silent at `ms`.
fn after_phrase(config: TurnConfig, end: &[f32]) -> (Scene, u64) {
    let mut scene = Scene::new(config);
    scene.pauses = true;
    let melody = (0..60).map(|index| 200.0 + 15.0 * f32::from(index as u8 % 9) - 60.0);
    let mut ms = 0;
    for hz in melody.chain(end.iter().copied()) {
        ms += 20;
        scene.detector.handle_frame(scene.at(ms), voiced(hz));
        scene.drain(ms);
    }
    scene.seen.clear();
    (scene, ms)
}

fn be_silent(scene: &mut Scene, from: u64, frames: u64) {
    for index in 1..=frames {
        scene.frame(from + index * 20, '.');
    }
}

const FALLING: [f32; 8] = [190.0, 180.0, 170.0, 160.0, 152.0, 146.0, 141.0, 138.0];
const LEVEL: [f32; 8] = [205.0; 8];

#[test]
fn a_voice_that_fell_is_answered_sooner_than_one_that_stayed_up() {
    let wait = |end: &[f32]| {
        let (mut scene, ms) = after_phrase(TurnConfig::default(), end);
        be_silent(&mut scene, ms, 70);
        let waits: Vec<u64> =
            scene.seen.iter().map(|event| event.split(':').next().unwrap().parse::<u64>().unwrap() - ms).collect();
        assert_eq!(waits.len(), 2, "paused, then finished: {:?}", scene.seen);
        (waits[0], waits[1])
    };
    let (fell, stayed) = (wait(&FALLING), wait(&LEVEL));
    assert!(fell.1 <= 560 && stayed.1 >= 900, "fell {fell:?}, stayed {stayed:?}");
    // Half of the wait, in whole frames.
    assert!(fell.0.abs_diff(fell.1 / 2) <= 20 && stayed.0.abs_diff(stayed.1 / 2) <= 20, "fell {fell:?}, stayed {stayed:?}");
}

#[test]
fn the_wait_stays_between_its_bounds_and_a_shortest_above_the_longest_is_a_timer() {
    let eager = TurnConfig { eagerness: Eagerness::of(9.0), ..timer() };
    for (config, wait) in [
        (TurnConfig { endpoint_silence_min: ms(240), ..eager }, 240),
        (TurnConfig { eagerness: Eagerness::of(-9.0), endpoint_silence_min: ms(240), ..eager }, 600),
        (TurnConfig { endpoint_silence_min: ms(900), ..eager }, 600),
    ] {
        let (mut scene, at) = after_phrase(config, &LEVEL);
        be_silent(&mut scene, at, 60);
        assert!(scene.seen[1].starts_with(&format!("{}:CallerFinished", at + wait)), "{wait}: {:?}", scene.seen);
    }
}

#[test]
fn speech_after_a_pause_takes_it_back_and_each_pause_has_one_outcome() {
    let (mut scene, at) = after_phrase(TurnConfig::default(), &LEVEL);
    be_silent(&mut scene, at, 40);
    scene.frame(at + 820, 's');
    be_silent(&mut scene, at + 820, 80);
    let kinds: Vec<&str> = scene.seen.iter().map(|event| event.split([':', '(']).nth(1).unwrap()).collect();
    assert_eq!(kinds, ["CallerPaused", "CallerResumed", "CallerPaused", "CallerFinished"]);
}

#[test]
fn frames_that_stop_in_mid_speech_wait_for_the_longest() {
    let (mut scene, at) = after_phrase(TurnConfig::default(), &FALLING);
    scene.detector.handle_timeout(scene.at(at + 1_399));
    scene.drain(at + 1_399);
    assert_eq!(scene.seen.len(), 1, "{:?}", scene.seen);
    scene.detector.handle_timeout(scene.at(at + 1_400));
    scene.drain(at + 1_400);
    assert!(scene.seen[1].contains("CallerFinished"), "{:?}", scene.seen);
}

/// The wait after a level end when these hints come 100 ms into the silence.
fn wait_with(hints: &[TurnHint]) -> u64 {
    let (mut scene, at) = after_phrase(TurnConfig::default(), &LEVEL);
    be_silent(&mut scene, at, 5);
    for &hint in hints {
        scene.detector.handle_hint(scene.at(at + 100), hint);
        scene.drain(at + 100);
    }
    be_silent(&mut scene, at + 100, 80);
    let end = scene.seen.iter().find(|event| event.contains("CallerFinished")).unwrap();
    end.split(':').next().unwrap().parse::<u64>().unwrap() - at
}

#[test]
fn words_and_providers_move_the_end() {
    let voice = wait_with(&[]);
    let complete = wait_with(&[TurnHint::Completeness(0.95)]);
    assert!(complete < voice / 2, "{complete} of {voice}");
    assert_eq!(wait_with(&[TurnHint::Completeness(0.05)]), 1_400);
    assert_eq!(wait_with(&[TurnHint::Completeness(0.05), TurnHint::Completeness(0.95)]), complete, "the last word counts");
    assert_eq!(wait_with(&[TurnHint::Completeness(f32::NAN)]), voice);
    assert_eq!(wait_with(&[TurnHint::ProviderEnded]), 200);
    assert_eq!(wait_with(&[TurnHint::ProviderEnded, TurnHint::ProviderResumed]), voice);
}

#[test]
fn words_of_before_say_nothing_after_more_speech() {
    let (mut scene, at) = after_phrase(TurnConfig::default(), &LEVEL);
    scene.detector.handle_hint(scene.at(at), TurnHint::ProviderEnded);
    for index in 1..=20 {
        scene.detector.handle_frame(scene.at(at + index * 20), voiced(205.0));
        scene.drain(at + index * 20);
    }
    be_silent(&mut scene, at + 400, 25);
    assert!(scene.seen.iter().all(|event| !event.contains("CallerFinished")), "{:?}", scene.seen);
}

#[test]
fn a_hint_without_a_turn_is_forgotten() {
    let mut scene = Scene::new(timer());
    for hint in [TurnHint::ProviderEnded, TurnHint::Completeness(1.0), TurnHint::Words(Spoken::Command)] {
        scene.detector.handle_hint(scene.at(0), hint);
        scene.drain(0);
    }
    assert_eq!(scene.play("10s 40.", ""), "80:CallerStarted(0) 800:CallerFinished(200,200)");
}

/// The agent speaks; the caller makes a sound of `letters`; after it come words.
fn words_after(letters: &str, words: Spoken, more: &str) -> String {
    let mut scene = Scene::new(timer());
    scene.agent(0, AgentAudio::Started);
    let mut at = 0;
    for letter in super::letters(letters) {
        at += 20;
        scene.frame(at, letter);
    }
    scene.detector.handle_hint(scene.at(at), TurnHint::Words(words));
    scene.drain(at);
    for letter in super::letters(more) {
        at += 20;
        scene.frame(at, letter);
    }
    scene.seen.join(" ")
}

#[test]
fn a_command_commits_at_once_even_when_the_pause_was_taken_back() {
    assert_eq!(words_after("8s", Spoken::Command, "1."), "20:BargeInStarted(0) 160:BargeInCommitted 160:CallerStarted(0)");
    assert_eq!(
        words_after("8s 20.", Spoken::Command, "20."),
        "20:BargeInStarted(0) 400:BargeInResumed(Backchannel) 560:BargeInStarted(0) 560:BargeInCommitted 560:CallerStarted(0) \
         760:CallerFinished(160,160)"
    );
}

#[test]
fn a_command_that_no_sound_began_is_the_agents_own_voice() {
    assert_eq!(words_after("8.", Spoken::Command, "40."), "");
    assert_eq!(words_after("8s 90.", Spoken::Command, "1."), "20:BargeInStarted(0) 400:BargeInResumed(Backchannel)");
}

#[test]
fn a_backchannel_in_words_resumes_at_once_and_may_go_on_for_a_while() {
    assert_eq!(
        words_after("20s", Spoken::Backchannel, "20s 20."),
        "20:BargeInStarted(0) 400:BargeInResumed(Backchannel)",
        "more of the same"
    );
    assert_eq!(
        words_after("20s", Spoken::Backchannel, "30s"),
        "20:BargeInStarted(0) 400:BargeInResumed(Backchannel) 900:BargeInStarted(400) 920:BargeInCommitted 920:CallerStarted(400)",
        "and then something else"
    );
    assert_eq!(words_after("8s", Spoken::Other, "1."), "20:BargeInStarted(0)");
}

#[test]
fn without_interruptions_words_change_nothing() {
    let mut scene = Scene::new(TurnConfig { interruptions: Interruptions::Disabled, ..timer() });
    scene.agent(0, AgentAudio::Started);
    scene.frame(20, 's');
    scene.detector.handle_hint(scene.at(20), TurnHint::Words(Spoken::Command));
    scene.drain(20);
    assert_eq!(scene.seen, Vec::<String>::new());
}

#[test]
fn a_line_where_nobody_speaks_is_told_and_given_up() {
    let config = TurnConfig { idle_prompt: ms(2_000), idle_prompts_max: 2, ..timer() };
    check_with(config, "450.", "", "2000:CallerSilent(0) 4000:CallerSilent(0) 6000:CallerGone(0)");
    check_with(TurnConfig { idle_prompts_max: 0, ..config }, "450.", "", "2000:CallerGone(0)");
    check_with(TurnConfig { idle_prompt: ms(0), ..config }, "450.", "", "");
    // From the agent's last word; while it speaks, nobody waits.
    check_with(config, "200.", "60a", "3200:CallerSilent(1200)");
    // After the caller's turn it is the agent's to speak.
    check_with(config, "10s 300.", "", "80:CallerStarted(0) 800:CallerFinished(200,200)");
    // A caller who speaks again is asked again as often.
    check_with(
        config,
        "110. 10s 440.",
        "170. 10a",
        "2000:CallerSilent(0) 2280:CallerStarted(2200) 3000:CallerFinished(2400,200) 5600:CallerSilent(3600) \
         7600:CallerSilent(3600) 9600:CallerGone(3600)",
    );
}

#[test]
fn a_restarted_detector_that_hears_no_frame_still_wakes_for_a_silent_caller() {
    let mut scene = Scene::new(TurnConfig { idle_prompt: ms(2_000), ..timer() });
    scene.agent(0, AgentAudio::Started);
    scene.agent(500, AgentAudio::Finished);
    assert_eq!(scene.detector.poll_timeout(), Some(scene.at(2_500)));
    scene.detector.handle_timeout(scene.at(2_500));
    scene.drain(2_500);
    assert_eq!(scene.seen, ["2500:CallerSilent(500)"]);
}
