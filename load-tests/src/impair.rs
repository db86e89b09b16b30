//! A bad path for what a caller sends: loss, jitter, reordering, the same for the same seed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Most packets on the way; more are lost, as in a real queue. Three seconds of a call.
const ON_THE_WAY_MAX: usize = 150;

/// How bad the path is; the default is perfect.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Impairments {
    /// Share of packets that are lost, 0-1.
    pub loss: f64,
    /// Each packet is held back by a random time up to this; the order stays.
    pub jitter: Duration,
    /// Share of packets that are overtaken by the next one, 0-1.
    pub reorder: f64,
}

/// The path of one call. Give it a packet, then take out what has arrived.
#[derive(Debug)]
pub struct Path {
    impairments: Impairments,
    random: StdRng,
    waiting: VecDeque<(Instant, Vec<u8>)>,
    overtaken: Option<Vec<u8>>,
}

impl Impairments {
    /// Whether nothing is impaired.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Path {
    /// The path of call `call`; what happens to its n-th packet depends on the seed, the call and n alone.
    pub fn new(impairments: Impairments, seed: u64, call: u64) -> Self {
        let random = StdRng::seed_from_u64(seed ^ call.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self { impairments, random, waiting: VecDeque::new(), overtaken: None }
    }

    /// Whether packets can be sent past this path.
    pub fn is_perfect(&self) -> bool {
        self.impairments.is_none()
    }

    /// Takes the next packet that the caller sends.
    pub fn handle_packet(&mut self, now: Instant, packet: Vec<u8>) {
        // Three draws for every packet, so that one impairment does not change another's choices.
        let [lost, overtaken] =
            [self.impairments.loss, self.impairments.reorder].map(|share| self.random.random::<f64>() < share);
        let delay = self.impairments.jitter.mul_f64(self.random.random());
        if lost || self.waiting.len() == ON_THE_WAY_MAX {
            return;
        }
        if overtaken && self.overtaken.is_none() {
            self.overtaken = Some(packet);
            return;
        }
        let before = self.waiting.back().map_or(now, |(due, _)| *due);
        let due = before.max(now + delay);
        self.waiting.push_back((due, packet));
        if let Some(overtaken) = self.overtaken.take() {
            self.waiting.push_back((due, overtaken));
        }
    }

    /// The next packet that has arrived by now, until `None`.
    pub fn poll_packet(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.waiting.front().filter(|(due, _)| *due <= now)?;
        self.waiting.pop_front().map(|(_, packet)| packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends ten packets 20 ms apart; gives `number@delay` of what arrives.
    fn run(impairments: Impairments, seed: u64) -> String {
        let start = Instant::now();
        let mut path = Path::new(impairments, seed, 3);
        let mut arrived = Vec::new();
        for ms in 0..400 {
            let now = start + Duration::from_millis(ms);
            if ms % 20 == 0 && ms < 200 {
                path.handle_packet(now, vec![(ms / 20) as u8]);
            }
            while let Some(packet) = path.poll_packet(now) {
                arrived.push(format!("{}@{}", packet[0], ms - u64::from(packet[0]) * 20));
            }
        }
        arrived.join(" ")
    }

    fn check(impairments: Impairments, want: &str) {
        assert_eq!(run(impairments, 1), want);
        assert_eq!(run(impairments, 1), want, "the same seed gives the same path");
        assert!(impairments == Impairments::default() || run(impairments, 2) != want, "the seed matters");
    }

    #[test]
    fn a_perfect_path_changes_nothing() {
        check(Impairments::default(), "0@0 1@0 2@0 3@0 4@0 5@0 6@0 7@0 8@0 9@0");
    }

    #[test]
    fn loss_takes_packets_out() {
        check(Impairments { loss: 0.3, ..Impairments::default() }, "1@0 2@0 3@0 4@0 5@0 7@0 8@0");
    }

    #[test]
    fn jitter_keeps_the_order() {
        check(
            Impairments { jitter: Duration::from_millis(50), ..Impairments::default() },
            "0@12 1@5 2@13 3@46 4@35 5@42 6@22 7@8 8@44 9@38",
        );
    }

    #[test]
    fn reordering_swaps_neighbours() {
        check(Impairments { reorder: 0.3, ..Impairments::default() }, "0@0 2@0 1@20 3@0 4@0 5@0 6@0 7@0 8@0 9@0");
    }

    #[test]
    fn a_full_path_loses_the_newest() {
        let mut path = Path::new(Impairments { jitter: Duration::from_secs(9), ..Impairments::default() }, 1, 1);
        let start = Instant::now();
        (0..200).for_each(|number| path.handle_packet(start, vec![number]));
        let arrived: Vec<_> = std::iter::from_fn(|| path.poll_packet(start + Duration::from_secs(9))).collect();
        assert_eq!((arrived.len(), arrived.last()), (ON_THE_WAY_MAX, Some(&vec![149])));
    }
}
