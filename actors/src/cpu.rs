//! How busy the machine's cores are, with everything that runs on them: a node that shares its machine must know that too.

/// Where Linux tells the time that all cores together have spent since the start, in ticks.
const SOURCE: &str = "/proc/stat";

/// Turns the kernel's running totals into a share of the time between two looks.
#[derive(Debug, Default)]
pub(crate) struct CpuMeter {
    last: Option<Totals>,
    before: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Totals {
    idle: u64,
    all: u64,
}

impl CpuMeter {
    /// The busy share of all cores, 0 to 1, mean over the last two spans between looks: one burst is no load. `None` before the third
    /// look, and where the kernel does not tell.
    pub(crate) fn look(&mut self) -> Option<f64> {
        self.handle_text(&std::fs::read_to_string(SOURCE).ok()?)
    }

    fn handle_text(&mut self, text: &str) -> Option<f64> {
        let totals = Totals::parse(text)?;
        let last = self.last.replace(totals)?;
        let all = totals.all.checked_sub(last.all).filter(|all| *all > 0)?;
        let idle = totals.idle.saturating_sub(last.idle).min(all);
        let busy = 1.0 - idle as f64 / all as f64;
        let before = self.before.replace(busy)?;
        Some(f64::midpoint(busy, before))
    }
}

impl Totals {
    /// The first line: `cpu  user nice system idle iowait irq softirq steal guest guest_nice`. A core is free for audio when it waits for
    /// a disk, and when it does what was told to be nice; guests are counted in user already.
    fn parse(text: &str) -> Option<Self> {
        let times = text.lines().next()?.strip_prefix("cpu ")?;
        let times: Vec<u64> = times.split_whitespace().take(8).map_while(|time| time.parse().ok()).collect();
        let idle = times.get(1)? + times.get(3)? + times.get(4).copied().unwrap_or(0);
        Some(Self { idle, all: times.iter().sum() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_the_mean_of_two_spans() {
        let mut meter = CpuMeter::default();
        let looks = [
            "cpu  0 0 0 0 0 0 0 0 0 0",
            "cpu  30 10 10 40 10 0 0 0 9 9",
            "cpu  130 10 10 40 10 0 0 0 9 9",
            "cpu  130 10 10 140 10",
        ];
        let shares: Vec<_> = looks.map(|text| meter.handle_text(text).map(|share| (share * 100.0).round())).into();
        assert_eq!(shares, [None, None, Some(70.0), Some(50.0)]);
    }

    #[test]
    fn what_cannot_be_read_is_not_known() {
        for text in ["", "cpu0 1 2 3 4", "cpu  1 2 x 4"] {
            assert_eq!(Totals::parse(text), None, "{text}");
        }
        let mut still = CpuMeter::default();
        assert_eq!((still.handle_text("cpu  1 1 1 1"), still.handle_text("cpu  1 1 1 1")), (None, None));
    }

    #[test]
    fn this_machine_tells() {
        assert!(Totals::parse(&std::fs::read_to_string(SOURCE).expect("Linux has it")).is_some());
    }
}
