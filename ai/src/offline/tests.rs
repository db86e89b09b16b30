//! Whole calls with an offline agent, in virtual time.

#![allow(clippy::unwrap_used)]

mod talkback;

use std::sync::Arc;

use media::codec::Codec;
use media::frame::{FrameOrigin, PcmFrame};
use media::units::FRAME;

use super::*;
use crate::remark::Occasion;

/// A leg and a synthesizer around the engine. Every text takes a second to say, and no time to make.
struct Scene {
    engine: OfflineSession,
    log: Vec<String>,
    /// What the caller heard that was not made from text.
    sounds: Vec<Bytes>,
    playing: Option<(PromptId, u64, u64)>,
    ms: u64,
    start: Instant,
    synthesizer: Synthesizer,
}

#[derive(PartialEq)]
enum Synthesizer {
    Broken,
    Lost,
    Works,
}

impl Scene {
    fn new(config: OfflineConfig) -> Self {
        config.validate().unwrap();
        let engine = OfflineSession::new(config, PromptId(7));
        let (log, sounds, start) = (Vec::new(), Vec::new(), Instant::now());
        Self { engine, log, sounds, playing: None, ms: 0, start, synthesizer: Synthesizer::Works }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.ms)
    }

    fn input(&mut self, input: Input) {
        self.engine.handle_input(self.now(), input);
        self.drain();
    }

    fn drain(&mut self) {
        let mut was_made = false;
        while let Some(output) = self.engine.poll_output() {
            let ms = self.ms;
            match output {
                Output::Audio { prompt, audio } => {
                    let length = audio.len() as u64 / 8;
                    assert!(self.playing.is_none(), "one prompt at a time");
                    self.playing = Some((prompt, ms, ms + length));
                    if !was_made {
                        self.log.push(format!("{ms}:sound({length})"));
                        self.sounds.push(audio);
                    }
                }
                Output::Hangup { reason } => self.log.push(format!("{ms}:hangup({reason})")),
                Output::Synthesize { request, text } => {
                    self.log.push(format!("{ms}:say({})", text.as_str()));
                    let result = match self.synthesizer {
                        Synthesizer::Broken => Err(EngineError::Synthesizer { reason: "broken".to_owned() }),
                        Synthesizer::Lost => continue,
                        Synthesizer::Works => Ok(Bytes::from_static(&[0; 8_000])),
                    };
                    was_made = result.is_ok();
                    self.engine.handle_input(self.now(), Input::Synthesized { request, result });
                }
                Output::Voicemail { audio } => self.log.push(format!("{ms}:voicemail({})", audio.len() / 8)),
                Output::Warning { error } => self.log.push(format!("{ms}:warning({error})")),
                Output::PromptEnd { .. } | Output::Transcript { .. } | Output::TurnDone { .. } => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// Time passes, frame by frame. Frame `n` of the call is filled with octet `n`.
    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            let mut frame = PcmFrame::silence(Codec::Pcmu);
            frame.encoded.fill((self.ms / 20) as u8);
            frame.origin = FrameOrigin::Received;
            self.ms += FRAME.as_millis() as u64;
            if let Some((prompt, _, end)) = self.playing
                && self.ms >= end
            {
                self.playing = None;
                self.input(Input::PromptFinished { prompt });
            }
            self.input(Input::Audio(Arc::new(frame)));
            if self.engine.poll_timeout().is_some_and(|deadline| deadline <= self.now()) {
                self.engine.handle_timeout(self.now());
                self.drain();
            }
        }
    }

    fn interrupt(&mut self) {
        if let Some((prompt, start, _)) = self.playing.take() {
            let heard = Duration::from_millis(self.ms - start);
            self.input(Input::BargeInCommitted { prompt, heard });
        }
    }

    /// One word of a script; see [`check`].
    fn act(&mut self, word: &str) {
        let (verb, number) = word.split_at(1);
        match verb {
            "e" => self.input(Input::Ended { heard: None }),
            "f" => {
                let last_speech_at = self.now();
                self.run(600);
                self.input(Input::CallerFinished { last_speech_at, speech: Duration::from_millis(500) });
            }
            "i" => {
                self.interrupt();
                self.input(Input::CallerStarted { at: self.now() });
            }
            "g" => self.remark(Occasion::Gone),
            "w" => {
                self.interrupt();
                self.input(Input::Typed(number.into()));
            }
            "q" => self.remark(Occasion::StillThere),
            "t" => self.remark(Occasion::TimeUp),
            "k" => {
                self.interrupt();
                self.input(Input::Dtmf(number.chars().next().unwrap()));
            }
            "s" => {
                let at = self.now();
                self.run(80);
                self.input(Input::CallerStarted { at });
                self.run(number.parse::<u64>().unwrap() - 80);
                self.act("f");
            }
            _ => self.run(word.parse().unwrap()),
        }
    }

    fn remark(&mut self, occasion: Occasion) {
        let phrases = Phrases { still_there: "Still there?".to_owned(), ..Phrases::default() };
        self.input(Input::Remark(phrases.remark(occasion)));
    }

    fn play(&mut self, script: &str) -> String {
        self.input(Input::Started);
        script.split_whitespace().for_each(|word| self.act(word));
        self.log.join(" ")
    }
}

/// A script of `1000` (so many ms pass), `s500` (the caller speaks so long, and then is silent for 600 ms), `i` (the
/// caller interrupts and speaks on), `f` (and stops, silent for 600 ms), `k1` (presses a key; the leg stops playing), `whi` (types "hi"; likewise), `q`, `g` and
/// `t` (remarks: a question, that the caller is gone, that the time is up) and `e` (the call ends).
#[track_caller]
fn check(mode: Mode, script: &str, expected: &str) {
    assert_eq!(Scene::new(config(mode)).play(script), expected);
}

fn config(mode: Mode) -> OfflineConfig {
    OfflineConfig { mode, greeting: "Hello".to_owned(), ..OfflineConfig::default() }
}

fn menu() -> Mode {
    Mode::Menu(Menu {
        prompt: "Choose".to_owned(),
        choices: vec![
            ('1', Choice::Say("We open at nine".to_owned())),
            ('2', Choice::Voicemail),
            ('*', Choice::Repeat),
            ('0', Choice::HangUp),
        ],
        invalid: "Wrong key".to_owned(),
        no_input: "No key".to_owned(),
        mailbox: mailbox(),
        ..Menu::default()
    })
}

fn mailbox() -> Mailbox {
    Mailbox { prompt: "After the tone".to_owned(), thanks: "Thanks".to_owned(), ..Mailbox::default() }
}

#[test]
fn an_apology_is_said_and_the_call_ends() {
    let apology = Mode::Apology { text: "Sorry".to_owned() };
    check(apology.clone(), "5000", "0:say(Sorry) 1000:hangup(apology)");
    check(apology, "500 i 5000", "0:say(Sorry) 500:hangup(apology)");
}

#[test]
fn a_menu_answers_and_asks_again() {
    check(menu(), "2500 k1 4000", "0:say(Hello) 1000:say(Choose) 2500:say(We open at nine) 3500:say(Choose)");
    check(menu(), "2500 k* 1000", "0:say(Hello) 1000:say(Choose) 2500:say(Choose)");
    check(menu(), "2500 w* 1000", "0:say(Hello) 1000:say(Choose) 2500:say(Choose)");
    check(menu(), "2500 w** 500", "0:say(Hello) 1000:say(Choose)");
}

#[test]
fn a_key_during_the_prompt_is_taken() {
    check(menu(), "1500 k0 3000", "0:say(Hello) 1000:say(Choose) 1500:say(Goodbye.) 2500:hangup(menu)");
}

#[test]
fn a_key_during_the_greeting_skips_the_prompt() {
    check(menu(), "500 k0 3000", "0:say(Hello) 500:say(Goodbye.) 1500:hangup(menu)");
}

#[test]
fn wrong_keys_are_told_and_end_the_call() {
    check(
        menu(),
        "2500 k9 2500 k# 2500 k8 1500",
        "0:say(Hello) 1000:say(Choose) 2500:say(Wrong key) 3500:say(Choose) 5000:say(Wrong key) 6000:say(Choose) \
         7500:say(Goodbye.) 8500:hangup(no_choice)",
    );
}

#[test]
fn a_right_key_forgives_the_wrong_ones() {
    check(
        menu(),
        "2500 k9 100 k9 100 k* 100 k9 100",
        "0:say(Hello) 1000:say(Choose) 2500:say(Wrong key) 2600:say(Wrong key) 2700:say(Choose) 2800:say(Wrong key)",
    );
}

#[test]
fn no_key_is_asked_for_again_and_ends_the_call() {
    check(
        menu(),
        "30000",
        "0:say(Hello) 1000:say(Choose) 7000:say(No key) 8000:say(Choose) 14000:say(No key) 15000:say(Choose) \
         21000:say(Goodbye.) 22000:hangup(no_choice)",
    );
}

#[test]
fn speech_in_a_menu_stops_the_prompt_and_the_key_is_waited_for() {
    check(menu(), "1500 i 400 f 5200", "0:say(Hello) 1000:say(Choose) 7500:say(No key)");
}

#[test]
fn a_message_is_taken_until_the_pound_key() {
    check(
        Mode::Voicemail(mailbox()),
        "2400 500 s3000 k# 3000",
        // From 300 ms before the end of the tone, and the frame of that tick, to 300 ms after the last word.
        "0:say(Hello) 1000:say(After the tone) 2000:sound(400) 6500:voicemail(4120) 6500:say(Thanks) \
         7500:say(Goodbye.) 8500:hangup(voicemail)",
    );
}

#[test]
fn a_message_is_taken_until_silence() {
    check(
        Mode::Voicemail(mailbox()),
        "2400 s1000 8000",
        "0:say(Hello) 1000:say(After the tone) 2000:sound(400) 7400:voicemail(1620) 7400:say(Thanks) \
         8400:say(Goodbye.) 9400:hangup(voicemail)",
    );
}

#[test]
fn a_message_is_taken_until_the_longest() {
    let longest = Duration::from_secs(2);
    check(
        Mode::Voicemail(Mailbox { longest, ..mailbox() }),
        "2400 i 3000",
        "0:say(Hello) 1000:say(After the tone) 2000:sound(400) 4400:voicemail(2000) 4400:say(Thanks) \
         5400:say(Goodbye.)",
    );
}

#[test]
fn no_message_is_left_by_silence() {
    check(
        Mode::Voicemail(mailbox()),
        "10000",
        "0:say(Hello) 1000:say(After the tone) 2000:sound(400) 6400:say(Goodbye.) 7400:hangup(voicemail)",
    );
}

#[test]
fn a_caller_who_does_not_wait_for_the_tone_is_recorded() {
    check(
        Mode::Voicemail(mailbox()),
        "500 i 1000 f k#",
        // The rest of the greeting and the prompt is skipped; 300 ms before the first word, 1000 and 300 after.
        "0:say(Hello) 500:sound(400) 2100:voicemail(1600) 2100:say(Thanks)",
    );
}

#[test]
fn a_message_is_handed_over_when_the_caller_hangs_up() {
    check(
        Mode::Voicemail(mailbox()),
        "2400 s1000 e 9000",
        "0:say(Hello) 1000:say(After the tone) 2000:sound(400) 4000:voicemail(1620)",
    );
}

#[test]
fn a_menu_leads_to_voicemail() {
    check(
        menu(),
        "1500 k2 1400 s1000 k# 100",
        "0:say(Hello) 1000:say(Choose) 1500:say(After the tone) 2500:sound(400) 4500:voicemail(1620) 4500:say(Thanks)",
    );
}

#[test]
fn a_tone_stands_for_speech_that_cannot_be_made() {
    let mut scene = Scene::new(config(Mode::Apology { text: "Sorry".to_owned() }));
    scene.synthesizer = Synthesizer::Broken;
    assert_eq!(scene.play("2000"), "0:say(Sorry) 0:warning(speech synthesizer failed: broken) 0:sound(400) 400:hangup(apology)");
}

#[test]
fn a_lost_answer_of_the_synthesizer_does_not_hold_the_call() {
    let mut scene = Scene::new(config(Mode::Apology { text: "Sorry".to_owned() }));
    scene.synthesizer = Synthesizer::Lost;
    assert_eq!(
        scene.play("12000"),
        "0:say(Sorry) 10000:warning(speech synthesizer failed: no answer within 10 s) 10000:sound(400) \
         10400:hangup(apology)"
    );
}

#[test]
fn a_lost_end_of_a_prompt_does_not_hold_the_call() {
    let mut scene = Scene::new(config(Mode::Apology { text: "Sorry".to_owned() }));
    scene.input(Input::Started);
    scene.playing = None;
    scene.run(12_000);
    assert_eq!(scene.log, ["0:say(Sorry)", "11000:hangup(apology)"]);
}

#[test]
fn a_menu_asks_in_its_own_time_and_still_takes_leave() {
    check(menu(), "2500 q g 500 t 9000", "0:say(Hello) 1000:say(Choose) 3000:say(Goodbye.)");
    check(menu(), "500 t 9000", "0:say(Hello) 1000:say(Goodbye.)");
}

#[test]
fn a_message_that_is_being_taken_is_handed_over_when_the_time_is_up() {
    check(
        Mode::Voicemail(mailbox()),
        "2400 s1000 q t 9000",
        "0:say(Hello) 1000:say(After the tone) 2000:sound(400) 4000:voicemail(1620) 4000:say(Goodbye.)",
    );
}

#[test]
fn after_the_end_nothing_is_done() {
    check(menu(), "500 e k1 30000", "0:say(Hello)");
    let mut scene = Scene::new(config(menu()));
    assert_eq!(scene.engine.poll_timeout(), None);
    scene.input(Input::Dtmf('1'));
    assert_eq!(scene.log, [""; 0], "nor before the start");
}
