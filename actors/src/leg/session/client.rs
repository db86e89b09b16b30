//! What a session's client is told, by whoever in its call has something to tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use media::sendout::PromptId;
use store::{CallId, HangupCause};
use tokio::sync::mpsc;

use super::{SessionOut, protocol};

/// Places of the queue to the client that are kept free of audio: words and news must not wait for a client that is behind with it.
const FOR_NEWS: usize = 64;

/// The sending side of a session's socket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    outgoing: mpsc::Sender<SessionOut>,
    /// It did not take something that must not be lost.
    lost: AtomicBool,
    dropped: AtomicU64,
}

/// What a client is told.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// The session is open.
    Connected(CallId),
    /// The client did something wrong, and the session goes on.
    Error {
        /// What, for programs.
        code: &'static str,
        /// What, for people.
        message: &'a str,
    },
    /// The agent was cut short.
    Interrupted(Duration),
    /// Somebody has said this.
    Said {
        /// The agent, and not the person.
        agent: bool,
        /// What.
        text: &'a str,
        /// All of the turn, and of the agent's only what was heard. Else: the words since the last.
        is_final: bool,
    },
    /// The person speaks, or has stopped.
    Speech(bool),
    /// Words that the agent is about to say, since the last of this prompt.
    Words {
        /// What they belong to.
        prompt: Option<PromptId>,
        /// Which.
        text: &'a str,
    },
}

impl Client {
    /// Over the queue to the socket.
    pub fn new(outgoing: mpsc::Sender<SessionOut>) -> Self {
        Self(Arc::new(Inner { outgoing, lost: AtomicBool::new(false), dropped: AtomicU64::new(0) }))
    }

    /// Tells the client. One that has not taken the last hundred messages is lost.
    pub fn tell(&self, news: &News<'_>) {
        if self.0.outgoing.try_send(SessionOut::Text(protocol::news(news))).is_err() {
            self.0.lost.store(true, Relaxed);
            self.0.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Tells the client as soon as it takes it.
    pub(super) async fn answer(&self, news: &News<'_>) {
        let _the_socket_is_gone = self.0.outgoing.send(SessionOut::Text(protocol::news(news))).await;
    }

    /// One frame of audio, or none when the client is behind: then it is dropped and counted.
    pub(super) fn send_audio(&self, frame: SessionOut) {
        let room = self.0.outgoing.capacity() > FOR_NEWS;
        if !room || self.0.outgoing.try_send(frame).is_err() {
            self.0.dropped.fetch_add(1, Relaxed);
        }
    }

    /// The last word; the socket is closed behind it.
    pub(crate) fn end(&self, cause: HangupCause) {
        // A client that takes nothing learns it by the end of its socket.
        let _behind = self.0.outgoing.try_send(SessionOut::End(protocol::ended(cause)));
    }

    /// Whether it takes nothing any more.
    pub(super) fn is_lost(&self) -> bool {
        self.0.lost.load(Relaxed)
    }

    /// Messages that were dropped since this was asked last.
    pub(in crate::leg) fn take_dropped(&self) -> u64 {
        self.0.dropped.swap(0, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_leaves_room_for_news_and_a_client_that_takes_none_is_lost() {
        let (outgoing, mut taken) = mpsc::channel(FOR_NEWS + 2);
        let client = Client::new(outgoing);
        for _ in 0..5 {
            client.send_audio(SessionOut::Binary(vec![0].into()));
        }
        assert_eq!((client.take_dropped(), client.take_dropped(), client.is_lost()), (3, 0, false));
        for _ in 0..FOR_NEWS {
            client.tell(&News::Speech(true));
        }
        assert!(!client.is_lost());
        client.tell(&News::Speech(false));
        assert!(client.is_lost());
        assert_eq!(taken.try_recv(), Ok(SessionOut::Binary(vec![0].into())));
    }
}
