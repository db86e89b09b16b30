//! When the speaking stage is late, and what is due.

use std::time::{Duration, Instant};

use super::super::piece::State;
use super::super::ports::Ports;
use super::super::said::Said;
use super::super::sound;
use super::Mouth;
use crate::engine::{EngineError, Stage};

impl Mouth {
    pub(in super::super) fn handle_timeout(&mut self, now: Instant, said: &mut Said, ports: &mut Ports) {
        if self.post.is_due(now) {
            self.connect(now, ports);
        }
        if self.post.must_look(now) {
            self.prepare(now, ports);
        }
        if let Some(error) = self.post.wire.is_late(now) {
            return self.fail_again(now, error, said, ports);
        }
        self.post.keep_alive(now, ports);
        if let Some((_, stage, limit)) = self.deadline().filter(|(at, ..)| now >= *at) {
            self.fail_again(now, EngineError::Late { stage, limit }, said, ports);
        }
    }

    /// Until when the piece in front must have given more: after its first audio that is a while after the last of it, or after the
    /// caller has heard all that there is, so that one that drips is late too.
    fn deadline(&self) -> Option<(Instant, Stage, Duration)> {
        let piece = self.pieces.front().filter(|piece| piece.state == State::Asked)?;
        let Some(first) = piece.first else {
            let limit = self.timeouts.first_audio;
            return Some((piece.heard_of + limit, Stage::FirstAudio, limit));
        };
        let limit = self.timeouts.next_audio;
        let came = sound::millis(self.post.part.format(), piece.octets);
        let played = first + Duration::from_millis(came);
        Some((played.min(piece.heard_of) + limit, Stage::NextAudio, limit))
    }

    pub(in super::super) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadline().map(|(at, ..)| at);
        [self.post.poll_timeout(), deadline, self.pace].into_iter().flatten().min()
    }
}
