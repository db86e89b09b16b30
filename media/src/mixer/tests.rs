//! Who hears whom, in virtual time: frames of one constant value, so that each voice shows in a sum.

use super::*;

/// Runs commands on a room, members named by letters in the order in which they come.
///
/// `+A`, `+B:listener` joins; `A=100` says 100 in the next tick; `mix` notes what each hears; `B:held` changes a role; `-A` leaves.
#[derive(Default)]
struct Room {
    mixer: Mixer,
    names: Vec<(String, MemberId)>,
}

impl Room {
    fn id(&self, name: &str) -> MemberId {
        self.names.iter().find(|(known, _)| known == name).expect("a member of this name").1
    }

    fn role(&self, text: &str) -> Role {
        match text {
            "talker" => Role::Talker,
            "muted" => Role::Muted,
            "listener" => Role::Listener,
            "held" => Role::Held,
            whisperer => Role::Whisperer(self.id(whisperer.strip_prefix('>').expect("a role"))),
        }
    }

    fn run(&mut self, script: &str) -> String {
        let mut heard = Vec::new();
        for command in script.split_whitespace() {
            if let Some(joins) = command.strip_prefix('+') {
                let (name, role) = joins.split_once(':').unwrap_or((joins, "talker"));
                let law = if name.chars().all(char::is_lowercase) { Codec::Pcma } else { Codec::Pcmu };
                let id = self.mixer.join(self.role(role), law).expect("room");
                self.names.push((name.to_owned(), id));
            } else if let Some(name) = command.strip_prefix('-') {
                let id = self.id(name);
                self.mixer.leave(id);
                self.names.retain(|(known, _)| known != name);
            } else if let Some((name, value)) = command.split_once('=') {
                self.mixer.push(self.id(name), frame(value.parse().expect("a sample")));
            } else if let Some((name, role)) = command.split_once(':') {
                let (id, role) = (self.id(name), self.role(role));
                self.mixer.set_role(id, role);
            } else {
                self.mixer.mix();
                let said =
                    |(name, id): &(String, MemberId)| format!("{name}{}", self.mixer.heard(*id).expect("a member").samples[80]);
                heard.push(self.names.iter().map(said).collect::<Vec<_>>().join(" "));
            }
        }
        heard.join(" | ")
    }
}

fn frame(value: i16) -> SharedFrame {
    let mut frame = PcmFrame { samples: vec![value; FRAME_SAMPLES], ..PcmFrame::silence(Codec::Pcmu) };
    (frame.encoded, frame.origin) = (Vec::new(), FrameOrigin::Received);
    Codec::Pcmu.encode(&frame.samples, &mut frame.encoded);
    Arc::new(frame)
}

fn check(script: &str, expected: &str) {
    assert_eq!(Room::default().run(script), expected, "{script}");
}

#[test]
fn each_hears_the_others_and_not_itself() {
    check("+A +B A=100 B=7 mix", "A7 B100");
    check("+A +B +C A=100 B=7 C=1000 mix", "A1007 B1100 C107");
    check("+A +B +C A=100 mix", "A0 B100 C100");
    check("+A A=100 mix", "A0");
}

#[test]
fn a_listener_hears_all_and_is_heard_by_nobody() {
    check("+A +B +S:listener A=100 B=7 S=5000 mix", "A7 B100 S107");
}

#[test]
fn a_whisper_is_heard_by_one_only() {
    check("+A +B +S:>B A=100 B=7 S=5000 mix", "A7 B5100 S107");
    check("+A +B +S:>B S=5000 mix", "A0 B5000 S0");
    check("+A +B +C +S:>B A=100 B=7 C=1000 S=5000 mix", "A1007 B6100 C107 S1107");
}

#[test]
fn who_is_muted_still_hears_and_who_is_held_hears_music_only() {
    check("+A +B:muted A=100 B=7 mix", "A0 B100");
    let mut room = Room::default();
    let heard = room.run("+A +B +C:held A=100 B=7 C=9 mix");
    assert!(heard.starts_with("A7 B100 C") && !heard.ends_with("C107"), "{heard}");
    assert_eq!(room.run("C:talker A=100 B=7 C=9 mix"), "A16 B109 C107");
}

#[test]
fn a_whisper_to_one_who_left_reaches_nobody_not_even_who_takes_the_place() {
    let mut room = Room::default();
    assert_eq!(room.run("+A +B +S:>B S=5000 mix"), "A0 B5000 S0");
    assert_eq!(room.run("-B +C S=5000 A=3 mix"), "A0 S3 C3");
}

#[test]
fn what_comes_late_is_silence_and_is_counted() {
    let mut room = Room::default();
    assert_eq!(room.run("+A +B A=1 B=2 mix A=1 mix A=1 B=2 mix"), "A2 B1 | A0 B1 | A2 B1");
    assert_eq!(room.mixer.take_counts(), QueueCounts { late: 1, dropped: 0 });
}

#[test]
fn silence_of_ours_adds_nothing_and_leaves_the_other_frame_as_it_is() {
    let mut room = Room::default();
    room.run("+A +B +C");
    let (said, quiet) = (frame(100), Arc::new(PcmFrame::silence(Codec::Pcmu)));
    room.mixer.push(room.id("A"), Arc::clone(&said));
    room.mixer.push(room.id("B"), quiet);
    room.mixer.mix();
    for name in ["B", "C"] {
        assert!(Arc::ptr_eq(room.mixer.heard(room.id(name)).expect("a member"), &said), "{name} hears the very frame");
    }
}

#[test]
fn those_who_hear_the_same_get_one_frame_and_each_law_its_octets() {
    let mut room = Room::default();
    room.run("+A +B +S:listener +T:listener +c:listener A=100 B=7 mix");
    let heard = |name| room.mixer.heard(room.id(name)).expect("a member");
    assert!(Arc::ptr_eq(heard("S"), heard("T")));
    for (name, law) in [("A", Codec::Pcmu), ("S", Codec::Pcmu), ("c", Codec::Pcma)] {
        let mut octets = Vec::new();
        law.encode(&heard(name).samples, &mut octets);
        assert_eq!(heard(name).encoded, octets, "{name}");
    }
    assert_eq!(room.run("A=100 mix"), "A0 B100 S100 T100 c100");
    let heard = |name| room.mixer.heard(room.id(name)).expect("a member");
    assert_eq!(heard("c").encoded[0], {
        let mut octets = Vec::new();
        Codec::Pcma.encode(&[100], &mut octets);
        octets[0]
    });
}

#[test]
fn sums_bend_and_never_turn_over() {
    check("+A +B +C A=12000 B=12000 mix", "A12000 B12000 C24000");
    let mut before = 0;
    for sample in (0..600_000).step_by(7) {
        let limited = i32::from(limit(sample));
        assert!(limited >= before && limited <= sample && limited < 32_767, "{sample} {limited}");
        assert_eq!(i32::from(limit(-sample)), -limited);
        before = limited;
    }
    assert_eq!((limit(KNEE), limit(KNEE + 1), limit(16 * 32_767)), (24_576, 24_576, 32_634));
}

#[test]
fn a_warm_room_allocates_no_frame() {
    let mut room = Room::default();
    for number in 0..Mixer::MEMBERS {
        room.run(&format!("+{}", (b'A' + number as u8) as char));
    }
    assert_eq!(room.mixer.join(Role::Talker, Codec::Pcmu), None, "it is full");
    let said = frame(50);
    for _ in 0..1_000 {
        for (_, id) in room.names.clone() {
            room.mixer.push(id, Arc::clone(&said));
        }
        room.mixer.mix();
        assert_eq!(room.mixer.heard(room.id("A")).expect("a member").samples[0], 750);
    }
    assert_eq!((room.mixer.pool_misses(), room.mixer.take_counts()), (0, QueueCounts::default()));
    const { assert!(Mixer::MEMBERS * 2 <= FramePool::CAPACITY) };
}

#[test]
fn threads_that_drift_or_stall_cost_a_frame_and_not_the_room() {
    let mut room = Room::default();
    room.run("+A +B");
    let (a, b) = (room.id("A"), room.id("B"));
    let (mut silent, mut given) = (0, 0_u64);
    for tick in 0..3_000_u64 {
        room.mixer.push(a, frame(1));
        // B's thread stands still for five ticks each 1,000 and then brings all at once; its clock is 1 in 1,000 slow.
        let due = tick - tick / 1_000;
        let stalled = (500..505).contains(&(tick % 1_000));
        while !stalled && given < due {
            room.mixer.push(b, frame(2));
            given += 1;
        }
        room.mixer.mix();
        assert_eq!(room.mixer.heard(b).expect("a member").samples[0], 1, "A is heard without a gap");
        silent += u32::from(room.mixer.heard(a).expect("a member").samples[0] == 0);
    }
    // Five a stall, unless what waited since the one before takes it up, and one a thousand ticks for the slow clock.
    let QueueCounts { late, dropped } = room.mixer.take_counts();
    assert!((6..=18).contains(&silent), "{silent}");
    assert_eq!(late + 1, u64::from(silent), "all but the tick before the first frame");
    let waiting = given - u64::from(3_000 - silent) - dropped;
    assert!(waiting <= FrameQueue::CAPACITY as u64, "what came was heard, is counted, or waits: {waiting}");
}

#[test]
fn the_loudest_leads_once_it_lasts() {
    let mut room = Room::default();
    let say = |room: &mut Room, words: &str, ticks: usize| (0..ticks).for_each(|_| drop(room.run(&format!("{words} mix"))));
    room.run("+A +B");
    say(&mut room, "A=100 B=100", 50);
    assert_eq!(room.mixer.speaker(), None, "nobody speaks");
    say(&mut room, "A=3000 B=100", 20);
    assert_eq!(room.mixer.speaker(), Some(room.id("A")));
    say(&mut room, "A=3000 B=9000", 5);
    assert_eq!(room.mixer.speaker(), Some(room.id("A")), "a cough");
    say(&mut room, "A=3000 B=9000", 10);
    assert_eq!(room.mixer.speaker(), Some(room.id("B")));
    say(&mut room, "A=100 B=100", 100);
    assert_eq!(room.mixer.speaker(), Some(room.id("B")), "the last one who spoke");
    room.run("-B");
    assert_eq!(room.mixer.speaker(), None);
}
