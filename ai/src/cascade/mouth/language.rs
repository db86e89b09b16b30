//! The caller's language, once it was found.

use std::time::Instant;

use super::Mouth;
use crate::cascade::piece::State;
use crate::cascade::ports::Ports;

impl Mouth {
    /// Speaks this language from now on. A socket that is bound to the one before is changed, unless it is at work.
    pub(in crate::cascade) fn set_language(&mut self, now: Instant, code: &str, ports: &mut Ports) {
        code.clone_into(&mut self.speakable.language);
        self.found = Some(code.to_owned());
        let idle = !self.pieces.iter().any(|piece| piece.state == State::Asked);
        if self.post.part.set_language(code) && idle && self.post.wire.is_up() {
            self.post.wire.close(ports);
            self.connect(now, ports);
        }
    }
}
