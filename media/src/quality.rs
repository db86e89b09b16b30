//! How a call sounds, as one number: the E-model of ITU-T G.107, with what a server knows of a leg.
//!
//! All that a server does not know, loudness, noise, echo and side-tone of the telephones, has the default of the Recommendation. What is
//! left is `R = 93.36 - Id(delay) - Ie,eff(codec, loss)`.

use std::time::Duration;

use crate::line::LineCodec;

/// Signal-to-noise ratio of a call (`Ro`) and what goes with the voice (`Is`), at the defaults.
const RO: f64 = 94.77;
const IS: f64 = 1.41;
/// Weighted echo loss of the listener's side, and loudness of the talker's echo (`WEPL`, `TELR`), at the defaults.
const WEPL: f64 = 110.0;
const TELR: f64 = 65.0;
/// One-way delay from which talking becomes hard, in ms (`mT` at the default sensitivity).
const DELAY_FELT: f64 = 100.0;

/// What a codec takes from a call: `Ie` by itself, and `Bpl`, how well it bears loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coding {
    impairment: f64,
    robustness: f64,
}

impl Coding {
    /// G.711 with concealment (ITU-T G.113 appendix I).
    pub const G711: Self = Self { impairment: 0.0, robustness: 25.1 };
    /// Opus of 24 kbit/s heard in telephone band, of which what FEC recovers is not lost. No Recommendation has figures for it: those that
    /// fit docs/media-quality.md best.
    pub const OPUS: Self = Self { impairment: 2.0, robustness: 22.0 };
    /// The same with FEC, by the packets that were lost before it.
    pub const OPUS_FEC: Self = Self { impairment: 15.0, robustness: 58.0 };

    /// Of a codec whose losses are counted after all that could be recovered. G.722 in telephone band is as G.711, by the same measurement.
    pub fn of(codec: LineCodec) -> Self {
        match codec {
            LineCodec::G711(_) | LineCodec::G722 => Self::G711,
            LineCodec::Opus => Self::OPUS,
        }
    }
}

/// What a network did to one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Way {
    /// Share of packets that were not there in time, 0 to 1.
    pub loss: f64,
    /// How much longer losses in a row are than random ones would be, 1 to 8 (`BurstR`).
    pub burst_ratio: f64,
    /// From mouth to ear, as far as it is known.
    pub delay: Duration,
}

impl Way {
    /// Loss at random.
    pub fn random(loss: f64, delay: Duration) -> Self {
        Self { loss, burst_ratio: 1.0, delay }
    }
}

/// Transmission rating R, 0 (worst) to 93.2: below 70 many are dissatisfied (ITU-T G.109).
pub fn rating(coding: Coding, way: Way) -> f64 {
    let percent = way.loss.clamp(0.0, 1.0) * 100.0;
    let Coding { impairment, robustness } = coding;
    let effective = impairment + (95.0 - impairment) * percent / (percent / way.burst_ratio.clamp(1.0, 8.0) + robustness);
    (RO - IS - by_delay(way.delay.as_secs_f64() * 1_000.0) - effective).clamp(0.0, 100.0)
}

/// Mean opinion score of a rating, 1 (bad) to 4.5 (G.107 annex B).
pub fn mos(rating: f64) -> f64 {
    // The cubic dips below 1 near a rating of 0, where no opinion can lie.
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).clamp(1.0, 4.5)
}

/// `Id` of a one-way delay in ms: the talker's echo, the listener's, and the delay itself.
fn by_delay(delay: f64) -> f64 {
    let blend = |difference: f64, width: f64| difference / 2.0 + (difference * difference / 4.0 + width).sqrt();
    let masked = TELR - 40.0 * ((1.0 + delay / 10.0) / (1.0 + delay / 150.0)).log10() + 6.0 * (-0.3 * delay * delay).exp();
    let echo = 80.0 + 2.5 * (masked - 14.0);
    let talker = (blend(RO - echo, 100.0) - 1.0) * (1.0 - (-delay).exp());
    let listener = blend(RO - 10.5 * (WEPL + 7.0) * (2.0 * delay + 1.0).powf(-0.25), 169.0);
    talker + listener + absolute(delay)
}

/// `Idd`: too long even without an echo.
fn absolute(delay: f64) -> f64 {
    if delay <= DELAY_FELT {
        return 0.0;
    }
    let octaves = (delay / DELAY_FELT).log2();
    let sixth = |value: f64| (1.0 + value.powi(6)).powf(1.0 / 6.0);
    25.0 * (sixth(octaves) - 3.0 * sixth(octaves / 3.0) + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: Duration = Duration::ZERO;

    fn rated(coding: Coding, loss_percent: f64, burst_ratio: f64, delay_ms: u64) -> String {
        let way = Way { loss: loss_percent / 100.0, burst_ratio, delay: Duration::from_millis(delay_ms) };
        format!("{:.1}", rating(coding, way))
    }

    #[test]
    fn an_undisturbed_call_has_the_rating_of_the_recommendation() {
        // G.107 §7.7: with all parameters at their default, R = 93.2.
        assert_eq!(rated(Coding::G711, 0.0, 1.0, 0), "93.2");
    }

    #[test]
    fn ratings_are_scores_as_in_annex_b() {
        // G.107 table B.1, the lower limits of its rows.
        for (rating, expected) in [(90.0, 4.34_f64), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            assert!((mos(rating) - expected).abs() < 0.01, "{rating}: {}", mos(rating));
        }
        assert_eq!((mos(0.0), mos(1.0), mos(100.0)), (1.0, 1.0, 4.5));
    }

    #[test]
    fn loss_costs_what_g_113_says() {
        // G.113 appendix I: G.729A with VAD has Ie 11 and Bpl 19.0, and of random loss Ie,eff 11, 13, 15, 17, 19, 23, 26 at these percents.
        let g729a = Coding { impairment: 11.0, robustness: 19.0 };
        let best = rating(Coding::G711, Way::random(0.0, ZERO));
        for (percent, published) in [(0.0, 11.0), (0.5, 13.0), (1.0, 15.0), (1.5, 17.0), (2.0, 19.0), (3.0, 23.0), (4.0, 26.0)] {
            let effective = best - rating(g729a, Way::random(percent / 100.0, ZERO));
            assert!((effective - published).abs() < 0.7, "{effective} at {percent} %");
        }
    }

    #[test]
    fn delay_loss_and_bursts_lower_the_rating() {
        let at = |delay| rated(Coding::G711, 0.0, 1.0, delay);
        assert_eq!([at(50), at(100), at(150), at(200), at(300), at(400), at(2_000)].join(" "), DELAYED);
        let lossy = |percent, burst| rated(Coding::G711, percent, burst, 50);
        assert_eq!(
            [lossy(1.0, 1.0), lossy(5.0, 1.0), lossy(5.0, 2.0), lossy(20.0, 1.0), lossy(20.0, 4.0), lossy(100.0, 9.0)].join(" "),
            LOSSY
        );
        assert_eq!(rated(Coding::OPUS_FEC, 20.0, 1.0, 50), "56.2");
    }

    const DELAYED: &str = "91.8 90.7 89.5 85.8 72.7 62.3 32.6";
    const LOSSY: &str = "88.1 76.0 74.6 49.6 28.6 0.0";
}
