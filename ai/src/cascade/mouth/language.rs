//! The caller's language, once it was found.

use std::time::Instant;

use super::Mouth;
use crate::cascade::piece::State;
use crate::cascade::ports::Ports;

impl Mouth {
    /// Speaks this language from now on. A socket that is bound to the one before is changed, after what was already asked of it.
    pub(in crate::cascade) fn set_language(&mut self, now: Instant, code: &str, ports: &mut Ports) {
        code.clone_into(&mut self.speakable.language);
        self.found = Some(code.to_owned());
        for piece in self.pieces.iter_mut().filter(|piece| matches!(piece.state, State::Cache | State::Waiting)) {
            // The key is that of the voice before.
            (piece.key, piece.state) = (None, State::Waiting);
        }
        self.outdated = self.post.part.set_language(code) && self.post.wire.is_up();
        self.follow_language(now, ports);
    }

    /// Changes a socket of the language before, once it is idle.
    pub(super) fn follow_language(&mut self, now: Instant, ports: &mut Ports) {
        if self.outdated && !self.pieces.iter().any(|piece| piece.state == State::Asked) {
            self.outdated = false;
            self.post.wire.close(ports);
            self.connect(now, ports);
        }
    }
}
