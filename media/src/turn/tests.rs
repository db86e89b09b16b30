//! Turn-taking by table: what the caller and the agent do, and what was decided when.

// Virtual time needs one instant to count from.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use super::*;

mod echo;
mod evidence;
mod sequences;

/// One frame by its letter.
///
/// `s` speech; `w` weak, between the thresholds of the model; `q` quiet, between those of the level; `e` as loud as an
/// echo of the agent; `n` noise, loud and not speech; `.` silence.
fn frame(letter: char) -> VadFrame {
    let (speech_probability, level) = match letter {
        's' => (0.9, -25.0),
        'w' => (0.4, -25.0),
        'q' => (0.9, -56.0),
        'e' => (0.9, -44.0),
        'n' => (0.2, -25.0),
        '.' => (0.1, -60.0),
        other => panic!("no frame is called {other}"),
    };
    let origin = crate::frame::FrameOrigin::Received;
    VadFrame { speech_probability, level: Dbov(level), noise_floor: Dbov(-60.0), origin, pitch_hz: None }
}

/// `"3s 2."` is `sss..`.
fn letters(script: &str) -> Vec<char> {
    let run = |part: &str| {
        let (count, letter) = part.split_at(part.len() - 1);
        letter.repeat(count.parse().unwrap())
    };
    script.split_whitespace().map(run).collect::<String>().chars().collect()
}

/// A plain timer, as most of these tables want: what the evidence changes has tests of its own.
fn timer() -> TurnConfig {
    let (endpoint_silence, endpoint_silence_min) = (ms(600), ms(600));
    TurnConfig { echo_return_loss_db: 20.0, endpoint_silence, endpoint_silence_min, idle_prompt: ms(0), ..TurnConfig::default() }
}

struct Scene {
    detector: TurnDetector,
    /// Whether `CallerPaused` and `CallerResumed` are noted too.
    pauses: bool,
    seen: Vec<String>,
    start: Instant,
}

impl Scene {
    fn new(config: TurnConfig) -> Self {
        config.validate().unwrap();
        Self { detector: TurnDetector::new(config), pauses: false, seen: Vec::new(), start: Instant::now() }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn drain(&mut self, ms: u64) {
        let since = |at: Instant| at.duration_since(self.start).as_millis();
        while let Some(event) = self.detector.poll_event() {
            if !self.pauses && matches!(event, TurnEvent::CallerPaused { .. } | TurnEvent::CallerResumed) {
                continue;
            }
            self.seen.push(match event {
                TurnEvent::BargeInCommitted => format!("{ms}:BargeInCommitted"),
                TurnEvent::BargeInResumed { reason } => format!("{ms}:BargeInResumed({reason:?})"),
                TurnEvent::BargeInStarted { at } => format!("{ms}:BargeInStarted({})", since(at)),
                TurnEvent::CallerFinished { last_speech_at, speech } => {
                    format!("{ms}:CallerFinished({},{})", since(last_speech_at), speech.as_millis())
                }
                TurnEvent::CallerGone { since: then } => format!("{ms}:CallerGone({})", since(then)),
                TurnEvent::CallerPaused { last_speech_at } => format!("{ms}:CallerPaused({})", since(last_speech_at)),
                TurnEvent::CallerResumed => format!("{ms}:CallerResumed"),
                TurnEvent::CallerSilent { since: then } => format!("{ms}:CallerSilent({})", since(then)),
                TurnEvent::CallerStarted { at } => format!("{ms}:CallerStarted({})", since(at)),
            });
        }
    }

    fn agent(&mut self, ms: u64, audio: AgentAudio) {
        self.detector.handle_agent(self.at(ms), audio);
        self.drain(ms);
    }

    fn frame(&mut self, ms: u64, letter: char) {
        self.detector.handle_frame(self.at(ms), frame(letter));
        self.drain(ms);
    }

    /// Frames end at 20, 40, ... ms. The agent's line (`a` speaks) is told at the beginning of the frame.
    fn play(mut self, caller: &str, agent: &str) -> String {
        let (caller, mut agent) = (letters(caller), letters(agent));
        agent.resize(caller.len(), '.');
        let mut speaking = false;
        for (index, (&caller, &agent)) in caller.iter().zip(&agent).enumerate() {
            let ms = index as u64 * 20;
            if speaking != (agent == 'a') {
                speaking = agent == 'a';
                self.agent(ms, if speaking { AgentAudio::Started } else { AgentAudio::Finished });
            }
            self.frame(ms + 20, caller);
        }
        self.seen.join(" ")
    }
}

#[track_caller]
fn check_with(config: TurnConfig, caller: &str, agent: &str, expected: &str) {
    assert_eq!(Scene::new(config).play(caller, agent), expected);
}

#[track_caller]
fn check(caller: &str, agent: &str, expected: &str) {
    check_with(timer(), caller, agent, expected);
}

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

#[test]
fn a_sentence_is_a_turn() {
    check("2. 20s 40.", "", "120:CallerStarted(40) 1040:CallerFinished(440,400)");
}

#[test]
fn silence_is_no_turn() {
    check("500.", "", "");
}

#[test]
fn a_click_is_no_turn() {
    check("2. 3s 60. 3s 60.", "", "");
}

#[test]
fn clicks_do_not_add_up() {
    check("3s 12. 3s 12. 3s 60.", "", "");
}

#[test]
fn a_halting_start_adds_up() {
    check("3s 11. 1s 40.", "", "300:CallerStarted(0) 900:CallerFinished(300,80)");
}

#[test]
fn short_pause_keeps_the_turn() {
    check("10s 29. 10s 30.", "", "80:CallerStarted(0) 1580:CallerFinished(980,400)");
}

#[test]
fn a_long_pause_makes_two_turns() {
    check(
        "10s 30. 10s 30.",
        "",
        "80:CallerStarted(0) 800:CallerFinished(200,200) 880:CallerStarted(800) 1600:CallerFinished(1000,200)",
    );
}

#[test]
fn noise_is_no_turn() {
    check("100n", "", "");
}

#[test]
fn weak_and_quiet_frames_keep_a_turn_and_do_not_make_one() {
    check("10w 10q", "", "");
    check("10s 5w 5q 30.", "", "80:CallerStarted(0) 1000:CallerFinished(400,400)");
}

#[test]
fn an_endless_turn_is_cut_and_the_next_begins() {
    let config = TurnConfig { max_utterance: ms(1_000), ..timer() };
    check_with(
        config,
        "60s 30.",
        "",
        "80:CallerStarted(0) 1000:CallerFinished(1000,1000) 1080:CallerStarted(1000) 1800:CallerFinished(1200,200)",
    );
}

#[test]
fn an_interruption_pauses_at_once_and_is_committed() {
    check(
        "10. 40s 30.",
        "35a",
        "220:BargeInStarted(200) 700:BargeInCommitted 700:CallerStarted(200) 1600:CallerFinished(1000,800)",
    );
}

#[test]
fn a_commit_ends_the_agent_even_if_nobody_says_so() {
    check(
        "25s 30. 10s",
        "65a",
        "20:BargeInStarted(0) 500:BargeInCommitted 500:CallerStarted(0) 1100:CallerFinished(500,500) \
         1180:CallerStarted(1100)",
    );
}

#[test]
fn a_backchannel_is_taken_back() {
    check("10. 20s 60.", "90a", "220:BargeInStarted(200) 840:BargeInResumed(Backchannel)");
}

#[test]
fn a_backchannel_of_two_syllables_is_one() {
    check("10s 5. 10s 60.", "90a", "20:BargeInStarted(0) 740:BargeInResumed(Backchannel)");
}

#[test]
fn a_cough_is_taken_back_as_noise() {
    check("10. 5s 60.", "90a", "220:BargeInStarted(200) 540:BargeInResumed(Noise)");
}

#[test]
fn a_pause_can_ask_for_more_than_one_frame() {
    let config = TurnConfig { barge_in_pause: ms(40), ..timer() };
    check_with(config, "10. 1s 60. 1s 20.", "100a", "");
    check_with(config, "10. 2s", "100a", "240:BargeInStarted(200)");
}

#[test]
fn an_interruption_after_a_backchannel_is_a_new_one() {
    check(
        "10s 20. 25s 30.",
        "55a",
        "20:BargeInStarted(0) 440:BargeInResumed(Backchannel) 620:BargeInStarted(600) 1100:BargeInCommitted \
         1100:CallerStarted(600) 1700:CallerFinished(1100,500)",
    );
}

#[test]
fn without_interruptions_only_what_follows_the_agent_counts() {
    let config = TurnConfig { interruptions: Interruptions::Disabled, ..timer() };
    check_with(config, "10. 40s 30.", "60a", "");
    check_with(config, "10. 60s 30.", "60a", "1280:CallerStarted(1200) 2000:CallerFinished(1400,200)");
}

#[test]
fn the_echo_of_the_agent_does_not_interrupt_it() {
    check("50e", "50a", "");
}

#[test]
fn the_tail_of_the_echo_is_no_turn_and_what_follows_is() {
    // Silent from 200 ms on: the tail ends at 500 ms.
    check("40e 40.", "10a", "580:CallerStarted(500) 1400:CallerFinished(800,300)");
}

#[test]
fn an_echo_that_paused_the_agent_is_taken_back() {
    check("3s 5e 40.", "50a", "20:BargeInStarted(0) 300:BargeInResumed(Noise)");
}

#[test]
fn a_softer_agent_can_be_interrupted_more_softly() {
    let mut scene = Scene::new(timer());
    scene.agent(0, AgentAudio::Level(Dbov(-30.0)));
    assert_eq!(scene.play("4e", "4a"), "20:BargeInStarted(0)");
}

#[test]
fn an_agent_that_ends_while_paused_leaves_the_turn_to_the_caller() {
    check(
        "10s 30.",
        "6a",
        "20:BargeInStarted(0) 120:BargeInResumed(AgentFinished) 120:CallerStarted(0) 800:CallerFinished(200,200)",
    );
}

#[test]
fn speech_across_the_end_of_the_agent_counts_from_its_start() {
    let config = TurnConfig { barge_in_pause: ms(100), ..timer() };
    check_with(config, "6. 10s 30.", "10a", "200:CallerStarted(120) 920:CallerFinished(320,200)");
}

#[test]
fn an_agent_that_talks_over_the_caller_is_interrupted_within_the_same_turn() {
    check("40s 30.", "5. 25a", "80:CallerStarted(0) 120:BargeInStarted(100) 600:BargeInCommitted 1400:CallerFinished(800,800)");
}

#[test]
fn a_turn_that_ends_under_the_agent_is_reported() {
    check("10s 40.", "12. 38a", "80:CallerStarted(0) 800:CallerFinished(200,200)");
}

#[test]
fn an_endpoint_shorter_than_the_resume_silence_does_not_open_a_second_turn() {
    let config = TurnConfig { endpoint_silence: ms(100), endpoint_silence_min: ms(100), ..timer() };
    check_with(config, "10s 6. 1s 30.", "", "80:CallerStarted(0) 300:CallerFinished(200,200)");
}

#[test]
fn a_second_prompt_is_no_new_start() {
    let mut scene = Scene::new(TurnConfig { barge_in_pause: ms(40), ..timer() });
    scene.agent(0, AgentAudio::Started);
    scene.frame(20, 's');
    scene.agent(20, AgentAudio::Started);
    scene.frame(40, 's');
    assert_eq!(scene.seen, ["40:BargeInStarted(0)"]);
}

#[test]
fn timeouts_end_what_is_open_when_frames_stop() {
    let mut scene = Scene::new(timer());
    assert_eq!(scene.detector.poll_timeout(), None);
    for frame in 1..=4 {
        scene.frame(frame * 20, 's');
    }
    // Half of the wait is a pause.
    assert_eq!(scene.detector.poll_timeout(), Some(scene.at(380)));
    scene.detector.handle_timeout(scene.at(380));
    scene.drain(380);
    assert_eq!(scene.detector.poll_timeout(), Some(scene.at(680)));
    scene.detector.handle_timeout(scene.at(679));
    scene.drain(679);
    scene.agent(679, AgentAudio::Started);
    scene.detector.handle_timeout(scene.at(680));
    scene.drain(680);
    assert_eq!(scene.seen, ["80:CallerStarted(0)", "680:CallerFinished(80,80)"]);

    for frame in 35..=36 {
        scene.frame(frame * 20, 's');
    }
    assert_eq!(scene.detector.poll_timeout(), Some(scene.at(960)));
    scene.detector.handle_timeout(scene.at(960));
    scene.drain(960);
    assert_eq!(scene.seen[2..], ["700:BargeInStarted(680)", "960:BargeInResumed(Noise)"]);
    assert_eq!(scene.detector.poll_timeout(), None);
}

#[test]
fn a_turn_cut_off_long_ago_ends_before_a_new_frame_counts() {
    let mut scene = Scene::new(timer());
    for frame in 1..=4 {
        scene.frame(frame * 20, 's');
    }
    scene.frame(5_000, 's');
    assert_eq!(scene.seen, ["80:CallerStarted(0)", "5000:CallerFinished(80,80)"]);
}
