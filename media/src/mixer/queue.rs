//! Frames between two clocks: who gives them and who takes them have the same pace, and neither waits for the other.

use std::collections::VecDeque;

use crate::frame::SharedFrame;

/// A few frames of one source, for a taker whose ticks fall elsewhere, or late.
///
/// ```text
/// given   0   1   2       3 4   5   6        a source that was late once
/// taken     0   1   2   -   3   4   5        `-`: silence, counted; from there on one frame waits, in case it is late again
/// ```
/// A frame that was left over in each of [`Self::WINDOW`] ticks is not needed: one is left out, and the delay is as short as before.
#[derive(Debug)]
pub struct FrameQueue {
    frames: VecDeque<SharedFrame>,
    /// Something was given: from then on nothing is too late.
    begun: bool,
    /// The fewest frames left over since the window began, and the ticks in it.
    spare: usize,
    ticks: u32,
    late: u64,
    dropped: u64,
}

impl FrameQueue {
    /// Frames waiting at most: 100 ms. A stall that lasts longer is heard anyway, and what waited longer is heard as a long line.
    pub const CAPACITY: usize = 5;
    /// Ticks after which a frame that was never needed is left out: 10 s, so that the click that this is comes rarely.
    pub const WINDOW: u32 = 500;

    /// An empty queue.
    pub fn new() -> Self {
        Self { frames: VecDeque::with_capacity(Self::CAPACITY), begun: false, spare: usize::MAX, ticks: 0, late: 0, dropped: 0 }
    }

    /// Takes a frame. When [`Self::CAPACITY`] wait, the oldest is dropped and counted.
    pub fn push(&mut self, frame: SharedFrame) {
        if self.frames.len() == Self::CAPACITY {
            self.frames.pop_front();
            self.dropped += 1;
        }
        self.begun = true;
        self.frames.push_back(frame);
    }

    /// The frame of this tick. `None`, before the first was given, or when it is late: then it is counted.
    pub fn pop(&mut self) -> Option<SharedFrame> {
        let frame = self.frames.pop_front();
        self.late += u64::from(self.begun && frame.is_none());
        self.spare = self.spare.min(self.frames.len());
        self.ticks += 1;
        if self.ticks == Self::WINDOW {
            if self.spare > 0 {
                self.frames.pop_front();
                self.dropped += 1;
            }
            (self.spare, self.ticks) = (usize::MAX, 0);
        }
        frame
    }

    /// Forgets what waits. What is not given from now on is not late.
    pub fn clear(&mut self) {
        self.frames.clear();
        (self.begun, self.spare, self.ticks) = (false, usize::MAX, 0);
    }

    /// Frames that were not there when they were due, and frames left out, since the last call.
    pub fn take_counts(&mut self) -> QueueCounts {
        QueueCounts { late: std::mem::take(&mut self.late), dropped: std::mem::take(&mut self.dropped) }
    }
}

impl Default for FrameQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// What a queue did to the sound.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct QueueCounts {
    /// Ticks that got silence, since the frame was not there.
    pub late: u64,
    /// Frames that nobody heard.
    pub dropped: u64,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::codec::Codec;
    use crate::frame::PcmFrame;

    fn frame(value: i16) -> SharedFrame {
        Arc::new(PcmFrame { samples: vec![value], ..PcmFrame::silence(Codec::Pcmu) })
    }

    /// Runs `+` for a frame given and `.` for one taken; frames are numbered from 0, and `-` is one that was not there.
    fn check(queue: &mut FrameQueue, script: &str, expected: &str) {
        let mut next = 0;
        let mut taken = String::new();
        for step in script.chars() {
            match step {
                '+' => {
                    queue.push(frame(next));
                    next += 1;
                }
                _ => taken += &queue.pop().map_or("-".to_owned(), |frame| frame.samples[0].to_string()),
            }
        }
        assert_eq!(taken, expected, "{script}");
    }

    #[test]
    fn a_late_frame_is_silence_once_and_then_one_waits() {
        let mut queue = FrameQueue::new();
        check(&mut queue, "..+.+.+..++.+.+.+.", "--012-3456");
        assert_eq!(queue.take_counts(), QueueCounts { late: 1, dropped: 0 });
        assert_eq!(queue.take_counts(), QueueCounts::default());
    }

    #[test]
    fn what_does_not_fit_costs_the_oldest() {
        let mut queue = FrameQueue::new();
        check(&mut queue, "+++++++.....", "23456");
        assert_eq!(queue.take_counts(), QueueCounts { late: 0, dropped: 2 });
    }

    #[test]
    fn a_frame_that_is_never_needed_is_left_out_after_a_window() {
        let mut queue = FrameQueue::new();
        queue.push(frame(0));
        for _ in 0..2 * FrameQueue::WINDOW {
            queue.push(frame(0));
            assert!(queue.pop().is_some());
        }
        assert_eq!((queue.take_counts(), queue.frames.len()), (QueueCounts { late: 0, dropped: 1 }, 0));
    }

    #[test]
    fn one_that_is_needed_now_and_then_stays() {
        let mut queue = FrameQueue::new();
        queue.push(frame(0));
        for tick in 0..2 * FrameQueue::WINDOW {
            // Every hundredth frame comes behind its tick.
            if tick % 100 != 0 {
                queue.push(frame(0));
            }
            assert!(queue.pop().is_some());
            if tick % 100 == 0 {
                queue.push(frame(0));
            }
        }
        assert_eq!(queue.take_counts(), QueueCounts::default());
    }

    #[test]
    fn after_a_clear_nothing_is_late() {
        let mut queue = FrameQueue::new();
        check(&mut queue, "++.", "0");
        queue.clear();
        check(&mut queue, "..+.", "--0");
        assert_eq!(queue.take_counts(), QueueCounts::default());
    }
}
