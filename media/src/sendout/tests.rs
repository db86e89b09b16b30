//! Tests of sendout: words in, what went out and what was told out.

use proptest::prelude::*;

use super::*;

/// Runs `p1+400` push, `m7` mark, `f1` finish, `.` tick, `|` pause, `>` resume, `x` clear, `?1` heard.
///
/// A tick gives `A1` audio, `U1` underrun, `P` paused or `-`, with `+1` for started, `*1` for finished and `!7` for marked;
/// a mark that is reached at once stands alone.
fn check(script: &str, expected: &str) {
    let mut sendout = Sendout::new(Codec::Pcmu);
    let words: Vec<String> = script.split_whitespace().filter_map(|word| run(&mut sendout, word)).collect();
    assert_eq!(words.join(" "), expected);
}

fn run(sendout: &mut Sendout, word: &str) -> Option<String> {
    let (command, rest) = word.split_at(1);
    match command {
        "." => return Some(tick(sendout)),
        "|" => sendout.pause(),
        ">" => sendout.resume(),
        "x" => {
            return Some(
                sendout.clear().map_or("x".to_owned(), |heard| format!("x{}@{}", heard.prompt.0, heard.heard.as_millis())),
            );
        }
        "f" => sendout.finish(PromptId(rest.parse().unwrap())),
        "m" => {
            let taken = sendout.mark(rest.parse().unwrap());
            let told = events(sendout);
            return if taken { Some(told).filter(|told| !told.is_empty()) } else { Some("full".to_owned()) };
        }
        "?" => {
            let prompt = PromptId(rest.parse().unwrap());
            return Some(format!("{rest}@{}", sendout.heard(prompt).as_millis()));
        }
        _ => {
            let (prompt, octets) = rest.split_once('+').unwrap();
            let audio = vec![0x90; octets.parse().unwrap()];
            let refused = sendout.push(PromptId(prompt.parse().unwrap()), &audio);
            return (refused > 0).then(|| format!("refused{refused}"));
        }
    }
    None
}

fn tick(sendout: &mut Sendout) -> String {
    let mut frame = [0; FRAME_SAMPLES];
    let mut text = match sendout.next_frame(&mut frame) {
        SentFrame::Audio(prompt) => format!("A{}", prompt.0),
        SentFrame::Underrun(prompt) => format!("U{}", prompt.0),
        SentFrame::Paused => "P".to_owned(),
        SentFrame::Idle => "-".to_owned(),
    };
    if !text.starts_with('A') {
        assert_eq!(frame, [0xFF; FRAME_SAMPLES]);
    }
    text += &events(sendout);
    text
}

fn events(sendout: &mut Sendout) -> String {
    let events = std::iter::from_fn(|| sendout.poll_event());
    events
        .map(|event| match event {
            SendoutEvent::Marked(mark) => format!("!{mark}"),
            SendoutEvent::PromptStarted(prompt) => format!("+{}", prompt.0),
            SendoutEvent::PromptFinished(prompt) => format!("*{}", prompt.0),
        })
        .collect()
}

#[test]
fn a_prompt_starts_and_finishes_once() {
    check(". p1+320 f1 . . . ?1", "- A1+1 A1*1 - 1@40");
}

#[test]
fn a_slow_provider_makes_underruns_not_an_end() {
    check("p1+160 . . p1+100 . p1+60 . f1 . ?1", "A1+1 U1 U1 A1 -*1 1@40");
}

#[test]
fn a_prompt_waits_for_its_first_whole_frame() {
    check("p1+159 . p1+1 .", "- A1+1");
}

#[test]
fn a_mark_is_told_with_the_last_frame_before_it() {
    check("m7", "!7");
    check("p1+320 m7 . . .", "A1+1 A1!7 U1");
    check("p1+160 m7 p1+160 m8 m9 . . .", "A1+1!7 A1!8!9 U1");
    check("p1+320 m7 p2+160 m8 . . . f2 .", "A1+1 A1*1!7 A2+2!8 -*2");
    check("p1+160 . m7", "A1+1 !7");
}

#[test]
fn a_mark_within_a_frame_is_told_when_that_frame_went_out() {
    check("p1+100 m7 p1+220 m8 . .", "A1+1!7 A1!8");
}

#[test]
fn cleared_marks_are_not_told_and_later_ones_are() {
    check("p1+640 m7 . x m8 p2+160 m9 . .", "A1+1 x1@20 !8 A2+2!9 U2");
}

#[test]
fn a_paused_mark_waits() {
    check("p1+320 m7 . | . . > . .", "A1+1 A1 P A1!7 U1");
}

#[test]
fn the_end_that_nobody_ended_is_heard_two_ticks_late() {
    check("p1+260 m7 . . . . . ?1", "A1+1 U1 U1 A1!7 U1 1@32");
    check("p1+100 . . . .", "- - A1+1 U1");
    // Pieces of 15 ms each 15 ms, as a clock of another rate sends them: no frame is torn.
    check("p1+120 . p1+120 . p1+120 . p1+120 p1+120 .", "- A1+1 A1 A1");
}

#[test]
fn as_many_marks_wait_as_frames() {
    let mut sendout = Sendout::new(Codec::Pcmu);
    assert_eq!(sendout.push(PromptId(1), &[0; 160]), 0);
    assert!((0..Sendout::MARKS as u64).all(|mark| sendout.mark(mark)));
    assert_eq!(run(&mut sendout, "m9").as_deref(), Some("full"));
    tick(&mut sendout);
    assert!(sendout.mark(9));
}

#[test]
fn the_rest_of_a_finished_prompt_is_filled_up_and_counted_exactly() {
    check("p1+200 f1 . . . ?1", "A1+1 A1*1 - 1@25");
}

#[test]
fn prompts_follow_each_other_and_a_new_one_finishes_the_last() {
    check("p1+160 p2+160 p1+160 . . f2 . ?1 ?2", "A1+1*1 A2+2 -*2 1@20 2@20");
    check("p2+160 p1+160 . . f2 .", "A2+2 U2 -*2");
}

#[test]
fn a_prompt_without_audio_only_finishes() {
    check("f1 . p2+160 f2 .", "-*1 A2+2*2");
    check("p1+0 f1 p1+160 .", "-*1");
}

#[test]
fn a_pause_fades_out_and_comes_back_to_the_same_place() {
    check("p1+640 f1 . | . . . ?1 > . ?1 . . .", "A1+1 A1 P P 1@20 A1 1@40 A1 A1*1 -");
}

#[test]
fn a_pause_taken_back_before_its_tick_changes_nothing() {
    check("p1+320 . | > . ?1", "A1+1 A1 1@40");
    check("p1+320 . | . > | . > . ?1", "A1+1 A1 P A1 1@40");
}

#[test]
fn a_pause_before_the_first_frame_lets_nothing_out() {
    check("| p1+160 . . > . f1 .", "P P A1+1 -*1");
}

#[test]
fn clear_tells_what_was_heard_and_drops_what_comes_late() {
    check("p1+640 . . x ?1 p1+160 f1 . p2+160 .", "A1+1 A1 x1@40 1@40 - A2+2");
    check("p1+640 . | . . x p2+160 .", "A1+1 A1 P x1@20 A2+2");
    check("p1+640 x . p1+160 .", "x - -");
    check("p5+160 p7+160 . x p6+160 p7+160 . p8+160 .", "A5+5*5 x - A8+8");
    check("x", "x");
}

#[test]
fn more_than_two_minutes_are_refused_and_counted() {
    check("p1+959999 p1+2 p1+5 . p1+160", "refused1 refused5 A1+1");
    let mut sendout = Sendout::new(Codec::Pcmu);
    assert_eq!(sendout.push(PromptId(1), &vec![0; Sendout::CAPACITY + 3]), 3);
    assert_eq!((sendout.refused(), sendout.waiting()), (3, Duration::from_secs(120)));
}

#[test]
fn the_thirty_third_prompt_is_refused() {
    let mut sendout = Sendout::new(Codec::Pcmu);
    for prompt in 0..Sendout::PROMPTS as u64 {
        assert_eq!(sendout.push(PromptId(prompt), &[0; 160]), 0);
    }
    assert_eq!(sendout.push(PromptId(99), &[0; 160]), 160);
    sendout.finish(PromptId(99));
    tick(&mut sendout);
    assert_eq!(sendout.push(PromptId(99), &[0; 160]), 0);
}

#[test]
fn positions_of_the_last_eight_prompts_are_kept() {
    let mut sendout = Sendout::new(Codec::Pcmu);
    for prompt in 0..10 {
        assert_eq!(sendout.push(PromptId(prompt), &[0; 160]), 0);
        sendout.finish(PromptId(prompt));
        tick(&mut sendout);
    }
    let heard: Vec<u128> = (0..10).map(|prompt| sendout.heard(PromptId(prompt)).as_millis()).collect();
    assert_eq!(heard, [0, 0, 20, 20, 20, 20, 20, 20, 20, 20]);
}

#[test]
fn octets_go_out_as_they_came() {
    let audio: Vec<u8> = (0..=255).cycle().take(400).collect();
    let mut sendout = Sendout::new(Codec::Pcmu);
    assert_eq!(sendout.push(PromptId(1), &audio[..250]), 0);
    assert_eq!(sendout.push(PromptId(1), &audio[250..]), 0);
    sendout.finish(PromptId(1));
    let mut sent = Vec::new();
    for _ in 0..3 {
        let mut frame = [0; FRAME_SAMPLES];
        sendout.next_frame(&mut frame);
        while sendout.poll_event().is_some() {}
        sent.extend(frame);
    }
    assert_eq!((&sent[..400], &sent[400..]), (&audio[..], &[0xFF; 80][..]));
}

#[test]
fn the_faded_frame_falls_and_the_resumed_one_rises() {
    let mut sendout = Sendout::new(Codec::Pcma);
    let loud = 0xAA; // the highest level of A-law
    assert_eq!(sendout.push(PromptId(1), &[loud; 640]), 0);
    let levels = |sendout: &mut Sendout| {
        let mut frame = [0; FRAME_SAMPLES];
        sendout.next_frame(&mut frame);
        while sendout.poll_event().is_some() {}
        let mut samples = Vec::new();
        Codec::Pcma.decode(&frame, &mut samples);
        [0, 10, 20, 30, 40, 159].map(|at| samples[at] / 1_000)
    };
    assert_eq!(levels(&mut sendout), [32; 6]);
    sendout.pause();
    assert!(sendout.is_paused() && sendout.is_speaking());
    assert_eq!(levels(&mut sendout), [31, 23, 15, 7, 0, 0]);
    sendout.resume();
    assert_eq!(levels(&mut sendout), [0, 8, 16, 24, 32, 32]);
    assert_eq!(levels(&mut sendout), [32; 6]);
}

#[test]
fn memory_of_a_long_prompt_is_given_back() {
    let mut sendout = Sendout::new(Codec::Pcmu);
    assert_eq!(sendout.push(PromptId(1), &[0; 40_000]), 0);
    sendout.finish(PromptId(1));
    for _ in 0..250 {
        tick(&mut sendout);
    }
    assert_eq!(sendout.queue.capacity(), 0);
}

/// Marks told in `text` are the first of those that wait, and all that have nothing before them.
fn told(text: &str, marks: &mut std::collections::VecDeque<(u64, Duration)>) -> Result<(), TestCaseError> {
    for word in text.split('!').skip(1) {
        let mark = word.split(['+', '*']).next().unwrap().parse().unwrap();
        prop_assert_eq!(marks.pop_front(), Some((mark, Duration::ZERO)));
    }
    prop_assert!(marks.front().is_none_or(|(_, waiting)| !waiting.is_zero()));
    Ok(())
}

proptest! {
    #[test]
    fn what_is_heard_is_what_went_out(
        words in prop::collection::vec((0u8..9, 1u64..6, 0usize..500), 0..200)
    ) {
        let mut sendout = Sendout::new(Codec::Pcmu);
        let mut pushed = [0_u64; 6];
        let mut marks = std::collections::VecDeque::new();
        for (command, prompt, octets) in words {
            let id = PromptId(prompt);
            match command {
                0 | 1 => {
                    let before = sendout.waiting();
                    let refused = sendout.push(id, &vec![0; octets]);
                    prop_assert_eq!(refused, 0);
                    let added = sendout.waiting() - before;
                    pushed[prompt as usize] += added.as_micros() as u64 / 125;
                }
                2 => sendout.finish(id),
                3 => sendout.pause(),
                4 => sendout.resume(),
                5 if octets < 20 => {
                    sendout.clear();
                    marks.clear();
                }
                8 => {
                    prop_assert!(sendout.mark(octets as u64));
                    marks.push_back((octets as u64, sendout.waiting()));
                    told(&events(&mut sendout), &mut marks)?;
                }
                _ => {
                    let before = sendout.waiting();
                    let text = tick(&mut sendout);
                    let left = before - sendout.waiting();
                    marks.iter_mut().for_each(|(_, waiting)| *waiting = waiting.saturating_sub(left));
                    told(&text, &mut marks)?;
                }
            }
            let queued: usize = sendout.prompts.iter().map(|prompt| prompt.waiting).sum();
            prop_assert_eq!(queued, sendout.queue.len());
            for prompt in 1..6 {
                let heard = sendout.heard(PromptId(prompt)).as_micros() as u64 / 125;
                prop_assert!(heard <= pushed[prompt as usize]);
            }
        }
    }
}
