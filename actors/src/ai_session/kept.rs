//! Speech that was made before, on the disk: read and written beside the actor.

use std::sync::Arc;

use ai::engine::CacheKey;
use bytes::Bytes;

use super::{AiMsg, AiSession};
use crate::mailbox::Mailbox;

impl AiSession {
    /// Looks for speech. A session that has ended meanwhile needs no answer.
    pub(super) fn look_up(&self, key: CacheKey, me: &Mailbox<AiMsg>) {
        let (speech, me) = (Arc::clone(&self.speech), me.clone());
        tokio::task::spawn_blocking(move || {
            let audio = speech.get(&key);
            let _ended_meanwhile = me.send(AiMsg::Cached(key, audio));
        });
    }

    /// Keeps speech for other calls.
    pub(super) fn keep(&self, key: CacheKey, audio: Bytes) {
        let (speech, call) = (Arc::clone(&self.speech), self.call_id);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = speech.put(&key, &audio) {
                tracing::warn!(call = %call, %error, "speech cannot be kept for other calls");
            }
        });
    }
}
