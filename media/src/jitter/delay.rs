//! How long packets take, and how much delay that asks for.

/// Width of a histogram bin: 10 ms at 8 kHz.
const BIN: i64 = 80;
/// Bins: 500 ms; what is later counts into the last.
const BINS: usize = 50;
/// Of packets, the part that is to arrive in time.
const IN_TIME: f32 = 0.97;
/// What a packet's weight shrinks to with each later one: it is forgotten in 200 packets, 4 s.
const MEMORY: f32 = 0.995;
/// The fastest transit is looked for over the present and the last of these: 5 s.
const WINDOW: i64 = 40_000;

/// The distribution of packet delays relative to the fastest packet of the last 5 to 10 s, in RTP ticks.
///
/// The fastest is forgotten so that the base follows the drift between the peer's clock and ours.
#[derive(Debug)]
pub(super) struct DelayEstimator {
    bins: [f32; BINS],
    packets: f32,
    fastest: [i64; 2], // of the last and of the present window
    window_end: i64,
}

impl DelayEstimator {
    pub(super) fn new() -> Self {
        let mut bins = [0.0; BINS];
        bins[0] = 1.0;
        Self { bins, packets: 0.0, fastest: [i64::MAX; 2], window_end: i64::MIN }
    }

    /// Takes one packet: when it arrived, and that minus its timestamp.
    pub(super) fn handle_packet(&mut self, arrival: i64, transit: i64) {
        if arrival >= self.window_end {
            self.fastest = [self.fastest[1], transit];
            self.window_end = arrival + WINDOW;
        }
        self.fastest[1] = self.fastest[1].min(transit);
        // A plain mean until there are enough packets to forget some.
        self.packets += 1.0;
        let keep = (1.0 - 1.0 / self.packets).min(MEMORY);
        for bin in &mut self.bins {
            *bin *= keep;
        }
        let delay = transit - self.base();
        let bin = (delay / BIN).clamp(0, BINS as i64 - 1) as usize;
        self.bins[bin] += 1.0 - keep;
    }

    /// Transit of the fastest packet.
    pub(super) fn base(&self) -> i64 {
        self.fastest[0].min(self.fastest[1])
    }

    /// Delay after which [`IN_TIME`] of the packets have arrived, rounded up to a bin.
    pub(super) fn wanted(&self) -> i64 {
        let mut sum = 0.0;
        let bin = self.bins.iter().position(|bin| {
            sum += bin;
            sum >= IN_TIME
        });
        (bin.unwrap_or(BINS - 1) as i64 + 1) * BIN
    }

    /// Starts over with this transit as the fastest, since the way became longer and all delays were against the old.
    pub(super) fn rebase(&mut self, arrival: i64, transit: i64) {
        *self = Self::new();
        self.handle_packet(arrival, transit);
    }

    /// Forgets the transit, for a stream on another clock; the network's jitter stays known.
    pub(super) fn restart(&mut self) {
        self.fastest = [i64::MAX; 2];
        self.window_end = i64::MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds packets 20 ms apart with these delays in ms, over and over, and gives the delay wanted in ms.
    fn check(delays: &[i64], packets: usize, expected_ms: i64) {
        let mut estimator = DelayEstimator::new();
        for (index, delay) in delays.iter().cycle().take(packets).enumerate() {
            let time = index as i64 * 160;
            let transit = 1_000 + delay * 8;
            estimator.handle_packet(time + transit, transit);
        }
        assert_eq!(estimator.wanted(), expected_ms * 8);
    }

    #[test]
    fn a_steady_network_wants_one_bin() {
        check(&[0], 0, 10);
        check(&[0], 1, 10);
        check(&[7], 500, 10);
    }

    #[test]
    fn the_wanted_delay_is_the_97th_percentile() {
        check(&[0, 10, 20, 30], 400, 40);
        let mut rare = [0; 50];
        rare[49] = 100;
        check(&rare, 500, 10);
        rare[24] = 100;
        check(&rare, 500, 110);
        check(&[0, 2_000], 100, 500);
    }

    #[test]
    fn a_jitter_that_is_over_is_forgotten() {
        let mut delays = vec![0; 1_000];
        delays[..100].fill(1);
        for index in (0..100).step_by(2) {
            delays[index] = 90;
        }
        check(&delays, 100, 90);
        check(&delays, 1_000, 10);
    }

    #[test]
    fn the_base_follows_a_slower_clock() {
        let mut estimator = DelayEstimator::new();
        for index in 0..1_000 {
            let transit = 1_000 + index / 10;
            estimator.handle_packet(index * 160 + transit, transit);
        }
        assert!((1_050..=1_075).contains(&estimator.base()), "{}", estimator.base());
        estimator.restart();
        estimator.handle_packet(0, -5);
        assert_eq!(estimator.base(), -5);
        estimator.rebase(0, 7);
        assert_eq!((estimator.base(), estimator.wanted()), (7, BIN));
    }
}
