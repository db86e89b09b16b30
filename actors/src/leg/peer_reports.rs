//! What the peer says of the audio that we send it: RTCP reception reports, scored when the leg ends.

use std::time::Duration;

use media::quality::{Coding, Way, mos, rating};
use media::rtcp::xr::VoipMetrics;
use media::rtcp::{NtpTime, ReceptionReport};

/// What a telephone adds to the network's delay: a frame of 20 ms and a jitter buffer of two.
const PEER_DELAY: Duration = Duration::from_millis(60);

/// The latest report on our stream; a peer that never reports is not scored.
#[derive(Debug)]
pub(super) struct PeerReports {
    coding: Coding,
    /// Of what arrived, the share that came too late for the peer to play, if it tells.
    discarded: f64,
    /// Packets that the peer misses, of those sent until then.
    lost: u32,
    sent: u32,
    round_trip: Duration,
}

impl PeerReports {
    /// None yet.
    pub(super) fn new(coding: Coding) -> Self {
        Self { coding, discarded: 0.0, lost: 0, sent: 0, round_trip: Duration::ZERO }
    }

    /// What is sent is coded in this way now.
    pub(super) fn renegotiate(&mut self, coding: Coding) {
        self.coding = coding;
    }

    /// A report on our stream came, when so many packets had been sent.
    pub(super) fn handle(&mut self, report: &ReceptionReport, sent: u32, now: NtpTime) {
        // Packets that arrive twice can make the loss negative.
        self.lost = u32::try_from(report.lost).unwrap_or(0);
        self.sent = sent;
        self.handle_round_trip(report.round_trip(now));
    }

    /// An answer came, and perhaps shows how long the way there and back is.
    pub(super) fn handle_round_trip(&mut self, round_trip: Option<Duration>) {
        self.round_trip = round_trip.unwrap_or(self.round_trip);
    }

    /// An extended report on our stream came.
    pub(super) fn handle_metrics(&mut self, metrics: VoipMetrics) {
        self.discarded = f64::from(metrics.discard_rate) / 256.0;
    }

    /// To the peer and back; zero before it is known.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// How the agent sounds to the caller; `None` before the first report.
    fn score(&self) -> Option<f64> {
        let loss = || f64::from(self.lost) / f64::from(self.sent) + self.discarded;
        (self.sent > 0).then(|| mos(rating(self.coding, Way::random(loss(), self.round_trip / 2 + PEER_DELAY))))
    }
}

/// Its owner ends with the leg, however that ends.
impl Drop for PeerReports {
    fn drop(&mut self) {
        if let Some(score) = self.score() {
            metrics::histogram!("offhook_call_mos", "direction" => "sent").record(score);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports of packets lost, of packets sent, in order; and the round trip that the last one shows.
    fn check(reports: &[(i32, u32)], round_trip_ms: u64, expected: &str) {
        let mut peer = PeerReports::new(Coding::G711);
        let now = NtpTime::from_unix(Duration::from_secs(1_000));
        let asked = NtpTime::from_unix(Duration::from_secs(1_000) - Duration::from_millis(round_trip_ms));
        for &(lost, sent) in reports {
            let report = ReceptionReport {
                ssrc: 1,
                fraction_lost: 0,
                lost,
                highest: sent,
                jitter: 0,
                last_sender_report: asked.middle(),
                delay: 0,
            };
            peer.handle(&report, sent, now);
        }
        assert_eq!(peer.score().map_or("none".to_owned(), |score| format!("{score:.2}")), expected);
    }

    #[test]
    fn the_last_report_counts_and_no_report_is_no_score() {
        check(&[], 0, "none");
        check(&[(0, 500)], 0, "4.37");
        check(&[(0, 500), (50, 1_000)], 0, "3.85");
        check(&[(-3, 500)], 0, "4.37");
    }

    #[test]
    fn a_long_way_lowers_the_score() {
        check(&[(0, 500)], 200, "4.32");
        check(&[(0, 500)], 600, "3.40");
    }
}
