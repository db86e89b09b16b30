//! Silences, ends and what comes between, in virtual time.

#![allow(clippy::unwrap_used)]

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A script of words: `100` (so many ms pass), `silent`, `starts`, `finishes`, `key`, `types`, `hold`, `back`, `vad` (a new one), `closing`, `up`, `leave` (with a farewell), `hangup`
/// (without), and how it is on the line from then on: `busy`, `plays`, `tools`, `asked` (a turn without an answer) and `quiet`. What is
/// to be said takes a second to be heard, and nothing to be made. What came out, each with its time.
fn check(voice: Voice, script: &str, expected: &str) {
    let turn = TurnConfig { idle_prompt: 10_000 * MS, idle_prompts_max: 2, ..TurnConfig::default() };
    let mut play = Play::new(Manners::new(voice, &turn));
    script.split_whitespace().for_each(|word| play.act(word));
    assert_eq!(play.log.join(" "), expected, "{script}");
}

struct Play {
    manners: Manners,
    scene: Scene,
    start: Instant,
    ms: u32,
    /// What is said is heard then.
    heard: Option<u32>,
    log: Vec<String>,
}

impl Play {
    fn new(manners: Manners) -> Self {
        Self { manners, scene: Scene::default(), start: Instant::now(), ms: 0, heard: None, log: Vec::new() }
    }

    fn now(&self) -> Instant {
        self.start + self.ms * MS
    }

    fn act(&mut self, word: &str) {
        let now = self.now();
        match word {
            "silent" => self.manners.silent(),
            "starts" => self.manners.caller_started(),
            "finishes" => self.manners.caller_finished(now),
            "key" => self.manners.key_pressed(now),
            "types" => self.manners.typed(),
            "hold" => self.manners.held(),
            "back" => self.manners.resumed(now),
            "vad" => self.manners.caller_unknown(now),
            "closing" => self.manners.closing(),
            "up" => self.manners.time_up(now),
            "leave" => self.manners.leave(true),
            "hangup" => self.manners.leave(false),
            "busy" => self.scene.busy = true,
            "tools" => self.scene.tools = true,
            "asked" => self.scene.unanswered = true,
            "plays" => {
                self.scene.audible = true;
                self.manners.agent_began();
            }
            "quiet" => self.scene = Scene::default(),
            ms => return self.wait(ms.parse().unwrap()),
        }
        self.steps();
    }

    fn wait(&mut self, ms: u32) {
        let end = self.ms + ms;
        loop {
            let due = self.manners.poll_timeout().map(|at| ((at - self.start).as_millis() as u32).max(self.ms));
            let Some(next) = due.into_iter().chain(self.heard).min().filter(|next| *next <= end) else { break };
            self.ms = next;
            if self.heard.take_if(|at| *at <= next).is_some() {
                self.scene.audible = false;
            }
            self.steps();
            let again = self.manners.poll_timeout();
            assert!(again.is_none_or(|at| at > self.now()), "a timeout that was handled stays");
        }
        self.ms = end;
    }

    fn steps(&mut self) {
        while let Some(step) = self.manners.step(self.now(), self.scene) {
            let what = match step {
                Step::Say(occasion) => occasion.as_str(),
                Step::HangUp(cause) => cause.as_str(),
            };
            self.log.push(format!("{}:{what}", self.ms));
            if let Step::Say(_) = step {
                self.manners.handed_over();
                self.manners.agent_began();
                self.scene = Scene { audible: true, unanswered: false, ..self.scene };
                self.heard = Some(self.ms + 1_000);
            }
        }
    }
}

#[test]
fn who_types_is_not_asked_after_until_he_speaks() {
    check(Voice::Asks, "types silent 60000 silent 60000", "");
    check(Voice::Asks, "types starts finishes silent 100", "0:still_there");
}

#[test]
fn a_silent_caller_is_asked_twice_and_let_go_after_the_goodbye() {
    let asked = "10000:still_there 21000:still_there";
    check(Voice::Asks, "10000 silent 11000 silent", asked);
    check(Voice::Asks, "10000 silent 11000 silent 11000 silent 5000", &format!("{asked} 32000:gone 33000:caller_silent"));
}

#[test]
fn a_word_or_a_key_begins_the_count_anew() {
    check(
        Voice::Asks,
        "silent 5000 starts finishes plays quiet silent 5000 silent 2000",
        "0:still_there 5000:still_there 10000:still_there",
    );
    check(Voice::Asks, "silent 5000 silent 5000 key silent 2000", "0:still_there 5000:still_there 10000:still_there");
}

#[test]
fn who_speaks_into_the_goodbye_stays() {
    let gone = "0:still_there 2000:still_there 4000:gone";
    check(Voice::Asks, "silent 2000 silent 2000 silent 500 starts 5000", gone);
    check(Voice::Asks, "silent 2000 silent 2000 silent 500 key 5000", gone);
    check(
        Voice::Asks,
        "silent 2000 silent 2000 silent 500 starts finishes plays quiet silent",
        &format!("{gone} 4500:still_there"),
    );
}

#[test]
fn nobody_is_asked_while_somebody_is_at_work() {
    check(Voice::Asks, "busy silent 500 quiet 9000", "");
    check(Voice::Asks, "tools silent 9999 quiet 2", "10000:still_there");
    check(Voice::Asks, "starts silent 30000", "");
}

#[test]
fn a_turn_that_nobody_answers_is_followed_by_the_question_too() {
    check(Voice::Asks, "starts finishes 9999", "");
    check(Voice::Asks, "starts finishes 10001", "10000:still_there");
    check(Voice::Asks, "starts finishes 3000 plays 10000 quiet 5000", "");
}

#[test]
fn a_question_that_came_to_nothing_is_asked_again() {
    let turn = TurnConfig { idle_prompt: 10_000 * MS, idle_prompts_max: 1, ..TurnConfig::default() };
    let (mut manners, start) = (Manners::new(Voice::Asks, &turn), Instant::now());
    manners.silent();
    assert_eq!(manners.step(start, Scene::default()), Some(Step::Say(Occasion::StillThere)));
    manners.handed_over();
    let later = manners.poll_timeout().unwrap();
    assert_eq!(later, start + 10_000 * MS);
    assert_eq!(manners.step(later, Scene::default()), Some(Step::Say(Occasion::Gone)));
    assert_eq!(manners.step(later, Scene::default()), None, "the engine was not told yet");
    manners.handed_over();
    assert_eq!(manners.step(later, Scene::default()), Some(Step::HangUp(HangupCause::CallerSilent)));
    assert_eq!(manners.step(later, Scene::default()), None, "once");
}

#[test]
fn the_end_is_told_in_a_quiet_moment_and_its_last_words_are_heard() {
    check(Voice::Asks, "closing 3000 up 3000", "0:closing 3000:time_up 4000:max_duration");
    check(Voice::Asks, "plays closing 500 starts quiet 500 finishes 100", "1000:closing");
    check(Voice::Asks, "starts up 3000 finishes 5000", "3000:time_up 4000:max_duration");
}

#[test]
fn the_last_words_do_not_wait_for_ever_and_nothing_keeps_the_agent() {
    check(Voice::Asks, "starts up 20000", "8000:time_up 9000:max_duration");
    check(Voice::Asks, "plays up 7999", "");
    check(Voice::Asks, "up 500 starts key 5000", "0:time_up 1000:max_duration");
    check(Voice::Asks, "starts closing up 500 finishes 5000", "500:time_up 1500:max_duration");
}

#[test]
fn one_goodbye_will_do_unless_the_caller_stays() {
    let gone = "0:still_there 2000:still_there 4000:gone";
    check(Voice::Asks, "silent 2000 silent 2000 silent 500 up 5000", &format!("{gone} 5000:caller_silent"));
    let late = "12500:time_up 13500:max_duration";
    check(Voice::Asks, "silent 2000 silent 2000 silent 500 up starts 20000", &format!("{gone} {late}"));
}

#[test]
fn a_tool_that_ends_the_call_lets_the_goodbye_be_heard_or_says_one() {
    check(Voice::Asks, "plays leave 3000 quiet", "3000:agent_hangup");
    check(Voice::Asks, "busy leave 200 plays 900 quiet", "1100:agent_hangup");
    check(Voice::Asks, "asked leave 3000", "0:farewell 1000:agent_hangup");
    check(Voice::Asks, "asked hangup 3000", "0:agent_hangup");
}

#[test]
fn a_held_call_is_not_asked_for_and_not_hung_up() {
    check(Voice::Asks, "hold silent 60000 silent 60000", "");
    check(Voice::Asks, "silent 2000 hold silent 60000 back 9999", "0:still_there");
    check(Voice::Asks, "silent 2000 hold 60000 back 10001", "0:still_there 72000:still_there");
    let gone = "0:still_there 2000:still_there 4000:gone";
    check(Voice::Asks, "silent 2000 silent 2000 silent 500 hold 60000", gone);
    check(Voice::Asks, "hold closing 5000 back 1", "5000:closing");
}

#[test]
fn the_longest_call_and_who_takes_leave_do_not_wait_for_a_hold_to_end() {
    check(Voice::Asks, "hold 5000 up 5000", "5000:max_duration");
    check(Voice::Asks, "plays leave 1000 hold 5000", "1000:agent_hangup");
    check(Voice::Asks, "hold asked leave 5000", "0:agent_hangup");
}

#[test]
fn silence_after_a_key_is_asked_about_too() {
    check(Voice::Asks, "key 9999", "");
    check(Voice::Asks, "silent 2000 key 10001", "0:still_there 12000:still_there");
}

#[test]
fn who_spoke_when_turn_taking_began_anew_is_asked_for_again() {
    check(Voice::Asks, "starts 60000", "");
    check(Voice::Asks, "starts 5000 vad 9999 silent", "14999:still_there");
    check(Voice::Asks, "starts 5000 vad 10001", "15000:still_there");
}

#[test]
fn a_menu_is_not_asked_for_and_a_bot_says_nothing_at_all() {
    check(Voice::Leaves, "silent closing starts finishes 20000 up 2000", "20000:time_up 21000:max_duration");
    check(Voice::Mute, "silent closing plays up 2000", "0:max_duration");
}

#[test]
fn without_patience_nobody_is_asked() {
    let turn = TurnConfig { idle_prompt: Duration::ZERO, ..TurnConfig::default() };
    let mut manners = Manners::new(Voice::Asks, &turn);
    manners.silent();
    manners.caller_finished(Instant::now());
    assert_eq!((manners.step(Instant::now(), Scene::default()), manners.poll_timeout()), (None, None));
}
