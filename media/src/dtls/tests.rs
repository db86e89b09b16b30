//! Handshakes over a seeded bad network in virtual time.

#![allow(clippy::unwrap_used)]

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::srtp::{Opener, Sealer};

/// Two sessions and the network between them.
struct Pair {
    now: Instant,
    start: Instant,
    sides: [Session; 2],
    /// Datagrams under way: when, to whom.
    network: Vec<(Instant, usize, BytesMut)>,
    rng: StdRng,
    /// Of a hundred datagrams so many are lost, and so many come twice.
    loss: u32,
    lost: Vec<u32>,
    sent: u32,
}

const ONE_WAY: Duration = Duration::from_millis(30);

impl Pair {
    fn new(seed: u64, loss: u32) -> Self {
        let identities = [Identity::generate(), Identity::generate()];
        let known = [identities[1].fingerprint().clone(), identities[0].fingerprint().clone()];
        Self::between(seed, loss, &identities, &known)
    }

    fn between(seed: u64, loss: u32, identities: &[Identity; 2], known: &[Fingerprint; 2]) -> Self {
        let now = crate::testing::epoch();
        let side = |number: usize, role| Session::new(now, role, &identities[number], &known[number..=number]);
        Self {
            now,
            start: now,
            sides: [side(0, Role::Active), side(1, Role::Passive)],
            network: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
            loss,
            lost: Vec::new(),
            sent: 0,
        }
    }

    fn send_all(&mut self) {
        for from in 0..2 {
            while let Some(datagram) = self.sides[from].poll_transmit() {
                assert!(datagram.len() <= 1_500, "{}", datagram.len());
                self.sent += 1;
                if self.lost.contains(&self.sent) || self.rng.random_range(0..100) < self.loss {
                    continue;
                }
                let jitter = Duration::from_millis(self.rng.random_range(0..20));
                if self.rng.random_range(0..100) < self.loss {
                    self.network.push((self.now + ONE_WAY * 2, 1 - from, datagram.clone()));
                }
                self.network.push((self.now + ONE_WAY + jitter, 1 - from, datagram));
            }
        }
    }

    /// Until nothing is left to happen; says how it ended on both sides.
    fn run(&mut self) -> String {
        for _ in 0..2_000 {
            self.send_all();
            let timers = self.sides.iter().filter_map(Session::poll_timeout);
            let Some(next) = timers.chain(self.network.iter().map(|(at, ..)| *at)).min() else { break };
            self.now = self.now.max(next);
            if let Some(index) = self.network.iter().position(|(at, ..)| *at <= self.now) {
                let (_, to, datagram) = self.network.remove(index);
                self.sides[to].handle_datagram(self.now, &datagram);
            } else {
                self.sides.iter_mut().for_each(|side| side.handle_timeout(self.now));
            }
        }
        let text = |side: &Session| match side.state() {
            State::Handshaking => "handshaking".to_owned(),
            State::Connected(keys) => {
                format!("{:?}", keys.local).split('(').nth(1).unwrap().split(',').next().unwrap().to_owned()
            }
            State::Failed(failure) => failure.reason().to_owned(),
        };
        format!("{} {}", text(&self.sides[0]), text(&self.sides[1]))
    }

    fn keys(&self, side: usize) -> Keys {
        match self.sides[side].state() {
            State::Connected(keys) => keys.clone(),
            state => panic!("{state:?}"),
        }
    }
}

fn check(mut pair: Pair, expected: &str) -> Pair {
    assert_eq!(pair.run(), expected, "lost {:?}", pair.lost);
    pair
}

#[test]
fn keys_are_the_same_on_both_sides_and_open_what_the_other_sealed() {
    let pair = check(Pair::new(1, 0), "AeadAes128Gcm AeadAes128Gcm");
    let (active, passive) = (pair.keys(0), pair.keys(1));
    assert!(active.local == passive.remote && active.remote == passive.local && active.local != active.remote);
    let packet = [&[0x80, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4][..], &[7; 160]].concat();
    let sealed = Sealer::new(active.local).seal(&packet).unwrap().freeze();
    assert_eq!(Opener::new(passive.remote).open(&sealed).unwrap(), packet);
    // Six flights, and nothing waits any more.
    assert_eq!((pair.now - pair.start).as_millis() / 40, 5);
    assert!(pair.sides.iter().all(|side| side.poll_timeout().is_none()));
    assert!(!format!("{:?}", pair.sides[0]).contains("42"));
}

#[test]
fn any_one_or_two_datagrams_may_be_lost() {
    let count = check(Pair::new(2, 0), "AeadAes128Gcm AeadAes128Gcm").sent;
    for first in 1..=count {
        for second in first..=count + 2 {
            let mut pair = Pair::new(u64::from(first), 0);
            pair.lost = vec![first, second];
            let pair = check(pair, "AeadAes128Gcm AeadAes128Gcm");
            assert!(pair.now - pair.start < Duration::from_secs(3), "lost {first} and {second}: {:?}", pair.now - pair.start);
        }
    }
}

#[test]
fn most_handshakes_survive_a_bad_network() {
    let done = (0..100).filter(|seed| !Pair::new(*seed, 20).run().contains("timeout")).count();
    assert!(done >= 97, "{done} of 100 at a loss of 20 %");
}

#[test]
fn another_certificate_than_the_sdp_names_is_refused_by_either_side() {
    let [one, other, third] = [(); 3].map(|()| Identity::generate());
    let of = |identity: &Identity| identity.fingerprint().clone();
    let known = [of(&third), of(&one)];
    check(Pair::between(1, 0, &[one.clone(), other.clone()], &known), "fingerprint handshake");
    let known = [of(&other), of(&third)];
    check(Pair::between(1, 0, &[one, other], &known), "handshake fingerprint");
}

#[test]
fn nobody_at_the_other_end_is_a_timeout() {
    let pair = check(Pair::new(1, 100), "timeout timeout");
    assert_eq!(pair.now - pair.start, HANDSHAKE_TIMEOUT);
    // At 0, 0.4, 1.2, 2.8 and 6 s.
    assert_eq!(pair.sent, 5);
}

#[test]
fn what_others_throw_in_stops_nothing_before_and_after() {
    let mut pair = Pair::new(3, 0);
    let junk: [&[u8]; 4] = [b"", b"\x16", b"\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\x01\x01", b"\x17\xfe\xfd\0\x01\0\0\0\0\0\0\0\x04abcd"];
    for _ in 0..2 {
        for side in &mut pair.sides {
            junk.iter().for_each(|datagram| side.handle_datagram(pair.now, datagram));
        }
        pair = check(pair, "AeadAes128Gcm AeadAes128Gcm");
    }
}

#[test]
fn the_last_flight_is_sent_again_when_the_peer_asks() {
    let mut pair = Pair::new(4, 0);
    let count = check(Pair::new(4, 0), "AeadAes128Gcm AeadAes128Gcm").sent;
    pair.lost = vec![count];
    let pair = check(pair, "AeadAes128Gcm AeadAes128Gcm");
    assert!(pair.sent > count);
}

proptest::proptest! {
    #[test]
    fn any_datagrams_are_survived(
        seed in 0_u64..4,
        datagrams in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..200), 0..20),
    ) {
        let mut pair = Pair::new(seed, 0);
        for datagram in &datagrams {
            pair.sides.iter_mut().for_each(|side| side.handle_datagram(pair.now, datagram));
        }
        pair.run();
    }
}
