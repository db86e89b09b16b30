//! Which packets are missing one after the other: bursts and gaps by RFC 3611 §4.7.2 and its appendix A.2.

/// Packets in a row between two losses that end a burst: the recommended one.
pub const GAP_MIN: u8 = 16;

/// Losses of one direction, packet by packet in the order of playing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bursts {
    received: u64,
    missing: u64,
    /// Losses in a row, counted once each.
    runs: u64,
    /// Since the last loss.
    since: u64,
    /// Losses of the present burst.
    lost: u64,
    // Transitions, named as in the RFC.
    c11: u64,
    c13: u64,
    c14: u64,
    c22: u64,
    c23: u64,
    c33: u64,
}

/// What bursts and the gaps between them are like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shape {
    /// Share of packets missing in bursts, 0 to 1.
    pub burst_density: f64,
    /// Share of packets missing between them.
    pub gap_density: f64,
    /// Packets of a burst on the mean.
    pub burst: f64,
    /// Packets between two bursts on the mean; all of them when there was none.
    pub gap: f64,
}

/// More losses in a row than this are a stream that paused; RFC 3550 A.1 would take it for another.
const RUN_MAX: u64 = crate::rtcp::MAX_DROPOUT;

impl Bursts {
    /// So many packets were missing, and then one was there.
    pub fn handle_packet(&mut self, missing: u64) {
        let missing = missing.min(RUN_MAX);
        self.runs += u64::from(missing > 0);
        (0..missing).for_each(|_| self.lose());
        self.received += 1;
        self.since += 1;
    }

    fn lose(&mut self) {
        self.missing += 1;
        if self.since >= u64::from(GAP_MIN) {
            (self.c13, self.c14) = self.ended();
            self.lost = 1;
            self.c11 += self.since;
        } else {
            self.lost += 1;
            if self.since == 0 {
                self.c33 += 1;
            } else {
                self.c23 += 1;
                self.c22 += self.since - 1;
            }
        }
        self.since = 0;
    }

    /// Bursts, and losses alone, with the present one if there is one: the RFC counts the first before there is any, and the last never.
    fn ended(&self) -> (u64, u64) {
        (self.c13 + u64::from(self.lost > 1), self.c14 + u64::from(self.lost == 1))
    }

    /// Whether anything was counted.
    pub fn is_empty(&self) -> bool {
        self.received == 0
    }

    /// Share of packets that were missing, 0 to 1.
    pub fn loss(&self) -> f64 {
        share(self.missing, self.received + self.missing)
    }

    /// Mean losses in a row against those of random loss (`BurstR` of ITU-T G.107): 1 when nothing is lost.
    pub fn ratio(&self) -> f64 {
        if self.runs == 0 {
            return 1.0;
        }
        share(self.missing, self.runs) * (1.0 - self.loss())
    }

    /// Bursts and gaps so far; the time since the last loss is a gap.
    pub fn shape(&self) -> Shape {
        let c11 = self.c11 + self.since;
        let (c13, c14) = self.ended();
        if c13 == 0 {
            let packets = (self.received + self.missing) as f64;
            return Shape { gap_density: self.loss(), gap: packets, ..Shape::default() };
        }
        let p32 = share(self.c23, c13 + self.c23 + self.c33);
        let p23 = if self.c22 + self.c23 == 0 { 1.0 } else { 1.0 - share(self.c22, self.c22 + self.c23) };
        let total = c11 + c14 + 2 * c13 + self.c22 + 2 * self.c23 + self.c33;
        let gap = share(c11 + c14 + c13, c13);
        Shape { burst_density: p23 / (p23 + p32), gap_density: share(c14, c11 + c14), burst: share(total, c13) - gap, gap }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets as they were played, `x` for each that was missing.
    fn bursts(pattern: &str) -> Bursts {
        let mut bursts = Bursts::default();
        let mut missing = 0;
        for packet in pattern.chars() {
            match packet {
                'x' => missing += 1,
                _ => bursts.handle_packet(std::mem::take(&mut missing)),
            }
        }
        bursts
    }

    fn check(pattern: &str, expected: &str) {
        let found = bursts(pattern);
        let Shape { burst_density, gap_density, burst, gap } = found.shape();
        let text = format!(
            "loss {:.3} ratio {:.2} burst {burst_density:.2} of {burst:.1} gap {gap_density:.2} of {gap:.1}",
            found.loss(),
            found.ratio()
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn nothing_lost_is_one_gap() {
        check("....", "loss 0.000 ratio 1.00 burst 0.00 of 0.0 gap 0.00 of 4.0");
        assert!(bursts("").is_empty());
    }

    #[test]
    fn losses_far_apart_are_no_burst() {
        let gap = ".".repeat(20);
        check(&format!("{gap}x{gap}x{gap}x{gap}"), "loss 0.036 ratio 0.96 burst 0.00 of 0.0 gap 0.04 of 83.0");
    }

    #[test]
    fn losses_in_a_row_are_a_burst() {
        let gap = ".".repeat(30);
        check(&format!("{gap}xxx.x{gap}xx{gap}xxxx.."), "loss 0.097 ratio 2.26 burst 0.91 of 3.7 gap 0.00 of 31.7");
    }

    #[test]
    fn a_jump_of_the_sequence_is_bounded() {
        let mut bursts = Bursts::default();
        bursts.handle_packet(u64::MAX);
        assert!(bursts.loss() < 1.0 && bursts.ratio() > 0.9);
    }
}
