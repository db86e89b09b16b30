//! How good a call sounds, from what was measured on its packets: the E-model (ITU-T G.107), simplified for G.711.

use std::time::Duration;

/// R of a perfect narrow-band call with G.107's default values.
const R_PERFECT: f64 = 93.2;
/// Packet-loss robustness of G.711 with concealment (ITU-T G.113 appendix I).
const ROBUSTNESS: f64 = 25.1;
/// Delay from which a conversation suffers noticeably, ms (G.107 as shortened by Cole and Rosenbluth).
const DELAY_KNEE_MS: f64 = 177.3;

/// Mean opinion score, 1-4.41, of a call with this one-way mouth-to-ear delay and this share of frames lost (0-1).
pub fn mos(delay: Duration, loss: f64) -> f64 {
    let ms = delay.as_secs_f64() * 1_000.0;
    let delay_impairment = 0.024 * ms + 0.11 * (ms - DELAY_KNEE_MS).max(0.0);
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    let loss_impairment = 95.0 * percent / (percent + ROBUSTNESS);
    let r = (R_PERFECT - delay_impairment - loss_impairment).clamp(0.0, 100.0);
    // The cubic dips below 1 near R = 0, where no opinion can lie.
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(delay_ms: u64, loss: f64, want: &str) {
        assert_eq!(format!("{:.2}", mos(Duration::from_millis(delay_ms), loss)), want, "{delay_ms} ms, {loss}");
    }

    #[test]
    fn delay_and_loss_lower_the_score() {
        check(0, 0.0, "4.41");
        check(60, 0.0, "4.38");
        check(400, 0.0, "3.05");
        check(60, 0.01, "4.29");
        check(60, 0.05, "3.86");
        check(60, 1.0, "1.14");
    }
}
