//! How a call sounds, as one number: the E-model of ITU-T G.107, with what a server knows of a leg.

use std::time::Duration;

/// Transmission rating of an undisturbed G.711 call (ITU-T G.107, default values).
const RATING_BEST: f64 = 93.2;

/// Robustness of G.711 with concealment against packet loss (ITU-T G.113 appendix I, `Bpl`).
const LOSS_ROBUSTNESS: f64 = 25.1;

/// One-way delay from which talking becomes hard (ITU-T G.107 §7.4).
const DELAY_FELT_MS: f64 = 177.3;

/// Mean opinion score of one direction, 1 (bad) to 4.4 (best for G.711).
///
/// `loss` is the share of frames that had to be concealed, 0 to 1, taken as random; `delay` is the one-way delay that is known
/// here, that of packetisation and the jitter buffer, since the network's own is not.
pub fn mos(loss: f64, delay: Duration) -> f64 {
    let milliseconds = delay.as_secs_f64() * 1_000.0;
    let by_delay = 0.024 * milliseconds + 0.11 * (milliseconds - DELAY_FELT_MS).max(0.0);
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    let by_loss = 95.0 * percent / (percent + LOSS_ROBUSTNESS);
    let rating = (RATING_BEST - by_delay - by_loss).clamp(0.0, 100.0);
    // The cubic dips below 1 near a rating of 0, where no opinion can lie.
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(loss_percent: f64, delay_ms: u64, expected: &str) {
        assert_eq!(format!("{:.2}", mos(loss_percent / 100.0, Duration::from_millis(delay_ms))), expected);
    }

    #[test]
    fn loss_and_delay_lower_the_score_within_its_range() {
        check(0.0, 0, "4.41");
        check(0.0, 60, "4.38");
        check(1.0, 60, "4.29");
        check(5.0, 60, "3.86");
        check(20.0, 60, "2.56");
        check(100.0, 60, "1.14");
        check(100.0, 1_000, "1.00");
        check(0.0, 400, "3.05");
    }
}
