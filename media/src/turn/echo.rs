//! How loud the agent's own voice comes back: the echo return loss of the leg, learned from what the line does while the agent speaks.
//!
//! ```text
//!   agent   ▆▇▆▇▆▇▆▇▆▇▆▇▆▇▆▇         level of what was sent in the last 300 ms: the echo may be of any of it
//!   line    ......▂▃▂▃▂▃▂▃▂▃▂▃       the loss is at least (quietest of the agent) - (line), whatever the delay is
//!   bound   loudest of the agent - learned loss: only what is louder than this can be the caller
//! ```
//! Speech of the caller makes the line louder, and so the bound on the loss lower: it cannot teach that there is less echo than there
//! is. What is learned fades, since a caller may put down the handset and turn the speaker on.

use crate::frame::FrameOrigin;
use crate::units::Dbov;
use crate::vad::VadFrame;

/// Frames whose echo may arrive now: 300 ms, with the jitter buffers of both ends, and the frame itself.
const FRAMES: usize = 16;

/// Frames over which levels are averaged before they are compared: 100 ms, so that a consonant is no gap.
const SMOOTH: f32 = 5.0;

/// The most there is to learn: a line without echo. And the least that doubt leaves: louder returns are a fault of the line.
const LOSS_MAX_DB: f32 = 60.0;
const LOSS_MIN_DB: f32 = 6.0;

/// How fast it learns: 25 dB a second of steady speech, so that a gap in the line of some frames says little.
const LEARN_DB: f32 = 0.5;

/// How fast that fades while the agent speaks: 1 dB a second.
const FADE_DB: f32 = 0.02;

/// What a taken-back interruption costs: it may have been echo.
const DOUBT_DB: f32 = 3.0;

/// How much louder than the expected echo the caller must be: 3 dB for a burst that lies in two frames when it is sent and in one when
/// it comes back, and 1 for codecs and rooms.
const MARGIN_DB: f32 = 4.0;

/// Levels below are taken for this, on both sides alike: a mean that had to come up from silence would lag, and on one side more than on
/// the other. So the means of agent and line rise together, and the line's never too late to show the echo.
const QUIET: f32 = -60.0;

/// Nothing was sent.
const NOTHING: f32 = Dbov::SILENCE.0;

/// The echo of one leg. A value without allocations.
#[derive(Clone, Debug)]
pub(super) struct Echo {
    /// Levels of the agent's last frames, and the same averaged.
    sent: [f32; FRAMES],
    smooth_sent: [f32; FRAMES],
    next: usize,
    /// Mean levels of agent and line.
    sent_mean: f32,
    line_mean: f32,
    /// Frames since the agent was last heard.
    silent: usize,
    /// What the loss is taken to be before anything was heard, and fades to.
    start: f32,
    loss: f32,
}

impl Echo {
    /// Of a leg whose loss is this as long as nothing is known.
    pub(super) fn new(start: f32) -> Self {
        Self {
            sent: [NOTHING; FRAMES],
            smooth_sent: [QUIET; FRAMES],
            next: 0,
            sent_mean: QUIET,
            line_mean: QUIET,
            silent: FRAMES,
            start,
            loss: start,
        }
    }

    /// A frame went out at this level, or none did, while this one came in. Of a level that is a guess nothing is learned.
    pub(super) fn handle_frame(&mut self, sent: Option<Dbov>, told: bool, line: VadFrame) {
        self.silent = if sent.is_some() { 0 } else { self.silent.saturating_add(1) };
        if self.silent > FRAMES {
            self.smooth_sent = [QUIET; FRAMES];
            (self.sent_mean, self.line_mean) = (QUIET, QUIET);
            return;
        }
        let sent = sent.map_or(NOTHING, |level| level.0);
        self.sent_mean += (sent.max(QUIET) - self.sent_mean) / SMOOTH;
        self.sent[self.next] = sent;
        self.smooth_sent[self.next] = self.sent_mean;
        self.next = (self.next + 1) % FRAMES;
        // An invented frame says nothing of the line.
        if !told || line.origin != FrameOrigin::Received {
            return;
        }
        let heard = line.level.0.max(line.noise_floor.0).max(QUIET);
        self.line_mean += (heard - self.line_mean) / SMOOTH;
        let quietest = self.smooth_sent.iter().copied().fold(0.0, f32::min);
        let at_least = quietest - self.line_mean;
        if at_least > self.loss {
            self.loss = (self.loss + LEARN_DB).min(LOSS_MAX_DB);
        } else if self.loss > self.start {
            self.loss = (self.loss - FADE_DB).max(self.start);
        }
    }

    /// An interruption was taken back.
    pub(super) fn doubt(&mut self) {
        self.loss = (self.loss - DOUBT_DB).max(LOSS_MIN_DB);
    }

    /// The level that the caller must reach not to be taken for the echo; `None` while nothing can come back.
    pub(super) fn bound(&self) -> Option<f32> {
        if self.silent >= FRAMES {
            return None;
        }
        let loudest = self.sent.iter().copied().fold(NOTHING, f32::max);
        (loudest > NOTHING).then_some(loudest - self.loss + MARGIN_DB)
    }

    /// The loss as far as it is known.
    pub(super) fn loss_db(&self) -> f32 {
        self.loss
    }
}
