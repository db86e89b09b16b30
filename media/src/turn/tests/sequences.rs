//! What holds after any sequence of inputs.

use super::*;

const HINTS: [TurnHint; 7] = [
    TurnHint::Completeness(0.0),
    TurnHint::Completeness(1.0),
    TurnHint::ProviderEnded,
    TurnHint::ProviderResumed,
    TurnHint::Words(Spoken::Backchannel),
    TurnHint::Words(Spoken::Command),
    TurnHint::Words(Spoken::Other),
];

#[test]
fn any_sequence_keeps_events_in_pairs() {
    let mut random = 0x9e37_79b9_u32;
    let mut draw = |below: u32| {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random % below
    };
    let mut scene = Scene::new(TurnConfig { idle_prompt: ms(1_000), ..timer() });
    let (mut paused, mut open, mut thinking, mut outcomes) = (false, false, false, [0; 7]);
    let (mut letter, mut now) = ('.', 0);
    for _ in 0..50_000 {
        now += 20;
        if draw(12) == 0 {
            letter = ['s', '.', 's', '.', 'e', 'w', 'q', 'n'][draw(8) as usize];
        }
        let at = scene.at(now);
        match draw(100) {
            0 => scene.detector.handle_agent(at, AgentAudio::Finished),
            1..=3 => scene.detector.handle_agent(at, AgentAudio::Started),
            4 => scene.detector.handle_timeout(at),
            5 => scene.detector.handle_hint(at, HINTS[draw(HINTS.len() as u32) as usize]),
            _ => scene.detector.handle_frame(at, frame(letter)),
        }
        let mut events = 0;
        while let Some(event) = scene.detector.poll_event() {
            events += 1;
            let (kind, flag, before) = match event {
                TurnEvent::BargeInStarted { .. } => (0, &mut paused, false),
                TurnEvent::BargeInCommitted => (1, &mut paused, true),
                TurnEvent::BargeInResumed { .. } => (2, &mut paused, true),
                TurnEvent::CallerStarted { .. } => (3, &mut open, false),
                TurnEvent::CallerFinished { .. } => {
                    thinking = false;
                    (4, &mut open, true)
                }
                TurnEvent::CallerPaused { .. } => {
                    assert!(open, "{event:?} at {now}");
                    (5, &mut thinking, false)
                }
                TurnEvent::CallerResumed => (6, &mut thinking, true),
                TurnEvent::CallerGone { .. } | TurnEvent::CallerSilent { .. } => {
                    assert!(!open, "{event:?} at {now}");
                    continue;
                }
            };
            assert_eq!(*flag, before, "{event:?} at {now}");
            *flag = !before;
            outcomes[kind] += 1;
        }
        assert!(events <= EVENTS_PER_INPUT, "{events} events at {now}");
    }
    assert!(outcomes.iter().all(|&count| count > 10), "every event is met: {outcomes:?}");
}
