//! Puts the two sides of a call in step for the recording: caller left, agent right.

use std::collections::VecDeque;

use crate::frame::SharedFrame;
use crate::units::FRAME_SAMPLES;

/// Which side of the call a frame is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Left channel.
    Caller,
    /// Right channel.
    Agent,
}

/// Both sides of one tick.
#[derive(Clone, Debug)]
pub struct Row {
    /// The tick of the media clock.
    pub tick: u64,
    /// `None`: nothing came in time, silence.
    pub caller: Option<SharedFrame>,
    /// `None`: nothing came in time, silence.
    pub agent: Option<SharedFrame>,
}

impl Row {
    /// Adds [`FRAME_SAMPLES`] pairs of 16-bit little-endian samples to `out`, as a WAV file holds them.
    pub fn write(&self, out: &mut Vec<u8>) {
        let sample = |side: &Option<SharedFrame>, index| {
            let frame = side.as_ref();
            frame.and_then(|frame| frame.samples.get(index).copied()).unwrap_or(0)
        };
        for index in 0..FRAME_SAMPLES {
            out.extend(sample(&self.caller, index).to_le_bytes());
            out.extend(sample(&self.agent, index).to_le_bytes());
        }
    }
}

/// Frames of both sides, tagged with their tick, in; rows in order, one for every tick, out.
///
/// A row leaves when both sides are there, or when a frame [`Self::WINDOW`] ticks newer has come; what comes for it
/// later is dropped and counted. One input, then drain [`Self::poll_row`].
#[derive(Debug, Default)]
pub struct StereoAligner {
    rows: VecDeque<Row>,
    next: Option<u64>,
    newest: u64,
    late: u64,
    skipped: u64,
}

impl StereoAligner {
    /// Ticks a side may lag behind the other: 200 ms, above any delay between two actors of a call that lives.
    pub const WINDOW: u64 = 10;
    /// Ticks of silence written for a gap: 60 s; a longer one is a fault of the clock, and is left out and counted.
    pub const GAP: u64 = 3_000;

    /// An aligner whose first row is that of the first frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the frame of one side and tick. A second frame for the same place replaces the first.
    pub fn handle_frame(&mut self, side: Side, tick: u64, frame: SharedFrame) {
        debug_assert!(self.poll_ready().is_none(), "drain poll_row after every input");
        let next = *self.next.get_or_insert(tick);
        if tick < next {
            self.late += 1;
            return;
        }
        if tick - next >= Self::GAP {
            self.skipped += tick - next;
            self.rows.clear();
            self.next = Some(tick);
        }
        let next = self.next.unwrap_or(tick);
        while next + self.rows.len() as u64 <= tick {
            let tick = next + self.rows.len() as u64;
            self.rows.push_back(Row { tick, caller: None, agent: None });
        }
        self.newest = self.newest.max(tick);
        let row = &mut self.rows[(tick - next) as usize];
        match side {
            Side::Caller => row.caller = Some(frame),
            Side::Agent => row.agent = Some(frame),
        }
    }

    /// The next row that is complete, or too old to wait for.
    pub fn poll_row(&mut self) -> Option<Row> {
        self.poll_ready()?;
        self.pop()
    }

    /// The next row whatever is missing, when the recording ends; call until `None`.
    pub fn flush_row(&mut self) -> Option<Row> {
        self.pop()
    }

    /// Frames that came after their row had left.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Ticks left out for gaps longer than [`Self::GAP`].
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn poll_ready(&self) -> Option<()> {
        let row = self.rows.front()?;
        let whole = row.caller.is_some() && row.agent.is_some();
        (whole || row.tick + Self::WINDOW <= self.newest).then_some(())
    }

    fn pop(&mut self) -> Option<Row> {
        let row = self.rows.pop_front()?;
        self.next = Some(row.tick + 1);
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::codec::Codec;
    use crate::frame::PcmFrame;

    fn frame(value: i16) -> SharedFrame {
        let mut frame = PcmFrame::silence(Codec::Pcmu);
        frame.samples.fill(value);
        Arc::new(frame)
    }

    /// Feeds `c5` and `a5` for the caller's and agent's frame of tick 5, `flush` at the end.
    fn check(script: &str, expected: &str) {
        let mut aligner = StereoAligner::new();
        let mut rows = Vec::new();
        for step in script.split_whitespace() {
            if step == "flush" {
                rows.extend(std::iter::from_fn(|| aligner.flush_row()));
                continue;
            }
            let (side, tick) = step.split_at(1);
            let side = if side == "c" { Side::Caller } else { Side::Agent };
            aligner.handle_frame(side, tick.parse().unwrap(), frame(1));
            rows.extend(std::iter::from_fn(|| aligner.poll_row()));
        }
        let mut text: Vec<String> = rows
            .iter()
            .map(|row| {
                let caller = row.caller.as_ref().map_or("-", |_| "c");
                let agent = row.agent.as_ref().map_or("-", |_| "a");
                format!("{}{caller}{agent}", row.tick)
            })
            .collect();
        text.push(format!("late {} skipped {}", aligner.late(), aligner.skipped()));
        assert_eq!(text.join(" "), expected);
    }

    #[test]
    fn a_row_leaves_when_both_sides_are_there() {
        check("c7 a7 a8 c8 c9", "7ca 8ca late 0 skipped 0");
    }

    #[test]
    fn rows_leave_in_order() {
        check("c0 c1 a1 a0", "0ca 1ca late 0 skipped 0");
    }

    #[test]
    fn a_missing_side_is_silence_after_the_window_and_late_then() {
        check("c0 c1 c9 c10 a0 a1 flush", "0c- 1ca 2-- 3-- 4-- 5-- 6-- 7-- 8-- 9c- 10c- late 1 skipped 0");
    }

    #[test]
    fn the_end_flushes_what_waits() {
        check("c3 a5 flush", "3c- 4-- 5-a late 0 skipped 0");
    }

    #[test]
    fn a_gap_too_long_to_write_is_left_out() {
        check("c0 c3000 a3000", "3000ca late 0 skipped 3000");
        let mut aligner = StereoAligner::new();
        aligner.handle_frame(Side::Caller, 0, frame(1));
        aligner.handle_frame(Side::Caller, StereoAligner::GAP - 1, frame(1));
        let rows = std::iter::from_fn(|| aligner.poll_row()).count();
        assert_eq!(rows as u64, StereoAligner::GAP - StereoAligner::WINDOW);
    }

    #[test]
    fn rows_are_written_interleaved_with_silence_for_what_is_missing() {
        let mut out = Vec::new();
        Row { tick: 0, caller: Some(frame(1)), agent: Some(frame(-2)) }.write(&mut out);
        assert_eq!((out.len(), &out[..4], &out[636..]), (640, &[1, 0, 0xFE, 0xFF][..], &[1, 0, 0xFE, 0xFF][..]));
        out.clear();
        Row { tick: 0, caller: None, agent: Some(frame(3)) }.write(&mut out);
        assert_eq!((out.len(), &out[..4]), (640, &[0, 0, 3, 0][..]));
    }
}
