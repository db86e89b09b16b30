//! The caller's audio on its way up: kept until a turn begins, sent while it lasts, kept until it is answered.
//!
//! ```text
//! frames   . . . . . . . . s s s s s s s s . . . . .
//! ring     [<- 300 ms ->]  ^ at    ^ CallerStarted  ^ CallerFinished
//! sent     [       at once        ][ 100 ms ][ 100 ms ] rest, commit
//! ```

use std::time::{Duration, Instant};

/// Octets a millisecond of G.711.
pub(crate) const OCTETS_PER_MS: usize = 8;

/// What is sent from before the speech began: a soft onset is speech before the detector can know it.
const PRE_ROLL: Duration = Duration::from_millis(300);

/// What is kept while nobody speaks. A barge-in is told 500 ms of speech after it began, pauses not counted: by
/// default 1 s at most with them, and the pre-roll; 3 s leaves room for slower settings.
const RING: usize = 3_000 * OCTETS_PER_MS;

/// What is kept of a turn to be sent again over a new connection; of a longer one the end, 120 kB.
const UTTERANCE: usize = 15_000 * OCTETS_PER_MS;

/// How far a buffer may grow over its bound before it is cut: a second, so that cutting is rare.
const SLACK: usize = 1_000 * OCTETS_PER_MS;

/// Five frames an append: a fifth of the JSON, TLS records and system calls of one. It delays nothing that counts, since the
/// rest is flushed before the commit, and the answer starts there.
const BATCH: usize = 100 * OCTETS_PER_MS;

/// The caller's audio, G.711 octets.
#[derive(Default)]
pub(crate) struct Uplink {
    ring: Vec<u8>,
    /// When the last frame came, which is when it ended.
    ring_until: Option<Instant>,
    /// The turn that is open, or waits for the provider to begin its answer.
    utterance: Vec<u8>,
    /// How much of the utterance this connection was given, and how much of that was committed.
    sent: usize,
    committed: usize,
    open: bool,
    commit_due: bool,
}

impl Uplink {
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    pub(crate) fn push(&mut self, now: Instant, frame: &[u8]) {
        if self.open {
            self.extend(frame);
            return;
        }
        self.ring_until = Some(now);
        self.ring.extend_from_slice(frame);
        if self.ring.len() > RING + SLACK {
            self.ring.drain(..self.ring.len() - RING);
        }
    }

    /// The caller's turn began at `at`.
    pub(crate) fn open(&mut self, at: Instant) {
        if self.open {
            return;
        }
        self.open = true;
        let spoken = self.ring_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(at));
        let wanted = (spoken + PRE_ROLL).as_millis().min((RING / OCTETS_PER_MS) as u128) as usize * OCTETS_PER_MS;
        let ring = std::mem::take(&mut self.ring);
        self.extend(&ring[ring.len().saturating_sub(wanted)..]);
        self.ring = ring;
        self.ring.clear();
    }

    /// The caller's turn is over; a commit is due unless nothing was heard.
    pub(crate) fn close(&mut self) {
        self.open = false;
        self.commit_due = self.utterance.len() > self.committed;
    }

    /// The provider has the turn: it need not be sent again.
    pub(crate) fn settle(&mut self) {
        if !self.open && !self.commit_due {
            // A long turn does not stay in memory for the rest of the call.
            self.utterance = Vec::new();
            self.sent = 0;
            self.committed = 0;
        }
    }

    /// The connection is gone, and what it was given with it.
    pub(crate) fn reset(&mut self) {
        self.sent = 0;
        self.committed = 0;
        self.commit_due = !self.open && !self.utterance.is_empty();
    }

    /// Audio to append now: batches while the turn is open, all of it when it is over.
    pub(crate) fn take_append(&mut self) -> Option<&[u8]> {
        let waiting = self.utterance.len() - self.sent;
        if waiting == 0 || (self.open && waiting < BATCH) {
            return None;
        }
        let from = std::mem::replace(&mut self.sent, self.utterance.len());
        Some(&self.utterance[from..])
    }

    /// All audio that was not sent yet, a batch or not.
    pub(crate) fn take_rest(&mut self) -> Option<&[u8]> {
        let from = std::mem::replace(&mut self.sent, self.utterance.len());
        Some(&self.utterance[from..]).filter(|rest| !rest.is_empty())
    }

    /// The turn so far, as far as it is kept.
    pub(crate) fn utterance(&self) -> &[u8] {
        &self.utterance
    }

    /// Whether to commit now; after the appends.
    pub(crate) fn take_commit(&mut self) -> bool {
        if self.commit_due {
            self.committed = self.sent;
        }
        std::mem::take(&mut self.commit_due)
    }

    fn extend(&mut self, audio: &[u8]) {
        self.utterance.extend_from_slice(audio);
        if self.utterance.len() > UTTERANCE + SLACK {
            let over = self.utterance.len() - UTTERANCE;
            self.utterance.drain(..over);
            self.sent = self.sent.saturating_sub(over);
            self.committed = self.committed.saturating_sub(over);
        }
    }
}
